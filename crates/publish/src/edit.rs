//! Several files of a directory replaced together, or none of them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::digest::Coverage;
use crate::disk;
use crate::error::Error;
use crate::kill_point::kill_point;
use crate::manifest::{FileRecord, MANIFEST_NAME, Manifest, check_relative, is_listed};
use crate::owner::{OWNER_NAME, Owner};
use crate::recover::{Taken, recover, remove_folder, roll_forward, take_lock};
use crate::sealed::write_sealed;

/// The folder, inside the directory, in which a change is prepared.
pub(crate) const EDIT_NAME: &str = ".product.edit";
/// In it: the new files under their paths.
pub(crate) const NEW_NAME: &str = "new";
/// In it: the record whose presence means that the change is decided.
pub(crate) const RECORD_NAME: &str = "commit.json";
/// The record before it is complete.
pub(crate) const DRAFT_NAME: &str = "commit.json.new";

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
    /// How long it took to give them their places: nearly all of it goes by while the file system frees the old files' blocks.
    pub swap: Duration,
}

/// What is to happen, in this order; what the record holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) replace: Vec<String>,
    pub(crate) remove: Vec<String>,
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
            if matches!(take_lock(&lock, &folder), Taken::ByOther | Taken::Gone) {
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
        let draft = self.folder.join(DRAFT_NAME);
        write_sealed(&draft, &self.plan)?;
        kill_point("edit-record-written");
        let record = self.folder.join(RECORD_NAME);
        fs::rename(&draft, &record).map_err(|source| Error::io(&record, "decide the change", source))?;
        self.decided = true;
        let decided = Instant::now();
        let finished = disk::sync_directory(&self.folder)
            .map_err(|source| Error::sync(&self.folder, source))
            .inspect(|()| kill_point("edit-decided"))
            .and_then(|()| roll_forward(&self.directory, &self.plan))
            .and_then(|()| remove_folder(&self.folder));
        match finished {
            Ok(()) => Ok(Edited { manifest, bytes, sync, swap: decided.elapsed() }),
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
