//! Many threads over many sets.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use casacore::tiles::TiledColumn;
use flag_stats::stamped_cache::Options;
use flag_stats::{CountOptions, FlagCache};

use crate::set::Set;

const SETS: usize = 100;
const THREADS: usize = 16;

/// Copies of one set; in that of number i, both correlations of one channel of i + 1 rows are flagged.
fn sets(folder: &Path) -> Vec<PathBuf> {
    let first = folder.join("made.ms");
    Set { density: 0, ..Set::default() }.create(&first).unwrap();
    let each = (0..SETS).map(|number| {
        let path = folder.join(format!("{number}.ms"));
        copy(&first, &path);
        let rows = 0..number as u64 + 1;
        TiledColumn::open_rw(&path, "FLAG").unwrap().update(rows, 2..3, &vec![true; 2 * (number + 1)]).unwrap();
        path
    });
    each.collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            std::fs::copy(entry.path(), to).map(drop).unwrap()
        }
    }
}

fn cache(capacity_bytes: u64) -> FlagCache {
    // Nobody writes while the sets are looked up.
    FlagCache::new(CountOptions::default(), Options { capacity_bytes, settle: Duration::ZERO, ..Options::default() })
}

#[test]
fn sixteen_threads_read_each_of_a_hundred_sets_once() {
    let folder = tempfile::tempdir().unwrap();
    let sets = sets(folder.path());
    let (cache, start) = (cache(Options::default().capacity_bytes), Barrier::new(THREADS));
    let look_up = || {
        start.wait();
        let each = sets.iter().enumerate().map(|(number, path)| {
            let stats = cache.stats(path).unwrap();
            assert_eq!(stats.total.all().flag, 2 * (number as u64 + 1));
            stats
        });
        each.collect::<Vec<_>>()
    };
    let seen: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(look_up)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(seen.iter().all(|each| each.iter().zip(&seen[0]).all(|(a, b)| Arc::ptr_eq(a, b))));
    let (counts, rows) = (cache.cache_stats(), cache.row_stats());
    assert_eq!((counts.reads, counts.hits, counts.held), (100, 1500, 100), "{counts:?}");
    assert_eq!((rows.reads, rows.evictions, counts.evictions), (100, 0, 0), "{rows:?}");
}

#[test]
fn a_cache_with_room_for_some_of_the_sets_stays_within_it() {
    let folder = tempfile::tempdir().unwrap();
    let sets = sets(folder.path());
    // What one set weighs.
    let one = cache(1 << 20);
    one.stats(&sets[0]).unwrap();
    let capacity = 10 * one.cache_stats().held_bytes.max(one.row_stats().held_bytes);
    let cache = cache(capacity);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (sets, cache) = (&sets, &cache);
            scope.spawn(move || {
                // Each in an order of its own: all of them, since 7 and 100 have no common divisor.
                for number in (0..SETS).map(|i| (7 * i + 13 * thread) % SETS) {
                    let stats = cache.stats(&sets[number]).unwrap();
                    assert_eq!(stats.total.all().flag, 2 * (number as u64 + 1));
                    for held in [cache.cache_stats().held_bytes, cache.row_stats().held_bytes] {
                        assert!(held <= capacity, "{held} of {capacity} bytes");
                    }
                }
            });
        }
    });
    let counts = cache.cache_stats();
    assert!(counts.evictions > 0 && counts.reads >= 100 && counts.reads + counts.hits == 1600, "{counts:?}");
}
