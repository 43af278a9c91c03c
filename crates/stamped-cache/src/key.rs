//! What a value is remembered under.

use std::ffi::{CString, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;

/// The name of a value: the file or folder that it describes, and which of several values of that file it is.
///
/// A key is made once and may be kept: cloning it is cheap, and a look-up with it allocates nothing. It says under what
/// a value is remembered and nothing about freshness, which the stamps of the files decide alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<Name>);

#[derive(PartialEq, Eq, Hash)]
struct Name {
    path: CString,
    part: Box<str>,
}

impl Key {
    /// The key of `path`, with symbolic links and relative parts resolved, so that every way to write it is one key.
    ///
    /// Costs a few system calls. The path itself need not exist, its folder must.
    ///
    /// # Errors
    /// [`Error::Path`] when the path's folder cannot be resolved.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let resolved = match path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing(path),
            other => other,
        };
        resolved.map_err(|source| Error::Path { path: path.to_path_buf(), source }).and_then(Self::named)
    }

    /// The key of a path that is known to be canonical, such as a name in a folder that was resolved once.
    ///
    /// No system call. A path that is not canonical is not dangerous: its value is just not shared with that of the
    /// same file under its other names.
    ///
    /// # Errors
    /// [`Error::Path`] when the path is relative or holds a NUL byte.
    pub fn canonical(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        if !path.is_absolute() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the path is relative");
            return Err(Error::Path { path, source });
        }
        Self::named(path)
    }

    /// The same path, another value of it: for instance `Key::new(set)?.part("MAIN")`.
    #[must_use = "the key itself stays as it is"]
    pub fn part(&self, part: &str) -> Self {
        Self(Arc::new(Name { path: self.0.path.clone(), part: part.into() }))
    }

    /// The resolved path.
    pub fn path(&self) -> &Path {
        crate::tracker::as_path(&self.0.path)
    }

    /// Which value of the path it is; empty when there is only one.
    pub fn part_name(&self) -> &str {
        &self.0.part
    }

    pub(crate) fn c_path(&self) -> &CString {
        &self.0.path
    }

    fn named(path: PathBuf) -> Result<Self, Error> {
        let path = CString::new(path.into_os_string().into_vec()).map_err(|error| Error::Path {
            source: io::Error::new(io::ErrorKind::InvalidInput, "the path has a NUL byte in it"),
            path: OsString::from_vec(error.into_vec()).into(),
        })?;
        Ok(Self(Arc::new(Name { path, part: "".into() })))
    }
}

/// The canonical path of something that is not there: its folder resolved, and its name.
fn missing(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::NotFound)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.canonicalize()?,
        _ => Path::new(".").canonicalize()?,
    };
    Ok(folder.join(name))
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path().display())?;
        if self.0.part.is_empty() { Ok(()) } else { write!(f, " ({})", self.0.part) }
    }
}
