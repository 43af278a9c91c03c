//! Opening, creating, locking and closing tables, and their structure.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use casacore_sys::lock;

use crate::handle::Handle;
use crate::info::DataManager;
use crate::layout::{self, Layout, Manager};
use crate::record::{Record, Value, wire};
use crate::registry;
use crate::{Cell, ColumnDesc, Endian, Error, Operations, Result};

/// How a table is locked against other processes (casacore's lock on the file `table.lock`).
///
/// Threads of one process do not need it: handles of one table take turns by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockMode {
    /// No lock at all.
    None,
    /// Locks are taken when needed, waiting for as long as another process holds them, and given up when it asks.
    Auto,
    /// As `Auto`, but reading needs no lock and never waits. What another process has not flushed is not seen.
    #[default]
    AutoNoRead,
    /// The caller locks and unlocks with [`Table::lock`] and [`Table::unlock`]; without a lock nothing is read or written.
    /// Opening waits while another process holds the lock.
    User,
    /// As `User`, but reading and opening need no lock.
    UserNoRead,
    /// One lock for as long as the table is open; opening fails with [`Error::Locked`] when another process has it.
    Permanent,
    /// As `Permanent`, but opening waits.
    PermanentWait,
}

impl LockMode {
    fn code(self) -> i32 {
        match self {
            Self::None => lock::NONE,
            Self::Auto => lock::AUTO,
            Self::AutoNoRead => lock::AUTO_NO_READ,
            Self::User => lock::USER,
            Self::UserNoRead => lock::USER_NO_READ,
            Self::Permanent => lock::PERMANENT,
            Self::PermanentWait => lock::PERMANENT_WAIT,
        }
    }
}

/// The two kinds of a table's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Others may read.
    Read,
    /// Nobody else may read or write.
    Write,
}

/// How to open a table.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    write: bool,
    holes: bool,
    lock: LockMode,
    operations: Operations,
}

impl OpenOptions {
    /// For reading, in lock mode [`LockMode::AutoNoRead`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the table is to be written as well.
    #[must_use]
    pub fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    /// Tiled columns that are added through the handle become holes of full length, to be filled by
    /// [`TiledColumn`](crate::tiles::TiledColumn) once it is closed; else casacore writes every tile once with zeros. Values
    /// of tiled columns are not read or written through such a handle ([`Error::ReadOnly`]).
    #[must_use]
    pub fn new_columns_as_holes(mut self) -> Self {
        self.holes = true;
        self
    }

    /// How the table is locked against other processes.
    #[must_use]
    pub fn lock(mut self, mode: LockMode) -> Self {
        self.lock = mode;
        self
    }

    /// Counts what is done to the table in `operations`.
    #[must_use]
    pub fn operations(mut self, operations: &Operations) -> Self {
        self.operations = operations.clone();
        self
    }

    /// Opens the table at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::NoTable`], [`Error::Locked`], [`Error::InUse`], or what casacore finds wrong with the files.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Table> {
        let path = path.as_ref();
        let canonical = registry::canonical(path)?;
        if !canonical.join("table.dat").is_file() {
            return Err(Error::NoTable { path: canonical });
        }
        let handle =
            Handle::open(&canonical, self.write, self.holes, self.lock.code()).map_err(|error| match error {
                Error::Casacore { path, .. } if self.lock == LockMode::Permanent && held(&canonical).is_some() => {
                    Error::Locked { pids: registry::lock_holders(&path), path }
                }
                other => other,
            })?;
        self.operations.opened();
        Ok(Table { handle, operations: self.operations.clone() })
    }
}

fn held(path: &Path) -> Option<Vec<u32>> {
    Some(registry::lock_holders(path)).filter(|pids| !pids.is_empty())
}

/// An open casacore table.
///
/// It may move between threads and may not be shared by them: open a handle in each. Handles of one table take turns,
/// so that parallel work gains over several tables, or by [`tiles`](crate::tiles), and not over one table:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<casacore::Table>();
/// ```
///
/// ```
/// fn sent<T: Send>() {}
/// sent::<casacore::Table>();
/// ```
///
/// Dropping writes and closes the table; an error is then only logged. Call [`Table::close`] to see it.
#[derive(Debug)]
pub struct Table {
    pub(crate) handle: Handle,
    pub(crate) operations: Operations,
}

