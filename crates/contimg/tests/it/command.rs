//! `contimg convert` as its help describes it: options, output, exit codes.

use std::fs;

use fixtures::{GroupSpec, Layout, Storage};

use crate::program::{Ended, GROUP, Work, start};
use crate::set;

/// 150 kB a subband in small chunks, so that there are many blocks.
fn several_blocks() -> GroupSpec {
    let storage = Storage::Chunks { rows: 64, channels: 16, correlations: 2 };
    GroupSpec {
        antennas: 12,
        times: 8,
        channels: 16,
        layout: Layout { storage, ..Layout::default() },
        ..GroupSpec::default()
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let work = Work::with(&several_blocks());
    work.convert(&["--threads", "1"]).expect(0);
    let one = set::bytes(&work.set());
    assert!(one.len() > 50, "{:?}", one.keys());
    work.clear();
    let report = work.convert(&["--threads", "2", "--json"]).expect(0).json();
    assert_eq!(report["groups"][0]["outcome"]["threads"], 2, "{report:#}");
    assert_eq!(set::differences(&one, &set::bytes(&work.set())), [""; 0]);
}

#[test]
fn a_time_of_products_that_is_none_is_refused_at_once() {
    let work = Work::with(&several_blocks());
    let mut command = work.contimg(["convert", "input", "--out", "out"]);
    let ended = Ended::of(start(command.env("SOURCE_DATE_EPOCH", "yesterday")).wait_with_output().expect("wait"));
    ended.expect(2).says("\"yesterday\", not a number of seconds").says("hint: unset it");
    assert_eq!(work.names(), [""; 0]);
}

#[test]
fn too_little_memory_is_refused_with_what_would_do() {
    let work = Work::with(&several_blocks());
    let ended = work.convert(&["--memory", "20MiB"]).expect(2).says("hint: it needs at least ");
    assert_eq!(work.names(), [""; 0]);
    let hint = ended.stderr.split("it needs at least ").nth(1).expect("the hint");
    let enough: String = hint.chars().take_while(|c| *c != ':').collect();
    let report = work.convert(&["--json", "--memory", &enough]).expect(0).json();
    assert_eq!(report["converted"], 1);
    work.convert(&["--memory", "none"]).expect(2).says("128MiB");
}

#[test]
fn fringe_stopping_that_is_asked_for_needs_its_declination() {
    let work = Work::with(&GroupSpec { phasing: fixtures::Phasing::Unprojected, ..GroupSpec::tiny() });
    let refused = work.convert(&["--phasing", "meridian"]).expect(1).says("no declination of the pointing");
    refused.says("hint: --phasing meridian needs it");
    assert_eq!(work.names(), [""; 0]);
    work.convert(&[]).expect(0);
}

#[test]
fn json_is_one_document_and_nothing_else() {
    let work = Work::with(&GroupSpec::tiny());
    let converted = work.convert(&["--json"]).expect(0);
    assert_eq!(converted.stderr, "", "no progress without a terminal");
    let report = converted.json();
    assert_eq!(report["groups"][0]["group"], GROUP);
    let outcome = &report["groups"][0]["outcome"];
    assert_eq!(outcome["result"], "converted");
    for (key, value) in
        [("rows", 40), ("integrations", 4), ("baselines", 10), ("visibilities", 40 * 128 * 2), ("flagged", 0)]
    {
        assert_eq!(outcome[key], value, "{key}");
    }
    assert!(outcome["bytes_read"].as_u64() > Some(0) && outcome["peak_memory"].as_u64() > Some(0), "{report:#}");

    let failed = work.convert(&["--json", "--centres", "10,10"]).expect(3).says("hint: --overwrite");
    assert_eq!(failed.json()["failed"], 1);
    assert_eq!(failed.json()["groups"][0]["outcome"]["class"], "output");
}

#[test]
fn files_may_be_named_one_by_one() {
    let work = Work::with(&GroupSpec::tiny());
    let mut args: Vec<String> = vec!["convert".into(), "--out".into(), "out".into()];
    let files = fs::read_dir(work.input()).expect("list").flatten();
    args.extend(files.map(|entry| format!("input/{}", entry.file_name().to_string_lossy())));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    work.run(&args).expect(0);
    set::check(&work.set()).expect("a whole set");
    work.run(&["convert", "input/absent_sb00.hdf5", "--out", "out"]).expect(1).says("absent_sb00.hdf5").says("hint:");
}

#[test]
fn wrong_usage_is_told_with_code_2() {
    let work = Work::new();
    work.convert(&["--missing", "hide"]).expect(2).says("refuse, flag, split");
    work.convert(&["--centres", "nowhere"]).expect(2).says("RA,DEC");
    work.run(&["convert", "input"]).expect(2).says("--out");
    work.convert(&[]).expect(1).says("no group of UVH5 subbands").says("hint:");
    // Somebody starts the worker by hand.
    work.run(&["__convert"]).expect(2).says("contimg convert");
}
