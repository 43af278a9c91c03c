//! A product in the making: its temporary, and the steps from there to its name.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::digest::Coverage;
use crate::disk::{self, Placed};
use crate::error::Error;
use crate::inspect::{Status, inspect};
use crate::kill_point::kill_point;
use crate::leftover;
use crate::manifest::{self, MANIFEST_NAME, Manifest, ManifestDraft};
use crate::owner::{OWNER_NAME, Owner};
use crate::tree::Tree;

/// Where a replaced directory waits inside the temporary, on file systems that cannot exchange two names.
pub(crate) const RETIRED_NAME: &str = "retired";

/// What to do when the target exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Refuse, both at the start and when the name was taken meanwhile.
    #[default]
    Refuse,
    /// Replace a product of this crate (one with a manifest, sound or not), and nothing else: the old one is deleted.
    Replace,
    /// Replace and delete whatever file or directory has the name, except a symbolic link. The caller has looked.
    ReplaceForeign,
}

/// How a product is forced to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// One `syncfs`: fastest for many files, but it waits for everything else that was written to the file system.
    #[default]
    FileSystem,
    /// An `fsync` of every file and directory of the product: for file systems shared with busy neighbours.
    EachFile,
}

/// What becomes of temporaries of the same target whose owners are dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sweep {
    /// They are removed, so that killed runs do not fill the disk.
    #[default]
    DeadRuns,
    /// They stay.
    Nothing,
}

/// Choices of [`Staged::create`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageOptions {
    /// What to do when the target exists.
    pub overwrite: Overwrite,
    /// How the product is forced to disk.
    pub durability: Durability,
    /// How much the manifest's checksums cover.
    pub coverage: Coverage,
    /// What becomes of what dead runs left of this target.
    pub sweep: Sweep,
}

/// A product in the making. Dropped without [`commit`](Staged::commit), it is removed.
#[must_use = "the product is published by `commit` and removed when this is dropped"]
#[derive(Debug)]
pub struct Staged {
    /// The resolved folder that will hold the product.
    folder: PathBuf,
    name: String,
    /// `.NAME.tmp-<run>-<pid>`, which holds the owner record and the product in the making.
    temporary: PathBuf,
    product: PathBuf,
    /// The temporary, open since before the first byte was written: `syncfs` on it reports earlier write-back errors.
    handle: File,
    options: StageOptions,
}

