//! One subtable being filled.

use std::path::{Path, PathBuf};

use casacore::{Bucket, ColumnDesc, Element, Layout, LockMode, Manager, OpenOptions, Ragged, Table};

use crate::Error;

/// A subtable that is being made. Names the table and column in every error.
pub(crate) struct Filler {
    table: Table,
    set: PathBuf,
    name: &'static str,
    rows: usize,
}

impl Filler {
    /// Makes a table inside the set's folder, all its columns in one standard storage manager whose buckets hold it whole where
    /// they can.
    pub(crate) fn create(set: &Path, name: &'static str, columns: Vec<ColumnDesc>, rows: usize) -> Result<Self, Error> {
        let bucket = Bucket::Rows(rows.clamp(1, 1024) as u32);
        let manager = Manager::standard("StandardStMan", bucket).holding(columns.iter().map(|c| c.name.clone()));
        let layout = Layout { columns, managers: vec![manager], ..Layout::default() };
        let table =
            layout.create_with(set.join(name), rows as u64, &unlocked()).map_err(|source| failed(set, name, source))?;
        Ok(Self { table, set: set.to_owned(), name, rows })
    }

    /// A value, or an array of the column's fixed shape, for every row.
    pub(crate) fn values<T: Element>(&mut self, column: &str, values: &[T]) -> Result<(), Error> {
        let result = self.table.write(column, 0..self.rows as u64, values);
        self.named(column, result)
    }

    /// A text for every row.
    pub(crate) fn texts<S: AsRef<str>>(&mut self, column: &str, texts: &[S]) -> Result<(), Error> {
        let result = self.table.write_strings(column, 0..self.rows as u64, texts);
        self.named(column, result)
    }

    /// An array of this shape, the last axis fastest, for every row of a column of variable shape.
    pub(crate) fn arrays<T: Element>(&mut self, column: &str, shape: &[usize], values: &[T]) -> Result<(), Error> {
        let cells = Ragged { shapes: vec![Some(shape.to_vec()); self.rows], values: values.to_vec() };
        let result = self.table.write_ragged(column, 0..self.rows as u64, &cells);
        self.named(column, result)
    }

    /// The array of one row of a column of variable shape.
    pub(crate) fn array<T: Element>(
        &mut self,
        column: &str,
        row: usize,
        shape: &[usize],
        values: &[T],
    ) -> Result<(), Error> {
        let result = self.table.write_cell(column, row as u64, shape, values);
        self.named(column, result)
    }

    /// As [`Self::arrays`], of texts.
    pub(crate) fn text_arrays<S: AsRef<str>>(
        &mut self,
        column: &str,
        shape: &[usize],
        texts: &[S],
    ) -> Result<(), Error> {
        let values = texts.iter().map(|t| t.as_ref().to_owned()).collect();
        let cells = Ragged { shapes: vec![Some(shape.to_vec()); self.rows], values };
        let result = self.table.write_ragged_strings(column, 0..self.rows as u64, &cells);
        self.named(column, result)
    }

    /// A list of texts for each row.
    pub(crate) fn text_lists(&mut self, column: &str, lists: &[Vec<String>]) -> Result<(), Error> {
        let cells = Ragged { shapes: lists.iter().map(|l| Some(vec![l.len()])).collect(), values: lists.concat() };
        let result = self.table.write_ragged_strings(column, 0..self.rows as u64, &cells);
        self.named(column, result)
    }

    fn named(&self, column: &str, result: casacore::Result<()>) -> Result<(), Error> {
        result.map_err(|source| failed(&self.set, &format!("{}.{column}", self.name), source))
    }

    pub(crate) fn close(self) -> Result<(), Error> {
        let Self { table, set, name, .. } = self;
        table.close().map_err(|source| failed(&set, name, source))
    }
}

/// A casacore error with what was being written.
pub(crate) fn failed(set: &Path, what: &str, source: casacore::Error) -> Error {
    Error::Table { path: set.to_owned(), what: what.to_owned(), source: Box::new(source) }
}

/// For tables of a set that is being made: nobody else may know it yet, and casacore's lock file would be synced to the disk at
/// each step.
pub(crate) fn unlocked() -> OpenOptions {
    OpenOptions::new().write(true).lock(LockMode::None)
}
