//! What a dead process left of a change of a directory's files: finished or undone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FlockOperation;

use crate::disk;
use crate::edit::{DRAFT_NAME, EDIT_NAME, NEW_NAME, Plan, RECORD_NAME};
use crate::error::Error;
use crate::kill_point::kill_point;
use crate::manifest::check_relative;
use crate::owner::{Liveness, OWNER_NAME, Owner};
use crate::sealed::read_sealed;

/// What [`recover`] found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// There was no change in the making.
    Nothing,
    /// A change that was not decided: its new files were removed.
    RolledBack,
    /// A change that was decided: it was finished.
    Finished,
}

/// Finishes or undoes the change of `directory` that a dead process left, so that its files are all old or all new.
///
/// Costs one look at a name where there is none. Call it before reading files that a change may touch together.
///
/// # Errors
///
/// [`Error::EditInProgress`] while another process makes a change; [`Error::EditUnfinished`] when a decided change still
/// cannot be finished; [`Error::BadManifest`] when its record was damaged.
pub fn recover(directory: &Path) -> Result<Recovery, Error> {
    let folder = directory.join(EDIT_NAME);
    let lock = match File::open(&folder) {
        Ok(lock) => lock,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Recovery::Nothing);
        }
        Err(source) => return Err(Error::io(&folder, "open the folder", source)),
    };
    recover_opened(directory, &lock)
}

/// The same, for a folder of a change that was opened a moment ago.
fn recover_opened(directory: &Path, lock: &File) -> Result<Recovery, Error> {
    let folder = directory.join(EDIT_NAME);
    let owner = fs::read(folder.join(OWNER_NAME)).ok().and_then(|text| serde_json::from_slice::<Owner>(&text).ok());
    let busy = |owner| Err(Error::EditInProgress { path: directory.to_owned(), owner });
    match take_lock(lock, &folder) {
        Taken::Ours => {}
        Taken::ByOther => return busy(owner),
        // Whoever made that change has ended it. What has the name now is another's, who lives.
        Taken::Gone => return Ok(Recovery::Nothing),
        // Without locks the owner's process decides; one that left no record died while it made the folder.
        Taken::Unsupported => match &owner {
            Some(known) if known.liveness() != Liveness::Dead => return busy(owner),
            _ => {}
        },
    }
    let Some(plan) = read_sealed::<Plan>(&folder.join(RECORD_NAME))? else {
        return match remove_folder(&folder) {
            Ok(()) => Ok(Recovery::RolledBack),
            // Somebody who may only read: the directory is as it was, whatever lies beside its files.
            Err(Error::ReadOnly { .. } | Error::Denied { .. }) => Ok(Recovery::Nothing),
            Err(error) => Err(error),
        };
    };
    for relative in plan.replace.iter().chain(&plan.remove) {
        check_relative(relative).map_err(|what| Error::UnsupportedEntry { path: directory.join(relative), what })?;
    }
    match roll_forward(directory, &plan).and_then(|()| remove_folder(&folder)) {
        Ok(()) => Ok(Recovery::Finished),
        Err(source) => Err(Error::EditUnfinished { path: directory.to_owned(), source: Box::new(source) }),
    }
}

/// Whether a change of the directory was decided and is not finished.
pub(crate) fn is_committed(directory: &Path) -> bool {
    directory.join(EDIT_NAME).join(RECORD_NAME).is_file()
}

/// Does what the plan says, as far as it has not been done.
pub(crate) fn roll_forward(directory: &Path, plan: &Plan) -> Result<(), Error> {
    let new = directory.join(EDIT_NAME).join(NEW_NAME);
    let mut folders = vec![directory.to_owned()];
    for (number, relative) in plan.replace.iter().enumerate() {
        let (from, to) = (new.join(relative), directory.join(relative));
        if let Some(parent) = to.parent()
            && parent != directory
        {
            fs::create_dir_all(parent).map_err(|source| Error::io(parent, "make the folder", source))?;
            folders.extend(to.ancestors().skip(1).take_while(|above| *above != directory).map(Path::to_owned));
        }
        match fs::rename(&from, &to) {
            // Already in its place: an earlier attempt got this far.
            Err(error) if error.kind() == io::ErrorKind::NotFound && to.is_file() => {}
            other => other.map_err(|source| Error::io(&to, "put the new file in its place", source))?,
        }
        if number == 0 {
            kill_point("edit-first-placed");
        }
    }
    kill_point("edit-placed");
    for relative in &plan.remove {
        let path = directory.join(relative);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io(&path, "remove the file", error));
            }
            _ => {}
        }
        // A folder of the product that became empty goes as well; one that did not stays.
        for above in path.ancestors().skip(1).take_while(|above| *above != directory) {
            if fs::remove_dir(above).is_err() {
                folders.push(above.to_owned());
                break;
            }
        }
    }
    folders.sort();
    folders.dedup();
    folders.retain(|folder| folder.is_dir());
    folders.iter().try_for_each(|folder| disk::sync_directory(folder).map_err(|source| Error::sync(folder, source)))?;
    kill_point("edit-synced");
    Ok(())
}

/// Removes the folder of a change: the new files first, then the record, so that a removal cut short can be continued.
pub(crate) fn remove_folder(folder: &Path) -> Result<(), Error> {
    let gone = |path: &Path, result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(path, "remove what a change left", error))
        }
        _ => Ok(()),
    };
    let new = folder.join(NEW_NAME);
    gone(&new, fs::remove_dir_all(&new))?;
    kill_point("edit-emptied");
    for name in [RECORD_NAME, DRAFT_NAME, OWNER_NAME] {
        let path = folder.join(name);
        gone(&path, fs::remove_file(&path))?;
    }
    kill_point("edit-forgotten");
    gone(folder, fs::remove_dir(folder))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Ours,
    ByOther,
    /// The folder was removed after it was opened; its name is free, or another folder has it.
    Gone,
    /// The file system has no such locks.
    Unsupported,
}

/// Locks the open folder until it is closed. The kernel gives the lock up when the process dies.
///
/// A lock is one of a folder, not of a name: `path` is looked at again, since the folder may have been removed and another
/// one made between its opening and its locking.
pub(crate) fn take_lock(folder: &File, path: &Path) -> Taken {
    match rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if has_the_name(folder, path) => Taken::Ours,
        Ok(()) => Taken::Gone,
        Err(rustix::io::Errno::WOULDBLOCK) => Taken::ByOther,
        Err(_) => Taken::Unsupported,
    }
}

fn has_the_name(folder: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    folder.metadata().is_ok_and(|opened| fs::symlink_metadata(path).is_ok_and(|now| identity(opened) == identity(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Edit;

    #[test]
    fn whoever_opened_the_folder_of_an_ended_change_leaves_the_next_one_alone() {
        let dir = tempfile::tempdir().expect("temporary folder");
        fs::write(dir.path().join("a"), "old").expect("write");
        let first = Edit::begin(dir.path()).expect("begin");
        // A reader, held up between the two calls of `recover`.
        let opened = File::open(dir.path().join(EDIT_NAME)).expect("open");
        drop(first);
        let mut second = Edit::begin(dir.path()).expect("begin");
        fs::write(second.path().join("a"), "new").expect("write");
        assert_eq!(recover_opened(dir.path(), &opened).expect("recover"), Recovery::Nothing);
        second.replace("a").expect("a plain name");
        second.commit().expect("commit");
        assert_eq!(fs::read_to_string(dir.path().join("a")).expect("read"), "new");
    }
}
