//! What can be wrong with a calibration table.

use std::path::PathBuf;

/// Why a calibration table cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table, or one of its subtables, cannot be read or written.
    #[error("{path}: cannot {doing}")]
    Table {
        /// The calibration table.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// casacore's own words.
        source: Box<casacore::Error>,
    },
    /// It is a table, and not a calibration table.
    #[error("{path}: not a calibration table: {found}")]
    NotCalibration {
        /// The table.
        path: PathBuf,
        /// What it is, or lacks.
        found: String,
    },
    /// A calibration table of a kind that is not understood here.
    #[error("{path}: holds {kind}; only B, G, T and K Jones are understood")]
    Kind {
        /// The table.
        path: PathBuf,
        /// Its `VisCal`.
        kind: String,
    },
    /// The columns of a row contradict each other.
    #[error("{path}: row {row}: {found}")]
    Row {
        /// The table.
        path: PathBuf,
        /// The row.
        row: usize,
        /// What is wrong with it.
        found: String,
    },
    /// The table does not fit the data.
    #[error("{table}: does not fit the data: {found}")]
    DoesNotFit {
        /// The table.
        table: String,
        /// What does not fit: antennas, frequencies, times or receptors, with the first of them.
        found: String,
    },
}

impl Error {
    pub(crate) fn table(path: &std::path::Path, doing: &'static str) -> impl FnOnce(casacore::Error) -> Self {
        move |source| Self::Table { path: path.into(), doing, source: Box::new(source) }
    }

    pub(crate) fn misfit(table: &str, found: impl Into<String>) -> Self {
        Self::DoesNotFit { table: table.into(), found: found.into() }
    }

    /// What to try, where something can be tried.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Table { .. } => "check the table's files against a copy",
            Self::NotCalibration { .. } => "name a table that `contimg solve` or CASA's gaincal or bandpass has made",
            Self::Kind { .. } => "apply it with CASA's applycal",
            Self::Row { .. } => "the table is damaged: solve again",
            Self::DoesNotFit { .. } => "use a table that was solved for this array, band and time",
        })
    }
}

/// The result of working with calibration tables.
pub type Result<T> = std::result::Result<T, Error>;
