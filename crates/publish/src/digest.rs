//! Checksums of files: whole, or of evenly spaced blocks.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How much of a product's bytes its checksums cover.
///
/// Completeness and durability come from the sync, not from the checksum: that one finds what happens later, such as a
/// copy cut short, a block of zeros, a disk that lost a region, and another program's change. Those spoil long runs of bytes, so blocks
/// spaced evenly find them without reading gigabytes again in every conversion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// Sizes only.
    Sizes,
    /// Files of up to 16 MiB whole; of larger ones 256 blocks of 64 KiB, the first and the last among them.
    #[default]
    Sampled,
    /// Every byte of every file.
    Full,
}

/// A file's BLAKE3 checksum and what it was taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "over", rename_all = "kebab-case")]
pub enum Digest {
    /// The whole file, as `b3sum` prints it.
    All {
        /// 64 hexadecimal digits.
        blake3: String,
    },
    /// `blocks` blocks of `block_bytes` bytes: number i starts at floor(i · (size − `block_bytes`) / (`blocks` − 1)).
    Blocks {
        /// How many blocks, at least 2.
        blocks: u32,
        /// The length of each.
        block_bytes: u32,
        /// 64 hexadecimal digits.
        blake3: String,
    },
}

const BLOCKS: u32 = 256;
const BLOCK_BYTES: u32 = 64 << 10;
const SMALL_BYTES: u64 = BLOCKS as u64 * BLOCK_BYTES as u64;
/// A manifest from outside may not make us allocate more than this.
const MAX_BLOCK_BYTES: u32 = 1 << 20;

impl Digest {
    /// Takes the checksum of the `bytes` bytes of the file at `path`; `None` when sizes are enough.
    pub(crate) fn take(path: &Path, bytes: u64, coverage: Coverage) -> Result<Option<Self>, Error> {
        match coverage {
            Coverage::Sizes => Ok(None),
            Coverage::Sampled if bytes > SMALL_BYTES => sampled(path, bytes, BLOCKS, BLOCK_BYTES)
                .map(|blake3| Some(Self::Blocks { blocks: BLOCKS, block_bytes: BLOCK_BYTES, blake3 })),
            Coverage::Sampled | Coverage::Full => whole(path).map(|blake3| Some(Self::All { blake3 })),
        }
    }

    /// Whether the `bytes` bytes of the file at `path` still have this checksum.
    pub(crate) fn holds(&self, path: &Path, bytes: u64) -> Result<bool, Error> {
        Ok(match self {
            Self::All { blake3 } => whole(path)? == *blake3,
            &Self::Blocks { blocks, block_bytes, ref blake3 } => {
                blocks >= 2
                    && block_bytes <= MAX_BLOCK_BYTES
                    && bytes >= u64::from(block_bytes)
                    && sampled(path, bytes, blocks, block_bytes)? == *blake3
            }
        })
    }
}

/// Opens a file of a product for reading. The walk that found it did not follow links, and this does not either.
fn open(path: &Path) -> Result<File, Error> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    File::options()
        .read(true)
        .custom_flags(no_follow)
        .open(path)
        .map_err(|source| Error::io(path, "open it for its checksum", source))
}

fn whole(path: &Path) -> Result<String, Error> {
    let mut file = open(path)?;
    let length = file.metadata().map_err(|source| Error::io(path, "look at it", source))?.len();
    let mut hasher = blake3::Hasher::new();
    // Many small files share the threads; one large file is hashed by all of them, in updates that are worth sharing.
    let is_large = length > SMALL_BYTES;
    let room = if is_large { 4 << 20 } else { 128 << 10 };
    let mut buffer = vec![0; usize::try_from(length).map_or(room, |length| room.min(length.max(1)))];
    loop {
        // A large update needs a full buffer.
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::io(path, "read it for its checksum", source)),
            }
        }
        if filled == 0 {
            return Ok(hasher.finalize().to_hex().to_string());
        }
        if is_large {
            hasher.update_rayon(&buffer[..filled]);
        } else {
            hasher.update(&buffer[..filled]);
        }
    }
}

fn sampled(path: &Path, bytes: u64, blocks: u32, block_bytes: u32) -> Result<String, Error> {
    let file = open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; block_bytes as usize];
    let span = u128::from(bytes - u64::from(block_bytes));
    for index in 0..blocks {
        let offset = u128::from(index) * span / u128::from(blocks - 1);
        let offset = u64::try_from(offset).expect("because it is at most the file's size");
        file.read_exact_at(&mut buffer, offset)
            .map_err(|source| Error::io(path, "read it for its checksum", source))?;
        hasher.update(&buffer);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_sampled_at_both_ends_and_between() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("tiles");
        let bytes = SMALL_BYTES * 3 + 17;
        let file = File::create(&path).expect("create");
        file.set_len(bytes).expect("extend"); // A hole: no disk is used.
        let digest = Digest::take(&path, bytes, Coverage::Sampled).expect("read").expect("asked for");
        assert!(matches!(digest, Digest::Blocks { blocks: 256, .. }));
        assert!(digest.holds(&path, bytes).expect("read"));
        for offset in [0, bytes - 1, bytes / 2] {
            // The middle is tested with a lost megabyte: single bytes between two blocks are not covered.
            let length = if offset == bytes / 2 { 1 << 20 } else { 1 };
            file.write_all_at(&vec![1; length], offset).expect("write");
            assert!(!digest.holds(&path, bytes).expect("read"), "a change at {offset} is seen");
            file.write_all_at(&vec![0; length], offset).expect("write");
        }
        assert!(digest.holds(&path, bytes).expect("read"));
    }

    #[test]
    fn a_small_file_has_the_checksum_that_b3sum_prints() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").expect("write");
        // The BLAKE3 of "abc", from the reference implementation's `b3sum`.
        let expected = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        let digest = Digest::take(&path, 3, Coverage::Sampled).expect("read");
        assert_eq!(digest, Some(Digest::All { blake3: expected.into() }));
    }
}
