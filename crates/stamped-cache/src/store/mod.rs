//! The on-disk store: many small entries in a few files.
//!
//! A store is a folder of *segments*. A process appends to a segment of its own, one `write` for a record, so that
//! processes never disturb each other and a killed one leaves at most one torn record. A record carries checksums of its
//! header and of the whole; what does not match is passed over. Opening reads the segments once and remembers where each
//! key's latest record lies; a look-up reads and checks that one record. Since every entry is compared with its files'
//! stamps before it is used, no order between processes is needed for correct answers.
//!
//! When the folder holds too much, too many segments, or mostly superseded records, the live ones are rewritten: into
//! temporary files, then renamed, then the old ones removed, the newest kept within the bound. `flock` tells which
//! segments still have a writer.

mod folder;
pub(crate) mod record;
mod rewrite;
mod segment;

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::key::Key;
use crate::stats::{Counter, Stats};
use crate::tracker::Dependency;
use folder::Folder;
use record::{KeyHash, Record};
use segment::Place;

/// Version of the folder's layout. Another layout gets another folder.
const LAYOUT: &str = "stamped-cache-1";

/// Choices of a [`Store`].
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The most that the store's files may hold together, bytes. Beyond it the entries that were written first go.
    /// Default 256 MiB.
    pub max_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { max_bytes: 256 << 20 }
    }
}

/// Entries on disk, for [`Cache::with_store`](crate::Cache::with_store).
///
/// Several processes may use one store at once. Each sees what was there when it opened it, and what it adds itself.
pub struct Store {
    folder: Folder,
    options: StoreOptions,
    boot: u64,
    state: Mutex<State>,
    writes: Counter,
    damaged: Counter,
    failures: Counter,
}

#[derive(Default)]
struct State {
    index: HashMap<KeyHash, Slot>,
    segments: Vec<Segment>,
    /// The segment that this process appends to: the one at this place in `segments`.
    writer: Option<Writer>,
    /// How many segments this process has begun.
    begun: u64,
    /// Bytes of all segments.
    bytes: u64,
    /// Bytes of the records in `index`.
    live: u64,
    /// The latest time that was given to a record, so that each gets a later one.
    latest: u64,
    /// Whether rewriting could not make room.
    full: bool,
}

struct Segment {
    name: String,
    file: Arc<File>,
}

struct Writer {
    segment: usize,
    length: u64,
}

/// Where the latest record of a key lies.
#[derive(Clone, Copy)]
struct Slot {
    segment: usize,
    place: Place,
    written: u64,
    removed: bool,
}

