//! The same command again: what is done stays done, and what changed is done again.

use fixtures::GroupSpec;

use super::{Night, SCRIPT_STAGE, set};
use crate::program::Work;

/// Two stages; the second reads the first one's product.
fn plan(first: &str, second: &str) -> String {
    format!(
        "{}{}{}\n[[stage]]\nname = \"next\"\ncommand = [\"sh\", \"-c\", {second:?}]\nreads = [\"{{work}}/p/{{set}}\"]\nproduct = \"{{work}}/q/{{set}}\"\n",
        set("a", first),
        set("b", "echo b > {out}/x"),
        SCRIPT_STAGE
    )
}

const NEXT: &str = "cp {work}/p/{set}/x {out}/";

#[test]
fn what_is_done_stays_done() {
    let night = Night::new(&plan("echo a > {out}/x", NEXT));
    assert_eq!(night.summary(&[], 0)["attempts"], 4);
    let again = night.summary(&[], 0);
    assert_eq!((&again["attempts"], &again["up_to_date"]), (&0.into(), &4.into()));
    // Without arguments it goes on with what was asked for.
    let again = night.work.run(&["run", "--work", "night", "--json"]).expect(0).json();
    assert_eq!((&again["attempts"], &again["up_to_date"]), (&0.into(), &4.into()));
    // A moved night is the same night.
    std::fs::rename(night.folder(), night.work.path().join("moved")).expect("move");
    let moved = night.work.run(&["run", "--work", "moved", "--json"]).expect(0).json();
    assert_eq!(moved["attempts"], 0, "{moved:#}");
    // The four products of the stages, and the report with its twin.
    let verified = night.work.run(&["verify", "--work", "moved", "--json"]).expect(0).json();
    assert_eq!((verified["products"].as_array().map(Vec::len), &verified["bad"]), (Some(6), &0.into()));
}

#[test]
fn a_set_that_is_made_anew_gets_all_that_was_done_to_it() {
    let work = Work::with(&GroupSpec::tiny());
    let plan = "[vars]\nms = \"{work}/ms/{set}.ms\"\n[[stage]]\npreset = \"convert\"\n\
        command = [\"{contimg}\", \"convert\", \"{files}\", \"--out\", \"{work}/ms\", \"--overwrite\", \"--quiet\"]\n[[stage]]\nname = \"flag\"\n\
        command = [\"{contimg}\", \"flag\", \"{ms}\", \"--quiet\"]\nreads = [\"{ms}::DATA\"]\nwrites = [\"{ms}::FLAG\"]\n";
    std::fs::write(work.path().join("plan.toml"), plan).expect("write");
    let run = ["run", "input", "--plan", "plan.toml", "--work", "out", "--json"];
    work.run(&run).expect(0);
    let set = work.out().join("ms/2026-01-25T00:05:19.ms");
    let flagged = || {
        let said = work.run(&["flags", &set.display().to_string(), "--json"]).json();
        said["counts"].clone()
    };
    let (before, attempts) = (flagged(), |summary: &serde_json::Value| summary["attempts"].as_u64());
    assert!(!before.is_null());
    std::fs::remove_dir_all(&set).expect("remove");
    assert_eq!(attempts(&work.run(&run).expect(0).json()), Some(2), "its flags went with it");
    assert_eq!(flagged(), before);
    work.run(&["retry", "2026-01-25T00:05:19", "--stage", "convert", "--work", "out"]).expect(0);
    assert_eq!(flagged(), before);
    assert_eq!(attempts(&work.run(&run).expect(0).json()), Some(0));
}

