//! A copy of the products database for the nodes of a cluster.
//!
//! SQLite's write-ahead log is for processes of one machine (<https://sqlite.org/wal.html>, section 1): a node that opened the
//! database itself, on the file system that it shares with the head, could read nonsense, or write its own checkpoint over the
//! head's. The head therefore makes a copy, when a run begins and again before the stages of the whole night, and gives it its
//! name by renaming; nodes read that (`db::reader`).

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use orchestrator::Layout;
use products_db::Writer;
use rustix::fs::FlockOperation;

use super::ledger::DATABASE;
use crate::{
    db,
    failure::{Class, Failure},
};

const COPY: &str = "database.sqlite3";
/// The copy that is being made, below the lock's name.
const NEXT: &str = "database.next";
const LOCK: &str = "database.lock";

/// Where nodes find the copy of the database of a work folder.
pub(crate) fn database_copy(layout: &Layout) -> PathBuf {
    layout.place(COPY)
}

/// Makes the copy anew, and first the database where there is none.
pub(super) fn publish(layout: &Layout) -> Result<(), Failure> {
    let writer = Writer::open_or_create(&layout.work().join(DATABASE)).map_err(|e| db::of_database(&e))?;
    let failed =
        |e: &io::Error| Failure::io(Class::Output, "cannot make the copy of the products database for nodes", e);
    // One at a time, and with the lock what another one left when it was killed is nobody's.
    let lock = layout.place(LOCK);
    let lock = File::options().create(true).append(true).open(&lock).map_err(|e| failed(&e))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(&e.into()))?;
    let next = layout.place(NEXT);
    if let Some(folder) = next.parent() {
        for entry in fs::read_dir(folder).map_err(|e| failed(&e))? {
            let path = entry.map_err(|e| failed(&e))?.path();
            // `backup` itself works under a hidden name made of this one.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.trim_start_matches('.').starts_with(NEXT) {
                fs::remove_file(&path).map_err(|e| failed(&e))?;
            }
        }
    }
    products_db::backup(&writer, &next, |_, _| ()).map_err(|e| db::of_database(&e))?;
    fs::rename(&next, database_copy(layout)).map_err(|e| failed(&e))
}
