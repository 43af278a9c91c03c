//! Tables made, read and broken through the public interface.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bulk;
mod columns;
mod create;
mod errors;
mod plain;
mod real_files;
mod sha256;
mod threads;
mod tiles;

use std::path::PathBuf;

/// Real files beside the workspace; none, with a message, where they are absent.
fn shared_data() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is absent", folder.display());
    None
}
