//! A plain table: opened, and its structure.

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};

use super::store::{Buckets, Store};
use super::{keywords, rows};
use crate::aipsio::{Foreign, StoredColumn, TableDat};
use crate::layout::Cell;
use crate::{ColumnDesc, DataType, Endian, Error, Operations, Record, Result, Value, registry};

/// Why a table or a column cannot be read without casacore.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPlain {
    /// The table is of another kind: a selection (`RefTable`) or concatenation (`ConcatTable`) of others.
    Kind(String),
    /// The table is of a version that this crate does not read by itself.
    Version,
    /// All of the table's managers share one file.
    OneFile,
    /// Another data manager holds the column: its type by casacore's name.
    Manager(String),
    /// Its manager is of an old version that keeps arrays in a file for each column.
    OldArrays,
    /// It holds records, or values of a type that this crate does not know.
    Type,
}

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "the table is a {kind}"),
            Self::Version => f.write_str("the table is of a version not known here"),
            Self::OneFile => f.write_str("all storage managers share one file"),
            Self::Manager(kind) => write!(f, "it is held by a {kind}"),
            Self::OldArrays => f.write_str("its manager is of an old version"),
            Self::Type => f.write_str("its values are neither numbers nor strings"),
        }
    }
}

/// A plain table, opened for reading without casacore. See the [module](crate::plain).
///
/// It may move between threads and may not be shared by them: what it reads on demand is kept without a lock.
#[derive(Debug)]
pub struct PlainTable {
    pub(super) path: PathBuf,
    pub(super) dat: TableDat,
    pub(super) operations: Operations,
    rows: OnceCell<u64>,
    /// One for each manager, opened when a column of it is read.
    stores: Vec<OnceCell<Store>>,
}

/// What a cell of a column is in its manager's buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The values themselves.
    Values,
    /// One string.
    Text,
    /// Strings, as many as the shape says.
    Texts,
    /// Strings with their shape, in buckets of strings.
    ShapedTexts,
    /// The place of an array in the file of arrays; 0 for none.
    Array,
}

/// A column, found.
pub(super) struct Found<'t> {
    pub(super) name: &'t str,
    pub(super) kind: DataType,
    pub(super) cell: Cell,
    pub(super) form: Form,
    /// The values of a cell of fixed shape; 1 for scalars.
    pub(super) values: usize,
    pub(super) max_length: u32,
    pub(super) store: &'t Store,
    /// Which of its manager's columns it is.
    pub(super) number: usize,
}

