//! What one thread learns of the chunks that it works on.

use super::kernel::{BLOCK, Instructions, Kept, VECTOR, Work};
use super::moments::Part;
use super::sample::{Encoding, Sample};
use super::zones::Zones;

/// The most bytes of candidates that all threads together keep.
const ROOM: usize = 24 << 20;

/// What all chunks share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a, T> {
    pub(crate) encoding: Encoding,
    pub(crate) instructions: Instructions,
    /// Where to look for median and MAD, if they are wanted.
    pub(crate) zones: Option<&'a Zones<T>>,
}

/// What one thread has found so far.
pub(crate) struct Gathered<T> {
    /// Of each chunk. Extremes are located only where they beat those of this thread's earlier chunks, which come earlier in
    /// the file.
    pub(crate) parts: Vec<(u64, Part)>,
    pub(crate) pixels: u64,
    pub(crate) below: u64,
    pub(crate) inner: u64,
    /// The values in zones; `None` when there were too many.
    pub(crate) kept: Option<Vec<T>>,
    room: usize,
    least: f64,
    greatest: f64,
    block: Box<Kept<T>>,
}

impl<T: Sample> Gathered<T> {
    /// For one of so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            parts: Vec::new(),
            pixels: 0,
            below: 0,
            inner: 0,
            kept: Some(Vec::new()),
            room: ROOM / size_of::<T>() / threads.max(1),
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            block: Box::new([T::NAN; BLOCK + VECTOR]),
        }
    }

    /// Adds chunk number `index`, a later one than before.
    pub(crate) fn add(&mut self, plan: &Plan<'_, T>, index: u64, bytes: &[u8]) {
        let element = plan.encoding.bytes();
        let blocks = || bytes.chunks(BLOCK * element);
        let mut chunk = Part::EMPTY;
        // Of the block before, since neighbours are alike; the first is found out.
        let mut centre = T::narrow(0.0);
        let (mut min_block, mut max_block) = (0, 0);
        for (number, block) in blocks().enumerate() {
            let part = self.block(plan, block, &mut centre);
            min_block = if part.min < chunk.min { number } else { min_block };
            max_block = if part.max > chunk.max { number } else { max_block };
            chunk.join(&part);
        }
        let locate = |number: usize, extreme: f64| {
            let mut values = [T::NAN; BLOCK];
            let block = blocks().nth(number).unwrap_or_default();
            T::decode(plan.encoding, block, &mut values);
            let inside = values.iter().position(|x| x.wide() == extreme).unwrap_or(0);
            (index, (number * BLOCK + inside) as u64)
        };
        if chunk.min < self.least {
            self.least = chunk.min;
            chunk.min_at = locate(min_block, chunk.min);
        }
        if chunk.max > self.greatest {
            self.greatest = chunk.max;
            chunk.max_at = locate(max_block, chunk.max);
        }
        self.pixels += (bytes.len() / element) as u64;
        self.parts.push((index, chunk));
    }

    /// Adds a block, and puts the centre at its mean.
    fn block(&mut self, plan: &Plan<'_, T>, bytes: &[u8], centre: &mut T) -> Part {
        let zones = plan.zones.filter(|_| self.kept.is_some());
        let Plan { encoding, instructions, .. } = *plan;
        let work = Work { encoding, bytes, centre: *centre, zones, kept: &mut self.block };
        let found = T::block(work, instructions);
        self.below += u64::from(found.below);
        self.inner += u64::from(found.inner);
        if let Some(kept) = &mut self.kept {
            if kept.len() + found.kept <= self.room {
                kept.extend_from_slice(&self.block[..found.kept]);
            } else {
                self.kept = None;
            }
        }
        let mut part = Part::of_block(&found, *centre);
        if part.is_far_from(*centre) {
            *centre = T::narrow(part.mean);
            let work = Work { encoding, bytes, centre: *centre, zones: None, kept: &mut self.block };
            part = Part::of_block(&T::block(work, instructions), *centre);
        }
        if part.finite > 0 && part.mean.is_finite() {
            *centre = T::narrow(part.mean);
        }
        part
    }
}
