//! Opening a database: one writer and many readers, with the settings that make a foreign file harmless.

use std::{
    cell::Cell,
    ops::Deref,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, config::DbConfig};

use crate::{
    Error, Record, Result,
    folder::WorkFolder,
    layout::{self, Layout},
    record, schema,
    snapshot::Snapshot,
};

/// How long a statement waits for another process.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of the smallest page that SQLite knows (<https://sqlite.org/fileformat.html>, section 1.3.2).
const SMALLEST_PAGE: u64 = 512;

/// Bytes of a page, which cannot be changed later: look-ups of many long keys read fewer of large ones.
pub(crate) const PAGE_BYTES: i64 = 32_768;

/// Statements that a connection keeps prepared.
const PREPARED: usize = 64;

/// What a committed change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: each commit is synced.
    #[default]
    PowerCut,
    /// The death of any process: commits are synced by the next checkpoint.
    ProcessDeath,
}

/// A connection that looks things up.
///
/// It is [`Send`], not `Sync`: a thread that looks things up opens its own, in some 500 µs.
#[derive(Debug)]
pub struct Reader {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    folder: WorkFolder,
    /// The file that was opened, where that is certain: nobody put another in its place meanwhile.
    pub(crate) file: Option<FileId>,
    pub(crate) queries: Cell<u64>,
    /// What the connection is to, where it is not the database itself. It goes after the connection.
    pub(crate) snapshot: Option<Snapshot>,
}

/// A connection that writes, and looks things up. Writers in several processes take turns.
#[derive(Debug)]
pub struct Writer {
    reader: Reader,
}

impl Reader {
    /// Opens the database at `path` for look-ups. Nothing is created beside it.
    ///
    /// Where this user may not write and nobody else has it open, SQLite cannot read it in its place. It is copied, then, to
    /// the folder for temporary files, and look-ups are of that moment.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`], [`Error::OldLayout`], [`Error::Newer`], [`Error::Foreign`]; [`Error::Busy`]
    /// after a minute.
    pub fn open(path: &Path) -> Result<Self> {
        let reader = Self::open_any(path, Access::Read)?;
        reader.require_current()?;
        Ok(reader)
    }

    /// Opens whatever is there.
    pub(crate) fn open_any(path: &Path, access: Access) -> Result<Self> {
        let (full, before) = existing(path)?;
        match Self::open_at(&full, full.clone(), access) {
            Err(Error::Write { source, .. }) if access == Access::Read && is_write_protected(&source) => {
                Self::open_snapshot(&full)
            }
            opened => opened.map(|reader| {
                let after = full.metadata().ok().map(|found| FileId::of(&found));
                Self { file: after.filter(|after| *after == before), ..reader }
            }),
        }
    }

    /// Opens a copy of the database for reading.
    pub(crate) fn open_snapshot(path: &Path) -> Result<Self> {
        let (path, _) = existing(path)?;
        Self::open_copied(path.clone(), &path)
    }

