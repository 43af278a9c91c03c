//! `contimg retire`: what goes, what stays and why, and what a run makes of it.

use fixtures::GroupSpec;

use super::{SUMS, three_days};
use crate::program::Work;
use crate::set;

const RUN: [&str; 8] = ["run", "input", "--plan", "plan.toml", "--work", "out", "--no-report", "--json"];

#[test]
fn the_oldest_set_goes_and_counts_as_done_until_it_is_asked_for() {
    let work = three_days();
    let retire = |more: &[&str]| work.run(&[&["retire", "--work", "out", "--json"], more].concat()).expect(0).json();
    let fates = |said: &serde_json::Value| -> Vec<String> {
        let sets = said["sets"].as_array().expect("a list");
        sets.iter().map(|set| set["fate"].as_str().unwrap_or_default().to_owned()).collect()
    };
    work.run(&RUN).expect(0);
    let sets: Vec<_> = (25..28).map(|day| work.out().join(format!("ms/2026-01-{day}T00:05:19.ms"))).collect();
    let oldest = set::every_byte(&sets[0]);

    let all = retire(&["--keep", "1TiB"]);
    assert_eq!(fates(&all), ["stays"; 3], "{all:#}");
    // Of the second, a subband has gone: nobody could make it again.
    let subband = std::fs::read_dir(work.input()).expect("list").flatten().map(|entry| entry.path());
    let subband = subband.filter(|path| path.to_string_lossy().contains("2026-01-26")).min().expect("a subband");
    std::fs::rename(&subband, work.path().join("aside")).expect("rename");
    let none = retire(&["--keep", "1B"]);
    assert_eq!(fates(&none), ["goes", "stays", "goes"], "{none:#}");
    assert!(
        none["sets"][1]["reason"].as_str().is_some_and(|reason| reason.contains("not there as it was")),
        "{none:#}"
    );
    assert!(none["missing_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    std::fs::rename(work.path().join("aside"), &subband).expect("rename");
    assert!(sets.iter().all(|set| set.exists()), "nothing goes before --remove");

    let keep = format!("{}B", all["bytes"].as_u64().expect("bytes") - 1);
    let one = retire(&["--keep", &keep, "--remove"]);
    assert_eq!(fates(&one), ["removed", "stays", "stays"], "{one:#}");
    assert_eq!(sets.iter().map(|set| set.exists()).collect::<Vec<_>>(), [false, true, true]);
    let summary = work.run(&RUN).expect(0).json();
    assert_eq!((&summary["attempts"], summary["done"].as_array().map(Vec::len)), (&0.into(), Some(3)), "{summary:#}");
    let status = work.run(&["status", "--work", "out"]).expect(0);
    assert!(status.stdout.contains("retired"), "{status:?}");

    work.run(&["retry", "2026-01-25T00:05:19", "--work", "out"]).expect(0);
    assert_eq!(set::differences(&oldest, &set::every_byte(&sets[0])), [""; 0], "made again, the same");
    assert_eq!(
        work.run(&RUN).expect(0).json()["attempts"],
        0,
        "nor was the whole night's stage done without the others"
    );
}

#[test]
fn what_a_crash_left_on_its_way_out_goes_the_next_time_also_behind_a_link() {
    let work = three_days();
    // The sets lie on another disk.
    let elsewhere = tempfile::tempdir().expect("temporary folder");
    std::fs::create_dir(work.out()).expect("mkdir");
    std::os::unix::fs::symlink(elsewhere.path(), work.out().join("ms")).expect("link");
    work.run(&RUN).expect(0);
    let keep =
        |bytes: &str| work.run(&["retire", "--work", "out", "--keep", bytes, "--remove", "--json"]).expect(0).json();
    let all = keep("1TiB");
    let one = keep(&format!("{}B", all["bytes"].as_u64().expect("bytes") - 1));
    assert_eq!(one["sets"][0]["fate"], "removed", "{one:#}");
    let names = || {
        let entries = std::fs::read_dir(elsewhere.path()).expect("list").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let two = ["2026-01-26T00:05:19.ms", "2026-01-27T00:05:19.ms"];
    assert_eq!(names(), two);
    // As a crash leaves it after the name was taken away.
    std::fs::create_dir(elsewhere.path().join(".2026-01-25T00:05:19.ms.going")).expect("mkdir");
    work.run(&["verify", "--work", "out"]).expect(0);
    keep("1TiB");
    assert_eq!(names(), two);
}

#[test]
fn sets_that_are_used_elsewhere_go_when_their_part_is_done() {
    let work = three_days();
    work.run(&[&RUN[..], &["--until", "convert"]].concat()).expect(0);
    let retire = |more: &[&str]| work.run(&[&["retire", "--work", "out"], more].concat());
    retire(&["--keep", "1B"]).expect(0).says_stdout("its stage `sum` is not done (with --until convert");
    retire(&["--keep", "1B", "--until", "count"]).expect(2).says("sets have no such stage").says("convert, sum, look");
    let all = retire(&["--keep", "1TiB", "--until", "convert", "--json"]).expect(0).json();
    let keep = format!("{}B", all["bytes"].as_u64().expect("bytes") - 1);
    retire(&["--keep", &keep, "--until", "convert", "--remove"]).expect(0).says_stdout("25T00:05:19.ms: removed");
    // What was not done for it is not called done.
    let status = || work.run(&["status", "--work", "out"]).expect(0);
    let run = work.run(&["run", "--work", "out", "--no-report"]).expect(0);
    run.says("retired before this stage").says_stdout("2 sets done").says_stdout("contimg retry 2026-01-25T00:05:19");
    status()
        .says_stdout("2026-01-25T00:05:19: unfinished")
        .says_stdout("night: done")
        .says_stdout("2 done, 1 unfinished");
    work.run(&["retry", "2026-01-25T00:05:19", "--work", "out"]).expect(0).says_stdout("3 sets done");
    status().says_stdout("3 sets: 3 done");
}

#[test]
fn what_is_not_done_stays() {
    let work = Work::with(&GroupSpec::tiny());
    let plan = SUMS.replace("cksum", "exit 7; cksum");
    std::fs::write(work.path().join("plan.toml"), plan).expect("write");
    assert_eq!(work.run(&RUN).orderly(), Ok(4));
    let said = work.run(&["retire", "--work", "out", "--keep", "1B", "--remove"]).expect(0);
    assert!(said.stdout.contains("its stage `sum` is not done"), "{said:?}");
    assert!(work.out().join("ms").read_dir().expect("list").next().is_some());
    work.run(&["retire", "--work", "input", "--keep", "1B"]).expect(1).says("no work folder");
}
