//! The on-disk store: warm starts, damage, other processes.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use stamped_cache::{Cache, Error, Explanation, Key, Reason, Store, StoreOptions};

use crate::basics::{Text, cache, key, temporary, text, write};

fn open(root: &Path, max_bytes: u64) -> Text {
    let store = Store::open(root.join("cache"), "texts", 1, StoreOptions { max_bytes });
    cache().with_store(store.expect("because the folder is ours"))
}

fn store_files(root: &Path) -> Vec<PathBuf> {
    let folder = root.join("cache/stamped-cache-1-texts-1");
    let files = fs::read_dir(folder).expect("because the store was opened");
    let mut files: Vec<_> = files.map(|file| file.expect("because the folder is ours").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    files.sort();
    files
}

/// Files `0` to `count - 1`, each holding its own name's text, and their keys.
fn numbered(root: &Path, count: usize) -> Vec<Key> {
    let made = (0..count).map(|i| {
        let path = root.join(i.to_string());
        write(&path, &format!("text {i}"));
        key(&path)
    });
    made.collect()
}

fn look_up_all(cache: &Text, keys: &[Key]) {
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(text(cache, key).expect("because the file is there"), format!("text {i}"));
    }
}

#[test]
fn the_next_process_starts_warm_and_sees_what_changed() {
    let folder = temporary();
    let keys = numbered(folder.path(), 50);
    let cold = open(folder.path(), 1 << 20);
    look_up_all(&cold, &keys);
    assert_eq!((cold.stats().reads, cold.stats().disk_writes), (50, 50));
    drop(cold);

    let warm = open(folder.path(), 1 << 20);
    look_up_all(&warm, &keys);
    look_up_all(&warm, &keys);
    let stats = warm.stats();
    assert_eq!((stats.reads, stats.disk_hits, stats.hits, stats.disk_writes), (0, 50, 50, 0));
    drop(warm);

    write(keys[7].path(), "other");
    let warm = open(folder.path(), 1 << 20);
    assert_eq!(text(&warm, &keys[7]).expect("because the file is there"), "other");
    assert!(matches!(warm.explain(&keys[7]), Explanation::Read { because: Reason::Changed(_), .. }));
    text(&warm, &keys[8]).expect("because the file is there");
    assert!(matches!(warm.explain(&keys[8]), Explanation::DiskHit { files: 1, because: Reason::Unknown }));
    assert_eq!(warm.stats().reads, 1);
}

#[test]
fn invalidated_and_cleared_entries_stay_away() {
    let folder = temporary();
    let keys = numbered(folder.path(), 3);
    let first = open(folder.path(), 1 << 20);
    look_up_all(&first, &keys);
    first.invalidate(&keys[1]);
    drop(first);
    let second = open(folder.path(), 1 << 20);
    assert!(second.get(&keys[0]).is_some() && second.get(&keys[1]).is_none() && second.get(&keys[2]).is_some());
    second.clear();
    drop(second);
    let third = open(folder.path(), 1 << 20);
    assert!(keys.iter().all(|key| third.get(key).is_none()));
    assert_eq!(third.stats().disk_entries, 0);
}

#[test]
fn neither_failures_nor_provisional_values_reach_the_disk() {
    let folder = temporary();
    let keys = numbered(folder.path(), 2);
    let store = Store::open(folder.path().join("cache"), "texts", 1, StoreOptions::default());
    let cache: Text = Cache::new(stamped_cache::Options::default(), |text: &String| text.len() as u64)
        .with_store(store.expect("because the folder is ours"));
    look_up_all(&cache, &keys);
    let failed = cache.get_or_read(&keys[0].part("bad"), |_| Err::<String, _>(io::Error::other("broken")));
    assert!(failed.is_err());
    assert_eq!((cache.stats().provisional, cache.stats().disk_writes), (2, 0));
}

