//! What can go wrong.

use std::path::PathBuf;

/// Why flags could not be counted. Nothing is counted in part: a failure gives no numbers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The set or one of its subtables cannot be read.
    #[error(transparent)]
    Table(#[from] casacore::Error),
    /// A cell of FLAG is not `[channel, correlation]`.
    #[error("{path}: FLAG has {axes} axes in row {row}, not channels and correlations")]
    Axes {
        /// The set.
        path: PathBuf,
        /// The row.
        row: u64,
        /// The number of axes found.
        axes: usize,
    },
    /// A row points to something that is not there.
    #[error("{path}: {column} is {value} in row {row}, but {table} has {rows} rows")]
    Reference {
        /// The set.
        path: PathBuf,
        /// The column that points.
        column: &'static str,
        /// Where it points to.
        value: i32,
        /// The first row that does, or the row of the subtable.
        row: u64,
        /// The subtable.
        table: &'static str,
        /// How many rows it has.
        rows: usize,
    },
    /// FLAG and the other columns do not have the same number of rows: a program is writing the set, or stopped while it
    /// did.
    #[error("{path}: FLAG has {flags} rows, the table {rows}")]
    Rows {
        /// The set.
        path: PathBuf,
        /// Rows of the tiles of FLAG.
        flags: u64,
        /// Rows of the table.
        rows: u64,
    },
    /// The confidence that an estimate should have is no probability between 0 and 1.
    #[error("a confidence of {found} is not between 0 and 1")]
    Confidence {
        /// What was asked for.
        found: f64,
    },
    /// A structure file cannot be read.
    #[error("{path}: cannot be read")]
    Structure {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The path cannot be resolved, or the on-disk cache cannot be used.
    #[error(transparent)]
    Cache(#[from] stamped_cache::Error),
    /// A file changed during every attempt to read the set.
    #[error("{path}: changed while it was read, {attempts} times in a row")]
    Unsettled {
        /// The file that changed last.
        path: PathBuf,
        /// How often the set was read.
        attempts: u32,
    },
}

impl Error {
    /// What to try, for the errors that have a remedy.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Table(casacore::Error::NoColumn { .. }) => {
                Some("only Measurement Sets have flag statistics; is it another kind of table?")
            }
            Self::Table(casacore::Error::NotTiled { .. }) => Some("estimates need tiles: count the flags instead"),
            Self::Table(error) => error.hint(),
            Self::Confidence { .. } => Some("0.99 is a common one"),
            Self::Rows { .. } | Self::Unsettled { .. } => Some("try again when its writer has finished"),
            Self::Axes { .. } | Self::Reference { .. } => Some("the set is damaged: make it again from its source"),
            Self::Structure { .. } => Some("check its permissions"),
            Self::Cache(_) => None,
        }
    }
}
