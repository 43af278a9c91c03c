//! A process that changes columns is killed at every named step: the set has its old columns or its new ones.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use casacore::Complex32;
use ms_columns::{ColumnEdit, EditOptions, Recovery, Target, recover};
use publish::{Level, verify};

use crate::set::{MAKES, Make, ROWS, check_rest, column, data, flag, messages, names, published, values};

/// The steps of `publish::Edit`, and whether the change is decided by then.
const STEPS: [(&str, bool); 10] = [
    ("edit-folder-made", false),
    ("edit-owner-written", false),
    ("edit-durable", false),
    ("edit-record-written", false),
    ("edit-decided", true),
    ("edit-first-placed", true),
    ("edit-placed", true),
    ("edit-synced", true),
    ("edit-emptied", true),
    ("edit-forgotten", true),
];

/// Makes CORRECTED_DATA and sets all flags.
fn change(path: &Path, make: Make) {
    let targets = [Target::existing("FLAG"), Target::existing("FLAG_ROW"), Target::corrected()];
    let options = EditOptions { command: Some("it --all".into()), ..EditOptions::new("it") };
    let mut edit = ColumnEdit::begin(path, &options, &targets).expect("begin");
    edit.save_flags("before").expect("save");
    let flags = edit.column::<bool>("FLAG").expect("FLAG");
    for rows in edit.blocks(1 << 20) {
        flags.write(rows.clone(), &values(make, rows, |_, _, _| true)).expect("write");
    }
    drop(flags);
    edit.commit().expect("commit");
}

/// The child's part.
#[test]
fn child() {
    let Some(path) = std::env::var_os("COLUMNS_TEST_SET") else { return };
    let number: usize = std::env::var("COLUMNS_TEST_MAKE").expect("make").parse().expect("number");
    change(Path::new(&path), MAKES[number]);
}

fn run_child(path: &Path, make: usize, step: &str) -> ExitStatus {
    Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "kills::child", "--quiet"])
        .env("COLUMNS_TEST_SET", path)
        .env("COLUMNS_TEST_MAKE", make.to_string())
        .env("PUBLISH_KILL_POINT", step)
        .stdout(Stdio::null())
        .status()
        .expect("run the child")
}

#[test]
fn killed_at_any_step_the_columns_are_all_old_or_all_new() {
    for (number, make) in MAKES.into_iter().enumerate() {
        for (step, decided) in STEPS {
            let what = format!("{make:?}, {step}");
            let (_folder, path) = published(make);
            let before = names(&path);
            assert_eq!(run_child(&path, number, step).signal(), Some(9), "{what}: killed");
            let recovered = recover(&path).expect(&what);
            // Once its record is gone the change is over, and only an empty folder is left.
            let expected = match (decided, step) {
                (true, "edit-forgotten") | (false, _) => Recovery::RolledBack,
                (true, _) => Recovery::Finished,
            };
            assert_eq!(recovered, expected, "{what}");
            check_rest(&path, make);
            verify(&path, Level::Checksums).unwrap_or_else(|error| panic!("{what}: {error}"));
            let told = ["made", "CORRECTED_DATA made; FLAG, FLAG_ROW changed"];
            assert_eq!(messages(&path), &told[..1 + usize::from(decided)], "{what}");
            if decided {
                assert!(column::<bool>(&path, "FLAG").iter().all(|&flag| flag), "{what}");
                assert_eq!(column::<Complex32>(&path, "CORRECTED_DATA"), values(make, 0..ROWS, data), "{what}");
            } else {
                assert_eq!(column::<bool>(&path, "FLAG"), values(make, 0..ROWS, flag), "{what}");
                assert_eq!(names(&path), before, "{what}");
                // The next attempt succeeds without a manual step.
                assert!(run_child(&path, number, "none").success(), "{what}: again");
                assert!(column::<bool>(&path, "FLAG").iter().all(|&flag| flag), "{what}: again");
                assert_eq!(messages(&path), told, "{what}: again");
            }
        }
    }
}