impl PlainTable {
    /// Opens the table at `path`: reads its structure.
    ///
    /// # Errors
    ///
    /// [`Error::NoTable`]; [`Error::NotPlain`] where the general way must be taken; [`Error::Damaged`], [`Error::Io`].
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
        let read = match TableDat::read_plain(&path) {
            Err(Error::Io { .. }) if !path.join("table.dat").is_file() => return Err(Error::NoTable { path }),
            read => read?,
        };
        let dat = match read {
            Ok(dat) => dat,
            Err(Foreign::Kind(kind)) => return Err(not_plain(&path, None, NotPlain::Kind(kind))),
            Err(Foreign::Version) => return Err(not_plain(&path, None, NotPlain::Version)),
        };
        operations.opened_plain();
        let stores = dat.managers.iter().map(|_| OnceCell::new()).collect();
        Ok(Self { path, dat, operations: operations.clone(), rows: OnceCell::new(), stores })
    }

    /// The table's folder, canonical.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of rows, as casacore finds it: that of `table.lock`, or else of `table.dat`, which storage managers must
    /// confirm then: it may be an old one. Read once.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn rows(&self) -> Result<u64> {
        if let Some(&rows) = self.rows.get() {
            return Ok(rows);
        }
        let rows = match rows::of_lock(&self.path)? {
            Some(rows) => rows,
            None => {
                for at in 0..if self.dat.separate_files { self.dat.managers.len() } else { 0 } {
                    self.store(at)?.map_or(Ok(()), |store| store.check_rows(self.dat.rows))?;
                }
                self.dat.rows
            }
        };
        Ok(*self.rows.get_or_init(|| rows))
    }

    /// The byte order of the data files.
    #[must_use]
    pub fn endian(&self) -> Endian {
        self.dat.endian
    }

    /// The columns in order, with their keywords.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn columns(&self) -> Result<Vec<ColumnDesc>> {
        let columns = self.dat.all_columns().iter();
        columns
            .map(|column| Ok(ColumnDesc { keywords: self.keywords_of(Some(column))?, ..self.describe(column)? }))
            .collect()
    }

    /// One column's description, without its keywords.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::Damaged`].
    pub fn column(&self, name: &str) -> Result<ColumnDesc> {
        self.describe(self.stored(name)?)
    }

    /// Whether there is a column of that name.
    #[must_use]
    pub fn has_column(&self, name: &str) -> bool {
        self.dat.column(name).is_some()
    }

    /// The table's keywords.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn keywords(&self) -> Result<Record> {
        self.operations.read(0);
        self.keywords_of(None)
    }

    /// A column's keywords.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::Damaged`].
    pub fn column_keywords(&self, column: &str) -> Result<Record> {
        self.operations.read(0);
        self.keywords_of(Some(self.stored(column)?))
    }

    /// The subtables that the table's keywords name, with their folders.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn subtables(&self) -> Result<Vec<(String, PathBuf)>> {
        let keywords = self.keywords()?;
        let tables = keywords.iter().filter_map(|(name, value)| match value {
            Value::Table(path) => Some((name.to_owned(), path.clone())),
            _ => None,
        });
        Ok(tables.collect())
    }

    /// The types of the data managers, by casacore's names.
    pub fn manager_kinds(&self) -> impl Iterator<Item = &str> {
        self.dat.managers.iter().map(|(kind, _)| kind.as_str())
    }

    fn keywords_of(&self, column: Option<&StoredColumn>) -> Result<Record> {
        keywords::record(&mut self.dat.keywords(column), &self.path)
    }

    fn stored(&self, name: &str) -> Result<&StoredColumn> {
        let absent = || Error::NoColumn { path: self.path.clone(), column: name.into() };
        self.dat.column(name).ok_or_else(absent)
    }

    fn describe(&self, column: &StoredColumn) -> Result<ColumnDesc> {
        Ok(ColumnDesc {
            name: column.name.clone(),
            kind: DataType::of_column(column.code),
            cell: self.cell(column)?,
            comment: column.comment.clone(),
            direct: column.options & 1 != 0,
            undefined: column.options & 2 != 0,
            max_length: column.max_length,
            keywords: Record::new(),
        })
    }

    fn cell(&self, column: &StoredColumn) -> Result<Cell> {
        if !column.array {
            return Ok(Cell::Scalar);
        }
        if column.options & 4 == 0 {
            return Ok(Cell::Variable(usize::try_from(column.axes).ok().filter(|&axes| axes > 0)));
        }
        let shape = column.shape.as_ref().unwrap_or(&column.described).iter().rev();
        let shape: Option<Vec<usize>> = shape.map(|&length| usize::try_from(length).ok()).collect();
        match shape.filter(|shape| shape.iter().try_fold(1_usize, |n, &length| n.checked_mul(length)).is_some()) {
            Some(shape) => Ok(Cell::Fixed(shape)),
            None => self.dat.keywords(None).damaged(format!("column {} has cells of an impossible shape", column.name)),
        }
    }

    /// Finds a column and opens its manager.
    pub(super) fn find(&self, name: &str) -> Result<Found<'_>> {
        let column = self.stored(name)?;
        let no = |reason| not_plain(&self.path, Some(name), reason);
        if !self.dat.separate_files {
            return Err(no(NotPlain::OneFile));
        }
        let kind = column.kind.ok_or_else(|| no(NotPlain::Type))?;
        let Some(at) = self.dat.managers.iter().position(|manager| manager.1 == column.manager) else {
            let found = format!("column {name} is held by manager {}, which is not there", column.manager);
            return self.dat.keywords(None).damaged(found);
        };
        let Some(store) = self.store(at)? else { return Err(no(NotPlain::Manager(self.dat.managers[at].0.clone()))) };
        store.check_rows(self.rows()?)?;
        let cell = self.cell(column)?;
        let values = match &cell {
            Cell::Fixed(shape) if shape.is_empty() => 0,
            Cell::Fixed(shape) => shape.iter().product(),
            Cell::Scalar | Cell::Variable(_) => 1,
        };
        let (text, fixed) = (kind == DataType::String, matches!(cell, Cell::Fixed(_)));
        let form = match &store.buckets {
            _ if !column.array => {
                if text {
                    Form::Text
                } else {
                    Form::Values
                }
            }
            _ if column.options & 1 != 0 => {
                if text {
                    Form::Texts
                } else {
                    Form::Values
                }
            }
            Buckets::Standard(_) if text => {
                if fixed {
                    Form::Texts
                } else {
                    Form::ShapedTexts
                }
            }
            Buckets::Incremental(incremental) if incremental.file_a_column => return Err(no(NotPlain::OldArrays)),
            Buckets::Standard(_) | Buckets::Incremental(_) => Form::Array,
        };
        if form == Form::Values && !fixed && column.array {
            return self.dat.keywords(None).damaged(format!("column {name} is direct and has no fixed shape"));
        }
        let number = self.dat.held_by(column.manager).take_while(|&held| held != name).count();
        let (name, max_length) = (column.name.as_str(), column.max_length);
        Ok(Found { name, kind, cell, form, values, max_length, store, number })
    }

    /// The files of a manager; none for a kind that is not read here.
    pub(super) fn store(&self, at: usize) -> Result<Option<&Store>> {
        if let Some(store) = self.stores[at].get() {
            return Ok(Some(store));
        }
        let (kind, number) = &self.dat.managers[at];
        let note = self.dat.notes()?[at];
        let store = Store::open(&self.path, kind, *number, self.dat.endian, note)?;
        Ok(store.map(|store| self.stores[at].get_or_init(|| store)))
    }
}

pub(super) fn not_plain(path: &Path, column: Option<&str>, reason: NotPlain) -> Error {
    Error::NotPlain { path: path.into(), column: column.map(String::from), reason }
}
