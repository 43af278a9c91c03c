//! One thread, in memory.

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use stamped_cache::{Cache, Explanation, Field, Identity, Key, LookUpError, Options, Reason};

pub(crate) type Text = Cache<String>;

/// A cache of texts that trusts files of any age: nobody writes while these tests read.
pub(crate) fn cache() -> Text {
    Cache::new(Options { settle: Duration::ZERO, ..Options::default() }, |text| text.len() as u64)
}

pub(crate) fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("because a temporary folder can be made")
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("because the disk is not full");
}

pub(crate) fn key(path: &Path) -> Key {
    Key::new(path).expect("because its folder is there")
}

/// The text of the key's file.
pub(crate) fn text(cache: &Text, key: &Key) -> Result<String, LookUpError<io::Error>> {
    let read = cache.get_or_read(key, |files| fs::read_to_string(files.file(files.key_path())));
    read.map(|text| text.as_str().to_owned())
}

fn changed(explanation: &Explanation) -> (PathBuf, Vec<Field>) {
    match explanation {
        Explanation::Read { because: Reason::Changed(change), .. } => (change.path.clone(), change.fields()),
        other => panic!("not a change: {other}"),
    }
}

#[test]
fn a_second_look_up_does_not_read() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "one");
    let (cache, key) = (cache(), key(&path));
    for _ in 0..5 {
        assert_eq!(text(&cache, &key).expect("because the file is there"), "one");
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.reads, stats.held), (4, 1, 1, 1));
    assert!(matches!(cache.explain(&key), Explanation::Hit { files: 1, hits: 4, because: Reason::Unknown }));
}

#[test]
fn explain_names_the_file_and_the_fields() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "one");
    let (cache, key) = (cache(), key(&path));
    text(&cache, &key).expect("because the file is there");

    // Same size, and the time of modification put back: the time of change tells.
    let before = fs::metadata(&path).and_then(|m| m.modified()).expect("because the file is there");
    write(&path, "two");
    let file = File::options().write(true).open(&path).expect("because the file is there");
    file.set_times(FileTimes::new().set_modified(before)).expect("because the file is ours");
    assert_eq!(text(&cache, &key).expect("because the file is there"), "two");
    assert_eq!(changed(&cache.explain(&key)), (key.path().to_path_buf(), vec![Field::Ctime]));

    write(&path, "three");
    text(&cache, &key).expect("because the file is there");
    assert_eq!(changed(&cache.explain(&key)).1, [Field::Size, Field::Mtime, Field::Ctime]);
    let explained = cache.explain(&key).to_string();
    assert!(explained.contains("size 3 -> 5"), "{explained}");

    fs::remove_file(&path).expect("because the file is ours");
    assert!(text(&cache, &key).is_err());
    assert_eq!(cache.explain(&key), Explanation::NotHeld(Reason::Failed));
}

#[test]
fn failures_are_not_kept() {
    let folder = temporary();
    let path = folder.path().join("file");
    let (cache, key) = (cache(), key(&path));
    for _ in 0..3 {
        assert!(matches!(text(&cache, &key), Err(LookUpError::Read(_))));
    }
    assert_eq!((cache.stats().reads, cache.stats().failures, cache.stats().held), (3, 3, 0));
    write(&path, "now");
    assert_eq!(text(&cache, &key).expect("because the file is there"), "now");
}

#[test]
fn the_absence_of_a_file_and_the_names_in_a_folder_count() {
    let folder = temporary();
    let (cache, key) = (cache(), key(folder.path()));
    let optional = folder.path().join("sub/optional");
    fs::create_dir(folder.path().join("sub")).expect("because the folder is ours");
    let names = |cache: &Text| {
        let found = cache.get_or_read(&key, |files| {
            let folder = files.key_path();
            let optional = files.file(&optional).exists();
            Ok::<_, io::Error>(format!("{optional} {}", fs::read_dir(files.listing(folder))?.count()))
        });
        found.expect("because the folder is there").as_str().to_owned()
    };
    assert_eq!(names(&cache), "false 1");
    assert_eq!(names(&cache), "false 1");
    assert_eq!(cache.stats().reads, 1);
    write(&optional, "");
    assert_eq!(names(&cache), "true 1");
    write(&folder.path().join("another"), "");
    assert_eq!(names(&cache), "true 2");
    assert_eq!(cache.stats().reads, 3);
}