#[test]
fn changed_settings_and_inputs_are_done_again_and_nothing_else() {
    let night = Night::new(&plan("echo a > {out}/x", NEXT));
    night.summary(&[], 0);
    night.plan(&plan("echo other > {out}/x", NEXT));
    assert_eq!(night.summary(&[], 0)["attempts"], 2, "both stages of set a");
    assert_eq!(night.product("a").as_deref(), Some("other\n"));
    night.plan(&plan("echo other > {out}/x", "cp {work}/p/{set}/x {out}/y"));
    assert_eq!(night.summary(&[], 0)["attempts"], 2, "the second stage of both sets");
    // The same product made by another command is the same to what reads it.
    night.plan(&plan("echo other  > {out}/x", "cp {work}/p/{set}/x {out}/y"));
    assert!(night.summary(&[], 0)["attempts"].as_u64() >= Some(1));
    // A product that was lost is made again.
    std::fs::remove_dir_all(night.folder().join("q/b")).expect("remove");
    assert_eq!(night.summary(&[], 0)["attempts"], 1);
    // Damage that does not show in sizes is found, with what mends it.
    std::fs::write(night.folder().join("q/b/y"), "x\n").expect("write");
    let verified = night.work.run(&["verify", "--work", "night"]);
    assert_eq!(verified.orderly(), Ok(1), "{verified:?}");
    verified.says_stdout("`contimg retry b --stage next --work ");
    night.work.run(&["retry", "b", "--stage", "next", "--work", "night"]).expect(0);
    night.work.run(&["verify", "--work", "night"]).expect(0);
    // Damage is found and mended.
    std::fs::write(night.folder().join("q/b/y"), "damaged and longer").expect("write");
    night.work.run(&["verify", "--work", "night"]).orderly().map(|code| assert_eq!(code, 1)).expect("an orderly end");
    assert_eq!(night.summary(&[], 0)["attempts"], 1);
    night.work.run(&["verify", "--work", "night"]).expect(0);
}

#[test]
fn a_record_that_was_lost_is_made_again_from_the_product() {
    let count = "echo ran >> {work}/count; echo a > {out}/x";
    let night = Night::new(&format!("{}{SCRIPT_STAGE}", set("a", count)));
    night.summary(&[], 0);
    std::fs::remove_dir_all(night.folder().join(".night/state")).expect("remove");
    night.summary(&[], 0);
    let ran = std::fs::read_to_string(night.folder().join("count")).expect("read");
    assert_eq!(ran, "ran\n", "the command ran once");
}

#[test]
fn damaged_data_are_not_tried_again_and_the_rest_is() {
    let stage = format!("{SCRIPT_STAGE}exit_codes = {{ 9 = \"input\" }}\n");
    let sets = set("bad", "exit 9") + &set("unlucky", "test -e {work}/ok && echo > {out}/x");
    let night = Night::new(&format!("{sets}{stage}"));
    let first = night.summary(&[], 4);
    assert_eq!(first["failed"].as_array().map(Vec::len), Some(2), "{first:#}");
    std::fs::write(night.folder().join("ok"), "").expect("write");
    let second = night.summary(&[], 1);
    assert_eq!((&second["passed_over"][0][0], &second["done"][0]), (&"bad".into(), &"unlucky".into()), "{second:#}");
    assert_eq!(second["attempts"], 1);
    let retried = night.work.run(&["retry", "bad", "--work", "night", "--json"]);
    assert_eq!((retried.code, &retried.json()["attempts"]), (Some(1), &1.into()), "{retried:?}");
}

#[test]
fn a_missing_program_is_skipped_where_the_plan_says_so() {
    let image = "[[stage]]\nname = \"image\"\ncommand = [\"no-such-imager\", \"{out}\"]\nproduct = \"{work}/i/{set}\"\n\
        skip_without_program = \"get it with: apt-get install no-such-imager\"\n\
        [[stage]]\nname = \"after\"\ncommand = [\"true\"]\nreads = [\"{work}/i/{set}\"]\n";
    let night = Night::new(&format!("{}{SCRIPT_STAGE}{image}", set("a", "echo > {out}/x")));
    let ended = night.run(&[]).expect(0);
    assert!(ended.stdout.contains("image skipped: get it with"), "{ended:?}");
    assert!(ended.stdout.contains("after skipped"), "{ended:?}");
    // Without that, it is a failure with its name.
    night.plan(&format!(
        "{}{SCRIPT_STAGE}{}",
        set("a", "echo > {out}/x"),
        image.replace("skip_without", "about = \"x\"\n#")
    ));
    assert_eq!(night.summary(&[], 4)["failed"][0][2], "cannot-start");
}

