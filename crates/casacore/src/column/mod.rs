//! A column in bulk: any rows, any part of the cells, in chunks of constant memory, by tiles where it has them.

mod array;
mod chunks;
mod selection;
mod tiled;

use std::fmt;
use std::path::{Path, PathBuf};

pub use chunks::{Chunk, Chunks, RowNumbers};
pub use selection::Selection;

use crate::tiles::{NotTiled, TiledColumn};
use crate::{Cell, DataType, Element, Error, OpenOptions, Operations, Ragged, Result, Rows, Table};
use selection::Part;

/// How a column is read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Straight from its tiles, by all threads of the current rayon pool, without casacore.
    Tiles,
    /// Through one handle of casacore's, by one thread, because its tiles cannot be reached.
    General(NotTiled),
    /// Through casacore, because [`ColumnOptions::general`] asks for it.
    GeneralAsAsked,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tiles => f.write_str("by tiles"),
            Self::General(reason) => write!(f, "through casacore: {reason}"),
            Self::GeneralAsAsked => f.write_str("through casacore, as asked"),
        }
    }
}

/// How to open a column.
#[derive(Clone, Debug, Default)]
pub struct ColumnOptions {
    write: bool,
    general: bool,
    operations: Operations,
}

impl ColumnOptions {
    /// For reading, by tiles where there are any.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the column is to be written as well.
    #[must_use]
    pub fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    /// Whether to go through casacore even where there are tiles; the values are the same.
    #[must_use]
    pub fn general(mut self, general: bool) -> Self {
        self.general = general;
        self
    }

    /// Counts what is done to the column in `operations`.
    #[must_use]
    pub fn operations(mut self, operations: &Operations) -> Self {
        self.operations = operations.clone();
        self
    }

    /// Opens a column of the table at `table`.
    ///
    /// # Errors
    ///
    /// [`Error::NoTable`], [`Error::NoColumn`]; [`Error::Damaged`] and [`Error::Truncated`] for files that are not what
    /// the table says; for writing [`Error::InUse`] and [`Error::Locked`]; what casacore finds wrong.
    pub fn open(&self, table: impl AsRef<Path>, column: &str) -> Result<Column> {
        let table = table.as_ref();
        let way = match self.general {
            true => Way::GeneralAsAsked,
            false => match TiledColumn::open_with(table, column, self.write, &self.operations) {
                Ok(tiles) => return Ok(Column::of_tiles(tiles)),
                Err(Error::NotTiled { reason, .. }) => Way::General(reason),
                Err(error) => return Err(error),
            },
        };
        let table = OpenOptions::new().write(self.write).operations(&self.operations).open(table)?;
        Column::of_table(table, column, way)
    }
}

/// A column that was opened to be read or written in bulk, whatever its storage manager.
///
/// Where the column is tiled ([`TiledColumn`]), every thread of the current rayon pool reads and writes tiles; everything
/// else goes through one casacore handle. [`Self::way`] says which. Either way the values are the same.
///
/// ```
/// use casacore::{Column, ColumnDesc, Complex32, DataType, Layout, Manager, Selection, Way};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("small.ms");
/// // 100 rows of 8 channels and 2 correlations.
/// Layout::new()
///     .column(ColumnDesc::fixed("DATA", DataType::Complex32, [8, 2]))
///     .manager(Manager::tiled_column("TiledData", [32, 4, 2]).holding(["DATA"]))
///     .create(&path, 100)?
///     .close()?;
///
/// // Channel by channel amplitudes, 30 rows at a time, in one buffer.
/// let data = Column::open_rw(&path, "DATA")?;
/// assert_eq!(*data.way(), Way::Tiles);
/// data.fill::<Complex32, casacore::Error>(&Selection::all(), 30, |rows, values| {
///     let first = rows.clone().next().unwrap_or(0);
///     values.iter_mut().enumerate().for_each(|(i, v)| v.re = (first * 16 + i as u64) as f32);
///     Ok(())
/// })?;
/// let mut sum = 0.0;
/// let mut chunks = data.chunks::<Complex32>(&Selection::all().channels(2..4).correlations(1..2), 30)?;
/// while let Some(chunk) = chunks.next_chunk()? {
///     assert_eq!(chunk.shape, Some(&[2, 1][..]));
///     sum += chunk.values.iter().map(|v| f64::from(v.re)).sum::<f64>();
/// }
/// assert_eq!(sum, (0..100).map(|row| f64::from(row * 16 + 5 + row * 16 + 7)).sum());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Column {
    name: String,
    kind: DataType,
    rows: u64,
    /// The shape of every cell; none where each may have its own or no value.
    shape: Option<Vec<usize>>,
    way: Way,
    access: Access,
}

