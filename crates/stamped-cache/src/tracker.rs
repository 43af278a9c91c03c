//! Which files a value is computed from, and their stamps.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

use crate::key::Key;
use crate::stamp::{Change, Devices, FileTime, Identity, Stamp};

/// Collects the files that a value is computed from, while it is computed.
///
/// Name each file *before* reading it: its stamp is taken then, and again when the reading is over. Which files there
/// are may turn out on the way. When none is named, the value depends on the key's own path.
#[derive(Debug)]
pub struct Tracker<'key> {
    key: &'key Key,
    /// The key's own file, for a reading that names none.
    own: Option<Stamp>,
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

/// The files of one value, sorted by path, each once.
#[derive(Debug)]
pub(crate) struct Files {
    all: Box<[Dependency]>,
    /// Where looking from one folder pays.
    below: Option<Below>,
}

/// The folder that all of some files lie in, at whatever depth, and their names from there, in their order.
#[derive(Debug)]
struct Below {
    folder: CString,
    names: Box<[CString]>,
}

/// What a tracker has found, once the reading is over.
pub(crate) struct Found {
    pub(crate) files: Files,
    witnesses: Vec<Dependency>,
    unnameable: bool,
}

impl<'key> Tracker<'key> {
    /// For a reading that depends on the key's own file if it names none.
    pub(crate) fn new(key: &'key Key) -> Self {
        Self { own: Some(Stamp::of(key.c_path())), ..Self::named(key) }
    }

    /// For a reading that names its files.
    pub(crate) fn named(key: &'key Key) -> Self {
        Self { key, own: None, files: Vec::new(), witnesses: Vec::new(), unnameable: false }
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

    /// Names a file that was opened, by the identity that the open file has *before* it is read ([`Identity::of_open`]).
    ///
    /// Costs nothing, where [`Tracker::file`] costs a `stat`. When the reading is over, the path must still lead to the
    /// very file that was opened, so a file that was put in its place meanwhile is noticed just the same.
    pub fn opened(&mut self, path: impl AsRef<Path>, identity: Identity) {
        match self.name(path.as_ref()) {
            Some(path) => {
                // Mostly it is the only one.
                self.files.reserve_exact(1);
                self.files.push(Dependency { path, stamp: Stamp::Present(identity) });
            }
            None => self.unnameable = true,
        }
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
        let Some(path) = self.name(path) else {
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

    /// The path as it is given to the system, absolute.
    fn name(&self, path: &Path) -> Option<CString> {
        if path == self.key.path() {
            return Some(self.key.c_path().clone());
        }
        let absolute = if path.is_absolute() { path.to_path_buf() } else { std::path::absolute(path).ok()? };
        CString::new(absolute.into_os_string().into_vec()).ok()
    }

    /// The files, each once, with the first stamp that was taken of it.
    pub(crate) fn finish(mut self) -> Found {
        if self.files.is_empty() {
            match self.own {
                Some(stamp) => self.files.push(Dependency { path: self.key.c_path().clone(), stamp }),
                // Nothing tells when such a value ends.
                None => self.unnameable = true,
            }
        }
        Found { files: Files::new(self.files), witnesses: self.witnesses, unnameable: self.unnameable }
    }
}

impl Found {
    /// The first file that changed while the value was computed.
    pub(crate) fn first_change(&self) -> Option<Change> {
        // A file that could not be looked at before nor after has not changed; `settled` keeps its value from being kept.
        self.files.all.iter().find_map(|file| match change_of(file, Devices::Compared, Stamp::of(&file.path)) {
            Some(change) if change.from == change.to => None,
            other => other,
        })
    }

    /// Whether every change after `began`, when the reading started, is bound to show in the stamps.
    pub(crate) fn settled(&self, began: FileTime, settle: Duration) -> bool {
        !self.unnameable
            && self.files.all.iter().chain(&self.witnesses).all(|file| file.stamp.settled(began, settle))
            && self.witnesses.iter().all(|folder| folder.stamp.same(&Stamp::of(&folder.path), Devices::Compared))
    }
}

impl Files {
    pub(crate) fn new(mut files: Vec<Dependency>) -> Self {
        // Stable, so that the earliest stamp of a file that was named twice is kept.
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|later, first| later.path == first.path);
        let below = Below::of(&files);
        Self { all: files.into(), below }
    }

    /// Bytes of memory that they occupy.
    pub(crate) fn weight(&self) -> usize {
        let all = self.all.iter().map(|file| size_of::<Dependency>() + file.path.as_bytes_with_nul().len());
        let names = self.below.iter().flat_map(|below| &below.names);
        all.chain(names.map(|name| size_of::<CString>() + name.as_bytes_with_nul().len())).sum()
    }

    pub(crate) fn as_slice(&self) -> &[Dependency] {
        &self.all
    }

    /// The first file that is not as its stamp says, by one `stat` each.
    pub(crate) fn first_change(&self, devices: Devices) -> Option<Change> {
        let one_by_one = || self.all.iter().find_map(|file| change_of(file, devices, Stamp::of(&file.path)));
        let Some(below) = &self.below else { return one_by_one() };
        // The folder is looked up afresh each time, so that another folder in its place is seen. Where it cannot be
        // opened, the files are looked at by their whole names, and say what is wrong.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(folder) = rustix::fs::open(&*below.folder, flags, Mode::empty()) else { return one_by_one() };
        let (file, now) = first_other(&folder, &below.names, &self.all, devices)?;
        Some(file.changed_to(now))
    }
}

/// The first of `files` that is not as its stamp says, looked at by its name below `folder`.
///
/// Nothing but the system calls and the comparisons: this loop is what a hit costs. On processors whose kernel guards every
/// return (Zen with "safe RET"), a return or an indirect call of ours between two system calls makes the next one slower by
/// half.
fn first_other<'files>(
    folder: &OwnedFd,
    names: &[CString],
    files: &'files [Dependency],
    devices: Devices,
) -> Option<(&'files Dependency, Stamp)> {
    for (name, file) in names.iter().zip(files) {
        let now = Stamp::below(folder, name);
        if !file.stamp.same(&now, devices) {
            return Some((file, now));
        }
    }
    None
}

impl Below {
    /// The deepest folder that holds all of `files`, which are sorted, if there are enough of them for one `open` to cost less
    /// than it saves.
    fn of(files: &[Dependency]) -> Option<Self> {
        const ENOUGH: usize = 4;
        if files.len() < ENOUGH {
            return None;
        }
        let (first, last) = (files.first()?.path.as_bytes(), files.last()?.path.as_bytes());
        let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let slash = first[..shared].iter().rposition(|&byte| byte == b'/').filter(|&slash| slash > 0)?;
        let name = |file: &Dependency| {
            // What follows must be a name: not nothing, and not a second slash, which would make it an absolute path.
            let name = &file.path.as_bytes()[slash + 1..];
            if matches!(name, [] | [b'/', ..]) { None } else { CString::new(name).ok() }
        };
        Some(Self {
            names: files.iter().map(name).collect::<Option<_>>()?,
            folder: CString::new(&first[..slash]).ok()?,
        })
    }
}

impl Dependency {
    #[cold]
    fn changed_to(&self, now: Stamp) -> Change {
        Change { path: as_path(&self.path).to_path_buf(), from: self.stamp, to: now }
    }
}

fn change_of(file: &Dependency, devices: Devices, now: Stamp) -> Option<Change> {
    (!file.stamp.same(&now, devices)).then(|| file.changed_to(now))
}

pub(crate) fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Files {
        let named = |path: &&str| Dependency {
            path: CString::new(*path).expect("because there is no NUL in it"),
            stamp: Stamp::Absent,
        };
        Files::new(paths.iter().map(named).collect())
    }