#[test]
fn a_file_that_is_changed_by_the_reading_itself_is_read_again_and_then_refused() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "0");
    let (cache, key) = (cache(), key(&path));
    let mut calls = 0;
    // A change in the first reading only: the second is returned.
    let found = cache.get_or_read(&key, |files| {
        calls += 1;
        let text = fs::read_to_string(files.file(&path))?;
        if calls == 1 {
            fs::write(&path, "1")?;
        }
        Ok::<_, io::Error>(text)
    });
    assert_eq!((found.expect("because the file is there").as_str(), calls), ("1", 2));
    // A change in every reading.
    cache.invalidate(&key);
    let refused = cache.get_or_read(&key, |files| {
        calls += 1;
        let text = fs::read_to_string(files.file(&path))?;
        fs::write(&path, calls.to_string())?;
        Ok::<_, io::Error>(text)
    });
    let Err(LookUpError::Unsettled { attempts: 3, change }) = refused else { panic!("{refused:?}") };
    assert_eq!(change.path, path);
    assert!(matches!(cache.explain(&key), Explanation::NotHeld(Reason::Unsettled(_))));
    assert_eq!(cache.stats().held, 0);
}

#[test]
fn a_file_that_was_named_too_late_is_not_trusted_after_a_change() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "old");
    // A generous settling time: everything here is recent.
    let cache: Text = Cache::new(Options::default(), |text| text.len() as u64);
    let key = key(&path);
    let look_up = || {
        let found = cache.get_or_read(&key, |files| {
            let text = fs::read_to_string(&path)?;
            fs::write(&path, "new")?;
            files.already_read(&path);
            Ok::<_, io::Error>(text)
        });
        found.expect("because the file is there").as_str().to_owned()
    };
    assert_eq!(look_up(), "old");
    assert!(matches!(cache.explain(&key), Explanation::Read { provisional: true, .. }));
    assert_eq!(look_up(), "new");
}

#[test]
fn a_value_without_named_files_depends_on_its_path() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "one");
    let (cache, key) = (cache(), key(&path));
    let look_up = || cache.get_or_read(&key, |_| fs::read_to_string(&path)).expect("because the file is there");
    assert_eq!(*look_up(), "one");
    write(&path, "two");
    assert_eq!(*look_up(), "two");
    assert_eq!(*look_up(), "two");
    assert_eq!(cache.stats().reads, 2);
}

#[test]
fn a_file_that_was_replaced_after_it_was_opened_is_read_again() {
    let folder = temporary();
    let (path, other) = (folder.path().join("file"), folder.path().join("other"));
    write(&path, "one");
    write(&other, "two");
    let (cache, key) = (cache(), key(&path));
    let look_up = || {
        let found = cache.get_or_read_named(&key, |files| {
            let file = File::open(&path)?;
            files.opened(&path, Identity::of_open(&file)?);
            // In the first reading another file takes the name while this one is open.
            if other.exists() {
                fs::rename(&other, &path)?;
            }
            io::read_to_string(file)
        });
        found.expect("because the file is there").as_str().to_owned()
    };
    assert_eq!(look_up(), "two");
    assert_eq!((cache.stats().reads, cache.stats().rereads), (2, 1));
    assert_eq!(look_up(), "two");
    write(&path, "three");
    assert_eq!(look_up(), "three");
    assert_eq!(cache.stats().reads, 3);
    let folder = File::open(folder.path()).expect("because the folder is ours");
    assert_eq!(Identity::of_open(folder).map_err(|e| e.kind()), Err(io::ErrorKind::InvalidInput));
}

#[test]
fn a_value_that_named_no_file_where_it_should_have_is_not_kept() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "one");
    let (cache, key) = (cache(), key(&path));
    let look_up = || cache.get_or_read_named(&key, |_| fs::read_to_string(&path)).expect("because the file is there");
    assert_eq!(*look_up(), "one");
    assert_eq!(*look_up(), "one");
    assert_eq!((cache.stats().reads, cache.stats().hits), (2, 0));
}

