//! `contimg plan`: what is there, counted and named.

use std::fs;
use std::os::unix::fs::symlink;

use fixtures::{Fault, FaultKind, GroupSpec, ManySpec};
use serde_json::json;
use vis_types::JulianDate;

use crate::program::{GROUP, Work, wait_for};

fn at(hours: f64, faults: &[(u8, FaultKind)]) -> GroupSpec {
    let faults = faults.iter().map(|&(subband, kind)| Fault { subband, kind }).collect();
    GroupSpec { start: JulianDate(GroupSpec::tiny().start.0 + hours / 24.0), faults, ..GroupSpec::tiny() }
}

/// Four groups and everything else that lies around.
fn mixture() -> Work {
    let work = Work::new();
    work.add(&at(0.0, &[]));
    work.add(&at(1.0, &[(3, FaultKind::Missing), (4, FaultKind::Missing)]));
    work.add(&at(2.0, &[(5, FaultKind::Duplicate)]));
    work.add(&at(3.0, &[(6, FaultKind::Truncated(30_000)), (7, FaultKind::Unfinished), (8, FaultKind::HeaderOnly)]));
    let input = work.input();
    fs::write(input.join("notes.txt"), "by hand").expect("write");
    fs::write(input.join("no_sb00.hdf5"), "not HDF5").expect("write");
    fs::write(input.join("empty_sb01.hdf5"), "").expect("write");
    fs::create_dir(input.join("2026-01-25T00:05:19.ms")).expect("mkdir");
    fs::create_dir(input.join("folder_sb02.hdf5")).expect("mkdir");
    symlink("nowhere", input.join("broken_sb03.hdf5")).expect("link");
    work
}

