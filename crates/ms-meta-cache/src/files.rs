//! Which files of a table a value depends on.
//!
//! casacore keeps a table in `table.dat` (structure, keywords, managers), `table.fN` (a manager's header or buckets),
//! `table.fNi` (its arrays of variable shape), `table.fN_TSMk` (its tiles), `table.lock` and `table.info`.
//!
//! - `table.lock` counts: casacore keeps the current number of rows there, and a table that grew has it nowhere else
//!   (measured with 3.8.1: after `addrows`, `table.dat` is as before). Reading a table does not write to the file; a
//!   program that waits for a lock does, and so costs one needless reading.
//! - `table.info` does not: nothing here is read from it.
//! - Files that appear later need no witness: casacore makes them together with a change of `table.dat` or of the
//!   manager's own `table.fN`, which hold their number or the places in them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use stamped_cache::Tracker;

use crate::Error;

/// Which of a table's files.
pub(crate) enum Which<'a> {
    /// All that hold values.
    All,
    /// Those that tell the structure: no tiles, no arrays.
    Structure,
    /// Those of these managers alone; of all where a number is not known.
    Managers(&'a [Option<u32>]),
}

/// Stamps the files of the table at `table`, before it is read.
pub(crate) fn track(files: &mut Tracker<'_>, table: &Path, which: &Which<'_>) -> Result<(), Error> {
    if !matches!(which, Which::Managers(_)) {
        files.file(&table.join("table.dat"));
        files.file(&table.join("table.lock"));
    }
    let failed = |source| Error::List { path: table.into(), source };
    for entry in fs::read_dir(table).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if which.holds(name.as_bytes()) {
            files.file(&table.join(name));
        }
    }
    Ok(())
}

impl Which<'_> {
    fn holds(&self, name: &[u8]) -> bool {
        let Some(rest) = name.strip_prefix(b"table.") else { return false };
        if matches!(rest, b"dat" | b"lock" | b"info") {
            return false;
        }
        // Files that are none of `fN…` are those of tables whose managers share one file.
        let number =
            rest.strip_prefix(b"f").map(|tail| tail.split_at(tail.iter().take_while(|b| b.is_ascii_digit()).count()));
        let Some((digits, suffix)) = number.filter(|(digits, _)| !digits.is_empty()) else { return true };
        match self {
            Self::All => true,
            Self::Structure => suffix.is_empty(),
            Self::Managers(numbers) => numbers.iter().any(|number| match number {
                Some(number) => number.to_string().as_bytes() == digits,
                None => true,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_names() {
        let held = |which: Which<'_>| {
            ["table.f1", "table.f1i", "table.f1_TSM0", "table.f10", "table.info", "table.lock", "table.mf", ".DS_Store"]
                .into_iter()
                .filter(|name| which.holds(name.as_bytes()))
                .collect::<Vec<_>>()
        };
        assert_eq!(held(Which::All), ["table.f1", "table.f1i", "table.f1_TSM0", "table.f10", "table.mf"]);
        assert_eq!(held(Which::Structure), ["table.f1", "table.f10", "table.mf"]);
        assert_eq!(held(Which::Managers(&[Some(1)])), ["table.f1", "table.f1i", "table.f1_TSM0", "table.mf"]);
        assert_eq!(held(Which::Managers(&[None])).len(), 5);
    }
}
