//! Estimates are within their bounds, and exact where all is read.

use casacore::Error as TableError;
use flag_stats::{CountOptions, Error, EstimateOptions, count, estimate};

use crate::set::{Order, Set, Storage};

#[test]
fn the_truth_is_within_the_bounds_as_often_as_they_say() {
    // Flags that are as unlike random ones as they come: one dead antenna, rows in the order of baselines.
    let set = Set {
        antennas: 9,
        times: 30,
        windows: vec![[10, 2]],
        storage: Storage::TiledColumn([8, 4, 2]),
        order: Order::Baseline,
        dead: Some(3),
        ..Set::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ms");
    set.create(&path).unwrap();
    let all = count(&path, &CountOptions::default()).unwrap().total.all();
    let truth = [all.flag, all.flag_or_row].map(|n| n as f64 / all.total as f64);
    assert!(truth[0] > 0.2 && truth[1] > truth[0]);
    for (confidence, tiles) in [(0.8, 40), (0.95, 150)] {
        let mut misses = [0; 2];
        for seed in 0..200 {
            let found = estimate(&path, &EstimateOptions { tiles, confidence, seed: Some(seed) }).unwrap();
            assert_eq!((found.tiles_read, found.tiles, found.confidence), (tiles, 169 * 3, confidence));
            for (i, (bounds, truth)) in [found.flag, found.flag_or_row].into_iter().zip(truth).enumerate() {
                assert!(bounds.low <= bounds.fraction && bounds.fraction <= bounds.high);
                assert!(bounds.high - bounds.low < 0.9, "{bounds:?}");
                misses[i] += usize::from(!(bounds.low..=bounds.high).contains(&truth));
            }
        }
        let most = 200.0 * (1.0 - confidence);
        assert!(misses.iter().all(|&n| n as f64 <= most), "{misses:?} of 200 outside at {confidence}");
    }
    // All tiles: no error, whatever the edges of the tiles leave over.
    let found = estimate(&path, &EstimateOptions { tiles: 10_000, ..EstimateOptions::default() }).unwrap();
    for (bounds, truth) in [found.flag, found.flag_or_row].into_iter().zip(truth) {
        assert!((bounds.fraction - truth).abs() < 1e-12 && bounds.low == bounds.high, "{bounds:?}, {truth}");
    }
}

#[test]
fn what_cannot_be_estimated_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ms");
    Set { storage: Storage::Standard, ..Set::default() }.create(&path).unwrap();
    let error = estimate(&path, &EstimateOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Table(TableError::NotTiled { .. })) && error.hint().is_some(), "{error}");
    for confidence in [0.0, 1.0, f64::NAN] {
        let options = EstimateOptions { confidence, ..EstimateOptions::default() };
        assert!(matches!(estimate(&path, &options), Err(Error::Confidence { .. })));
    }
    assert!(estimate(folder.path().join("none"), &EstimateOptions::default()).is_err());
}
