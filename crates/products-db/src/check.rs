//! Whether a database is whole, and whether what it names is there.

use std::path::Path;

use serde::Serialize;

use crate::{Error, Layout, Reader, Result, StoredPath, connection::Access, schema};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The layout.
    pub layout: Layout,
    /// What SQLite's integrity check says; empty when all is well.
    pub integrity: Vec<String>,
    /// Rows that refer to rows that are not there: table, row, and the table that is referred to.
    pub broken_references: Vec<(String, i64, String)>,
    /// Tables and their rows.
    pub rows: Vec<(String, u64)>,
    /// Files that are named and not there.
    pub dangling: Vec<Dangling>,
    /// How many files are named.
    pub paths: u64,
}

/// A file that is named and not there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dangling {
    /// The table that names it.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The path.
    pub path: StoredPath,
}

/// Columns that name files.
const PATHS: &[(&str, &str)] = &[
    ("hdf5_files", "path"),
    ("ms_index", "path"),
    ("calibration_tables", "path"),
    ("images", "path"),
    ("images", "ms_path"),
    ("mosaics", "path"),
];

impl Check {
    /// Whether the database itself is whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.integrity.is_empty() && self.broken_references.is_empty()
    }

    /// Checks the database at `path`, of whatever layout. `progress` gets how many files were looked for.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Busy`]; [`Error::Damaged`] when it is too damaged to be checked.
    pub fn run(path: &Path, mut progress: impl FnMut(u64)) -> Result<Self> {
        const DOING: &str = "checking it";
        let reader = Reader::open_any(path, Access::Read)?;
        let failed = |e| reader.failed(DOING, e);
        let layout = reader.layout()?;
        let integrity = reader
            .connection
            .prepare("PRAGMA integrity_check(100)")
            .and_then(|mut s| s.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>());
        let integrity = match integrity {
            Ok(lines) => lines.into_iter().filter(|line| line != "ok").collect(),
            Err(e) => match failed(e) {
                Error::Damaged { source: found, .. } => vec![found.to_string()],
                error => return Err(error),
            },
        };
        let mut check =
            Self { layout, integrity, broken_references: Vec::new(), rows: Vec::new(), dangling: Vec::new(), paths: 0 };
        if !check.integrity.is_empty() {
            return Ok(check);
        }
        if matches!(check.layout, Layout::Current { .. }) {
            check.references(&reader).map_err(failed)?;
            check.files(&reader, &mut progress)?;
        }
        for table in crate::layout::user_tables(&reader.connection).map_err(failed)? {
            let count = crate::migrate::count(&reader.connection, &table).map_err(failed)?;
            check.rows.push((table, count));
        }
        Ok(check)
    }

    fn references(&mut self, reader: &Reader) -> rusqlite::Result<()> {
        // Of our tables alone: those that were kept from an older layout may refer to tables that never were.
        for table in schema::TABLES {
            let mut statement =
                reader.connection.prepare("SELECT \"table\", rowid, parent FROM pragma_foreign_key_check(?1)")?;
            let found = statement.query_map([table.name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            for broken in found {
                self.broken_references.push(broken?);
            }
        }
        Ok(())
    }

    fn files(&mut self, reader: &Reader, progress: &mut impl FnMut(u64)) -> Result<()> {
        const DOING: &str = "looking for the files that it names";
        for (table, column) in PATHS {
            // A subband that was deleted after its conversion is marked as such.
            let kept = if *table == "hdf5_files" { " AND coalesce(stored, 1) <> 0" } else { "" };
            let sql = format!(
                "SELECT DISTINCT \"{column}\" FROM \"{table}\" WHERE \"{column}\" IS NOT NULL{kept} ORDER BY \"{column}\""
            );
            reader.query(DOING, &sql, [], |row| {
                let path: StoredPath = row.get(0).map_err(|e| reader.wrong(table, -1, e))?;
                self.paths += 1;
                progress(self.paths);
                if reader.folder().resolve(&path).symlink_metadata().is_err() {
                    self.dangling.push(Dangling { table, column, path });
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
