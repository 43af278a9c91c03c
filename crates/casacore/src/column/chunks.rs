//! A column, so many rows at a time, in one buffer.

use super::{Column, Selection, Way, buffer};
use crate::values::volume;
use crate::{Element, Error, Ragged, Result, Rows};

/// Chunks of a column, from [`Column::chunks`]. They lend their one buffer, so this is not an `Iterator`.
///
/// Memory is one chunk, whatever the table's size; for a column of variable shape, the shapes of a chunk's rows as well.
#[derive(Debug)]
pub struct Chunks<'c, T> {
    column: &'c Column,
    selection: Selection<'c>,
    rows: Rows<'c>,
    rows_per_chunk: usize,
    /// How many of the rows were given already.
    given: usize,
    /// The shape of what is wanted of each cell, where all have one.
    shape: Option<Vec<usize>>,
    /// Of a column of variable shape: shapes of the next rows, in reverse order.
    ahead: Vec<Option<Vec<usize>>>,
    values: Vec<T>,
}

/// Some rows with their values.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk<'b, T> {
    /// The rows.
    pub rows: Rows<'b>,
    /// The shape of each row's part of the cell, the last axis fastest; none for rows without a value.
    pub shape: Option<&'b [usize]>,
    /// `[row, part of the cell…]`, the last axis fastest; empty for rows without a value.
    pub values: &'b [T],
}

impl<'b, T> Chunk<'b, T> {
    /// The values as an array, `[row, part of the cell…]`; none for rows without a value.
    #[must_use]
    pub fn array(&self) -> Option<ndarray::ArrayViewD<'b, T>> {
        let rows = usize::try_from(self.rows.len()).ok()?;
        let shape: Vec<usize> = std::iter::once(rows).chain(self.shape?.iter().copied()).collect();
        ndarray::ArrayViewD::from_shape(shape, self.values).ok()
    }
}

impl<'c, T: Element> Chunks<'c, T> {
    /// How the column is read, and why.
    #[must_use]
    pub fn way(&self) -> &Way {
        self.column.way()
    }

    /// Reads the next rows: as many as were asked for, or fewer at the end. Of a column of variable shape, a chunk ends
    /// where the shape changes or values end or begin, so that all rows of a chunk are alike.
    ///
    /// # Errors
    ///
    /// As [`Column::read`].
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_, T>>> {
        let total = usize::try_from(self.rows.len()).unwrap_or(usize::MAX);
        let most = self.rows_per_chunk.min(total - self.given);
        if most == 0 {
            return Ok(None);
        }
        let (count, shape) = self.alike(most)?;
        let rows = part(&self.rows, self.given, count);
        self.given += count;
        let Some(shape) = shape else {
            self.shape = None;
            return Ok(Some(Chunk { rows, shape: None, values: &[] }));
        };
        let row = if self.column.cell_shape().is_some() { shape.iter().product() } else { volume(&shape) };
        let values = row.checked_mul(count);
        if values.is_none_or(|values| values > self.values.len()) {
            self.values = buffer(&self.column.table_path(), values)?;
        }
        let out = &mut self.values[..values.unwrap_or_default()];
        self.column.read_rows(&rows, &self.selection, out)?;
        let shape = self.shape.insert(shape);
        Ok(Some(Chunk { rows, shape: Some(shape), values: out }))
    }

    /// How many of the next `most` rows are alike, and the shape of what is wanted of them.
    fn alike(&mut self, most: usize) -> Result<(usize, Option<Vec<usize>>)> {
        if self.column.cell_shape().is_some() {
            return Ok((most, self.column.part_shape(&self.selection)?));
        }
        if self.ahead.is_empty() {
            let table = self.column.access.table();
            let rows = part(&self.rows, self.given, most);
            let shapes = table.map_or(Ok(Vec::new()), |table| table.shapes(&self.column.name, rows))?;
            self.ahead = shapes;
            self.ahead.reverse();
        }
        let first = self.ahead.last().cloned().flatten();
        let count = self.ahead.iter().rev().take(most).take_while(|shape| **shape == first).count();
        let left = self.ahead.len() - count;
        self.ahead.truncate(left);
        // Of a slice the same is wanted of every cell that has a value.
        let sliced = self.column.part_shape(&self.selection)?;
        Ok((count, first.map(|shape| sliced.unwrap_or(shape))))
    }
}

/// `count` of the rows from number `first` on.
pub(super) fn part<'r>(rows: &Rows<'r>, first: usize, count: usize) -> Rows<'r> {
    match rows {
        Rows::Range(range) => {
            let start = range.start + first as u64;
            Rows::Range(start..start + count as u64)
        }
        Rows::List(list) => Rows::List(&list[first..first + count]),
    }
}

/// Fills or changes the values of a chunk.
type Change<'f, T, E> = dyn FnMut(RowNumbers<'_>, &mut [T]) -> std::result::Result<(), E> + 'f;

