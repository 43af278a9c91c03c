//! A mosaic's tiles judged in one pass: each by itself, and all of them together.
//!
//! - **In:** paths of FITS tiles; [`Rules`]; perhaps the products database and a catalogue of sources.
//! - **Out:** a [`Report`]: what was measured of each tile ([`Facts`]) and the [`Finding`]s, each with its tile, rule, value,
//!   limit and severity. The findings are the same for any order of the tiles.
//! - **Cost:** two queries of the database however many tiles; one reading of each header; pixels only when their file has
//!   changed since [`FitsCache`] last saw it. Tiles are measured on all threads.
//! - **Refuses:** nothing about a tile is an error of the call: what cannot be read is a finding. The database and the rules
//!   are.
//!
//! ```
//! use tile_validate::{FitsCache, Input, Rules, validate};
//!
//! let tiles = [std::path::PathBuf::from("absent-image.fits")];
//! let report = validate(&Input::of(&tiles), &Rules::default(), &FitsCache::default(), &|_| {})?;
//! assert_eq!(report.findings[0].rule.name(), "exists");
//! assert!(!report.passes());
//! # Ok::<(), tile_validate::Error>(())
//! ```

mod rule;
mod rules;

mod facts;
mod measure;
mod primary_beam;

mod astrometry;
mod footprint;
mod single;
mod together;

mod report;

mod error;

pub use astrometry::Source;
pub use error::Error;
pub use facts::{Beam, Calibration, Facts, Grid, Known, Offsets, PrimaryBeam, Tile};
pub use fits_header_cache::FitsCache;
pub use measure::{frequency_hz, mjd_of};
pub use primary_beam::primary_beam_names;
pub use products_db::Reader;
pub use report::{Input, Report, Verdict, validate};
pub use rule::{Finding, Kind, Rule, Severity};
pub use rules::Rules;

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
