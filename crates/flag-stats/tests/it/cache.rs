//! Never stale, never a failure kept, FLAG alone read again where FLAG alone changed.

use std::path::Path;

use casacore::Table;
use flag_stats::stamped_cache::Options;
use flag_stats::{CountOptions, Error, FlagCache, count};

use crate::set::{Set, Storage};

/// Values are settled at once: the tests do not wait, and leave times between changes that a file system's clock tells
/// apart.
fn cache() -> FlagCache {
    let settle = std::time::Duration::ZERO;
    FlagCache::new(CountOptions::default(), Options { settle, ..Options::default() })
}

/// casacore flags one antenna in place, as any other program would.
fn flag(path: &Path, antenna: i32, column: &str) {
    let mut table = Table::open_rw(path).unwrap();
    let rows = table.rows().unwrap();
    let first = table.read_vec::<i32>("ANTENNA1", 0..rows).unwrap();
    let second = table.read_vec::<i32>("ANTENNA2", 0..rows).unwrap();
    for row in (0..rows).filter(|&row| [first[row as usize], second[row as usize]].contains(&antenna)) {
        match column {
            "FLAG" => {
                let shape = table.cell_shape("FLAG", row).unwrap().unwrap();
                table.write_cell("FLAG", row, &shape, &vec![true; shape.iter().product()]).unwrap();
            }
            column => table.write(column, row, &[true]).unwrap(),
        }
    }
    table.close().unwrap();
}

#[test]
fn the_next_answer_after_a_change_is_right() {
    for storage in [Storage::TiledColumn([16, 6, 2]), Storage::Standard] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.ms");
        Set { storage, ..Set::default() }.create(&path).unwrap();
        let cache = cache();
        let before = cache.stats(&path).unwrap();
        assert_eq!(*before, count(&path, &CountOptions::default()).unwrap());
        flag(&path, 2, "FLAG");
        let after = cache.stats(&path).unwrap();
        assert_eq!(*after, count(&path, &CountOptions::default()).unwrap());
        let of = |stats: &flag_stats::FlagStats| stats.antennas[2].flags.all();
        assert!(of(&before).flag < of(&before).total);
        assert_eq!(of(&after).flag, of(&after).total);
        flag(&path, 0, "FLAG_ROW");
        let last = cache.stats(&path).unwrap();
        assert_eq!(last.antennas[0].flags.all().flag, after.antennas[0].flags.all().flag);
        assert_eq!(last.antennas[0].flags.all().flag_or_row, last.antennas[0].flags.all().total);
    }
}

#[test]
fn an_answer_is_kept_and_rows_are_kept_apart_from_flags() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ms");
    Set::default().create(&path).unwrap();
    let cache = cache();
    cache.stats(&path).unwrap();
    cache.stats(folder.path().join("./set.ms")).unwrap();
    assert_eq!((cache.cache_stats().reads, cache.cache_stats().hits), (1, 1));
    flag(&path, 2, "FLAG");
    cache.stats(&path).unwrap();
    assert_eq!((cache.cache_stats().reads, cache.row_stats().reads), (2, 1), "{}", cache.explain(&path).unwrap());
}

#[test]
fn a_failure_is_an_error_and_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ms");
    let cache = cache();
    assert!(matches!(cache.stats(&path), Err(Error::Table(casacore::Error::NoTable { .. }))));
    Set::default().create(&path).unwrap();
    assert_eq!(*cache.stats(&path).unwrap(), count(&path, &CountOptions::default()).unwrap());

    let mut table = Table::open_rw(&path).unwrap();
    table.write("DATA_DESC_ID", 11, &[7]).unwrap();
    table.close().unwrap();
    let error = cache.stats(&path).unwrap_err();
    assert!(matches!(error, Error::Reference { value: 7, row: 11, rows: 2, .. }), "{error}");

    let table = casacore::Layout::new().column(casacore::ColumnDesc::scalar("A", casacore::DataType::I32));
    table.create(folder.path().join("other"), 1).unwrap().close().unwrap();
    let error = cache.stats(folder.path().join("other")).unwrap_err();
    assert!(matches!(error, Error::Table(casacore::Error::NoColumn { .. })) && error.hint().is_some(), "{error}");
}
