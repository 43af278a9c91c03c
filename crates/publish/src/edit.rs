//! Several files of a directory replaced together, or none of them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::digest::Coverage;
use crate::disk;
use crate::error::Error;
use crate::kill_point::kill_point;
use crate::manifest::{FileRecord, MANIFEST_NAME, Manifest, check_relative, is_listed};
use crate::owner::{Liveness, OWNER_NAME, Owner};
use crate::sealed::{read_sealed, write_sealed};

/// The folder, inside the directory, in which a change is prepared.
pub(crate) const EDIT_NAME: &str = ".product.edit";
/// In it: the new files under their paths.
const NEW_NAME: &str = "new";
/// In it: the record whose presence means that the change is decided.
const RECORD_NAME: &str = "commit.json";

/// A change of a directory's files in the making: new files, files to replace, files to remove.
///
/// New files are built under [`path`](Self::path), on the directory's own file system. [`commit`](Self::commit) forces
/// them to disk, writes down what is to happen, and does it. A process that dies before that record is durable leaves the
/// directory as it was; one that dies later leaves what [`recover`] finishes. A product's manifest changes with its files.
///
/// One process at a time edits a directory; others are told who ([`Error::EditInProgress`]). Dropped without `commit`,
/// nothing has happened.
///
/// ```
/// use publish::{Edit, Recovery, recover};
///
/// # let work = tempfile::tempdir()?;
/// # let directory = work.path();
/// std::fs::write(directory.join("a"), "old a")?;
/// std::fs::write(directory.join("b"), "old b")?;
///
/// let mut edit = Edit::begin(directory)?;
/// std::fs::write(edit.path().join("a"), "new a")?;
/// std::fs::write(edit.path().join("c"), "new c")?;
/// edit.replace("a")?;
/// edit.replace("c")?;
/// edit.remove("b")?;
/// edit.commit()?;
///
/// assert_eq!(std::fs::read_to_string(directory.join("a"))?, "new a");
/// assert!(directory.join("c").exists() && !directory.join("b").exists());
/// assert_eq!(recover(directory)?, Recovery::Nothing);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the change happens with `commit` and is forgotten when this is dropped"]
#[derive(Debug)]
pub struct Edit {
    directory: PathBuf,
    folder: PathBuf,
    new: PathBuf,
    /// The folder, locked for as long as the edit lasts.
    _lock: File,
    plan: Plan,
    decided: bool,
}

/// What [`Edit::commit`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// The directory's manifest as it is now; `None` where it has none.
    pub manifest: Option<Manifest>,
    /// The sizes of the new files together.
    pub bytes: u64,
    /// How long it took to force the new files to disk.
    pub sync: Duration,
}

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

/// What is to happen, in this order; what the record holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Plan {
    replace: Vec<String>,
    remove: Vec<String>,
    /// Files whose change by others goes into the manifest; only its maker needs them.
    #[serde(skip)]
    acknowledge: Vec<String>,
}

