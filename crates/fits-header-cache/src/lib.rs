//! Header cards, celestial coordinates and pixel statistics of many FITS files, read once.
//!
//! - **In:** paths of FITS files, plain or gzipped, single images in them perhaps in compressed tiles (fpack).
//! - **Out:** [`FitsFile`]: every [`Header`] of a file, its cards typed when they are asked for; [`Celestial`]: which direction
//!   a pixel is, whatever the order of the axes; [`Pixels`]: [`Statistics`] of an image or of an [`Area`], values, a
//!   [`Preview`]. [`FitsCache`] keeps headers, statistics and peaks in memory and on disk while their files are unchanged.
//! - **Cost:** a header is one `open` and one `pread`; pixels are read once, after a sample of them, in chunks of 256 KiB on all
//!   threads, in some 30 MiB altogether. Median and MAD are exact.
//! - **Refuses:** by name what it cannot read: the file, the HDU, the card. Nothing in a file's name has a meaning to it, and
//!   it never writes.
//!
//! All of it is safe Rust. CFITSIO is not used: damaged headers of compressed images kill the process in it (a division by
//! zero, SIGFPE), and the names that it opens are a language that can write files.
//!
//! ```
//! use fits_header_cache::{Area, FitsCache};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tile.fits");
//! # let card = |text: &str| format!("{text:<80}");
//! # let mut bytes: Vec<u8> = ["SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = 3", "NAXIS2  = 1",
//! #     "CTYPE1  = 'RA---SIN'", "CRVAL1  = 83.6", "CDELT1  = -0.001", "CRPIX1  = 2",
//! #     "CTYPE2  = 'DEC--SIN'", "CRVAL2  = 22.0", "CDELT2  = 0.001", "CRPIX2  = 1", "BMAJ    = 0.01", "END"]
//! #     .iter().flat_map(|text| card(text).into_bytes()).collect();
//! # bytes.resize(2880, b' ');
//! # bytes.extend([1.0_f32, 4.0, f32::NAN].iter().flat_map(|v| v.to_be_bytes()));
//! # std::fs::write(&path, bytes)?;
//! let cache = FitsCache::default();
//! let file = cache.file(&path)?;
//! let image = file.image()?;
//! assert_eq!(image.header().real("BMAJ")?, Some(0.01));
//! let centre = image.celestial()?.centre().ok_or("the middle is not on the sky")?;
//! assert!((centre.lon_deg - 83.6).abs() < 1e-9);
//! let statistics = cache.statistics(&path, &Area::All)?;
//! assert_eq!(statistics.robust.map(|robust| robust.median), Some(2.5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod card;
mod file;
mod hdu;
mod header;

mod celestial;
mod pixels;

mod cache;
mod error;

pub use cache::FitsCache;
pub use card::{Card, Value};
pub use celestial::{Celestial, Frame, Sky};
pub use error::Error;
pub use file::{FitsFile, Packing};
pub use hdu::{Bitpix, Hdu, Image, Kind};
pub use header::Header;
pub use pixels::{Area, Extent, Moments, Peak, Pixels, Place, Preview, Robust, SIGMA_OF_MAD, Statistics};
pub use stamped_cache::{Explanation, Options, Stats};

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
