//! Many threads over many sets.

use std::path::Path;
use std::sync::{Arc, Barrier};

use casacore::Table;
use ms_meta_cache::{MsMetaCache, MsSet, Options};
use vis_types::MsMetadata;

use crate::set::{self, Shape};
use crate::{cache, settled};

const SETS: usize = 100;
const THREADS: usize = 16;
const TINY: Shape = Shape { windows: 2, channels: 3, fields: 2, antennas: 3, rows: 2 };

/// Copies of one tiny set; in that of number i, the first scan and the first antenna's diameter say so.
fn sets(folder: &Path) -> Vec<MsSet> {
    let first = folder.join("made.ms");
    set::make(&first, &TINY).unwrap();
    let each = (0..SETS).map(|number| {
        let path = folder.join(format!("{number}.ms"));
        copy(&first, &path);
        for (table, column) in [("", "SCAN_NUMBER"), ("ANTENNA", "DISH_DIAMETER")] {
            let mut table = Table::open_rw(path.join(table)).unwrap();
            match column {
                "SCAN_NUMBER" => table.write(column, 0, &[1000 + number as i32]),
                _ => table.write(column, 0, &[1.0 + number as f64]),
            }
            .unwrap();
            table.close().unwrap();
        }
        MsSet::new(&path).unwrap()
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

/// The metadata of set number `number`, which must say that they are.
fn look_up(cache: &MsMetaCache, sets: &[MsSet], number: usize) -> Arc<MsMetadata> {
    let found = cache.metadata(&sets[number]).unwrap();
    assert_eq!(found.subtables.antennas[0].diameter_m, 1.0 + number as f64);
    assert!(found.rows.groups.iter().any(|group| group.scan == 1000 + number as i32), "{:?}", found.rows);
    found
}

#[test]
fn sixteen_threads_read_each_of_a_hundred_sets_once() {
    let folder = tempfile::tempdir().unwrap();
    let sets = sets(folder.path());
    let (cache, start) = (cache(), Barrier::new(THREADS));
    let seen: Vec<Vec<_>> = std::thread::scope(|scope| {
        let look_up = || {
            start.wait();
            (0..SETS).map(|number| look_up(&cache, &sets, number)).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(look_up)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let same = |a: &MsMetadata, b: &MsMetadata| {
        Arc::ptr_eq(&a.subtables, &b.subtables) && Arc::ptr_eq(&a.layout, &b.layout) && Arc::ptr_eq(&a.rows, &b.rows)
    };
    assert!(seen.iter().all(|each| each.iter().zip(&seen[0]).all(|(a, b)| same(a, b))), "all threads share the values");
    // The six subtables once, and MAIN for its subtables' names, its layout and its rows.
    assert_eq!(cache.operations().counts().opens, 9 * SETS as u64);
    let stats = cache.stats();
    for part in [stats.subtables, stats.layout, stats.rows] {
        assert_eq!((part.reads, part.held, part.evictions), (100, 100, 0), "{stats:?}");
    }
}

#[test]
fn a_cache_with_room_for_some_of_the_sets_stays_within_it() {
    let folder = tempfile::tempdir().unwrap();
    let sets = sets(folder.path());
    // What one set's heaviest part weighs.
    let one = cache();
    look_up(&one, &sets, 0);
    let held = |cache: &MsMetaCache| {
        let stats = cache.stats();
        [stats.subtables.held_bytes, stats.layout.held_bytes, stats.rows.held_bytes]
    };
    let third = 10 * held(&one).into_iter().max().unwrap();
    let cache = MsMetaCache::new(Options { capacity_bytes: 3 * third, ..settled() });
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (sets, cache) = (&sets, &cache);
            scope.spawn(move || {
                // Each in an order of its own: all of them, since 7 and 100 have no common divisor.
                for i in 0..SETS {
                    look_up(cache, sets, (7 * i + 13 * thread) % SETS);
                    assert!(held(cache).into_iter().all(|held| held <= third), "{:?} of {third}", held(cache));
                }
            });
        }
    });
    let stats = cache.stats().subtables;
    assert!(stats.evictions > 0 && stats.reads >= 100 && stats.reads + stats.hits == 1600, "{stats:?}");
}
