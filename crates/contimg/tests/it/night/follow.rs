//! `contimg run --follow`: groups that arrive while it runs.

use std::fs;
use std::path::Path;
use std::process::Child;

use fixtures::{Fault, FaultKind, GroupSpec};
use rustix::process::Signal;

use super::{Night, group_of as group};
use crate::program::{Ended, GROUP, send, start, wait_for};

/// One stage that notes which groups it got, with how many files.
const PLAN: &str = r#"
[[stage]]
name = "take"
command = ["sh", "-c", "echo {set} $# >> {work}/taken; touch {out}", "{out}", "{files}"]
reads = ["{files}"]
product = "{work}/p/{set}"
memory = "32MiB"
"#;
const SECOND: &str = "2026-01-26T00:05:19";

struct Followed(Night);

impl Followed {
    fn new() -> Self {
        Self(Night::new(PLAN))
    }

    fn start(&self, more: &[&str]) -> Child {
        let mut command = self.0.work.contimg(Night::ARGUMENTS);
        command.args(["input", "--follow", "--look", "50ms", "--settle", "200ms"]).args(more);
        start(&mut command)
    }

    fn end(child: Child) -> Ended {
        Ended::of(child.wait_with_output().expect("wait"))
    }

    /// Groups in the order in which they were taken, with the number of their files.
    fn taken(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.folder().join("taken")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Moves the files of a group into the folder, as a writer that renames finished files does.
    fn arrive(&self, spec: &GroupSpec) {
        let other = self.0.work.path().join("other");
        fs::create_dir_all(&other).expect("mkdir");
        for file in fixtures::write_group(&other, spec).expect("fixtures") {
            self.give(&file);
        }
    }

    fn give(&self, file: &Path) {
        fs::rename(file, self.0.work.input().join(file.file_name().expect("a name"))).expect("rename");
    }
}

#[test]
fn groups_are_taken_as_they_become_complete_until_it_is_told_to_end() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let followed = Followed::new();
        let child = followed.start(&[]);
        followed.arrive(&group(0));
        wait_for("the first group", || (followed.taken().len() == 1).then_some(()));
        followed.arrive(&group(1));
        wait_for("the second group", || (followed.taken().len() == 2).then_some(()));
        send(child.id(), signal);
        let ended = Followed::end(child);
        assert_eq!(ended.orderly(), Ok(code), "{ended:?}");
        assert_eq!(followed.taken(), [format!("{GROUP} 16"), format!("{SECOND} 16")]);
    }
}

#[test]
fn a_killed_run_goes_on_where_it_was_and_ends_when_nothing_comes() {
    let followed = Followed::new();
    // The older group comes first, whatever the order of arrival.
    followed.arrive(&group(1));
    followed.arrive(&group(0));
    let mut child = followed.start(&["--cores", "1"]);
    wait_for("both groups", || (followed.taken().len() == 2).then_some(()));
    send(child.id(), Signal::KILL);
    child.wait().expect("wait");
    assert_eq!(followed.taken()[0], format!("{GROUP} 16"), "oldest first");
    let before = followed.taken().len();
    followed.arrive(&group(2));
    let ended = Followed::end(followed.start(&["--idle-exit", "500ms", "--json"])).expect(0).says("nothing new came");
    assert_eq!(ended.json()["done"].as_array().map(Vec::len), Some(3), "{ended:?}");
    // The last one of before may have been killed before its record was written; no other is taken twice.
    assert!(followed.taken().len() - before <= 2, "{:?}", followed.taken());
    let again = Followed::end(followed.start(&["--idle-exit", "500ms", "--json"])).expect(0).json();
    assert_eq!((&again["attempts"], &again["up_to_date"]), (&0.into(), &3.into()));
}

