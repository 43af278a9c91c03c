//! From the original's two layouts to ours, without losing a row.
//!
//! A table that ours replaces is copied row by row into the new one, with whatever further columns it had, and dropped once
//! the rows are counted. Where several rows have the name of one product, as the first layout allowed, the newest is kept
//! and the others go to `NAME_superseded`, unchanged. All other tables stay as they are. It is one transaction: it happens
//! or it does not.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, config::DbConfig};
use serde::Serialize;

use crate::{
    Error, Layout, Reader, Result, WorkFolder,
    backup::Temporary,
    connection::{Access, PAGE_BYTES, mark},
    layout::user_tables,
    schema::{self, Table},
};

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Migration {
    /// The layout before.
    pub from: Layout,
    /// The tables that were converted.
    pub converted: Vec<TableMigration>,
    /// The tables that were kept, and their rows.
    pub kept: Vec<(String, u64)>,
    /// Where the database is as it was.
    pub backup: Option<PathBuf>,
}

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableMigration {
    /// Its name before.
    pub table: String,
    /// Its name now.
    pub into: &'static str,
    /// Its rows before.
    pub rows: u64,
    /// Those of them that are older rows of the same product, now in `INTO_superseded`.
    pub superseded: u64,
}

/// A table of an older layout that ours replaces: its name, ours, columns that have other names there, and what makes a row
/// newer than another.
struct Source {
    table: &'static str,
    into: &'static str,
    /// Our column, and the one that stands for it where that is missing.
    renamed: &'static [(&'static str, &'static str)],
    /// Our columns with paths.
    paths: &'static [&'static str],
    newest: &'static str,
}

const SOURCES: &[Source] = &[
    source("hdf5_file_index", "hdf5_files", &["path"], "indexed_at"),
    source("hdf5_files", "hdf5_files", &["path"], "indexed_at"),
    source("ingest_queue", "processing_queue", &[], "last_update"),
    source("processing_queue", "processing_queue", &[], "last_update"),
    source("ms_index", "ms_index", &["path"], "processed_at"),
    source("caltables", "calibration_tables", &["path", "source_ms_path"], "created_at"),
    source("calibration_tables", "calibration_tables", &["path", "source_ms_path"], "created_at"),
    source("calibration_applied", "calibration_applied", &["ms_path", "caltable_path"], "applied_at"),
    source("images", "images", &["path", "ms_path"], "created_at"),
    Source {
        // One of the first layout's three kinds of this table has no column `path`.
        renamed: &[("path", "output_path")],
        ..source("mosaics", "mosaics", &["path"], "created_at")
    },
];

const fn source(
    table: &'static str,
    into: &'static str,
    paths: &'static [&'static str],
    newest: &'static str,
) -> Source {
    Source { table, into, renamed: &[], paths, newest }
}

/// Upgrades the database at `path` in place. A copy of it as it was stays beside it, under the name that the result tells.
/// The files in `others` are further databases of the first layout (`hdf5`, `cal_registry`, `ingest`), whose tables are
/// taken in; they are not changed.
///
/// # Errors
/// [`Error::Foreign`], [`Error::Newer`], [`Error::InTheWay`], [`Error::RowsLost`]; [`Error::Busy`], [`Error::Write`],
/// [`Error::Damaged`]. The database is then as it was.
#[tracing::instrument(skip_all, fields(path = %path.display()), err)]
pub fn migrate(path: &Path, others: &[PathBuf]) -> Result<Migration> {
    let reader = Reader::open_any(path, Access::Write)?;
    let from = accept(&reader)?;
    if matches!(from, Layout::Current { .. }) && others.is_empty() {
        return Ok(Migration { from, converted: Vec::new(), kept: Vec::new(), backup: None });
    }
    let copy = free_name(reader.path());
    crate::backup(&reader, &copy, |_, _| {})?;
    let mut migration = upgrade(reader, from, others)?;
    migration.backup = Some(copy);
    Ok(migration)
}

