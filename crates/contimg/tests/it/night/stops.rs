//! A run that is asked to stop, and two runs at once.

use rustix::process::Signal;

use super::{Night, SCRIPT_STAGE, set};
use crate::program::{Ended, PROGRAM, send, start, tagged, wait_for};

/// Eight sets that note when they begin, and end when `go` is there.
fn slow() -> String {
    let script = "echo {set} >> {work}/begun; while ! test -e {work}/go; do sleep 0.01; done; echo {set} > {out}/x";
    let stage = SCRIPT_STAGE.replace("128MiB", "32MiB");
    (0..8).map(|i| set(&format!("s{i}"), script)).collect::<String>() + &stage
}

fn begun(night: &Night) -> usize {
    std::fs::read_to_string(night.folder().join("begun")).map_or(0, |text| text.lines().count())
}

#[test]
fn a_signal_ends_it_with_its_code_and_leaves_nothing() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let night = Night::new(&slow());
        let tag = format!("CONTIMG_TEST_TAG=stops-{}-{code}.", std::process::id());
        let (key, value) = tag.split_once('=').expect("a variable");
        let child = start(night.work.contimg(Night::ARGUMENTS).args(["--cores", "2"]).env(key, value));
        wait_for("two stages at work", || (begun(&night) >= 2).then_some(()));
        send(child.id(), signal);
        let ended = Ended::of(child.wait_with_output().expect("wait"));
        assert_eq!(ended.orderly(), Ok(code), "{ended:?}");
        assert!(ended.stdout.contains("stopped by signal"), "{ended:?}");
        assert_eq!(tagged(&tag), [0_u32; 0], "no process is left");
        let left = std::fs::read_dir(night.folder().join("p")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "no product and no temporary");
        std::fs::write(night.folder().join("go"), "").expect("write");
        assert_eq!(night.summary(&[], 0)["done"].as_array().map(Vec::len), Some(8));
    }
}

#[test]
fn a_set_that_was_stopped_between_its_stages_is_not_called_done() {
    let first = "[[stage]]\nname = \"first\"\ncommand = [\"true\"]\nmemory = \"32MiB\"\n";
    let script = "echo {set} >> {work}/begun; while ! test -e {work}/go; do sleep 0.01; done; echo > {out}/x";
    let night = Night::new(&(set("s", script) + first + SCRIPT_STAGE));
    let child = start(&mut night.work.contimg(Night::ARGUMENTS));
    wait_for("the second stage", || (begun(&night) >= 1).then_some(()));
    send(child.id(), Signal::INT);
    assert_eq!(Ended::of(child.wait_with_output().expect("wait")).orderly(), Ok(130));
    let status = ["status", "--work", "night"];
    night.work.run(&status).expect(0).says_stdout("s: unfinished: first").says_stdout("to come: work");
    let json = night.work.run(&[&status[..], &["--json"]].concat()).expect(0).json();
    assert_eq!(json["sets"][0]["state"], "unfinished", "{json:#}");
    night.work.run(&["why", "s", "--work", "night"]).expect(0).says_stdout("to come: work");
    std::fs::write(night.folder().join("go"), "").expect("write");
    night.summary(&[], 0);
    night.work.run(&status).expect(0).says_stdout("1 set: 1 done");
}

#[test]
fn two_runs_at_once_share_the_work() {
    let night = Night::new(&slow());
    let first = start(night.work.contimg(Night::ARGUMENTS).args(["--cores", "1", "--json"]));
    wait_for("a stage at work", || (begun(&night) >= 1).then_some(()));
    let second = start(night.work.contimg(Night::ARGUMENTS).args(["--cores", "1", "--json"]));
    wait_for("a stage of the other run", || (begun(&night) >= 2).then_some(()));
    std::fs::write(night.folder().join("go"), "").expect("write");
    let [first, second] = [first, second].map(|child| Ended::of(child.wait_with_output().expect("wait")));
    assert_eq!((first.orderly(), second.orderly()), (Ok(0), Ok(0)), "{first:?} {second:?}");
    let (first, second) = (first.json(), second.json());
    for summary in [&first, &second] {
        assert_eq!(summary["done"].as_array().map(Vec::len), Some(8), "each saw all done: {summary:#}");
    }
    let attempts = [&first, &second].map(|summary| summary["attempts"].as_u64().expect("a number"));
    assert_eq!(attempts.iter().sum::<u64>(), 8, "and none was done twice: {attempts:?}");
    assert_eq!(begun(&night), 8);
}

#[test]
fn the_set_of_a_run_that_was_killed_is_free_at_once() {
    let night = Night::new(&slow());
    let tag = format!("CONTIMG_TEST_TAG=freed-{}.", std::process::id());
    let (key, value) = tag.split_once('=').expect("a variable");
    let mut child = start(night.work.contimg(Night::ARGUMENTS).args(["--cores", "2"]).env(key, value));
    wait_for("two stages at work", || (begun(&night) >= 2).then_some(()));
    send(child.id(), Signal::KILL);
    child.wait().expect("wait");
    wait_for("end of the workers", || tagged(&tag).is_empty().then_some(()));
    std::fs::write(night.folder().join("go"), "").expect("write");
    assert_eq!(night.summary(&[], 0)["done"].as_array().map(Vec::len), Some(8));
}

#[test]
fn what_ran_before_the_program_took_its_process_over_lives_on() {
    let night = Night::new(&(set("a", "echo a > {out}/x") + SCRIPT_STAGE));
    // A start script of a container: it starts a helper and becomes the program.
    let script = "sleep 1000 > /dev/null 2>&1 & echo $! > helper; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", script, "sh", PROGRAM])
        .args(Night::ARGUMENTS)
        .arg("--no-report")
        .current_dir(night.work.path());
    command.stdin(std::process::Stdio::null()).env("XDG_CACHE_HOME", night.work.path().join("cache"));
    let ended = Ended::of(start(&mut command).wait_with_output().expect("wait"));
    assert_eq!(ended.orderly(), Ok(0), "{ended:?}");
    let helper = std::fs::read_to_string(night.work.path().join("helper")).expect("read");
    let helper: u32 = helper.trim().parse().expect("a number");
    let state = std::fs::read_to_string(format!("/proc/{helper}/stat"));
    send(helper, Signal::KILL);
    assert!(state.is_ok_and(|state| state.contains("(sleep)")), "the helper was not ours to end");
}
