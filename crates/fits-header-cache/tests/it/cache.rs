//! What is kept, and for how long.

use std::fs;
use std::time::Duration;

use fits_header_cache::{Area, FitsCache, Options};

use crate::tile::{folder, noise, put, tile};

/// Files of the tests are younger than two seconds.
fn at_once() -> Options {
    Options { settle: Duration::ZERO, ..Options::default() }
}

#[test]
fn a_second_look_up_reads_nothing_and_a_change_is_seen() {
    let folder = folder();
    let path = put(folder.path(), "x.fits", &tile(20, 20, &noise(400, 1)));
    let cache = FitsCache::new(at_once());
    let first = cache.statistics(&path, &Area::All).expect("because it is whole");
    assert_eq!(cache.statistics(&path, &Area::All).expect("because it is whole"), first);
    assert_eq!((cache.statistics_stats().reads, cache.file_stats().reads), (1, 1));
    let part = Area::Box { x: 0..9, y: 0..9 };
    assert_ne!(cache.statistics(&path, &part).expect("because it is whole"), first);
    assert_eq!((cache.statistics_stats().reads, cache.file_stats().reads), (2, 1));
    fs::write(&path, tile(20, 21, &noise(420, 2))).expect("because the folder is ours");
    assert_eq!(cache.statistics(&path, &Area::All).expect("because it is whole").moments.pixels, 420);
    assert_eq!((cache.statistics_stats().reads, cache.file_stats().reads), (3, 2));
}

#[test]
fn when_one_of_many_changes_only_that_one_is_read() {
    let folder = folder();
    let paths: Vec<_> =
        (0..200).map(|i| put(folder.path(), &format!("{i}.fits"), &tile(8, 8, &noise(64, i)))).collect();
    let cache = FitsCache::new(at_once());
    let ask = || paths.iter().for_each(|p| drop(cache.statistics(p, &Area::All).expect("because it is whole")));
    ask();
    assert_eq!((cache.statistics_stats().reads, cache.file_stats().reads), (200, 200));
    put(folder.path(), "77.fits", &tile(8, 8, &noise(64, 999)));
    ask();
    assert_eq!((cache.statistics_stats().reads, cache.file_stats().reads), (201, 201));
    let reason = cache.explain_statistics(&paths[77], &Area::All).expect("because the path is one").to_string();
    assert!(reason.contains("77.fits"), "{reason}");
}

#[test]
fn failures_are_not_kept() {
    let folder = folder();
    let path = folder.path().join("x.fits");
    let cache = FitsCache::new(at_once());
    assert!(cache.file(&path).is_err());
    put(folder.path(), "x.fits", b"not yet");
    assert!(cache.file(&path).is_err());
    put(folder.path(), "x.fits", &tile(2, 2, &[0.0; 4]));
    assert!(cache.file(&path).is_ok());
}

#[test]
fn the_next_process_starts_warm_and_equal() {
    let folder = folder();
    let path = put(folder.path(), "x.fits", &tile(20, 20, &noise(400, 1)));
    let store = folder.path().join("cache");
    let open = || FitsCache::new(at_once()).with_folder(&store).expect("because the folder is ours");
    let first = open();
    let file = first.file(&path).expect("because it is whole");
    let statistics = first.statistics(&path, &Area::All).expect("because it is whole");
    let second = open();
    let again = second.file(&path).expect("because it is kept");
    assert_eq!(second.statistics(&path, &Area::All).expect("because it is kept"), statistics);
    assert_eq!((second.file_stats().reads, second.statistics_stats().reads), (0, 0));
    assert_eq!((second.file_stats().disk_hits, second.statistics_stats().disk_hits), (1, 1));
    assert_eq!(again.primary().header().raw(), file.primary().header().raw());
    assert_eq!(again.primary().image(), file.primary().image());
    let sky = |file: &fits_header_cache::FitsFile| file.primary().celestial().map(|c| c.centre()).ok();
    assert_eq!(sky(&again), sky(&file));
}

#[test]
fn many_files_come_in_the_order_of_their_paths() {
    let folder = folder();
    let mut paths: Vec<_> =
        (1..60).map(|i| put(folder.path(), &format!("{i}.fits"), &tile(i, 1, &vec![0.0; i as usize]))).collect();
    paths.insert(30, folder.path().join("absent.fits"));
    let cache = FitsCache::default();
    let found: Vec<_> = paths.iter().map(|path| cache.file(path)).collect();
    let widths: Vec<_> =
        found.iter().map(|file| file.as_ref().ok().and_then(|f| f.primary().image().map(|i| i.width()))).collect();
    let mut wanted: Vec<_> = (1..60).map(Some).collect();
    wanted.insert(30, None);
    assert_eq!(widths, wanted);
}
