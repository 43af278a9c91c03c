//! A plain table read from its files, without casacore.
//!
//! casacore takes 0.1 to 0.5 ms to open a table, of which a hundred system calls are for locks, caches and every storage
//! manager's files, and it crashes on some damaged ones. A [`PlainTable`] reads `table.dat` and then only the files of the
//! managers whose columns are asked for, in safe Rust, with every length checked against the file that it is in.
//!
//! It reads the structure and keywords of any table that is plain (no selection or concatenation of others), and columns of
//! scalars, strings and arrays that a StandardStMan or an IncrementalStMan holds, in either byte order. Everything else
//! gives [`Error::NotPlain`] with the reason, and is read by [`Table`](crate::Table); a [`Reader`] takes whichever way goes. Damage is an error of its own kind
//! ([`Error::Damaged`], [`Error::Truncated`]), for which to ask casacore would be the wrong answer.
//!
//! What it reads is what is in the files: values that a handle of this process or another one has not flushed are not
//! seen, and a file that is written meanwhile may be read in two states. It takes no lock and makes no file, where casacore
//! makes a missing `table.lock`. Whoever needs to know that nothing changed meanwhile compares stamps before and after, as
//! crate `stamped-cache` does.
//!
//! ```
//! use casacore::{ColumnDesc, DataType, Layout, PlainTable};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("antennas.tab");
//! let mut table = Layout::new()
//!     .column(ColumnDesc::scalar("NAME", DataType::String))
//!     .column(ColumnDesc::fixed("POSITION", DataType::F64, [3]).unit("m").measure("position", "ITRF"))
//!     .create(&path, 2)?;
//! table.write_strings("NAME", 0..2, &["pad-1", "the second pad"])?;
//! table.write("POSITION", 0..2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! table.close()?;
//!
//! let antennas = PlainTable::open(&path)?;
//! assert_eq!(antennas.read_strings("NAME", 0..antennas.rows()?)?, ["pad-1", "the second pad"]);
//! assert_eq!(antennas.read_vec::<f64>("POSITION", 1..2)?, [4.0, 5.0, 6.0]);
//! assert!(antennas.column_keywords("POSITION")?.get("MEASINFO").is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arrays;
mod file;
mod incremental;
mod keywords;
mod managers;
mod read;
mod reader;
mod rows;
mod standard;
mod store;
mod table;

pub use reader::Reader;
pub use table::{NotPlain, PlainTable};

#[expect(unused_imports, reason = "named by the documentation")]
use crate::Error;
