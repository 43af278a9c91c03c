//! What a Measurement Set says about itself: read once, shared, and never stale.
//!
//! Spectral windows, data descriptions, fields with their phase centres, antennas, polarisations, observations; the
//! columns and their storage; scans, times and the number of rows. An [`MsMetaCache`] gives them as immutable values of
//! `vis-types` behind `Arc`s: [`MsSubtables`], [`MsLayout`], [`MsRows`], or all three as one [`MsMetadata`].
//!
//! Each part is held together with a stamp of exactly the files that it was read from, and each look-up compares them
//! (crate `stamped-cache`). So a change in any subtable, by any program, is seen at the next look-up, and a change
//! elsewhere in the set costs nothing. Nobody has to tell the cache anything.
//!
//! ```
//! use ms_meta_cache::{MsMetaCache, MsSet};
//! # use casacore::{ColumnDesc, DataType, Layout};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("image.tab");
//! # Layout::new().column(ColumnDesc::scalar("N", DataType::I32)).create(&path, 3)?.close()?;
//!
//! let cache = MsMetaCache::default();
//! let set = MsSet::new(&path)?; // resolve the path once, look up as often as you like
//! match cache.subtables(&set) {
//!     Ok(subtables) => println!("{} fields, {} antennas", subtables.fields.len(), subtables.antennas.len()),
//!     Err(error) => println!("{error}"), // here: not a complete Measurement Set: no subtable SPECTRAL_WINDOW
//! }
//! assert_eq!(cache.layout(&set)?.rows, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Costs
//!
//! A hit is one `stat` for each file of the part (about 1 µs each: 17 files for the six subtables of a set by casacore)
//! and allocates nothing. A miss opens each subtable once. The rows of MAIN are read in chunks of 65,536: memory does not
//! grow with their number, time does. `examples/metadata_cost.rs` measures.
//!
//! # What it refuses
//!
//! - A missing subtable, a missing required column, a cell without a value, values that contradict each other (NUM_CHAN
//!   and the length of CHAN_FREQ, an index past a table's end): a typed [`Error`] with the table, the column and the row.
//!   What the definition makes optional is `None`. A failure is never an empty list and never remembered.
//! - Tables that refer to others (selections, concatenations, forwarded columns): their values are in files of others.
//!
//! # What it cannot see
//!
//! What `stamped-cache` cannot (memory maps, network file systems' attribute caches), and what a handle of casacore, of this
//! or another process, has not flushed.
//!
//! Tables are read without casacore where that goes (`casacore::plain`), and damage is then an error. casacore itself, which
//! reads the rest, crashes on some damaged tables: read foreign sets in a process that may die.

mod cache;
mod files;
mod main_table;
mod subtables;

mod error;

pub use cache::{Explained, MsMetaCache, MsSet, PartStats};
pub use error::Error;

pub use casacore::Operations;
pub use stamped_cache::{Explanation, Options, Stats, StoreOptions};
pub use vis_types;
pub use vis_types::{MsLayout, MsMetadata, MsRows, MsSubtables};

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
