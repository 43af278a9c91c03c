//! Several files of a directory change together, or none does: also when the process dies between any two steps.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use publish::{Edit, Error, Level, Overwrite, Recovery, Status, inspect, recover, verify};

use crate::product::{Shape, names, publish, quick_folder};

/// The steps of an edit, and what `recover` then does.
const STEPS: [(&str, Recovery); 10] = [
    ("edit-folder-made", Recovery::RolledBack),
    ("edit-owner-written", Recovery::RolledBack),
    ("edit-durable", Recovery::RolledBack),
    ("edit-record-written", Recovery::RolledBack),
    ("edit-decided", Recovery::Finished),
    ("edit-first-placed", Recovery::Finished),
    ("edit-placed", Recovery::Finished),
    ("edit-synced", Recovery::Finished),
    ("edit-emptied", Recovery::Finished),
    // The record is gone, so there is nothing left to finish.
    ("edit-forgotten", Recovery::RolledBack),
];

/// Replaces a file, adds two and removes one, in and out of folders.
fn change(target: &Path) {
    let mut edit = Edit::begin(target).expect("begin");
    fs::write(edit.path().join("table.dat"), "changed").expect("write");
    fs::write(edit.path().join("table.f1"), vec![1; 100]).expect("write");
    fs::create_dir(edit.path().join("flags")).expect("mkdir");
    fs::write(edit.path().join("flags/one"), vec![2; 100]).expect("write");
    fs::write(edit.path().join("unused"), "scratch").expect("write");
    for path in ["flags/one", "table.f1", "table.dat"] {
        edit.replace(path).expect("replace");
    }
    edit.remove("FIELD/table.f0").expect("remove");
    edit.commit().expect("commit");
}

#[derive(Debug, PartialEq)]
enum State {
    Old,
    New,
}

fn state(target: &Path) -> State {
    let text = fs::read_to_string(target.join("table.dat")).expect("table.dat");
    let state = if text == "changed" { State::New } else { State::Old };
    let expected: &[&str] = match state {
        State::Old => &[".product.json", "FIELD", "table.dat", "table.lock"],
        State::New => &[".product.json", "flags", "table.dat", "table.f1", "table.lock"],
    };
    assert_eq!(names(target), expected);
    state
}

/// The child's part.
#[test]
fn child() {
    let Some(target) = std::env::var_os("PUBLISH_TEST_EDIT") else { return };
    change(Path::new(&target));
}

#[test]
fn killed_at_any_step_the_files_are_all_old_or_all_new() {
    for (step, expected) in STEPS {
        let work = quick_folder();
        let target = work.path().join("a.ms");
        publish(&target, Shape::Directory, "old", Overwrite::Refuse).expect("publish");
        let status = Command::new(std::env::current_exe().expect("own path"))
            .args(["--exact", "edits::child", "--quiet"])
            .env("PUBLISH_TEST_EDIT", &target)
            .env("PUBLISH_KILL_POINT", step)
            .stdout(Stdio::null())
            .status()
            .expect("child");
        assert_eq!(status.signal(), Some(9), "{step}: killed");
        if expected == Recovery::Finished {
            assert_eq!(inspect(&target).expect(step), Status::Unfinished, "{step}");
            assert!(matches!(verify(&target, Level::Sizes), Err(Error::NotAProduct { .. })), "{step}");
        } else {
            verify(&target, Level::Checksums).expect(step);
        }
        assert_eq!(recover(&target).expect(step), expected, "{step}");
        assert_eq!(recover(&target).expect(step), Recovery::Nothing, "{step}");
        let decided = expected == Recovery::Finished || step == "edit-forgotten";
        assert_eq!(state(&target), if decided { State::New } else { State::Old }, "{step}");
        verify(&target, Level::Checksums).expect(step);
        if !decided {
            change(&target);
            assert_eq!(state(&target), State::New, "{step}: the next attempt");
            verify(&target, Level::Checksums).expect(step);
        }
    }
}

#[test]
fn an_edit_that_is_dropped_has_not_happened() {
    let work = quick_folder();
    let target = work.path().join("a.ms");
    publish(&target, Shape::Directory, "old", Overwrite::Refuse).expect("publish");
    let mut edit = Edit::begin(&target).expect("begin");
    fs::write(edit.path().join("table.dat"), "changed").expect("write");
    edit.replace("table.dat").expect("replace");
    verify(&target, Level::Checksums).expect("as published, while the edit is made");
    drop(edit);
    assert_eq!(state(&target), State::Old);
    verify(&target, Level::Checksums).expect("as published");
}

#[test]
fn a_file_that_was_not_built_stops_all() {
    let work = quick_folder();
    let target = work.path().join("a.ms");
    publish(&target, Shape::Directory, "old", Overwrite::Refuse).expect("publish");
    let mut edit = Edit::begin(&target).expect("begin");
    fs::write(edit.path().join("table.dat"), "changed").expect("write");
    edit.replace("table.dat").expect("replace");
    edit.replace("table.f9").expect("replace");
    assert!(matches!(edit.commit(), Err(Error::NothingBuilt { .. }) | Err(Error::Io { .. })));
    assert_eq!(state(&target), State::Old);
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let work = quick_folder();
    let mut edit = Edit::begin(work.path()).expect("begin");
    for bad in ["", "..", "../x", "/etc/passwd", "a/../../x", ".product.json", ".product.edit/owner.json"] {
        assert!(edit.replace(bad).is_err(), "{bad:?}");
        assert!(edit.remove(bad).is_err(), "{bad:?}");
        assert!(edit.acknowledge(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn another_edit_is_refused_and_its_owner_named() {
    let work = quick_folder();
    let edit = Edit::begin(work.path()).expect("begin");
    let Err(Error::EditInProgress { owner: Some(owner), .. }) = Edit::begin(work.path()) else {
        panic!("two edits at once");
    };
    assert_eq!(owner.pid, std::process::id());
    assert!(matches!(recover(work.path()), Err(Error::EditInProgress { .. })));
    drop(edit);
    drop(Edit::begin(work.path()).expect("free again"));
}

#[test]
fn changes_of_others_are_taken_into_the_manifest_when_acknowledged() {
    let work = quick_folder();
    let target = work.path().join("a.ms");
    publish(&target, Shape::Directory, "old", Overwrite::Refuse).expect("publish");
    fs::write(target.join("table.dat"), "by another program").expect("write");
    fs::write(target.join("new"), "by another program").expect("write");
    fs::remove_file(target.join("FIELD/table.f0")).expect("remove");
    assert!(verify(&target, Level::Checksums).is_err());
    let mut edit = Edit::begin(&target).expect("begin");
    for path in ["table.dat", "new", "FIELD/table.f0"] {
        edit.acknowledge(path).expect("acknowledge");
    }
    let manifest = edit.commit().expect("commit").manifest.expect("a product");
    assert_eq!(manifest.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["new", "table.dat"]);
    verify(&target, Level::Checksums).expect("as acknowledged");
}