impl Column {
    /// What is selected, `rows_per_chunk` rows at a time (at least one), in one buffer.
    ///
    /// # Errors
    ///
    /// [`Error::Type`], [`Error::RowRange`], [`Error::Shape`] where the part lies outside the cells.
    pub fn chunks<'c, T: Element>(&'c self, selection: &Selection<'c>, rows_per_chunk: usize) -> Result<Chunks<'c, T>> {
        let rows = selection.rows_of(self.rows);
        self.check_rows(&rows)?;
        if T::TYPE != self.kind {
            return Err(Error::type_mismatch(&self.table_path(), &self.name, self.kind, T::TYPE));
        }
        let shape = self.part_shape(selection)?;
        Ok(Chunks {
            column: self,
            selection: selection.clone(),
            rows,
            rows_per_chunk: rows_per_chunk.max(1),
            given: 0,
            shape,
            ahead: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Cells of any shapes, `rows_per_chunk` rows at a time: calls `each` with the rows and their cells.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], and what `each` gives.
    pub fn ragged_chunks<T: Element, E: From<Error>>(
        &self,
        selection: &Selection<'_>,
        rows_per_chunk: usize,
        mut each: impl FnMut(&Rows<'_>, &Ragged<T>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.for_rows(selection, rows_per_chunk, |rows| {
            let cells = self.read_ragged(rows)?;
            each(rows, &cells)
        })
    }

    /// Writes what is selected, `rows_per_chunk` rows at a time from one buffer, which `values` fills: it gets the numbers
    /// of the rows and their values, `[row, part of the cell…]`, with what is left of the chunk before.
    ///
    /// # Errors
    ///
    /// As [`Self::write`], and what `values` gives; rows before stay written.
    pub fn fill<T: Element, E: From<Error>>(
        &self,
        selection: &Selection<'_>,
        rows_per_chunk: usize,
        mut values: impl FnMut(RowNumbers<'_>, &mut [T]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.change(selection, rows_per_chunk, false, &mut values)
    }

    /// Reads what is selected, lets `change` change it, and writes it back, `rows_per_chunk` rows at a time in one buffer.
    ///
    /// # Errors
    ///
    /// As [`Self::fill`].
    pub fn update<T: Element, E: From<Error>>(
        &self,
        selection: &Selection<'_>,
        rows_per_chunk: usize,
        mut change: impl FnMut(RowNumbers<'_>, &mut [T]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.change(selection, rows_per_chunk, true, &mut change)
    }

    fn change<T: Element, E: From<Error>>(
        &self,
        selection: &Selection<'_>,
        rows_per_chunk: usize,
        read: bool,
        change: &mut Change<'_, T, E>,
    ) -> std::result::Result<(), E> {
        let shape = self.part_shape(selection)?;
        let mut values: Vec<T> = Vec::new();
        self.for_rows(selection, rows_per_chunk, |rows| {
            let row: usize = match &shape {
                Some(shape) => shape.iter().product(),
                // All rows of the chunk must have the shape of its first: writing refuses the others.
                None => {
                    let first = RowNumbers::of(rows).next().unwrap_or_default();
                    let table = self.access.table();
                    let shape = table.map_or(Ok(None), |table| table.cell_shape(&self.name, first))?;
                    let undefined =
                        || Error::Undefined { path: self.table_path(), column: self.name.clone(), row: first };
                    volume(&shape.ok_or_else(undefined)?)
                }
            };
            let needed = usize::try_from(rows.len()).ok().and_then(|rows| rows.checked_mul(row));
            if needed.is_none_or(|needed| needed > values.len()) {
                values = buffer(&self.table_path(), needed)?;
            }
            let values = &mut values[..needed.unwrap_or_default()];
            if read {
                self.read_rows(rows, selection, values)?;
            }
            change(RowNumbers::of(rows), values)?;
            Ok(self.write_rows(rows, selection, values)?)
        })
    }

    fn for_rows<E: From<Error>>(
        &self,
        selection: &Selection<'_>,
        rows_per_chunk: usize,
        mut each: impl FnMut(&Rows<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let rows = selection.rows_of(self.rows);
        self.check_rows(&rows)?;
        let total = usize::try_from(rows.len()).unwrap_or(usize::MAX);
        let step = rows_per_chunk.max(1);
        let mut first = 0;
        while first < total {
            let count = step.min(total - first);
            each(&part(&rows, first, count))?;
            first += count;
        }
        Ok(())
    }
}

/// The numbers of a chunk's rows, in the order of its values.
#[derive(Clone, Debug)]
pub struct RowNumbers<'r>(Numbers<'r>);

#[derive(Clone, Debug)]
enum Numbers<'r> {
    Range(std::ops::Range<u64>),
    List(std::slice::Iter<'r, u64>),
}

impl<'r> RowNumbers<'r> {
    fn of(rows: &Rows<'r>) -> Self {
        Self(match rows {
            Rows::Range(range) => Numbers::Range(range.clone()),
            Rows::List(list) => Numbers::List(list.iter()),
        })
    }
}

impl Iterator for RowNumbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        match &mut self.0 {
            Numbers::Range(range) => range.next(),
            Numbers::List(list) => list.next().copied(),
        }
    }
}
