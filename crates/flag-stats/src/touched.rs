//! Counting again only what was touched.
//!
//! After a count the digest of every tile is kept. When counts are asked for again (a file was written so lately that its
//! times cannot be relied on, or a writer has told what it touches), the tiles are read and compared by their digests, which
//! takes less than counting them. Where none differs, the counts stand. Where those that differ were counted
//! by [`FlagCache::while_writing`](crate::FlagCache::while_writing) before they were written, their old counts are
//! taken out and their new ones put in. Everything else is counted in full. What the writer said is thus never believed: a
//! tile that it did not name, or that somebody else changed meanwhile, differs by its digest.

use std::sync::{Arc, Mutex, PoisonError};

use casacore::tiles::TiledColumn;
use stamped_cache::Key;

use crate::cache::Known;
use crate::labels::Labels;
use crate::{Count, FlagStats, Tally};

/// BLAKE3 of a tile's bytes; zeros for a tile without flags.
pub(crate) type Digest = [u8; 32];

/// Sets whose tiles are remembered.
const MOST_SETS: usize = 8;

/// What is known of a set's tiles since it was counted last.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) stats: Arc<FlagStats>,
    pub(crate) known: Arc<Known>,
    pub(crate) labels: Labels,
    pub(crate) layout: Layout,
    pub(crate) digests: Vec<Digest>,
    /// Of the file, before it was read.
    pub(crate) trace: Trace,
    /// Tiles that a writer was about to change, and what they had.
    pub(crate) before: Option<Before>,
}

/// The counts of some tiles as they were.
#[derive(Debug)]
pub(crate) struct Before {
    /// One for each tile of the column.
    pub(crate) touched: Vec<bool>,
    pub(crate) stats: FlagStats,
}

/// How a column is cut into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    rows: u64,
    cell: [usize; 2],
    tile: [usize; 3],
}

/// What tells whether a file may have been written: whether to compare its tiles before they are counted, no more.
pub(crate) type Trace = Option<[i64; 6]>;

/// Of the file of a column's tiles.
pub(crate) fn trace(column: &TiledColumn) -> Trace {
    use std::os::unix::fs::MetadataExt;
    let m = std::fs::metadata(column.path()).ok()?;
    Some([m.ino().cast_signed(), m.size().cast_signed(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()])
}

impl Layout {
    pub(crate) fn of(column: &TiledColumn) -> Self {
        Self { rows: column.rows(), cell: column.cell(), tile: column.tile() }
    }
}

/// What a [`FlagCache`](crate::FlagCache) has done to tiles so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Tiles whose flags were counted.
    pub tiles_counted: u64,
    /// Tiles that were read to be compared with what they were.
    pub tiles_compared: u64,
}

/// The sets that were counted last.
#[derive(Debug, Default)]
pub(crate) struct Recents(Mutex<Vec<(Key, Arc<Recent>)>>);

impl Recents {
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Recent>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|(known, _)| known == key).map(|(_, recent)| Arc::clone(recent))
    }

    pub(crate) fn put(&self, key: &Key, recent: Recent) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(known, _)| known != key);
        if held.len() == MOST_SETS {
            held.remove(0);
        }
        held.push((key.clone(), Arc::new(recent)));
    }
}

impl Recent {
    pub(crate) fn new(
        stats: &FlagStats,
        known: &Arc<Known>,
        labels: Labels,
        layout: Layout,
        trace: Trace,
        digests: Vec<Digest>,
    ) -> Self {
        let (stats, known) = (Arc::new(stats.clone()), Arc::clone(known));
        Self { stats, known, labels, layout, digests, trace, before: None }
    }

    /// Whether the rows and names are those that were counted, so that counts of tiles can be exchanged.
    pub(crate) fn fits(&self, known: &Arc<Known>, labels: &Labels, layout: Layout) -> bool {
        (Arc::ptr_eq(&self.known, known) || self.known == *known) && self.labels == *labels && self.layout == layout
    }

    /// Whether comparing tiles is likely to save counting them: a writer has told what it touches, or nobody seems to have
    /// written.
    pub(crate) fn pays(&self, trace: Trace) -> bool {
        self.before.is_some() || (trace.is_some() && self.trace == trace)
    }

