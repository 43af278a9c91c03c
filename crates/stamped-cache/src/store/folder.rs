//! The store's folder: ours, closed to others, and never reached through a symbolic link.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::Error;

/// An open folder. Its files are opened relative to it, so that nobody can put another folder in its way.
#[derive(Debug)]
pub(crate) struct Folder {
    handle: File,
    path: PathBuf,
}

impl Folder {
    /// The folder `root/name`, made with its parents when absent, open to its owner alone.
    pub(crate) fn make(root: &Path, name: &str) -> Result<Self, Error> {
        let fail = |path: &Path, action, source: io::Error| Error::Store { path: path.to_path_buf(), action, source };
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(|e| fail(root, "make", e))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = rustix::fs::open(root, flags, Mode::empty()).map_err(|e| fail(root, "open", e.into()))?;
        let path = root.join(name);
        match rustix::fs::mkdirat(&above, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(fail(&path, "make", errno.into())),
        }
        let handle = rustix::fs::openat(&above, name, flags | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| fail(&path, "open", errno.into()))?;
        let stat = rustix::fs::fstat(&handle).map_err(|errno| fail(&path, "open", errno.into()))?;
        let user = rustix::process::geteuid().as_raw();
        if stat.st_uid != user {
            return Err(Error::ForeignFolder { path, owner: stat.st_uid, user });
        }
        if stat.st_mode & 0o777 != 0o700 {
            rustix::fs::fchmod(&handle, Mode::RWXU).map_err(|errno| fail(&path, "close to others", errno.into()))?;
        }
        Ok(Self { handle: handle.into(), path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names in the folder, in no order.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle)? {
            // A name that is not UTF-8 is not one of ours.
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Opens an existing plain file of ours, for reading.
    pub(crate) fn open(&self, name: &str) -> io::Result<File> {
        // NONBLOCK, so that a named pipe put there does not hold us up before it is refused.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file: File = rustix::fs::openat(&self.handle, name, flags, Mode::empty())?.into();
        let stat = rustix::fs::fstat(&file)?;
        let plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if plain && stat.st_uid == rustix::process::geteuid().as_raw() { Ok(file) } else { Err(Errno::PERM.into()) }
    }

    /// Makes a file that does not exist, for appending, and locks it as being written.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file: File = rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)?.into();
        lock(&file)?;
        Ok(file)
    }

    /// Opens, or makes, the file whose lock says that somebody rewrites the store. `None` while somebody does.
    pub(crate) fn rewriting(&self) -> io::Result<Option<File>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file: File = rustix::fs::openat(&self.handle, "rewriting", flags, Mode::RUSR | Mode::WUSR)?.into();
        Ok(lock(&file)?.then_some(file))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    /// Removes a file; that it is gone already is fine.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Locks a file until it is closed, by us or by our death. `false` while another process holds it.
///
/// A file system without locks (or, as NFS, without locks on files that are open for reading) counts as unlocked: at worst another process rewrites the store at the same time, or
/// removes a file that is still appended to, and entries are lost, which are then read again.
pub(crate) fn lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK | Errno::BADF) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
