//! What runs that died left behind: found, sized, and removed when its owner is certainly dead.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::disk::{self, Placed};
use crate::error::Error;
use crate::kill_point::kill_point;
use crate::manifest::MANIFEST_NAME;
use crate::owner::{Liveness, OWNER_NAME, Owner, liveness_of_pid};
use crate::stage::{RETIRED_NAME, parse_temporary_name};

/// A temporary beside a product's name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// The temporary directory.
    pub path: PathBuf,
    /// The product's name that it was to have.
    pub target: PathBuf,
    /// What it takes on the disk.
    pub disk_bytes: u64,
    /// Its owner, where the record is readable.
    pub owner: Option<Owner>,
    /// Whether the owner still runs. Only a dead owner's temporary can be removed.
    pub liveness: Liveness,
    /// What is in it.
    pub holds: Holds,
}

/// What a temporary holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A product in the making, or nothing.
    Unfinished,
    /// A whole product: one that was about to get its name, or one that has been replaced.
    Whole,
    /// The old product of an interrupted replacement; it gets its name back if that is free.
    Retired,
}

/// Lists the temporaries in `folder`, dead or alive, by path. Subfolders are not searched and links not followed.
///
/// # Errors
///
/// When the folder cannot be listed.
pub fn leftovers(folder: &Path) -> Result<Vec<Leftover>, Error> {
    let failed = |source| Error::io(folder, "list the folder", source);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Some(leftover) = examine(&entry.path()) {
            found.push(leftover);
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Removes a temporary whose owner is dead. Everything is looked at again first.
///
/// A product that an interrupted replacement had set aside gets its name back, unless the name is taken.
///
/// # Errors
///
/// [`Error::OwnerMayLive`] when the owner is not certainly dead; [`Error::NotALeftover`] when it is not a temporary.
pub fn remove_leftover(leftover: &Leftover) -> Result<(), Error> {
    let path = &leftover.path;
    let fresh = examine(path).ok_or_else(|| Error::NotALeftover { path: path.clone() })?;
    if fresh.liveness != Liveness::Dead {
        return Err(Error::OwnerMayLive { path: path.clone(), owner: fresh.owner });
    }
    remove_temporary(path)
}

/// Removes what dead runs left of one target. What cannot be removed stays for the next time: it never stops a run.
pub(crate) fn sweep(folder: &Path, name: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let of_target =
            entry.file_name().to_str().and_then(parse_temporary_name).is_some_and(|(target, _)| target == name);
        let path = entry.path();
        if of_target && is_directory(&path) && owner_of(&path).1 == Liveness::Dead {
            let _ = remove_temporary(&path);
        }
    }
}

/// The owner of the temporary at `path`, and whether it lives.
///
/// A temporary without a readable record is one whose owner was cut off while making it: the process id in its name
/// decides, and only if it holds nothing but that record.
pub(crate) fn owner_of(path: &Path) -> (Option<Owner>, Liveness) {
    let record = fs::read(path.join(OWNER_NAME)).ok().and_then(|text| serde_json::from_slice::<Owner>(&text).ok());
    if let Some(owner) = record {
        let liveness = owner.liveness();
        return (Some(owner), liveness);
    }
    let pid = path.file_name().and_then(|name| name.to_str()).and_then(parse_temporary_name).map(|(_, pid)| pid);
    let holds_nothing = fs::read_dir(path)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == OWNER_NAME)));
    match pid {
        Some(pid) if holds_nothing => (None, liveness_of_pid(pid, None)),
        _ => (None, Liveness::Unknown),
    }
}

/// Removes a temporary: first the product in it, last the owner record, so that a removal cut short can be continued.
pub(crate) fn remove_temporary(path: &Path) -> Result<(), Error> {
    put_back(path)?;
    let failed = |source| Error::io(path, "remove the temporary", source);
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_name() != OWNER_NAME {
            // Neither follows links.
            let removed = if entry.file_type().map_err(failed)?.is_dir() {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
            removed.map_err(|source| Error::io(entry.path(), "remove the temporary", source))?;
        }
    }
    kill_point("temporary-emptied");
    match fs::remove_file(path.join(OWNER_NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    kill_point("owner-removed");
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Gives a product that was set aside its name back, if the name is free.
fn put_back(path: &Path) -> Result<(), Error> {
    let Some((name, folder)) = target_of(path) else { return Ok(()) };
    let retired = path.join(RETIRED_NAME).join(name);
    if fs::symlink_metadata(&retired).is_ok() {
        let target = folder.join(name);
        match disk::rename_new(&retired, &target) {
            Ok(Placed::Done | Placed::Taken) => {}
            Err(source) => return Err(Error::io(&target, "put the old product back", source)),
        }
    }
    Ok(())
}

fn target_of(path: &Path) -> Option<(&str, &Path)> {
    let (name, _) = parse_temporary_name(path.file_name()?.to_str()?)?;
    Some((name, path.parent()?))
}

fn examine(path: &Path) -> Option<Leftover> {
    let (name, folder) = target_of(path)?;
    if !is_directory(path) {
        return None;
    }
    let (owner, liveness) = owner_of(path);
    let exists = |below: PathBuf| fs::symlink_metadata(below).is_ok();
    let holds = if exists(path.join(RETIRED_NAME).join(name)) {
        Holds::Retired
    } else if exists(path.join(name).join(MANIFEST_NAME)) || exists(path.join(MANIFEST_NAME)) {
        Holds::Whole
    } else {
        Holds::Unfinished
    };
    Some(Leftover {
        path: path.to_owned(),
        target: folder.join(name),
        disk_bytes: disk_bytes(path),
        owner,
        liveness,
        holds,
    })
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// What is at and under `path` on the disk, as far as it can be seen.
fn disk_bytes(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let below = if metadata.is_dir() {
        fs::read_dir(path).map_or(0, |entries| entries.flatten().map(|entry| disk_bytes(&entry.path())).sum())
    } else {
        0
    };
    metadata.blocks() * 512 + below
}
