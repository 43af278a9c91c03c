//! In which order rows are read: some baselines at a time through all times of a batch, so that their sums stay in the cache
//! while the rows stream by, and each thread has baselines of its own.

use std::collections::BTreeSet;
use std::ops::Range;

use gain_solve::{Order, Shape};

use crate::calibrate::block::Columns;
use crate::calibrate::set::View;
use crate::failure::Failure;

/// DATA of the baselines of a chunk at one time: with their model and sums it fits into the larger caches, and is read fast
/// from a disk.
const CHUNK_BYTES: usize = 768 << 10;

/// Chunks are at least so many, for all cores; their number does not depend on the cores, so that nothing else does.
const CHUNKS: usize = 16;

/// DATA of rows that are read at once.
pub(crate) const RUN_BYTES: usize = 1 << 20;

/// Rows that nobody wants are read with their neighbours up to this number: autocorrelations, mostly.
const GAP: u32 = 4;

/// The chunks of the baselines of a set.
#[derive(Debug)]
pub(crate) struct Route {
    /// Of the baselines between the antennas that have data.
    pub order: Order,
    /// Baselines of a chunk.
    pub baselines: usize,
    pub chunks: usize,
    /// The number among those with data, of every antenna of the set.
    pub dense: Vec<usize>,
}

/// Some rows of a pass, by batch of times and chunk.
#[derive(Debug)]
pub(crate) struct Rows {
    /// In order of batch, chunk and row.
    rows: Vec<u32>,
    /// Where those of each batch and chunk begin, and where the last end.
    starts: Vec<usize>,
    chunks: usize,
}

impl Route {
    pub(crate) fn new(view: &View) -> Self {
        let mut dense = vec![0; view.with_data.len()];
        let with_data = (0..dense.len()).filter(|&antenna| view.with_data[antenna]);
        let antennas = with_data.enumerate().map(|(number, antenna)| dense[antenna] = number).count();
        let cross = view.rows.iter().filter(|row| row.antennas[0] != row.antennas[1]);
        let order = Order::of_rows(antennas, cross.map(|row| row.antennas.map(|a| dense[usize::from(a)])));
        let all = Shape { antennas, receptors: 1, groups: 1 }.baselines();
        let with_rows = view.descriptions.iter().zip(view.has_rows()).filter(|(_, has_rows)| *has_rows);
        let values: usize = with_rows.map(|(d, _)| d.channels * d.receptors.len()).sum();
        let by_bytes = CHUNK_BYTES / (values * size_of::<casacore::Complex32>()).max(1);
        let baselines = by_bytes.min(all.div_ceil(CHUNKS)).max(1);
        Self { order, baselines, chunks: all.div_ceil(baselines), dense }
    }

    /// The antennas of a row, by number among those with data.
    pub(crate) fn antennas(&self, antennas: [u16; 2]) -> [usize; 2] {
        antennas.map(|antenna| self.dense[usize::from(antenna)])
    }

    /// The rows that `wanted` chooses, for the given batches of times, which are in order.
    pub(crate) fn rows(&self, view: &View, batches: &[Range<usize>], wanted: impl Fn(usize) -> bool) -> Rows {
        let mut batch_of = vec![0; view.times.len()];
        for (number, times) in batches.iter().enumerate() {
            batch_of[times.clone()].fill(number);
        }
        let place = |row: usize| {
            let key = &view.rows[row];
            let place = self.order.place(self.antennas(key.antennas)).filter(|_| wanted(row))?;
            Some(batch_of[key.time as usize] * self.chunks + place / self.baselines)
        };
        let mut starts = vec![0; batches.len() * self.chunks + 1];
        let places: Vec<Option<usize>> = (0..view.rows.len()).map(place).collect();
        places.iter().flatten().for_each(|&place| starts[place + 1] += 1);
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; starts.last().copied().unwrap_or(0)];
        for (row, place) in places.into_iter().enumerate() {
            if let Some(place) = place {
                rows[next[place]] = row as u32;
                next[place] += 1;
            }
        }
        Rows { rows, starts, chunks: self.chunks }
    }
}

impl Rows {
    /// Those of a batch and chunk, in runs that are read at once.
    pub(crate) fn runs<'a>(
        &'a self,
        columns: &'a Columns,
        batch: usize,
        chunk: usize,
    ) -> impl Iterator<Item = Result<&'a [u32], Failure>> + 'a {
        let place = batch * self.chunks + chunk;
        let mut left = &self.rows[self.starts[place]..self.starts[place + 1]];
        std::iter::from_fn(move || {
            let &first = left.first()?;
            let alike = match columns.alike(u64::from(first), RUN_BYTES) {
                Ok(rows) => rows,
                Err(failure) => return Some(Err(failure)),
            };
            let inside = |row: u32| u64::from(row) < alike.end;
            let length = left.windows(2).take_while(|pair| pair[1] - pair[0] <= GAP && inside(pair[1])).count() + 1;
            let (run, rest) = left.split_at(length);
            left = rest;
            Some(Ok(run))
        })
    }

    /// How many runs there are.
    pub(crate) fn count(&self, columns: &Columns) -> Result<usize, Failure> {
        let mut count = 0;
        for place in 0..self.starts.len() - 1 {
            for run in self.runs(columns, place / self.chunks, place % self.chunks) {
                run?;
                count += 1;
            }
        }
        Ok(count)
    }
}

/// What limits a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Times.
    pub times: usize,
    /// Intervals; the first always has room.
    pub intervals: usize,
}

/// Divides `times` into batches. `intervals_of` gives the intervals that a time belongs to.
pub(crate) fn batches(times: usize, room: Room, intervals_of: impl Fn(usize) -> Vec<usize>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut inside: BTreeSet<usize> = BTreeSet::new();
    for time in 0..times {
        let own = intervals_of(time);
        match found.last_mut() {
            Some(batch)
                if batch.len() < room.times.max(1)
                    && inside.len() + own.iter().filter(|interval| !inside.contains(interval)).count()
                        <= room.intervals.max(1) =>
            {
                batch.end = time + 1;
            }
            _ => {
                found.push(time..time + 1);
                inside.clear();
            }
        }
        inside.extend(own);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_end_where_there_is_no_room_for_another_interval_or_time() {
        let lengths = |times, most_times, most_intervals, of: &dyn Fn(usize) -> Vec<usize>| {
            let room = Room { times: most_times, intervals: most_intervals };
            let found = batches(times, room, of);
            assert!(
                found
                    .iter()
                    .map(|batch| batch.start)
                    .eq(found.iter().scan(0, |next, batch| Some(std::mem::replace(next, batch.end))))
            );
            found.iter().map(Range::len).collect::<Vec<_>>()
        };
        let threes: &dyn Fn(usize) -> Vec<usize> = &|time| vec![time / 3];
        assert_eq!(lengths(7, 9, 9, threes), [7]);
        assert_eq!(lengths(7, 9, 1, threes), [3, 3, 1]);
        assert_eq!(lengths(7, 2, 9, threes), [2, 2, 2, 1]);
        // A time may belong to more intervals than there is room for.
        assert_eq!(lengths(2, 9, 1, &|time| vec![2 * time, 2 * time + 1]), [1, 1]);
        assert_eq!(lengths(0, 1, 1, threes), [0; 0]);
    }
}
