//! Many threads at once.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::basics::{cache, key, temporary, write};

#[test]
fn sixteen_threads_read_each_of_a_hundred_keys_once() {
    let folder = temporary();
    let paths: Vec<_> = (0..100).map(|i| folder.path().join(i.to_string())).collect();
    for (i, path) in paths.iter().enumerate() {
        write(path, &i.to_string());
    }
    let keys: Vec<_> = paths.iter().map(|path| key(path)).collect();
    let (cache, start) = (cache(), Barrier::new(16));
    let distinct: usize = thread::scope(|scope| {
        let look_up = || {
            start.wait();
            let answers = keys.iter().enumerate().map(|(i, key)| {
                let text = cache.get_or_read(key, |files| fs::read_to_string(files.file(files.key_path())));
                let text = text.expect("because the file is there");
                assert_eq!(*text, i.to_string());
                std::sync::Arc::as_ptr(&text) as usize
            });
            answers.collect::<HashSet<_>>()
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(look_up)).collect();
        let seen: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("because no thread panics")).collect();
        seen.into_iter().fold(HashSet::new(), |all, seen| &all | &seen).len()
    });
    let stats = cache.stats();
    assert_eq!((stats.reads, stats.misses, stats.hits), (100, 100, 1500), "{stats:?}");
    assert_eq!(distinct, 100, "all threads share one value of each key");
}

#[test]
fn every_waiting_thread_retries_a_failure() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "x");
    let (cache, key, start, calls) = (cache(), key(&path), Barrier::new(8), AtomicU64::new(0));
    let failures: usize = thread::scope(|scope| {
        let look_up = || {
            start.wait();
            let found = cache.get_or_read(&key, |files| {
                files.file(&path);
                match calls.fetch_add(1, Ordering::SeqCst) {
                    0..3 => Err(io::Error::other("not yet")),
                    _ => Ok("good".to_owned()),
                }
            });
            usize::from(found.is_err())
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(look_up)).collect();
        threads.into_iter().map(|thread| thread.join().expect("because no thread panics")).sum()
    });
    assert_eq!((failures, calls.load(Ordering::SeqCst)), (3, 4));
    assert_eq!((cache.stats().reads, cache.stats().failures), (4, 3));
}

#[test]
fn a_panic_in_the_reading_leaves_the_key_usable() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "x");
    let (cache, key) = (cache(), key(&path));
    let panicked = thread::scope(|scope| {
        scope.spawn(|| cache.get_or_read(&key, |_| -> io::Result<String> { panic!("a fault of the caller's") })).join()
    });
    assert!(panicked.is_err());
    let found = cache.get_or_read(&key, |_| Ok::<_, io::Error>("good".to_owned()));
    assert_eq!(*found.expect("because this reading is sound"), "good");
}

/// A writer changes a file while threads look it up. No thread ever sees the numbers go back.
#[test]
fn answers_do_not_go_back_in_time_while_a_file_is_changed() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "1000");
    // Files are written with one call of four bytes, so a short time settles them; and the clock is fine or coarse.
    let options = stamped_cache::Options {
        settle: std::time::Duration::from_millis(12),
        attempts: 1000,
        ..stamped_cache::Options::default()
    };
    let cache: stamped_cache::Cache<u64> = stamped_cache::Cache::new(options, |_| 8);
    let (key, written) = (key(&path), AtomicU64::new(1000));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let before = written.load(Ordering::SeqCst);
                    let found = cache.get_or_read(&key, |files| {
                        let text = fs::read_to_string(files.file(&path))?;
                        text.parse::<u64>().map_err(io::Error::other)
                    });
                    let found = *found.expect("because the file always holds a number");
                    assert!(found >= before, "{found} after {before} was written: {}", cache.explain(&key));
                    if before >= 2000 {
                        return;
                    }
                }
            });
        }
        scope.spawn(|| {
            for number in 1001..=2000_u64 {
                let file = fs::OpenOptions::new().write(true).open(&path).expect("because the file is there");
                std::os::unix::fs::FileExt::write_all_at(&file, number.to_string().as_bytes(), 0)
                    .expect("because the disk is not full");
                written.store(number, Ordering::SeqCst);
                thread::yield_now();
            }
        });
    });
}
