//! A row of a table as a Rust type: its columns, read and bound in one order.

use rusqlite::{Row, Statement};

/// A type whose values are rows of one table.
///
/// Only this crate's types are records: the trait is sealed by what its methods need.
pub trait Record: Sized + Send + private::Sealed {
    /// The table.
    const TABLE: &'static str;
    /// Its columns, in the order of the fields.
    const COLUMNS: &'static [&'static str];
    /// The columns that name a row.
    const KEY: &'static [&'static str];
}

/// A record that is named by a path.
pub trait ByPath: Record {}

pub(crate) mod private {
    /// What a record does with SQLite's values; not public.
    pub trait Sealed: Sized {
        /// Reads the columns from the `first` on.
        #[doc(hidden)]
        fn read(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Self>;
        /// Binds them, from 1 on.
        #[doc(hidden)]
        fn bind(&self, statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<()>;
    }
}

pub(crate) use private::Sealed;

/// The columns as `t."a", t."b"`.
pub(crate) fn columns_of<R: Record>(table: &str) -> String {
    let mut text = String::new();
    for (i, column) in R::COLUMNS.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        text += &format!("{comma}{table}.\"{column}\"");
    }
    text
}

/// Inserts a row, or sets those columns of the row with that key that are given: `None` leaves what is there.
pub(crate) fn upsert_of<R: Record>() -> String {
    let quoted = |columns: &[&str]| columns.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(", ");
    let places: Vec<String> = (1..=R::COLUMNS.len()).map(|i| format!("?{i}")).collect();
    let sets: Vec<String> = R::COLUMNS
        .iter()
        .filter(|c| !R::KEY.contains(c))
        .map(|c| format!("\"{c}\" = coalesce(excluded.\"{c}\", \"{}\".\"{c}\")", R::TABLE))
        .collect();
    format!(
        "INSERT INTO \"{}\" ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}",
        R::TABLE,
        quoted(R::COLUMNS),
        places.join(", "),
        quoted(R::KEY),
        sets.join(", ")
    )
}

/// Declares a record: its fields, their columns and types.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $name:ident in $table:literal by [$($key:literal),+] {
            $( $(#[$field_meta:meta])* $field:ident: $kind:ty = $column:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $kind, )+
        }

        impl $crate::record::Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$($column),+];
            const KEY: &'static [&'static str] = &[$($key),+];
        }

        impl $crate::record::Sealed for $name {
            fn read(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Self> {
                let mut at = first..;
                let mut next = || at.next().unwrap_or(usize::MAX);
                Ok(Self { $( $field: row.get(next())?, )+ })
            }

            fn bind(&self, statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<()> {
                let mut at = 1usize..;
                let mut next = || at.next().unwrap_or(usize::MAX);
                $( statement.raw_bind_parameter(next(), &self.$field)?; )+
                Ok(())
            }
        }
    };
}

pub(crate) use record;

/// Reads a record from `row`, whose columns begin at `first`.
pub(crate) fn read<R: Record>(row: &Row<'_>, first: usize) -> rusqlite::Result<R> {
    R::read(row, first)
}

/// Binds a record's columns to `statement`, from 1 on.
pub(crate) fn bind<R: Record>(record: &R, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
    record.bind(statement)
}
