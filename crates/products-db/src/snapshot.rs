//! A copy of a database that lies where this user may not write.
//!
//! SQLite reads a database with a write-ahead log only where it can make, or finds, the log's index beside it
//! (<https://sqlite.org/wal.html>, section 9). An archive that is mounted for reading, or the folder of another user, has
//! none while nobody writes.
//!
//! To read the file plainly, and close it, ends what locks this process has on it. It has none: where one connection could
//! be opened in the database's place, the files that the next one needs are there, too.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use crate::{Error, Result};

/// A file that changed less than this before it was copied may have changed while it was, unseen: times of files have the
/// grain of the kernel's clock, 10 ms at most.
const SETTLED: Duration = Duration::from_millis(50);
/// How long somebody may go on writing before we give up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The copy, in a folder of its own that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Snapshot {
    folder: TempDir,
}

impl Snapshot {
    /// Copies the database at `path` and its log, as they are at one moment.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let cannot =
            |source| Error::Io { path: path.to_path_buf(), doing: "cannot copy it to read it elsewhere", source };
        // Nobody else's to read: the copy has lost the permissions of the original.
        let mut builder = tempfile::Builder::new();
        builder.prefix("products-db-").permissions(Permissions::from_mode(0o700));
        let snapshot = Self { folder: builder.tempdir().map_err(cannot)? };
        let pairs = [(path.to_path_buf(), snapshot.path()), (log_of(path), log_of(&snapshot.path()))];
        let stamps = || pairs.iter().map(|(from, _)| stamp(from)).collect::<io::Result<Vec<_>>>().map_err(cannot);
        let begun = Instant::now();
        loop {
            let before = stamps()?;
            if before.iter().flatten().all(|stamp| stamp.is_settled()) {
                for ((from, to), there) in pairs.iter().zip(&before) {
                    match there {
                        Some(_) => fs::copy(from, to).map(|_| ()).map_err(cannot)?,
                        // Left by an attempt before this one.
                        None if to.exists() => fs::remove_file(to).map_err(cannot)?,
                        None => {}
                    }
                }
                if stamps()? == before {
                    return Ok(snapshot);
                }
            }
            if begun.elapsed() > PATIENCE {
                let (doing, seconds) = ("copying it to read it elsewhere", PATIENCE.as_secs());
                return Err(Error::Busy { path: path.to_path_buf(), doing, seconds });
            }
            std::thread::sleep(SETTLED / 2);
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("snapshot.sqlite3")
    }
}

/// The write-ahead log of the database at `path`.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Which file it is, and when it changed last (nanoseconds since 1970).
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed_ns: i128,
}

impl Stamp {
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos() as i128);
        // A time in the future is a clock that was set back, and no sign of a change.
        !(0..SETTLED.as_nanos() as i128).contains(&(now - self.changed_ns))
    }
}

fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match fs::metadata(path) {
        Ok(found) => {
            let at = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
            let changed_ns = at(found.mtime(), found.mtime_nsec()).max(at(found.ctime(), found.ctime_nsec()));
            Ok(Some(Stamp { inode: found.ino(), bytes: found.len(), changed_ns }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Group, Reader, Writer};

    #[test]
    fn a_copy_has_what_was_committed_also_in_the_log_and_goes_with_its_reader() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("products.sqlite3");
        let mut writer = Writer::create(&path).expect("a database");
        let name = "2026-01-25T00:05:19".to_owned();
        let group = Group { group_id: name.clone(), ..Group::default() };
        writer.upsert(&[group]).expect("a row");
        // The row is in the log alone while its writer lives.
        assert!(log_of(&path).metadata().expect("a log").len() > 0);
        let reader = Reader::open_snapshot(&path).expect("a copy");
        let found = reader.groups(&[name]).expect("a look-up");
        assert!(found[0].is_some());
        assert_eq!(reader.path(), path.canonicalize().expect("a path"), "messages name the original");
        let copy = reader.snapshot.as_ref().map(|snapshot| snapshot.folder.path().to_owned()).expect("a folder");
        assert!(copy.is_dir());
        drop(reader);
        assert!(!copy.exists());
    }

    #[test]
    fn a_copy_made_elsewhere_stands_for_the_database_and_nothing_is_made_beside_either() {
        let folder = tempfile::tempdir().expect("a folder");
        let [path, copies] = ["products.sqlite3", "copies"].map(|name| folder.path().join(name));
        fs::create_dir(&copies).expect("mkdir");
        let copy = copies.join("copy.sqlite3");
        let mut writer = Writer::create(&path).expect("a database");
        let group = |name: &str| Group { group_id: name.to_owned(), ..Group::default() };
        writer.upsert(&[group("before")]).expect("a row");
        crate::backup(&writer, &copy, |_, _| ()).expect("a copy");
        writer.upsert(&[group("after")]).expect("a row");
        let reader = Reader::open_copy(&path, &copy).expect("a copy of the copy");
        let found = reader.groups(&["before".to_owned(), "after".to_owned()]).expect("a look-up");
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false], "as it was copied");
        let place = |reader: &Reader| reader.folder().stored(&path).expect("a path");
        assert_eq!(place(&reader), place(&writer), "paths are those of the database");
        fs::remove_file(&copy).expect("remove");
        assert!(reader.groups(&["before".to_owned()]).expect("a look-up")[0].is_some());
        assert_eq!(fs::read_dir(&copies).expect("list").count(), 0, "nothing is left beside it");
    }
}
