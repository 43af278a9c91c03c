//! Groups that lack subbands: refused, filled with flagged zeros, or split.

use casacore::Table;
use fixtures::{Fault, FaultKind, GroupSpec};
use serde_json::json;
use vis_types::Complex32;

use crate::program::{GROUP, Work};
use crate::set;

/// The tiny group without some subbands.
fn lacking(subbands: &[u8]) -> GroupSpec {
    let faults = subbands.iter().map(|&subband| Fault { subband, kind: FaultKind::Missing }).collect();
    GroupSpec { faults, ..GroupSpec::tiny() }
}

/// Channel frequencies of each spectral window of the set.
fn windows(work: &Work) -> Vec<Vec<f64>> {
    let table = Table::open(work.set().join("SPECTRAL_WINDOW")).expect("open");
    let rows = table.rows().expect("rows");
    (0..rows).map(|row| table.read_vec("CHAN_FREQ", row..row + 1).expect("frequencies")).collect()
}

/// Frequencies of these subbands, ascending.
fn frequencies(subbands: impl DoubleEndedIterator<Item = u8>) -> Vec<f64> {
    subbands.rev().flat_map(|s| GroupSpec::tiny().freq_hz(s)).collect()
}

#[test]
fn refused_by_default_and_named() {
    let work = Work::with(&lacking(&[3, 4, 11]));
    work.convert(&[]).expect(1).says("sb03 sb04 sb11 missing").says("hint: --missing flag");
    assert_eq!(work.names(), [""; 0]);
}

#[test]
fn a_flagged_gap_keeps_its_true_frequencies() {
    let missing = [0, 4, 15];
    let work = Work::with(&lacking(&missing));
    let report = work.convert(&["--missing", "flag", "--json"]).expect(0).json();
    let outcome = &report["groups"][0]["outcome"];
    assert_eq!(outcome["filled_subbands"].as_array().map(Vec::len), Some(3), "{report}");
    set::check(&work.set()).expect("a whole set");
    let freq = frequencies(0..16);
    assert_eq!(windows(&work), std::slice::from_ref(&freq));

    let table = Table::open(work.set()).expect("open");
    let rows = table.rows().expect("rows");
    let data: Vec<Complex32> = table.read_vec("DATA", 0..rows).expect("data");
    let flags: Vec<bool> = table.read_vec("FLAG", 0..rows).expect("flags");
    let spec = GroupSpec::tiny();
    for (i, (vis, flag)) in data.iter().zip(flags).enumerate() {
        let channel = i / 2 % freq.len();
        let subband = 15 - channel / spec.channels;
        let gap = missing.iter().any(|&m| usize::from(m) == subband);
        assert_eq!(flag, gap, "value {i}, subband {subband}");
        assert_eq!(*vis == Complex32::new(0.0, 0.0), gap, "value {i}, subband {subband}");
    }
}

#[test]
fn a_split_group_has_a_window_on_each_side_of_a_gap() {
    let work = Work::with(&lacking(&[3, 4, 11]));
    work.convert(&["--missing", "split"]).expect(0);
    set::check(&work.set()).expect("a whole set");
    assert_eq!(windows(&work), [frequencies(12..16), frequencies(5..11), frequencies(0..3)]);
    let table = Table::open(work.set()).expect("open");
    let rows = GroupSpec::tiny().rows();
    let ids: Vec<i32> = table.read_vec("DATA_DESC_ID", 0..3 * rows as u64).expect("windows of rows");
    for window in 0..3 {
        assert_eq!(ids.iter().filter(|id| **id == window).count(), rows);
    }
    let flags: Vec<bool> =
        ids.iter().zip(0..).flat_map(|(_, row)| table.read_vec("FLAG", row..row + 1).expect("flags")).collect();
    assert!(!flags.contains(&true), "what is there is not flagged");
}

#[test]
fn min_subbands_draws_the_line() {
    let work = Work::with(&lacking(&[3, 4, 11]));
    for policy in ["flag", "split"] {
        work.convert(&["--missing", policy, "--min-subbands", "14"])
            .expect(1)
            .says("13 subbands are there")
            .says("hint:");
        assert_eq!(work.names(), [""; 0]);
        work.convert(&["--missing", policy, "--min-subbands", "13"]).expect(0);
        work.clear();
    }
}

#[test]
fn a_directory_of_complete_and_incomplete_groups() {
    let work = Work::with(&GroupSpec::tiny());
    for (hour, missing) in [(1.0, &[7_u8][..]), (2.0, &[0, 1, 2, 3, 4, 5, 6, 7, 8])] {
        let spec = lacking(missing);
        work.add(&GroupSpec { start: vis_types::JulianDate(spec.start.0 + hour / 24.0), ..spec });
    }
    let ended = work.convert(&["--json"]).expect(1);
    let report = ended.json();
    assert_eq!([&report["converted"], &report["refused"], &report["failed"]], [&json!(1), &json!(2), &json!(0)]);
    assert_eq!(ended.stderr.matches("hint:").count(), 2, "{ended:?}");

    // What is finished is left alone.
    let report = work.convert(&["--json", "--missing", "split", "--min-subbands", "15"]).expect(1).json();
    // The policy makes no difference to a complete group: its set is still up to date.
    let counts = ["converted", "up_to_date", "refused", "failed"].map(|name| report[name].as_u64());
    assert_eq!(counts, [Some(1), Some(1), Some(1), Some(0)], "{report:#}");
    assert_eq!(set::check_all(&work.out()), Ok(2));
    assert!(work.names().contains(&format!("{GROUP}.ms")));
}
