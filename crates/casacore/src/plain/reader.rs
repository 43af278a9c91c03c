//! A table open for reading by whichever way goes.

use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::read::extend;
use super::{NotPlain, PlainTable};
use crate::{
    ColumnDesc, DataManager, Element, Error, OpenOptions, Operations, Ragged, Record, Result, Table, Value, registry,
};

/// A table open for reading: without casacore where that goes ([`PlainTable`]), and through it ([`Table`]) elsewhere, column
/// by column. Both give the same values; [`Self::detours`] says what went through casacore, and why.
///
/// Damage is an error, whichever way found it: casacore is not asked about a table that is damaged.
///
/// ```
/// use casacore::{ColumnDesc, DataType, Layout, Manager, plain::Reader};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("small.tab");
/// let mut table = Layout::new()
///     .column(ColumnDesc::scalar("TIME", DataType::F64))
///     .column(ColumnDesc::fixed("UVW", DataType::F64, [3]))
///     .manager(Manager::tiled_column("TiledUvw", [16, 3]).holding(["UVW"]))
///     .create(&path, 2)?;
/// table.write("TIME", 0..2, &[5e9, 6e9])?;
/// table.close()?;
///
/// let table = Reader::open(&path)?;
/// assert_eq!(table.read_vec::<f64>("TIME", 0..2)?, [5e9, 6e9]);
/// assert!(table.detours().is_empty());
/// assert_eq!(table.read_vec::<f64>("UVW", 0..1)?.len(), 3);
/// assert_eq!(table.detours()[0].1.to_string(), "it is held by a TiledColumnStMan");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    operations: Operations,
    plain: Option<PlainTable>,
    general: OnceCell<Table>,
    detours: RefCell<Vec<(String, NotPlain)>>,
}

