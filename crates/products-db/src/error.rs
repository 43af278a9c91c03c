//! What can go wrong.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

use crate::layout::Layout;

/// Why the database does not answer, or does not take what it was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No database is there, and none is made by looking for one.
    #[error("{path}: no products database is there")]
    NotFound {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// Something has that name already.
    #[error("{path}: exists already")]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The file has no SQLite header.
    #[error("{path}: not an SQLite database")]
    NotSqlite {
        /// The file.
        path: PathBuf,
    },
    /// The file is not an SQLite database, or its pages contradict each other.
    #[error("{path}: not an SQLite database, or a damaged one, while {doing}")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A database of the original pipeline that was not migrated.
    #[error("{path}: has the layout {layout}, which is older than this program's")]
    OldLayout {
        /// The database.
        path: PathBuf,
        /// Its layout.
        layout: Layout,
    },
    /// A database that a later version of this crate made.
    #[error("{path}: has version {found} of the layout; this program knows versions up to {known}")]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The latest that is known here.
        known: i64,
    },
    /// An SQLite database of another program.
    #[error("{path}: an SQLite database, but not of this pipeline (tables: {tables})")]
    Foreign {
        /// The database.
        path: PathBuf,
        /// Some of its tables.
        tables: String,
    },
    /// A database whose migration would lose something that it holds.
    #[error("{path}: {kind} `{name}` stands in the way of the migration")]
    InTheWay {
        /// The database.
        path: PathBuf,
        /// What it is: a trigger, a virtual table.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A migration counted its rows and did not find as many after as before. Nothing was changed.
    #[error("{path}: {before} rows of `{table}` would have become {after}")]
    RowsLost {
        /// The database.
        path: PathBuf,
        /// The table.
        table: String,
        /// Its rows.
        before: u64,
        /// Those of the new table, and of the superseded ones.
        after: u64,
    },
    /// Another process held the database for longer than the time that we wait.
    #[error("{path}: still in use by another process after {seconds} s, while {doing}")]
    Busy {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// The disk is full, the file cannot be written, or its folder cannot.
    #[error("{path}: cannot be written while {doing}")]
    Write {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A statement failed.
    #[error("{path}: failed while {doing}")]
    Query {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A value has a type or range that its column does not have.
    #[error("{path}: table `{table}`, row {row}: a value is not what its column holds")]
    Value {
        /// The database.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// Its row, by SQLite's number.
        row: i64,
        /// Column, and what was found.
        source: rusqlite::Error,
    },
    /// A path that cannot be stored: not UTF-8, empty, or with a control character.
    #[error("{}: cannot be stored in the database: {reason}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A number that is no position, time or radius.
    #[error("{value} is no {what}")]
    Number {
        /// What it was given for.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// The operating system refused.
    #[error("{path}: {doing}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The operating system's answer.
        source: std::io::Error,
    },
}

impl Error {
    /// What to try, for the errors that have a remedy.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotFound { .. } => "`contimg db init` makes one",
            Self::Exists { .. } => "choose another name, or move it away",
            Self::Damaged { .. } => {
                "`contimg db check` says what is wrong; restore a backup, or make it anew and import"
            }
            Self::OldLayout { .. } => {
                "`contimg db migrate` upgrades it and keeps every row (and a copy of the old file)"
            }
            Self::Newer { .. } => "use the version of the program that made it, or a later one",
            Self::Foreign { .. } | Self::NotSqlite { .. } => "is it the right file?",
            Self::InTheWay { .. } => "save what it is for elsewhere, drop it, and migrate again",
            Self::Busy { .. } => "another program is writing to it for long: try again when it is done",
            Self::Write { .. } => "is the disk full, or the file or its folder write-protected?",
            Self::Value { .. } => "another program wrote it; correct or delete that row with the sqlite3 shell",
            _ => return None,
        })
    }

    /// The variant that says what an SQLite error means.
    pub(crate) fn of(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        let code = source.sqlite_error_code();
        match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
                Self::Busy { path, doing, seconds: crate::connection::BUSY_TIMEOUT.as_secs() }
            }
            Some(ErrorCode::NotADatabase) if !has_magic(&path) => Self::NotSqlite { path },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged { path, doing, source },
            Some(ErrorCode::DiskFull | ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::Write { path, doing, source }
            }
            Some(ErrorCode::SystemIoFailure) if is_of_writing(&source) => Self::Write { path, doing, source },
            _ => Self::Query { path, doing, source },
        }
    }

    /// Whether waiting and trying again may help.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}

/// Whether the system refused a write, as it does where the disk is full: also one of the log's index, which readers make.
fn is_of_writing(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_FSYNC, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE};
    let refused = [SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_SHMSIZE];
    error.sqlite_error().is_some_and(|error| refused.contains(&error.extended_code))
}

/// Whether a file begins as every SQLite file does (<https://sqlite.org/fileformat.html>, section 1.3). For those only that
/// SQLite itself cannot read: to close the file again ends the locks of this process's other connections to it.
fn has_magic(path: &Path) -> bool {
    let mut found = [0; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut found)).is_ok() && &found == b"SQLite format 3\0"
}
