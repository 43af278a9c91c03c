//! How much is read, counted.

use std::sync::Arc;

use ms_meta_cache::{Explanation, MsMetaCache, MsSet, Options, StoreOptions};

use crate::{cache, original, settled};

#[test]
fn each_table_is_opened_once_and_a_hit_opens_none() {
    let (_folder, path, set) = original();
    let cache = cache();
    let opens = || cache.operations().counts().opens;
    let first = cache.subtables(&set).unwrap();
    assert_eq!(opens(), 6 + 1, "each subtable once, and MAIN, which names them");
    cache.layout(&set).unwrap();
    assert_eq!(opens(), 7 + 1, "MAIN, for its structure");
    cache.rows(&set).unwrap();
    assert_eq!(opens(), 7 + 1 + 1, "MAIN, for its rows");
    let before = cache.operations().counts();
    assert_eq!(before.plain_opens, before.opens, "none through casacore");
    // Another way to write the path, many look-ups.
    let same = MsSet::new(path.join("FIELD/..")).unwrap();
    assert_eq!(same, set);
    for _ in 0..100 {
        assert!(Arc::ptr_eq(&cache.subtables(&same).unwrap(), &first));
        cache.metadata(&set).unwrap();
    }
    assert_eq!(cache.operations().counts(), before);
    assert!(
        matches!(cache.explain(&set).subtables, Explanation::Hit { files: 22, hits: 200, .. }),
        "{:?}",
        cache.explain(&set)
    );
    assert_eq!(cache.stats().subtables.reads, 1);
}

#[test]
fn threads_that_ask_at_once_read_once() {
    let (_folder, _, set) = original();
    let cache = cache();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| cache.metadata(&set).unwrap());
        }
    });
    assert_eq!(cache.operations().counts().opens, 9);
}

#[test]
fn the_next_process_starts_warm() {
    let (folder, _, set) = original();
    let store = folder.path().join("store");
    let open = || MsMetaCache::new(settled()).with_store(&store, &StoreOptions::default()).unwrap();
    let first = open();
    let read = first.metadata(&set).unwrap();
    drop(first);
    let second = open();
    assert_eq!(*second.metadata(&set).unwrap(), *read);
    assert_eq!(second.operations().counts().opens, 0);
    let explained = second.explain(&set);
    assert!(matches!(explained.subtables, Explanation::DiskHit { .. }), "{explained:?}");
    assert!(matches!(explained.rows, Some(Explanation::DiskHit { .. })), "{explained:?}");
}

#[test]
fn without_a_cache_the_values_are_the_same() {
    let (_folder, _, set) = original();
    let none = MsMetaCache::new(Options { capacity_bytes: 0, ..settled() });
    let with = cache();
    let held = with.metadata(&set).unwrap();
    for _ in 0..2 {
        assert_eq!(none.metadata(&set).unwrap(), held);
        assert_eq!(with.metadata(&set).unwrap(), held);
    }
    assert!(none.operations().counts().opens >= 18);
    assert_eq!(with.operations().counts().opens, 9);
}
