//! Quantities that an interface could confuse.

use serde::{Deserialize, Serialize};

/// Speed of light in vacuum, metres per second: exact by the definition of the metre (SI Brochure, 9th edition).
pub const SPEED_OF_LIGHT_M_PER_S: f64 = 299_792_458.0;

/// A frequency in hertz.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hertz(pub f64);

/// A Julian date in days, UTC, as a single `f64` (resolution about 40 µs in this century), the way UVH5 files carry it.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JulianDate(pub f64);

/// Seconds since MJD 0 (1858-11-17T00:00), UTC: the TIME of a Measurement Set.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MjdSeconds(pub f64);

impl JulianDate {
    /// The Julian date of MJD 0.
    pub const MJD_ZERO: f64 = 2_400_000.5;

    /// The modified Julian date in days. The subtraction is exact: both numbers are within a factor of two.
    #[must_use]
    pub fn mjd_days(self) -> f64 {
        self.0 - Self::MJD_ZERO
    }
}

impl From<JulianDate> for MjdSeconds {
    fn from(jd: JulianDate) -> Self {
        Self(jd.mjd_days() * 86_400.0)
    }
}

impl From<MjdSeconds> for JulianDate {
    fn from(t: MjdSeconds) -> Self {
        Self(t.0 / 86_400.0 + Self::MJD_ZERO)
    }
}

/// The number of a subband, as in the `_sbNN` of its file name. At DSA-110, 0 is the highest frequency and 15 the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubbandIndex(pub u8);

impl std::fmt::Display for SubbandIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sb{:02}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mjd_seconds_of_a_known_date() {
        // 2000-01-01T12:00 is JD 2451545.0 and MJD 51544.5.
        assert_eq!(MjdSeconds::from(JulianDate(2_451_545.0)).0, 51_544.5 * 86_400.0);
        assert_eq!(JulianDate::from(MjdSeconds(51_544.5 * 86_400.0)).0, 2_451_545.0);
    }
}
