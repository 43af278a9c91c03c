//! Look-ups.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::{Cache as Shelf, EntryAction, EntryResult, GuardResult, PlaceholderGuard};
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::LookUpError;
use crate::explain::{Explanation, Journal, Reason};
use crate::key::Key;
use crate::stamp::{Change, Devices, FileTime};
use crate::stats::{Counter, Counters, Stats};
use crate::store::Store;
use crate::tracker::{Files, Found, Tracker};

/// Choices of a [`Cache`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The most that the values in memory may weigh together, bytes; 0 keeps nothing. Default 64 MiB.
    pub capacity_bytes: u64,
    /// How old the last change of a file must be when its reading begins for the value to be kept. Default two seconds.
    ///
    /// A younger file could change once more without a trace in its stamp: within one tick of the file system's clock
    /// (1 to 10 ms where Linux before 6.13 keeps the times), or by the rest of one long `write`, whose time is set when
    /// it begins. Zero is right only where nobody writes while files are read.
    pub settle: Duration,
    /// How often a value is read, when a file changes during the reading, before the look-up fails; at least 1.
    /// Default three.
    pub attempts: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { capacity_bytes: 64 << 20, settle: Duration::from_secs(2), attempts: 3 }
    }
}

/// Values computed from files, each good exactly while those files are unchanged.
///
/// Shared between threads by reference. See the [crate's page](crate) for what it promises.
pub struct Cache<V> {
    shelf: Shelf<Key, Arc<Entry<V>>, Weigher, DefaultHashBuilder, Watch>,
    weigh: fn(&V) -> u64,
    options: Options,
    disk: Option<Disk<V>>,
    journal: Arc<Journal>,
    counters: Arc<Counters>,
    /// Raised by `invalidate`; a reading that was under way then is not trusted.
    epoch: AtomicU64,
}

/// A value and what is known about it.
#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    files: Files,
    devices: Devices,
    /// When the reading began.
    began: Instant,
    /// Whether every change since is bound to show. Otherwise only look-ups that began before the reading may use it.
    settled: bool,
    from_disk: bool,
    because: Reason,
    weight: u64,
    hits: Counter,
}

/// The on-disk store, and how its values are written and read.
struct Disk<V> {
    store: Store,
    encode: fn(&V) -> Option<Vec<u8>>,
    decode: fn(&[u8]) -> Option<V>,
}

type Guard<'a, V> = PlaceholderGuard<'a, Key, Arc<Entry<V>>, Weigher, DefaultHashBuilder, Watch>;

impl<V> Cache<V> {
    /// A cache in memory. `weigh` tells the bytes that a value occupies on the heap; what the cache itself needs for it is
    /// added.
    pub fn new(options: Options, weigh: fn(&V) -> u64) -> Self {
        let journal = Arc::new(Journal::default());
        let counters = Arc::new(Counters::default());
        // One shard, so that the bound is exact and one value may take nearly all of it. A look-up holds its lock for
        // some tens of nanoseconds and the file system for microseconds.
        let items = usize::try_from(options.capacity_bytes / 4096).unwrap_or(usize::MAX).clamp(32, 1 << 16);
        let shelf_options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(items)
            .weight_capacity(options.capacity_bytes)
            .build()
            .expect("because capacity and number of items are both set");
        let watch = Watch {
            journal: Arc::clone(&journal),
            counters: Arc::clone(&counters),
            capacity_bytes: options.capacity_bytes,
        };
        Self {
            shelf: Shelf::with_options(shelf_options, Weigher, DefaultHashBuilder::default(), watch),
            weigh,
            options,
            disk: None,
            journal,
            counters,
            epoch: AtomicU64::new(0),
        }
    }

    /// The same with an on-disk store below it, so that the next process starts warm.
    #[must_use = "the cache with the store is returned"]
    pub fn with_store(mut self, store: Store) -> Self
    where
        V: Serialize + DeserializeOwned,
    {
        self.disk = Some(Disk {
            store,
            // Fields by name, so that a value of an older form fails to decode instead of decoding as something else.
            encode: |value| rmp_serde::to_vec_named(value).ok(),
            decode: |bytes| rmp_serde::from_slice(bytes).ok(),
        });
        self
    }

