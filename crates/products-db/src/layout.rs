//! Whose database a file is.

use std::{collections::HashSet, fmt};

use rusqlite::Connection;
use serde::Serialize;

use crate::schema;

/// The layout of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layout {
    /// This crate's, of some version.
    Current {
        /// The version.
        version: i64,
    },
    /// The original pipeline's first layout, which was spread over the files `products`, `hdf5`, `cal_registry` and `ingest`.
    C1,
    /// Its last one, everything in one file.
    Unified,
    /// No tables at all.
    Empty,
    /// Another program's.
    Foreign {
        /// Some of its tables.
        tables: String,
    },
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current { version } => write!(f, "contimg {version}"),
            Self::C1 => f.write_str("C1 (the original's separate databases)"),
            Self::Unified => f.write_str("L (the original's unified database)"),
            Self::Empty => f.write_str("empty"),
            Self::Foreign { tables } => write!(f, "of another program ({tables})"),
        }
    }
}

/// Tables that only the original's first layout has, or that both have.
const OF_C1: &[&str] = &["images", "ms_index", "hdf5_file_index", "caltables", "ingest_queue", "mosaics"];
/// Tables that only its last one has.
const OF_UNIFIED: &[&str] = &["calibration_tables", "hdf5_files", "processing_queue"];

pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Layout> {
    let header = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if header("application_id")? == schema::APPLICATION_ID {
        return Ok(Layout::Current { version: header("user_version")? });
    }
    let tables = user_tables(connection)?;
    let has = |names: &[&str]| names.iter().any(|name| tables.iter().any(|t| t == name));
    Ok(if tables.is_empty() {
        Layout::Empty
    } else if has(OF_UNIFIED) || (has(&["images"]) && columns(connection, "images")?.contains("dynamic_range")) {
        Layout::Unified
    } else if has(OF_C1) {
        Layout::C1
    } else {
        let some: Vec<&str> = tables.iter().map(String::as_str).take(5).collect();
        Layout::Foreign { tables: some.join(", ") }
    })
}

/// The names of all tables that are not SQLite's own.
pub(crate) fn user_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<HashSet<String>> {
    connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?.query_map([table], |row| row.get(0))?.collect()
}