#[test]
fn every_flipped_bit_and_every_length_costs_at_most_the_entries_it_touches() {
    let folder = temporary();
    let keys = numbered(folder.path(), 6);
    look_up_all(&open(folder.path(), 1 << 20), &keys);
    let [segment] = &store_files(folder.path())[..] else { panic!("one process, one segment") };
    let whole = fs::read(segment).expect("because the folder is ours");

    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(segment, &bytes).expect("because the disk is not full");
        let found = answers(folder.path(), &keys);
        assert!(found >= 5, "byte {at}: {found} entries left of 6");
        if at >= 16 {
            assert_eq!(found, 5, "byte {at}: a damaged entry was used");
        }
    }
    for length in 0..whole.len() {
        fs::write(segment, &whole[..length]).expect("because the disk is not full");
        assert!(answers(folder.path(), &keys) <= length * 6 / whole.len());
    }
}

/// How many keys the reopened store answers. Checks that each answer is right.
fn answers(root: &Path, keys: &[Key]) -> usize {
    let cache = open(root, 1 << 20);
    let found = keys.iter().enumerate().filter_map(|(i, key)| Some((i, cache.get(key)?)));
    found.inspect(|(i, text)| assert_eq!(**text, format!("text {i}"))).count()
}

#[test]
fn values_of_another_form_are_misses() {
    let folder = temporary();
    let keys = numbered(folder.path(), 1);
    look_up_all(&open(folder.path(), 1 << 20), &keys);
    let store = Store::open(folder.path().join("cache"), "texts", 1, StoreOptions::default());
    let numbers: Cache<Vec<f64>> =
        Cache::new(stamped_cache::Options { settle: std::time::Duration::ZERO, ..Default::default() }, |_| 8);
    let numbers = numbers.with_store(store.expect("because the folder is ours"));
    let exact = vec![0.1, f64::NAN, -0.0, 5e-324];
    let found = numbers.get_or_read(&keys[0], |_| Ok::<_, io::Error>(exact.clone()));
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&found.expect("because it cannot fail")), bits(&exact));
    assert_eq!((numbers.stats().disk_damaged, numbers.stats().reads), (1, 1));
    drop(numbers);
    // Numbers come back to the last bit.
    let store = Store::open(folder.path().join("cache"), "texts", 1, StoreOptions::default());
    let numbers: Cache<Vec<f64>> =
        Cache::new(stamped_cache::Options::default(), |_| 8).with_store(store.expect("because the folder is ours"));
    assert_eq!(bits(&numbers.get(&keys[0]).expect("because it was stored")), bits(&exact));
}

#[test]
fn the_store_keeps_within_its_bound_and_drops_the_oldest() {
    let folder = temporary();
    let keys = numbered(folder.path(), 400);
    let cache = open(folder.path(), 20_000);
    for _ in 0..3 {
        for (i, key) in keys.iter().enumerate() {
            assert_eq!(text(&cache, key).expect("because the file is there"), format!("text {i}"));
            let bytes: u64 = store_files(folder.path())
                .iter()
                .map(|path| fs::metadata(path).expect("because the folder is ours").len())
                .sum();
            assert!(bytes <= 20_000 && bytes == cache.stats().disk_bytes, "{bytes}: {:?}", cache.stats());
        }
        cache.clear();
    }
    look_up_all(&cache, &keys);
    drop(cache);
    let cache = open(folder.path(), 20_000);
    let held: Vec<bool> = keys.iter().map(|key| cache.get(key).is_some()).collect();
    assert!(held[399] && !held[0], "the newest stays, the oldest goes");
    assert!(held.iter().filter(|held| **held).count() > 30);
}

#[test]
fn many_short_processes_do_not_leave_many_files() {
    let folder = temporary();
    let keys = numbered(folder.path(), 120);
    for key in &keys {
        let cache = open(folder.path(), 1 << 20);
        text(&cache, key).expect("because the file is there");
    }
    assert!(store_files(folder.path()).len() < 40);
    assert_eq!(answers(folder.path(), &keys), 120);
}

