//! Reading and writing a column's values in bulk: one call into casacore for the whole range.
#![expect(unsafe_code, reason = "passes the caller's buffers to the C interface as pointers")]

use std::ops::Range;

use crate::handle::Place;
use crate::record::wire;
use crate::{Element, Error, Record, Result, Table};

/// Which rows to read or write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows<'a> {
    /// Consecutive rows.
    Range(Range<u64>),
    /// These rows, in this order.
    List(&'a [u64]),
}

impl Rows<'_> {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Range(range) => range.end.saturating_sub(range.start),
            Self::List(rows) => rows.len() as u64,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Range<u64>> for Rows<'_> {
    fn from(range: Range<u64>) -> Self {
        Self::Range(range)
    }
}

impl From<u64> for Rows<'_> {
    /// One row.
    fn from(row: u64) -> Self {
        Self::Range(row..row.saturating_add(1))
    }
}

impl<'a> From<&'a [u64]> for Rows<'a> {
    fn from(rows: &'a [u64]) -> Self {
        Self::List(rows)
    }
}

/// A part of every cell of a column of arrays: along each axis a range and a step, the last axis fastest.
///
/// ```
/// use casacore::CellSlice;
///
/// // Channels 16 to 31 and both ends of four correlations of a [channel, correlation] cell.
/// let slice = CellSlice::new([16..32, 0..4]).step(1, 3);
/// assert_eq!(slice.shape(), [16, 2]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellSlice {
    pub(crate) axes: Vec<(Range<usize>, usize)>,
}

impl CellSlice {
    /// A range along each axis.
    #[must_use]
    pub fn new(axes: impl IntoIterator<Item = Range<usize>>) -> Self {
        Self { axes: axes.into_iter().map(|range| (range, 1)).collect() }
    }

    /// Takes only each `step`th element along an axis. Out of range axes and a step of 0 are refused when read.
    #[must_use]
    pub fn step(mut self, axis: usize, step: usize) -> Self {
        if let Some(axis) = self.axes.get_mut(axis) {
            axis.1 = step;
        }
        self
    }

    /// Channels and correlations of at most two axes without steps; none for others.
    pub(crate) fn window(&self) -> Option<[Range<usize>; 2]> {
        let plain = self.axes.len() <= 2 && self.axes.iter().all(|axis| axis.1 == 1);
        let axis = |from_last: usize| {
            let axis = self.axes.len().checked_sub(from_last).and_then(|axis| self.axes.get(axis));
            axis.map_or(0..1, |(range, _)| range.clone())
        };
        plain.then(|| [axis(2), axis(1)])
    }

    /// The shape of the part.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|(range, step)| range.len().div_ceil((*step).max(1))).collect()
    }
}

/// Cells of a column, each with a shape of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ragged<T> {
    /// The shape of each cell, the last axis fastest; none for a cell without a value.
    pub shapes: Vec<Option<Vec<usize>>>,
    /// The values of all cells, one after another.
    pub values: Vec<T>,
}

impl<T> Ragged<T> {
    /// The cells in order, each with its shape and values; none for a cell without a value.
    pub fn cells(&self) -> impl Iterator<Item = Option<(&[usize], &[T])>> {
        let mut rest = self.values.as_slice();
        self.shapes.iter().map(move |shape| {
            let shape = shape.as_deref()?;
            let (cell, tail) = rest.split_at_checked(volume(shape)).unwrap_or((rest, &[]));
            rest = tail;
            Some((shape, cell))
        })
    }
}

/// The elements of a cell: none for an array without axes, as casacore has it.
pub(crate) fn volume(shape: &[usize]) -> usize {
    if shape.is_empty() { 0 } else { shape.iter().fold(1, |n, &length| n.saturating_mul(length)) }
}

/// Rows and slice in the form that the shim takes.
struct Request {
    first: u64,
    count: u64,
    start: Vec<i64>,
    length: Vec<i64>,
    step: Vec<i64>,
}

impl Request {
    fn new(rows: &Rows<'_>, slice: Option<&CellSlice>) -> Self {
        let (first, count) = match rows {
            Rows::Range(range) => (range.start, rows.len()),
            Rows::List(list) => (0, list.len() as u64),
        };
        let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let axes = || slice.into_iter().flat_map(|slice| slice.axes.iter().rev());
        Self {
            first,
            count,
            start: axes().map(|(range, _)| int(range.start)).collect(),
            length: axes().map(|(range, step)| int(range.len().div_ceil((*step).max(1)))).collect(),
            step: axes().map(|(_, step)| int(*step)).collect(),
        }
    }

    fn place<'a>(&'a self, column: &'a str, rows: &'a Rows<'a>) -> Place<'a> {
        let list = match rows {
            Rows::Range(_) => None,
            Rows::List(list) => Some(*list),
        };
        let Self { first, count, start, length, step } = self;
        Place { column, first: *first, count: *count, list, start, length, step }
    }
}

