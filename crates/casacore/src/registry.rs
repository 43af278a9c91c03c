//! One lock per table in the process.
//!
//! casacore keeps a cache of open tables by path and hands two openers of one path the same C++ object, which two
//! threads must not use at once. So every handle of one canonical path shares one [`Entry`], and every call into
//! casacore holds its lock. A table that refers to others (a selection or concatenation of tables) is used with all
//! other tables at rest. The registry is the one piece of global state in the crate; casacore's cache is the reason.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use crate::{Error, Result};

static ENTRIES: Mutex<Option<HashMap<PathBuf, Weak<Entry>>>> = Mutex::new(None);
static GATE: RwLock<()> = RwLock::new(());

/// What the process knows of one table.
#[derive(Debug)]
pub(crate) struct Entry {
    path: PathBuf,
    state: Mutex<State>,
}

/// How a table is in use.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Open handles.
    pub(crate) tables: usize,
    /// Columns open for writing by tiles.
    pub(crate) tile_writers: usize,
    /// A write failed: casacore's object is left alone for good.
    pub(crate) broken: bool,
}

/// Permission to call casacore for one table.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) state: MutexGuard<'a, State>,
    _gate: Gate,
}

#[derive(Debug)]
enum Gate {
    Shared(#[expect(dead_code, reason = "held for its drop")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held for its drop")] RwLockWriteGuard<'static, ()>),
}

impl Entry {
    /// The entry of the table at `path`, which must be canonical.
    pub(crate) fn of(path: &Path) -> Arc<Self> {
        let mut entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = entries.get_or_insert_default();
        if let Some(entry) = entries.get(path).and_then(Weak::upgrade) {
            return entry;
        }
        // A dead entry of another path costs a few bytes; they go when the map has doubled.
        if entries.len() == entries.capacity() {
            entries.retain(|_, entry| entry.strong_count() != 0);
        }
        let entry = Arc::new(Self { path: path.into(), state: Mutex::default() });
        entries.insert(path.into(), Arc::downgrade(&entry));
        entry
    }

    /// Waits until no other thread uses the table. With `alone`, until no thread uses any table.
    pub(crate) fn turn(&self, alone: bool) -> Turn<'_> {
        let gate = if alone {
            Gate::Alone(GATE.write().unwrap_or_else(PoisonError::into_inner))
        } else {
            Gate::Shared(GATE.read().unwrap_or_else(PoisonError::into_inner))
        };
        Turn { state: self.state.lock().unwrap_or_else(PoisonError::into_inner), _gate: gate }
    }

    /// As [`Self::turn`], refused when an earlier write failed.
    pub(crate) fn usable_turn(&self, alone: bool) -> Result<Turn<'_>> {
        let turn = self.turn(alone);
        if turn.state.broken { Err(Error::Broken { path: self.path.clone() }) } else { Ok(turn) }
    }
}

/// The path by which casacore's cache and ours know the table. The table need not exist, its parent must.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf> {
    let missing = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Error::NoTable { path: path.into() },
        _ => Error::io(path, "find the table", source),
    };
    fs::canonicalize(path).map_err(missing)
}

/// Whether the table's data are its own: a plain table without columns that forward to other tables. A table that
/// cannot be judged counts as one that refers to others, which is always safe.
pub(crate) fn stands_alone(table: &Path) -> bool {
    const LARGEST: u64 = 64 << 20;
    let mut bytes = Vec::new();
    let read = fs::File::open(table.join("table.dat")).and_then(|f| f.take(LARGEST).read_to_end(&mut bytes));
    let head = &bytes[..bytes.len().min(64)];
    read.is_ok() && find(head, b"PlainTable") && !find(&bytes, b"ForwardColumn")
}

fn find(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// The other processes that hold a lock on the table, as far as the system tells: casacore locks byte 0 of `table.lock`
/// (the bytes after it only mark the table as in use). The file is not opened, since closing it would drop our own locks.
pub(crate) fn lock_holders(table: &Path) -> Vec<u32> {
    use std::os::unix::fs::MetadataExt;
    let Ok(lock) = fs::metadata(table.join("table.lock")) else { return Vec::new() };
    let Ok(locks) = fs::read_to_string("/proc/locks") else { return Vec::new() };
    let inode = format!(":{}", lock.ino());
    let mut pids: Vec<u32> = locks
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().filter(|&field| field != "->").collect();
            let [_, "POSIX", _, _, pid, file, "0", _] = fields[..] else { return None };
            (file.ends_with(&inode)).then(|| pid.parse().ok()).flatten()
        })
        .filter(|&pid| pid != std::process::id())
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}
