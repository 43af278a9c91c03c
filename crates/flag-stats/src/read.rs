//! The two ways to the flags: bits of tiles, and rows.

use std::ops::Range;

use casacore::plain::Reader;
use casacore::tiles::TiledColumn;
use rayon::prelude::*;

use crate::Error;
use crate::count::{Counter, Job, Piece};
use crate::rowmap::{Class, RowMap};

/// Flags that are read at once by the general way, a byte each.
const CHUNK_CELLS: u64 = 4 << 20;

/// Counts the tiles of FLAG by the threads of the current rayon pool.
pub(crate) fn tiles(column: &TiledColumn, job: &Job<'_>) -> Result<(), Error> {
    let (shape, tile, grid) = (column.cell(), column.tile(), column.grid());
    let all = grid[0] * grid[1] * grid[2];
    let _span = tracing::debug_span!("count tiles", path = %column.path().display(), tiles = all).entered();
    let places: Vec<[usize; 2]> = (0..grid[1]).flat_map(|c| (0..grid[2]).map(move |p| [c, p])).collect();
    // Ranges of tiles along the rows, long ones: each ends with bringing its counters into the sums.
    let parts = (2 * rayon::current_num_threads()).div_ceil(places.len().max(1)).clamp(1, grid[0].max(1));
    let step = grid[0].div_ceil(parts).max(1);
    let tasks: Vec<_> = places
        .iter()
        .flat_map(|&place| (0..grid[0]).step_by(step).map(move |first| (place, first..grid[0].min(first + step))))
        .collect();
    tasks.into_par_iter().try_for_each(|(place, along)| {
        let from = [place[0] * tile[1], place[1] * tile[2]];
        let pieces = Piece::of_tile(shape, from, [tile[1], tile[2]]);
        // Words are loaded whole: the last ones reach beyond the tile.
        let mut bytes = vec![0; column.tile_bytes() + 16];
        for piece in &pieces {
            let mut counter = Counter::new(job, piece);
            for row_tile in along.clone() {
                let rows = row_tile as u64 * tile[0] as u64..column.rows().min((row_tile as u64 + 1) * tile[0] as u64);
                let number = (row_tile * grid[1] + place[0]) * grid[2] + place[1];
                let tile_bytes = &mut bytes[..column.tile_bytes()];
                column.read_tile_bytes(number, tile_bytes)?;
                if is_zero(tile_bytes) && !job.map.any_row_flagged(rows.clone()) {
                    continue;
                }
                let first = rows.start;
                let row_bits = tile[1] * tile[2];
                counter.count(rows, |row, words| {
                    load(&bytes, (row - first) as usize * row_bits + piece.first, words);
                });
            }
            counter.finish();
        }
        Ok(())
    })
}

/// Counts the rows of FLAG, in chunks; through casacore where its storage manager asks for that.
pub(crate) fn rows(table: &Reader, job: &Job<'_>) -> Result<(), Error> {
    let _span = tracing::debug_span!("count rows", path = %table.path().display(), rows = job.map.rows).entered();
    let pieces: Vec<Vec<Piece>> = job.map.classes.iter().map(pieces_of).collect();
    let mut counters: Vec<Vec<Counter<'_>>> =
        pieces.iter().map(|pieces| pieces.iter().map(|piece| Counter::new(job, piece)).collect()).collect();
    let largest = job.map.classes.iter().map(Class::cells).max().unwrap_or(0).max(1);
    let step = (CHUNK_CELLS / largest).max(1);
    let mut bits = Vec::new();
    for start in (0..job.map.rows).step_by(step as usize) {
        let chunk = start..job.map.rows.min(start + step);
        let flags = table.read_ragged::<bool>("FLAG", chunk.clone())?;
        let mut at = 0;
        for (class, rows) in stretches(job.map, chunk) {
            let cells = job.map.classes[class].cells() as usize;
            let length = (rows.end - rows.start) as usize * cells;
            let Some(values) = flags.values.get(at..at + length) else {
                // Other shapes than a moment ago.
                return Err(Error::Unsettled { path: table.path().into(), attempts: 1 });
            };
            at += length;
            pack(values, &mut bits);
            for (counter, piece) in counters[class].iter_mut().zip(&pieces[class]) {
                let first = rows.start;
                counter.count(rows.clone(), |row, words| {
                    load(&bits, (row - first) as usize * cells + piece.first, words);
                });
            }
        }
    }
    counters.into_iter().flatten().for_each(Counter::finish);
    Ok(())
}

/// The pieces of a whole cell.
fn pieces_of(class: &Class) -> Vec<Piece> {
    class.shape.map_or_else(Vec::new, |shape| Piece::of_tile(shape, [0, 0], shape))
}

/// Consecutive rows of one class.
fn stretches(map: &RowMap, rows: Range<u64>) -> impl Iterator<Item = (usize, Range<u64>)> + '_ {
    let mut segments =
        map.segments(rows).map(|segment| (map.contexts[segment.context].class as usize, segment.rows)).peekable();
    std::iter::from_fn(move || {
        let (class, mut rows) = segments.next()?;
        while let Some((_, next)) = segments.next_if(|(next, _)| *next == class) {
            rows.end = next.end;
        }
        Some((class, rows))
    })
}

/// Truth values as bits, the first in the lowest bit, with room for words that reach beyond them.
fn pack(values: &[bool], bits: &mut Vec<u8>) {
    bits.clear();
    bits.extend(
        values
            .chunks(8)
            .map(|eight| eight.iter().enumerate().fold(0_u8, |byte, (i, &value)| byte | u8::from(value) << i)),
    );
    bits.extend([0; 16]);
}

/// The bits from number `first` on; words may reach beyond what is meant, and `bytes` has room for them.
#[inline(always)]
pub(crate) fn load(bytes: &[u8], first: usize, words: &mut [u64]) {
    let (mut at, shift) = (first / 8, first % 8);
    for word in words {
        *word = eight(bytes, at) >> shift;
        if shift > 0 {
            // The byte after the eight.
            *word |= u64::from(bytes.get(at + 8).copied().unwrap_or(0)) << (64 - shift);
        }
        at += 8;
    }
}

#[inline(always)]
fn eight(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |eight| u64::from_le_bytes(eight.try_into().unwrap_or_default()))
}

fn is_zero(bytes: &[u8]) -> bool {
    let mut blocks = bytes.chunks_exact(64);
    let none = blocks.by_ref().all(|block| block.iter().fold(0, |any, byte| any | byte) == 0);
    none && blocks.remainder().iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_from_any_place() {
        let values: Vec<bool> = (0..300).map(|i| i * i % 7 < 3).collect();
        let mut bits = Vec::new();
        pack(&values, &mut bits);
        for first in 0..150 {
            let mut words = [0; 2];
            load(&bits, first, &mut words);
            for i in 0..128 {
                assert_eq!(words[i / 64] >> (i % 64) & 1 == 1, values[first + i], "bit {i} from {first}");
            }
        }
    }
}
