//! What can go wrong.

use std::io;
use std::path::PathBuf;

use crate::stamp::Change;

/// A key or an on-disk store could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path cannot be resolved, so there is no key for it.
    #[error("{path}: cannot be resolved; check that its folder exists and may be searched")]
    Path {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The name of a store's namespace is not a plain file name.
    #[error("`{namespace}` cannot name a store: use 1 to 64 of a-z, 0-9 and `-`")]
    Namespace {
        /// The name as it was given.
        namespace: String,
    },

    /// A folder or file of the on-disk store cannot be made, opened or removed.
    #[error("{path}: cannot {action} the cache's folder; choose another folder or do without the on-disk cache")]
    Store {
        /// The folder or file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// The folder of the on-disk store belongs to somebody else, who could put false values there.
    #[error("{path}: belongs to user {owner}, not to user {user}; choose a folder of your own for the cache")]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// The number of the user who owns it.
        owner: u32,
        /// The number of the user who runs this process.
        user: u32,
    },
}

/// A look-up gave no value. It leaves nothing behind: the next look-up reads again.
///
/// It is an error itself, which `?` passes on, where `E`, the error of the reading, is one: [`std::io::Error`], or an enum. A
/// `Box<dyn Error>` is none (the standard library does not implement the trait for it); match on [`LookUpError::Read`] then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookUpError<E> {
    /// The caller's own reading failed.
    #[error(transparent)]
    Read(E),

    /// A file changed during every one of the attempts to read it, so no value is known to be whole.
    #[error("changed while it was read, {attempts} times in a row; try again when its writer has finished: {change}")]
    Unsettled {
        /// How often it was read.
        attempts: u32,
        /// The change that the last attempt met.
        change: Box<Change>,
    },
}
