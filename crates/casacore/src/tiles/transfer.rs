//! Values between the caller's memory and the file.
#![expect(unsafe_code, reason = "looks at slices of plain values as bytes")]

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::bits;
use super::column::TiledColumn;
use super::geometry::Piece;
use crate::{DataType, Element, Endian, Error, Result};

/// The bytes of plain values.
fn bytes<T: Element>(values: &[T]) -> &[u8] {
    // SAFETY: `Element` is sealed to types without padding, of which every byte is initialised.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The bytes of plain values, to overwrite.
///
/// # Safety
///
/// The bytes left behind must be values of `T`: for `bool` 0 or 1; for the other types any bytes are.
unsafe fn bytes_mut<T: Element>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: as in `bytes`; what is written is the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

impl TiledColumn {
    /// Reads a window of rows and channels, with all correlations, into `out` as `[row, channel, correlation]`, the last
    /// axis fastest. `out` must be exactly as long.
    ///
    /// # Errors
    ///
    /// [`Error::Type`], [`Error::RowRange`], [`Error::Shape`], [`Error::Io`]; [`Error::Truncated`] when the file was cut
    /// since it was opened.
    pub fn read<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, out: &mut [T]) -> Result<()> {
        self.check::<T>(&rows, &channels, out.len())?;
        if T::TYPE == DataType::Bool {
            // SAFETY: `read_bits` writes 0 or 1 into every byte.
            return self.read_bits(rows, &channels, unsafe { bytes_mut(out) });
        }
        // SAFETY: not `bool`, so any bytes are values.
        let memory = unsafe { bytes_mut(out) };
        self.read_bytes(rows, &channels, size_of::<T>(), memory)?;
        if self.is_swapped() {
            swap(memory, T::WORD);
        }
        Ok(())
    }

    /// As [`Self::read`], by the threads of the current rayon pool.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn par_read<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, out: &mut [T]) -> Result<()> {
        self.check::<T>(&rows, &channels, out.len())?;
        let mut parts = Vec::new();
        let mut rest = out;
        for part in self.rows_by_tile(rows) {
            let length = (part.end - part.start) as usize * self.geometry.row_values(&channels);
            let (head, tail) = rest.split_at_mut(length);
            parts.push((part, head));
            rest = tail;
        }
        parts.into_par_iter().try_for_each(|(part, out)| self.read(part, channels.clone(), out))
    }

    /// Writes a window of whole tiles from `values`, `[row, channel, correlation]` with the last axis fastest. Rows start at
    /// a tile and end at one, or at the column's end; so do channels.
    ///
    /// Threads may write at the same time, each its own tiles.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; [`Error::ReadOnly`]; [`Error::Shape`] where a tile is covered in part: [`Self::update`] writes
    /// those.
    pub fn write<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, values: &[T]) -> Result<()> {
        self.need_writer()?;
        self.check::<T>(&rows, &channels, values.len())?;
        if !self.geometry.covers_tiles(&rows, &channels) {
            let [tile_rows, tile_channels, _] = self.geometry.tile;
            return Err(self.shape_error(format!(
                "rows {rows:?} and channels {channels:?} of column {} are not whole tiles of {tile_rows} rows and \
                 {tile_channels} channels",
                self.name
            )));
        }
        if T::TYPE == DataType::Bool {
            return self.write_bits(rows, &channels, bytes(values));
        }
        if self.is_swapped() {
            let mut swapped = self.scratch(0);
            swapped.extend_from_slice(bytes(values));
            swap(&mut swapped, T::WORD);
            let result = self.write_bytes(rows, &channels, size_of::<T>(), &swapped);
            self.give_back(swapped);
            return result;
        }
        self.write_bytes(rows, &channels, size_of::<T>(), bytes(values))
    }

    /// As [`Self::write`], by the threads of the current rayon pool.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn par_write<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, values: &[T]) -> Result<()> {
        self.check::<T>(&rows, &channels, values.len())?;
        let mut parts = Vec::new();
        let mut rest = values;
        for part in self.rows_by_tile(rows) {
            let length = (part.end - part.start) as usize * self.geometry.row_values(&channels);
            let (head, tail) = rest.split_at(length);
            parts.push((part, head));
            rest = tail;
        }
        parts.into_par_iter().try_for_each(|(part, values)| self.write(part, channels.clone(), values))
    }

    /// Writes a window of any rows and channels: tiles that it covers in part are read, changed and written. Updates of
    /// one tile by several threads take turns; [`Self::write`] does not take part in them.
    ///
    /// # Errors
    ///
    /// As [`Self::write`], but for partial tiles.
    pub fn update<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, values: &[T]) -> Result<()> {
        self.need_writer()?;
        self.check::<T>(&rows, &channels, values.len())?;
        let source = bytes(values);
        for piece in self.geometry.pieces(rows, channels.clone()) {
            let turn = &self.turns[(piece.tile % self.turns.len() as u64) as usize];
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            let mut tile = self.scratch(self.tile_bytes);
            let changed = self.read_at(&mut tile, self.tile_start(piece.tile)).and_then(|()| {
                self.change::<T>(&piece, channels.len(), source, &mut tile);
                self.write_at(&tile, self.tile_start(piece.tile))
            });
            self.give_back(tile);
            changed?;
            self.mark(piece.tile);
        }
        Ok(())
    }

    /// Puts the values of a piece into the bytes of its tile.
    fn change<T: Element>(&self, piece: &Piece, channels: usize, source: &[u8], tile: &mut [u8]) {
        let first = self.geometry.span(piece).start;
        let size = size_of::<T>();
        self.geometry.runs(piece, channels, |from, to, length| {
            if T::TYPE == DataType::Bool {
                bits::pack(&source[to..to + length], tile, first + from);
            } else {
                let place = &mut tile[(first + from) * size..(first + from + length) * size];
                place.copy_from_slice(&source[to * size..(to + length) * size]);
                if self.is_swapped() {
                    swap(place, T::WORD);
                }
            }
        });
    }

    /// Reads the bytes of tile number `tile` as they are in the file: bits for truth values, the file's byte order.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there is no such tile or `out` is not [`Self::tile_bytes`] long; [`Error::Io`].
    pub fn read_tile_bytes(&self, tile: usize, out: &mut [u8]) -> Result<()> {
        self.check_tile(tile, out.len())?;
        self.read_at(out, self.tile_start(tile as u64))
    }

    /// Writes the bytes of tile number `tile` as they are to be in the file.
    ///
    /// # Errors
    ///
    /// As [`Self::read_tile_bytes`]; [`Error::ReadOnly`].
    pub fn write_tile_bytes(&self, tile: usize, bytes: &[u8]) -> Result<()> {
        self.need_writer()?;
        self.check_tile(tile, bytes.len())?;
        self.write_at(bytes, self.tile_start(tile as u64))?;
        self.mark(tile as u64);
        Ok(())
    }

    fn read_bytes(&self, rows: Range<u64>, channels: &Range<usize>, size: usize, out: &mut [u8]) -> Result<()> {
        let g = &self.geometry;
        if g.is_plain(channels) {
            // The tiles follow each other as the rows do.
            let start = self.offset + rows.start * (g.row_values(channels) * size) as u64;
            return self.read_at(out, start);
        }
        let row_bytes = g.row_values(channels) * size;
        for piece in g.pieces(rows, channels.clone()) {
            let span = g.span(&piece);
            let start = self.tile_start(piece.tile) + (span.start * size) as u64;
            if g.is_contiguous(&piece, channels.len()) {
                let out = &mut out[piece.to[0] * row_bytes..(piece.to[0] + piece.count[0]) * row_bytes];
                self.read_at(out, start)?;
                continue;
            }
            let mut tile = self.scratch(span.len() * size);
            let read = self.read_at(&mut tile, start);
            if read.is_ok() {
                g.runs(&piece, channels.len(), |from, to, length| {
                    out[to * size..(to + length) * size].copy_from_slice(&tile[from * size..(from + length) * size]);
                });
            }
            self.give_back(tile);
            read?;
        }
        Ok(())
    }

    fn write_bytes(&self, rows: Range<u64>, channels: &Range<usize>, size: usize, values: &[u8]) -> Result<()> {
        let g = &self.geometry;
        let row_bytes = g.row_values(channels) * size;
        if g.is_plain(channels) {
            self.write_at(values, self.offset + rows.start * row_bytes as u64)?;
            let tile_rows = g.tile[0] as u64;
            (rows.start / tile_rows..rows.end.div_ceil(tile_rows)).for_each(|tile| self.mark(tile));
            return Ok(());
        }
        for piece in g.pieces(rows, channels.clone()) {
            let start = self.tile_start(piece.tile);
            if g.is_contiguous(&piece, channels.len()) {
                self.write_at(&values[piece.to[0] * row_bytes..(piece.to[0] + piece.count[0]) * row_bytes], start)?;
            } else {
                // From the tile's first row on; channels beyond the column are zeros.
                let mut tile = self.scratch(g.span(&piece).len() * size);
                g.runs(&piece, channels.len(), |from, to, length| {
                    tile[from * size..(from + length) * size].copy_from_slice(&values[to * size..(to + length) * size]);
                });
                let written = self.write_at(&tile, start);
                self.give_back(tile);
                written?;
            }
            self.mark(piece.tile);
        }
        Ok(())
    }

    fn read_bits(&self, rows: Range<u64>, channels: &Range<usize>, out: &mut [u8]) -> Result<()> {
        let g = &self.geometry;
        for piece in g.pieces(rows, channels.clone()) {
            let span = g.span(&piece);
            let first_byte = span.start / 8;
            let mut tile = self.scratch(span.end.div_ceil(8) - first_byte);
            let read = self.read_at(&mut tile, self.tile_start(piece.tile) + first_byte as u64);
            if read.is_ok() {
                let first = span.start - first_byte * 8;
                if g.is_contiguous(&piece, channels.len()) {
                    let row = g.row_values(channels);
                    let out = &mut out[piece.to[0] * row..(piece.to[0] + piece.count[0]) * row];
                    bits::unpack(&tile, first, out);
                } else {
                    g.runs(&piece, channels.len(), |from, to, length| {
                        bits::unpack(&tile, first + from, &mut out[to..to + length]);
                    });
                }
            }
            self.give_back(tile);
            read?;
        }
        Ok(())
    }

    fn write_bits(&self, rows: Range<u64>, channels: &Range<usize>, values: &[u8]) -> Result<()> {
        let g = &self.geometry;
        for piece in g.pieces(rows, channels.clone()) {
            // Whole tiles, so that the bits after the last row are false and no byte is shared.
            let mut tile = self.scratch(self.tile_bytes);
            if g.is_contiguous(&piece, channels.len()) {
                let row = g.row_values(channels);
                bits::pack(&values[piece.to[0] * row..(piece.to[0] + piece.count[0]) * row], &mut tile, 0);
            } else {
                g.runs(&piece, channels.len(), |from, to, length| {
                    bits::pack(&values[to..to + length], &mut tile, from);
                });
            }
            let stays_a_hole = self.is_hole(piece.tile) && tile.iter().all(|&byte| byte == 0);
            let written = if stays_a_hole { Ok(()) } else { self.write_at(&tile, self.tile_start(piece.tile)) };
            self.give_back(tile);
            written?;
            if !stays_a_hole {
                self.mark(piece.tile);
            }
        }
        Ok(())
    }

    /// Consecutive row ranges that end at tiles.
    fn rows_by_tile(&self, rows: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let tile_rows = self.geometry.tile[0] as u64;
        let mut start = rows.start;
        std::iter::from_fn(move || {
            (start < rows.end).then(|| {
                let end = ((start / tile_rows + 1) * tile_rows).min(rows.end);
                std::mem::replace(&mut start, end)..end
            })
        })
    }

    fn tile_start(&self, tile: u64) -> u64 {
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

    fn mark(&self, tile: u64) {
        if let Some(word) = self.written.as_ref().and_then(|written| written.get((tile / 64) as usize)) {
            word.fetch_or(1 << (tile % 64), Ordering::Release);
        }
    }

    /// Zeroed memory, reused where some was given back.
    fn scratch(&self, length: usize) -> Vec<u8> {
        let mut memory = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        memory.clear();
        memory.resize(length, 0);
        memory
    }

    fn give_back(&self, memory: Vec<u8>) {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    fn read_at(&self, out: &mut [u8], start: u64) -> Result<()> {
        self.operations.read(out.len());
        self.file.read_exact_at(out, start).map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::Truncated {
                path: self.path.clone(),
                expected: start + out.len() as u64,
                found: self.file.metadata().map_or(0, |meta| meta.len()),
            },
            _ => Error::io(&self.path, "read tiles", source),
        })
    }

    fn write_at(&self, bytes: &[u8], start: u64) -> Result<()> {
        self.operations.wrote(bytes.len());
        self.file.write_all_at(bytes, start).map_err(|source| Error::io(&self.path, "write tiles", source))
    }

    fn check<T: Element>(&self, rows: &Range<u64>, channels: &Range<usize>, values: usize) -> Result<()> {
        if T::TYPE != self.kind {
            return Err(Error::type_mismatch(&self.table, &self.name, self.kind, T::TYPE));
        }
        if rows.start > rows.end || rows.end > self.geometry.rows {
            return Err(Error::RowRange {
                path: self.table.clone(),
                column: self.name.clone(),
                row: rows.end.max(rows.start),
                found: format!("the table has {} rows", self.geometry.rows),
            });
        }
        let cell = self.geometry.cell;
        if channels.start > channels.end || channels.end > cell[0] {
            return Err(self
                .shape_error(format!("channels {channels:?} of column {}, whose cells have {}", self.name, cell[0])));
        }
        let needed = usize::try_from(rows.end - rows.start)
            .ok()
            .and_then(|rows| rows.checked_mul(self.geometry.row_values(channels)));
        if needed != Some(values) {
            let rows = rows.end - rows.start;
            return Err(self.shape_error(format!(
                "{rows} rows of {} channels and {} correlations do not make the caller's {values} values",
                channels.len(),
                cell[1]
            )));
        }
        Ok(())
    }

    fn check_tile(&self, tile: usize, bytes: usize) -> Result<()> {
        let tiles: usize = self.geometry.grid().iter().product();
        if tile >= tiles || bytes != self.tile_bytes {
            return Err(self.shape_error(format!(
                "tile {tile} in {bytes} bytes of column {}, which has {tiles} tiles of {} bytes",
                self.name, self.tile_bytes
            )));
        }
        Ok(())
    }

    fn shape_error(&self, found: String) -> Error {
        Error::Shape { path: self.table.clone(), column: self.name.clone(), row: None, found }
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