/// Makes the new database `into` from the one at `path`, which is not changed.
///
/// # Errors
/// As [`migrate`], and [`Error::Exists`]. Nothing appears under the name `into` then.
#[tracing::instrument(skip_all, fields(path = %path.display(), into = %into.display()), err)]
pub fn migrate_into(path: &Path, into: &Path, others: &[PathBuf]) -> Result<Migration> {
    if into.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: into.to_path_buf() });
    }
    let reader = Reader::open_any(path, Access::Read)?;
    let from = accept(&reader)?;
    let temporary = Temporary::beside(into)?;
    temporary.copy(&reader, |_, _| {})?;
    let copy = Reader::open_any(temporary.path(), Access::Write)?;
    let migration = upgrade(copy, from, others)?;
    // The pages of a file that nobody else knows can be made larger, and without gaps; not those of one that is in use.
    temporary.fill("packing it", |copy| {
        // A copy of a database that has such pages is not written once more.
        if migration.converted.is_empty()
            && copy.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))? == PAGE_BYTES
        {
            return Ok(());
        }
        copy.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get::<_, String>(0))?;
        copy.pragma_update(None, "page_size", PAGE_BYTES)?;
        copy.execute_batch("VACUUM")?;
        copy.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0)).map(drop)
    })?;
    temporary.publish()?;
    Ok(migration)
}

fn accept(reader: &Reader) -> Result<Layout> {
    let path = reader.path().to_path_buf();
    match reader.layout()? {
        Layout::Foreign { tables } => Err(Error::Foreign { path, tables }),
        Layout::Current { version } if version > schema::VERSION => {
            Err(Error::Newer { path, found: version, known: schema::VERSION })
        }
        layout => Ok(layout),
    }
}

/// `NAME.before-migration`, or with a number behind.
fn free_name(path: &Path) -> PathBuf {
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if n == 1 { ".before-migration".to_owned() } else { format!(".before-migration-{n}") });
        PathBuf::from(name)
    };
    (1..).map(name).find(|p| p.symlink_metadata().is_err()).unwrap_or_else(|| name(1))
}

fn upgrade(mut reader: Reader, from: Layout, others: &[PathBuf]) -> Result<Migration> {
    const DOING: &str = "migrating it";
    let path = reader.path().to_path_buf();
    let folder = reader.folder().clone();
    let failed = |e| Error::of(&path, DOING, e);
    let others = others.iter().map(|p| Reader::open_any(p, Access::Read)).collect::<Result<Vec<_>>>()?;
    let connection = &mut reader.connection;
    // References between tables name these by their text and come to rest when all is renamed. Rewriting them on the way, as
    // SQLite else does, would turn them to the tables that are dropped.
    connection.pragma_update(None, "foreign_keys", false).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, true).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let current = matches!(from, Layout::Current { .. });
    let upgrade = Upgrade { connection: &transaction, path: &path, folder: &folder };
    upgrade.refuse_what_would_be_lost()?;
    let mut converted = Vec::new();
    if !current {
        let sources: Vec<(&Source, String)> = upgrade.sources(&transaction, SOURCES.iter()).map_err(failed)?;
        upgrade.convert(&sources, &mut converted)?;
    }
    for other in &others {
        let taken = upgrade.take_in(other)?;
        upgrade.convert(&taken, &mut converted)?;
    }
    let kept = upgrade.kept().map_err(failed)?;
    mark(&transaction).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))
        .and_then(|_| connection.execute_batch("ANALYZE"))
        .map_err(failed)?;
    let connection = reader.connection;
    connection.close().map_err(|(_, e)| Error::of(&path, DOING, e))?;
    Ok(Migration { from, converted, kept, backup: None })
}

struct Upgrade<'a> {
    connection: &'a Connection,
    path: &'a Path,
    folder: &'a WorkFolder,
}

