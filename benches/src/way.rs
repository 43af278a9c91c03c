//! The ways of having a whole group in memory.

use std::path::PathBuf;

use subband_io::{Merged, OpenOptions, SubbandGroup};

use crate::{Result, limit, plain};

/// A way of having a whole group in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Way {
    /// `SubbandGroup::open(…)?.merge()`.
    Ours,
    /// The HDF5 library reads every file whole, then all are concatenated: the original way.
    Plain,
    /// The same in batches of four, the result growing: the design document's way.
    Batched,
    /// The files' bytes by `pread` on all threads, not looked at: the limit.
    Pread,
}

/// What a way leaves in memory.
#[derive(Debug)]
pub enum Held {
    /// Three arrays.
    Arrays(Box<Merged>),
    /// The files.
    Bytes(Vec<u8>),
}

impl Way {
    /// All of them, ours first.
    pub const ALL: [Self; 4] = [Self::Ours, Self::Plain, Self::Batched, Self::Pread];

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Plain => "plain",
            Self::Batched => "batched",
            Self::Pread => "pread",
        }
    }

    /// Reads the files of one group, opening them included, on the threads of the caller's rayon pool.
    ///
    /// # Errors
    /// When a file cannot be read, or is not as the real writer makes them.
    pub fn run(self, files: &[PathBuf]) -> Result<Held> {
        Ok(match self {
            Self::Ours => Held::Arrays(Box::new(SubbandGroup::open(files, &OpenOptions::default())?.merge()?)),
            Self::Plain => Held::Arrays(Box::new(plain::load_all(files)?)),
            Self::Batched => Held::Arrays(Box::new(plain::load_batches(files)?)),
            Self::Pread => Held::Bytes(limit::pread(files)?),
        })
    }
}

impl Held {
    /// Bytes of the result.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Arrays(arrays) => arrays.bytes() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}
