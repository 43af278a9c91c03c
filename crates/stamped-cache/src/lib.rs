//! Values computed from files, good exactly while those files are unchanged.
//!
//! A [`Cache`] holds values under a [`Key`], a path and a caller's name for one of several values of that path. With each
//! value it holds a *stamp* of every file that the value was computed from: device, inode, size, time of modification and
//! time of change, or that the file was absent. A look-up compares every stamp with the file as it is now, one `stat`
//! each, and returns the value only when all are equal. Nothing expires by time and nobody has to tell the cache what
//! changed.
//!
//! ```
//! use std::fs;
//! use stamped_cache::{Cache, Key, Options};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("stations.csv");
//! fs::write(&path, "1,2,3\n4,5,6\n")?;
//!
//! // The second argument tells what a value weighs, in bytes.
//! let lines: Cache<usize> = Cache::new(Options::default(), |_| 8);
//! let key = Key::new(&path)?;
//! let count = lines.get_or_read(&key, |files| {
//!     // Name each file before it is read.
//!     fs::read_to_string(files.file(&path)).map(|text| text.lines().count())
//! })?;
//! assert_eq!(*count, 2);
//!
//! fs::write(&path, "7,8,9\n")?;
//! let count = lines.get_or_read(&key, |files| {
//!     fs::read_to_string(files.file(&path)).map(|text| text.lines().count())
//! })?;
//! assert_eq!(*count, 1);
//! println!("{}", lines.explain(&key)); // read from 1 files because …
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! - *Never stale.* Stamps are taken before and after a reading; when they differ, it is done again. A value that was
//!   read within moments of a change of its files ([`Options::settle`]) is *provisional*: it answers the look-ups that
//!   were waiting for it, and the next one reads again, since one more change in the same tick of the file system's clock
//!   would leave no trace.
//! - *Failures are not kept.* An error answers one look-up.
//! - *Read once.* Threads that ask for one key at once wait for one reading.
//! - *Bounded.* Memory by weight ([`Options::capacity_bytes`]), disk by bytes ([`StoreOptions::max_bytes`]).
//! - *Explained.* [`Cache::explain`] tells why the last look-up hit or missed: which file changed, from what to what;
//!   [`Cache::stats`] counts.
//!
//! # Costs
//!
//! A hit is one `stat` for each file (0.6 to 1 µs) and two counts of references; it allocates nothing. A miss is the
//! caller's reading and two `stat`s for each file. An entry weighs what the caller says, and some 200 bytes with its path
//! for each file.
//!
//! # The next process starts warm
//!
//! [`Cache::with_store`] puts a [`Store`] below the cache, a folder in which settled values are written as they are read.
//! Values need [`serde`]. An entry from disk is compared like one from memory; a damaged one is a miss.
//!
//! # What it cannot see
//!
//! - Changes that leave no trace in any time: through a memory map whose page was written shortly before (the time moves
//!   once in a page's round to the disk, up to some 30 s), or on a network file system within the client's attribute
//!   cache (3 to 60 s with NFS's defaults). Writers of that kind call [`Cache::invalidate`].
//! - A server's clock that is behind ours by more than [`Options::settle`] makes that time useless there; one that is
//!   ahead makes values provisional for as long.
//! - Two folders that were exchanged and exchanged back during one reading.
//!
//! Linux, 64 bits.

mod cache;
mod explain;
mod key;
mod stamp;
mod tracker;

mod stats;
mod store;

mod error;

pub use cache::{Cache, Options};
pub use error::{Error, LookUpError};
pub use explain::{Explanation, Reason};
pub use key::Key;
pub use stamp::{Change, Field, FileTime, Identity, Stamp};
pub use stats::Stats;
pub use store::{Store, StoreOptions};
pub use tracker::Tracker;

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
