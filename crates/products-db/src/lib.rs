//! The products database of a work folder: which files, sets, calibration tables, images and mosaics there are, and what
//! became of them.
//!
//! SQLite in write-ahead mode: any number of [`Reader`]s, in any number of processes, beside one [`Writer`] at a time. Every
//! look-up takes many keys and is one or two queries whatever their number; its answer has the order of the keys, a key that
//! is not there is `None`, and a query that fails is an error, never an empty answer.
//!
//! ```
//! use products_db::{Image, Reader, Writer};
//!
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("products.sqlite3");
//! let mut writer = Writer::create(&path)?;
//! let tile = writer.folder().stored(&folder.path().join("images/a.fits"))?;
//! writer.upsert(&[Image { path: tile, noise_jy: Some(1.2e-4), ..Image::default() }])?;
//!
//! let reader = Reader::open(&path)?;
//! let paths = [folder.path().join("images/b.fits"), folder.path().join("images/a.fits")];
//! let found: Vec<Option<Image>> = reader.by_path(&paths)?;
//! assert!(found[0].is_none());
//! assert_eq!(found[1].as_ref().and_then(|image| image.noise_jy), Some(1.2e-4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Paths
//!
//! What lies in the work folder, the folder of the database, is stored relative to it ([`StoredPath`]): a night can be moved
//! and its database still tells where things are. Look-ups take any path of a file, absolute or relative to the current
//! directory.
//!
//! # Costs
//!
//! A look-up of n keys is one statement over `json_each` with a left join: about 1.3 µs a key with 200,000 rows. From 2,000 keys
//! on it is two, each of half the keys, on two cores: the second connection reads the same state of the database as the
//! first. A batch of writes is one transaction and one sync. A [`Reader`] takes 1 MiB for its page cache.
//!
//! # What it refuses
//!
//! A file that is not a products database; one of a newer version; the layouts of the original pipeline, until they are
//! migrated ([`migrate`], which keeps every row). Triggers and views of a database are never run.

mod folder;
mod record;
mod records;

mod connection;
mod keys;
mod position;
mod tiles;
mod times;
mod twin;
mod validity;

mod jobs;
mod leases;

mod layout;
mod migrate;
mod schema;
mod snapshot;

mod backup;
mod check;

mod error;

#[cfg(test)]
mod plans;

pub use backup::backup;
pub use check::{Check, Dangling};
pub use connection::{Durability, Reader, Transaction, Writer};
pub use error::Error;
pub use folder::{StoredPath, WorkFolder};
pub use jobs::{Attempt, AttemptEnd, Claim, ClaimOptions, Finish, Job, JobFilter, JobId, JobState, NewJob};
pub use layout::Layout;
pub use leases::Lease;
pub use migrate::{Migration, TableMigration, migrate, migrate_into};
pub use position::{ByPosition, Cone, Near, SourceQuery, separation_deg};
pub use record::{ByPath, Record};
pub use records::{CalTable, CalibrationApplied, Group, Image, Mosaic, MsRow, QualityRecord, SkySource, SubbandFile};
pub use tiles::{AppliedTable, TableSummary, Tile, TileSet};
pub use times::{ByTime, TimeRange};
pub use validity::CalibrationSet;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
