//! The files of a product, found without following links.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::edit::EDIT_NAME;
use crate::error::Error;

/// A plain file of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeFile {
    /// Its path relative to the product, with `/`; the empty string for a product that is one file.
    pub(crate) relative: String,
    /// Where to open it.
    pub(crate) path: PathBuf,
    /// Its length.
    pub(crate) bytes: u64,
    /// What it takes on the disk, which is less where the file has holes.
    pub(crate) disk_bytes: u64,
}

/// Every file at or under `root`, ordered by relative path, and every directory (`root` first).
pub(crate) struct Tree {
    pub(crate) files: Vec<TreeFile>,
    pub(crate) directories: Vec<PathBuf>,
}

impl Tree {
    /// Walks `root`. Symbolic links are an error, not a way out of the product.
    pub(crate) fn walk(root: &Path) -> Result<Self, Error> {
        let mut tree = Self { files: Vec::new(), directories: Vec::new() };
        let metadata = fs::symlink_metadata(root).map_err(|source| Error::io(root, "look at it", source))?;
        tree.add(root, String::new(), &metadata)?;
        tree.files.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(tree)
    }

    fn add(&mut self, path: &Path, relative: String, metadata: &fs::Metadata) -> Result<(), Error> {
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.directories.push(path.to_owned());
            let entries = fs::read_dir(path).map_err(|source| Error::io(path, "list the folder", source))?;
            for entry in entries {
                let entry = entry.map_err(|source| Error::io(path, "list the folder", source))?;
                let child = entry.path();
                let name = entry
                    .file_name()
                    .into_string()
                    .map_err(|_| Error::UnsupportedEntry { path: child.clone(), what: "a name that is not UTF-8" })?;
                if relative.is_empty() && name == EDIT_NAME {
                    continue; // A change in the making is not part of the product.
                }
                let below = if relative.is_empty() { name } else { format!("{relative}/{name}") };
                let metadata = entry.metadata().map_err(|source| Error::io(&child, "look at it", source))?;
                self.add(&child, below, &metadata)?;
            }
            Ok(())
        } else if kind.is_file() {
            self.files.push(TreeFile {
                relative,
                path: path.to_owned(),
                bytes: metadata.len(),
                disk_bytes: metadata.blocks() * 512,
            });
            Ok(())
        } else {
            let what = if kind.is_symlink() { "a symbolic link" } else { "a device, pipe or socket" };
            Err(Error::UnsupportedEntry { path: path.to_owned(), what })
        }
    }
}
