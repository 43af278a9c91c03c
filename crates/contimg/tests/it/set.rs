//! Measurement Sets, looked at from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use casacore::Table;

/// Checks that every visible name in `out` is a whole set: its manifest's checksums hold, and casacore reads it. Gives their
/// number.
pub(crate) fn check_all(out: &Path) -> Result<usize, String> {
    let Ok(entries) = fs::read_dir(out) else { return Ok(0) };
    let mut whole = 0;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        check(&entry.path())?;
        whole += 1;
    }
    Ok(whole)
}

/// Checks that `set` is whole.
pub(crate) fn check(set: &Path) -> Result<(), String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{} is not a whole set: {e}", set.display());
    publish::verify(set, publish::Level::Checksums).map_err(|e| wrong(&e))?;
    let table = Table::open(set).map_err(|e| wrong(&e))?;
    let rows = table.rows().map_err(|e| wrong(&e))?;
    if rows == 0 {
        return Err(wrong(&"no rows"));
    }
    for row in [0, rows - 1] {
        table.cell_shape("DATA", row).map_err(|e| wrong(&e))?.ok_or_else(|| wrong(&"no data"))?;
    }
    table.read_vec::<f64>("TIME", 0..rows).map_err(|e| wrong(&e))?;
    for subtable in ["ANTENNA", "FIELD", "HISTORY", "SPECTRAL_WINDOW"] {
        let rows = Table::open(set.join(subtable)).and_then(|t| t.rows()).map_err(|e| wrong(&e))?;
        if rows == 0 {
            return Err(wrong(&format!("{subtable} is empty")));
        }
    }
    Ok(())
}

/// What differs between sets that two command lines made of the same files: the command in HISTORY, and its checksum.
const OF_THE_COMMAND: [&str; 2] = ["HISTORY/table.f0", publish::MANIFEST_NAME];

/// Every file of a set with its bytes, but for what tells of the command; HISTORY by its messages.
pub(crate) fn bytes(set: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = every_byte(set);
    files.retain(|name, _| !OF_THE_COMMAND.contains(&name.as_str()));
    let history = Table::open(set.join("HISTORY")).expect("open HISTORY");
    let rows = history.rows().expect("rows");
    let messages = history.read_strings("MESSAGE", 0..rows).expect("messages");
    files.insert("messages of HISTORY".into(), messages.join("\n").into_bytes());
    files
}

/// Every file of a set with its bytes, the manifest among them, but for locks.
pub(crate) fn every_byte(set: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    collect(set, "", &mut files);
    files
}

/// Copies a set, without starting a program that would inherit files that other tests have open.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("mkdir");
    for entry in fs::read_dir(from).expect("list").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copy");
        }
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("list").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let relative = format!("{prefix}{name}");
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{relative}/"), files);
        } else if name != "table.lock" {
            files.insert(relative, fs::read(entry.path()).expect("read"));
        }
    }
}

/// The names of the files in which two sets differ.
pub(crate) fn differences(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
    names.filter(|name| a.get(*name) != b.get(*name)).cloned().collect()
}
