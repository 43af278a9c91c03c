//! What keeps a column from being changed.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use casacore::DataType;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A process that holds a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its program's name, where the system tells.
    pub program: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.program {
            Some(program) => write!(f, "process {} ({program})", self.pid),
            None => write!(f, "process {}", self.pid),
        }
    }
}

/// What keeps a column or a flag version from being read or changed. The set is then as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has the set locked.
    #[error("{path}: locked by {}{}", named(holders), after(*waited), path = path.display())]
    Locked {
        /// The set.
        path: PathBuf,
        /// Who holds it, where the system tells.
        holders: Vec<Holder>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// DATA and SIGMA are what was measured: they are never written.
    #[error("{path}: column {column} is never written: it is what was measured", path = path.display())]
    Measured {
        /// The set.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// The column was not named when the edit began.
    #[error("{path}: column {column} was not named when the change began", path = path.display())]
    NotNamed {
        /// The set.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// The column holds another type than was asked for.
    #[error("{path}: column {column} holds {found}, not {asked}", path = path.display())]
    Kind {
        /// The set.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it holds.
        found: DataType,
        /// What was asked.
        asked: DataType,
    },
    /// The rows, or the caller's values, do not fit the cells of the column.
    #[error("{path}: column {column}, rows {rows}: {found}", rows = format!("{} to {}", rows.start, rows.end),
        path = path.display())]
    Cells {
        /// The set.
        path: PathBuf,
        /// The column.
        column: String,
        /// The rows.
        rows: std::ops::Range<u64>,
        /// What was found.
        found: String,
    },
    /// The table is a selection or concatenation of others: its values lie elsewhere.
    #[error("{path}: not a plain table; its columns cannot be replaced", path = path.display())]
    NotPlain {
        /// The set.
        path: PathBuf,
    },
    /// A flag version's name that cannot be a file's.
    #[error("`{name}` cannot be a flag version's name: {reason}")]
    VersionName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is a flag version of that name.
    #[error("{path}: there is a flag version `{name}` already", path = path.display())]
    VersionExists {
        /// The set.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// There is no flag version of that name.
    #[error("{path}: no flag version `{name}`{}", listed(known), path = path.display())]
    NoVersion {
        /// The set.
        path: PathBuf,
        /// The name.
        name: String,
        /// The versions that there are.
        known: Vec<String>,
    },
    /// A flag version's file is torn or damaged.
    #[error("{path}: not a usable flag version: {reason}", path = path.display())]
    BadVersion {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A flag version does not fit the set's rows or cells as they are now.
    #[error("{path}: flag version `{name}` does not fit the set: {found}", path = path.display())]
    VersionMisfit {
        /// The set.
        path: PathBuf,
        /// The name.
        name: String,
        /// What differs.
        found: String,
    },
    /// The operating system refused.
    #[error("{path}: cannot {action}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The table cannot be read or written.
    #[error(transparent)]
    Table(#[from] casacore::Error),
    /// The change cannot be prepared, decided or finished.
    #[error(transparent)]
    Publish(#[from] publish::Error),
}

fn named(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "another process".to_owned();
    }
    holders.iter().map(Holder::to_string).collect::<Vec<_>>().join(", ")
}

fn after(waited: Duration) -> String {
    if waited.is_zero() { String::new() } else { format!(", waited {:.1} s", waited.as_secs_f64()) }
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { "; there are none".to_owned() } else { format!("; there are {}", known.join(", ")) }
}

impl Error {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Locked { .. } => "wait until the other program is done (`--wait SECONDS`), or stop it",
            Self::Measured { .. } => "write to CORRECTED_DATA or MODEL_DATA",
            Self::Kind { .. } => "the Measurement Set definition fixes the types of its columns; see `contimg meta`",
            Self::NotPlain { .. } => "work on the set that the selection was made from",
            Self::VersionName { .. } => "use letters, digits, `-`, `_` and `.`",
            Self::VersionExists { .. } => "choose another name, or delete the version first",
            Self::NoVersion { .. } => "`contimg flag --list MS` lists the versions",
            Self::BadVersion { .. } => "the flags themselves are not affected; delete the version",
            Self::VersionMisfit { .. } => "rows were added or removed since; the version cannot be restored",
            Self::Table(source) => return source.hint(),
            Self::Publish(source) => return Some(source.hint()),
            _ => return None,
        })
    }

    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.into(), action, source }
    }
}