impl Table {
    /// Reads rows of a column into `out`: one value a row for scalars, `[row, cell axes…]` with the last axis fastest
    /// for arrays of one shape. `out` must be exactly as long.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::Type`], [`Error::RowRange`], [`Error::Shape`] where cells differ or `out` does not
    /// fit, [`Error::Undefined`].
    pub fn read<'r, T: Element>(&self, column: &str, rows: impl Into<Rows<'r>>, out: &mut [T]) -> Result<()> {
        self.get(column, &rows.into(), None, false, out)
    }

    /// As [`Self::read`], for a part of every cell: `out` is `[row, part of the cell…]`.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; [`Error::Shape`] where the part lies outside a cell.
    pub fn read_slice<'r, T: Element>(
        &self,
        column: &str,
        rows: impl Into<Rows<'r>>,
        slice: &CellSlice,
        out: &mut [T],
    ) -> Result<()> {
        self.get(column, &rows.into(), Some(slice), false, out)
    }

    /// As [`Self::read`], into a new vector.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_vec<'r, T: Element>(&self, column: &str, rows: impl Into<Rows<'r>>) -> Result<Vec<T>> {
        let rows = rows.into();
        let per_row = match self.fixed_shape(column)? {
            Some(shape) => shape.iter().product(),
            // Every cell must have the shape of the first: `read` refuses the others.
            None => match &rows {
                rows if rows.is_empty() => 0,
                Rows::Range(range) => self.cell_volume(column, range.start)?,
                Rows::List(list) => self.cell_volume(column, list[0])?,
            },
        };
        let mut out = vec![T::default(); self.room(column, &rows, per_row)?];
        self.get(column, &rows, None, false, &mut out)?;
        Ok(out)
    }

    fn cell_volume(&self, column: &str, row: u64) -> Result<usize> {
        let shape = self.cell_shape(column, row)?;
        shape.map(|shape| volume(&shape)).ok_or_else(|| Error::Undefined {
            path: self.path().into(),
            column: column.into(),
            row,
        })
    }

    /// The values that `rows` hold, refused before memory is asked for when the table has no such rows.
    fn room(&self, column: &str, rows: &Rows<'_>, per_row: usize) -> Result<usize> {
        let total = self.rows()?;
        let past = match rows {
            Rows::Range(range) => (range.end > total && !rows.is_empty()).then(|| range.end - 1),
            Rows::List(list) => list.iter().copied().find(|&row| row >= total),
        };
        if let Some(row) = past {
            let found = format!("the table has {total} rows");
            return Err(Error::RowRange { path: self.path().into(), column: column.into(), row, found });
        }
        let values = usize::try_from(rows.len()).ok().and_then(|rows| rows.checked_mul(per_row));
        values.ok_or_else(|| Error::Shape {
            path: self.path().into(),
            column: column.into(),
            row: None,
            found: "more values than memory has addresses".into(),
        })
    }

    /// Writes `values` to rows of a column: one value a row for scalars, `[row, cell axes…]` with the last axis fastest
    /// for arrays that have a shape already. Cells of variable shape get theirs from [`Self::write_ragged`] or
    /// [`Self::write_cell`].
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; [`Error::ReadOnly`], [`Error::Io`].
    pub fn write<'r, T: Element>(&mut self, column: &str, rows: impl Into<Rows<'r>>, values: &[T]) -> Result<()> {
        self.put(column, &rows.into(), None, None, values)
    }

    /// As [`Self::write`], to a part of every cell.
    ///
    /// # Errors
    ///
    /// As [`Self::write`]; [`Error::Shape`] where the part lies outside a cell.
    pub fn write_slice<'r, T: Element>(
        &mut self,
        column: &str,
        rows: impl Into<Rows<'r>>,
        slice: &CellSlice,
        values: &[T],
    ) -> Result<()> {
        self.put(column, &rows.into(), Some(slice), None, values)
    }

    /// Reads strings: one a row, or `[row, cell axes…]` for arrays of one shape.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_strings<'r>(&self, column: &str, rows: impl Into<Rows<'r>>) -> Result<Vec<String>> {
        let rows = rows.into();
        let request = Request::new(&rows, None);
        let strings = self.handle.get_strings(&request.place(column, &rows), false, strings)?;
        self.operations.read(strings.iter().map(String::len).sum());
        Ok(strings)
    }

    /// Reads records, one a row, such as SOURCE_MODEL of old Measurement Sets. A cell that was never written is an empty
    /// one, as casacore has it.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::Type`], [`Error::RowRange`].
    pub fn read_records<'r>(&self, column: &str, rows: impl Into<Rows<'r>>) -> Result<Vec<Record>> {
        let rows = rows.into();
        let request = Request::new(&rows, None);
        self.handle.get_records(&request.place(column, &rows), |bytes| {
            self.operations.read(bytes.len());
            one_after_another(bytes, wire::Reader::record)
        })
    }

    /// Writes strings: one a row, or `[row, cell axes…]` for arrays that have a shape already.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn write_strings<'r, S: AsRef<str>>(
        &mut self,
        column: &str,
        rows: impl Into<Rows<'r>>,
        values: &[S],
    ) -> Result<()> {
        let rows = rows.into();
        let request = Request::new(&rows, None);
        let bytes = string_bytes(values);
        self.operations.wrote(bytes.len());
        self.handle.put_strings(&request.place(column, &rows), None, &bytes, values.len())
    }

    /// The shape of each cell, the last axis fastest and empty for a scalar; none for a cell without a value.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::RowRange`].
    pub fn shapes<'r>(&self, column: &str, rows: impl Into<Rows<'r>>) -> Result<Vec<Option<Vec<usize>>>> {
        let rows = rows.into();
        let request = Request::new(&rows, None);
        self.handle.shapes(&request.place(column, &rows), shapes)
    }

    /// Whether a cell has a value.
    ///
    /// # Errors
    ///
    /// As [`Self::shapes`].
    pub fn is_defined(&self, column: &str, row: u64) -> Result<bool> {
        Ok(self.cell_shape(column, row)?.is_some())
    }

    /// The shape of a cell, the last axis fastest and empty for a scalar; none if it has no value.
    ///
    /// # Errors
    ///
    /// As [`Self::shapes`].
    pub fn cell_shape(&self, column: &str, row: u64) -> Result<Option<Vec<usize>>> {
        Ok(self.shapes(column, row)?.pop().flatten())
    }

    /// Reads cells of an array column, each with its own shape or undefined.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::Type`], [`Error::RowRange`]; [`Error::Shape`] for a column of scalars.
    pub fn read_ragged<'r, T: Element>(&self, column: &str, rows: impl Into<Rows<'r>>) -> Result<Ragged<T>> {
        let rows = rows.into();
        let request = Request::new(&rows, None);
        let shapes = self.handle.shapes(&request.place(column, &rows), shapes)?;
        let total = shapes.iter().flatten().fold(0_usize, |n, shape| n.saturating_add(volume(shape)));
        let mut values = Vec::new();
        if values.try_reserve_exact(total).is_err() {
            let source = std::io::ErrorKind::OutOfMemory.into();
            return Err(Error::io(self.path(), "read cells that do not fit in memory", source));
        }
        values.resize(total, T::default());
        self.get(column, &rows, None, true, &mut values)?;
        Ok(Ragged { shapes, values })
    }

    /// Writes cells of an array column, each with its own shape. Cells without a shape stay as they are.
    ///
    /// # Errors
    ///
    /// As [`Self::write`]; [`Error::Shape`] where the shapes and the number of rows or values do not fit.
    pub fn write_ragged<'r, T: Element>(
        &mut self,
        column: &str,
        rows: impl Into<Rows<'r>>,
        cells: &Ragged<T>,
    ) -> Result<()> {
        let rows = rows.into();
        let flat = self.flat_shapes(column, &rows, cells.shapes.iter().map(Option::as_deref))?;
        self.put(column, &rows, None, Some(&flat), &cells.values)
    }

    /// Reads one cell: its shape, the last axis fastest, and its values.
    ///
    /// # Errors
    ///
    /// As [`Self::read_ragged`]; [`Error::Undefined`].
    pub fn read_cell<T: Element>(&self, column: &str, row: u64) -> Result<(Vec<usize>, Vec<T>)> {
        let Ragged { mut shapes, values } = self.read_ragged(column, row)?;
        match shapes.pop().flatten() {
            Some(shape) => Ok((shape, values)),
            None => Err(Error::Undefined { path: self.path().into(), column: column.into(), row }),
        }
    }

    /// Writes one cell of an array column, giving it its shape (the last axis fastest).
    ///
    /// # Errors
    ///
    /// As [`Self::write_ragged`].
    pub fn write_cell<T: Element>(&mut self, column: &str, row: u64, shape: &[usize], values: &[T]) -> Result<()> {
        let rows = Rows::from(row);
        let flat = self.flat_shapes(column, &rows, [Some(shape)].into_iter())?;
        self.put(column, &rows, None, Some(&flat), values)
    }

    /// Reads cells of an array column of strings, each with its own shape or undefined.
    ///
    /// # Errors
    ///
    /// As [`Self::read_ragged`].
    pub fn read_ragged_strings<'r>(&self, column: &str, rows: impl Into<Rows<'r>>) -> Result<Ragged<String>> {
        let rows = rows.into();
        let request = Request::new(&rows, None);
        let place = request.place(column, &rows);
        let shapes = self.handle.shapes(&place, shapes)?;
        let values = self.handle.get_strings(&place, true, strings)?;
        self.operations.read(values.iter().map(String::len).sum());
        Ok(Ragged { shapes, values })
    }

    /// Writes cells of an array column of strings, each with its own shape.
    ///
    /// # Errors
    ///
    /// As [`Self::write_ragged`].
    pub fn write_ragged_strings<'r, S: AsRef<str>>(
        &mut self,
        column: &str,
        rows: impl Into<Rows<'r>>,
        cells: &Ragged<S>,
    ) -> Result<()> {
        let rows = rows.into();
        let flat = self.flat_shapes(column, &rows, cells.shapes.iter().map(Option::as_deref))?;
        let request = Request::new(&rows, None);
        let bytes = string_bytes(&cells.values);
        self.operations.wrote(bytes.len());
        self.handle.put_strings(&request.place(column, &rows), Some(&flat), &bytes, cells.values.len())
    }
}

