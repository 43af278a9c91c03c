//! Sky models from the common text formats: text in, components out.
//!
//! ```
//! use std::path::Path;
//! use sky_model::{Options, Spectrum, parse};
//!
//! let text = "Format = Name, Type, Ra, Dec, I, SpectralIndex, LogarithmicSI, ReferenceFrequency='1.4e9', MajorAxis, MinorAxis, Orientation
//! 3C147, POINT, 05:42:36.138, 49.51.07.23, 22.5, [-0.7, 0.1], true,,,,
//! blob, GAUSSIAN, 05:43:00.0, 49.40.00.0, 0.35, [], true,, 42.0, 17.5, 30.0
//! ";
//! let list = parse(text, Path::new("calibrators.txt"), &Options::default())?;
//! assert_eq!(list.sources.len(), 2);
//! assert_eq!(list.sources[0].component.name, "3C147");
//! assert_eq!(list.sources[0].component.spectrum.at(1.4e9), Some([22.5, 0.0, 0.0, 0.0]));
//!
//! // What cannot be meant is refused, with the file, the line, what was found and what to do.
//! let error = parse(&text.replace("22.5", "NaN"), Path::new("calibrators.txt"), &Options::default()).unwrap_err();
//! assert_eq!(error.to_string(), "calibrators.txt, line 2: `I` is `NaN`, not a finite number");
//! assert_eq!(error.hint(), Some("fluxes are in jansky, without a unit"));
//! # Ok::<(), sky_model::Error>(())
//! ```
//!
//! - **BBS, DP3 and WSClean source lists** ([`Format::Bbs`]): the format line in its old and new form, default and fixed
//!   values, any separator, quotes and brackets, patches, `SpectralIndex` lists with and without `LogarithmicSI`. Points
//!   and Gaussians. Axes are full widths at half maximum in arcseconds, orientations degrees from north through east.
//! - **CSV** ([`Format::Csv`]): a header line of column names that carry their unit, such as `ra_deg,dec_deg,i_mjy`; fluxes
//!   at several frequencies as `i_jy@1.4GHz`. The [README](https://docs.rs/sky-model) has the list of columns.
//! - **Refused**, never guessed: numbers that are not finite, unknown units and columns, an angle without a unit,
//!   declinations with colons in a source list (DP3 refuses them, too), disks, shapelets, rotation measures.
//! - **No I/O**: the caller reads the file; its name is only for messages. Memory: the components.
//!
//! The spectrum of a source list is that of I; its Q, U and V are constant, as DP3 predicts them, so that a polarised source with
//! a spectrum becomes two components. In CSV, Q, U and V keep their ratio to I.
//!
//! Directions are as the list has them, in its own frame: J2000 (FK5) or B1950 (FK4) for source lists, the caller's choice for
//! CSV. A list's orientation is taken against the north of its own component, as DP3 does with `OrientationIsAbsolute`;
//! without that, DP3 takes it against the north of the phase centre, which differs by Δα·sin δ.

mod angle;
mod bbs;
mod error;
mod list;
mod number;
mod table;

pub use angle::{AngleError, direction};
pub use error::Error;
pub use list::{Format, Options, Source, SourceList, parse};

pub use vis_types::{Component, Direction, Frame, Position, Shape, Spectrum};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
