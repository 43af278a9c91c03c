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
use std::io::Read;
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

/// Refuses tables whose values come from other tables' files.
pub(crate) fn require_own_files(table: &Path) -> Result<(), Error> {
    const LARGEST: u64 = 64 << 20;
    const ENGINES: [&str; 2] = ["ForwardColumn", "VirtualTaQLColumn"];
    let mut bytes = Vec::new();
    let read = fs::File::open(table.join("table.dat")).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    // What cannot be read or understood is for casacore to judge.
    let (Ok(_), Some(kind)) = (read, kind(&bytes)) else { return Ok(()) };
    let starts = |name: &str| {
        let first = name.as_bytes()[0];
        bytes.iter().enumerate().any(|(at, &byte)| byte == first && bytes[at..].starts_with(name.as_bytes()))
    };
    let engine = || ENGINES.into_iter().find(|name| starts(name));
    match if kind == "PlainTable" { engine().map(String::from) } else { Some(kind) } {
        None => Ok(()),
        Some(kind) => Err(Error::Refers { path: table.into(), kind }),
    }
}

/// The kind of table that the head of a `table.dat` names (casacore's `Table.cc`, `BaseTable::writeStart`).
fn kind(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    // Magic, length, "Table" with its length, version, number of rows (wide since version 3), byte order, kind.
    if bytes.get(8..17)? != b"\0\0\0\x05Table" {
        return None;
    }
    let at = if word(17)? > 2 { 33 } else { 29 };
    let text = bytes.get(at + 4..)?.get(..word(at)? as usize)?;
    (text.len() <= 64).then(|| String::from_utf8_lossy(text).into_owned())
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

    #[test]
    fn the_kind_of_a_table_is_read_from_its_head() {
        let head = |version: u32, rows: &[u8]| {
            let mut bytes = vec![0xbe, 0xbe, 0xbe, 0xbe, 0, 0, 0, 99, 0, 0, 0, 5];
            bytes.extend(b"Table");
            bytes.extend(version.to_be_bytes());
            bytes.extend(rows);
            bytes.extend([0, 0, 0, 1, 0, 0, 0, 8]);
            bytes.extend(b"RefTable");
            bytes
        };
        assert_eq!(kind(&head(2, &[0; 4])).as_deref(), Some("RefTable"));
        assert_eq!(kind(&head(3, &[0; 8])).as_deref(), Some("RefTable"));
        assert_eq!(kind(&head(3, &[0; 8])[..30]), None);
        assert_eq!(kind(b""), None);
    }
}
