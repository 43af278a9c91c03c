//! One pass over the bytes of an area.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use fits_well::{FitsError, FitsReader};
use rayon::prelude::*;

use super::area::Chunks;
use super::sample::{Encoding, Sample};
use super::{Pixels, Way};
use crate::error::Error;
use crate::file::{Source, fill_at};

/// A sample is of so many places of a plain file, more where it is very large, ...
const PIECES: u64 = 256;
/// ... of so many bytes each, of which a disk reads no fewer for the same time, ...
const PIECE: u64 = 16 << 10;
/// ... and of every so many pixels there, since neighbours are alike.
const APART: u64 = 16;

impl Pixels {
    /// Calls `each` with every chunk's number and bytes, in any order, from as many threads as the pool has; each thread
    /// adds to a result of its own that `new` makes. The bytes are in FITS's order.
    pub(super) fn pass<A: Send>(
        &self,
        chunks: &Chunks,
        new: impl Fn() -> A + Sync,
        each: impl Fn(&mut A, u64, &[u8]) + Sync,
    ) -> Result<Vec<A>, Error> {
        match self.way {
            Way::Direct { data_at } => self.direct(data_at, chunks, new, each),
            Way::Gzip { data_at } => self.unpacked(data_at, chunks, new, each),
            Way::Tiles { .. } => self.by_tiles(chunks, new, each),
        }
    }

    /// Some of the finite values, from all over the area.
    pub(super) fn sample<T: Sample>(&self, chunks: &Chunks) -> Result<Vec<T>, Error> {
        let pick = |found: &mut Vec<T>, step: usize, bytes: &[u8]| {
            let mut value = [T::NAN];
            for bytes in bytes.chunks_exact(self.element as usize).step_by(step) {
                T::decode(self.encoding, bytes, &mut value);
                found.extend(value.iter().filter(|x| x.finite()));
            }
        };
        let Way::Direct { data_at } = self.way else {
            // As many as from a plain file.
            let step = (chunks.values() / (PIECES * PIECE / APART / self.element)).max(1) as usize;
            let found = self.pass(chunks, Vec::new, |found, _, bytes| pick(found, step, bytes))?;
            return Ok(found.into_iter().flatten().collect());
        };
        let refused = |action| move |source| Error::Io { path: self.path.clone(), action, source };
        let file = File::open(&self.path).map_err(refused("open"))?;
        let values = chunks.values();
        // A sixteenth of a small image, and more places in a large one.
        let pieces = (values * self.element / PIECE / APART).clamp(32, PIECES * (values >> 25).clamp(1, 8));
        let some = (0..pieces as u32).into_par_iter().with_min_len(16).map(|piece| {
            let first = u128::from(values) * u128::from(piece) / u128::from(pieces);
            let (at, length) = chunks.piece(first as u64, PIECE);
            let mut bytes = vec![0; length as usize];
            let read = fill_at(&file, data_at + at, &mut bytes).map_err(refused("read"))?;
            if read < bytes.len() {
                return Err(self.cut_short(at + read as u64));
            }
            let mut found = Vec::new();
            pick(&mut found, (length / self.element / (PIECE / APART / self.element)).max(1) as usize, &bytes);
            Ok(found)
        });
        Ok(some.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    fn direct<A: Send>(
        &self,
        data_at: u64,
        chunks: &Chunks,
        new: impl Fn() -> A + Sync,
        each: impl Fn(&mut A, u64, &[u8]) + Sync,
    ) -> Result<Vec<A>, Error> {
        let refused = |action| move |source| Error::Io { path: self.path.clone(), action, source };
        let file = File::open(&self.path).map_err(refused("open"))?;
        let count = chunks.count();
        let next = AtomicU64::new(0);
        let threads = (rayon::current_num_threads() as u64).min(count) as usize;
        (0..threads)
            .into_par_iter()
            .with_max_len(1)
            .map(|_| {
                let mut result = new();
                let mut buffer = vec![0; chunks.longest() as usize];
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return Ok(result);
                    }
                    let mut filled = 0;
                    for (at, length) in chunks.runs(index) {
                        let run = &mut buffer[filled..filled + length as usize];
                        let read = fill_at(&file, data_at + at, run).map_err(refused("read")).and_then(|read| {
                            if read < run.len() { Err(self.cut_short(at + read as u64)) } else { Ok(read) }
                        });
                        if read.is_err() {
                            // The other threads need not go on.
                            next.store(count, Ordering::Relaxed);
                        }
                        filled += read?;
                    }
                    each(&mut result, index, &buffer[..filled]);
                }
            })
            .collect()
    }

    fn unpacked<A>(
        &self,
        data_at: u64,
        chunks: &Chunks,
        new: impl Fn() -> A,
        each: impl Fn(&mut A, u64, &[u8]),
    ) -> Result<Vec<A>, Error> {
        let (mut source, _) = Source::open(&self.path, &mut [0; 2], |_| ())?;
        let mut result = new();
        let mut buffer = vec![0; chunks.longest() as usize];
        for index in 0..chunks.count() {
            let mut filled = 0;
            for (at, length) in chunks.runs(index) {
                let run = &mut buffer[filled..filled + length as usize];
                let read = source.fill(&self.path, data_at + at, run)?;
                if read < run.len() {
                    return Err(self.cut_short(at + read as u64));
                }
                filled += read;
            }
            each(&mut result, index, &buffer[..filled]);
        }
        Ok(vec![result])
    }

    fn by_tiles<A>(
        &self,
        chunks: &Chunks,
        new: impl Fn() -> A,
        each: impl Fn(&mut A, u64, &[u8]),
    ) -> Result<Vec<A>, Error> {
        let refused = |source| Error::Io { path: self.path.clone(), action: "open", source };
        let failed =
            |source: FitsError| Error::Compressed { path: self.path.clone(), hdu: self.hdu, source: Box::new(source) };
        let file = File::open(&self.path).map_err(refused)?;
        let mut reader = FitsReader::open(BufReader::new(file)).map_err(failed)?;
        let mut image = reader.image(self.hdu).map_err(failed)?;
        let mut result = new();
        let mut buffer = Vec::new();
        let (mut short, mut long) = (Vec::<f32>::new(), Vec::<f64>::new());
        for index in 0..chunks.count() {
            buffer.clear();
            for (plane, y, x) in chunks.boxes(index) {
                let section = self.section(plane, &y, &x);
                if self.encoding == Encoding::F32 {
                    short.clear();
                    image.physical_into(section.as_slice(), &mut short).map_err(failed)?;
                    buffer.extend(short.iter().flat_map(|value| value.to_be_bytes()));
                } else {
                    long.clear();
                    image.physical_into(section.as_slice(), &mut long).map_err(failed)?;
                    buffer.extend(long.iter().flat_map(|value| value.to_be_bytes()));
                }
            }
            each(&mut result, index, &buffer);
        }
        Ok(vec![result])
    }

    /// A box of a plane, as one range for each axis.
    fn section(&self, mut plane: u64, y: &Range<u64>, x: &Range<u64>) -> Vec<Range<usize>> {
        let plain = |range: &Range<u64>| range.start as usize..range.end as usize;
        let mut section = vec![plain(x)];
        if self.image.axes.len() > 1 {
            section.push(plain(y));
        }
        for length in self.image.axes.iter().skip(2) {
            let at = (plane % length) as usize;
            section.push(at..at + 1);
            plane /= length;
        }
        section
    }

    fn cut_short(&self, found: u64) -> Error {
        let expected = self.image.pixels() * self.element;
        Error::Truncated { path: self.path.clone(), hdu: self.hdu, expected, found }
    }
}