    /// Opens what `from` holds now as if it were the database at `path`: stored paths are relative to the folder of that.
    ///
    /// For other machines than the one whose processes write: SQLite's log is not safe on a file system that machines share
    /// (<https://sqlite.org/wal.html>, section 1). `from` is a [`backup`](crate::backup) that the writing machine made, or the
    /// database itself where nobody writes it at the time. It is copied to the folder for temporary files and read there, so
    /// that `from` may be replaced at any time and nothing is made, locked or changed beside it.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_copy(path: &Path, from: &Path) -> Result<Self> {
        let (path, _) = existing(path)?;
        let (from, _) = existing(from)?;
        let reader = Self::open_copied(path, &from)?;
        reader.require_current()?;
        Ok(reader)
    }

    fn open_copied(path: PathBuf, from: &Path) -> Result<Self> {
        let snapshot = Snapshot::of(from)?;
        let reader = Self::open_at(&snapshot.path(), path, Access::Read)?;
        Ok(Self { snapshot: Some(snapshot), ..reader })
    }

    /// Opens the file `at` as the database `path`.
    fn open_at(at: &Path, path: PathBuf, access: Access) -> Result<Self> {
        const DOING: &str = "opening it";
        let parent = path.parent().unwrap_or(Path::new("/"));
        let folder = WorkFolder::new(parent)?;
        // SQLite falls back to reading alone where the file is write-protected. A connection that may not write at all would
        // leave the files of the write-ahead log behind. The path is absolute, so that it cannot be one of SQLite's URIs.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(at, flags).map_err(|e| Error::of(&path, DOING, e))?;
        harden(&connection).map_err(|e| Error::of(&path, DOING, e))?;
        let reader = Self { connection, path, folder, file: None, queries: Cell::new(0), snapshot: None };
        if access == Access::Read {
            let set = |setting: &str, value: i64| {
                reader.connection.pragma_update(None, setting, value).map_err(|e| reader.failed(DOING, e))
            };
            set("query_only", 1)?;
            // Look-ups visit the pages of an index in order. A small cache is used again and again and stays in the
            // processor's own, where a large one is filled once with memory that the system has to clear first.
            set("cache_size", -512)?;
        }
        Ok(reader)
    }

    fn require_current(&self) -> Result<()> {
        let path = self.path.clone();
        match self.layout()? {
            Layout::Current { version } if version == schema::VERSION => Ok(()),
            Layout::Current { version } if version > schema::VERSION => {
                Err(Error::Newer { path, found: version, known: schema::VERSION })
            }
            Layout::Foreign { tables } => Err(Error::Foreign { path, tables }),
            layout => Err(Error::OldLayout { path, layout }),
        }
    }

    pub(crate) fn layout(&self) -> Result<Layout> {
        layout::of(&self.connection).map_err(|e| self.failed("reading its layout", e))
    }

    /// The database.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder to which stored paths are relative.
    #[must_use]
    pub fn folder(&self) -> &WorkFolder {
        &self.folder
    }

    /// How many queries look-ups have run through this connection so far.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.queries.get()
    }

    pub(crate) fn failed(&self, doing: &'static str, source: rusqlite::Error) -> Error {
        Error::of(&self.path, doing, source)
    }

    /// Runs a look-up: `sql`, prepared once, with `bind`ed values; `take` reads each row. The one place where look-ups run,
    /// so that [`Reader::queries`] counts all of them.
    pub(crate) fn query(
        &self,
        doing: &'static str,
        sql: &str,
        values: impl rusqlite::Params,
        mut take: impl FnMut(&rusqlite::Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(|e| self.failed(doing, e))?;
        self.queries.set(self.queries.get() + 1);
        let mut rows = statement.query(values).map_err(|e| self.failed(doing, e))?;
        while let Some(row) = rows.next().map_err(|e| self.failed(doing, e))? {
            take(row)?;
        }
        Ok(())
    }

    /// Reads a record whose row's number is in the column before it.
    pub(crate) fn record<R: Record>(&self, row: &rusqlite::Row<'_>, first: usize) -> Result<R> {
        record::read(row, first).map_err(|source| Error::Value {
            path: self.path.clone(),
            table: R::TABLE,
            row: row.get(first.wrapping_sub(1)).unwrap_or(-1),
            source,
        })
    }
}

/// Whether SQLite could not make the files that it needs to read a database, or open those that are there.
fn is_write_protected(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied))
}

/// How a connection is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Writer {
    /// Makes a new database, with all its tables, and the folder for it. It appears under its name when it is complete.
    ///
    /// # Errors
    /// [`Error::Exists`]; [`Error::Io`] and [`Error::Write`] when it cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let cannot = |doing, source| Error::Io { path: path.to_path_buf(), doing, source };
        std::fs::create_dir_all(parent).map_err(|e| cannot("cannot make its folder", e))?;
        let name =
            path.file_name().ok_or_else(|| Error::Path { path: path.to_path_buf(), reason: "it names no file" })?;
        let full = parent.canonicalize().map_err(|e| cannot("cannot find its folder", e))?.join(name);
        if full.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: full });
        }
        let temporary = crate::backup::Temporary::beside(&full)?;
        temporary.fill("creating it", |connection| {
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
            create_tables(&transaction)?;
            transaction.commit()
        })?;
        temporary.publish()?;
        Self::open(&full)
    }

    /// Opens the database at `path` for writing.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(path: &Path) -> Result<Self> {
        let reader = Reader::open_any(path, Access::Write)?;
        reader.require_current()?;
        let writer = Self { reader };
        // A database that another program turned back into the rollback mode; a setting, not a change of what it holds.
        let mode: String = writer
            .connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .map_err(|e| writer.failed("opening it", e))?;
        if mode != "wal" {
            writer
                .connection
                .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))
                .map_err(|e| writer.failed("turning its write-ahead log on", e))?;
        }
        Ok(writer)
    }

    /// Opens the database at `path`, or makes it when there is nothing of that name.
    ///
    /// # Errors
    /// As [`Writer::open`] and [`Writer::create`].
    pub fn open_or_create(path: &Path) -> Result<Self> {
        match Self::open(path) {
            Err(Error::NotFound { .. }) => match Self::create(path) {
                // Another process was faster.
                Err(Error::Exists { .. }) => Self::open(path),
                made => made,
            },
            opened => opened,
        }
    }

    /// Decides what a commit survives, from now on.
    ///
    /// # Errors
    /// When SQLite refuses the setting.
    pub fn set_durability(&mut self, durability: Durability) -> Result<()> {
        let value = match durability {
            Durability::PowerCut => "full",
            Durability::ProcessDeath => "normal",
        };
        self.connection.pragma_update(None, "synchronous", value).map_err(|e| self.failed("setting its durability", e))
    }

    /// Everything that `work` writes becomes visible at once, and durable, when it returns `Ok`; nothing of it otherwise.
    ///
    /// # Errors
    /// What `work` says; [`Error::Busy`], [`Error::Write`].
    pub fn transaction<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        const BEGIN: &str = "waiting for its turn to write";
        let transaction = rusqlite::Transaction::new_unchecked(&self.reader.connection, TransactionBehavior::Immediate)
            .map_err(|e| self.reader.failed(BEGIN, e))?;
        let result = work(&Transaction { reader: &self.reader })?;
        transaction.commit().map_err(|e| self.reader.failed("committing", e))?;
        Ok(result)
    }

    /// Inserts rows, or changes those that are there, in one transaction. A field that is `None` leaves what is there.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Write`]; nothing was changed then.
    pub fn upsert<R: Record>(&mut self, rows: &[R]) -> Result<()> {
        self.transaction(|t| t.upsert(rows))
    }
}