impl Table {
    fn get<T: Element>(
        &self,
        column: &str,
        rows: &Rows<'_>,
        slice: Option<&CellSlice>,
        ragged: bool,
        out: &mut [T],
    ) -> Result<()> {
        let request = Request::new(rows, slice);
        let place = request.place(column, rows);
        // SAFETY: `out` is writable for its length of `T`, which `T::TYPE` names (`Element` is sealed), and any bytes
        // that casacore writes are values of `T`: the shim makes truth values 0 or 1.
        unsafe { self.handle.get(&place, ragged, T::TYPE.code(), out.as_mut_ptr().cast(), out.len())? };
        self.operations.read(size_of_val(out));
        Ok(())
    }

    pub(crate) fn put<T: Element>(
        &self,
        column: &str,
        rows: &Rows<'_>,
        slice: Option<&CellSlice>,
        shapes: Option<&[i64]>,
        values: &[T],
    ) -> Result<()> {
        let request = Request::new(rows, slice);
        let place = request.place(column, rows);
        self.operations.wrote(size_of_val(values));
        // SAFETY: `values` is readable for its length of `T`, which `T::TYPE` names (`Element` is sealed).
        unsafe { self.handle.put(&place, shapes, T::TYPE.code(), values.as_ptr().cast(), values.len()) }
    }

