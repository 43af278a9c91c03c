//! Many keys in one query: a JSON list on the left of a join.
//!
//! SQLite limits the variables of a statement, not the length of a list in one of them; so one text serves any number of
//! keys and is prepared once. The left join gives a row for each key, found or not, twice if it is there twice.

use std::path::Path;

use crate::{ByPath, Image, Reader, Record, Result, SubbandFile, record::columns_of, twin::Wanted};

/// A list of keys as JSON.
pub(crate) fn json<T: serde::Serialize>(keys: &[T]) -> String {
    serde_json::to_string(keys).expect("because texts and finite numbers are JSON")
}

/// Texts to look up, one behind the other: what 10,000 of them cost apart, in allocations, is a tenth of their look-up.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    text: String,
    ends: Vec<usize>,
}

impl Keys {
    /// A key of each of `of`, which `append` puts behind the text so far; they have about `bytes` bytes.
    fn of<T, E>(of: &[T], bytes: usize, mut append: impl FnMut(&T, &mut String) -> Result<(), E>) -> Result<Self, E> {
        let mut keys = Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(of.len()) };
        for one in of {
            append(one, &mut keys.text)?;
            keys.ends.push(keys.text.len());
        }
        Ok(keys)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The keys, in their order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let key = &self.text[start..end];
            start = end;
            key
        })
    }
}

impl From<&[String]> for Keys {
    fn from(texts: &[String]) -> Self {
        let bytes = texts.iter().map(String::len).sum();
        let Ok(keys) = Self::of(texts, bytes, |key, text| {
            text.push_str(key);
            Ok::<(), std::convert::Infallible>(())
        });
        keys
    }
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
    pub(crate) fn path_keys<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Keys> {
        let mut names = self.folder().names();
        let bytes = paths.iter().map(|path| path.as_ref().as_os_str().len()).sum();
        Keys::of(paths, bytes, |path, text| names.append(path.as_ref(), text))
    }

    /// The rows of files: one query, however many (two, each of half the keys, where two cores share them). The answer has
    /// the order of `paths`; `None` stands for a path that the database does not know.
    ///
    /// # Errors
    /// [`crate::Error::Path`] for a path that cannot be stored; [`crate::Error::Value`] for a row that another program wrote
    /// wrongly; what SQLite says.
    pub fn by_path<R: ByPath>(&self, paths: &[impl AsRef<Path>]) -> Result<Vec<Option<R>>> {
        self.by_text("path", paths.len(), || self.path_keys(paths))
    }

    /// The rows that `keys` name in a unique column.
    pub(crate) fn by_text<R: Record>(
        &self,
        column: &'static str,
        count: usize,
        keys: impl FnOnce() -> Result<Keys>,
    ) -> Result<Vec<Option<R>>> {
        let sql = by_text_sql::<R>(column);
        self.look_up(count, keys, |reader, keys| {
            reader.rows_of_keys(&sql, keys, |found, row| {
                if row.get_ref(1).is_ok_and(|id| id != rusqlite::types::ValueRef::Null) {
                    *found = Some(reader.record(row, 2)?);
                }
                Ok(())
            })
        })
    }

    /// The rows with each of `keys` in a column that is not unique.
    pub(crate) fn many_by_text<R: Record>(
        &self,
        column: &'static str,
        count: usize,
        keys: impl FnOnce() -> Result<Keys>,
    ) -> Result<Vec<Vec<R>>> {
        let sql = many_by_text_sql::<R>(column);
        let found = self.look_up(count, keys, |reader, keys| {
            reader.rows_of_keys(&sql, keys, |found: &mut Option<Vec<R>>, row| {
                found.get_or_insert_default().push(reader.record(row, 2)?);
                Ok(())
            })
        })?;
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Runs a statement over `keys`; `take` gets each row, whose first column is the place of its key, and where to put what
    /// is found.
    pub(crate) fn rows_of_keys<T>(
        &self,
        sql: &str,
        keys: &mut [Wanted<'_, T>],
        mut take: impl FnMut(&mut Option<T>, &rusqlite::Row<'_>) -> Result<()>,
    ) -> Result<()> {
        const DOING: &str = "looking up keys";
        let list = json(&keys.iter().map(|wanted| wanted.key).collect::<Vec<&str>>());
        self.query(DOING, sql, [list], |row| {
            let place: i64 = row.get(0).map_err(|e| self.failed(DOING, e))?;
            match usize::try_from(place).ok().and_then(|place| keys.get_mut(place)) {
                Some(wanted) => take(wanted.found, row),
                None => Ok(()),
            }
        })
    }

    /// The images that were made of each set: one query.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn images_of_sets(&self, sets: &[impl AsRef<Path>]) -> Result<Vec<Vec<Image>>> {
        self.many_by_text("ms_path", sets.len(), || self.path_keys(sets))
    }

    /// The subband files of each group: one query.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn subbands_of_groups(&self, groups: &[String]) -> Result<Vec<Vec<SubbandFile>>> {
        self.many_by_text("group_id", groups.len(), || Ok(groups.into()))
    }

    /// The groups of those names: one query.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn groups(&self, names: &[String]) -> Result<Vec<Option<crate::Group>>> {
        self.by_text("group_id", names.len(), || Ok(names.into()))
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
