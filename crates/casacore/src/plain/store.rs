//! A storage manager's files, of either kind that is read here.

use std::cell::OnceCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::arrays::ArrayFile;
use super::file::TableFile;
use super::incremental::Incremental;
use super::standard::Standard;
use crate::{Endian, Error, Result};

/// What one reading may put into new memory, bytes. An incremental manager repeats a value over any number of rows, so the
/// files do not bound it.
const LARGEST: usize = 1 << 30;

/// The files of a storage manager.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) buckets: Buckets,
    pub(super) endian: Endian,
    arrays_path: PathBuf,
    arrays: OnceCell<ArrayFile>,
}

#[derive(Debug)]
pub(super) enum Buckets {
    Standard(Standard),
    Incremental(Incremental),
}

/// Cells of consecutive rows as they are in a bucket.
pub(super) struct Run<'a> {
    pub(super) rows: Range<u64>,
    /// From the first cell on.
    pub(super) bytes: &'a [u8],
    /// The first bit of the first cell, for truth values.
    pub(super) bit: usize,
    /// Whether the one cell that is there is that of all rows.
    pub(super) repeated: bool,
    /// Where the bytes are in the file.
    pub(super) at: u64,
}

impl Run<'_> {
    /// How many rows.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.rows.end - self.rows.start).unwrap_or(usize::MAX)
    }
}

impl Store {
    /// Opens the files of manager `number`, of `kind`, from what it noted in `table.dat`; none for other kinds.
    pub(super) fn open(table: &Path, kind: &str, number: u32, endian: Endian, note: &[u8]) -> Result<Option<Self>> {
        let path = table.join(format!("table.f{number}"));
        let arrays_path = table.join(format!("table.f{number}i"));
        let buckets = match kind {
            "StandardStMan" => Buckets::Standard(Standard::open(path, table, endian, note)?),
            "IncrementalStMan" => Buckets::Incremental(Incremental::open(path, table, endian, note)?),
            _ => return Ok(None),
        };
        Ok(Some(Self { buckets, endian, arrays_path, arrays: OnceCell::new() }))
    }

    pub(super) fn file(&self) -> &TableFile {
        match &self.buckets {
            Buckets::Standard(standard) => &standard.file,
            Buckets::Incremental(incremental) => &incremental.file,
        }
    }

    /// Refuses a table that says to have another number of rows than the manager has: rows would be missing or lost.
    pub(super) fn check_rows(&self, rows: u64) -> Result<()> {
        let found = match &self.buckets {
            Buckets::Standard(standard) => standard.rows(),
            Buckets::Incremental(incremental) => incremental.rows(),
        };
        match found {
            Some(found) if found != rows => {
                self.file().damaged(0, format!("it holds {found} rows and the table says to have {rows}"))
            }
            _ => Ok(()),
        }
    }

    /// The file of arrays, opened when the first array is needed.
    pub(super) fn arrays(&self) -> Result<&ArrayFile> {
        if let Some(arrays) = self.arrays.get() {
            return Ok(arrays);
        }
        let opened = ArrayFile::open(self.arrays_path.clone(), self.endian)?;
        Ok(self.arrays.get_or_init(|| opened))
    }

    /// Calls `each` with the cells of the manager's column `number` in `rows`, whose cells have `bits` bits each (of no
    /// account for an incremental manager).
    pub(super) fn visit(
        &self,
        number: usize,
        bits: u64,
        rows: Range<u64>,
        mut each: impl FnMut(Run<'_>) -> Result<()>,
    ) -> Result<()> {
        match &self.buckets {
            Buckets::Standard(standard) => standard.visit(number, bits, rows, &mut each),
            Buckets::Incremental(incremental) => incremental.visit(number, rows, &mut each),
        }
    }
}

/// What is left of the memory that one reading may take.
pub(super) struct Budget<'a> {
    left: usize,
    table: &'a Path,
    column: &'a str,
}

impl<'a> Budget<'a> {
    pub(super) fn new(table: &'a Path, column: &'a str) -> Self {
        Self { left: LARGEST, table, column }
    }

    pub(super) fn spend(&mut self, bytes: usize) -> Result<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::Shape {
                path: self.table.into(),
                column: self.column.into(),
                row: None,
                found: format!("column {} has more than {LARGEST} bytes in these rows: read fewer", self.column),
            }),
        }
    }
}