impl Edit {
    /// Begins a change of `directory`, after [`recover`].
    ///
    /// # Errors
    ///
    /// [`Error::EditInProgress`]; when the directory cannot be written.
    pub fn begin(directory: &Path) -> Result<Self, Error> {
        let directory =
            directory.canonicalize().map_err(|source| Error::io(directory, "find the directory", source))?;
        let folder = directory.join(EDIT_NAME);
        let owner = Owner::current()?;
        // Until it is locked the empty folder may be swept away by another process.
        for _ in 0..16 {
            recover(&directory)?;
            match fs::create_dir(&folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(source) => return Err(Error::io(&directory, "prepare a change in it", source)),
            }
            kill_point("edit-folder-made");
            let lock = match File::open(&folder) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(Error::io(&folder, "open the folder", source)),
            };
            if take_lock(&lock) == Taken::ByOther {
                continue;
            }
            let new = folder.join(NEW_NAME);
            let record = folder.join(OWNER_NAME);
            let text = serde_json::to_vec_pretty(&owner)
                .map_err(|source| Error::io(&record, "write the owner record", source.into()))?;
            match fs::write(&record, text).and_then(|()| fs::create_dir(&new)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => {
                    // The first failure is the one to report.
                    let _ = remove_folder(&folder);
                    return Err(Error::io(&folder, "prepare a change", source));
                }
            }
            kill_point("edit-owner-written");
            return Ok(Self { directory, folder, new, _lock: lock, plan: Plan::default(), decided: false });
        }
        Err(Error::EditInProgress { path: directory, owner: None })
    }

    /// The directory that is changed, resolved.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where new files are built: an empty folder that stands for the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.new
    }

    /// The file of this relative path, built under [`path`](Self::path), is to get its place in the directory: instead of
    /// the one that has the name, or as a new one. Files get their places in the order of these calls; a file that is
    /// named twice has its last place.
    ///
    /// # Errors
    ///
    /// When the path is not plainly relative.
    pub fn replace(&mut self, relative: &str) -> Result<(), Error> {
        self.check(relative)?;
        self.plan.replace.retain(|other| other != relative);
        self.plan.remove.retain(|other| other != relative);
        self.plan.replace.push(relative.to_owned());
        Ok(())
    }

    /// The file of this relative path is to be removed from the directory, after the new ones have their places.
    ///
    /// # Errors
    ///
    /// When the path is not plainly relative.
    pub fn remove(&mut self, relative: &str) -> Result<(), Error> {
        self.check(relative)?;
        self.plan.replace.retain(|other| other != relative);
        self.plan.remove.retain(|other| other != relative);
        self.plan.remove.push(relative.to_owned());
        Ok(())
    }

    /// Another program changed, added or removed the file of this relative path, and the manifest is to say so from now
    /// on. Without a manifest this does nothing.
    ///
    /// # Errors
    ///
    /// When the path is not plainly relative.
    pub fn acknowledge(&mut self, relative: &str) -> Result<(), Error> {
        self.check(relative)?;
        self.plan.acknowledge.push(relative.to_owned());
        Ok(())
    }

    fn check(&self, relative: &str) -> Result<(), Error> {
        let path = self.directory.join(relative);
        let inside = relative.split('/').next() == Some(EDIT_NAME) || relative == MANIFEST_NAME || relative.is_empty();
        if inside {
            return Err(Error::InvalidName { path, reason: "it is used for the change itself" });
        }
        check_relative(relative).map_err(|what| Error::UnsupportedEntry { path, what })
    }

    /// Forces the new files to disk and gives all of them their places. What was built and not named is dropped.
    ///
    /// # Errors
    ///
    /// When a file to replace was not built, or something cannot be written or synced: nothing has happened then. Only
    /// after [`Error::EditUnfinished`] the change is decided, and [`recover`] finishes it.
    pub fn commit(mut self) -> Result<Edited, Error> {
        let mut manifest = Manifest::read(&self.directory.join(MANIFEST_NAME))?;
        let begun = Instant::now();
        let mut sync = Duration::ZERO;
        let (synced, described) = rayon::join(
            || self.sync().inspect(|()| sync = begun.elapsed()),
            || self.describe(manifest.as_ref().map(|manifest| manifest.volatile.as_slice())),
        );
        synced?;
        let (records, bytes) = described?;
        kill_point("edit-durable");
        if let Some(manifest) = &mut manifest {
            let records = self.acknowledged(records)?;
            manifest.edit(records, &[self.plan.remove.as_slice(), &self.plan.acknowledge].concat());
            manifest.write(&self.new.join(MANIFEST_NAME))?;
            disk::sync_directory(&self.new).map_err(|source| Error::sync(&self.new, source))?;
            self.plan.replace.push(MANIFEST_NAME.to_owned());
        }
        // Written beside and renamed: a record that is there is whole.
        let draft = self.folder.join(format!("{RECORD_NAME}.new"));
        write_sealed(&draft, &self.plan)?;
        kill_point("edit-record-written");
        let record = self.folder.join(RECORD_NAME);
        fs::rename(&draft, &record).map_err(|source| Error::io(&record, "decide the change", source))?;
        self.decided = true;
        let finished = disk::sync_directory(&self.folder)
            .map_err(|source| Error::sync(&self.folder, source))
            .inspect(|()| kill_point("edit-decided"))
            .and_then(|()| roll_forward(&self.directory, &self.plan))
            .and_then(|()| remove_folder(&self.folder));
        match finished {
            Ok(()) => Ok(Edited { manifest, bytes, sync }),
            Err(source) => Err(Error::EditUnfinished { path: self.directory.clone(), source: Box::new(source) }),
        }
    }

    /// Adds the records of files that others changed and this edit does not replace or remove.
    fn acknowledged(&self, mut records: Vec<FileRecord>) -> Result<Vec<FileRecord>, Error> {
        for relative in &self.plan.acknowledge {
            let path = self.directory.join(relative);
            let ours = self.plan.replace.contains(relative) || self.plan.remove.contains(relative);
            if !ours && path.is_file() {
                records.push(FileRecord::take(&path, relative, Coverage::default())?);
            }
        }
        Ok(records)
    }

    /// Every new file and every folder that holds one.
    fn sync(&self) -> Result<(), Error> {
        self.plan.replace.par_iter().try_for_each(|relative| {
            let path = self.new.join(relative);
            let file = File::open(&path).map_err(|source| Error::io(&path, "open it to sync it", source))?;
            file.sync_all().map_err(|source| Error::sync(&path, source))
        })?;
        let mut folders: Vec<PathBuf> = Vec::new();
        for relative in &self.plan.replace {
            let path = self.new.join(relative);
            folders
                .extend(path.ancestors().skip(1).take_while(|above| above.starts_with(&self.new)).map(Path::to_owned));
        }
        folders.push(self.new.clone());
        folders.push(self.folder.clone());
        folders.sort();
        folders.dedup();
        folders.iter().try_for_each(|folder| disk::sync_directory(folder).map_err(|source| Error::sync(folder, source)))
    }

    /// The records of the new files, for a manifest with these volatile names, and their size.
    fn describe(&self, volatile: Option<&[String]>) -> Result<(Vec<FileRecord>, u64), Error> {
        let mut records = Vec::new();
        let mut bytes = 0;
        for relative in &self.plan.replace {
            let path = self.new.join(relative);
            let metadata = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NothingBuilt { path }),
                Err(source) => return Err(Error::io(&path, "look at it", source)),
            };
            if !metadata.is_file() {
                return Err(Error::UnsupportedEntry { path, what: "what is not a plain file" });
            }
            bytes += metadata.len();
            if volatile.is_some_and(|volatile| is_listed(relative, volatile)) {
                records.push((path, relative));
            }
        }
        let records = records
            .into_par_iter()
            .map(|(path, relative)| FileRecord::take(&path, relative, Coverage::default()))
            .collect::<Result<_, _>>()?;
        Ok((records, bytes))
    }
}

