//! Direct access to the tiles of a tiled column, from many threads, without casacore.
//!
//! The data file of a tiled column is nothing but equal tiles one after another, after whatever offset its header tells.
//! A tile is `[row, channel, correlation]`, the last axis fastest; the tiles of a row of tiles follow each other along the
//! channels. So the place of every value is known, and threads read and write with `pread` and `pwrite`, each its own
//! tiles, while casacore's own object for the table would have to be locked.
//!
//! This works for columns of numbers and truth values that a TiledColumnStMan, or a TiledShapeStMan whose cells all have
//! one shape, holds by itself, in cells of at most two axes. Everything else gives [`Error::NotTiled`] with the reason, and
//! is read and written by [`Table::read`](crate::Table::read) and [`Table::write`](crate::Table::write).
//!
//! Truth values are bits, the first value in the lowest bit of the first byte; each tile starts a new byte.
//!
//! # Writing
//!
//! Tiles are written while no handle of the table is open in this process, and nobody else writes it: casacore's cache
//! would not know. The usual way: create the table with its rows by
//! [`Layout::create_with_holes`](crate::Layout::create_with_holes), close it, open its columns here, and fill them. casacore
//! otherwise writes every tile of new rows once; [`TiledColumn::truncate_to_holes`] gives such blocks back, and lets
//! all-false tiles of flags stay holes.
//!
//! ```
//! use casacore::{ColumnDesc, DataType, Layout, Manager, Table, tiles::TiledColumn};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("flags.tab");
//! // 100 rows of 8 channels and 2 correlations; tiles of 32 rows and 4 channels.
//! Layout::new()
//!     .column(ColumnDesc::fixed("FLAG", DataType::Bool, [8, 2]))
//!     .manager(Manager::tiled_column("TiledFlag", [32, 4, 2]).holding(["FLAG"]))
//!     .create(&path, 100)?
//!     .close()?;
//!
//! let mut flags = TiledColumn::open_rw(&path, "FLAG")?;
//! flags.truncate_to_holes()?;
//! assert_eq!((flags.tile(), flags.grid()), ([32, 4, 2], [4, 2, 1]));
//! // Channels 4 to 7 of all rows, in one go or by as many threads as there are tiles.
//! flags.write(0..100, 4..8, &[true; 100 * 4 * 2])?;
//! flags.sync()?;
//! drop(flags);
//!
//! let table = Table::open(&path)?;
//! let mut row = [false; 16];
//! table.read("FLAG", 99, &mut row)?;
//! assert_eq!(row, [[false; 8], [true; 8]].concat()[..]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bits;
mod blocks;
mod column;
mod geometry;
mod memory;
mod transfer;

pub use column::{NotTiled, TiledColumn};

#[expect(unused_imports, reason = "named by the documentation")]
use crate::Error;
