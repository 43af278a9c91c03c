//! What stages read and write: files, products and the columns of Measurement Sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use publish::Status;

use crate::error::Error;

/// Something that a stage reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A file, or a folder as a whole.
    Path(PathBuf),
    /// A column of a Measurement Set.
    Column {
        /// The set.
        set: PathBuf,
        /// The column's name.
        column: String,
    },
}

impl Resource {
    /// From `path` or `path::COLUMN`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once("::") {
            Some((set, column)) if !column.is_empty() && !column.contains('/') => {
                Self::Column { set: set.into(), column: column.to_owned() }
            }
            _ => Self::Path(text.into()),
        }
    }

    /// Where it is; of a column, its set.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Path(path) | Self::Column { set: path, .. } => path,
        }
    }

    /// Its name in records: relative to the work folder where it is in it.
    #[must_use]
    pub fn key(&self, work: &Path) -> String {
        let relative = |path: &Path| path.strip_prefix(work).unwrap_or(path).display().to_string();
        match self {
            Self::Path(path) => relative(path),
            Self::Column { set, column } => format!("{}::{column}", relative(set)),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Column { set, column } => write!(f, "{column} of {}", set.display()),
        }
    }
}

/// Signatures of resources, by [`Resource::key`].
pub type Signatures = BTreeMap<String, String>;

/// Whoever can tell whether a resource is still what it was.
///
/// Columns have generations, which only a reader of sets knows; the orchestrator itself knows files.
pub trait Observe {
    /// A short text that changes when the column changes; `None` when there is no such set or column.
    ///
    /// # Errors
    ///
    /// When the set cannot be looked at.
    fn column(&self, set: &Path, column: &str) -> Result<Option<String>, Error>;

    /// A program that keeps no generations wrote columns of `set` on purpose: what it left is their next generation.
    /// Called in the worker.
    ///
    /// # Errors
    ///
    /// When the set cannot be looked at or its record cannot be written.
    fn adopt(&self, _set: &Path, _by: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Processes that it started itself, which the run leaves alone. Called in the head.
    fn processes(&self) -> BTreeSet<u32> {
        BTreeSet::new()
    }
}

/// Looks at files only: every column of a set changes when its manifest or one of its files does.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilesOnly;

impl Observe for FilesOnly {
    fn column(&self, set: &Path, _: &str) -> Result<Option<String>, Error> {
        of_path(set)
    }
}

pub(crate) fn signature(resource: &Resource, observer: &dyn Observe) -> Result<Option<String>, Error> {
    match resource {
        Resource::Path(path) => of_path(path),
        Resource::Column { set, column } => observer.column(set, column),
    }
}

/// The signature of a file or folder; `None` where there is none, or only something unfinished.
///
/// Of a published product it is a checksum of its manifest's file list, whatever the time of its making; of anything else,
/// names, sizes and modification times.
///
/// # Errors
///
/// When it cannot be looked at.
pub fn of_path(path: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::io(path, "look at it", source);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(failed(source)),
    };
    if !metadata.is_dir() {
        // A plain file's manifest is a second file, which inputs never have: its own stamp is enough.
        return Ok(Some(format!(
            "file {} bytes, mtime {}.{:09}",
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec()
        )));
    }
    match publish::inspect(path) {
        Ok(Status::Complete(manifest)) => {
            let mut hasher = blake3::Hasher::new();
            for value in [serde_json::to_vec(&manifest.options), serde_json::to_vec(&manifest.files)] {
                hasher.update(&value.unwrap_or_default());
            }
            Ok(Some(format!("product {}", &hasher.finalize().to_hex()[..32])))
        }
        Ok(Status::Temporary { .. } | Status::Damaged { .. } | Status::Absent) => Ok(None),
        // Foreign, changed, or with entries that no product has.
        Ok(_) | Err(_) => {
            let mut hasher = blake3::Hasher::new();
            let files = hash_tree(path, &mut hasher).map_err(failed)?;
            Ok((files > 0).then(|| format!("folder of {files} files, {}", &hasher.finalize().to_hex()[..32])))
        }
    }
}

fn hash_tree(folder: &Path, hasher: &mut blake3::Hasher) -> std::io::Result<usize> {
    let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut files = 0;
    for entry in entries {
        let metadata = entry.metadata()?;
        hasher.update(entry.file_name().as_encoded_bytes());
        if metadata.is_dir() {
            files += hash_tree(&entry.path(), hasher)?;
        } else {
            for number in [metadata.len() as i64, metadata.mtime(), metadata.mtime_nsec()] {
                hasher.update(&number.to_le_bytes());
            }
            files += 1;
        }
        hasher.update(b"/");
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_told_from_paths() {
        let column = Resource::parse("/n/a.ms::DATA");
        assert_eq!(column, Resource::Column { set: "/n/a.ms".into(), column: "DATA".into() });
        assert_eq!(column.key(Path::new("/n")), "a.ms::DATA");
        assert_eq!(Resource::parse("/n/a::b/c"), Resource::Path("/n/a::b/c".into()));
    }

    #[test]
    fn a_signature_changes_with_what_it_is_of() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let file = dir.path().join("a");
        assert_eq!(of_path(&file).expect("absent is no error"), None);
        std::fs::write(&file, "x").expect("write");
        let first = of_path(&file).expect("look").expect("there");
        std::fs::write(&file, "xy").expect("write");
        assert_ne!(of_path(&file).expect("look"), Some(first));
        let folder = of_path(dir.path()).expect("look").expect("there");
        std::fs::write(dir.path().join("b"), "").expect("write");
        assert_ne!(of_path(dir.path()).expect("look"), Some(folder));
        let empty = tempfile::tempdir().expect("temporary folder");
        assert_eq!(of_path(empty.path()).expect("look"), None, "an empty folder is no product");
    }
}
