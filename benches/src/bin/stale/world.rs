//! Sets, the caches, and random steps.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flag_stats::stamped_cache::Store;
use flag_stats::{CountOptions, FlagCache};
use ms_meta_cache::{MsMetaCache, MsSet, Options, StoreOptions};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::change;
use crate::model::{Model, Storage};
use crate::writer::Writer;

/// No change is older than this when its file is read, so that provisional values and settled ones both occur.
const SETTLE: Duration = Duration::from_millis(12);
/// The stores are small, so that they are rewritten now and then.
const STORE_BYTES: u64 = 300_000;

type Failed = Box<dyn std::error::Error>;

/// What a run has counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    look_ups: u64,
    changes: u64,
    /// Answers that were not what the files hold. Must be 0.
    pub(crate) stale: u64,
    /// Errors that were answered without reading. Must be 0.
    pub(crate) failures_kept: u64,
    /// Errors while a file was cut, or while a writer was at work.
    failures: u64,
    hits: u64,
    disk_hits: u64,
    reads: u64,
    provisional: u64,
    reopened: u64,
    damaged: u64,
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

/// A set and what is known about it.
struct Known {
    path: PathBuf,
    name: MsSet,
    model: Model,
    /// A file that was cut, and its whole content.
    cut: Option<(PathBuf, Vec<u8>)>,
}

pub(crate) struct World {
    root: PathBuf,
    sets: Vec<Known>,
    meta: MsMetaCache,
    flags: FlagCache,
    writers: [Writer; 2],
    rng: ChaCha8Rng,
    store: bool,
    report: Report,
}

/// Which part is looked up.
#[derive(Clone, Copy, Debug)]
enum Part {
    Subtables,
    Rows,
    Flags,
}

impl World {
    pub(crate) fn new(root: &Path, python: &OsStr, seed: u64, store: bool) -> Result<Self, Failed> {
        let root = root.canonicalize()?;
        let mut sets = Vec::new();
        for (i, storage) in [Storage::Tiles, Storage::Tiles, Storage::ShapedTiles, Storage::Standard, Storage::Standard]
            .iter()
            .enumerate()
        {
            let path = root.join(format!("set-{i}.ms"));
            let model = Model::make(&path, *storage)?;
            sets.push(Known { name: MsSet::new(&path)?, path, model, cut: None });
        }
        let (meta, flags) = caches(&root, store)?;
        let writers = [Writer::start(python)?, Writer::start(python)?];
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Ok(Self { root, sets, meta, flags, writers, rng, store, report: Report::default() })
    }

    /// Takes so many steps. Two thirds are look-ups.
    pub(crate) fn run(&mut self, steps: u64) -> Result<(), Failed> {
        for step in 0..steps {
            let set = self.rng.random_range(0..self.sets.len());
            match self.rng.random_range(0..100) {
                0..62 => self.look_up(set),
                // Look up, change and look up within one tick of the clock.
                62..70 => {
                    self.look_up(set);
                    self.change(set)?;
                    self.all(set);
                }
                70..94 => self.change(set)?,
                94..96 => self.two_writers(set)?,
                96..99 => self.damage()?,
                // Let values settle, so that they are kept.
                _ => self.settle(),
            }
            if step % 10_000 == 9_999 {
                eprintln!("{} steps: {}", step + 1, self.report());
            }
        }
        Ok(())
    }

    pub(crate) fn report(&self) -> Report {
        let mut report = self.report.clone();
        report.add(&self.meta, &self.flags);
        report
    }

    fn look_up(&mut self, set: usize) {
        let part = [Part::Subtables, Part::Rows, Part::Flags][self.rng.random_range(0..3)];
        let expected = [self.sets[set].model.clone()];
        let whole = self.sets[set].cut.is_none();
        self.ask(set, part, &expected, whole);
    }

    fn all(&mut self, set: usize) {
        let expected = [self.sets[set].model.clone()];
        let whole = self.sets[set].cut.is_none();
        for part in [Part::Subtables, Part::Rows, Part::Flags] {
            self.ask(set, part, &expected, whole);
        }
    }

    /// Looks a part up. Right is what any of `expected` says; an error is right only where the set is not `whole`.
    fn ask(&mut self, set: usize, part: Part, expected: &[Model], whole: bool) {
        self.report.look_ups += 1;
        let known = &self.sets[set];
        let before = self.reads();
        let answer = match part {
            Part::Subtables => self
                .meta
                .subtables(&known.name)
                .map_err(|e| e.to_string())
                .map(|found| expected.iter().map(|model| model.subtables(&found)).collect::<Vec<_>>()),
            Part::Rows => self
                .meta
                .rows(&known.name)
                .map_err(|e| e.to_string())
                .map(|found| expected.iter().map(|model| model.rows(&found)).collect::<Vec<_>>()),
            Part::Flags => self
                .flags
                .stats(&known.path)
                .map_err(|e| e.to_string())
                .map(|found| expected.iter().map(|model| model.flags(&found)).collect::<Vec<_>>()),
        };
        match answer {
            Ok(differences) if differences.iter().any(Option::is_none) => {}
            Ok(differences) => {
                self.report.stale += 1;
                eprintln!(
                    "set {set}, {part:?}: {}",
                    differences.into_iter().flatten().collect::<Vec<_>>().join("; or ")
                );
                eprintln!("  {:?}; {:?}", self.meta.explain(&known.name), self.flags.explain(&known.path));
            }
            Err(_) if !whole => {
                self.report.failures += 1;
                self.report.failures_kept += u64::from(self.reads() == before);
            }
            Err(error) => {
                self.report.stale += 1;
                eprintln!("set {set}, {part:?}: an error where none should be: {error}");
            }
        }
    }

