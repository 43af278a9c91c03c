//! A small world of files that change in every way that is known to deceive caches, and a model that knows the truth.
//!
//! Each value is made of two files and a third that may be absent; what it must be is kept beside, and every answer of
//! the cache is compared with it. Changes are made by the file system's calls alone; the cache is told nothing.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stamped_cache::{Cache, Key, LookUpError, Options, Store, StoreOptions};

/// How many values there are, each of its own files.
const SETS: usize = 12;
/// No change is older than this when its file is read, so that provisional values and settled ones both occur.
const SETTLE: Duration = Duration::from_millis(12);

/// What is done to the on-disk store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// There is no store.
    NoStore,
    /// There is one; it is opened again from time to time, and its files are damaged at random.
    Random,
}

/// What a run has counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) look_ups: u64,
    pub(crate) changes: u64,
    /// Answers that were not the files' content. Must be 0.
    pub(crate) stale: u64,
    /// Errors that were answered without reading. Must be 0.
    pub(crate) failures_kept: u64,
    pub(crate) hits: u64,
    pub(crate) disk_hits: u64,
    pub(crate) reads: u64,
    pub(crate) provisional: u64,
    pub(crate) failures: u64,
    pub(crate) reopened: u64,
    pub(crate) damaged: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} look-ups, {} changes: {} stale answers, {} failures kept ({} hits, {} disk hits, {} reads of which {} \
             provisional, {} failures; {} times reopened, {} damaged entries met)",
            self.look_ups,
            self.changes,
            self.stale,
            self.failures_kept,
            self.hits,
            self.disk_hits,
            self.reads,
            self.provisional,
            self.failures,
            self.reopened,
            self.damaged
        )
    }
}

/// The files, the cache, and what the cache must answer.
pub(crate) struct World {
    root: PathBuf,
    cache: Cache<Vec<u8>>,
    keys: Vec<Key>,
    /// What each file holds; absent files are absent here too.
    truth: HashMap<PathBuf, Vec<u8>>,
    rng: ChaCha8Rng,
    damage: Damage,
    report: Report,
    number: u64,
}

impl World {
    pub(crate) fn new(root: &Path, seed: u64, damage: Damage) -> Self {
        let root = root.canonicalize().expect("because the folder was just made");
        let mut world = Self {
            cache: cache(&root, damage),
            keys: Vec::new(),
            truth: HashMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            damage,
            report: Report::default(),
            number: 0,
            root,
        };
        for set in 0..SETS {
            let folder = world.root.join(format!("set-{set}"));
            fs::create_dir_all(folder.join("sub")).expect("because the folder is ours");
            world.keys.push(Key::new(&folder).expect("because the folder is there"));
            for file in 0..3 {
                let path = world.path(set, file);
                let content = world.content(8);
                fs::write(&path, &content).expect("because the folder is ours");
                world.truth.insert(path, content);
            }
        }
        world
    }

    /// Takes so many steps. About half are look-ups.
    pub(crate) fn run(&mut self, steps: u64) {
        for _ in 0..steps {
            let set = self.rng.random_range(0..SETS);
            match self.rng.random_range(0..100) {
                0..55 => self.look_up(set),
                // Look up, change and look up within one tick of the clock.
                55..65 => {
                    self.look_up(set);
                    self.change(set);
                    self.look_up(set);
                }
                65..96 => self.change(set),
                96..99 => self.damage(),
                // Let some values settle.
                _ => self.settle(),
            }
        }
    }

    pub(crate) fn report(&self) -> Report {
        let mut report = self.report.clone();
        report.add(&self.cache);
        report
    }

    fn path(&self, set: usize, file: usize) -> PathBuf {
        let name = ["table.dat", "sub/table.f0", "sub/optional"][file];
        self.root.join(format!("set-{set}")).join(name)
    }

    /// Bytes that never were in any file before, of a chosen length.
    fn content(&mut self, length: usize) -> Vec<u8> {
        self.number += 1;
        let mut bytes = self.number.to_le_bytes().to_vec();
        bytes.resize(length.max(8), b'.');
        bytes
    }

    /// What the value of a set must be. `None` when reading it must fail.
    fn expected(&self, set: usize) -> Option<Vec<u8>> {
        let mut value = self.truth.get(&self.path(set, 0))?.clone();
        value.extend(self.truth.get(&self.path(set, 1))?);
        value.extend(self.truth.get(&self.path(set, 2)).map_or(&b"absent"[..], Vec::as_slice));
        Some(value)
    }

