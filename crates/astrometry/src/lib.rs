//! Where a radio array looks: sidereal time, apparent and ICRS directions, UVW, Earth orientation.
//!
//! [`EarthOrientation`] (bundled, or the IERS's file) and a [`Site`] give a [`SkyAt`] one instant; that turns directions
//! between ICRS, FK5, FK4, apparent coordinates and azimuth and elevation, and gives the [`UvwAxes`] of a phase centre.
//!
//! - **Truth:** SOFA's models through the crate `sofars`; the tests compare with pyuvdata 3.2 and astropy 8 at three
//!   sites, twenty dates (leap seconds, 0 h UT, beyond the snapshot) and seven directions: directions to 0.01 mas,
//!   UVW to 1 µm over 2.6 km.
//! - **Cost:** some 0.2 ms an instant, microseconds a direction, no I/O but [`EarthOrientation::from_file`].
//! - **Refuses:** times outside 1972–2099, positions that are not on the Earth. Dates beyond the Earth-orientation data are
//!   *not* refused: ask [`EarthOrientation::covers`] and tell your user.
//!
//! ```
//! use astrometry::{EarthOrientation, SkyAt, Site};
//! use vis_types::{Direction, JulianDate};
//!
//! let site = Site { latitude_rad: 37.2339_f64.to_radians(), longitude_rad: -118.2825_f64.to_radians(), height_m: 1222.0 };
//! let sky = SkyAt::new(&site, JulianDate(2_461_065.503_692_1), &EarthOrientation::bundled())?;
//!
//! // Where a transit telescope at apparent declination 54.6 degrees looks, and what its UVW axes are there.
//! let centre = sky.meridian(54.6_f64.to_radians());
//! assert!(sky.hour_angle(centre)?.abs() < 1e-9);
//! let [u, v, w] = sky.uvw_axes(centre)?.uvw([1000.0, 0.0, 0.0]);
//! assert!((u.hypot(v).hypot(w) - 1000.0).abs() < 1e-9);
//! # Ok::<(), astrometry::Error>(())
//! ```

mod error;
mod orientation;
mod site;
mod sky;
mod uvw;

pub use error::Error;
pub use orientation::{EarthOrientation, Orientation};
pub use site::Site;
pub use sky::{SkyAt, convert};
pub use uvw::UvwAxes;

pub use vis_types::{Direction, Frame, JulianDate};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
