//! Safe casacore tables, with bulk column ranges and parallel access to tiles.
//!
//! A casacore table is a folder of rows and typed columns, each column held by a storage manager; a Measurement Set is a
//! table with subtables. This crate creates, reads and writes them in three ways:
//!
//! - [`Table`], the general way: through casacore itself, any storage manager. A range of rows of a column moves in one
//!   call between the files and the caller's buffer. One thread at a time per table.
//! - [`tiles::TiledColumn`], the fast way, for the bulk columns of visibilities: tiles by `pread` and `pwrite` from any
//!   number of threads, no casacore involved. Where it does not apply it says why ([`Error::NotTiled`]).
//! - [`PlainTable`], the quick way to read small tables and columns: structure, keywords and what the standard and
//!   incremental storage managers hold, in safe Rust. Where it does not apply it says why ([`Error::NotPlain`]).
//!
//! [`Column`] takes the fast way where it can and the general one elsewhere, and says which: any rows, any part of the
//! cells, in chunks of constant memory, into the caller's buffer or into views of `ndarray`.
//!
//! # Cost
//!
//! Opening a table costs about 0.1 ms, and about 0.02 ms the quick way. Reading a range costs one copy of its values and no allocation; casacore keeps a
//! cache of some tiles or buckets. Tiles cost one `pread` each, and a scratch buffer of one tile per thread where tiles
//! and rows are not in the same order.
//!
//! # What it refuses
//!
//! Values are never converted: asking for `f64` of a column of `f32` is an error. Nothing is filled in for cells without a
//! value. casacore itself is not safe against damaged files and aborts the process when the disk is full while it
//! writes: read foreign tables, and write tables, in a process that may die. The tile way is safe against both.
//!
//! # Order of axes
//!
//! Shapes and tile shapes are in C order, the last axis fastest: `[row, channel, correlation]`. That is the order of the
//! bytes in memory, of numpy and python-casacore, and the reverse of casacore's own shapes.
//!
//! # Example
//!
//! A table with a tiled DATA column, filled by tiles from several threads, and a subtable:
//!
//! ```
//! use casacore::tiles::TiledColumn;
//! use casacore::{Bucket, ColumnDesc, Complex32, DataType, Layout, Manager, OpenOptions, Table};
//! use rayon::prelude::*;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tiny.ms");
//! let (rows, channels, correlations) = (100_u64, 8, 2);
//!
//! // casacore makes the table: structure, keywords, small columns.
//! let mut table = Layout::new()
//!     .column(ColumnDesc::scalar("TIME", DataType::F64).unit("s").measure("epoch", "UTC"))
//!     .column(ColumnDesc::fixed("DATA", DataType::Complex32, [channels, correlations]))
//!     .manager(Manager::standard("Small", Bucket::Rows(4096)).holding(["TIME"]))
//!     .manager(Manager::tiled_column("TiledData", [32, channels / 2, correlations]).holding(["DATA"]))
//!     .keyword("MS_VERSION", 2.0_f32)
//!     .create_with_holes(&path, rows, &OpenOptions::new().write(true))?;
//! let times: Vec<f64> = (0..rows).map(|row| 5e9 + row as f64).collect();
//! table.write("TIME", 0..rows, &times)?;
//! let antenna = path.join("ANTENNA");
//! let mut antennas = Layout::new().column(ColumnDesc::scalar("NAME", DataType::String)).create(&antenna, 2)?;
//! antennas.write_strings("NAME", 0..2, &["pad-1", "pad-2"])?;
//! antennas.close()?;
//! table.put_subtable("ANTENNA", &antenna)?;
//! table.close()?;
//!
//! // Threads fill the tiles: each its own half of the channels, 32 rows at a time.
//! let mut data = TiledColumn::open_rw(&path, "DATA")?;
//! data.truncate_to_holes()?;
//! let [tiles_along_rows, halves, _] = data.grid();
//! (0..tiles_along_rows * halves).into_par_iter().try_for_each(|tile| {
//!     let (first, half) = ((tile / halves * 32) as u64, tile % halves);
//!     let (tile_rows, window) = (first..rows.min(first + 32), half * 4..half * 4 + 4);
//!     let values: Vec<Complex32> = tile_rows
//!         .clone()
//!         .flat_map(|row| window.clone().map(move |channel| (row, channel)))
//!         .flat_map(|(row, channel)| [Complex32::new(row as f32, channel as f32); 2])
//!         .collect();
//!     data.write(tile_rows, window, &values)
//! })?;
//! data.sync()?;
//! drop(data);
//!
//! // casacore reads what the threads wrote.
//! let table = Table::open(&path)?;
//! let mut row = [Complex32::default(); 16];
//! table.read("DATA", 99, &mut row)?;
//! assert_eq!(row[15], Complex32::new(99.0, 7.0));
//! assert_eq!(table.open_subtable("ANTENNA")?.read_strings("NAME", 0..2)?, ["pad-1", "pad-2"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aipsio;
mod column;
mod element;
mod error;
mod files;
mod handle;
mod info;
mod layout;
mod operations;
pub mod plain;
mod record;
mod registry;
mod table;
pub mod tiles;
mod values;

pub use column::{Chunk, Chunks, Column, ColumnOptions, RowNumbers, Selection, Way};
pub use element::{DataType, Element};
pub use error::{Error, Result};
pub use files::column_files;
pub use info::{DataManager, Hypercube};
pub use layout::{Bucket, Cell, ColumnDesc, Endian, Layout, Manager, ManagerKind};
pub use operations::{Counts, Operations};
pub use plain::PlainTable;
pub use record::{Array, Record, Value, Values};
pub use table::{Lock, LockMode, OpenOptions, Table, TableInfo};
pub use values::{CellSlice, Ragged, Rows};

pub use ndarray;
pub use num_complex::{Complex32, Complex64};