    fn folder(paths: &[&str]) -> Option<String> {
        files(paths).below.map(|below| below.folder.to_string_lossy().into_owned())
    }

    #[test]
    fn the_common_folder_is_the_deepest_one_that_holds_all() {
        assert_eq!(folder(&["/s/a/1", "/s/a/2", "/s/b/1", "/s/ab"]).as_deref(), Some("/s"));
        assert_eq!(folder(&["/s/set/a1", "/s/set/a2", "/s/set/a3", "/s/set/a4"]).as_deref(), Some("/s/set"));
        assert_eq!(folder(&["/a/1", "/a/2", "/b/1", "/b/2"]), None, "the root folder saves nothing");
        assert_eq!(folder(&["/s/a", "/s/b", "/s/c"]), None, "too few to pay");
        assert_eq!(folder(&["/s/a", "/s//b", "/s/c", "/s/d"]), None, "an empty name would make the rest absolute");
    }

    #[test]
    fn files_below_a_folder_are_compared_as_by_their_whole_names() {
        let root = tempfile::tempdir().expect("because a temporary folder can be made");
        let root = root.path().canonicalize().expect("because it was just made");
        std::fs::create_dir(root.join("set")).expect("because the folder is ours");
        let paths: Vec<_> = (0..5).map(|i| root.join(format!("set/{i}"))).collect();
        for path in &paths {
            std::fs::write(path, "x").expect("because the folder is ours");
        }
        let key = Key::canonical(root.join("set")).expect("because the path is absolute");
        let mut tracker = Tracker::new(&key);
        for path in &paths {
            tracker.file(path);
        }
        let files = tracker.finish().files;
        assert!(files.below.is_some());
        assert_eq!(files.first_change(Devices::Compared), None);
        std::fs::write(&paths[3], "longer").expect("because the folder is ours");
        let change = files.first_change(Devices::Compared).expect("because a file has changed");
        assert_eq!(change.path, paths[3]);
        // Another folder in the place of the first.
        std::fs::rename(root.join("set"), root.join("old")).expect("because the folder is ours");
        let change = files.first_change(Devices::Compared).expect("because the folder is gone");
        assert_eq!((change.path, change.to), (paths[0].clone(), Stamp::Absent));
    }
}
