//! Copies of a database, complete under their names or absent.

use std::{
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use crate::{
    Error, Reader, Result,
    connection::{BUSY_TIMEOUT, harden},
};

/// Pages copied between two reports.
const STEP: i32 = 1024;

/// Copies the database of `reader`, as it is now and whatever is written meanwhile, to the new file `to`, and checks the
/// copy. `progress` gets the pages that are done, and all of them.
///
/// # Errors
/// [`Error::Exists`] when `to` is there already; [`Error::Damaged`] when the copy does not pass SQLite's check; what reading
/// and writing say. Nothing appears under the name `to` then.
#[tracing::instrument(skip_all, fields(from = %reader.path().display(), to = %to.display()), err)]
pub fn backup(reader: &Reader, to: &Path, progress: impl FnMut(u64, u64)) -> Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: to.to_path_buf() });
    }
    let temporary = Temporary::beside(to)?;
    temporary.copy(reader, progress)?;
    temporary.publish()
}

/// A database that is being made: a hidden sibling of its later name, removed when dropped.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    target: PathBuf,
}

impl Temporary {
    pub(crate) fn beside(target: &Path) -> Result<Self> {
        let cannot = |reason| Error::Path { path: target.to_path_buf(), reason };
        let name = target.file_name().ok_or_else(|| cannot("it names no file"))?;
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = folder.canonicalize().map_err(|source| Error::Io {
            path: folder.to_path_buf(),
            doing: "cannot find the folder",
            source,
        })?;
        let nanos = std::time::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_nanos());
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".tmp-{}-{nanos}", std::process::id()));
        let path = folder.join(hidden);
        let temporary = Self { path, target: folder.join(name) };
        File::create_new(&temporary.path).map_err(|source| Error::Io {
            path: temporary.target.clone(),
            doing: "cannot be created",
            source,
        })?;
        Ok(temporary)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, lets `work` fill it and closes it.
    pub(crate) fn fill(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let failed = |e| Error::of(&self.target, doing, e);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        harden(&connection).map_err(failed)?;
        work(&mut connection).map_err(failed)?;
        // To close it copies what is in its log, if it has one, and says nothing where the disk is full.
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        if busy.map_err(failed)? {
            return Err(Error::Busy { path: self.target.clone(), doing, seconds: BUSY_TIMEOUT.as_secs() });
        }
        connection.close().map_err(|(_, e)| failed(e))
    }

    /// Fills it with a copy of the database of `reader`.
    pub(crate) fn copy(&self, reader: &Reader, mut progress: impl FnMut(u64, u64)) -> Result<()> {
        // A read transaction pins one state: writers that commit meanwhile neither change the copy nor restart it.
        let failed = |e| reader.failed("copying it", e);
        let pin = reader.connection.unchecked_transaction().map_err(failed)?;
        pin.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(failed)?;
        self.fill("writing a copy", |copy| {
            let backup = Backup::new(&reader.connection, copy)?;
            loop {
                let step = backup.step(STEP)?;
                let now = backup.progress();
                let all = u64::try_from(now.pagecount).unwrap_or(0);
                progress(all.saturating_sub(u64::try_from(now.remaining).unwrap_or(0)), all);
                match step {
                    StepResult::Done => break,
                    StepResult::More => {}
                    // Somebody holds a lock for a moment.
                    _ => std::thread::yield_now(),
                }
            }
            drop(backup);
            match copy.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?.as_str() {
                "ok" => Ok(()),
                // What SQLite itself says when it meets the same while reading.
                found => Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                    Some(found.to_owned()),
                )),
            }
        })
    }

    /// Gives it its name, durably. Never replaces what has that name.
    pub(crate) fn publish(self) -> Result<()> {
        let failed = |doing| move |path: &Path, source| Error::Io { path: path.to_path_buf(), doing, source };
        File::open(&self.path)
            .and_then(|file| file.sync_all())
            .map_err(|e| failed("cannot be synced")(&self.target, e))?;
        // A link, since a renaming would replace; a renaming where there are no links.
        match std::fs::hard_link(&self.path, &self.target) {
            Ok(()) => {}
            Err(_) if self.target.symlink_metadata().is_ok() => {
                return Err(Error::Exists { path: self.target.clone() });
            }
            Err(_) => std::fs::rename(&self.path, &self.target)
                .map_err(|e| failed("cannot be given its name")(&self.target, e))?,
        }
        let folder = self.target.parent().unwrap_or(Path::new("/"));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| failed("the folder cannot be synced")(folder, e))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut name = self.path.clone().into_os_string();
            name.push(suffix);
            // What is not there needs no removing; what cannot be removed is hidden and harmless.
            let _ = std::fs::remove_file(name);
        }
    }
}
