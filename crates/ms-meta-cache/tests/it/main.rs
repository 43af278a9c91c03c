//! What the crate promises, through its public interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and the line says where")]

mod errors;
mod freshness;
mod operations;
mod real_sets;
mod set;
mod threads;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use ms_meta_cache::{MsMetaCache, MsSet, Options};
use tempfile::TempDir;

/// A cache for files that were written a moment ago and whose writer is done.
fn cache() -> MsMetaCache {
    MsMetaCache::new(settled())
}

fn settled() -> Options {
    Options { settle: Duration::ZERO, ..Options::default() }
}

/// A set of the original's shape in a folder that lives as long as the first value.
fn original() -> (TempDir, PathBuf, MsSet) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ms");
    set::make(&path, &set::ORIGINAL).unwrap();
    let set = MsSet::new(&path).unwrap();
    (folder, path, set)
}

/// The folder of real files, where it is.
fn shared_data() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}