impl Upgrade<'_> {
    fn failed(&self, source: rusqlite::Error) -> Error {
        Error::of(self.path, "migrating it", source)
    }

    /// Dropping a table drops its triggers; a virtual table's rows are where its program keeps them.
    fn refuse_what_would_be_lost(&self) -> Result<()> {
        let sql = "SELECT CASE type WHEN 'table' THEN 'the virtual table' ELSE 'the trigger' END, name FROM sqlite_schema \
                   WHERE type = 'trigger' OR (type = 'table' AND lower(sql) LIKE 'create virtual table%')";
        let mut statement = self.connection.prepare(sql).map_err(|e| self.failed(e))?;
        let mut rows = statement.query([]).map_err(|e| self.failed(e))?;
        match rows.next().map_err(|e| self.failed(e))? {
            None => Ok(()),
            Some(row) => {
                let trigger = row.get::<_, String>(0).map_err(|e| self.failed(e))? == "the trigger";
                Err(Error::InTheWay {
                    path: self.path.to_path_buf(),
                    kind: if trigger { "the trigger" } else { "the virtual table" },
                    name: row.get(1).map_err(|e| self.failed(e))?,
                })
            }
        }
    }

    /// Those of `known` that are there, renamed out of the way of ours, and the names that they have now.
    fn sources<'s>(
        &self,
        connection: &Connection,
        known: impl Iterator<Item = &'s Source>,
    ) -> rusqlite::Result<Vec<(&'s Source, String)>> {
        let tables = user_tables(connection)?;
        let mut found = Vec::new();
        for source in known.filter(|s| tables.iter().any(|t| t == s.table)) {
            let aside = format!("{}_before", source.table);
            connection.execute_batch(&format!("ALTER TABLE {} RENAME TO {}", quoted(source.table), quoted(&aside)))?;
            found.push((source, aside));
        }
        Ok(found)
    }

    /// Makes the tables of ours that are not there, fills them from `sources` and drops these.
    fn convert(&self, sources: &[(&Source, String)], converted: &mut Vec<TableMigration>) -> Result<()> {
        let there = user_tables(self.connection).map_err(|e| self.failed(e))?;
        let new: Vec<&Table> = schema::TABLES.iter().filter(|t| !there.iter().any(|name| name == t.name)).collect();
        for table in &new {
            self.connection.execute_batch(&table.create(table.name)).map_err(|e| self.failed(e))?;
        }
        for (source, aside) in sources {
            let rows = count(self.connection, aside).map_err(|e| self.failed(e))?;
            let before = count(self.connection, source.into).map_err(|e| self.failed(e))?;
            let superseded = self.copy(source, aside).map_err(|e| self.failed(e))?;
            let after = count(self.connection, source.into).map_err(|e| self.failed(e))? - before + superseded;
            if after != rows {
                let (path, table) = (self.path.to_path_buf(), source.table.to_owned());
                return Err(Error::RowsLost { path, table, before: rows, after });
            }
            self.connection.execute_batch(&format!("DROP TABLE {}", quoted(aside))).map_err(|e| self.failed(e))?;
            converted.push(TableMigration { table: source.table.to_owned(), into: source.into, rows, superseded });
        }
        // Only now, since indexes of the old tables may have the same names.
        for sql in new.iter().flat_map(|table| table.create_indexes()) {
            self.connection.execute_batch(&sql).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    /// Copies rows; how many were superseded.
    fn copy(&self, source: &Source, aside: &str) -> rusqlite::Result<u64> {
        let connection = self.connection;
        let table = schema::table(source.into).expect("because SOURCES names tables of TABLES");
        let old = columns(connection, aside)?;
        let has = |name: &str| old.iter().any(|(column, _)| column == name);
        // What only the old table has stays a column.
        let ours = columns(connection, source.into)?;
        for (name, kind) in &old {
            let known = ours.iter().any(|(column, _)| column == name);
            if !known && !source.renamed.iter().any(|(column, from)| from == name && !has(column)) {
                connection.execute_batch(&format!(
                    "ALTER TABLE {} ADD COLUMN {} {}",
                    quoted(source.into),
                    quoted(name),
                    plain(kind)
                ))?;
            }
        }
        // Numbers of rows are kept where the new table is empty; else they would meet those that are there.
        let keep_ids = count(connection, source.into)? == 0;
        let mut into = Vec::new();
        let mut from = Vec::new();
        for (name, _) in columns(connection, source.into)? {
            if name == "id" && !(keep_ids && has("id")) {
                continue;
            }
            let expression = match source.renamed.iter().find(|(column, _)| *column == name) {
                Some((_, other)) if has(other) && has(&name) => {
                    format!("coalesce({}, {})", quoted(&name), quoted(other))
                }
                Some((_, other)) if has(other) => quoted(other),
                _ if has(&name) => quoted(&name),
                _ => continue,
            };
            let expression =
                if source.paths.contains(&name.as_str()) { self.relative(&expression) } else { expression };
            into.push(quoted(&name));
            from.push(expression);
        }
        let key: Vec<String> = table
            .key
            .iter()
            .map(|column| into.iter().position(|c| *c == quoted(column)).map_or("NULL".to_owned(), |i| from[i].clone()))
            .collect();
        let newest = if has(source.newest) { format!("{} DESC, ", quoted(source.newest)) } else { String::new() };
        let taken: Vec<String> = table.key.iter().zip(&key).map(|(c, k)| format!("t.{} = {k}", quoted(c))).collect();
        let unnamed: Vec<String> = key.iter().map(|k| format!("{k} IS NULL")).collect();
        // For each row whether it is the one that the new table takes: the newest of its name, which is not there yet.
        connection.execute_batch(&format!(
            "CREATE TEMP TABLE chosen AS SELECT rowid AS row, ({unnamed}) OR (row_number() OVER (PARTITION BY {key} \
             ORDER BY {newest}rowid DESC) = 1 AND NOT EXISTS (SELECT 1 FROM {into_table} AS t WHERE {taken})) AS taken \
             FROM {aside}",
            unnamed = unnamed.join(" OR "),
            key = key.join(", "),
            into_table = quoted(source.into),
            taken = taken.join(" AND "),
            aside = quoted(aside),
        ))?;
        connection.execute_batch(&format!(
            "INSERT INTO {} ({}) SELECT {} FROM {aside} WHERE rowid IN (SELECT row FROM temp.chosen WHERE taken) ORDER BY rowid",
            quoted(source.into),
            into.join(", "),
            from.join(", "),
            aside = quoted(aside),
        ))?;
        let superseded: i64 =
            connection.query_row("SELECT count(*) FROM temp.chosen WHERE NOT taken", [], |row| row.get(0))?;
        if superseded > 0 {
            self.keep_superseded(source, aside, &old)?;
        }
        connection.execute_batch("DROP TABLE temp.chosen")?;
        Ok(u64::try_from(superseded).unwrap_or(0))
    }

    fn keep_superseded(&self, source: &Source, aside: &str, old: &[(String, String)]) -> rusqlite::Result<()> {
        let name = format!("{}_superseded", source.into);
        let list: Vec<String> = old.iter().map(|(column, _)| quoted(column)).collect();
        if !user_tables(self.connection)?.contains(&name) {
            // Without types: every value stays what it was.
            self.connection.execute_batch(&format!("CREATE TABLE {} ({})", quoted(&name), list.join(", ")))?;
        }
        let known = columns(self.connection, &name)?;
        for (column, _) in old.iter().filter(|(column, _)| !known.iter().any(|(k, _)| k == column)) {
            let sql = format!("ALTER TABLE {} ADD COLUMN {}", quoted(&name), quoted(column));
            self.connection.execute_batch(&sql)?;
        }
        self.connection.execute_batch(&format!(
            "INSERT INTO {} ({list}) SELECT {list} FROM {} WHERE rowid IN (SELECT row FROM temp.chosen WHERE NOT taken) \
             ORDER BY rowid",
            quoted(&name),
            quoted(aside),
            list = list.join(", "),
        ))
    }

    /// An expression that gives a path relative to the work folder where it lies in it.
    fn relative(&self, expression: &str) -> String {
        let Some(prefix) = self.folder.prefix() else { return expression.to_owned() };
        let length = prefix.chars().count();
        format!(
            "CASE WHEN substr({expression}, 1, {length}) = {} THEN substr({expression}, {}) ELSE {expression} END",
            literal(&prefix),
            length + 1
        )
    }

    /// Copies the tables of another database into this one; those that ours replace, and the names that they have here.
    fn take_in(&self, other: &Reader) -> Result<Vec<(&'static Source, String)>> {
        let failed = |e| Error::of(other.path(), "reading it", e);
        accept(other)?;
        let stem = other.path().file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        let mut sources = Vec::new();
        for name in user_tables(&other.connection).map_err(failed)? {
            let source = SOURCES.iter().find(|s| s.table == name);
            let there = user_tables(self.connection).map_err(|e| self.failed(e))?;
            let wanted = if source.is_some() { format!("{name}_before") } else { name.clone() };
            let mut here = wanted.clone();
            let mut number = 1;
            while there.contains(&here) {
                here = if number == 1 { format!("{stem}_{wanted}") } else { format!("{stem}_{wanted}_{number}") };
                number += 1;
            }
            self.copy_table(other, &name, &here)?;
            if let Some(source) = source {
                sources.push((source, here));
            }
        }
        Ok(sources)
    }

    /// Copies a table with its columns and rows, not its constraints.
    fn copy_table(&self, other: &Reader, name: &str, here: &str) -> Result<()> {
        let failed = |e| Error::of(other.path(), "reading it", e);
        let columns = columns(&other.connection, name).map_err(failed)?;
        let declared: Vec<String> = columns.iter().map(|(c, kind)| format!("{} {}", quoted(c), plain(kind))).collect();
        let list: Vec<String> = columns.iter().map(|(c, _)| quoted(c)).collect();
        let places: Vec<String> = (1..=columns.len()).map(|i| format!("?{i}")).collect();
        let create = format!("CREATE TABLE {} ({})", quoted(here), declared.join(", "));
        self.connection.execute_batch(&create).map_err(|e| self.failed(e))?;
        let insert = format!("INSERT INTO {} ({}) VALUES ({})", quoted(here), list.join(", "), places.join(", "));
        let mut insert = self.connection.prepare(&insert).map_err(|e| self.failed(e))?;
        let select = format!("SELECT {} FROM {} ORDER BY rowid", list.join(", "), quoted(name));
        let mut select = other.connection.prepare(&select).map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            for i in 0..columns.len() {
                let value = row.get_ref(i).map_err(failed)?;
                insert.raw_bind_parameter(i + 1, rusqlite::types::ToSqlOutput::Borrowed(value)).map_err(failed)?;
            }
            insert.raw_execute().map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    /// The tables that are not ours, and their rows.
    fn kept(&self) -> rusqlite::Result<Vec<(String, u64)>> {
        let names = user_tables(self.connection)?.into_iter().filter(|name| schema::table(name).is_none());
        names.map(|name| Ok((name.clone(), count(self.connection, &name)?))).collect()
    }
}

/// A table's columns that hold values of their own, and their declared types.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
    connection
        .prepare("SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")?
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

pub(crate) fn count(connection: &Connection, table: &str) -> rusqlite::Result<u64> {
    let count: i64 = connection.query_row(&format!("SELECT count(*) FROM {}", quoted(table)), [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// A name in a statement, whatever it is made of.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A declared type without anything that is not a word: it comes from a file.
fn plain(kind: &str) -> String {
    kind.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ' || *c == '_').collect()
}
