//! An input file before and beside the HDF5 library: its first bytes, its lock, and reads at a position.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::error::{Construct, Error};

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// A file that is open for reading, with a shared lock where the file system has locks.
#[derive(Debug)]
pub(crate) struct SourceFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl SourceFile {
    /// Opens a file and checks what can be known without the HDF5 library: that it is HDF5, complete by its own
    /// superblock, and not open for writing.
    ///
    /// HDF5 writers hold an exclusive `flock` while they have a file open, so a shared one that is refused means a writer.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let io = |doing| move |source| Error::Io { path: path.to_owned(), doing, source };
        let file = File::open(path).map_err(io("opening"))?;
        let meta = file.metadata().map_err(io("examining"))?;
        if !meta.is_file() {
            return Err(Error::NotHdf5 { path: path.to_owned(), found: "not a regular file".to_owned() });
        }
        // File systems without locks (some network ones) say so in several ways; HDF5 goes on there, too.
        if let Err(rustix::io::Errno::WOULDBLOCK) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            return Err(Error::StillBeingWritten { path: path.to_owned() });
        }
        let source = Self { file, path: path.to_owned(), bytes: meta.len() };
        source.check_superblock()?;
        Ok(source)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file when it was opened.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads exactly `out.len()` bytes from byte `at`.
    pub(crate) fn read_at(&self, out: &mut [u8], at: u64) -> Result<(), Error> {
        self.file.read_exact_at(out, at).map_err(|source| Error::Io {
            path: self.path.clone(),
            doing: "reading",
            source,
        })
    }

    /// HDF5 File Format Specification 3.0, section II.A.
    fn check_superblock(&self) -> Result<(), Error> {
        let not_hdf5 = |found: &str| Error::NotHdf5 { path: self.path.clone(), found: found.to_owned() };
        let mut head = [0_u8; 96];
        let n = (self.bytes as usize).min(head.len());
        self.read_at(&mut head[..n], 0)?;
        if n == 0 {
            return Err(not_hdf5("an empty file"));
        }
        if !head.starts_with(&SIGNATURE) {
            // The signature may also stand at byte 512, 1024, 2048 …, after a user block.
            let mut at = 512_u64;
            while at + 8 <= self.bytes && at <= 1 << 24 {
                let mut probe = [0_u8; 8];
                self.read_at(&mut probe, at)?;
                if probe == SIGNATURE {
                    let construct = Construct::UserBlock;
                    return Err(Error::Refused { path: self.path.clone(), object: "/".to_owned(), construct });
                }
                at *= 2;
            }
            let zeros = head[..n].iter().all(|&b| b == 0);
            return Err(not_hdf5(if zeros {
                "it begins with zeros"
            } else {
                "it does not begin with the HDF5 signature"
            }));
        }
        // Positions of the size of addresses and of the first address, the base address.
        let (version, size_at, base_at) = match head[8] {
            v @ 0 => (v, 13, 24),
            v @ 1 => (v, 13, 28),
            v @ (2 | 3) => (v, 9, 12),
            v => return Err(not_hdf5(&format!("superblock version {v}"))),
        };
        let size = usize::from(head[size_at]);
        if !matches!(size, 4 | 8) {
            return Err(not_hdf5(&format!("addresses of {size} bytes")));
        }
        let address = |i: usize| {
            let mut bytes = [0_u8; 8];
            bytes[..size].copy_from_slice(&head[base_at + i * size..][..size]);
            u64::from_le_bytes(bytes)
        };
        if n < base_at + 4 * size {
            return Err(Error::Truncated {
                path: self.path.clone(),
                declared: (base_at + 4 * size) as u64,
                found: self.bytes,
            });
        }
        if version >= 2 && head[11] & 1 != 0 {
            return Err(Error::StillBeingWritten { path: self.path.clone() });
        }
        // Both layouts have the end-of-file address third: base, free space or extension, end of file.
        let (base, end) = (address(0), address(2));
        if base != 0 {
            return Err(Error::Refused {
                path: self.path.clone(),
                object: "/".to_owned(),
                construct: Construct::UserBlock,
            });
        }
        if end > self.bytes {
            return Err(Error::Truncated { path: self.path.clone(), declared: end, found: self.bytes });
        }
        Ok(())
    }
}