impl Table {
    /// Opens a table for reading, without locks.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().open(path)
    }

    /// Opens a table for reading and writing.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    pub fn open_rw(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().write(true).open(path)
    }

    pub(crate) fn create(path: &Path, layout: &Layout, rows: u64, holes: bool, options: &OpenOptions) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: path.into(), what: "something of that name exists".into() });
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let (Ok(parent), Some(name)) = (parent.canonicalize(), path.file_name()) else {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(Error::io(path, "create the table: its parent folder does not exist", source));
        };
        let canonical = parent.join(name);
        let record = layout.to_record();
        check(&canonical, &record)?;
        let mut bytes = wire::Writer::default();
        bytes.record(&record);
        let little = layout.endian == Endian::Little;
        let handle = Handle::create(&canonical, &bytes.0, rows, little, holes, options.lock.code())?;
        options.operations.opened();
        Ok(Self { handle, operations: options.operations.clone() })
    }

    /// The table's folder, canonical.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.handle.path()
    }

    /// The counter that the table was opened with.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// Writes what is pending to the files; with `durable`, casacore calls fsync as well (and ignores its result: sync
    /// the file system yourself before relying on it).
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the disk is full. The table is then [`Error::Broken`] for this process.
    pub fn flush(&mut self, durable: bool) -> Result<()> {
        self.handle.flush(durable)
    }

    /// Writes what is pending and closes the table.
    ///
    /// # Errors
    ///
    /// As [`Self::flush`]. casacore may also abort the process when the disk is full: write tables in a process that
    /// may die.
    pub fn close(mut self) -> Result<()> {
        self.handle.close()
    }

    /// Takes the table's lock, trying again until `limit` has passed.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`], with the processes that hold it where the system tells.
    pub fn lock(&mut self, kind: Lock, limit: Duration) -> Result<()> {
        const PAUSE: Duration = Duration::from_millis(10);
        let start = Instant::now();
        while !self.handle.lock(kind == Lock::Write)? {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Error::Locked { path: self.path().into(), pids: registry::lock_holders(self.path()) });
            }
            std::thread::sleep(left.min(PAUSE));
        }
        Ok(())
    }

    /// Whether this process holds the table's lock.
    ///
    /// # Errors
    ///
    /// What casacore says.
    pub fn has_lock(&self, kind: Lock) -> Result<bool> {
        self.handle.has_lock(kind == Lock::Write)
    }

    /// Writes what is pending and gives the lock up.
    ///
    /// # Errors
    ///
    /// As [`Self::flush`].
    pub fn unlock(&mut self) -> Result<()> {
        self.handle.unlock()
    }

    /// Looks for changes that other processes made since the table was opened.
    ///
    /// # Errors
    ///
    /// What casacore says.
    pub fn resync(&mut self) -> Result<()> {
        self.handle.resync()
    }

    /// The number of rows.
    ///
    /// # Errors
    ///
    /// What casacore says; [`Error::Locked`] never.
    pub fn rows(&self) -> Result<u64> {
        self.handle.rows()
    }

    /// Adds rows at the end. Their values are zero or unspecified until written, and undefined in columns of variable
    /// shape.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], or what casacore says.
    pub fn add_rows(&mut self, count: u64) -> Result<()> {
        self.operations.wrote(0);
        self.handle.add_rows(count)
    }

    /// Removes rows. Tiled columns cannot lose rows.
    ///
    /// # Errors
    ///
    /// [`Error::RowRange`], [`Error::ReadOnly`], or what casacore says.
    pub fn remove_rows(&mut self, rows: &[u64]) -> Result<()> {
        self.operations.wrote(0);
        self.handle.remove_rows(rows)
    }

    /// Adds columns, held by one new storage manager.
    ///
    /// ```
    /// use casacore::{ColumnDesc, DataType, Layout, Manager, Table};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("small.ms");
    /// let mut table = Layout::new().column(ColumnDesc::scalar("TIME", DataType::F64)).create(&path, 4)?;
    /// let model = ColumnDesc::fixed("MODEL_DATA", DataType::Complex32, [8, 2]);
    /// table.add_columns(&[model], Manager::tiled_column("TiledModel", [4, 8, 2]))?;
    /// assert_eq!(table.columns()?.len(), 2);
    /// table.remove_column("MODEL_DATA")?;
    /// assert_eq!(table.columns()?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::ReadOnly`], or what casacore says.
    pub fn add_columns(&mut self, columns: &[ColumnDesc], manager: Manager) -> Result<()> {
        let names = columns.iter().map(|column| column.name.clone());
        let manager = Manager { columns: names.collect(), ..manager };
        let layout = Layout { columns: columns.to_vec(), managers: vec![manager], ..Layout::default() };
        let record = layout.to_record();
        check(self.path(), &record)?;
        let mut bytes = wire::Writer::default();
        bytes.record(&record);
        self.operations.wrote(0);
        self.handle.add_columns(&bytes.0)
    }

    /// Removes a column with its values.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::ReadOnly`], or what casacore says.
    pub fn remove_column(&mut self, column: &str) -> Result<()> {
        self.operations.wrote(0);
        self.handle.remove_column(column)
    }

    /// The columns in order, with their keywords.
    ///
    /// # Errors
    ///
    /// What casacore says.
    pub fn columns(&self) -> Result<Vec<ColumnDesc>> {
        let mut columns = self.describe(|all| {
            let columns = all.get("columns")?.as_record()?;
            columns
                .iter()
                .map(|(_, column)| layout::column_from_record(column.as_record()?))
                .collect::<Option<Vec<_>>>()
        })?;
        for column in &mut columns {
            column.keywords = self.column_keywords(&column.name)?;
        }
        Ok(columns)
    }

    /// One column's description, without its keywords.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`].
    pub fn column(&self, name: &str) -> Result<ColumnDesc> {
        self.handle.describe_column(name, |bytes| {
            wire::Reader(bytes).record().and_then(|record| layout::column_from_record(&record))
        })
    }

    /// The shape of the cells of a column of fixed shape, the last axis fastest; empty for scalars, none for variable
    /// shapes.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`].
    pub fn fixed_shape(&self, column: &str) -> Result<Option<Vec<usize>>> {
        Ok(match self.column(column)?.cell {
            Cell::Scalar => Some(Vec::new()),
            Cell::Fixed(shape) => Some(shape),
            Cell::Variable(_) => None,
        })
    }

    /// The data managers, with their columns and settings (casacore's `dminfo`).
    ///
    /// # Errors
    ///
    /// What casacore says.
    pub fn data_managers(&self) -> Result<Vec<DataManager>> {
        let mut managers = self.describe(|all| {
            let managers = all.get("managers")?.as_record()?;
            managers
                .iter()
                .map(|(_, manager)| DataManager::from_record(manager.as_record()?))
                .collect::<Option<Vec<_>>>()
        })?;
        crate::info::number_files(self.path(), &mut managers);
        Ok(managers)
    }

    /// The byte order of the data files.
    ///
    /// # Errors
    ///
    /// What casacore says.
    pub fn endian(&self) -> Result<Endian> {
        let little = self.describe(|all| all.get("little_endian")?.as_bool())?;
        Ok(if little { Endian::Little } else { Endian::Big })
    }

    /// The table's type, subtype and free text (its file `table.info`).
    ///
    /// # Errors
    ///
    /// What casacore says.
    pub fn info(&self) -> Result<TableInfo> {
        let string = |all: &Record, name: &str| all.get(name).and_then(Value::as_str).map(String::from);
        self.describe(|all| {
            Some(TableInfo {
                kind: string(all, "type")?,
                subtype: string(all, "subtype")?,
                readme: string(all, "readme")?,
            })
        })
    }

    /// Sets the table's type, subtype and free text: `Measurement Set` for a Measurement Set.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`].
    pub fn put_info(&mut self, info: &TableInfo) -> Result<()> {
        self.operations.wrote(0);
        self.handle.put_info(&info.kind, &info.subtype, &info.readme)
    }

    fn describe<R>(&self, read: impl FnOnce(&Record) -> Option<R>) -> Result<R> {
        self.handle.describe(|bytes| wire::Reader(bytes).record().and_then(|record| read(&record)))
    }

    /// The table's keywords.
    ///
    /// # Errors
    ///
    /// What casacore says.
    pub fn keywords(&self) -> Result<Record> {
        self.operations.read(0);
        self.handle.keywords("", |bytes| wire::Reader(bytes).record())
    }

    /// A column's keywords.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`].
    pub fn column_keywords(&self, column: &str) -> Result<Record> {
        if column.is_empty() {
            return Err(Error::NoColumn { path: self.path().into(), column: String::new() });
        }
        self.operations.read(0);
        self.handle.keywords(column, |bytes| wire::Reader(bytes).record())
    }

    /// Adds or replaces a keyword of the table. A record replaces a record whole.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`]; a keyword of that name with another type, which casacore does not replace.
    pub fn put_keyword(&mut self, name: &str, value: impl Into<Value>) -> Result<()> {
        self.put_any_keyword("", name, value.into())
    }

    /// Adds or replaces a keyword of a column.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`]; as [`Self::put_keyword`].
    pub fn put_column_keyword(&mut self, column: &str, name: &str, value: impl Into<Value>) -> Result<()> {
        if column.is_empty() {
            return Err(Error::NoColumn { path: self.path().into(), column: String::new() });
        }
        self.put_any_keyword(column, name, value.into())
    }

    /// Makes the table at `path` a subtable by a keyword. A subtable inside this table's folder is stored by its
    /// relative path, so that the whole can be moved. It must exist and be closed by this process's writers.
    ///
    /// # Errors
    ///
    /// [`Error::NoTable`], [`Error::ReadOnly`].
    pub fn put_subtable(&mut self, name: &str, path: impl AsRef<Path>) -> Result<()> {
        let path = registry::canonical(path.as_ref())?;
        if !path.join("table.dat").is_file() {
            return Err(Error::NoTable { path });
        }
        self.put_any_keyword("", name, Value::Table(path))
    }

    fn put_any_keyword(&mut self, column: &str, name: &str, value: Value) -> Result<()> {
        let names_tables = names_tables(&value);
        let record = Record::new().with(name, value);
        check(self.path(), &record)?;
        let mut bytes = wire::Writer::default();
        bytes.record(&record);
        self.operations.wrote(0);
        let about = crate::handle::About { action: "write the keyword", column, keyword: name };
        self.handle.put_keywords(about, &bytes.0, names_tables)
    }

    /// Removes a keyword of the table.
    ///
    /// # Errors
    ///
    /// [`Error::NoKeyword`], [`Error::ReadOnly`].
    pub fn remove_keyword(&mut self, name: &str) -> Result<()> {
        self.operations.wrote(0);
        self.handle.remove_keyword(crate::handle::About { action: "remove the keyword", column: "", keyword: name })
    }

    /// Removes a keyword of a column.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::NoKeyword`], [`Error::ReadOnly`].
    pub fn remove_column_keyword(&mut self, column: &str, name: &str) -> Result<()> {
        self.operations.wrote(0);
        self.handle.remove_keyword(crate::handle::About { action: "remove the keyword", column, keyword: name })
    }

    /// The subtables that the table's keywords name, with their folders.
    ///
    /// # Errors
    ///
    /// What casacore says.
    pub fn subtables(&self) -> Result<Vec<(String, PathBuf)>> {
        let tables = self.keywords()?;
        Ok(tables
            .iter()
            .filter_map(|(name, value)| match value {
                Value::Table(path) => Some((name.to_owned(), path.clone())),
                _ => None,
            })
            .collect())
    }

    /// Opens a subtable for reading, counted with this table's operations.
    ///
    /// # Errors
    ///
    /// [`Error::NoKeyword`]; as [`OpenOptions::open`].
    pub fn open_subtable(&self, name: &str) -> Result<Self> {
        match self.keywords()?.get(name) {
            Some(Value::Table(path)) => OpenOptions::new().operations(&self.operations).open(path),
            _ => Err(Error::NoKeyword { path: self.path().into(), column: None, keyword: name.into() }),
        }
    }
}

fn names_tables(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Record(record) => record.iter().any(|(_, value)| names_tables(value)),
        _ => false,
    }
}

fn check(path: &Path, record: &Record) -> Result<()> {
    match layout::misshapen(record) {
        None => Ok(()),
        Some(name) => Err(Error::Shape {
            path: path.into(),
            column: String::new(),
            row: None,
            found: format!("the array of keyword {name} has another number of values than its shape says"),
        }),
    }
}

/// A table's type, subtype and free text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableInfo {
    /// The type: `Measurement Set`, `Calibration`, …
    pub kind: String,
    /// The subtype.
    pub subtype: String,
    /// Free text.
    pub readme: String,
}
