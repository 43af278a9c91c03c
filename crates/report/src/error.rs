//! What can go wrong.

use std::io;
use std::path::PathBuf;

/// A page cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The page cannot be written.
    #[error("{path}: cannot write the page")]
    Write {
        /// The page's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The numbers of a picture or heat map do not fill it.
    #[error("`{title}`: {found} values do not make a picture of {width} × {height}")]
    Shape {
        /// The title of the picture.
        title: String,
        /// Cells along x.
        width: usize,
        /// Cells along y.
        height: usize,
        /// How many values there are.
        found: usize,
    },
}
