//! Counts of what a cache did.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a cache has done since it was made. Every look-up is one of `hits`, `disk_hits`, `misses` and `refusals`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Look-ups answered from memory, every file's stamp compared; also those that waited for another thread's reading.
    pub hits: u64,
    /// Look-ups answered from the on-disk store, every file's stamp compared.
    pub disk_hits: u64,
    /// Look-ups that read the value themselves, or failed to.
    pub misses: u64,
    /// Look-ups by `get`, which does not read, that found nothing good.
    pub refusals: u64,
    /// Readings: calls of the caller's function.
    pub reads: u64,
    /// Readings that were done again because a file changed meanwhile; part of `reads`.
    pub rereads: u64,
    /// Look-ups that ended in an error; part of `misses`.
    pub failures: u64,
    /// Values read so soon after a change of their file that they are read again at the next look-up.
    pub provisional: u64,
    /// Values dropped from memory to stay within the bound.
    pub evictions: u64,
    /// Values heavier than the cache: returned, and not kept.
    pub too_heavy: u64,
    /// Values in memory now.
    pub held: u64,
    /// Their weight now, bytes.
    pub held_bytes: u64,
    /// Entries in the on-disk store now, as this process knows it.
    pub disk_entries: u64,
    /// Bytes of the on-disk store now, as this process knows it.
    pub disk_bytes: u64,
    /// Entries that this process has written to the on-disk store.
    pub disk_writes: u64,
    /// Damaged or undecodable entries met on disk. Each was a miss.
    pub disk_damaged: u64,
    /// Entries that could not be written to disk (full disk, folder gone). Look-ups are not affected.
    pub disk_failures: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Counter,
    pub(crate) disk_hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) refusals: Counter,
    pub(crate) reads: Counter,
    pub(crate) rereads: Counter,
    pub(crate) failures: Counter,
    pub(crate) provisional: Counter,
    pub(crate) evictions: Counter,
    pub(crate) too_heavy: Counter,
    pub(crate) undecodable: Counter,
    pub(crate) unencodable: Counter,
}

/// A count that many threads raise. It orders nothing, so it is relaxed.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn read(&self) -> Stats {
        Stats {
            hits: self.hits.get(),
            disk_hits: self.disk_hits.get(),
            misses: self.misses.get(),
            refusals: self.refusals.get(),
            reads: self.reads.get(),
            rereads: self.rereads.get(),
            failures: self.failures.get(),
            provisional: self.provisional.get(),
            evictions: self.evictions.get(),
            too_heavy: self.too_heavy.get(),
            disk_damaged: self.undecodable.get(),
            disk_failures: self.unencodable.get(),
            ..Stats::default()
        }
    }
}