impl Deref for Writer {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

/// A transaction that writes.
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(crate) reader: &'a Reader,
}

impl Transaction<'_> {
    /// Inserts rows, or changes those that are there. A field that is `None` leaves what is there.
    ///
    /// # Errors
    /// [`Error::Write`], [`Error::Query`].
    pub fn upsert<R: Record>(&self, rows: &[R]) -> Result<()> {
        const DOING: &str = "writing rows";
        if rows.is_empty() {
            return Ok(());
        }
        let failed = |e| self.reader.failed(DOING, e);
        let mut statement = self.reader.connection.prepare_cached(&record::upsert_of::<R>()).map_err(failed)?;
        for row in rows {
            record::bind(row, &mut statement).and_then(|()| statement.raw_execute()).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes the rows of these files, as far as there are any; how many there were.
    ///
    /// # Errors
    /// [`Error::Path`], [`Error::Write`], [`Error::Query`].
    pub fn remove<R: crate::ByPath, P: AsRef<Path>>(&self, paths: &[P]) -> Result<usize> {
        let keys = self.reader.path_keys(paths)?;
        let sql = format!("DELETE FROM \"{}\" WHERE path IN (SELECT value FROM json_each(?1))", R::TABLE);
        let json = crate::keys::json(&keys.iter().collect::<Vec<&str>>());
        self.execute("removing rows", &sql, [json])
    }

    pub(crate) fn execute(&self, doing: &'static str, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        let failed = |e| self.reader.failed(doing, e);
        self.reader.connection.prepare_cached(sql).map_err(failed)?.execute(values).map_err(failed)
    }
}

impl Deref for Transaction<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        self.reader
    }
}

/// Creates all tables and their indexes, and says whose they are.
pub(crate) fn create_tables(connection: &Connection) -> rusqlite::Result<()> {
    for table in schema::TABLES {
        connection.execute_batch(&table.create(table.name))?;
        table.create_indexes().try_for_each(|sql| connection.execute_batch(&sql))?;
    }
    mark(connection)
}

/// Writes into the file's header that it is of this crate and version.
pub(crate) fn mark(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", schema::VERSION)
}

/// The settings of every connection. What a foreign file's schema says is never run: no triggers, no views, no functions
/// with side effects; its shadow tables and its schema cannot be written.
pub(crate) fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        // A database that is attached must exist: looking must not create files.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // KiB.
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.pragma_update(None, "synchronous", "full")
}

/// The absolute path of the file at `path`, through its symbolic links, since the log of a database lies beside the file
/// itself; and which file that is.
///
/// The file is not opened: to close it again would end the locks of every other connection that this process has to it, as
/// POSIX wants it, and another process that closes the database would then take the log away from under them
/// (<https://sqlite.org/howtocorrupt.html>, section 2.2).
///
/// A file of one byte is an empty database to SQLite, into which it would write: only a file that is really empty is taken
/// for one.
fn existing(path: &Path) -> Result<(PathBuf, FileId)> {
    let cannot = |path: &Path, source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { path: path.to_path_buf() },
        _ => Error::Io { path: path.to_path_buf(), doing: "cannot find it", source },
    };
    let full = path.canonicalize().map_err(|e| cannot(path, e))?;
    let found = full.metadata().map_err(|e| cannot(&full, e))?;
    match found.len() {
        _ if !found.is_file() => Err(Error::NotFound { path: full }),
        1..SMALLEST_PAGE => Err(Error::NotSqlite { path: full }),
        _ => Ok((full, FileId::of(&found))),
    }
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}