    /// How often anything was read.
    fn reads(&self) -> u64 {
        let parts = self.meta.stats();
        parts.subtables.reads
            + parts.layout.reads
            + parts.rows.reads
            + self.flags.cache_stats().reads
            + self.flags.row_stats().reads
    }

    fn change(&mut self, set: usize) -> Result<(), Failed> {
        self.report.changes += 1;
        // What was cut is put right before anything else is done, since casacore could not write it.
        if let Some((file, whole)) = self.sets[set].cut.take() {
            fs::write(file, whole)?;
            return Ok(());
        }
        let other = (set + self.rng.random_range(1..self.sets.len())) % self.sets.len();
        match self.rng.random_range(0..20) {
            0..9 => self.by_python(set, false),
            9..12 => self.by_python(set, true),
            12 | 13 => {
                let known = &mut self.sets[set];
                change::by_us(&known.path, &mut known.model, &mut self.rng)
            }
            14..16 if self.sets[other].cut.is_none() => {
                let source = (self.sets[other].path.clone(), self.sets[other].model.clone());
                let target = &mut self.sets[set];
                change::copied((&source.0, &source.1), (&target.path, &mut target.model), &mut self.rng)
            }
            16 | 17 => {
                let known = &mut self.sets[set];
                change::renamed(&known.path, &mut known.model, &mut self.writers[0], &mut self.rng)
            }
            18 => {
                self.sets[set].cut = Some(change::cut(&self.sets[set].path, &mut self.rng)?);
                Ok(())
            }
            _ => self.by_python(set, false),
        }
    }

    fn by_python(&mut self, set: usize, back: bool) -> Result<(), Failed> {
        let known = &mut self.sets[set];
        let edit = change::edit(&known.path, &mut known.model, &mut self.rng);
        let writer = self.rng.random_range(0..2);
        change::by_python(&mut self.writers[writer], &edit, back)
    }

    /// Two processes of python-casacore at once, on the same set and often the same table, while it is looked up.
    fn two_writers(&mut self, set: usize) -> Result<(), Failed> {
        if self.sets[set].cut.is_some() {
            return Ok(());
        }
        self.report.changes += 2;
        let known = &mut self.sets[set];
        let old = known.model.clone();
        let mut first = old.clone();
        let one = change::edit(&known.path, &mut first, &mut self.rng);
        let (mut second, mut same) = (old.clone(), self.rng.clone());
        let alone = change::edit(&known.path, &mut second, &mut same);
        let mut both = first.clone();
        let two = change::edit(&known.path, &mut both, &mut self.rng);
        // Whatever order they come in, the same is left: then they may run at once.
        let apart = alone.work == two.work && !one.touches(&two);
        self.writers[0].send(&one.table, &one.work)?;
        if apart {
            self.writers[1].send(&two.table, &two.work)?;
            for part in [Part::Subtables, Part::Rows, Part::Flags, Part::Subtables] {
                self.ask(set, part, &[old.clone(), first.clone(), second.clone(), both.clone()], false);
            }
            self.writers[0].wait()?;
        } else {
            for part in [Part::Subtables, Part::Rows, Part::Flags] {
                self.ask(set, part, &[old.clone(), first.clone()], false);
            }
            self.writers[0].wait()?;
            self.writers[1].send(&two.table, &two.work)?;
            for part in [Part::Flags, Part::Subtables] {
                self.ask(set, part, &[first.clone(), both.clone()], false);
            }
        }
        self.writers[1].wait()?;
        self.sets[set].model = both;
        self.all(set);
        Ok(())
    }

    /// Waits, busily, until every change is older than [`SETTLE`], and looks everything up.
    fn settle(&mut self) {
        let start = Instant::now();
        while start.elapsed() < SETTLE + Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        for set in 0..self.sets.len() {
            self.all(set);
        }
    }

    /// Opens the caches again, most times after a damage to one of the stores' files.
    fn damage(&mut self) -> Result<(), Failed> {
        if !self.store {
            return Ok(());
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
                4 => drop(bytes.remove(at)),
                _ => {}
            }
            // In place, so that the open store meets it too.
            fs::write(path, &bytes)?;
        }
        if self.rng.random_bool(0.7) {
            self.report.add(&self.meta, &self.flags);
            (self.meta, self.flags) = caches(&self.root, true)?;
            self.report.reopened += 1;
        }
        Ok(())
    }
}

impl Report {
    fn add(&mut self, meta: &MsMetaCache, flags: &FlagCache) {
        let parts = meta.stats();
        for stats in [parts.subtables, parts.layout, parts.rows, flags.cache_stats(), flags.row_stats()] {
            self.hits += stats.hits;
            self.disk_hits += stats.disk_hits;
            self.reads += stats.reads;
            self.provisional += stats.provisional;
            self.damaged += stats.disk_damaged;
        }
    }
}

fn caches(root: &Path, store: bool) -> Result<(MsMetaCache, FlagCache), Failed> {
    let options = Options { settle: SETTLE, ..Options::default() };
    let meta = MsMetaCache::new(options.clone());
    let flags = FlagCache::new(CountOptions::default(), options);
    if !store {
        return Ok((meta, flags));
    }
    let (folder, options) = (root.join("store"), StoreOptions { max_bytes: STORE_BYTES });
    let store = Store::open(&folder, "flag-stats", FlagCache::STORE_VERSION, options.clone())?;
    Ok((meta.with_store(&folder, &options)?, flags.with_store(store)))
}

fn store_files(root: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(root.join("store")).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.sort();
    files
}
