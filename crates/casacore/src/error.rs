//! What can go wrong with a table.

use std::io;
use std::path::PathBuf;

use crate::DataType;
use crate::plain::NotPlain;
use crate::tiles::NotTiled;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, with the table, the column and the row that it went wrong with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no table at the path.
    #[error("{path}: no casacore table is there")]
    NoTable {
        /// Where a table was looked for.
        path: PathBuf,
    },
    /// The table or a part of it exists already.
    #[error("{path}: cannot create: {what}")]
    Exists {
        /// The table.
        path: PathBuf,
        /// What exists.
        what: String,
    },
    /// The table has no column of that name.
    #[error("{path}: no column {column}")]
    NoColumn {
        /// The table.
        path: PathBuf,
        /// The column asked for.
        column: String,
    },
    /// The table or column has no keyword of that name.
    #[error("{path}: no keyword {keyword}{}", of_column(.column))]
    NoKeyword {
        /// The table.
        path: PathBuf,
        /// The column, or none for a keyword of the table.
        column: Option<String>,
        /// The keyword asked for.
        keyword: String,
    },
    /// The column holds values of another type than the caller asked for. Values are never converted.
    #[error("{path}: {found}")]
    Type {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
        /// What the column holds and what was asked.
        found: String,
    },
    /// A row is past the table's end.
    #[error("{path}: no row {row}: {found}")]
    RowRange {
        /// The table.
        path: PathBuf,
        /// The column, empty where the table as a whole was meant.
        column: String,
        /// The row.
        row: u64,
        /// How many rows there are.
        found: String,
    },
    /// The shape of the cells and that of the caller's memory, slice or tiles do not fit.
    #[error("{path}{}: {found}", at_row(.row))]
    Shape {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
        /// The first row that does not fit, where one was found.
        row: Option<u64>,
        /// What was found.
        found: String,
    },
    /// A cell of a column of variable shape has no value. [`Table::shapes`](crate::Table::shapes) tells which.
    #[error("{path}: column {column} has no value in row {row}")]
    Undefined {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row.
        row: u64,
    },
    /// The table was opened for reading, or the column cannot be written.
    #[error("{path}: cannot write: {what}")]
    ReadOnly {
        /// The table.
        path: PathBuf,
        /// What cannot be written.
        what: String,
    },
    /// Another process holds the table's lock.
    #[error("{path}: locked by another process{}", holders(.pids))]
    Locked {
        /// The table.
        path: PathBuf,
        /// The processes that hold a lock on it, where the system tells.
        pids: Vec<u32>,
    },
    /// An earlier write to this table failed in this process, so its state is not known. Remove what was being written
    /// and start again in a new process.
    #[error("{path}: an earlier write failed; the table is not usable in this process")]
    Broken {
        /// The table.
        path: PathBuf,
    },
    /// This process has the table open in a way that excludes what was asked: tiles are written while no handle of the
    /// table is open, and a table is opened for writing while nobody writes its tiles.
    #[error("{path}: in use in this process by {by}")]
    InUse {
        /// The table.
        path: PathBuf,
        /// What uses it.
        by: &'static str,
    },
    /// The column cannot be read or written by tiles. The general way, [`Table::read`](crate::Table::read) and
    /// [`Table::write`](crate::Table::write), works.
    #[error("{path}: column {column} has no tiles to reach directly: {reason}")]
    NotTiled {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
        /// Why not.
        reason: NotTiled,
    },
    /// The table, or one of its columns, cannot be read without casacore. The general way, [`Table`](crate::Table), works.
    #[error("{path}{}: cannot be read without casacore: {reason}", in_column(.column))]
    NotPlain {
        /// The table.
        path: PathBuf,
        /// The column, or none where the whole table was meant.
        column: Option<String>,
        /// Why not.
        reason: NotPlain,
    },
    /// A data file is shorter than the table says: the table is incomplete.
    #[error("{path}: {found} bytes long, {expected} are needed: the table is incomplete")]
    Truncated {
        /// The data file.
        path: PathBuf,
        /// The bytes needed.
        expected: u64,
        /// The bytes there.
        found: u64,
    },
    /// A file of the table is not what casacore writes.
    #[error("{path}: damaged at byte {offset}: {found}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: usize,
        /// What was found.
        found: String,
    },
    /// The operating system refused: disk full, too many open files, an I/O error.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file or table.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// casacore refused for a reason that has no variant of its own.
    #[error("{path}: cannot {action}: {message}")]
    Casacore {
        /// The table.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// casacore's words, whole.
        message: String,
    },
}

fn of_column(column: &Option<String>) -> String {
    column.as_ref().map(|name| format!(" of column {name}")).unwrap_or_default()
}

fn in_column(column: &Option<String>) -> String {
    column.as_ref().map(|name| format!(", column {name}")).unwrap_or_default()
}

fn at_row(row: &Option<u64>) -> String {
    row.map(|row| format!(", row {row}")).unwrap_or_default()
}

fn holders(pids: &[u32]) -> String {
    match pids {
        [] => String::new(),
        [pid] => format!(" (process {pid})"),
        many => format!(" (processes {})", many.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
    }
}

impl Error {
    /// What to try, for the errors that have a remedy.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoTable { .. } => "a casacore table is a folder that holds a file `table.dat`",
            Self::Exists { .. } => "write to another name, or remove what is there",
            Self::Type { .. } => "ask for the type that the column has; `Table::columns` tells it",
            Self::Undefined { .. } => "read the column with `Table::read_ragged`, or only the rows that have a value",
            Self::Locked { .. } => "wait until the other program is done, or stop it",
            Self::Broken { .. } | Self::Truncated { .. } => "make the table again from its source",
            Self::InUse { .. } => "close the other handle first",
            Self::Damaged { .. } => "restore the table from its source",
            _ => return None,
        })
    }

    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.into(), action, source }
    }

    pub(crate) fn type_mismatch(path: &std::path::Path, column: &str, found: DataType, asked: DataType) -> Self {
        Self::Type {
            path: path.into(),
            column: column.into(),
            found: format!("column {column} holds {found}, not {asked}"),
        }
    }
}