#[test]
fn the_folder_is_ours_alone_and_links_are_refused() {
    let folder = temporary();
    let root = folder.path();
    fs::create_dir(root.join("elsewhere")).expect("because the folder is ours");
    fs::create_dir(root.join("cache")).expect("because the folder is ours");
    symlink(root.join("elsewhere"), root.join("cache/stamped-cache-1-texts-1")).expect("because the folder is ours");
    let refused = Store::open(root.join("cache"), "texts", 1, StoreOptions::default());
    assert!(matches!(refused, Err(Error::Store { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(root.join("elsewhere")).expect("because the folder is ours").count(), 0);

    for bad in ["", "../x", "a/b", "UPPER", "."] {
        assert!(matches!(Store::open(root, bad, 1, StoreOptions::default()), Err(Error::Namespace { .. })), "{bad}");
    }

    // A folder that was left open to all is closed.
    let path = root.join("cache/stamped-cache-1-texts-2");
    fs::create_dir(&path).expect("because the folder is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("because the folder is ours");
    let store = Store::open(root.join("cache"), "texts", 2, StoreOptions::default()).expect("because it is ours");
    assert_eq!(fs::metadata(store.path()).expect("because it was opened").mode() & 0o777, 0o700);

    // A link among the segments is passed over.
    let keys = numbered(root, 1);
    write(&root.join("outside"), "not a segment");
    symlink(root.join("outside"), store.path().join("0.seg")).expect("because the folder is ours");
    drop(store);
    let store = Store::open(root.join("cache"), "texts", 2, StoreOptions::default()).expect("because it is ours");
    let cache = cache().with_store(store);
    look_up_all(&cache, &keys);
    assert_eq!(cache.stats().disk_damaged, 1);
    assert_eq!(fs::read_to_string(root.join("outside")).expect("because it is ours"), "not a segment");
}

#[test]
fn a_store_that_cannot_be_written_does_not_disturb_look_ups() {
    let folder = temporary();
    let keys = numbered(folder.path(), 2);
    let cache = open(folder.path(), 1 << 20);
    fs::remove_dir_all(folder.path().join("cache")).expect("because the folder is ours");
    look_up_all(&cache, &keys);
    assert_eq!((cache.stats().disk_failures, cache.stats().disk_writes), (2, 0));
}

const CHILD: &str = "STAMPED_CACHE_TEST_CHILD";

/// Not a test by itself: what the child processes of the tests below do. They run this test binary again.
#[test]
fn child() {
    let Some(root) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let keys: Vec<Key> = (0..60).map(|i| key(&root.join(i.to_string()))).collect();
    for round in 0..40 {
        // A small bound, so that both rewrite the store again and again.
        let cache = open(&root, 12_000);
        look_up_all(&cache, &keys);
        println!("round {round}");
    }
}

fn spawn(root: &Path) -> Child {
    Command::new(std::env::current_exe().expect("because this is a program"))
        .args(["--exact", "disk::child", "--nocapture"])
        .env(CHILD, root)
        .stdout(Stdio::piped())
        .spawn()
        .expect("because this program can be run")
}

#[test]
fn two_processes_at_once_answer_right() {
    let folder = temporary();
    let keys = numbered(folder.path(), 60);
    let children = [spawn(folder.path()), spawn(folder.path())];
    for child in children {
        let output = child.wait_with_output().expect("because it was started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("round 39"));
    }
    assert!(answers(folder.path(), &keys) > 10);
}

#[test]
fn a_killed_process_leaves_a_good_store() {
    let folder = temporary();
    let keys = numbered(folder.path(), 60);
    for kill in 0..12 {
        let mut child = spawn(folder.path());
        let lines = BufReader::new(child.stdout.take().expect("because it is piped")).lines();
        // Killed at some moment of some round.
        let rounds = lines.map_while(Result::ok).filter(|line| line.contains("round")).take(kill % 4 + 1).count();
        assert!(rounds > 0);
        child.kill().and_then(|()| child.wait()).expect("because it was started");
        let cache = open(folder.path(), 12_000);
        look_up_all(&cache, &keys);
    }
    let folder_files = fs::read_dir(folder.path().join("cache/stamped-cache-1-texts-1"));
    assert!(folder_files.expect("because it was opened").count() < 40);
}
