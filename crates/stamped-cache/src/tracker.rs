//! Which files a value is computed from, and their stamps.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::key::Key;
use crate::stamp::{Change, Devices, FileTime, Stamp};

/// Collects the files that a value is computed from, while it is computed.
///
/// Name each file *before* reading it: its stamp is taken then, and again when the reading is over. Which files there
/// are may turn out on the way. When none is named, the value depends on the key's own path.
#[derive(Debug)]
pub struct Tracker<'key> {
    key: &'key Key,
    own: Stamp,
    files: Vec<Dependency>,
    /// Folders of files that were absent: a file that came and went during the reading shows there alone.
    witnesses: Vec<Dependency>,
    /// A path that has no stamp at all was named.
    unnameable: bool,
}

/// A file and its stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) path: CString,
    pub(crate) stamp: Stamp,
}

/// What a tracker has found, once the reading is over.
pub(crate) struct Found {
    pub(crate) files: Box<[Dependency]>,
    witnesses: Vec<Dependency>,
    unnameable: bool,
}

impl<'key> Tracker<'key> {
    pub(crate) fn new(key: &'key Key) -> Self {
        let own = Stamp::of(key.c_path());
        Self { key, own, files: Vec::new(), witnesses: Vec::new(), unnameable: false }
    }

    /// The path of the key that is being looked up.
    pub fn key_path(&self) -> &'key Path {
        self.key.path()
    }

    /// Names a file that is about to be read, or whose absence matters, and gives the path back.
    ///
    /// That the file exists is not asked: its absence is remembered as well, and a value that was computed without it is
    /// dropped when it appears.
    pub fn file<'path, P: AsRef<Path> + ?Sized>(&mut self, path: &'path P) -> &'path P {
        self.add(path.as_ref());
        path
    }

    /// Names a directory whose listing is about to be used: the value is dropped when a name in it appears, vanishes or
    /// changes. What the files of that directory hold is not covered; name them too.
    pub fn listing<'path, P: AsRef<Path> + ?Sized>(&mut self, folder: &'path P) -> &'path P {
        // A directory's own stamp moves with every name that is added, removed or replaced.
        self.add(folder.as_ref());
        folder
    }

    /// Names a file that has been read already, where it could not be known before.
    ///
    /// A change between its reading and this call shows in its time of change, which then is not settled before the
    /// look-up began: the value is returned, and read again at the next look-up. Prefer [`Tracker::file`], which also
    /// notices that two files were read in states that never existed together.
    pub fn already_read(&mut self, path: impl AsRef<Path>) {
        self.add(path.as_ref());
    }

    fn add(&mut self, path: &Path) {
        let absolute = if path.is_absolute() { Ok(path.to_path_buf()) } else { std::path::absolute(path) };
        let named = absolute.ok().and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
        let Some(path) = named else {
            self.unnameable = true;
            return;
        };
        let stamp = Stamp::of(&path);
        if stamp == Stamp::Absent {
            let folder = as_path(&path).parent().and_then(|folder| CString::new(folder.as_os_str().as_bytes()).ok());
            if let Some(folder) = folder {
                // Stamped first, then the file again: had it come before, it would be seen now.
                let witness = Dependency { stamp: Stamp::of(&folder), path: folder };
                self.witnesses.push(witness);
                self.files.push(Dependency { stamp: Stamp::of(&path), path });
                return;
            }
        }
        self.files.push(Dependency { path, stamp });
    }

    /// The files, each once, with the first stamp that was taken of it.
    pub(crate) fn finish(mut self) -> Found {
        if self.files.is_empty() {
            self.files.push(Dependency { path: self.key.c_path().clone(), stamp: self.own });
        }
        // Stable, so that the earliest stamp of a file that was named twice is kept.
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.files.dedup_by(|later, first| later.path == first.path);
        Found { files: self.files.into(), witnesses: self.witnesses, unnameable: self.unnameable }
    }
}

impl Found {
    /// The first file that changed while the value was computed.
    pub(crate) fn first_change(&self) -> Option<Change> {
        // A file that could not be looked at before nor after has not changed; `settled` keeps its value from being kept.
        self.files.iter().find_map(|file| match change_of(file, Devices::Compared) {
            Some(change) if change.from == change.to => None,
            other => other,
        })
    }

    /// Whether every change after `began`, when the reading started, is bound to show in the stamps.
    pub(crate) fn settled(&self, began: FileTime, settle: Duration) -> bool {
        !self.unnameable
            && self.files.iter().chain(&self.witnesses).all(|file| file.stamp.settled(began, settle))
            && first_change(&self.witnesses, Devices::Compared).is_none()
    }
}

/// The first of `files` that is not as its stamp says, by one `stat` each.
pub(crate) fn first_change(files: &[Dependency], devices: Devices) -> Option<Change> {
    files.iter().find_map(|file| change_of(file, devices))
}

fn change_of(file: &Dependency, devices: Devices) -> Option<Change> {
    let now = Stamp::of(&file.path);
    let change = || Change { path: as_path(&file.path).to_path_buf(), from: file.stamp, to: now };
    (!file.stamp.same(&now, devices)).then(change)
}

pub(crate) fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}
