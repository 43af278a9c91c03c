//! casacore's lock on a set, held for as long as it is changed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use casacore::{LockMode, Table};
use publish::Recovery;

use crate::error::Holder;
use crate::{Error, Result};

/// The length of the list of requests at the head of casacore's `table.lock` (`LockFile.cc`, SIZEREQID: a count and 32
/// pairs of four bytes). After it come the counters by which casacore's processes notice each other's changes.
const REQUESTS_BYTES: u64 = 4 * (1 + 2 * 32);
const PAUSE: Duration = Duration::from_millis(20);

/// The lock on a set: nobody else writes it through casacore.
///
/// A lock for reading: the set itself is only read until the commit, so that readers go on, while writers wait. Two
/// changes at once exclude each other by the edit's folder. Nor could it be a lock for writing: casacore writes a table's
/// description again whenever it closes a table that was opened for writing, and would undo the commit.
#[derive(Debug)]
pub(crate) struct SetLock {
    /// Shared by threads only to be waited for: it is `Send`, not `Sync`.
    table: Mutex<Table>,
    /// `table.lock`, opened before casacore opened it and closed after: closing any descriptor of a file drops the
    /// process's POSIX locks on it.
    file: Option<File>,
    path: PathBuf,
}

impl SetLock {
    /// Locks the set at `path`, which must be resolved, trying again until `wait` has passed.
    pub(crate) fn take(path: &Path, wait: Duration) -> Result<Self> {
        let begun = Instant::now();
        loop {
            let failed = match Self::attempt(path) {
                Ok(lock) => return Ok(lock),
                Err(failed) => failed,
            };
            let holders = match &failed {
                Error::Table(casacore::Error::Locked { pids, .. }) => pids.iter().map(|&pid| holder(pid)).collect(),
                Error::Publish(publish::Error::EditInProgress { owner, .. }) => {
                    owner.iter().map(|owner| holder(owner.pid)).collect()
                }
                _ => return Err(failed),
            };
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() {
                let waited = if wait.is_zero() { Duration::ZERO } else { begun.elapsed() };
                return Err(Error::Locked { path: path.to_owned(), holders, waited });
            }
            std::thread::sleep(left.min(PAUSE));
        }
    }

    fn attempt(path: &Path) -> Result<Self> {
        recover(path)?;
        let file = open_lock_file(path)?;
        let open = || casacore::OpenOptions::new().lock(LockMode::Permanent).open(path);
        let table = match open() {
            // A holder may be gone by the time that casacore's refusal is looked into.
            Err(casacore::Error::Casacore { .. }) => open()?,
            other => other?,
        };
        Ok(Self { table: Mutex::new(table), file, path: path.to_owned() })
    }

    /// The set's table, for reading.
    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies `table.lock`, which must not be opened a second time.
    pub(crate) fn copy_file(&self, to: &Path) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let failed = |source| Error::io(to, "copy the table's lock file", source);
        let length = file.metadata().map_err(failed)?.len();
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        std::fs::write(to, bytes).map_err(failed)
    }

    /// Takes the counters out of the lock file, before the table's description is replaced. casacore refuses to lock a
    /// table whose lock file tells another number of columns than its description; without counters it takes the table as
    /// it finds it, so that the set is sound whatever happens next. Returns whether there were any.
    pub(crate) fn forget_counters(&self) -> Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let failed = |source| Error::io(self.path.join("table.lock"), "write the table's lock file", source);
        let had = file.metadata().map_err(failed)?.len() > REQUESTS_BYTES;
        if had {
            file.set_len(REQUESTS_BYTES).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        Ok(had)
    }

    /// Gives the lock file these counters, after the description was replaced: a program that has the
    /// set open with the old description is then refused when it locks it, before it would write that again.
    pub(crate) fn set_counters(&self, counters: &[u8]) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.write_all_at(counters, REQUESTS_BYTES)
            .map_err(|source| Error::io(self.path.join("table.lock"), "write the table's lock file", source))
    }

    /// Gives the lock up.
    pub(crate) fn release(self) -> Result<()> {
        let Self { table, file, .. } = self;
        table.into_inner().unwrap_or_else(PoisonError::into_inner).close()?;
        // Only now, since closing it drops the process's locks on it.
        drop(file);
        Ok(())
    }
}

/// The counters in the lock file at `path`.
pub(crate) fn counters(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, "read the table's lock file", source))?;
    Ok(bytes.get(REQUESTS_BYTES as usize..).unwrap_or_default().to_vec())
}

/// Finishes or undoes the change of a set that a dead process left: call it before reading columns of the set at `path`.
/// It costs one look at a name where there is nothing to do.
///
/// # Errors
///
/// [`publish::Error::EditInProgress`] while another process changes the set; what keeps the change from being finished.
pub fn recover(path: &Path) -> Result<Recovery> {
    Ok(publish::recover(path)?)
}

fn open_lock_file(path: &Path) -> Result<Option<File>> {
    let lock = path.join("table.lock");
    match OpenOptions::new().read(true).write(true).open(&lock) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::io(lock, "open the table's lock file", source)),
    }
}

fn holder(pid: u32) -> Holder {
    let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim().to_owned());
    Holder { pid, program }
}