impl Drop for Edit {
    fn drop(&mut self) {
        if !self.decided {
            // There is nobody to tell; the next `recover` removes what could not be removed.
            let _ = remove_folder(&self.folder);
        }
    }
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
    let owner = fs::read(folder.join(OWNER_NAME)).ok().and_then(|text| serde_json::from_slice::<Owner>(&text).ok());
    let busy = |owner| Err(Error::EditInProgress { path: directory.to_owned(), owner });
    match take_lock(&lock) {
        Taken::Ours => {}
        Taken::ByOther => return busy(owner),
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
fn roll_forward(directory: &Path, plan: &Plan) -> Result<(), Error> {
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
fn remove_folder(folder: &Path) -> Result<(), Error> {
    let gone = |path: &Path, result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(path, "remove what a change left", error))
        }
        _ => Ok(()),
    };
    let new = folder.join(NEW_NAME);
    gone(&new, fs::remove_dir_all(&new))?;
    kill_point("edit-emptied");
    for name in [RECORD_NAME, "commit.json.new", OWNER_NAME] {
        let path = folder.join(name);
        gone(&path, fs::remove_file(&path))?;
    }
    kill_point("edit-forgotten");
    gone(folder, fs::remove_dir(folder))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Ours,
    ByOther,
    /// The file system has no such locks.
    Unsupported,
}

/// Locks the open folder until it is closed. The kernel gives the lock up when the process dies.
fn take_lock(folder: &File) -> Taken {
    match rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Taken::Ours,
        Err(rustix::io::Errno::WOULDBLOCK) => Taken::ByOther,
        Err(_) => Taken::Unsupported,
    }
}
