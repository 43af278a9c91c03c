//! Folders of files into groups.

use fixtures::{Fault, FaultKind, GroupSpec};
use subband_io::vis_types::SubbandIndex;
use subband_io::{
    Error, FileKind, FileSummary, FindOptions, FoundFile, GroupOptions, Unfinished, find, form_groups, summarise,
};

fn survey(dir: &std::path::Path, recursive: bool) -> Vec<(FoundFile, Result<FileSummary, Error>)> {
    let files = find(dir, &FindOptions { recursive }).expect("lists");
    files.into_iter().map(|f| (f.clone(), summarise(&f.path))).collect()
}

#[test]
fn a_folder_becomes_groups_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a folder");
    let spec = GroupSpec { name_skew_s: 2, ..GroupSpec::tiny() };
    let fault = |subband, kind| Fault { subband, kind };
    // One group with a bit of everything; one a minute later that crosses midnight and lacks a file; and other things.
    let first = GroupSpec {
        start: fixtures::parse_iso("2026-01-25T23:58:30").expect("a date"),
        faults: vec![
            fault(2, FaultKind::Missing),
            fault(3, FaultKind::Duplicate),
            fault(4, FaultKind::Unfinished),
            fault(5, FaultKind::Truncated(2000)),
            fault(6, FaultKind::HeaderOnly),
        ],
        ..spec.clone()
    };
    let second = GroupSpec {
        start: fixtures::parse_iso("2026-01-25T23:59:59").expect("a date"),
        faults: vec![fault(15, FaultKind::Missing)],
        ..spec
    };
    fixtures::write_group(dir.path(), &first).expect("written");
    fixtures::write_group(dir.path(), &second).expect("written");
    std::fs::write(dir.path().join("notes.txt"), "x").expect("written");
    std::fs::write(dir.path().join("empty_sb01.hdf5"), "").expect("written");
    std::fs::create_dir(dir.path().join("folder")).expect("made");
    std::os::unix::fs::symlink("nowhere", dir.path().join("broken_sb00.hdf5")).expect("linked");

    let files = survey(dir.path(), false);
    let grouping = form_groups(&files, &GroupOptions::default());
    assert_eq!(grouping.groups.len(), 2);
    let [a, b] = &grouping.groups[..] else { panic!("two groups") };
    let numbers =
        |g: &subband_io::Group| g.members.iter().map(|m| m.file.subband.expect("a number").0).collect::<Vec<_>>();
    assert_eq!(numbers(a), [0, 1, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(a.missing, [2, 4, 5, 6].map(SubbandIndex));
    assert_eq!(a.duplicates.len(), 1);
    assert!(!a.is_complete());
    assert_eq!(b.missing, [SubbandIndex(15)]);
    assert_eq!(b.paths().len(), 15);
    assert!(b.name_skew_s <= 2.5 && b.time_skew_s == 0.0);
    // 89 s from start to start, four integrations long.
    let gap = b.gap_before_s.expect("a group before");
    assert!((gap - (89.0 - 4.0 * fixtures::INTEGRATION_S)).abs() < 1e-3, "{gap}");
    assert_eq!(a.gap_before_s, None);
    assert_eq!((a.first_time, a.last_time), (first.time(0), first.time(3)));

    let name = |f: &FoundFile| f.path.file_name().expect("a name").to_string_lossy().into_owned();
    let unreadable: Vec<_> = grouping.unreadable.iter().map(|u| name(&u.file)).collect();
    assert_eq!(unreadable.len(), 4, "{unreadable:?}");
    assert!(grouping.unreadable.iter().any(|u| u.reason.contains("truncated")));
    assert!(grouping.unreadable.iter().any(|u| u.reason.contains("an empty file")));
    assert_eq!(grouping.unfinished.len(), 1);
    assert_eq!(grouping.others.iter().map(name).collect::<Vec<_>>(), ["folder", "notes.txt"]);
    assert_eq!(grouping.others[0].kind, FileKind::Folder);
    let grouped: usize = grouping.groups.iter().map(|g| g.members.len() + g.duplicates.len()).sum();
    assert_eq!(grouped + grouping.unreadable.len() + grouping.unfinished.len() + grouping.others.len(), files.len());

    // A tolerance as long as the distance joins them; measured from the first file, so that they cannot chain.
    let joined = form_groups(&files, &GroupOptions { tolerance_s: 90.0, ..GroupOptions::default() });
    assert_eq!(joined.groups.len(), 1);
    // The order of the files does not matter.
    let mut reversed = files;
    reversed.reverse();
    let again = form_groups(&reversed, &GroupOptions::default());
    assert_eq!(again.groups, grouping.groups);
    // Found again in a folder above.
    let above = tempfile::tempdir().expect("a folder");
    std::fs::rename(dir.path(), above.path().join("night")).expect("moved");
    assert_eq!(find(above.path(), &FindOptions::default()).expect("lists").len(), 1);
    assert_eq!(form_groups(&survey(above.path(), true), &GroupOptions::default()).groups.len(), 2);
}

#[test]
fn a_summary_tells_what_the_file_holds() {
    let dir = tempfile::tempdir().expect("a folder");
    let spec = GroupSpec { subbands: 1, ..GroupSpec::tiny() };
    let path = &fixtures::write_group(dir.path(), &spec).expect("written")[0];
    let s = summarise(path).expect("summarises");
    assert_eq!((s.n_rows, s.n_baselines, s.n_times, s.n_channels), (40, 10, 4, 8));
    assert_eq!((s.low_hz, s.high_hz), (spec.freq_hz(0)[0], spec.freq_hz(0)[7]));
    assert_eq!(s.step_hz, -spec.channel_width_hz());
    assert_eq!((s.first_time, s.last_time), (spec.time(0), spec.time(3)));
    assert_eq!(s.interval_s, fixtures::INTEGRATION_IN_FILE_S);
    assert!((s.duration_s() - 4.0 * fixtures::INTEGRATION_S).abs() < 1e-3);
    assert_eq!(s.correlations, spec.correlations);
    assert!((s.pointing_dec_rad.expect("a pointing") - 54.6_f64.to_radians()).abs() < 1e-12);
    assert_eq!(s.subband, Some(SubbandIndex(0)));
    assert_eq!(s.unfinished, []);
    assert_eq!(s.bytes, std::fs::metadata(path).expect("exists").len());
    // JSON may round the last digit of a number; nothing else changes.
    let json = serde_json::to_string(&s).expect("serialises");
    let mut again: FileSummary = serde_json::from_str(&json).expect("parses");
    again.pointing_dec_rad = s.pointing_dec_rad;
    assert_eq!(again, s);
}

#[test]
fn an_integration_without_length_is_unfinished_and_a_count_that_is_not_given_is_no_sign() {
    let dir = tempfile::tempdir().expect("a folder");
    let spec = GroupSpec { subbands: 1, ..GroupSpec::tiny() };
    let path = &fixtures::write_group(dir.path(), &spec).expect("written")[0];
    let header = || hdf5_metno::File::open_rw(path).expect("opens").group("Header").expect("there");
    for name in ["Nblts", "Ntimes", "Nbls"] {
        header().unlink(name).expect("unlinked");
    }
    let summary = summarise(path).expect("summarises");
    assert_eq!((summary.unfinished, summary.n_times, summary.n_baselines), (vec![], 0, 0));
    for unwritten in [0.0, f64::NAN] {
        let intervals = header().dataset("integration_time").expect("there");
        let mut values: Vec<f64> = intervals.read_raw().expect("reads");
        values[0] = unwritten;
        intervals.write_raw(&values).expect("written");
        drop(intervals);
        assert_eq!(summarise(path).expect("summarises").unfinished, [Unfinished::NoTimes]);
    }
}