#[test]
fn what_is_still_written_is_waited_for() {
    let followed = Followed::new();
    let spec = GroupSpec { faults: vec![Fault { subband: 7, kind: FaultKind::Missing }], ..group(0) };
    followed.arrive(&spec);
    followed.arrive(&group(1));
    let child = followed.start(&["--wait", "1h"]);
    wait_for("the complete group", || (followed.taken().len() == 1).then_some(()));
    assert_eq!(followed.taken(), [format!("{SECOND} 16")], "an incomplete group holds up nobody");
    // The missing file grows slowly: under its name, but cut short.
    let other = followed.0.work.path().join("grown");
    fs::create_dir_all(&other).expect("mkdir");
    let files = fixtures::write_group(&other, &group(0)).expect("fixtures");
    let whole = fs::read(&files[7]).expect("read");
    let target = followed.0.work.input().join(files[7].file_name().expect("a name"));
    for part in [0.1, 0.5, 0.9] {
        let bytes = (whole.len() as f64 * part) as usize;
        fs::write(&target, &whole[..bytes]).expect("write");
        let before = followed.taken().len();
        followed.arrive(&group(2 + (part * 10.0) as u32));
        // Once the group that came after it was taken, it was looked at.
        wait_for("another group", || (followed.taken().len() > before).then_some(()));
        assert!(followed.taken().iter().all(|taken| !taken.starts_with(GROUP)), "{:?}", followed.taken());
    }
    fs::write(&target, &whole).expect("write");
    wait_for("the group", || followed.taken().contains(&format!("{GROUP} 16")).then_some(()));
    send(child.id(), Signal::TERM);
    assert_eq!(Followed::end(child).orderly(), Ok(143));
}

#[test]
fn an_incomplete_group_is_reported_or_taken_as_the_policy_says() {
    let spec = GroupSpec { faults: vec![Fault { subband: 3, kind: FaultKind::Missing }], ..group(0) };
    let followed = Followed::new();
    followed.arrive(&spec);
    let short = ["--wait", "300ms", "--idle-exit", "900ms"];
    let ended =
        Followed::end(followed.start(&short)).expect(0).says("15 of 16").says("sb03").says("should it become complete");
    assert!(followed.taken().is_empty(), "{ended:?}");
    Followed::end(followed.start(&[&short[..], &["--missing", "flag", "--min-subbands", "16"]].concat())).expect(0);
    assert!(followed.taken().is_empty());
    Followed::end(followed.start(&[&short[..], &["--missing", "flag", "--min-subbands", "12"]].concat())).expect(0);
    assert_eq!(followed.taken(), [format!("{GROUP} 15")]);
}

#[test]
fn a_small_disk_budget_holds_the_next_group_back() {
    let followed = Followed::new();
    followed.arrive(&group(0));
    let child = followed.start(&["--disk", "1MiB"]);
    wait_for("the first look", || followed.0.folder().join(".night/journal.jsonl").exists().then_some(()));
    let journal = || fs::read_to_string(followed.0.folder().join(".night/journal.jsonl")).unwrap_or_default();
    wait_for("the note", || journal().contains("disk budget").then_some(()));
    send(child.id(), Signal::TERM);
    let ended = Followed::end(child);
    assert_eq!(ended.orderly(), Ok(143), "{ended:?}");
    assert!(ended.stderr.contains("contimg clean"), "{ended:?}");
    assert!(followed.taken().is_empty());
    // With room, the same command goes on.
    Followed::end(followed.start(&["--disk", "1GiB", "--idle-exit", "500ms"])).expect(0);
    assert_eq!(followed.taken().len(), 1);
    // What is no folder cannot be followed.
    let night = &followed.0.work;
    night.run(&["run", "input/x.hdf5", "--follow", "--work", "night"]).expect(1).says("x.hdf5");
    night.run(&["run", "plan.toml", "--follow", "--work", "night"]).expect(2).says("not a folder");
    night.run(&["run", "input", "--settle", "1s", "--work", "night"]).expect(2).says("--follow");
}
