//! Many keys in one query: a JSON list on the left of a join.
//!
//! SQLite limits the variables of a statement, not the length of a list in one of them; so one text serves any number of
//! keys and is prepared once. The left join gives a row for each key, found or not, twice if it is there twice.

use std::path::Path;

use crate::{ByPath, Image, Reader, Record, Result, SubbandFile, record::columns_of};

/// A list of keys as JSON.
pub(crate) fn json<T: serde::Serialize>(keys: &[T]) -> String {
    serde_json::to_string(keys).expect("because texts and finite numbers are JSON")
}

/// One row for each key: its place in the list, the row's number (NULL for a key that is not there), the columns.
pub(crate) fn by_text_sql<R: Record>(column: &str) -> String {
    format!(
        "SELECT k.key, t.rowid, {} FROM json_each(?1) AS k LEFT JOIN \"{}\" AS t ON t.\"{column}\" = k.value",
        columns_of::<R>("t"),
        R::TABLE
    )
}

/// The rows for each key: its place in the list, the row's number, the columns.
pub(crate) fn many_by_text_sql<R: Record>(column: &str) -> String {
    format!(
        "SELECT k.key, t.rowid, {} FROM json_each(?1) AS k JOIN \"{}\" AS t ON t.\"{column}\" = k.value",
        columns_of::<R>("t"),
        R::TABLE
    )
}

impl Reader {
    /// The stored forms of paths.
    pub(crate) fn path_keys<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Vec<String>> {
        let mut names = self.folder().names();
        paths.iter().map(|path| names.stored(path.as_ref())).collect()
    }

    /// The rows of files: one query, however many (two, each of half the keys, where two cores share them). The answer has
    /// the order of `paths`; `None` stands for a path that the database does not know.
    ///
    /// # Errors
    /// [`crate::Error::Path`] for a path that cannot be stored; [`crate::Error::Value`] for a row that another program wrote
    /// wrongly; what SQLite says.
    pub fn by_path<R: ByPath>(&self, paths: &[impl AsRef<Path>]) -> Result<Vec<Option<R>>> {
        self.by_text("path", &self.path_keys(paths)?)
    }

    /// The rows that `keys` name in a unique column.
    pub(crate) fn by_text<R: Record>(&self, column: &'static str, keys: &[String]) -> Result<Vec<Option<R>>> {
        let sql = by_text_sql::<R>(column);
        self.look_up(
            keys.len(),
            || Ok(keys),
            |reader, keys, found| {
                reader.rows_of_keys(&sql, keys, |place, row| {
                    if row.get_ref(1).is_ok_and(|id| id != rusqlite::types::ValueRef::Null) {
                        found[place] = Some(reader.record(row, 2)?);
                    }
                    Ok(())
                })
            },
        )
    }

    /// The rows with each of `keys` in a column that is not unique.
    pub(crate) fn many_by_text<R: Record>(&self, column: &'static str, keys: &[String]) -> Result<Vec<Vec<R>>> {
        let sql = many_by_text_sql::<R>(column);
        let found = self.look_up(
            keys.len(),
            || Ok(keys),
            |reader, keys, found: &mut [Option<Vec<R>>]| {
                reader.rows_of_keys(&sql, keys, |place, row| {
                    found[place].get_or_insert_default().push(reader.record(row, 2)?);
                    Ok(())
                })
            },
        )?;
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Runs a statement over `keys`; `take` gets each row, whose first column is the place of its key.
    pub(crate) fn rows_of_keys(
        &self,
        sql: &str,
        keys: &[&str],
        mut take: impl FnMut(usize, &rusqlite::Row<'_>) -> Result<()>,
    ) -> Result<()> {
        const DOING: &str = "looking up keys";
        self.query(DOING, sql, [json(keys)], |row| {
            let place: i64 = row.get(0).map_err(|e| self.failed(DOING, e))?;
            match usize::try_from(place) {
                Ok(place) if place < keys.len() => take(place, row),
                _ => Ok(()),
            }
        })
    }

    /// The images that were made of each set: one query.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn images_of_sets(&self, sets: &[impl AsRef<Path>]) -> Result<Vec<Vec<Image>>> {
        self.many_by_text("ms_path", &self.path_keys(sets)?)
    }

    /// The subband files of each group: one query.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn subbands_of_groups(&self, groups: &[String]) -> Result<Vec<Vec<SubbandFile>>> {
        self.many_by_text("group_id", groups)
    }

    /// The groups of those names: one query.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn groups(&self, names: &[String]) -> Result<Vec<Option<crate::Group>>> {
        self.by_text("group_id", names)
    }

    /// All rows of a table, in the order in which they were entered, to `take`, which returns whether it wants more.
    ///
    /// # Errors
    /// What `take` says; as [`Reader::by_path`].
    pub fn each<R: Record>(&self, mut take: impl FnMut(R) -> Result<bool>) -> Result<()> {
        const DOING: &str = "reading a table";
        let sql = format!("SELECT t.rowid, {} FROM \"{}\" AS t ORDER BY t.rowid", columns_of::<R>("t"), R::TABLE);
        let mut statement = self.connection.prepare_cached(&sql).map_err(|e| self.failed(DOING, e))?;
        self.queries.set(self.queries.get() + 1);
        let mut rows = statement.query([]).map_err(|e| self.failed(DOING, e))?;
        while let Some(row) = rows.next().map_err(|e| self.failed(DOING, e))? {
            if !take(self.record(row, 1)?)? {
                break;
            }
        }
        Ok(())
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn count<R: Record>(&self) -> Result<u64> {
        let mut count = 0i64;
        self.query("counting rows", &format!("SELECT count(*) FROM \"{}\"", R::TABLE), [], |row| {
            count = row.get(0).map_err(|e| self.failed("counting rows", e))?;
            Ok(())
        })?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
