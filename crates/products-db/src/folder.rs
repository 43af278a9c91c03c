//! Paths as they are stored: relative to the work folder where they lie in it.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fmt,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A path in the form of the database: relative to the work folder for what lies in it, absolute for the rest.
/// [`WorkFolder::stored`] makes it, [`WorkFolder::resolve`] turns it into a path to open.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredPath(pub(crate) String);

impl StoredPath {
    /// As it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoredPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ToSql for StoredPath {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for StoredPath {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        String::column_result(value).map(Self)
    }
}

/// The folder of a database, to which its paths are relative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkFolder {
    root: PathBuf,
}

impl WorkFolder {
    /// `root` with its symbolic links resolved.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn new(root: &Path) -> Result<Self> {
        let here = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        let root = here.canonicalize().map_err(|source| Error::Io {
            path: here.to_path_buf(),
            doing: "cannot find the work folder",
            source,
        })?;
        Ok(Self { root })
    }

    /// The folder's absolute path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The form in which `path` is stored. A relative path is relative to the current directory; the file need not exist.
    /// Symbolic links of its folders are resolved, the last part is taken as it is.
    ///
    /// # Errors
    /// [`Error::Path`] for a path that is empty, not UTF-8, or has a control character; [`Error::Io`] when the current
    /// directory is gone.
    pub fn stored(&self, path: &Path) -> Result<StoredPath> {
        let mut stored = String::new();
        self.names().append(path, &mut stored)?;
        Ok(StoredPath(stored))
    }

    /// The path to open.
    #[must_use]
    pub fn resolve(&self, stored: &StoredPath) -> PathBuf {
        self.root.join(&stored.0)
    }

    /// For many paths: each folder is resolved once.
    pub(crate) fn names(&self) -> Names<'_> {
        Names { folder: self, prefixes: HashMap::new(), last: None }
    }

    /// The root with a `/` behind it, when it can be a prefix of a stored path.
    pub(crate) fn prefix(&self) -> Option<String> {
        let root = self.root.to_str()?;
        Some(if root.ends_with('/') { root.to_owned() } else { format!("{root}/") })
    }

    /// The stored form of a folder, with a `/` behind it; empty for the work folder itself.
    fn prefix_of(&self, folder: &Path) -> Result<String> {
        let full = canonical(folder)?;
        let inside = full.strip_prefix(&self.root).unwrap_or(&full);
        let text = text(inside.as_os_str(), &full)?;
        Ok(if text.is_empty() || text.ends_with('/') { text.to_owned() } else { format!("{text}/") })
    }
}

/// [`WorkFolder::stored`] for many paths, one behind the other.
pub(crate) struct Names<'a> {
    folder: &'a WorkFolder,
    prefixes: HashMap<Vec<u8>, String>,
    /// The folder of the last path, and its prefix: most lists name the files of one folder.
    last: Option<(Vec<u8>, String)>,
}

impl Names<'_> {
    /// Puts the stored form of `path` behind what is in `into`.
    pub(crate) fn append(&mut self, path: &Path, into: &mut String) -> Result<()> {
        let bytes = path.as_os_str().as_bytes();
        let slash = match &self.last {
            Some((folder, _)) if bytes.starts_with(folder) && is_name(&bytes[folder.len()..]) => Some(folder.len()),
            _ => bytes.iter().rposition(|b| *b == b'/'),
        };
        let (folder, name) = match slash {
            Some(at) => (&bytes[..at], &bytes[at + 1..]),
            None => (&bytes[..0], bytes),
        };
        if matches!(name, b"" | b"." | b"..") {
            into.push_str(&self.unusual(path)?);
            return Ok(());
        }
        // `/a` has the folder `/`; `a` that of the process.
        let folder = if folder.is_empty() && bytes.first() == Some(&b'/') { b"/" } else { folder };
        let name = text(OsStr::from_bytes(name), path)?;
        into.push_str(self.prefix(folder)?);
        into.push_str(name);
        Ok(())
    }

    fn prefix(&mut self, folder: &[u8]) -> Result<&str> {
        let known = self.last.as_ref().is_some_and(|(last, _)| last == folder);
        if !known {
            let prefix = match self.prefixes.get(folder) {
                Some(prefix) => prefix.clone(),
                None => {
                    let path = Path::new(OsStr::from_bytes(folder));
                    let prefix = self.folder.prefix_of(path)?;
                    self.prefixes.insert(folder.to_vec(), prefix.clone());
                    prefix
                }
            };
            self.last = Some((folder.to_vec(), prefix));
        }
        Ok(self.last.as_ref().map_or("", |(_, prefix)| prefix))
    }

    /// A path that ends in `/`, `.` or `..`.
    fn unusual(&mut self, path: &Path) -> Result<String> {
        if path.as_os_str().is_empty() {
            return Err(Error::Path { path: path.to_path_buf(), reason: "it is empty" });
        }
        let full = match (path.components().next_back(), path.parent(), path.file_name()) {
            (Some(Component::Normal(_)), Some(parent), Some(name)) => canonical(parent)?.join(name),
            _ => canonical(path)?,
        };
        let inside = full.strip_prefix(&self.folder.root).unwrap_or(&full);
        let inside = if inside.as_os_str().is_empty() { &full } else { inside };
        text(inside.as_os_str(), path).map(ToOwned::to_owned)
    }
}

