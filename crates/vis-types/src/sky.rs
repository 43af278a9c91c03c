//! Directions on the sky.

use serde::{Deserialize, Serialize};

/// The frame in which a [`Direction`]'s longitude and latitude are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Frame {
    /// International Celestial Reference System.
    #[default]
    Icrs,
    /// FK5 at equinox J2000; within 25 mas of ICRS, and named J2000 in a Measurement Set.
    Fk5,
    /// FK4 at equinox B1950.
    Fk4,
    /// Apparent (topocentric, of date, equinox-based) right ascension and declination without refraction.
    Apparent,
    /// Azimuth from north through east, and elevation above the plane of the ellipsoid: casacore's AZELGEO.
    AltAz,
}

/// A direction: longitude (right ascension or azimuth) and latitude (declination or elevation), radians, in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Direction {
    /// Right ascension, or azimuth, radians.
    pub lon_rad: f64,
    /// Declination, or elevation, radians.
    pub lat_rad: f64,
    /// The frame of both.
    pub frame: Frame,
}

impl Direction {
    /// A direction in ICRS from right ascension and declination in radians.
    #[must_use]
    pub const fn icrs(ra_rad: f64, dec_rad: f64) -> Self {
        Self { lon_rad: ra_rad, lat_rad: dec_rad, frame: Frame::Icrs }
    }
}
