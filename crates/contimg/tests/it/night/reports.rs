//! The report of a night, and what stages of the whole night see.

use std::fs;

use serde_json::Value;

use super::{Night, SCRIPT_STAGE, set};

fn twin(night: &Night) -> Value {
    serde_json::from_slice(&fs::read(night.folder().join("report.json")).expect("read")).expect("JSON")
}

#[test]
fn a_run_ends_with_a_report_of_what_went_well_and_what_did_not() {
    let sets = set("good", "echo > {out}/x") + &set("bad", "echo '<script>alert(1)</script>'; exit 7");
    let night = Night::new(&format!("{sets}{SCRIPT_STAGE}"));
    night.summary(&[], 4);
    let page = fs::read_to_string(night.folder().join("report.html")).expect("the page");
    for word in ["2 sets: 1 done, 1 failed", "Remedy:", "&lt;script&gt;", "Stages of run", "budget"] {
        assert!(page.contains(word), "`{word}` is not in the page");
    }
    assert!(!page.contains("<script"), "nothing of a stage's output becomes markup");
    let twin = twin(&night);
    assert_eq!(twin["failures"][0]["set"], "bad", "{twin:#}");
    assert_eq!((&twin["failures"][0]["class"], &twin["failures"][0]["attempts"]), (&"exit".into(), &1.into()));
    let run = &twin["runs"][0];
    assert!(run["memory_budget"].as_u64() > Some(1 << 20) && run["ended"] == true, "{run:#}");
    assert_eq!(run["attempts"].as_array().map(Vec::len), Some(2), "{run:#}");
    assert!(run["memory"].as_array().is_some_and(|samples| !samples.is_empty()), "{run:#}");
    // It is a product like the others, and made by hand it is the same but for its time.
    night.work.run(&["verify", "--work", "night"]).expect(0).says_stdout("report.html: as published");
    let by_hand = night.work.run(&["report", "--work", "night", "--json"]).expect(0).json();
    for part in ["sets", "runs", "failures", "flags"] {
        assert_eq!(by_hand[part], twin[part], "{part}");
    }
    night.work.run(&["report", "--work", "night", "--out", "elsewhere.html"]).expect(0);
    assert!(night.work.path().join("elsewhere.json").is_file());
}

#[test]
fn a_report_never_takes_the_place_of_something_else() {
    let night = Night::new(&format!("{}{SCRIPT_STAGE}", set("a", "echo > {out}/x")));
    night.summary(&["--no-report"], 0);
    assert!(!night.folder().join("report.html").exists());
    fs::write(night.work.path().join("thesis.html"), "mine").expect("write");
    night.work.run(&["report", "--work", "night", "--out", "thesis.html"]).expect(3).says("no manifest");
    assert_eq!(fs::read_to_string(night.work.path().join("thesis.html")).expect("read"), "mine");
    assert!(!night.work.path().join("thesis.json").exists(), "and no twin of nothing");
    night.work.run(&["report", "--work", "night", "--out", "x.json"]).expect(2).says("--out x.json");
    night.work.run(&["report", "--work", "input"]).expect(1).says("is no work folder");
}

#[test]
fn what_was_skipped_for_all_sets_is_skipped_for_the_night() {
    let image = "[[stage]]\nname = \"image\"\ncommand = [\"no-such-imager\", \"{out}\"]\nproduct = \"{work}/i/{set}\"\n\
        skip_without_program = \"get it\"\n\
        [[stage]]\nname = \"validate\"\nscope = \"night\"\ncommand = [\"true\", \"{work}/i/{set}\"]\nreads = [\"{work}/i/{set}\"]\n";
    let sets = set("a", "echo > {out}/x") + &set("b", "echo > {out}/x");
    let night = Night::new(&format!("{sets}{SCRIPT_STAGE}{image}"));
    let ended = night.run(&[]).expect(0);
    assert!(ended.stdout.contains("image skipped: get it") && ended.stdout.contains("validate skipped"), "{ended:?}");
    assert_eq!(twin(&night)["skipped"].as_array().map(Vec::len), Some(2), "and the report is written");
}

#[test]
fn what_follows_a_command_finishes_its_product_and_knows_whose_it_is() {
    let follow = "then = [[\"sh\", \"-c\", \"echo $CONTIMG_SET $CONTIMG_STAGE >> {out}/x\"], [\"test\", \"-n\", \"$CONTIMG_RUN\"]]\n";
    let night = Night::new(&format!("{}{SCRIPT_STAGE}{follow}", set("a", "echo first > {out}/x")));
    night.summary(&[], 0);
    assert_eq!(night.product("a").as_deref(), Some("first\na work\n"));
    // When it fails, there is no product.
    let night = Night::new(&format!("{}{SCRIPT_STAGE}then = [[\"false\"]]\n", set("a", "echo > {out}/x")));
    assert_eq!(night.summary(&[], 4)["failed"][0][2], "exit");
    assert_eq!(night.product("a"), None);
}

#[test]
fn a_trace_has_every_attempt_and_the_memory() {
    let sets = set("good", "echo > {out}/x") + &set("bad", "exit 7");
    let night = Night::new(&format!("{sets}{SCRIPT_STAGE}"));
    night.summary(&["--trace", "trace.json"], 4);
    let text = fs::read(night.work.path().join("trace.json")).expect("read");
    let trace: Value = serde_json::from_slice(&text).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("a list");
    let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).collect::<Vec<_>>();
    let mut attempts: Vec<_> =
        of("X").iter().map(|event| (event["args"]["set"].clone(), event["cat"].clone())).collect();
    attempts.sort_by_key(|(set, _)| set.to_string());
    assert_eq!(attempts, [("bad".into(), "exit".into()), ("good".into(), "stage".into())]);
    assert!(
        of("X").iter().all(|event| event["dur"].as_i64() >= Some(0) && event["ts"].as_i64() > Some(0)),
        "{trace:#}"
    );
    assert!(!of("C").is_empty(), "{trace:#}");
}