    /// The counts when tiles have these digests, where counting some of them anew by `count` is enough.
    pub(crate) fn counted<E>(
        &self,
        digests: &[Digest],
        count: impl FnOnce(&[bool]) -> Result<FlagStats, E>,
    ) -> Result<Option<FlagStats>, E> {
        if digests == self.digests {
            return Ok(Some((*self.stats).clone()));
        }
        let Some(before) = &self.before else { return Ok(None) };
        let known = |((now, then), touched): ((&Digest, &Digest), &bool)| now == then || *touched;
        if digests.len() != self.digests.len() || !digests.iter().zip(&self.digests).zip(&before.touched).all(known) {
            return Ok(None);
        }
        let after = count(&before.touched)?;
        Ok(exchanged(&self.stats, &before.stats, &after))
    }
}

/// `all` with the flags of `before` taken out and those of `after` put in. None where they are not counts of one set.
fn exchanged(all: &FlagStats, before: &FlagStats, after: &FlagStats) -> Option<FlagStats> {
    let mut out = all.clone();
    tally(&mut out.total, &before.total, &after.total)?;
    tallies(&mut out.antennas, &before.antennas, &after.antennas)?;
    tallies(&mut out.windows, &before.windows, &after.windows)?;
    for ((out, before), after) in out.windows.iter_mut().zip(&before.windows).zip(&after.windows) {
        tallies(&mut out.channels, &before.channels, &after.channels)?;
    }
    tallies(&mut out.correlations, &before.correlations, &after.correlations)?;
    tallies(&mut out.fields, &before.fields, &after.fields)?;
    tallies(&mut out.scans, &before.scans, &after.scans)?;
    tallies(&mut out.times, &before.times, &after.times)?;
    three(&mut out.baselines, &before.baselines, &after.baselines, |out, before, after| {
        count(&mut out.flags, &before.flags, &after.flags)
    })?;
    for (out, before, after) in [
        (&mut out.antenna_channel, &before.antenna_channel, &after.antenna_channel),
        (&mut out.time_channel, &before.time_channel, &after.time_channel),
    ] {
        three(&mut out.counts, &before.counts, &after.counts, count)?;
    }
    Some(out)
}

fn count(out: &mut Count, before: &Count, after: &Count) -> Option<()> {
    out.flag = (out.flag + after.flag).checked_sub(before.flag)?;
    out.flag_or_row = (out.flag_or_row + after.flag_or_row).checked_sub(before.flag_or_row)?;
    (out.total == before.total && out.total == after.total).then_some(())
}

fn tally(out: &mut Tally, before: &Tally, after: &Tally) -> Option<()> {
    count(&mut out.cross, &before.cross, &after.cross)?;
    count(&mut out.auto, &before.auto, &after.auto)
}

/// Entries of three lists that belong together.
fn three<T>(out: &mut [T], before: &[T], after: &[T], each: impl Fn(&mut T, &T, &T) -> Option<()>) -> Option<()> {
    if out.len() != before.len() || out.len() != after.len() {
        return None;
    }
    let mut entries = out.iter_mut().zip(before).zip(after);
    entries.try_for_each(|((out, before), after)| each(out, before, after))
}

fn tallies<T: Tallied>(out: &mut [T], before: &[T], after: &[T]) -> Option<()> {
    three(out, before, after, |out, before, after| tally(out.tally_mut(), before.tally(), after.tally()))
}

/// An entry that has a tally.
trait Tallied {
    fn tally(&self) -> &Tally;
    fn tally_mut(&mut self) -> &mut Tally;
}

impl Tallied for Tally {
    fn tally(&self) -> &Tally {
        self
    }
    fn tally_mut(&mut self) -> &mut Tally {
        self
    }
}

macro_rules! tallied {
    ($($entry:ident)*) => {$(
        impl Tallied for crate::$entry {
            fn tally(&self) -> &Tally {
                &self.flags
            }
            fn tally_mut(&mut self) -> &mut Tally {
                &mut self.flags
            }
        }
    )*};
}

tallied! { AntennaFlags WindowFlags CorrelationFlags FieldFlags ScanFlags TimeFlags }
