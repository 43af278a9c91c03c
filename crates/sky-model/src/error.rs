//! What can be wrong with a list, and what to do about it.

use std::path::PathBuf;

/// Why a list was refused. Nothing of it was used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is neither a source list nor a CSV table.
    #[error("{}: line {line} is `{found}`: neither a format line nor a line of known column names", file.display())]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// The first line that is not empty and no comment.
        line: u64,
        /// Its beginning.
        found: String,
    },
    /// The list has no source.
    #[error("{}: there is no source in it", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A column of the format line or of the header is not known, given twice, or missing.
    #[error("{}, line {line}: column `{column}` {problem}", file.display())]
    Column {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// What is wrong with it.
        problem: &'static str,
        /// What to try.
        hint: &'static str,
    },
    /// A line does not have the form that it must have.
    #[error("{}, line {line}: {problem}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
        /// What to try.
        hint: &'static str,
    },
    /// A value cannot be what its column needs.
    #[error("{}, line {line}: `{column}` is `{found}`, {problem}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// What is there; its beginning, if it is long.
        found: String,
        /// Why that cannot be.
        problem: &'static str,
        /// What to try.
        hint: &'static str,
    },
}

impl Error {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownFormat { .. } => {
                "begin a source list with `Format = Name, Type, Ra, Dec, I, …`, and a CSV table with its column names, such as `name,ra_deg,dec_deg,i_jy`"
            }
            Self::Empty { .. } => "check that this is the right file",
            Self::Column { hint, .. } | Self::Line { hint, .. } | Self::Value { hint, .. } => hint,
        })
    }
}

/// As much of a text as a message can take.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let printable = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut short: String = printable.clone().take(MOST).collect();
    if printable.count() > MOST {
        short.push('…');
    }
    short
}