impl Reader {
    /// Opens the table at `path`. casacore opens it when it is first needed.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::open`], save that [`Error::NotPlain`] is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &Operations::new())
    }

    /// As [`Self::open`], counting in `operations`.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_with(path: impl AsRef<Path>, operations: &Operations) -> Result<Self> {
        let path = registry::canonical(path.as_ref())?;
        let (plain, detours) = match PlainTable::open_with(&path, operations) {
            Ok(plain) => (Some(plain), Vec::new()),
            Err(Error::NotPlain { reason, .. }) => (None, vec![(String::new(), reason)]),
            Err(error) => return Err(error),
        };
        let detours = RefCell::new(detours);
        Ok(Self { path, operations: operations.clone(), plain, general: OnceCell::new(), detours })
    }

    /// The table's folder, canonical.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What went through casacore so far: columns by name, the whole table or its structure as an empty name.
    #[must_use]
    pub fn detours(&self) -> Vec<(String, NotPlain)> {
        self.detours.borrow().clone()
    }

    /// What makes values of this table come from the files of others: its kind (`RefTable`, `ConcatTable`), or an engine that
    /// forwards or computes a column. None for a table on its own, and for one of a version that casacore alone can judge.
    #[must_use]
    pub fn refers(&self) -> Option<String> {
        const ENGINES: [&str; 2] = ["ForwardColumn", "VirtualTaQLColumn"];
        let Some(plain) = &self.plain else {
            return self.detours().into_iter().find_map(|(_, why)| match why {
                NotPlain::Kind(kind) => Some(kind),
                _ => None,
            });
        };
        let engine = |kind: &&str| ENGINES.iter().any(|engine| kind.starts_with(engine));
        plain.manager_kinds().find(engine).map(String::from)
    }

    /// The number of rows.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::rows`] or [`Table::rows`].
    pub fn rows(&self) -> Result<u64> {
        self.either("", PlainTable::rows, Table::rows)
    }

    /// The columns in order, with their keywords.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::columns`] or [`Table::columns`].
    pub fn columns(&self) -> Result<Vec<ColumnDesc>> {
        self.either("", PlainTable::columns, Table::columns)
    }

    /// The data managers; those that casacore was not asked about without their [`DataManager::spec`].
    ///
    /// # Errors
    ///
    /// As [`PlainTable::data_managers`] or [`Table::data_managers`].
    pub fn data_managers(&self) -> Result<Vec<DataManager>> {
        self.either("", PlainTable::data_managers, Table::data_managers)
    }

    /// The table's keywords.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::keywords`] or [`Table::keywords`].
    pub fn keywords(&self) -> Result<Record> {
        self.either("", PlainTable::keywords, Table::keywords)
    }

    /// A column's keywords.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::column_keywords`] or [`Table::column_keywords`].
    pub fn column_keywords(&self, column: &str) -> Result<Record> {
        self.either(column, |t| t.column_keywords(column), |t| t.column_keywords(column))
    }

    /// The subtables that the table's keywords name, with their folders.
    ///
    /// # Errors
    ///
    /// As [`Self::keywords`].
    pub fn subtables(&self) -> Result<Vec<(String, PathBuf)>> {
        self.either("", PlainTable::subtables, Table::subtables)
    }

    /// Opens a subtable, counted with this table's operations.
    ///
    /// # Errors
    ///
    /// [`Error::NoKeyword`]; as [`Self::open`].
    pub fn open_subtable(&self, name: &str) -> Result<Self> {
        match self.keywords()?.get(name) {
            Some(Value::Table(path)) => Self::open_with(path, &self.operations),
            _ => Err(Error::NoKeyword { path: self.path.clone(), column: None, keyword: name.into() }),
        }
    }

    /// Reads rows of a column into `out`, which must be exactly as long.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::read`] or [`Table::read`].
    pub fn read<T: Element>(&self, column: &str, rows: Range<u64>, out: &mut [T]) -> Result<()> {
        match &self.plain {
            Some(plain) => match plain.read(column, rows.clone(), out) {
                Err(Error::NotPlain { reason, .. }) => self.detour(column, reason)?.read(column, rows, out),
                read => read,
            },
            None => self.general()?.read(column, rows, out),
        }
    }

    /// As [`Self::read`], into a new vector.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::read_vec`] or [`Table::read_vec`].
    pub fn read_vec<T: Element>(&self, column: &str, rows: Range<u64>) -> Result<Vec<T>> {
        self.either(column, |t| t.read_vec(column, rows.clone()), |t| t.read_vec(column, rows.clone()))
    }

    /// Reads rows of a column of scalars as runs of rows with one value; neighbouring runs differ to the last bit.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::read_runs`] or [`Table::read`].
    pub fn read_runs<T: Element>(&self, column: &str, rows: Range<u64>) -> Result<Vec<(Range<u64>, T)>> {
        /// Rows that are read at once through casacore.
        const CHUNK: usize = 1 << 16;
        let general = |table: &Table| {
            let (mut runs, mut values) = (Vec::new(), Vec::new());
            for first in rows.clone().step_by(CHUNK) {
                let chunk = first..rows.end.min(first + CHUNK as u64);
                values.resize((chunk.end - chunk.start) as usize, T::default());
                table.read(column, chunk.clone(), &mut values)?;
                extend(&mut runs, chunk, &values);
            }
            Ok(runs)
        };
        self.either(column, |t| t.read_runs(column, rows.clone()), general)
    }

    /// Reads strings: one a row, or `[row, cell axes…]` for arrays of one shape.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::read_strings`] or [`Table::read_strings`].
    pub fn read_strings(&self, column: &str, rows: Range<u64>) -> Result<Vec<String>> {
        self.either(column, |t| t.read_strings(column, rows.clone()), |t| t.read_strings(column, rows.clone()))
    }

    /// Reads cells of an array column, each with its own shape or undefined.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::read_ragged`] or [`Table::read_ragged`].
    pub fn read_ragged<T: Element>(&self, column: &str, rows: Range<u64>) -> Result<Ragged<T>> {
        self.either(column, |t| t.read_ragged(column, rows.clone()), |t| t.read_ragged(column, rows.clone()))
    }

    /// The shape of each cell, the last axis fastest and empty for a scalar; none for a cell without a value.
    ///
    /// # Errors
    ///
    /// As [`PlainTable::shapes`] or [`Table::shapes`].
    pub fn shapes(&self, column: &str, rows: Range<u64>) -> Result<Vec<Option<Vec<usize>>>> {
        self.either(column, |t| t.shapes(column, rows.clone()), |t| t.shapes(column, rows.clone()))
    }

    fn either<R>(
        &self,
        column: &str,
        plain: impl FnOnce(&PlainTable) -> Result<R>,
        general: impl FnOnce(&Table) -> Result<R>,
    ) -> Result<R> {
        match self.plain.as_ref().map(plain) {
            Some(Err(Error::NotPlain { reason, .. })) => general(self.detour(column, reason)?),
            Some(read) => read,
            None => general(self.general()?),
        }
    }

    fn detour(&self, column: &str, reason: NotPlain) -> Result<&Table> {
        let mut detours = self.detours.borrow_mut();
        if !detours.iter().any(|(known, _)| known == column) {
            detours.push((column.into(), reason));
        }
        self.general()
    }

    /// Another handle of the table in this process shares casacore's object, which may lag behind the files.
    fn general(&self) -> Result<&Table> {
        if let Some(table) = self.general.get() {
            return Ok(table);
        }
        let mut table = OpenOptions::new().operations(&self.operations).open(&self.path)?;
        table.resync()?;
        Ok(self.general.get_or_init(|| table))
    }
}