#[test]
fn every_name_of_a_file_is_one_key_and_a_link_may_be_turned() {
    let folder = temporary();
    let (a, b, link) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("link"));
    write(&a, "a");
    write(&b, "b");
    symlink(&a, &link).expect("because the folder is ours");
    assert_eq!(key(&link), key(&a));
    assert_eq!(key(&folder.path().join("./a")), key(&a));
    assert_ne!(key(&a).part("x"), key(&a));
    assert!(Key::canonical("relative").is_err());

    // Under the link's own name, turning the link changes the value.
    let cache = cache();
    let own = Key::canonical(&link).expect("because the path is absolute");
    assert_eq!(text(&cache, &own).expect("because the file is there"), "a");
    fs::remove_file(&link).and_then(|()| symlink(&b, &link)).expect("because the folder is ours");
    assert_eq!(text(&cache, &own).expect("because the file is there"), "b");
}

#[test]
fn recent_files_are_provisional_and_old_ones_are_kept() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "one");
    let cache: Text = Cache::new(Options { settle: Duration::from_secs(3600), ..Options::default() }, |_| 1);
    let key = key(&path);
    for _ in 0..3 {
        text(&cache, &key).expect("because the file is there");
    }
    assert_eq!((cache.stats().reads, cache.stats().provisional), (3, 3));
    // A back-dated file is as recent as its change.
    let file = File::options().write(true).open(&path).expect("because the file is there");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    file.set_times(FileTimes::new().set_modified(long_ago)).expect("because the file is ours");
    text(&cache, &key).and_then(|_| text(&cache, &key)).expect("because the file is there");
    assert_eq!(cache.stats().reads, 5);
    assert!(cache.explain(&key).to_string().contains("provisional"), "{}", cache.explain(&key));
}

#[test]
fn the_bound_is_kept_over_a_million_look_ups() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "x");
    let options = Options { capacity_bytes: 100_000, settle: Duration::ZERO, ..Options::default() };
    let cache: Cache<u64> = Cache::new(options, |value| *value % 1000);
    let path = path.canonicalize().expect("because the file is there");
    let keys: Vec<Key> =
        (0..2000).map(|i| Key::canonical(&path).expect("because the path is absolute").part(&i.to_string())).collect();
    let mut state = 1_u64;
    for step in 0..1_000_000_u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Some keys are asked for far more often than others.
        let number = ((state >> 33) % 2000) * ((state >> 50) % 100) / 100;
        let key = &keys[usize::try_from(number).expect("because it is below 2000")];
        // `get` compares the stamps as well; one in eight reads.
        if step % 8 == 0 {
            let value = cache.get_or_read(key, |_| Ok::<_, io::Error>(number * 7)).expect("because it cannot fail");
            assert_eq!(*value, number * 7);
        } else if let Some(value) = cache.get(key) {
            assert_eq!(*value, number * 7);
        }
        if step % 1000 == 0 {
            assert!(cache.stats().held_bytes <= 100_000, "{:?}", cache.stats());
        }
    }
    let stats = cache.stats();
    assert!(stats.evictions > 1000 && stats.hits > 10_000, "{stats:?}");
    assert_eq!(stats.hits + stats.disk_hits + stats.misses + stats.refusals, 1_000_000);
}

#[test]
fn without_room_every_look_up_reads_and_answers_the_same() {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path, "same");
    let off: Text = Cache::new(Options { capacity_bytes: 0, settle: Duration::ZERO, ..Options::default() }, |text| {
        text.len() as u64
    });
    let (on, key) = (cache(), key(&path));
    for _ in 0..3 {
        let answers = (text(&off, &key), text(&on, &key));
        assert_eq!(answers.0.expect("because the file is there"), answers.1.expect("because the file is there"));
    }
    assert_eq!((off.stats().reads, off.stats().too_heavy, on.stats().reads), (3, 3, 1));
    assert_eq!(off.explain(&key), Explanation::NotHeld(Reason::TooHeavy));
}

#[test]
fn invalidating_drops_one_key() {
    let folder = temporary();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    write(&a, "a");
    write(&b, "b");
    let (cache, a, b) = (cache(), key(&a), key(&b));
    for key in [&a, &b] {
        text(&cache, key).expect("because the file is there");
    }
    cache.invalidate(&a);
    assert_eq!(cache.explain(&a), Explanation::NotHeld(Reason::Invalidated));
    assert!(cache.get(&a).is_none() && cache.get(&b).is_some());
    cache.clear();
    assert!(cache.get(&b).is_none());
}
