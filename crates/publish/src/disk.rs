//! Forcing files and names to disk, and renaming without replacing.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::Error;

/// Opens a directory, to sync it or the file system that it is on.
pub(crate) fn open_directory(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|source| Error::io(path, "open the folder", source))
}

/// Forces a directory's names to disk.
///
/// Some network and FUSE file systems cannot sync a directory and say `EINVAL`; their names are as durable as they get.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    match rustix::fs::fsync(&File::open(path)?) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Forces everything that was written to the file system of `directory` to disk.
///
/// Linux (5.8 and later) reports a write-back error that happened since `directory` was opened, so open it before the
/// first byte is written.
pub(crate) fn sync_file_system(directory: &File) -> io::Result<()> {
    rustix::fs::syncfs(directory).map_err(io::Error::from)
}

/// How a rename into place went.
pub(crate) enum Placed {
    /// The target's name now has the product.
    Done,
    /// Somebody else took the name first.
    Taken,
}

/// Renames `from` to `to` unless `to` exists.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<Placed> {
    if pretend_plain_renames() {
        return rename_new_fallback(from, to);
    }
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(Placed::Done),
        Err(Errno::EXIST) => Ok(Placed::Taken),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_new_fallback(from, to),
        Err(errno) => Err(errno.into()),
    }
}

/// The same where the file system has no `RENAME_NOREPLACE` (NFS, some FUSE).
///
/// A rename never replaces a directory that has entries, and a published directory has its manifest; a hard link never
/// replaces anything. Only a file on a file system without hard links is left with a moment between look and rename.
fn rename_new_fallback(from: &Path, to: &Path) -> io::Result<Placed> {
    if fs::symlink_metadata(from)?.is_file() {
        match fs::hard_link(from, to) {
            Ok(()) => return fs::remove_file(from).map(|()| Placed::Done),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Placed::Taken),
            Err(_) => {} // No hard links here; the rename below reports what is really wrong.
        }
    }
    if fs::symlink_metadata(to).is_ok() {
        return Ok(Placed::Taken);
    }
    match fs::rename(from, to) {
        Ok(()) => Ok(Placed::Done),
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
            Ok(Placed::Taken)
        }
        Err(error) => Err(error),
    }
}

/// Swaps two names in one step. `false`: the file system cannot, and nothing happened.
pub(crate) fn exchange(a: &Path, b: &Path) -> io::Result<bool> {
    if pretend_plain_renames() {
        return Ok(false);
    }
    match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Lets a test see what happens on file systems whose `rename` has no flags.
fn pretend_plain_renames() -> bool {
    cfg!(feature = "kill-points") && std::env::var_os("PUBLISH_PLAIN_RENAMES").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_never_replaces_a_product() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for is_file in [false, true] {
            for path in [&a, &b] {
                if is_file {
                    fs::write(path, path.as_os_str().as_encoded_bytes()).expect("write");
                } else {
                    fs::create_dir(path).expect("mkdir");
                    fs::write(path.join("x"), path.as_os_str().as_encoded_bytes()).expect("write");
                }
            }
            assert!(matches!(rename_new_fallback(&a, &b).expect("no error"), Placed::Taken));
            assert!(a.exists(), "the refused product is still there");
            let remove = |path: &Path| if is_file { fs::remove_file(path) } else { fs::remove_dir_all(path) };
            remove(&b).expect("remove");
            assert!(matches!(rename_new_fallback(&a, &b).expect("no error"), Placed::Done));
            assert!(b.exists() && !a.exists());
            remove(&b).expect("remove");
        }
    }
}
