//! A row in the set's HISTORY that says who changed what, in the same step as the change.

use std::fs;
use std::path::Path;
use std::time::Duration;

use casacore::{Cell, Ragged, Table};

use crate::lock::{self, SetLock};
use crate::{Error, Result, shadow};

const NAME: &str = "HISTORY";

/// What a row of HISTORY says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// APPLICATION and ORIGIN.
    pub(crate) application: String,
    pub(crate) message: String,
    /// CLI_COMMAND.
    pub(crate) command: String,
}

/// The subtable HISTORY, locked against other writers until the change is done.
#[derive(Debug)]
pub(crate) struct History {
    lock: SetLock,
    /// casacore's counters after the change, where it keeps any.
    counters: Option<Vec<u8>>,
}

impl History {
    /// Locks the HISTORY of the set whose lock is given. None where the set has none of its own.
    pub(crate) fn take(set: &Path, table: &Table, wait: Duration) -> Result<Option<Self>> {
        let folder = set.join(NAME);
        let is_own = |(name, place): &(String, std::path::PathBuf)| {
            name == NAME && place.canonicalize().is_ok_and(|place| place == folder)
        };
        if !table.subtables()?.iter().any(is_own) {
            return Ok(None);
        }
        rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK)
            .map_err(|source| Error::io(&folder, "change it", source.into()))?;
        Ok(Some(Self { lock: SetLock::take(&folder, wait)?, counters: None }))
    }

    /// Makes copies of the subtable's files below `new` (the edit's folder) with one more row, and gives their names in
    /// the set, in the order in which they get their places: the description, which says how many rows there are, last.
    pub(crate) fn append(&mut self, set: &Path, new: &Path, entry: &Entry) -> Result<Vec<String>> {
        let (from, to) = (set.join(NAME), new.join(NAME));
        fs::create_dir(&to).map_err(|source| Error::io(&to, "make a folder for HISTORY", source))?;
        let list = |source| Error::io(&from, "list the files of the table", source);
        let mut names = Vec::new();
        for file in fs::read_dir(&from).map_err(list)? {
            let name = file.map_err(list)?.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with("table.") && *name != "table.lock") else {
                continue;
            };
            shadow::copy_file(&from.join(name), &to.join(name))?;
            names.push(name.to_owned());
        }
        self.lock.copy_file(&to.join("table.lock"))?;
        let mut table = Table::open_rw(&to)?;
        add(&mut table, entry)?;
        table.close()?;
        self.counters = Some(lock::counters(&to.join("table.lock"))?);
        names.retain(|name| name != "table.info");
        names.sort_by_key(|name| (name == "table.dat", name.clone()));
        Ok(names.into_iter().map(|name| format!("{NAME}/{name}")).collect())
    }

    /// Before the files get their places; see [`SetLock::forget_counters`].
    pub(crate) fn before_commit(&mut self) -> Result<()> {
        if !self.lock.forget_counters()? {
            self.counters = None;
        }
        Ok(())
    }

    /// After that.
    pub(crate) fn after_commit(self) -> Result<()> {
        if let Some(counters) = &self.counters {
            self.lock.set_counters(counters)?;
        }
        self.lock.release()
    }
}

/// Adds the row. Columns that a set lacks or has of another kind are passed over.
fn add(table: &mut Table, entry: &Entry) -> Result<()> {
    let row = table.rows()?;
    table.add_rows(1)?;
    // The Unix epoch is MJD 40587.
    let now = publish::product_time()?.as_secs_f64() + 40_587.0 * 86_400.0;
    for column in table.columns()? {
        let name = column.name.as_str();
        match (name, &column.cell, column.kind) {
            ("APPLICATION" | "ORIGIN", Cell::Scalar, casacore::DataType::String) => {
                table.write_strings(name, row, &[&entry.application])?;
            }
            ("MESSAGE", Cell::Scalar, casacore::DataType::String) => {
                table.write_strings(name, row, &[&entry.message])?;
            }
            ("PRIORITY", Cell::Scalar, casacore::DataType::String) => table.write_strings(name, row, &["NORMAL"])?,
            ("OBJECT_ID" | "OBSERVATION_ID", Cell::Scalar, casacore::DataType::I32) => {
                table.write(name, row, &[0_i32])?;
            }
            ("TIME", Cell::Scalar, casacore::DataType::F64) => table.write(name, row, &[now])?,
            ("CLI_COMMAND" | "APP_PARAMS", Cell::Variable(_), casacore::DataType::String) => {
                let text = if name == "CLI_COMMAND" { entry.command.clone() } else { String::new() };
                let cell = Ragged { shapes: vec![Some(vec![1])], values: vec![text] };
                table.write_ragged_strings(name, row, &cell)?;
            }
            _ => {}
        }
    }
    Ok(())
}
