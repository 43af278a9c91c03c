//! Moving the pieces of a window: straight between the caller's memory and the file where rows follow each other in both,
//! through a block that stays in the processor's cache where they do not.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::bits;
use super::column::TiledColumn;
use super::geometry::{Piece, Run, Window};
use super::memory::{Source, Target};
use crate::{DataType, Element, Endian, Error, Result};

/// Bytes that are read or written at once where they pass through a block: they are still in the second level of the cache
/// when they are copied on, so that main memory sees each byte once.
const BLOCK_BYTES: usize = 128 << 10;
/// Bytes that are written at once where they pass through a block: whole tiles of the usual size, since the system keeps a
/// file in pages that are the larger the longer the writes are.
const WRITE_BYTES: usize = 1 << 20;
/// Where a row of a tile is at least so long, and little of it is wanted, only that is read.
const LONG_ROW: usize = 4 << 10;

impl TiledColumn {
    /// Reads a checked window.
    pub(super) fn get<T: Element, O: Target>(&self, window: &Window, out: &mut O) -> Result<()> {
        let g = &self.geometry;
        let size = size_of::<T>();
        if T::TYPE == DataType::Bool {
            return g.pieces(window).try_for_each(|piece| self.get_bits(&piece, window, out));
        }
        let all = (window.rows.end - window.rows.start) as usize;
        if g.is_plain(window)
            && let Some(out) = out.whole(0..all)
        {
            // The tiles follow each other as the rows do.
            self.operations.read(out.len());
            return self.read_straight::<T>(out, self.offset + window.rows.start * (g.tile_row() * size) as u64);
        }
        g.pieces(window).try_for_each(|piece| self.get_piece::<T, O>(&piece, window, out))
    }

    fn get_piece<T: Element, O: Target>(&self, piece: &Piece, window: &Window, out: &mut O) -> Result<()> {
        let g = &self.geometry;
        let size = size_of::<T>();
        let row_bytes = g.tile_row() * size;
        let start = self.tile_start(piece.tile) + (piece.from[0] * row_bytes) as u64;
        if g.is_contiguous(piece, window)
            && let Some(out) = out.whole(piece.to[0]..piece.to[0] + piece.count[0])
        {
            self.operations.read(out.len());
            return self.read_straight::<T>(out, start);
        }
        // What is wanted of each row of the tile.
        let wanted = {
            let first = piece.from[1] * g.tile[2];
            first * size..(first + piece.count[1] * g.tile[2]) * size
        };
        let sparse = row_bytes >= LONG_ROW && wanted.len() * 8 <= row_bytes;
        let (rows_at_once, skipped) = match sparse {
            true => (1, wanted.start),
            false => ((BLOCK_BYTES / row_bytes).max(1), 0),
        };
        let mut block = self.scratch(if sparse { wanted.len() } else { rows_at_once.min(piece.count[0]) * row_bytes });
        let mut moved = 0;
        let read = blocks(piece.count[0], rows_at_once).try_for_each(|rows| {
            let bytes = if sparse { &mut block[..] } else { &mut block[..rows.len() * row_bytes] };
            moved += bytes.len();
            self.read_at(bytes, start + (rows.start * row_bytes + skipped) as u64)?;
            if self.is_swapped() {
                swap(bytes, T::WORD);
            }
            g.runs(piece, window, rows, |Run { from, row, to, length }| {
                let from = from * size - skipped;
                copy(out.at(row, to * size..(to + length) * size), &bytes[from..from + length * size]);
            });
            Ok(())
        });
        self.operations.read(moved);
        self.give_back(block);
        read
    }

    /// Reads bytes that are the caller's values, in the file's byte order.
    fn read_straight<T: Element>(&self, out: &mut [u8], start: u64) -> Result<()> {
        if !self.is_swapped() || T::WORD == 1 {
            return self.read_at(out, start);
        }
        let mut at = start;
        for block in out.chunks_mut(BLOCK_BYTES) {
            self.read_at(block, at)?;
            swap(block, T::WORD);
            at += block.len() as u64;
        }
        Ok(())
    }