#[test]
fn a_moved_night_of_sets_is_the_same_night() {
    let plan = "[vars]\nms = \"{work}/ms/{set}.ms\"\n[[stage]]\npreset = \"convert\"\n\
        [[stage]]\nname = \"look\"\ncommand = [\"test\", \"-d\", \"{ms}\"]\nreads = [\"{ms}::DATA\"]\n";
    let night = Night { work: Work::with(&GroupSpec::tiny()) };
    night.plan(plan);
    night.summary(&["input"], 0);
    std::fs::rename(night.folder(), night.work.path().join("moved")).expect("move");
    let moved = night.work.run(&["run", "--work", "moved", "--json"]).expect(0).json();
    assert_eq!((&moved["attempts"], &moved["up_to_date"]), (&0.into(), &2.into()), "{moved:#}");
    let verified = night.work.run(&["verify", "--work", "moved", "--json"]).expect(0).json();
    assert_eq!((verified["products"].as_array().map(Vec::len), &verified["bad"]), (Some(3), &0.into()), "{verified:#}");
    let report = night.work.run(&["report", "--work", "moved", "--json"]).expect(0).json();
    assert_eq!(
        (report["flags"].as_array().map(Vec::len), &report["flags"][0]["problem"]),
        (Some(1), &().into()),
        "{report:#}"
    );
}

#[test]
fn a_stage_that_is_asked_for_again_is_done_again_and_the_night_stays_whole() {
    let all = "[[stage]]\nname = \"all\"\nscope = \"night\"\nreads = [\"{work}/p/{set}\"]\nproduct = \"{work}/p/all\"\n\
        command = [\"sh\", \"-c\", \"mkdir {out}; cat $* > {out}/x\", \"{out}\", \"{work}/p/{set}/x\"]\n";
    let count = |name: &str| {
        format!("echo {name} >> {{work}}/count; test -e {{work}}/broken && exit 7; echo {name} > {{out}}/x")
    };
    let night = Night::new(&(set("a", &count("a")) + &set("b", &count("b")) + SCRIPT_STAGE + all));
    night.summary(&[], 0);
    let counted = || std::fs::read_to_string(night.folder().join("count")).expect("read").replace('\n', "");
    let retry = |more: &[&str]| night.work.run(&[&["retry", "--work", "night", "--json"], more].concat());
    assert_eq!(counted().len(), 2);
    let summary = retry(&["a", "--stage", "work"]).expect(0).json();
    assert_eq!(counted()[2..], *"a", "only this set: {summary:#}");
    assert_eq!(night.product("all").as_deref(), Some("a\nb\n"), "the night still has both");
    // The old product does not stand in for a new one that failed, neither now nor in the next run.
    std::fs::write(night.folder().join("broken"), "").expect("write");
    assert_eq!(retry(&["b", "--stage", "work"]).orderly(), Ok(4));
    assert_eq!(
        (night.summary(&[], 4)["failed"][0][0].as_str(), night.product("b").as_deref()),
        (Some("b"), Some("b\n"))
    );
    std::fs::remove_file(night.folder().join("broken")).expect("remove");
    night.summary(&[], 0);
    assert_eq!(counted()[3..], *"bbb", "asked for, run again, and at last");
    retry(&["c"]).expect(1).says("c: there is no such failure");
    retry(&["--stage", "x"]).expect(2).says("it has work, all");
    retry(&["--class", "x"]).expect(2).says("cannot-start");
}

#[test]
fn what_is_lost_is_told_also_behind_a_link() {
    let night = Night::new(&plan("echo a > {out}/x", NEXT));
    night.summary(&[], 0);
    let verify = |code| {
        let ended = night.work.run(&["verify", "--work", "night", "--json"]);
        assert_eq!(ended.orderly(), Ok(code), "{ended:?}");
        ended.json()
    };
    let moved = night.work.path().join("p");
    std::fs::rename(night.folder().join("p"), &moved).expect("move");
    std::os::unix::fs::symlink(&moved, night.folder().join("p")).expect("link");
    assert_eq!(verify(0)["products"].as_array().map(Vec::len), Some(6));
    std::fs::write(moved.join("a/x"), "damaged and longer").expect("write");
    assert_eq!(verify(1)["bad"], 1);
    std::fs::remove_dir_all(moved.join("a")).expect("remove");
    std::fs::remove_file(night.folder().join("report.html")).expect("remove");
    let found = verify(1);
    let missing = found["products"].as_array().expect("a list").iter().filter(|product| product["state"] == "missing");
    let missing: Vec<_> = missing.map(|product| product["path"].as_str().unwrap_or_default()).collect();
    assert_eq!(missing, ["report.html", "p/a"], "{found:#}");
}