impl Staged {
    /// Makes a temporary beside `target` and writes this process down as its owner.
    ///
    /// # Errors
    ///
    /// When the target exists and is not to be replaced, its folder is missing, or the temporary cannot be made.
    pub fn create(target: &Path, options: &StageOptions) -> Result<Self, Error> {
        let (folder, name) = split_target(target)?;
        if options.sweep == Sweep::DeadRuns {
            leftover::sweep(&folder, &name);
        }
        check_target(&folder.join(&name), options.overwrite)?;
        let owner = Owner::current()?;
        // A name can be taken only by chance, and an empty temporary can be swept away from another host.
        for _ in 0..16 {
            let temporary = folder.join(temporary_name(&name, owner.pid));
            match fs::create_dir(&temporary) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(source) => return Err(Error::io(&folder, "make a temporary folder", source)),
            }
            kill_point("temporary-made");
            let record = temporary.join(OWNER_NAME);
            let text = serde_json::to_vec_pretty(&owner)
                .map_err(|source| Error::io(&record, "write the owner record", source.into()))?;
            match fs::write(&record, text) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => {
                    // The first failure is the one to report; an empty temporary is no harm.
                    let _ = leftover::remove_temporary(&temporary);
                    return Err(Error::io(&record, "write the owner record", source));
                }
            }
            kill_point("owner-written");
            let handle = disk::open_directory(&temporary)?;
            let product = temporary.join(&name);
            return Ok(Self { folder, name, temporary, product, handle, options: *options });
        }
        Err(Error::io(&folder, "make a temporary folder", io::ErrorKind::AlreadyExists.into()))
    }

    /// Where to build the product: nothing is there yet; make a directory or a file of this very name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.product
    }

    /// The name that the product will have, with its folder resolved.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Describes the product in a manifest, forces it to disk and gives it its name.
    ///
    /// Call it when whoever built the product has closed its files and the result was checked. On an error nothing is
    /// published (except with [`Error::NameNotDurable`]) and the temporary is removed.
    ///
    /// # Errors
    ///
    /// When nothing was built, it holds what a product cannot, it cannot be forced to disk, or the name is taken.
    pub fn commit(self, draft: ManifestDraft) -> Result<Manifest, Error> {
        let tree = match fs::symlink_metadata(&self.product) {
            Ok(_) => Tree::walk(&self.product)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NothingBuilt { path: self.product.clone() });
            }
            Err(source) => return Err(Error::io(&self.product, "look at it", source)),
        };
        if tree.files.is_empty() {
            return Err(Error::NothingBuilt { path: self.product.clone() });
        }
        // The checksums are taken while the disk works.
        let (synced, described) =
            rayon::join(|| self.sync(&tree), || Manifest::describe(&tree, &draft, &self.folder, self.options.coverage));
        synced?;
        let manifest = described?;
        kill_point("product-durable");
        let manifest = if tree.directories.is_empty() {
            self.place_file(manifest)?
        } else {
            self.place_directory(&manifest)?;
            manifest
        };
        kill_point("renamed");
        disk::sync_directory(&self.folder).map_err(|source| Error::NameNotDurable { path: self.target(), source })?;
        kill_point("folder-synced");
        Ok(manifest)
        // Dropping `self` removes the temporary, and the replaced product in it.
    }

    /// Removes the temporary and says when it cannot.
    ///
    /// # Errors
    ///
    /// When something of it cannot be removed; [`leftovers`](crate::leftovers) will list it.
    pub fn discard(self) -> Result<(), Error> {
        leftover::remove_temporary(&self.temporary)
    }

    fn sync(&self, tree: &Tree) -> Result<(), Error> {
        match self.options.durability {
            Durability::FileSystem => {
                disk::sync_file_system(&self.handle).map_err(|source| Error::sync(&self.product, source))
            }
            Durability::EachFile => {
                tree.files.par_iter().try_for_each(|file| {
                    let opened =
                        File::open(&file.path).map_err(|source| Error::io(&file.path, "open it to sync it", source))?;
                    opened.sync_all().map_err(|source| Error::sync(&file.path, source))
                })?;
                tree.directories.par_iter().try_for_each(|directory| {
                    disk::sync_directory(directory).map_err(|source| Error::sync(directory, source))
                })
            }
        }
    }

    fn place_directory(&self, manifest: &Manifest) -> Result<(), Error> {
        manifest.write(&self.product.join(MANIFEST_NAME))?;
        kill_point("manifest-written");
        disk::sync_directory(&self.product).map_err(|source| Error::sync(&self.product, source))?;
        kill_point("manifest-durable");
        let target = self.target();
        let failed = |source| Error::io(&target, "give the product its name", source);
        if self.options.overwrite == Overwrite::Refuse {
            return self.place_new(&target);
        }
        if fs::symlink_metadata(&target).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return self.place_new(&target);
        }
        check_target(&target, self.options.overwrite)?;
        if disk::exchange(&self.product, &target).map_err(failed)? {
            return Ok(());
        }
        // No exchange here: the old product steps aside, and for a moment the name does not exist. Were we killed then,
        // removing our temporary would put the old product back first.
        let retired = self.temporary.join(RETIRED_NAME);
        fs::create_dir(&retired).map_err(|source| Error::io(&retired, "make a folder for the old product", source))?;
        let old = retired.join(&self.name);
        fs::rename(&target, &old).map_err(failed)?;
        kill_point("old-retired");
        self.place_new(&target)
    }

    fn place_new(&self, target: &Path) -> Result<(), Error> {
        match disk::rename_new(&self.product, target) {
            Ok(Placed::Done) => Ok(()),
            Ok(Placed::Taken) => Err(Error::TargetExists { path: target.to_owned() }),
            Err(source) => Err(Error::io(target, "give the product its name", source)),
        }
    }

    /// A file's manifest is a second name. It is put there first and holds the manifest of the file that still has the
    /// name, so that at every moment one of the two describes what is there. The folder is locked meanwhile, so that two
    /// writers of one name do not mix (where the file system has no locks, they may).
    fn place_file(&self, mut manifest: Manifest) -> Result<Manifest, Error> {
        let target = self.target();
        let folder = disk::open_directory(&self.folder)?;
        // An error means that there are no locks here; a signal means nothing.
        let _ = rustix::io::retry_on_intr(|| rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive));
        check_target(&target, self.options.overwrite)?;
        let beside = manifest::beside(&self.folder, &self.name);
        if let Ok(Status::Complete(old)) = inspect(&target) {
            manifest.replaces = Some(Box::new(old));
        }
        let staged = self.temporary.join(MANIFEST_NAME);
        manifest.write(&staged)?;
        kill_point("manifest-written");
        fs::rename(&staged, &beside).map_err(|source| Error::io(&beside, "put the manifest in place", source))?;
        disk::sync_directory(&self.folder).map_err(|source| Error::sync(&self.folder, source))?;
        kill_point("manifest-durable");
        if self.options.overwrite == Overwrite::Refuse {
            self.place_new(&target)?;
        } else {
            fs::rename(&self.product, &target)
                .map_err(|source| Error::io(&target, "give the product its name", source))?;
        }
        manifest.replaces = None;
        Ok(manifest)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // There is nobody to tell; `leftovers` lists what could not be removed. `discard` tells.
        let _ = leftover::remove_temporary(&self.temporary);
    }
}