/// Whether this is a slash and the last part of a path: searched forwards, which is faster than for the last slash.
fn is_name(bytes: &[u8]) -> bool {
    bytes.split_first().is_some_and(|(first, name)| *first == b'/' && !name.contains(&b'/'))
}

fn text<'a>(name: &'a OsStr, path: &Path) -> Result<&'a str> {
    let wrong = |reason| Error::Path { path: path.to_path_buf(), reason };
    let text = name.to_str().ok_or_else(|| wrong("it is not UTF-8"))?;
    // All bytes at once, not until the first one: names are short and hardly any has one.
    let control = text.bytes().fold(false, |found, b| found | (b < 0x20) | (b == 0x7f));
    if control { Err(wrong("it has a control character")) } else { Ok(text) }
}

/// The canonical form of what exists of `folder`, and the rest of it by its text.
fn canonical(folder: &Path) -> Result<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if let Ok(full) = here.canonicalize() {
        return Ok(full);
    }
    let absolute = std::path::absolute(here).map_err(|source| Error::Io {
        path: here.to_path_buf(),
        doing: "cannot tell where this is",
        source,
    })?;
    let mut full = PathBuf::new();
    let mut exists = true;
    for part in absolute.components() {
        match part {
            Component::ParentDir => drop(full.pop()),
            other => full.push(other),
        }
        if exists {
            match full.canonicalize() {
                Ok(real) => full = real,
                Err(_) => exists = false,
            }
        }
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_inside_and_absolute_outside() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        std::fs::create_dir(root.join("real")).expect("room");
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).expect("links");
        let work = WorkFolder::new(&root).expect("a folder");
        let stored = |text: &str| work.stored(&root.join(text)).map(|p| p.0).expect("a path");
        assert_eq!(stored("a.fits"), "a.fits");
        assert_eq!(stored("real/a.ms/"), "real/a.ms");
        assert_eq!(stored("real/./a.ms"), "real/a.ms");
        assert_eq!(stored("link/a.ms"), "real/a.ms");
        assert_eq!(stored("real/../b.ms"), "b.ms");
        assert_eq!(stored("gone/deep/../b.ms"), "gone/b.ms");
        assert_eq!(
            stored("../elsewhere.ms"),
            root.parent().map(|p| p.join("elsewhere.ms").display().to_string()).expect("a parent")
        );
        // The folder itself has no name within itself.
        assert_eq!(work.stored(&root).expect("a path").0, root.display().to_string());
        assert_eq!(work.stored(&root.join("real/..")).expect("a path").0, root.display().to_string());
        assert_eq!(work.stored(Path::new("/x.fits")).expect("a path").0, "/x.fits");
        let back = work.resolve(&work.stored(&root.join("real/a.ms")).expect("a path"));
        assert_eq!(back, root.join("real/a.ms"));
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        let work = WorkFolder::new(Path::new("/")).expect("the root");
        for bad in [&b""[..], b"a\nb", b"\xff.fits", b"a\0b"] {
            let path = Path::new(OsStr::from_bytes(bad));
            assert!(matches!(work.stored(path), Err(Error::Path { .. })), "{path:?}");
        }
    }
}
