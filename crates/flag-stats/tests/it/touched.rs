//! After a writer that says what it touches, only that is counted again; whatever it says, the answer is right.

use std::ops::Range;
use std::path::Path;
use std::slice::from_ref;

use casacore::Table;
use casacore::tiles::TiledColumn;
use flag_stats::stamped_cache::Options;
use flag_stats::{CountOptions, FlagCache, Work, count};

use crate::set::{Set, Storage};

/// 4 rows of tiles and a half, of 2 tiles each.
fn set(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("set.ms");
    let storage = Storage::TiledColumn([16, 4, 2]);
    let rows = Set { antennas: 5, times: 5, windows: vec![[6, 2]], storage, ..Set::default() }.create(&path).unwrap();
    assert_eq!(rows.len(), 75);
    path
}

/// A value is not kept: each look-up reads again, and says what that took.
fn cache() -> FlagCache {
    FlagCache::new(CountOptions::default(), Options::default())
}

fn done(cache: &FlagCache, path: &Path, since: Work) -> [u64; 2] {
    let stats = cache.stats(path).unwrap();
    assert_eq!(*stats, count(path, &CountOptions::default()).unwrap());
    let now = cache.work();
    [now.tiles_counted - since.tiles_counted, now.tiles_compared - since.tiles_compared]
}

fn write(path: &Path, rows: Range<u64>, value: bool) {
    let column = TiledColumn::open_rw(path, "FLAG").unwrap();
    let values = vec![value; (rows.end - rows.start) as usize * 12];
    column.update(rows, 0..6, &values).unwrap();
}

#[test]
fn touched_tiles_alone_are_counted_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = set(folder.path());
    let cache = cache();
    assert_eq!(done(&cache, &path, cache.work()), [10, 0], "all tiles, once");
    // Written a moment ago, so the value is not kept; the tiles are as they were.
    assert_eq!(done(&cache, &path, cache.work()), [0, 10]);

    for (rows, tiles) in [(20..30, 2), (0..75, 10), (47..49, 4), (74..75, 2)] {
        for value in [true, false] {
            cache.stats(&path).unwrap();
            let before = cache.work();
            cache.while_writing(&path, from_ref(&rows), || write(&path, rows.clone(), value));
            let prepared = cache.work();
            assert_eq!(prepared.tiles_counted - before.tiles_counted, tiles, "what they had");
            let [counted, compared] = done(&cache, &path, prepared);
            assert_eq!(compared, 10);
            // Those that had these flags already are not counted again.
            assert!(counted == tiles || counted == 0, "{counted} of {tiles}");
        }
    }
}

#[test]
fn a_writer_that_says_too_little_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = set(folder.path());
    let cache = cache();
    cache.stats(&path).unwrap();
    // It touches more than it says.
    cache.while_writing(&path, from_ref(&(20..30)), || write(&path, 0..40, true));
    assert_eq!(done(&cache, &path, cache.work()), [10, 10], "all are counted");
    // Somebody else writes meanwhile.
    cache.while_writing(&path, from_ref(&(20..30)), || {
        write(&path, 20..30, false);
        let mut table = Table::open_rw(&path).unwrap();
        table.write("FLAG", 70, &[true; 12]).unwrap();
        table.close().unwrap();
    });
    assert_eq!(done(&cache, &path, cache.work())[0], 10, "all are counted");
    // Somebody writes who says nothing: nothing is compared, all are counted.
    write(&path, 3..4, true);
    assert_eq!(done(&cache, &path, cache.work()), [10, 0]);
    // FLAG_ROW, a name, an antenna.
    for change in [
        (|table: &mut Table| table.write("FLAG_ROW", 3, &[true])) as fn(&mut Table) -> casacore::Result<()>,
        |table| table.write("ANTENNA1", 3, &[4]),
        |table| table.write("TIME", 3, &[6e9]),
    ] {
        cache.while_writing(&path, from_ref(&(0..10)), || {
            let mut table = Table::open_rw(&path).unwrap();
            change(&mut table).unwrap();
            table.close().unwrap();
        });
        assert_eq!(done(&cache, &path, cache.work())[0], 10, "all are counted");
    }
    // Nothing was prepared: a set that is not there, rows past the end.
    cache.while_writing(folder.path().join("none"), from_ref(&(0..1)), || ());
    cache.while_writing(&path, from_ref(&(500..600)), || write(&path, 1..2, true));
    done(&cache, &path, cache.work());
    cache.while_writing(&path, &[], || ());
    done(&cache, &path, cache.work());
}