#[derive(Debug)]
enum Access {
    Tiles(Box<TiledColumn>),
    General(Box<Table>),
}

impl Column {
    /// Opens a column of the table at `table` for reading.
    ///
    /// # Errors
    ///
    /// As [`ColumnOptions::open`].
    pub fn open(table: impl AsRef<Path>, column: &str) -> Result<Self> {
        ColumnOptions::new().open(table, column)
    }

    /// Opens a column for reading and writing.
    ///
    /// # Errors
    ///
    /// As [`ColumnOptions::open`].
    pub fn open_rw(table: impl AsRef<Path>, column: &str) -> Result<Self> {
        ColumnOptions::new().write(true).open(table, column)
    }

    fn of_tiles(tiles: TiledColumn) -> Self {
        Self {
            name: tiles.name().to_owned(),
            kind: tiles.kind(),
            rows: tiles.rows(),
            shape: Some(tiles.cell_shape().to_vec()),
            way: Way::Tiles,
            access: Access::Tiles(Box::new(tiles)),
        }
    }

    fn of_table(table: Table, name: &str, way: Way) -> Result<Self> {
        let column = table.column(name)?;
        let shape = match column.cell {
            Cell::Scalar => Some(Vec::new()),
            Cell::Fixed(shape) => Some(shape),
            Cell::Variable(_) => None,
        };
        let access = Access::General(Box::new(table));
        let rows = access.table().map_or(Ok(0), Table::rows)?;
        Ok(Self { name: name.to_owned(), kind: column.kind, rows, shape, way, access })
    }