/// The resolved folder and the plain name of a target.
fn split_target(target: &Path) -> Result<(PathBuf, String), Error> {
    let invalid = |reason| Error::InvalidName { path: target.to_owned(), reason };
    let name = target.file_name().ok_or_else(|| invalid("it does not end in a name"))?;
    let name = name.to_str().ok_or_else(|| invalid("it is not UTF-8"))?;
    if name.chars().any(char::is_control) {
        return Err(invalid("it has control characters"));
    }
    if parse_temporary_name(name).is_some() {
        return Err(invalid("it is a temporary's name"));
    }
    if [OWNER_NAME, RETIRED_NAME, MANIFEST_NAME].contains(&name) {
        return Err(invalid("it is used inside temporaries"));
    }
    if name.len() > 200 {
        return Err(invalid("it is longer than 200 bytes"));
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match folder.canonicalize() {
        Ok(resolved) if resolved.is_dir() => Ok((resolved, name.to_owned())),
        Ok(_) => Err(Error::ParentMissing { path: folder.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::ParentMissing { path: folder.to_owned() }),
        Err(source) => Err(Error::io(folder, "resolve the folder", source)),
    }
}

/// Refuses an existing target unless it may be replaced.
fn check_target(target: &Path, overwrite: Overwrite) -> Result<(), Error> {
    let metadata = match fs::symlink_metadata(target) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::io(target, "look whether it exists", source)),
    };
    match overwrite {
        Overwrite::Refuse => Err(Error::TargetExists { path: target.to_owned() }),
        _ if metadata.is_symlink() => Err(Error::TargetForeign { path: target.to_owned() }),
        Overwrite::ReplaceForeign => Ok(()),
        Overwrite::Replace => match inspect(target)? {
            Status::Foreign => Err(Error::TargetForeign { path: target.to_owned() }),
            _ => Ok(()),
        },
    }
}

/// `.NAME.tmp-<run>-<pid>` with a random run.
fn temporary_name(name: &str, pid: u32) -> String {
    // The standard library seeds every `RandomState` differently.
    let run = std::hash::RandomState::new().build_hasher().finish();
    format!(".{name}.tmp-{run:016x}-{pid}")
}

/// The target's name and the process id in a temporary's name.
pub(crate) fn parse_temporary_name(name: &str) -> Option<(&str, u32)> {
    let (target, rest) = name.strip_prefix('.')?.rsplit_once(".tmp-")?;
    let (run, pid) = rest.split_once('-')?;
    let is_run = run.len() == 16 && run.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_pid = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    (is_run && is_pid && !target.is_empty()).then(|| pid.parse().ok()).flatten().map(|pid| (target, pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_recognised_exactly() {
        let name = temporary_name("a.tmp-b.ms", 42);
        assert_eq!(parse_temporary_name(&name), Some(("a.tmp-b.ms", 42)));
        for other in [
            ".a.tmp-1-42",
            "a.ms",
            ".tmp-0123456789abcdef-1",
            "x.a.tmp-0123456789abcdef-1",
            ".a.tmp-0123456789abcdef-",
            ".a.tmp-0123456789abcdef-1x",
        ] {
            assert_eq!(parse_temporary_name(other), None, "{other}");
        }
    }
}