    fn look_up(&mut self, set: usize) {
        self.report.look_ups += 1;
        let paths = [self.path(set, 0), self.path(set, 1), self.path(set, 2)];
        let mut reads = 0;
        let answer = self.cache.get_or_read(&self.keys[set], |files| {
            reads += 1;
            let mut value = fs::read(files.file(&paths[0]))?;
            value.extend(fs::read(files.file(&paths[1]))?);
            match fs::read(files.file(&paths[2])) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => value.extend(b"absent"),
                other => value.extend(other?),
            }
            Ok::<_, io::Error>(value)
        });
        match (answer, self.expected(set)) {
            (Ok(value), Some(expected)) if *value == expected => {}
            (Err(LookUpError::Read(_)), None) => self.report.failures_kept += u64::from(reads == 0),
            (answer, expected) => {
                self.report.stale += 1;
                eprintln!("set {set}: {answer:?} instead of {expected:?}; {}", self.cache.explain(&self.keys[set]));
            }
        }
    }

    fn change(&mut self, set: usize) {
        self.report.changes += 1;
        let file = self.rng.random_range(0..3);
        let path = self.path(set, file);
        let Some(held) = self.truth.get(&path).cloned() else {
            let content = self.content(8);
            write(&path, &content);
            self.truth.insert(path, content);
            return;
        };
        let length = held.len();
        let beside = self.root.join("beside");
        let now = match self.rng.random_range(0..10) {
            // In place, same size.
            0 | 1 => {
                let content = self.content(length);
                let file = OpenOptions::new().write(true).open(&path).expect("because the file is there");
                file.write_all_at(&content, 0).expect("because the disk is not full");
                content
            }
            // In place, and the time of modification put back.
            2 | 3 => {
                let before = modified(&path);
                let content = self.content(length);
                let file = OpenOptions::new().write(true).open(&path).expect("because the file is there");
                file.write_all_at(&content, 0).expect("because the disk is not full");
                file.set_times(FileTimes::new().set_modified(before)).expect("because the file is ours");
                content
            }
            // Renamed over, same size, with the old time, as `rsync -t` does.
            4 => {
                let content = self.content(length);
                write(&beside, &content);
                let file = File::options().write(true).open(&beside).expect("because it was just made");
                file.set_times(FileTimes::new().set_modified(modified(&path))).expect("because the file is ours");
                fs::rename(&beside, &path).expect("because both lie in one file system");
                content
            }
            // Copied over in place with the source's times, as `cp -p` does.
            5 => {
                let sources: Vec<PathBuf> = self.truth.keys().cloned().collect();
                let source = sources.choose(&mut self.rng).cloned().unwrap_or_else(|| path.clone());
                let content = self.truth[&source].clone();
                let before = modified(&source);
                write(&path, &content);
                let file = File::options().write(true).open(&path).expect("because the file is there");
                file.set_times(FileTimes::new().set_modified(before)).expect("because the file is ours");
                content
            }
            // Longer, or cut and filled again to the same size.
            6 => {
                let content = self.content(length + 1);
                write(&path, &content);
                content
            }
            7 => {
                let content = self.content(8);
                File::create(&path)
                    .and_then(|mut file| file.write_all(&content))
                    .expect("because the disk is not full");
                content
            }
            // Cut.
            8 => {
                let file = OpenOptions::new().write(true).open(&path).expect("because the file is there");
                file.set_len(4).expect("because the file is ours");
                held[..4].to_vec()
            }
            // Deleted, and half of the time made again at once: often with the same inode.
            _ => {
                fs::remove_file(&path).expect("because the file is there");
                if self.rng.random_bool(0.5) {
                    self.truth.remove(&path);
                    return;
                }
                let content = self.content(length);
                write(&path, &content);
                content
            }
        };
        self.truth.insert(path, now);
    }

    /// Waits, busily, until every change is older than [`SETTLE`], and looks everything up.
    fn settle(&mut self) {
        let start = std::time::Instant::now();
        while start.elapsed() < SETTLE + Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        for set in 0..SETS {
            self.look_up(set);
        }
    }

    /// Opens the cache again, most times after a damage to one of the store's files.
    fn damage(&mut self) {
        if self.damage == Damage::NoStore {
            return;
        }
        let files = store_files(&self.root);
        if let Some(path) = files.choose(&mut self.rng)
            && let Ok(mut bytes) = fs::read(path)
            && !bytes.is_empty()
        {
            let at = self.rng.random_range(0..bytes.len());
            match self.rng.random_range(0..6) {
                0 | 1 => bytes[at] ^= 1 << self.rng.random_range(0..8),
                2 => bytes.truncate(at),
                3 => bytes[at..].fill(0),
                4 => {
                    bytes.remove(at);
                }
                _ => {}
            }
            // In place, so that the open store meets it too.
            write(path, &bytes);
        }
        if self.rng.random_bool(0.7) {
            self.report.add(&self.cache);
            self.cache = cache(&self.root, self.damage);
            self.report.reopened += 1;
        }
    }
}

impl Report {
    fn add(&mut self, cache: &Cache<Vec<u8>>) {
        let stats = cache.stats();
        self.hits += stats.hits;
        self.disk_hits += stats.disk_hits;
        self.reads += stats.reads;
        self.provisional += stats.provisional;
        self.failures += stats.failures;
        self.damaged += stats.disk_damaged;
    }
}

fn cache(root: &Path, damage: Damage) -> Cache<Vec<u8>> {
    let options = Options { settle: SETTLE, ..Options::default() };
    let cache = Cache::new(options, |value: &Vec<u8>| value.len() as u64);
    if damage == Damage::NoStore {
        return cache;
    }
    // Small, so that it is rewritten now and then.
    let options = StoreOptions { max_bytes: 100_000 };
    let store = Store::open(root.join("store"), "world", 1, options).expect("because the folder is ours");
    cache.with_store(store)
}

fn store_files(root: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(root.join("store")).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.sort();
    files
}

fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("because the disk is not full");
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).expect("because the file is there")
}