impl Store {
    /// Opens, or makes, the store of `namespace` below `folder`, such as `~/.cache/my-program`.
    ///
    /// The store is the folder `stamped-cache-1-NAMESPACE-VERSION`, open to its owner alone. `version` is that of the
    /// values' meaning: raise it when the same files give other values or values of another type. Stores of other
    /// versions are left alone.
    ///
    /// # Errors
    /// [`Error::Namespace`] when the name is not made of a-z, 0-9 and `-`; [`Error::Store`] and
    /// [`Error::ForeignFolder`] when the folder cannot be used. Damaged content is not an error.
    pub fn open(folder: impl AsRef<Path>, namespace: &str, version: u32, options: StoreOptions) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if namespace.is_empty() || namespace.len() > 64 || !namespace.chars().all(plain) {
            return Err(Error::Namespace { namespace: namespace.to_owned() });
        }
        let folder = Folder::make(folder.as_ref(), &format!("{LAYOUT}-{namespace}-{version}"))?;
        let store = Self {
            folder,
            options,
            boot: boot(),
            state: Mutex::default(),
            writes: Counter::default(),
            damaged: Counter::default(),
            failures: Counter::default(),
        };
        let mut state = store.lock();
        let fail = |source| Error::Store { path: store.folder.path().to_path_buf(), action: "read", source };
        store.load(&mut state).map_err(fail)?;
        if store.wants_rewrite(&state) {
            store.rewrite_or_count(&mut state);
        }
        drop(state);
        Ok(store)
    }

    /// The store's own folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The entry of `key`, read from disk and checked.
    pub(crate) fn get(&self, key: &Key) -> Option<Record> {
        let hash = record::hash_of(key);
        let (file, slot) = {
            let state = self.lock();
            let slot = *state.index.get(&hash).filter(|slot| !slot.removed)?;
            (Arc::clone(&state.segments.get(slot.segment)?.file), slot)
        };
        let mut bytes = vec![0; slot.place.length as usize];
        let read = file.read_exact_at(&mut bytes, slot.place.offset);
        let record = read.ok().and_then(|()| record::decode(&bytes, key, self.boot));
        if record.is_none() {
            self.damaged.add();
            self.drop_slot(hash, slot.written);
        }
        record
    }

    /// Writes an entry. Failures are counted and otherwise without effect.
    pub(crate) fn put(&self, key: &Key, files: &[Dependency], value: &[u8]) {
        let hash = record::hash_of(key);
        let mut state = self.lock();
        let written = state.next_time();
        match record::encode(key, hash, files, value, self.boot, written) {
            Some(bytes) if bytes.len() as u64 <= self.options.max_bytes / 2 => {
                self.append(&mut state, hash, &bytes, written, false);
            }
            _ => {
                self.failures.add();
            }
        }
    }

    /// Removes the entry of `key`, for this process and those that open the store later.
    pub(crate) fn remove(&self, key: &Key) {
        let hash = record::hash_of(key);
        let mut state = self.lock();
        state.forget(&hash);
        let written = state.next_time();
        match record::encode_removal(key, hash, written) {
            Some(bytes) => self.append(&mut state, hash, &bytes, written, true),
            None => {
                self.failures.add();
            }
        }
    }

    /// Forgets the entry of `key`, whose value could not be decoded.
    pub(crate) fn forget(&self, key: &Key) {
        let hash = record::hash_of(key);
        self.lock().forget(&hash);
    }

    /// Removes every entry, for this process and those that open the store later.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        let names = segment::names(&self.folder).unwrap_or_default();
        // Those of other processes too: what these append to a removed file is lost, and read again.
        for name in names.iter().chain(state.segments.iter().map(|segment| &segment.name)) {
            if self.folder.remove(name).is_err() {
                self.failures.add();
            }
        }
        let (begun, latest) = (state.begun, state.latest);
        *state = State { begun, latest, ..State::default() };
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        let state = self.lock();
        stats.disk_entries = state.index.values().filter(|slot| !slot.removed).count() as u64;
        stats.disk_bytes = state.bytes;
        stats.disk_writes = self.writes.get();
        stats.disk_damaged += self.damaged.get();
        stats.disk_failures += self.failures.get();
    }

    /// Reads every segment and finds the latest record of every key.
    fn load(&self, state: &mut State) -> io::Result<()> {
        // A rewriting process may remove segments between the listing and the opening: then list again.
        for _ in 0..4 {
            let (begun, latest) = (state.begun, state.latest);
            *state = State { begun, latest, ..State::default() };
            let mut whole = true;
            for name in segment::names(&self.folder)? {
                match self.folder.open(&name).and_then(|file| Ok((segment::load(&file)?, file))) {
                    Ok((bytes, file)) => self.index(state, name, file, &bytes),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => whole = false,
                    Err(_) => {
                        self.damaged.add();
                    }
                }
            }
            if whole {
                break;
            }
        }
        Ok(())
    }

    fn index(&self, state: &mut State, name: String, file: File, bytes: &[u8]) {
        let segment = state.segments.len();
        state.segments.push(Segment { name, file: Arc::new(file) });
        state.bytes += bytes.len() as u64;
        let scan = segment::scan(bytes);
        for _ in 0..scan.damaged {
            self.damaged.add();
        }
        for (header, place) in scan.records {
            state.latest = state.latest.max(header.written);
            state.place(header.key, Slot { segment, place, written: header.written, removed: header.removed });
        }
    }

    fn append(&self, state: &mut State, hash: KeyHash, bytes: &[u8], written: u64, removed: bool) {
        let length = bytes.len() as u64;
        if state.bytes + length > self.options.max_bytes && !state.full {
            self.rewrite_or_count(state);
            // Segments that other processes still append to cannot be rewritten: then this process writes no more.
            state.full = state.bytes + length > self.options.max_bytes;
        }
        if state.full {
            self.failures.add();
            return;
        }
        let appended = self.writer(state, length).and_then(|segment| {
            let offset = state.writer.as_ref().map_or(0, |writer| writer.length);
            state.segments[segment].file.as_ref().write_all(bytes)?;
            Ok((segment, offset))
        });
        match appended {
            Ok((segment, offset)) => {
                if let Some(writer) = &mut state.writer {
                    writer.length += length;
                }
                state.bytes += length;
                let place = Place { offset, length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) };
                state.place(hash, Slot { segment, place, written, removed });
                self.writes.add();
            }
            Err(_) => {
                // Part of the record may be there, so the next one goes to another segment.
                state.writer = None;
                self.failures.add();
            }
        }
    }

    /// The segment to append to, another one when it would grow too long.
    fn writer(&self, state: &mut State, length: u64) -> io::Result<usize> {
        if let Some(writer) = &state.writer
            && writer.length + length <= segment::FULL
        {
            return Ok(writer.segment);
        }
        // The lock of the segment that is full is given back when the process ends; it may be rewritten then.
        state.writer = None;
        let name = segment::fresh_name(state.next_time(), state.begun);
        state.begun += 1;
        let file = self.folder.create(&name)?;
        file_greeting(&file)?;
        let segment = state.segments.len();
        state.segments.push(Segment { name, file: Arc::new(file) });
        let length = segment::GREETING.len() as u64;
        state.bytes += length;
        state.writer = Some(Writer { segment, length });
        Ok(segment)
    }

    fn drop_slot(&self, hash: KeyHash, written: u64) {
        let mut state = self.lock();
        if state.index.get(&hash).is_some_and(|slot| slot.written == written) {
            state.forget(&hash);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // At worst an entry is missing after a panic, and is read again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes a record, if it is the latest of its key.
    fn place(&mut self, hash: KeyHash, slot: Slot) {
        let length = u64::from(slot.place.length);
        match self.index.entry(hash) {
            MapEntry::Occupied(held) if held.get().written > slot.written => {}
            MapEntry::Occupied(mut held) => {
                self.live = self.live + length - u64::from(held.get().place.length);
                held.insert(slot);
            }
            MapEntry::Vacant(free) => {
                self.live += length;
                free.insert(slot);
            }
        }
    }

    fn forget(&mut self, hash: &KeyHash) {
        if let Some(slot) = self.index.remove(hash) {
            self.live -= u64::from(slot.place.length);
        }
    }

    /// The time for the next record, later than every other that is known.
    fn next_time(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.latest = now.max(self.latest.saturating_add(1));
        self.latest
    }
}

fn file_greeting(mut file: &File) -> io::Result<()> {
    file.write_all(segment::GREETING)
}

/// A number for the running boot of this machine, by which it is known whether device numbers may be compared. 0 where
/// the system does not tell.
fn boot() -> u64 {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if id.is_empty() {
        return 0;
    }
    let hash = blake3::hash(&id);
    hash.as_bytes()[..8].iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path()).field("options", &self.options).finish_non_exhaustive()
    }
}
