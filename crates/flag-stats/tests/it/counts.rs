//! Every breakdown, by tiles and by rows, equal to counting flag by flag.

use casacore::Endian;
use flag_stats::{CountOptions, FlagStats, Way, count};

use crate::plain;
use crate::set::{Order, Set, Storage};

fn both_ways(set: &Set) -> FlagStats {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ms");
    let rows = set.create(&path).unwrap();
    let options = CountOptions { matrix_columns: usize::MAX, ..CountOptions::default() };
    let mut fast = count(&path, &options).unwrap();
    let slow = count(&path, &CountOptions { by_tiles: false, ..options }).unwrap();
    let expected = plain::count(set, &rows);
    for (key, tally) in plain::listed(&fast) {
        assert_eq!(expected.get(&key), Some(&tally), "{key} of {set:?}");
    }
    assert_eq!(plain::listed(&fast).len(), expected.len(), "{set:?}");
    assert_eq!(fast.rows, rows.len() as u64);
    assert_eq!(fast.flagged_rows, rows.iter().filter(|row| row.row_flag).count() as u64);
    assert_eq!(fast.undefined_rows, rows.iter().filter(|row| row.flags.is_none()).count() as u64);
    let way = std::mem::replace(&mut fast.way, slow.way.clone());
    assert_eq!(fast, slow, "both ways of {set:?}");
    fast.way = way;
    fast
}

#[test]
fn tiles_of_any_shape() {
    for tile in [[16, 6, 2], [7, 6, 2], [16, 3, 2], [5, 4, 2], [9, 5, 1], [1000, 6, 2], [1, 1, 1]] {
        for storage in [Storage::TiledColumn(tile), Storage::TiledShape(tile)] {
            let set = Set { storage, dead: Some(2), ..Set::default() };
            assert_eq!(both_ways(&set).way, Way::Tiles);
        }
    }
}

#[test]
fn rows_in_any_order_and_flags_of_any_density() {
    for order in [Order::Time, Order::Window, Order::Baseline] {
        for density in [0, 1, 100, 256] {
            for dead in [None, Some(0)] {
                both_ways(&Set { order, density, dead, ..Set::default() });
            }
        }
    }
}

#[test]
fn any_number_of_channels() {
    for (channels, correlations) in [(1, 1), (32, 2), (33, 2), (48, 4), (700, 4), (1100, 2)] {
        let windows = vec![[channels, correlations]; 2];
        let storage = Storage::TiledColumn([11, channels, correlations]);
        both_ways(&Set { windows, storage, antennas: 3, times: 2, ..Set::default() });
    }
}

#[test]
fn other_managers_shapes_and_byte_orders() {
    let windows = vec![[6, 2], [4, 2], [6, 4]];
    for storage in [Storage::TiledShape([8, 2, 2]), Storage::TiledCell, Storage::Standard] {
        for endian in [Endian::Little, Endian::Big] {
            for undefined in [None, Some(7)] {
                let windows = windows.clone();
                let set = Set { windows, storage, endian, undefined, dead: Some(1), ..Set::default() };
                assert!(matches!(both_ways(&set).way, Way::Rows { .. }));
            }
        }
    }
    let big = both_ways(&Set { endian: Endian::Big, ..Set::default() });
    assert_eq!(big.way, Way::Tiles, "bits have no byte order");
}

#[test]
fn more_times_than_are_kept_one_by_one() {
    let set = Set { antennas: 1, times: 70_000, windows: vec![[2, 2]; 2], density: 250, ..Set::default() };
    let set = Set { storage: Storage::TiledColumn([4096, 2, 2]), order: Order::Window, ..set };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ms");
    let rows = set.create(&path).unwrap();
    let stats = count(&path, &CountOptions::default()).unwrap();
    let flags: u64 = rows.iter().flat_map(|row| row.flags.iter().flatten()).map(|&flag| u64::from(flag)).sum();
    assert_eq!((stats.total.auto.flag, stats.total.auto.total), (flags, 140_000 * 4));
    assert_eq!(stats.times.len(), 512);
    assert_eq!(stats.times.iter().map(|time| time.flags.auto.flag).sum::<u64>(), flags);
    assert_eq!((stats.times[0].first_s, stats.times[511].last_s), (rows[0].time_s, rows[69_999].time_s));
}

#[test]
fn times_and_channels_share_bins_where_there_are_many() {
    let set = Set { times: 20, ..Set::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ms");
    set.create(&path).unwrap();
    let fine = count(&path, &CountOptions::default()).unwrap();
    let coarse = count(&path, &CountOptions { time_bins: 3, matrix_columns: 6, ..CountOptions::default() }).unwrap();
    assert_eq!((fine.times.len(), coarse.times.len()), (20, 3));
    assert_eq!((fine.columns.len(), coarse.columns.len()), (12, 6));
    assert!(coarse.times.windows(2).all(|pair| pair[0].last_s < pair[1].first_s));
    for (fine, coarse) in [(&fine.antenna_channel, &coarse.antenna_channel), (&fine.time_channel, &coarse.time_channel)]
    {
        let sum = |counts: &[flag_stats::Count]| counts.iter().fold(flag_stats::Count::default(), |a, &b| a + b);
        assert_eq!(sum(&fine.counts), sum(&coarse.counts));
    }
    assert_eq!(fine.total, coarse.total);
}
