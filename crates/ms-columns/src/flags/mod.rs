//! Named versions of a set's flags: FLAG and FLAG_ROW as they were, kept in the set's folder `.flagversions`.
//!
//! A version is a file of our own that holds the flags as bits in row order, so that it does not depend on how the table
//! stores them, and no program that writes FLAG in place can change it. It is saved in the same step as the change that it
//! precedes.

mod bits;
mod file;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use casacore::Table;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::column::Input;
use crate::{ColumnEdit, Committed, EditOptions, Error, Result, Target, recover};

/// The folder of the versions inside a set.
const FOLDER: &str = ".flagversions";
const ENDING: &str = ".flags";
/// Values that are looked at together.
const CHUNK_VALUES: usize = 8 << 20;
/// The version that [`restore_flags`] saves before it changes the flags.
pub const BEFORE_RESTORE: &str = "before-restore";

/// What is to happen to a version's file with the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Save,
    Delete,
}

/// A saved version of a set's flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagVersion {
    /// Its name, unique in the set.
    pub name: String,
    /// Who saved it.
    pub by: String,
    /// When, in seconds since 1970-01-01 UTC.
    pub at_unix_s: u64,
    /// The rows of the set.
    pub rows: u64,
    /// The values of FLAG.
    pub values: u64,
    /// How many of them are set.
    pub flagged: u64,
    /// How many rows have FLAG_ROW set; none where the set has no such column.
    pub flagged_rows: Option<u64>,
}

impl ColumnEdit {
    /// Saves the flags as they are before this edit, when it commits, under `name`.
    ///
    /// # Errors
    ///
    /// [`Error::VersionName`], [`Error::VersionExists`]; what keeps FLAG from being read; a full disk.
    pub fn save_flags(&mut self, name: &str) -> Result<FlagVersion> {
        check_name(name)?;
        if path_of(self.set(), name).is_file() || self.versions.iter().any(|(file, _)| *file == relative(name)) {
            return Err(Error::VersionExists { path: self.set().to_owned(), name: name.to_owned() });
        }
        self.save_flags_over(name)
    }

    fn save_flags_over(&mut self, name: &str) -> Result<FlagVersion> {
        let folder = self.edit_folder().join(FOLDER);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io(folder, "make a folder for flag versions", error));
            }
            _ => {}
        }
        let version = file::save(self.set(), &self.edit_folder().join(relative(name)), name, self.by())?;
        self.versions.push((relative(name), Step::Save));
        Ok(version)
    }

    /// Deletes a flag version when this edit commits.
    ///
    /// # Errors
    ///
    /// [`Error::NoVersion`].
    pub fn delete_flags(&mut self, name: &str) -> Result<()> {
        find(self.set(), name)?;
        self.versions.push((relative(name), Step::Delete));
        Ok(())
    }
}

/// The flag versions of the set at `path`, the oldest first.
///
/// # Errors
///
/// When the folder cannot be listed; [`Error::BadVersion`].
pub fn flag_versions(path: &Path) -> Result<Vec<FlagVersion>> {
    recover(path)?;
    let mut versions = names(path)?
        .iter()
        .map(|name| file::read(&path_of(path, name)).map(|f| f.version))
        .collect::<Result<Vec<_>>>()?;
    versions.sort_by(|a, b| (a.at_unix_s, &a.name).cmp(&(b.at_unix_s, &b.name)));
    Ok(versions)
}

/// Saves the flags of the set at `path` under `name`.
///
/// # Errors
///
/// As [`ColumnEdit::begin`] and [`ColumnEdit::save_flags`].
pub fn save_flags(path: &Path, name: &str, options: &EditOptions) -> Result<FlagVersion> {
    let mut edit = ColumnEdit::begin(path, options, &[])?;
    let version = edit.save_flags(name)?;
    edit.commit()?;
    Ok(version)
}

