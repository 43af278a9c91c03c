//! One run at a time on a set: a lock that ends with the last process that works on the set, and with nothing else.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;

use publish::Owner;
use rustix::fs::FlockOperation;
use rustix::io::{Errno, FdFlags};

use crate::error::Error;

/// Holds a set. Worker processes inherit it, so that a set stays held while one of them lives, even when its head was
/// killed; the kernel lets it go with the last of them. No age ever removes it.
#[derive(Debug)]
pub(crate) struct SetLock {
    file: File,
}

/// What came of asking for a set.
#[derive(Debug)]
pub(crate) enum Asked {
    Held(SetLock),
    /// Somebody else has it: who, where that is written.
    Taken(Option<Owner>),
}

impl SetLock {
    /// Asks for the set whose lock is at `path`.
    pub(crate) fn ask(path: &Path, me: &Owner) -> Result<Asked, Error> {
        let failed = |source| Error::io(path, "lock the set", source);
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open()
            .or_else(|error| match (error.kind(), path.parent()) {
                (std::io::ErrorKind::NotFound, Some(folder)) => fs::create_dir_all(folder).and_then(|()| open()),
                _ => Err(error),
            })
            .map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Without a readable name, it is held all the same.
                let _ = file.read_to_string(&mut text);
                return Ok(Asked::Taken(serde_json::from_str(&text).ok()));
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let text = serde_json::to_vec(me).map_err(|source| Error::State { path: path.to_owned(), source })?;
        // It is held without a name in it, too: a full disk must not end the run here.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text));
        Ok(Asked::Held(Self { file }))
    }

    /// Lets the processes that are started from now on inherit the lock, or not.
    pub(crate) fn inherited(&self, inherited: bool) -> Result<(), Error> {
        let flags = if inherited { FdFlags::empty() } else { FdFlags::CLOEXEC };
        rustix::io::fcntl_setfd(&self.file, flags)
            .map_err(|errno| Error::io("", "let a worker inherit a lock", errno.into()))
    }
}

/// Sets that some process holds now, with its name.
///
/// # Errors
///
/// When the folder of locks cannot be listed.
pub(crate) fn holders(layout: &crate::Layout) -> Result<Vec<(String, String)>, Error> {
    let path = layout.lock("x");
    let folder = path.parent().expect("because locks lie in a folder");
    let failed = |source| Error::io(folder, "list the locks", source);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut held = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Ok(mut file) = File::open(entry.path()) else { continue };
        // A shared lock, given back at once, disturbs nobody but a run that asks at this moment, and it asks again.
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK) {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            let owner: Option<Owner> = serde_json::from_str(&text).ok();
            let name = owner.map_or_else(|| "another run".to_owned(), |owner| owner.to_string());
            held.push((entry.file_name().to_string_lossy().into_owned(), name));
        }
    }
    held.sort();
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_held_once_and_names_its_holder() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("locks/a");
        let me = Owner::current().expect("own record");
        let held = SetLock::ask(&path, &me).expect("ask");
        assert!(matches!(held, Asked::Held(_)));
        assert!(matches!(SetLock::ask(&path, &me).expect("ask"), Asked::Taken(Some(owner)) if owner == me));
        drop(held);
        assert!(matches!(SetLock::ask(&path, &me).expect("ask"), Asked::Held(_)));
    }

    #[test]
    fn a_set_is_held_where_its_holder_s_name_finds_no_room() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("a");
        std::os::unix::fs::symlink("/dev/full", &path).expect("link");
        let me = Owner::current().expect("own record");
        assert!(matches!(SetLock::ask(&path, &me).expect("ask"), Asked::Held(_)));
    }
}
