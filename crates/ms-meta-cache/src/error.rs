//! What can go wrong.

use std::path::PathBuf;

use stamped_cache::Change;

/// Why the metadata of a set cannot be had. An error is never remembered: the next look-up reads again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path is not that of a casacore table.
    #[error("{path}: no Measurement Set is there")]
    NoSet {
        /// Where a set was looked for.
        path: PathBuf,
    },
    /// The path, or the folder of the on-disk cache, cannot be used.
    #[error(transparent)]
    Cache(#[from] stamped_cache::Error),
    /// A subtable that every Measurement Set has is not named by MAIN's keywords.
    #[error("{path}: not a complete Measurement Set: no subtable {name}")]
    NoSubtable {
        /// The set.
        path: PathBuf,
        /// The subtable.
        name: &'static str,
    },
    /// A table is a selection or concatenation of others, or computes columns from others: its values come from files that
    /// are not its own.
    #[error("{path}: refers to other tables ({kind})")]
    Refers {
        /// The table.
        path: PathBuf,
        /// What casacore calls it.
        kind: String,
    },
    /// The table cannot be read, or lacks a column that the definition requires.
    #[error("{path}: cannot read column {column}")]
    Column {
        /// The table.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// What casacore says.
        source: Box<casacore::Error>,
    },
    /// The table cannot be opened, or its structure cannot be read.
    #[error("{path}: cannot open the table")]
    Open {
        /// The table.
        path: PathBuf,
        /// What casacore says.
        source: Box<casacore::Error>,
    },
    /// A cell that must have a value has none.
    #[error("{path}: column {column} has no value in row {row}")]
    Undefined {
        /// The table.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// The row.
        row: usize,
    },
    /// Two values of the set contradict each other, or one of them the definition.
    #[error("{path}: column {column}, row {row}: {found}")]
    Contradiction {
        /// The table.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// The row.
        row: usize,
        /// What was found.
        found: String,
    },
    /// The folder's files cannot be listed.
    #[error("{path}: cannot list the table's files")]
    List {
        /// The table.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A file changed each time while the set was read.
    #[error("{path}: changed while it was read, several times in a row{}", .change.as_ref().map(|c| format!(": {c}")).unwrap_or_default())]
    Unsettled {
        /// The set.
        path: PathBuf,
        /// The last change that was seen, where it was that of one file.
        change: Option<Box<Change>>,
    },
}

impl Error {
    /// What to try, for the errors that have a remedy.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoSet { .. } => "a Measurement Set is a folder that holds a file `table.dat`",
            Self::NoSubtable { .. } => "calibration tables and images have not all subtables; give the set itself",
            Self::Refers { .. } => "make a copy of its own (`taql select from X giving Y as plain`, or CASA's split)",
            Self::Column { source, .. } | Self::Open { source, .. } => return source.hint(),
            Self::Undefined { .. } | Self::Contradiction { .. } => {
                "the set was written incompletely: make it again, or repair the cell"
            }
            Self::Unsettled { .. } => "another program is writing to the set: try again when it is done",
            _ => return None,
        })
    }
}
