//! Exact flag statistics of a Measurement Set, counted at memory speed.
//!
//! FLAG is stored as bits, so counting all of it takes less time than sampling it through casacore. One pass gives the
//! numbers of flags in total and by antenna, baseline, spectral window, channel, correlation, field, scan and time, and by
//! antenna × channel and time × channel for pictures; cross- and autocorrelations apart; by FLAG alone, as CASA's
//! `flagdata(mode='summary')` counts, and by FLAG or FLAG_ROW.
//!
//! ```
//! # mod set { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/set.rs")); }
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tiny.ms");
//! # set::Set::default().create(&path)?;
//! use flag_stats::{FlagCache, Thresholds, Verdict};
//!
//! let cache = FlagCache::default();
//! let stats = cache.stats(&path)?;
//! println!("{:?} flagged", stats.total.cross.flagged());
//! for antenna in &stats.antennas {
//!     println!("{:?}: {} of {}", antenna.name, antenna.flags.cross.flag, antenna.flags.cross.total);
//! }
//! let assessment = stats.assess(&Thresholds::default());
//! assert_eq!(assessment.verdict, Verdict::Enough);
//! println!("flagdata(…, spw='{}')", assessment.bad_channel_selection);
//!
//! // Not counted again while no file has changed.
//! assert_eq!(*cache.stats(&path)?, *stats);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Two ways
//!
//! Where FLAG is one set of tiles ([`Way::Tiles`]), threads read tiles and add up columns of bits by vectors of bytes.
//! Elsewhere ([`Way::Rows`]) rows come in chunks: any storage manager, cells of several shapes, cells without a value. Both
//! give the same numbers. Where the disk is slow, [`estimate`] reads some tiles and says how far off it may be.
//!
//! # Cost
//!
//! The rows' antennas, times and so on are read once and kept, compressed, while their files are unchanged;
//! then FLAG is read once. Memory does not grow with the number of rows of a set whose rows repeat, and is at most 16 bytes a
//! row otherwise.
//!
//! # What it refuses
//!
//! A set without a column or subtable that is needed, FLAG cells of more than two axes, a DATA_DESC_ID that is not there.
//! Nothing is counted in part. casacore is asked only where `casacore::plain` and tiles do not go; it is not safe against
//! damaged files: count foreign sets in a process that may die.

mod cache;
mod stats;
mod verdict;

mod count;
mod estimate;
mod labels;
mod lanes;
mod read;
mod rowmap;
mod sums;

mod error;

pub use cache::{CountOptions, FlagCache, count};
pub use error::Error;
pub use estimate::{Bounded, Estimate, EstimateOptions, estimate};
pub use stats::{
    AntennaFlags, BaselineFlags, CorrelationFlags, Count, FieldFlags, FlagStats, Matrix, MatrixColumn, ScanFlags,
    Tally, TimeFlags, Way, WindowFlags,
};
pub use verdict::{Assessment, ChannelRange, Thresholds, Verdict};

/// Of the caches inside [`FlagCache`].
pub use stamped_cache;

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
