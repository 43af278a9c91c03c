//! A small product, as a directory or a file, in two generations that can be told apart.

use std::fs;
use std::io;
use std::path::Path;

use publish::{Error, Manifest, ManifestDraft, Overwrite, StageOptions, Staged};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Directory,
    File,
}

pub(crate) fn draft() -> ManifestDraft {
    ManifestDraft { volatile: vec!["table.lock".into()], ..ManifestDraft::new("test", "it", "1") }
}

/// A folder in memory where there is one: what a killed process leaves does not depend on the disk, and hundreds of syncs
/// would wait for whatever else the machine writes.
pub(crate) fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("temporary folder")
}

/// Builds generation `generation` at `path`.
pub(crate) fn build(path: &Path, shape: Shape, generation: &str) -> io::Result<()> {
    match shape {
        Shape::File => fs::write(path, format!("content of {generation}")),
        Shape::Directory => {
            fs::create_dir_all(path.join("FIELD"))?;
            fs::write(path.join("table.dat"), format!("content of {generation}"))?;
            fs::write(path.join("table.lock"), "0")?;
            fs::write(path.join("FIELD/table.f0"), vec![7; 5000])
        }
    }
}

/// The generation that has the name, if any.
pub(crate) fn generation(target: &Path, shape: Shape) -> Option<String> {
    let path = if shape == Shape::File { target.to_owned() } else { target.join("table.dat") };
    fs::read_to_string(path).ok()?.strip_prefix("content of ").map(str::to_owned)
}

/// Builds and commits a generation.
pub(crate) fn publish(target: &Path, shape: Shape, generation: &str, overwrite: Overwrite) -> Result<Manifest, Error> {
    let staged = Staged::create(target, &StageOptions { overwrite, ..StageOptions::default() })?;
    build(staged.path(), shape, generation).map_err(|source| Error::Io {
        path: staged.path().to_owned(),
        action: "build",
        source,
    })?;
    staged.commit(draft())
}

/// Everything in `folder`, by name.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("list the folder")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
