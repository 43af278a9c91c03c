//! The columns that blocks fill: by tiles, or through casacore where cells have several shapes.

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use casacore::tiles::TiledColumn;
use casacore::{Element, Ragged, Table};

use crate::layout::Layout;
use crate::table::{failed, unlocked};
use crate::{Error, MsOptions, WeightSpectrum};

/// A column that blocks fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Data,
    Flag,
    WeightSpectrum,
    Weight,
    Sigma,
    Uvw,
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Data => "DATA",
            Self::Flag => "FLAG",
            Self::WeightSpectrum => "WEIGHT_SPECTRUM",
            Self::Weight => "WEIGHT",
            Self::Sigma => "SIGMA",
            Self::Uvw => "UVW",
        }
    }
}

/// The columns of an open set.
#[derive(Debug)]
pub(crate) enum Bulk {
    /// All cells of a column have one shape: any thread writes its tiles.
    Tiled(Vec<(Column, TiledColumn)>),
    /// Spectral windows differ in their channels: one thread at a time, through casacore.
    General(Mutex<Table>),
}

impl Bulk {
    /// Opens the columns of a set that was just made.
    pub(crate) fn open(path: &Path, layout: &Layout, options: &MsOptions) -> Result<Self, Error> {
        if !layout.is_uniform() {
            let table = unlocked().open(path).map_err(|e| failed(path, "MAIN", e))?;
            return Ok(Self::General(Mutex::new(table)));
        }
        let mut columns = Vec::new();
        for column in [Column::Data, Column::Flag, Column::WeightSpectrum, Column::Weight, Column::Sigma, Column::Uvw] {
            if column != Column::WeightSpectrum || options.weight_spectrum != WeightSpectrum::Never {
                let tiles = TiledColumn::open_rw(path, column.name()).map_err(|e| failed(path, column.name(), e))?;
                columns.push((column, tiles));
            }
        }
        Ok(Self::Tiled(columns))
    }

    /// Takes the room for all of DATA at once.
    pub(crate) fn reserve(&self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Tiled(columns) => {
                let mut data = columns.iter().filter(|(column, _)| *column == Column::Data);
                data.try_for_each(|(column, tiles)| tiles.reserve().map_err(|e| failed(path, column.name(), e)))
            }
            Self::General(_) => Ok(()),
        }
    }

    /// Whether parts of cells can be written: [`put`](Self::put) takes any channels, from any thread.
    pub(crate) fn is_tiled(&self) -> bool {
        matches!(self, Self::Tiled(_))
    }

    /// Writes rows of MAIN from `first` on: of a spectral column the channels `channels`, of the others `0..1`.
    ///
    /// - `values`: `[row, channel, correlation]` or `[row, element]`
    pub(crate) fn put<T: Element>(
        &self,
        path: &Path,
        column: Column,
        rows: Range<usize>,
        channels: Range<usize>,
        values: &[T],
    ) -> Result<(), Error> {
        let range = rows.start as u64..rows.end as u64;
        let result = match self {
            Self::Tiled(columns) => {
                let Some((_, tiles)) = columns.iter().find(|(c, _)| *c == column) else { return Ok(()) };
                let tile = tiles.tile()[0];
                let whole =
                    rows.start.is_multiple_of(tile) && (rows.end.is_multiple_of(tile) || range.end == tiles.rows());
                if whole { tiles.write(range, channels, values) } else { tiles.update(range, channels, values) }
            }
            Self::General(table) => lock(table).write(column.name(), range, values),
        };
        result.map_err(|e| failed(path, column.name(), e))
    }

    /// Writes whole cells of `[channel, correlation]`, which get that shape. Only for columns that are not tiled.
    pub(crate) fn put_cells<T: Element>(
        &self,
        path: &Path,
        column: &str,
        rows: Range<usize>,
        shape: [usize; 2],
        values: Vec<T>,
    ) -> Result<(), Error> {
        let Self::General(table) = self else { return Ok(()) };
        let cells = Ragged { shapes: vec![Some(shape.to_vec()); rows.len()], values };
        lock(table)
            .write_ragged(column, rows.start as u64..rows.end as u64, &cells)
            .map_err(|e| failed(path, column, e))
    }

    /// Reads WEIGHT back.
    pub(crate) fn weight(&self, path: &Path, rows: Range<usize>, out: &mut [f32]) -> Result<(), Error> {
        let range = rows.start as u64..rows.end as u64;
        let result = match self {
            Self::Tiled(columns) => match columns.iter().find(|(c, _)| *c == Column::Weight) {
                Some((_, tiles)) => tiles.read(range, 0..1, out),
                None => Ok(()),
            },
            Self::General(table) => lock(table).read("WEIGHT", range, out),
        };
        result.map_err(|e| failed(path, "WEIGHT", e))
    }

    /// Closes the columns.
    pub(crate) fn close(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Tiled(_) => Ok(()),
            Self::General(table) => {
                table.into_inner().unwrap_or_else(PoisonError::into_inner).close().map_err(|e| failed(path, "MAIN", e))
            }
        }
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
