//! A data file of a table: whole in memory where it is small, else read in parts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Files up to this size are read whole, with one call; the files of subtables are.
const SMALL: u64 = 4 << 20;

/// A file whose parts are had by their place. No part is asked for that is not in the file, so that what a damaged file
/// says never becomes an allocation that the file does not justify.
#[derive(Debug)]
pub(super) struct TableFile {
    path: PathBuf,
    length: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Whole(Vec<u8>),
    Parts(File),
}

impl TableFile {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let opened = File::open(&path).and_then(|file| {
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
            }
            let length = metadata.len();
            if length > SMALL {
                return Ok((length, Content::Parts(file)));
            }
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            file.read_exact_at(&mut bytes, 0)?;
            Ok((length, Content::Whole(bytes)))
        });
        match opened {
            Ok((length, content)) => Ok(Self { path, length, content }),
            Err(source) => Err(Error::io(path, "read the table's data", source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes from `at` on, from memory or by way of `scratch`.
    pub(super) fn part<'a>(&'a self, at: u64, length: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let end = at.checked_add(length as u64).filter(|&end| end <= self.length);
        let Some(end) = end else {
            let expected = at.saturating_add(length as u64);
            return Err(Error::Truncated { path: self.path.clone(), expected, found: self.length });
        };
        match &self.content {
            // Both ends are within a vector's length, so they are numbers of its kind.
            Content::Whole(bytes) => Ok(&bytes[at as usize..end as usize]),
            Content::Parts(file) => {
                scratch.resize(length, 0);
                match file.read_exact_at(scratch, at) {
                    Ok(()) => Ok(scratch),
                    Err(source) => Err(Error::io(&self.path, "read the table's data", source)),
                }
            }
        }
    }

    pub(super) fn damaged<T>(&self, at: u64, found: impl Into<String>) -> Result<T> {
        let offset = usize::try_from(at).unwrap_or(usize::MAX);
        Err(Error::Damaged { path: self.path.clone(), offset, found: found.into() })
    }
}
