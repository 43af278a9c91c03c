//! Which files hold a column.

use std::fs;
use std::path::{Path, PathBuf};

use crate::aipsio::TableDat;
use crate::{Error, Result, registry};

/// The files that the values of `columns` come from: those of the storage managers that hold them, sorted. `table.dat`,
/// which says so and is all that is read here, is not among them. For freshness checks.
///
/// None for a table that is a selection or concatenation of others, has columns that forward to others, or is of a version
/// that this crate does not read by itself: its values may come from elsewhere.
///
/// ```
/// use casacore::{Bucket, ColumnDesc, DataType, Layout, Manager};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("small.tab");
/// Layout::new()
///     .column(ColumnDesc::scalar("A", DataType::I32))
///     .column(ColumnDesc::scalar("B", DataType::I32))
///     .manager(Manager::standard("One", Bucket::Rows(64)).holding(["A"]))
///     .manager(Manager::standard("Two", Bucket::Rows(64)).holding(["B"]))
///     .create(&path, 3)?
///     .close()?;
/// let files = casacore::column_files(&path, &["B"])?.unwrap_or_default();
/// assert_eq!(files, [path.canonicalize()?.join("table.f1")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::NoTable`], [`Error::NoColumn`], [`Error::Io`] and [`Error::Damaged`].
pub fn column_files(table: impl AsRef<Path>, columns: &[&str]) -> Result<Option<Vec<PathBuf>>> {
    let table = registry::canonical(table.as_ref())?;
    if !table.join("table.dat").is_file() {
        return Err(Error::NoTable { path: table });
    }
    let Some(dat) = TableDat::read(&table)? else { return Ok(None) };
    if !registry::stands_alone(&table) {
        return Ok(None);
    }
    let mut managers = Vec::new();
    for &name in columns {
        let column = dat.column(name).ok_or_else(|| Error::NoColumn { path: table.clone(), column: name.into() })?;
        managers.push(column.manager);
    }
    let list = |source| Error::io(&table, "list the files of the table", source);
    let mut files = Vec::new();
    for entry in fs::read_dir(&table).map_err(list)? {
        let name = entry.map_err(list)?.file_name();
        if name.to_str().is_some_and(|name| belongs(name, &managers, dat.separate_files)) {
            files.push(table.join(name));
        }
    }
    files.sort();
    Ok(Some(files))
}

/// Whether a file of this name is one of the managers': `table.fN`, and with more after the number (`i` for indirect
/// arrays, `_TSM0` for tiles); `table.mf` where all share one file.
fn belongs(name: &str, managers: &[u32], separate: bool) -> bool {
    if !separate {
        return name.starts_with("table.mf");
    }
    let Some(rest) = name.strip_prefix("table.f") else { return false };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest[..digits].parse().is_ok_and(|number| managers.contains(&number))
}
