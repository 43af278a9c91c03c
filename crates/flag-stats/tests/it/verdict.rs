//! What the counts mean.

use flag_stats::{CountOptions, FlagStats, Thresholds, Verdict, count};

use crate::set::Set;

fn stats(set: &Set) -> FlagStats {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ms");
    set.create(&path).unwrap();
    count(&path, &CountOptions::default()).unwrap()
}

#[test]
fn a_dead_antenna_is_set_apart() {
    let stats = stats(&Set { density: 0, dead: Some(3), times: 100, ..Set::default() });
    let found = stats.assess(&Thresholds::default());
    assert_eq!(found.dead_antennas, [3]);
    // Four of ten cross-correlations; of the others, FLAG_ROW sets a few.
    assert!((0.40..0.42).contains(&(1.0 - found.unflagged.unwrap())), "{found:?}");
    assert!((0.0001..0.01).contains(&found.effective_flagged.unwrap()), "{found:?}");
    assert_eq!((found.verdict, found.bad_channel_selection.as_str()), (Verdict::Enough, ""));
}

#[test]
fn verdicts_by_what_is_left() {
    let verdict =
        |density, thresholds: Thresholds| stats(&Set { density, ..Set::default() }).assess(&thresholds).verdict;
    let usual = Thresholds::default();
    assert_eq!(verdict(20, usual), Verdict::Enough);
    assert_eq!(verdict(200, usual), Verdict::Few);
    assert_eq!(verdict(250, usual), Verdict::TooFew);
    assert!(verdict(250, usual).is_error() && !verdict(200, usual).is_error());
    assert_eq!(verdict(20, Thresholds { too_few: 0.99, ..usual }), Verdict::TooFew);
    assert_eq!(stats(&Set { times: 0, ..Set::default() }).assess(&usual).verdict, Verdict::Nothing);
}

#[test]
fn bad_channels_of_all_windows() {
    let found = stats(&Set { density: 250, ..Set::default() }).assess(&Thresholds::default());
    assert_eq!(found.bad_channel_selection, "0:0~5,1:0~5");
    assert_eq!(found.bad_channels.len(), 2);
}
