//! Values between the caller's memory and the file: what is asked for, checked and cut into work for threads.
#![expect(unsafe_code, reason = "looks at slices of plain values as bytes")]

use std::ops::Range;

use rayon::prelude::*;

use super::column::TiledColumn;
use super::geometry::{Piece, Window};
use super::memory::{Flat, Source, Target};
use crate::{DataType, Element, Error, Result};

/// Bytes of the caller's memory that one task of a parallel call moves, about: enough that starting it costs nothing, and
/// few enough that all threads end together.
const TASK_BYTES: usize = 1 << 20;

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
        self.read_window(&self.geometry.window(rows, channels), out)
    }

    /// As [`Self::read`], by the threads of the current rayon pool.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn par_read<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, out: &mut [T]) -> Result<()> {
        self.par_read_window(&self.geometry.window(rows, channels), out)
    }

    /// Any rows, channels and correlations, by the calling thread.
    pub(crate) fn read_part<T: Element>(
        &self,
        rows: Range<u64>,
        part: &[Range<usize>; 2],
        out: &mut [T],
    ) -> Result<()> {
        self.read_window(&window(rows, part), out)
    }

    /// As [`Self::read_part`], by the threads of the current rayon pool.
    pub(crate) fn par_read_part<T: Element>(
        &self,
        rows: Range<u64>,
        part: &[Range<usize>; 2],
        out: &mut [T],
    ) -> Result<()> {
        self.par_read_window(&window(rows, part), out)
    }

    /// As [`Self::par_read_part`], into rows that lie apart.
    pub(crate) fn par_read_rows<T: Element>(
        &self,
        rows: Range<u64>,
        part: &[Range<usize>; 2],
        out: &mut [&mut [T]],
    ) -> Result<()> {
        let window = window(rows, part);
        self.check::<T>(&window, rows_values(out.len(), out.iter().map(|row| row.len()), &window))?;
        // SAFETY: reading leaves values, see `read_window`.
        let mut out: Vec<&mut [u8]> = out.iter_mut().map(|row| unsafe { bytes_mut(row) }).collect();
        self.par_get::<T, _>(&window, out.as_mut_slice())
    }

    fn read_window<T: Element>(&self, window: &Window, out: &mut [T]) -> Result<()> {
        self.check::<T>(window, Some(out.len()))?;
        let row = window.row_values() * size_of::<T>();
        // SAFETY: what `get` writes are values of `T`: 0 or 1 for truth values, and for the others any bytes are.
        self.get::<T, _>(window, &mut Flat { bytes: unsafe { bytes_mut(out) }, row })
    }

    fn par_read_window<T: Element>(&self, window: &Window, out: &mut [T]) -> Result<()> {
        self.check::<T>(window, Some(out.len()))?;
        let row = window.row_values() * size_of::<T>();
        // SAFETY: as in `read_window`.
        self.par_get::<T, _>(window, Flat { bytes: unsafe { bytes_mut(out) }, row })
    }

    fn par_get<T: Element, O: Target>(&self, window: &Window, out: O) -> Result<()> {
        let parts = self.parts(window, window.row_values() * size_of::<T>());
        if parts.len() < 2 {
            let mut out = out;
            return self.get::<T, _>(window, &mut out);
        }
        let mut rest = Some(out);
        let parts: Vec<(Window, O)> = parts
            .into_iter()
            .filter_map(|part| {
                let (head, tail) = rest.take()?.split((part.end - part.start) as usize);
                rest = Some(tail);
                Some((window.of_rows(part), head))
            })
            .collect();
        parts.into_par_iter().try_for_each(|(part, mut out)| self.get::<T, _>(&part, &mut out))
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
        let window = self.geometry.window(rows, channels);
        self.check_write::<T>(&window, Some(values.len()))?;
        self.check_whole(&window)?;
        self.put::<T, _>(&window, &flat(values, &window))
    }

    /// As [`Self::write`], by the threads of the current rayon pool.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn par_write<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, values: &[T]) -> Result<()> {
        let window = self.geometry.window(rows, channels);
        self.check_write::<T>(&window, Some(values.len()))?;
        self.check_whole(&window)?;
        self.par_put::<T, _>(&window, flat(values, &window))
    }

    /// Writes a window of any rows and channels: what it covers in part is read, changed and written. Updates of one tile
    /// by several threads take turns; [`Self::write`] does not take part in them.
    ///
    /// # Errors
    ///
    /// As [`Self::write`], but for partial tiles.
    pub fn update<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, values: &[T]) -> Result<()> {
        let window = self.geometry.window(rows, channels);
        self.check_write::<T>(&window, Some(values.len()))?;
        self.put::<T, _>(&window, &flat(values, &window))
    }

    /// As [`Self::update`], by the threads of the current rayon pool.
    ///
    /// # Errors
    ///
    /// As [`Self::update`].
    pub fn par_update<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, values: &[T]) -> Result<()> {
        let window = self.geometry.window(rows, channels);
        self.check_write::<T>(&window, Some(values.len()))?;
        self.par_put::<T, _>(&window, flat(values, &window))
    }

    /// Any rows, channels and correlations, by the calling thread.
    pub(crate) fn update_part<T: Element>(
        &self,
        rows: Range<u64>,
        part: &[Range<usize>; 2],
        values: &[T],
    ) -> Result<()> {
        let window = window(rows, part);
        self.check_write::<T>(&window, Some(values.len()))?;
        self.put::<T, _>(&window, &flat(values, &window))
    }

    /// As [`Self::update_part`], by the threads of the current rayon pool.
    pub(crate) fn par_update_part<T: Element>(
        &self,
        rows: Range<u64>,
        part: &[Range<usize>; 2],
        values: &[T],
    ) -> Result<()> {
        let window = window(rows, part);
        self.check_write::<T>(&window, Some(values.len()))?;
        self.par_put::<T, _>(&window, flat(values, &window))
    }

    /// As [`Self::par_update_part`], from rows that lie apart.
    pub(crate) fn par_update_rows<T: Element>(
        &self,
        rows: Range<u64>,
        part: &[Range<usize>; 2],
        values: &[&[T]],
    ) -> Result<()> {
        let window = window(rows, part);
        self.check_write::<T>(&window, rows_values(values.len(), values.iter().map(|row| row.len()), &window))?;
        let values: Vec<&[u8]> = values.iter().map(|row| bytes(row)).collect();
        self.par_put::<T, _>(&window, values.as_slice())
    }

    /// Tiles, and not rows, are shared out: the longer a write, the larger the pages in which the system keeps the file.
    fn par_put<T: Element, I: Source>(&self, window: &Window, values: I) -> Result<()> {
        if self.geometry.is_plain(window) {
            let mut rest = values;
            let parts: Vec<(Window, I)> = self
                .parts(window, window.row_values() * size_of::<T>())
                .into_iter()
                .map(|part| {
                    let (head, tail) = rest.split((part.end - part.start) as usize);
                    rest = tail;
                    (window.of_rows(part), head)
                })
                .collect();
            return parts.into_par_iter().try_for_each(|(part, values)| self.put::<T, _>(&part, &values));
        }
        let pieces: Vec<Piece> = self.geometry.pieces(window).collect();
        let least = TASK_BYTES.div_ceil(4 * self.tile_bytes);
        pieces.into_par_iter().with_min_len(least).try_for_each(|piece| self.put_part::<T, I>(&piece, window, &values))
    }

    /// Reads the bytes of tile number `tile` as they are in the file: bits for truth values, the file's byte order.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there is no such tile or `out` is not [`Self::tile_bytes`] long; [`Error::Io`].
    pub fn read_tile_bytes(&self, tile: usize, out: &mut [u8]) -> Result<()> {
        self.check_tile(tile, out.len())?;
        self.operations.read(out.len());
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
        self.operations.wrote(bytes.len());
        self.write_at(bytes, self.tile_start(tile as u64))?;
        self.mark(tile as u64);
        Ok(())
    }

    /// The window's rows, cut for threads: at the ends of tiles where tiles are no larger than a task, and within tiles
    /// that are. Rows of truth values are cut at tiles, whose bits share bytes.
    fn parts(&self, window: &Window, row_bytes: usize) -> Vec<Range<u64>> {
        let (tile_rows, rows) = (self.geometry.tile[0] as u64, &window.rows);
        let most = (TASK_BYTES / row_bytes.max(1)).max(1) as u64;
        let step = match tile_rows {
            _ if tile_rows <= most => tile_rows * (most / tile_rows),
            _ if self.kind == DataType::Bool => tile_rows,
            // Equal parts of a tile.
            _ => tile_rows.div_ceil(tile_rows.div_ceil(most)),
        };
        let mut parts = Vec::new();
        let mut start = rows.start;
        while start < rows.end {
            let in_tile = if step > tile_rows { 0 } else { start / tile_rows * tile_rows };
            let next = in_tile + ((start - in_tile) / step + 1) * step;
            let end = if step > tile_rows { next } else { next.min(in_tile + tile_rows) }.min(rows.end);
            parts.push(start..end);
            start = end;
        }
        parts
    }

    pub(crate) fn check_type<T: Element>(&self) -> Result<()> {
        match T::TYPE == self.kind {
            true => Ok(()),
            false => Err(Error::type_mismatch(&self.table, &self.name, self.kind, T::TYPE)),
        }
    }

    fn check<T: Element>(&self, window: &Window, values: Option<usize>) -> Result<()> {
        let Window { rows, channels, correlations } = window;
        self.check_type::<T>()?;
        if rows.start > rows.end || rows.end > self.geometry.rows {
            return Err(Error::RowRange {
                path: self.table.clone(),
                column: self.name.clone(),
                row: rows.end.max(rows.start),
                found: format!("the table has {} rows", self.geometry.rows),
            });
        }
        let cell = self.geometry.cell;
        let outside = |range: &Range<usize>, length: usize| range.start > range.end || range.end > length;
        if outside(channels, cell[0]) || outside(correlations, cell[1]) {
            return Err(self.shape_error(format!(
                "channels {channels:?} and correlations {correlations:?} of column {}, whose cells have {} and {}",
                self.name, cell[0], cell[1]
            )));
        }
        let rows = rows.end - rows.start;
        let needed = usize::try_from(rows).ok().and_then(|rows| rows.checked_mul(window.row_values()));
        if needed.is_none() || needed != values {
            let found = values.map_or("rows of another length".to_owned(), |n| format!("{n} values"));
            return Err(self.shape_error(format!(
                "{rows} rows of {} channels and {} correlations do not make the caller's {found}",
                channels.len(),
                correlations.len()
            )));
        }
        Ok(())
    }

    fn check_write<T: Element>(&self, window: &Window, values: Option<usize>) -> Result<()> {
        self.need_writer()?;
        self.check::<T>(window, values)
    }

    fn check_whole(&self, window: &Window) -> Result<()> {
        if self.geometry.covers_tiles(window) {
            return Ok(());
        }
        let [tile_rows, tile_channels, _] = self.geometry.tile;
        Err(self.shape_error(format!(
            "rows {:?} and channels {:?} of column {} are not whole tiles of {tile_rows} rows and {tile_channels} channels",
            window.rows, window.channels, self.name
        )))
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

fn window(rows: Range<u64>, [channels, correlations]: &[Range<usize>; 2]) -> Window {
    Window { rows, channels: channels.clone(), correlations: correlations.clone() }
}

fn flat<'a, T: Element>(values: &'a [T], window: &Window) -> Flat<&'a [u8]> {
    Flat { bytes: bytes(values), row: window.row_values() * size_of::<T>() }
}

/// The values of rows that lie apart, if each has those of the window's rows.
fn rows_values(rows: usize, mut lengths: impl Iterator<Item = usize>, window: &Window) -> Option<usize> {
    let row = window.row_values();
    lengths.all(|length| length == row).then(|| rows.checked_mul(row)).flatten()
}