    /// The column's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is read and written, and why.
    #[must_use]
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// The type of its values.
    #[must_use]
    pub fn kind(&self) -> DataType {
        self.kind
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The shape of every cell, the last axis fastest and empty for scalars; none where each cell may have its own shape
    /// or no value.
    #[must_use]
    pub fn cell_shape(&self) -> Option<&[usize]> {
        self.shape.as_deref()
    }

    /// The tiles, for work on them by threads of your own.
    #[must_use]
    pub fn tiles(&self) -> Option<&TiledColumn> {
        match &self.access {
            Access::Tiles(tiles) => Some(tiles),
            Access::General(_) => None,
        }
    }

    /// What this column was opened with counts here.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        match &self.access {
            Access::Tiles(tiles) => tiles.operations(),
            Access::General(table) => table.operations(),
        }
    }

    /// Reads what is selected into `out`, `[row, part of the cell…]`, the last axis fastest. `out` must be exactly as long.
    ///
    /// # Errors
    ///
    /// [`Error::Type`], [`Error::RowRange`], [`Error::Undefined`]; [`Error::Shape`] where cells differ in shape, the part
    /// lies outside a cell, or `out` does not fit; [`Error::Io`] and [`Error::Truncated`].
    pub fn read<T: Element>(&self, selection: &Selection<'_>, out: &mut [T]) -> Result<()> {
        let rows = selection.rows_of(self.rows);
        self.check_rows(&rows)?;
        self.read_rows(&rows, selection, out)
    }

    fn read_rows<T: Element>(&self, rows: &Rows<'_>, selection: &Selection<'_>, out: &mut [T]) -> Result<()> {
        match &self.access {
            Access::Tiles(tiles) => tiled::read(tiles, rows, &selection.part, out),
            Access::General(table) => match self.slice_of(selection)? {
                None => table.read(&self.name, rows.clone(), out),
                Some(slice) => table.read_slice(&self.name, rows.clone(), &slice, out),
            },
        }
    }

    /// Writes `values`, `[row, part of the cell…]`, to what is selected. Cells of variable shape must have one already.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; [`Error::ReadOnly`].
    pub fn write<T: Element>(&self, selection: &Selection<'_>, values: &[T]) -> Result<()> {
        let rows = selection.rows_of(self.rows);
        self.check_rows(&rows)?;
        self.write_rows(&rows, selection, values)
    }

    fn write_rows<T: Element>(&self, rows: &Rows<'_>, selection: &Selection<'_>, values: &[T]) -> Result<()> {
        match &self.access {
            Access::Tiles(tiles) => tiled::write(tiles, rows, &selection.part, values),
            Access::General(table) => table.put(&self.name, rows, self.slice_of(selection)?.as_deref(), None, values),
        }
    }

    /// Reads cells, each with its own shape or undefined.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_ragged<T: Element>(&self, rows: &Rows<'_>) -> Result<Ragged<T>> {
        self.check_rows(rows)?;
        match &self.access {
            Access::General(table) => table.read_ragged(&self.name, rows.clone()),
            Access::Tiles(tiles) => {
                let cell: usize = tiles.cell().iter().product();
                let count = usize::try_from(rows.len()).unwrap_or(usize::MAX);
                let mut values = buffer(&self.table_path(), cell.checked_mul(count))?;
                tiled::read(tiles, rows, &Part::Whole, &mut values)?;
                Ok(Ragged { shapes: vec![Some(tiles.cell_shape().to_vec()); count], values })
            }
        }
    }

    /// Writes what casacore still holds, and closes the column; tiles are in their file already. Nothing is brought to the
    /// disk ([`TiledColumn::sync`]).
    ///
    /// # Errors
    ///
    /// As [`Table::close`].
    pub fn close(self) -> Result<()> {
        match self.access {
            Access::Tiles(_) => Ok(()),
            Access::General(table) => table.close(),
        }
    }

    /// The table's folder.
    fn table_path(&self) -> PathBuf {
        match &self.access {
            Access::Tiles(tiles) => tiles.table().to_owned(),
            Access::General(table) => table.path().to_owned(),
        }
    }

    /// The shape of what is selected of each cell; none where cells have shapes of their own and all of each is wanted.
    fn part_shape(&self, selection: &Selection<'_>) -> Result<Option<Vec<usize>>> {
        match (&selection.part, &self.shape) {
            (Part::Whole, shape) => Ok(shape.clone()),
            (Part::Slice(slice), None) => Ok(Some(slice.shape())),
            (part, Some(shape)) => part.shape(shape).map(Some).ok_or_else(|| self.outside(selection, shape)),
            (Part::Axes { .. }, None) => Err(self.shape_error(format!(
                "cells of column {} have shapes of their own: select by a slice, or choose the rows of one shape",
                self.name
            ))),
        }
    }

    /// The part of the cells as casacore takes it.
    fn slice_of<'s>(&self, selection: &'s Selection<'_>) -> Result<Option<std::borrow::Cow<'s, crate::CellSlice>>> {
        use std::borrow::Cow;
        match (&selection.part, &self.shape) {
            (Part::Whole, _) => Ok(None),
            (Part::Slice(slice), _) => Ok(Some(Cow::Borrowed(slice))),
            (part, Some(shape)) => {
                part.slice(shape).map(|slice| Some(Cow::Owned(slice))).ok_or_else(|| self.outside(selection, shape))
            }
            (Part::Axes { .. }, None) => self.part_shape(selection).map(|_| None),
        }
    }

    fn outside(&self, selection: &Selection<'_>, shape: &[usize]) -> Error {
        self.shape_error(format!("{} of column {}, whose cells are {shape:?}", selection.part, self.name))
    }

    fn check_rows(&self, rows: &Rows<'_>) -> Result<()> {
        let past = match rows {
            Rows::Range(range) if rows.is_empty() => (range.start > self.rows).then_some(range.start),
            Rows::Range(range) => (range.end > self.rows).then(|| range.end - 1),
            Rows::List(list) => list.iter().copied().find(|&row| row >= self.rows),
        };
        past.map_or(Ok(()), |row| {
            Err(Error::RowRange {
                path: self.table_path(),
                column: self.name.clone(),
                row,
                found: format!("the table has {} rows", self.rows),
            })
        })
    }

    fn shape_error(&self, found: String) -> Error {
        Error::Shape { path: self.table_path(), column: self.name.clone(), row: None, found }
    }
}

impl Access {
    fn table(&self) -> Option<&Table> {
        match self {
            Self::Tiles(_) => None,
            Self::General(table) => Some(table),
        }
    }
}

/// Zeroed values, refused with an error where memory has no room for them.
fn buffer<T: Element>(path: &Path, values: Option<usize>) -> Result<Vec<T>> {
    let mut buffer = Vec::new();
    match values {
        Some(values) if buffer.try_reserve_exact(values).is_ok() => {
            buffer.resize(values, T::default());
            Ok(buffer)
        }
        _ => Err(Error::io(path, "read values that do not fit in memory", std::io::ErrorKind::OutOfMemory.into())),
    }
}