    fn get_bits<O: Target>(&self, piece: &Piece, window: &Window, out: &mut O) -> Result<()> {
        let g = &self.geometry;
        let row_bits = g.tile_row();
        let rows_at_once = (BLOCK_BYTES / row_bits).max(1);
        let contiguous = g.is_contiguous(piece, window);
        let mut block = self.scratch((rows_at_once.min(piece.count[0]) * row_bits).div_ceil(8) + 1);
        let mut moved = 0;
        let read = blocks(piece.count[0], rows_at_once).try_for_each(|rows| {
            let bits = (piece.from[0] + rows.start) * row_bits..(piece.from[0] + rows.end) * row_bits;
            let first_byte = bits.start / 8;
            let bytes = &mut block[..bits.end.div_ceil(8) - first_byte];
            moved += bytes.len();
            self.read_at(bytes, self.tile_start(piece.tile) + first_byte as u64)?;
            let first = bits.start - first_byte * 8;
            let in_window = piece.to[0] + rows.start..piece.to[0] + rows.end;
            match out.whole(in_window).filter(|_| contiguous) {
                Some(out) => bits::unpack(bytes, first, out),
                None => g.runs(piece, window, rows, |Run { from, row, to, length }| {
                    bits::unpack(bytes, first + from, out.at(row, to..to + length));
                }),
            }
            Ok(())
        });
        self.operations.read(moved);
        self.give_back(block);
        read
    }

    /// Writes a checked window. Tiles that it covers in part are changed, in turns with other such writes to them.
    pub(super) fn put<T: Element, I: Source>(&self, window: &Window, values: &I) -> Result<()> {
        let g = &self.geometry;
        let all = (window.rows.end - window.rows.start) as usize;
        let straight = T::TYPE != DataType::Bool && (!self.is_swapped() || T::WORD == 1);
        if straight
            && g.is_plain(window)
            && let Some(values) = values.whole(0..all)
        {
            self.operations.wrote(values.len());
            self.write_at(values, self.offset + window.rows.start * (g.tile_row() * size_of::<T>()) as u64)?;
            let tile_rows = g.tile[0] as u64;
            if !window.rows.is_empty() {
                (window.rows.start / tile_rows..window.rows.end.div_ceil(tile_rows)).for_each(|tile| self.mark(tile));
            }
            return Ok(());
        }
        g.pieces(window).try_for_each(|piece| self.put_part::<T, I>(&piece, window, values))
    }

    /// Writes what a checked window covers of one tile.
    pub(super) fn put_part<T: Element, I: Source>(&self, piece: &Piece, window: &Window, values: &I) -> Result<()> {
        let g = &self.geometry;
        let whole_rows = g.covers_rows(piece, window);
        if T::TYPE != DataType::Bool {
            return self.put_piece::<T, I>(piece, window, values, whole_rows);
        }
        let last_row = window.rows.start + (piece.to[0] + piece.count[0]) as u64;
        let to_the_end = piece.count[0] == g.tile[0] || last_row == g.rows;
        self.put_bits(piece, window, values, whole_rows && piece.from[0] == 0 && to_the_end)
    }

    /// Writes rows of a tile. Where `whole_rows` are covered, channels and correlations beyond the cell become zeros.
    fn put_piece<T: Element, I: Source>(
        &self,
        piece: &Piece,
        window: &Window,
        values: &I,
        whole_rows: bool,
    ) -> Result<()> {
        let g = &self.geometry;
        let size = size_of::<T>();
        let row_bytes = g.tile_row() * size;
        let start = self.tile_start(piece.tile) + (piece.from[0] * row_bytes) as u64;
        let swapped = self.is_swapped() && T::WORD > 1;
        if !swapped
            && g.is_contiguous(piece, window)
            && let Some(values) = values.whole(piece.to[0]..piece.to[0] + piece.count[0])
        {
            self.operations.wrote(values.len());
            self.write_at(values, start)?;
            self.mark(piece.tile);
            return Ok(());
        }
        let turn = &self.turns[(piece.tile % self.turns.len() as u64) as usize];
        let _turn = (!whole_rows).then(|| turn.lock().unwrap_or_else(PoisonError::into_inner));
        let rows_at_once = (WRITE_BYTES / row_bytes).max(1);
        let mut block = self.scratch(rows_at_once.min(piece.count[0]) * row_bytes);
        if whole_rows && piece.count[1..] != g.tile[1..] {
            block.fill(0);
        }
        let written = blocks(piece.count[0], rows_at_once).try_for_each(|rows| {
            let bytes = &mut block[..rows.len() * row_bytes];
            let at = start + (rows.start * row_bytes) as u64;
            if !whole_rows {
                self.read_at(bytes, at)?;
            }
            g.runs(piece, window, rows, |Run { from, row, to, length }| {
                let place = &mut bytes[from * size..(from + length) * size];
                copy(place, values.at(row, to * size..(to + length) * size));
                if swapped {
                    swap(place, T::WORD);
                }
            });
            self.write_at(bytes, at)
        });
        let moved = piece.count[0] * row_bytes;
        if !whole_rows {
            self.operations.read(moved);
        }
        self.operations.wrote(moved);
        self.give_back(block);
        self.mark(piece.tile);
        written
    }

