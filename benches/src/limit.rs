//! The limit of any merge: the files' bytes into memory that nobody used before, and nothing else.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use rayon::prelude::*;

/// Bytes of one read.
const BLOCK: usize = 4 << 20;

/// Reads whole files one after the other into one allocation, block by block on the threads of the caller's rayon pool.
pub(crate) fn pread(paths: &[PathBuf]) -> std::io::Result<Vec<u8>> {
    let files = paths.iter().map(File::open).collect::<Result<Vec<_>, _>>()?;
    let lengths = files.iter().map(|file| Ok(file.metadata()?.len() as usize)).collect::<std::io::Result<Vec<_>>>()?;
    // Fresh pages of the system: the first touch of each is part of the work, as it is for a merge.
    let mut memory = vec![0; lengths.iter().sum()];
    let mut blocks = Vec::new();
    let mut rest = memory.as_mut_slice();
    for (file, &length) in files.iter().zip(&lengths) {
        let (own, others) = rest.split_at_mut(length);
        rest = others;
        blocks.extend(own.chunks_mut(BLOCK).enumerate().map(|(i, block)| (file, (i * BLOCK) as u64, block)));
    }
    blocks.into_par_iter().with_max_len(1).try_for_each(|(file, at, block)| file.read_exact_at(block, at))?;
    Ok(memory)
}