    /// The value of `key`: the one that is held, when each of its files is unchanged, else the one that `read` computes.
    ///
    /// `read` names the files that it uses to the [`Tracker`]. It is called again, up to [`Options::attempts`] times,
    /// when one of them changes meanwhile. While one thread reads, others that ask for the same key wait for it. It must
    /// not look up the same key itself.
    ///
    /// # Errors
    /// [`LookUpError::Read`] with the error of `read`, which is not remembered: each waiting thread, and the next
    /// look-up, reads again. [`LookUpError::Unsettled`] when a file changed in every attempt.
    pub fn get_or_read<E>(
        &self,
        key: &Key,
        read: impl FnMut(&mut Tracker<'_>) -> Result<V, E>,
    ) -> Result<Arc<V>, LookUpError<E>> {
        self.look_up(key, |key| Tracker::new(key), read)
    }

    /// The same for a `read` that names its files, as nearly every one does: without the `stat` of the key's own path that
    /// [`Cache::get_or_read`] needs for one that names none. A value that was read without naming a file is not kept.
    ///
    /// # Errors
    /// Those of [`Cache::get_or_read`].
    pub fn get_or_read_named<E>(
        &self,
        key: &Key,
        read: impl FnMut(&mut Tracker<'_>) -> Result<V, E>,
    ) -> Result<Arc<V>, LookUpError<E>> {
        self.look_up(key, |key| Tracker::named(key), read)
    }

    /// `track` makes the tracker of each reading.
    fn look_up<E>(
        &self,
        key: &Key,
        track: fn(&Key) -> Tracker<'_>,
        mut read: impl FnMut(&mut Tracker<'_>) -> Result<V, E>,
    ) -> Result<Arc<V>, LookUpError<E>> {
        let asked = Instant::now();
        loop {
            let entry = match self.shelf.get_value_or_guard(key, None) {
                GuardResult::Value(entry) => entry,
                GuardResult::Guard(guard) => return self.fill(key, guard, self.journal.reason(key), track, &mut read),
                GuardResult::Timeout => continue,
            };
            let reason = match entry.check(asked) {
                Ok(()) => {
                    self.counters.hits.add();
                    entry.hits.add();
                    return Ok(Arc::clone(&entry.value));
                }
                Err(reason) => reason,
            };
            // Replace this very entry. Another thread may have put a newer one there, which is then looked at first.
            let replaced = self.shelf.entry(key, None, |_, held| {
                if Arc::ptr_eq(held, &entry) { EntryAction::ReplaceWithGuard } else { EntryAction::Retain(()) }
            });
            match replaced {
                EntryResult::Replaced(guard, _) | EntryResult::Vacant(guard) => {
                    return self.fill(key, guard, reason, track, &mut read);
                }
                EntryResult::Retained(()) | EntryResult::Removed(..) | EntryResult::Timeout => {}
            }
        }
    }

    /// The value of `key` if it is held, in memory or on disk, and each of its files is unchanged. Never reads.
    pub fn get(&self, key: &Key) -> Option<Arc<V>> {
        if let Some(entry) = self.shelf.get(key)
            && entry.check(Instant::now()).is_ok()
        {
            self.counters.hits.add();
            entry.hits.add();
            return Some(Arc::clone(&entry.value));
        }
        if let Some(Ok(mut entry)) = self.fetch(key) {
            self.counters.disk_hits.add();
            entry.because = self.journal.reason(key);
            let value = Arc::clone(&entry.value);
            self.shelf.insert(key.clone(), Arc::new(entry));
            return Some(value);
        }
        self.counters.refusals.add();
        None
    }

    /// Drops the value of `key`, in memory and on disk. A reading of it that is under way is not kept either.
    ///
    /// Needed only by writers that change a file without a trace in its times, such as through a memory map.
    pub fn invalidate(&self, key: &Key) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.shelf.remove(key);
        self.journal.note(key, Reason::Invalidated);
        if let Some(disk) = &self.disk {
            disk.store.remove(key);
        }
    }

    /// Drops every value, in memory and on disk.
    pub fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.shelf.clear();
        if let Some(disk) = &self.disk {
            disk.store.clear();
        }
    }

    /// What the last look-up of `key` did, and why. Explaining is not a look-up: no file is touched.
    pub fn explain(&self, key: &Key) -> Explanation {
        let Some(entry) = self.shelf.peek(key) else {
            return Explanation::NotHeld(self.journal.reason(key));
        };
        let (files, because) = (entry.files.as_slice().len(), entry.because.clone());
        match entry.hits.get() {
            0 if entry.from_disk => Explanation::DiskHit { files, because },
            0 => Explanation::Read { because, files, provisional: !entry.settled },
            hits => Explanation::Hit { files, hits, because },
        }
    }

    /// What the cache has done so far.
    pub fn stats(&self) -> Stats {
        let mut stats = self.counters.read();
        stats.held = self.shelf.len() as u64;
        stats.held_bytes = self.shelf.weight();
        if let Some(disk) = &self.disk {
            disk.store.add_to(&mut stats);
        }
        stats
    }

    /// Fills the place that `guard` holds: from disk, or by reading.
    fn fill<E>(
        &self,
        key: &Key,
        guard: Guard<'_, V>,
        mut because: Reason,
        track: fn(&Key) -> Tracker<'_>,
        read: &mut impl FnMut(&mut Tracker<'_>) -> Result<V, E>,
    ) -> Result<Arc<V>, LookUpError<E>> {
        match self.fetch(key) {
            Some(Ok(mut entry)) => {
                self.counters.disk_hits.add();
                entry.because = because;
                return Ok(place(guard, entry));
            }
            Some(Err(change)) if because == Reason::Unknown => because = Reason::Changed(Box::new(change)),
            _ => {}
        }
        self.counters.misses.add();
        let attempts = self.options.attempts.max(1);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let epoch = self.epoch.load(Ordering::SeqCst);
            let (began, clock) = (Instant::now(), FileTime::now());
            self.counters.reads.add();
            let mut tracker = track(key);
            let outcome = read(&mut tracker);
            let found = tracker.finish();
            match (outcome, found.first_change()) {
                (Ok(value), None) => {
                    let settled =
                        found.settled(clock, self.options.settle) && epoch == self.epoch.load(Ordering::SeqCst);
                    let entry = self.keep(key, value, found, began, settled, because);
                    if let Some(disk) = &self.disk
                        && epoch != self.epoch.load(Ordering::SeqCst)
                    {
                        // Invalidated while it was being written.
                        disk.store.remove(key);
                    }
                    return Ok(place(guard, entry));
                }
                // What was met in a file that changed meanwhile may be a half-written state, so it is read again too.
                (_, Some(_)) if attempt < attempts => {
                    self.counters.rereads.add();
                }
                (Ok(_), Some(change)) => {
                    self.counters.failures.add();
                    let change = Box::new(change);
                    self.journal.note(key, Reason::Unsettled(change.clone()));
                    return Err(LookUpError::Unsettled { attempts, change });
                }
                (Err(error), _) => {
                    self.counters.failures.add();
                    self.journal.note(key, Reason::Failed);
                    return Err(LookUpError::Read(error));
                }
            }
        }
    }

    fn keep(&self, key: &Key, value: V, found: Found, began: Instant, settled: bool, because: Reason) -> Entry<V> {
        if !settled {
            self.counters.provisional.add();
        } else if let Some(disk) = &self.disk {
            match (disk.encode)(&value) {
                Some(bytes) => disk.store.put(key, found.files.as_slice(), &bytes),
                None => {
                    self.counters.unencodable.add();
                }
            }
        }
        self.entry(value, found.files, Devices::Compared, began, settled, because)
    }

    /// The entry of the on-disk store, if there is one: good, or with the change that spoils it.
    fn fetch(&self, key: &Key) -> Option<Result<Entry<V>, Change>> {
        let disk = self.disk.as_ref()?;
        let record = disk.store.get(key)?;
        if let Some(change) = record.files.first_change(record.devices) {
            return Some(Err(change));
        }
        let Some(value) = (disk.decode)(&record.value) else {
            self.counters.undecodable.add();
            disk.store.forget(key);
            return None;
        };
        let mut entry = self.entry(value, record.files, record.devices, Instant::now(), true, Reason::Unknown);
        entry.from_disk = true;
        Some(Ok(entry))
    }

    fn entry(
        &self,
        value: V,
        files: Files,
        devices: Devices,
        began: Instant,
        settled: bool,
        because: Reason,
    ) -> Entry<V> {
        let own = files.weight();
        let weight = (self.weigh)(&value).saturating_add((own + size_of::<Entry<V>>() + size_of::<V>() + 64) as u64);
        let value = Arc::new(value);
        Entry { value, files, devices, began, settled, from_disk: false, because, weight, hits: Counter::default() }
    }
}

/// Puts `entry` where `guard` holds its place, and wakes those who wait for it.
fn place<V>(guard: Guard<'_, V>, entry: Entry<V>) -> Arc<V> {
    let value = Arc::clone(&entry.value);
    // Refused when the key was invalidated meanwhile: then the value answers this look-up alone.
    let _ = guard.insert(Arc::new(entry));
    value
}

impl<V> Entry<V> {
    /// Whether the value may answer a look-up that began at `asked`.
    fn check(&self, asked: Instant) -> Result<(), Reason> {
        if !self.settled && self.began < asked {
            return Err(Reason::Provisional);
        }
        self.files.first_change(self.devices).map_or(Ok(()), |change| Err(Reason::Changed(Box::new(change))))
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("options", &self.options).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct Weigher;

impl<V> Weighter<Key, Arc<Entry<V>>> for Weigher {
    fn weight(&self, _: &Key, entry: &Arc<Entry<V>>) -> u64 {
        entry.weight
    }
}

/// Counts and notes what the shelf drops.
#[derive(Clone)]
struct Watch {
    journal: Arc<Journal>,
    counters: Arc<Counters>,
    capacity_bytes: u64,
}

impl<V> Lifecycle<Key, Arc<Entry<V>>> for Watch {
    /// What was dropped, so that it is freed when the shelf's lock is no longer held.
    type RequestState = Vec<Arc<Entry<V>>>;

    fn on_evict(&self, dropped: &mut Self::RequestState, key: Key, entry: Arc<Entry<V>>) {
        if entry.weight > self.capacity_bytes {
            self.counters.too_heavy.add();
            self.journal.note(&key, Reason::TooHeavy);
        } else {
            self.counters.evictions.add();
            self.journal.note(&key, Reason::Evicted);
        }
        dropped.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::stamp::TICK;

    /// Looks up, changes in place with the same size, looks up, on a file system whose times stand still for 4 ms.
    fn stale_answers(settle: Duration) -> usize {
        TICK.set(4_000_000);
        let folder = tempfile::tempdir().expect("because a temporary folder can be made");
        let path = folder.path().join("file");
        let cache: Cache<String> = Cache::new(Options { settle, ..Options::default() }, |value| value.len() as u64);
        let key = Key::canonical(&path).expect("because the path is absolute");
        let mut stale = 0;
        for number in 1000..1300 {
            // Not renamed, so that the inode stays.
            fs::write(&path, number.to_string()).expect("because the disk is not full");
            let found = cache.get_or_read(&key, |files| fs::read_to_string(files.file(&path)));
            stale += usize::from(*found.expect("because the file is there") != number.to_string());
        }
        TICK.set(1);
        stale
    }

    #[test]
    fn a_change_within_one_tick_of_a_coarse_clock_is_seen() {
        assert_eq!(stale_answers(Duration::from_millis(20)), 0);
        assert!(stale_answers(Duration::ZERO) > 0, "without the settling time the test must find stale answers");
    }
}