#[test]
fn everything_in_a_folder_is_counted_and_named() {
    let work = mixture();
    let plan = work.run(&["plan", "input", "--json"]).expect(0).json();
    let groups = plan["groups"].as_array().expect("groups");
    let [first, last] = ["first_time", "last_time"].map(|name| groups[0][name].as_str().expect("a time"));
    assert!(first.starts_with("2026-01-") && first.ends_with('Z') && first < last, "{first} {last}");
    let summary: Vec<_> = groups
        .iter()
        .map(|g| json!([g["name"], g["missing"], g["duplicates"].as_array().map(Vec::len), g["converts"], g["rows"]]))
        .collect();
    assert_eq!(
        summary,
        [
            json!([GROUP, [], 0, true, 40]),
            json!(["2026-01-25T01:05:19", [3, 4], 0, false, 40]),
            json!(["2026-01-25T02:05:19", [], 1, false, 40]),
            json!(["2026-01-25T03:05:19", [6, 7, 8], 0, false, 40]),
        ]
    );
    let names = |key: &str| -> Vec<String> {
        let mut names: Vec<String> = plan[key]
            .as_array()
            .expect(key)
            .iter()
            .map(|e| {
                e.get("path").unwrap_or(e).as_str().expect("a path").rsplit('/').next().expect("a name").to_owned()
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("unfinished"), ["2026-01-25T03:05:21_sb07_incomplete.hdf5"]);
    let unreadable = names("unreadable");
    assert!(unreadable[0].ends_with("_sb08.hdf5") && unreadable[1].ends_with("_sb06.hdf5"), "{unreadable:?}");
    assert_eq!(unreadable[2..], ["broken_sb03.hdf5", "empty_sb01.hdf5", "no_sb00.hdf5"]);
    assert_eq!(names("others"), ["2026-01-25T00:05:19.ms", "folder_sb02.hdf5", "notes.txt"]);
    assert_eq!(plan["convertible_groups"], 1);
    let histogram = &plan["groups_by_subbands"];
    assert_eq!([&histogram[16], &histogram[14], &histogram[13]], [&json!(2), &json!(1), &json!(1)], "{histogram}");

    let incomplete = work.run(&["plan", "input", "--json", "--incomplete"]).expect(0).json();
    assert_eq!(incomplete["groups"].as_array().map(Vec::len), Some(3));
    let lenient = work.run(&["plan", "input", "--json", "--missing", "flag", "--min-subbands", "14"]).expect(0).json();
    assert_eq!(lenient["convertible_groups"], 2);
}

#[test]
fn the_table_names_what_would_happen() {
    let work = mixture();
    let table = work.run(&["plan", "input"]).expect(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[1].starts_with("2026-01-25T00:05:19   16  ################") && lines[1].ends_with("convert"),
        "{table}"
    );
    assert!(lines[2].contains("  14  ###..###########  ") && lines[2].contains("refused: 14 of 16"), "{table}");
    assert!(lines[3].contains("#####2##########") && lines[3].contains("more than once"), "{table}");
    assert!(table.contains("4 groups: 2 with 16, 1 with 14, 1 with 13"), "{table}");
    assert!(table.contains("1 unfinished, 5 unreadable, 3 other entries"), "{table}");
    for named in ["_sb06.hdf5", "_sb07_incomplete.hdf5", "_sb08.hdf5", "no_sb00.hdf5", "empty_sb01.hdf5"] {
        assert!(table.contains(named), "{named} is not in {table}");
    }
}

#[test]
fn nothing_to_plan_is_an_error_that_says_so() {
    let work = Work::new();
    let ended = work.run(&["plan", "input"]);
    assert_eq!(ended.orderly(), Ok(1), "{ended:?}");
    assert!(ended.stdout.contains("0 groups: none"), "{ended:?}");
    for asked in [&["plan", "input"][..], &["plan", "input", "--json"], &["convert", "input", "--out", "out"]] {
        work.run(asked).expect(1).says("there is no group of UVH5 subbands in input").says("not searched recursively");
    }
    work.run(&["plan", "nowhere"]).expect(1).says("nowhere").says("hint:");
    work.run(&["plan"]).expect(2).says("<DIR|FILE>");
    work.run(&["plan", "input", "--memory", "plenty"]).expect(2).says("128MiB");
}

#[test]
fn thousands_of_headers_are_read_once() {
    let work = Work::new();
    let made = fixtures::write_many(&work.input(), &ManySpec { groups: 300, ..ManySpec::default() }).expect("fixtures");
    // A file that changed less than two seconds before it was read could change again unnoticed, so it is read once more: wait
    // until these have settled.
    let made_by = std::time::Instant::now();
    wait_for("settled files", || (made_by.elapsed().as_millis() > 2100).then_some(()));
    let count = |plan: &serde_json::Value, key: &str| plan[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let first = work.run(&["plan", "input", "--json"]).expect(0).json();
    assert_eq!(count(&first, "headers_read"), Some(made.files));
    assert_eq!(first["groups"].as_array().map(Vec::len), Some(made.groups));
    assert_eq!(first["groups_by_subbands"][16], json!(made.complete));
    let second = work.run(&["plan", "input", "--json"]).expect(0).json();
    assert_eq!((count(&second, "headers_read"), count(&second, "headers_remembered")), (Some(0), Some(made.files)));
    assert_eq!(second["groups"], first["groups"]);

    // A changed file is read again, and only that.
    let one = first["groups"][0]["files"][0].as_str().expect("a path");
    let path = work.path().join(one);
    let bytes = fs::read(&path).expect("read");
    fs::write(&path, bytes).expect("write");
    let third = work.run(&["plan", "input", "--json"]).expect(0).json();
    assert_eq!(count(&third, "headers_read"), Some(1));
    // And --no-cache believes nothing.
    let fourth = work.run(&["plan", "input", "--json", "--no-cache"]).expect(0).json();
    assert_eq!(count(&fourth, "headers_read"), Some(made.files));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let work = Work::with(&GroupSpec::tiny());
    let mut child = crate::program::start(&mut work.contimg(["plan", "input"]));
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("wait");
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_full_disk_below_the_output_is_told() {
    let work = Work::with(&GroupSpec::tiny());
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("the device that is always full");
    let child =
        work.contimg(["plan", "input"]).stdout(full).stderr(std::process::Stdio::piped()).spawn().expect("spawn");
    let output = child.wait_with_output().expect("wait");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to the standard output"), "{output:?}");
}