/// Deletes a flag version of the set at `path`.
///
/// # Errors
///
/// As [`ColumnEdit::begin`] and [`ColumnEdit::delete_flags`].
pub fn delete_flags(path: &Path, name: &str, options: &EditOptions) -> Result<()> {
    let mut edit = ColumnEdit::begin(path, options, &[])?;
    edit.delete_flags(name)?;
    edit.commit()?;
    Ok(())
}

/// Gives FLAG and FLAG_ROW of the set at `path` the values of a version, to the bit. The flags as they were are saved as
/// [`BEFORE_RESTORE`] (instead of an earlier one), unless that is the version asked for.
///
/// # Errors
///
/// [`Error::NoVersion`], [`Error::BadVersion`], [`Error::VersionMisfit`]; as [`ColumnEdit::begin`].
pub fn restore_flags(path: &Path, name: &str, options: &EditOptions) -> Result<(FlagVersion, Committed)> {
    recover(path)?;
    let file = file::read(&find(path, name)?)?;
    let mut targets = vec![Target::existing("FLAG")];
    if file.version.flagged_rows.is_some() {
        targets.push(Target::existing("FLAG_ROW"));
    }
    let mut edit = ColumnEdit::begin(path, options, &targets)?;
    if name != BEFORE_RESTORE {
        edit.save_flags_over(BEFORE_RESTORE)?;
    }
    file.restore(&edit)?;
    let version = file.version.clone();
    drop(file);
    Ok((version, edit.commit()?))
}

/// A name that no version has: `prefix-1`, `prefix-2`, …
///
/// # Errors
///
/// [`Error::VersionName`]; when the folder cannot be listed.
pub fn free_version_name(path: &Path, prefix: &str) -> Result<String> {
    check_name(prefix)?;
    let numbers = names(path)?;
    let last = numbers
        .iter()
        .filter_map(|name| name.strip_prefix(prefix)?.strip_prefix('-')?.parse::<u64>().ok())
        .max()
        .unwrap_or(0);
    Ok(format!("{prefix}-{}", last + 1))
}

fn names(set: &Path) -> Result<Vec<String>> {
    let folder = set.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::io(folder, "list the flag versions", source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| Error::io(&folder, "list the flag versions", source))?;
        if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(ENDING)) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn find(set: &Path, name: &str) -> Result<PathBuf> {
    let known = names(set)?;
    if known.iter().any(|other| other == name) {
        return Ok(path_of(set, name));
    }
    Err(Error::NoVersion { path: set.to_owned(), name: name.to_owned(), known })
}

fn relative(name: &str) -> String {
    format!("{FOLDER}/{name}{ENDING}")
}

fn path_of(set: &Path, name: &str) -> PathBuf {
    set.join(relative(name))
}

fn check_name(name: &str) -> Result<()> {
    let refuse = |reason| Err(Error::VersionName { name: name.to_owned(), reason });
    if name.is_empty() || name.len() > 100 {
        return refuse("it must have 1 to 100 characters");
    }
    if name.starts_with('.') || name.starts_with('-') {
        return refuse("it begins with a full stop or a dash");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | ':')) {
        return refuse("it has other characters than letters, digits and `-_.+:`");
    }
    debug_assert_eq!(Path::new(name).file_name(), Some(OsStr::new(name)));
    Ok(())
}

/// All rows of FLAG in ranges with cells of one shape, about [`CHUNK_VALUES`] each; without rows that have no value.
fn chunks(flag: &Input<bool>, rows: u64) -> Vec<(std::ops::Range<u64>, [usize; 2])> {
    let mut cuts: Vec<u64> = flag.shape_changes().chain([0, rows]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut chunks = Vec::new();
    for pair in cuts.windows(2) {
        let Ok(cell) = flag.cell(&(pair[0]..pair[0] + 1)) else { continue };
        let tile = flag.tile_rows();
        let step = ((CHUNK_VALUES / cell.iter().product::<usize>().max(1)) as u64).max(tile) / tile * tile;
        let mut first = pair[0];
        while first < pair[1] {
            let end = pair[1].min((first / step + 1) * step);
            chunks.push((first..end, cell));
            first = end;
        }
    }
    chunks
}