    fn put_bits<I: Source>(&self, piece: &Piece, window: &Window, values: &I, whole_tile: bool) -> Result<()> {
        let g = &self.geometry;
        let turn = &self.turns[(piece.tile % self.turns.len() as u64) as usize];
        let _turn = (!whole_tile).then(|| turn.lock().unwrap_or_else(PoisonError::into_inner));
        // The bytes that hold the piece's bits. A whole tile is written to its end, so that what lies beyond the column is
        // false.
        let bits = piece.from[0] * g.tile_row()..(piece.from[0] + piece.count[0]) * g.tile_row();
        let place = if whole_tile { 0..self.tile_bytes } else { bits.start / 8..bits.end.div_ceil(8) };
        let first = bits.start - place.start * 8;
        let start = self.tile_start(piece.tile) + place.start as u64;
        let mut tile = self.scratch(place.len());
        if whole_tile {
            tile.fill(0);
        } else {
            self.operations.read(tile.len());
            if let Err(error) = self.read_at(&mut tile, start) {
                self.give_back(tile);
                return Err(error);
            }
        }
        match values.whole(piece.to[0]..piece.to[0] + piece.count[0]).filter(|_| g.is_contiguous(piece, window)) {
            Some(values) => bits::pack(values, &mut tile, first),
            None => g.runs(piece, window, 0..piece.count[0], |Run { from, row, to, length }| {
                bits::pack(values.at(row, to..to + length), &mut tile, first + from);
            }),
        }
        let stays_a_hole = self.is_hole(piece.tile) && tile.iter().all(|&byte| byte == 0);
        let written = if stays_a_hole {
            Ok(())
        } else {
            self.operations.wrote(tile.len());
            self.write_at(&tile, start)
        };
        self.give_back(tile);
        if !stays_a_hole {
            self.mark(piece.tile);
        }
        written
    }

    pub(super) fn tile_start(&self, tile: u64) -> u64 {
        self.offset + tile * self.tile_bytes as u64
    }

    fn is_swapped(&self) -> bool {
        (self.endian == Endian::Big) == cfg!(target_endian = "little")
    }

    /// Whether the tile is known to be a hole in the file.
    fn is_hole(&self, tile: u64) -> bool {
        let word = self.written.as_ref().and_then(|written| written.get((tile / 64) as usize));
        word.is_some_and(|word| word.load(Ordering::Acquire) >> (tile % 64) & 1 == 0)
    }

    pub(super) fn mark(&self, tile: u64) {
        if let Some(word) = self.written.as_ref().and_then(|written| written.get((tile / 64) as usize)) {
            word.fetch_or(1 << (tile % 64), Ordering::Release);
        }
    }

    /// Memory of any content, reused where some was given back.
    fn scratch(&self, length: usize) -> Vec<u8> {
        let mut memory = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        memory.resize(length, 0);
        memory
    }

    fn give_back(&self, memory: Vec<u8>) {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    pub(super) fn read_at(&self, out: &mut [u8], start: u64) -> Result<()> {
        self.file.read_exact_at(out, start).map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::Truncated {
                path: self.path.clone(),
                expected: start + out.len() as u64,
                found: self.file.metadata().map_or(0, |meta| meta.len()),
            },
            _ => Error::io(&self.path, "read tiles", source),
        })
    }

    pub(super) fn write_at(&self, bytes: &[u8], start: u64) -> Result<()> {
        self.file.write_all_at(bytes, start).map_err(|source| Error::io(&self.path, "write tiles", source))
    }
}

/// `0..count` in ranges of at most `step`.
fn blocks(count: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(step).map(move |first| first..count.min(first + step))
}

/// A copy that costs no call where few bytes are copied: one or two visibilities of a row.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    match (<&mut [u8; 8]>::try_from(&mut *to), <&[u8; 8]>::try_from(from)) {
        (Ok(to), Ok(from)) => *to = *from,
        _ => to.copy_from_slice(from),
    }
}

/// Reverses the bytes of each word.
fn swap(bytes: &mut [u8], word: usize) {
    match word {
        2 => swap_words::<2>(bytes),
        4 => swap_words::<4>(bytes),
        8 => swap_words::<8>(bytes),
        _ => {}
    }
}

fn swap_words<const N: usize>(bytes: &mut [u8]) {
    for word in bytes.chunks_exact_mut(N) {
        word.reverse();
    }
}
