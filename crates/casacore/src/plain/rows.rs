//! How many rows a table has.
//!
//! casacore keeps the number in `table.dat` and, newer, in `table.lock`: after a fixed list of processes that wait for the
//! lock, a length and an object `sync` (`LockFile.cc`, `getInfo`; `TableSyncData.cc`, `read`). After rows were added, the
//! former may be behind. As casacore does, a number of 0 or none in `table.lock` leaves it to `table.dat`.

use std::path::Path;

use crate::aipsio::{self, Cursor};
use crate::{Error, Result};

/// Where the length of the object is: after 1 + 2 · 32 integers of 4 bytes.
const LIST: usize = 260;

/// The number of rows that `table.lock` tells, if it tells one.
pub(super) fn of_lock(table: &Path) -> Result<Option<u64>> {
    let path = table.join("table.lock");
    let bytes = match aipsio::load(&path) {
        Ok(bytes) => bytes,
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // A file that was just made has the list alone, or nothing.
    if bytes.is_empty() || bytes.len() == LIST {
        return Ok(None);
    }
    let mut c = Cursor::new(&path, &bytes).starting(LIST);
    if c.u32()? == 0 {
        return Ok(None);
    }
    c.magic()?;
    let (version, _) = c.object("sync")?;
    if !(1..=2).contains(&version) {
        return c.damaged(format!("an unknown version of `sync`: {version}"));
    }
    let rows = c.count(version > 1)?;
    Ok(Some(rows).filter(|&rows| rows != 0))
}
