//! A place on the Earth.

use sofars::coords::{gc2gd, gd2gc};

use crate::Error;

/// The number by which SOFA knows the ellipsoid WGS84.
const WGS84: i32 = 1;

/// A place on the Earth, geodetic on the WGS84 ellipsoid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Site {
    /// Geodetic latitude, radians, north positive.
    pub latitude_rad: f64,
    /// Longitude, radians, east positive.
    pub longitude_rad: f64,
    /// Height above the ellipsoid, metres.
    pub height_m: f64,
}

impl Site {
    /// From a geocentric position, ITRF axes, metres.
    ///
    /// # Errors
    /// [`Error::Position`] when the position is not within 50 km of the ellipsoid.
    pub fn from_itrf(position_m: [f64; 3]) -> Result<Self, Error> {
        let fail = || Error::Position { position_m };
        if !position_m.iter().all(|x| x.is_finite()) {
            return Err(fail());
        }
        let (longitude_rad, latitude_rad, height_m) = gc2gd(WGS84, position_m).map_err(|_| fail())?;
        if height_m.abs() > 50e3 {
            return Err(fail());
        }
        Ok(Self { latitude_rad, longitude_rad, height_m })
    }

    /// The geocentric position, ITRF axes, metres.
    #[must_use]
    pub fn itrf_m(&self) -> [f64; 3] {
        gd2gc(WGS84, self.longitude_rad, self.latitude_rad, self.height_m)
            .expect("because WGS84 is an ellipsoid that SOFA knows")
    }
}