    /// The shapes as the shim takes them, one for each row.
    fn flat_shapes<'s>(
        &self,
        column: &str,
        rows: &Rows<'_>,
        shapes: impl ExactSizeIterator<Item = Option<&'s [usize]>>,
    ) -> Result<Vec<i64>> {
        if shapes.len() as u64 != rows.len() {
            return Err(Error::Shape {
                path: self.path().into(),
                column: column.into(),
                row: None,
                found: format!("{} shapes for {} rows of column {column}", shapes.len(), rows.len()),
            });
        }
        let mut flat = Vec::new();
        for shape in shapes {
            match shape {
                None => flat.push(-1),
                Some(shape) => {
                    flat.push(shape.len() as i64);
                    flat.extend(shape.iter().rev().map(|&length| i64::try_from(length).unwrap_or(i64::MAX)));
                }
            }
        }
        Ok(flat)
    }
}

/// The strings that the shim wrote.
fn strings(bytes: &[u8]) -> Option<Vec<String>> {
    one_after_another(bytes, wire::Reader::string)
}

/// All that the shim wrote, each as `read` takes it.
fn one_after_another<'b, T>(bytes: &'b [u8], read: impl Fn(&mut wire::Reader<'b>) -> Option<T>) -> Option<Vec<T>> {
    let mut reader = wire::Reader(bytes);
    let mut all = Vec::new();
    while !reader.0.is_empty() {
        all.push(read(&mut reader)?);
    }
    Some(all)
}

fn string_bytes<S: AsRef<str>>(values: &[S]) -> Vec<u8> {
    let mut writer = wire::Writer::default();
    for value in values {
        writer.string(value.as_ref().as_bytes());
    }
    writer.0
}

/// The shapes that the shim wrote: per row a number of axes, or -1, and their lengths.
fn shapes(bytes: &[u8]) -> Option<Vec<Option<Vec<usize>>>> {
    let mut words = bytes.chunks_exact(8).map(|word| word.try_into().map(i64::from_ne_bytes));
    let mut shapes = Vec::new();
    while let Some(axes) = words.next() {
        let axes = axes.ok()?;
        let mut shape = Vec::new();
        for _ in 0..axes.max(0) {
            shape.push(usize::try_from(words.next()?.ok()?).ok()?);
        }
        shape.reverse();
        shapes.push((axes >= 0).then_some(shape));
    }
    Some(shapes)
}
