//! What lies where on the sky.
//!
//! Declination is cut into zones of a quarter degree, and each zone is searched by right ascension (Gray, Szalay et al.
//! 2006, "The Zones Algorithm", arXiv:cs/0701171): a B-tree, which any version of SQLite reads. A cone becomes one range of
//! right ascension for each of its zones, two where it crosses 0 h; the exact distance decides.

use serde::{Deserialize, Serialize};

use crate::{Error, Image, Mosaic, MsRow, Reader, Record, Result, SkySource, keys::json, record::columns_of};

/// Zones in a degree; `schema.rs` has the same number.
const ZONES: f64 = 4.0;

/// Everything within a distance of a position, ICRS, degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cone {
    /// Right ascension; any turn.
    pub ra_deg: f64,
    /// Declination, −90 to 90.
    pub dec_deg: f64,
    /// The distance, 0 to 180.
    pub radius_deg: f64,
}

/// A row, and how far it is from the centre of the cone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Near<R> {
    /// The row.
    pub row: R,
    /// Its distance, degrees.
    pub distance_deg: f64,
}

/// Which sources of the catalogues.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceQuery {
    /// Only of this catalogue.
    pub catalogue: Option<String>,
    /// Only those with at least this flux density, Jy.
    pub min_flux_jy: Option<f64>,
}

/// A record that has a position.
pub trait ByPosition: Record {
    /// Its position, degrees.
    #[doc(hidden)]
    fn position(&self) -> Option<[f64; 2]>;
}

impl ByPosition for Image {
    fn position(&self) -> Option<[f64; 2]> {
        Some([self.center_ra_deg?, self.center_dec_deg?])
    }
}
impl ByPosition for Mosaic {
    fn position(&self) -> Option<[f64; 2]> {
        Some([self.center_ra_deg?, self.center_dec_deg?])
    }
}
impl ByPosition for MsRow {
    fn position(&self) -> Option<[f64; 2]> {
        Some([self.ra_deg?, self.dec_deg?])
    }
}
impl ByPosition for SkySource {
    fn position(&self) -> Option<[f64; 2]> {
        Some([self.ra_deg, self.dec_deg])
    }
}

/// The angle between two positions, degrees, exact at any distance (Vincenty's formula for the sphere).
#[must_use]
pub fn separation_deg([ra1, dec1]: [f64; 2], [ra2, dec2]: [f64; 2]) -> f64 {
    let ((sin1, cos1), (sin2, cos2)) = (dec1.to_radians().sin_cos(), dec2.to_radians().sin_cos());
    let (sin_ra, cos_ra) = (ra2 - ra1).to_radians().sin_cos();
    let across = (cos2 * sin_ra).hypot(cos1 * sin2 - sin1 * cos2 * cos_ra);
    across.atan2(sin1 * sin2 + cos1 * cos2 * cos_ra).to_degrees()
}

/// The rows in each range of zone and right ascension.
pub(crate) fn by_position_sql<R: ByPosition>(more: &str) -> String {
    let (columns, table) = (columns_of::<R>("t"), R::TABLE);
    // CROSS JOIN fixes the order: ranges outside, the index inside.
    format!(
        "SELECT k.value ->> 0, t.rowid, {columns} FROM json_each(?1) AS k CROSS JOIN \"{table}\" AS t \
         WHERE t.at_zone = k.value ->> 1 AND t.at_ra_deg BETWEEN k.value ->> 2 AND k.value ->> 3{more}"
    )
}

/// What [`Reader::sources`] adds to that.
pub(crate) const OF_SOURCES: &str =
    " AND t.flux_jy >= coalesce(?2, t.flux_jy) AND t.catalogue = coalesce(?3, t.catalogue)";

impl Reader {
    /// The rows within each cone, the nearest first: one query.
    ///
    /// # Errors
    /// [`Error::Number`] for a cone that is none; as [`Reader::by_path`].
    pub fn near<R: ByPosition>(&self, cones: &[Cone]) -> Result<Vec<Vec<Near<R>>>> {
        self.in_cones(cones, &by_position_sql::<R>(""), |ranges| (ranges,))
    }

    /// The catalogues' sources within each cone, the nearest first: one query.
    ///
    /// # Errors
    /// As [`Reader::near`].
    pub fn sources(&self, cones: &[Cone], which: &SourceQuery) -> Result<Vec<Vec<Near<SkySource>>>> {
        if let Some(value) = which.min_flux_jy.filter(|flux| !flux.is_finite()) {
            return Err(Error::Number { what: "flux density", value });
        }
        let sql = by_position_sql::<SkySource>(OF_SOURCES);
        self.in_cones(cones, &sql, |ranges| (ranges, which.min_flux_jy, which.catalogue.as_deref()))
    }

    fn in_cones<R: ByPosition, V: rusqlite::Params>(
        &self,
        cones: &[Cone],
        sql: &str,
        values: impl FnOnce(String) -> V,
    ) -> Result<Vec<Vec<Near<R>>>> {
        const DOING: &str = "looking up positions";
        let mut ranges = Vec::new();
        for (i, cone) in cones.iter().enumerate() {
            cone.check()?;
            cone.ranges(|zone, from, to| ranges.push((i, zone, from, to)));
        }
        let mut found: Vec<Vec<Near<R>>> = std::iter::repeat_with(Vec::new).take(cones.len()).collect();
        self.query(DOING, sql, values(json(&ranges)), |row| {
            let place: i64 = row.get(0).map_err(|e| self.failed(DOING, e))?;
            let record: R = self.record(row, 2)?;
            let at = usize::try_from(place).ok().and_then(|place| cones.get(place).zip(found.get_mut(place)));
            if let (Some((cone, list)), Some(position)) = (at, record.position()) {
                let distance_deg = separation_deg([cone.ra_deg, cone.dec_deg], position);
                if distance_deg <= cone.radius_deg {
                    list.push(Near { row: record, distance_deg });
                }
            }
            Ok(())
        })?;
        found.iter_mut().for_each(|list| list.sort_by(|a, b| a.distance_deg.total_cmp(&b.distance_deg)));
        Ok(found)
    }
}

impl Cone {
    fn check(&self) -> Result<()> {
        let wrong = |what, value| Err(Error::Number { what, value });
        if !self.ra_deg.is_finite() {
            return wrong("right ascension in degrees", self.ra_deg);
        }
        if !(-90.0..=90.0).contains(&self.dec_deg) {
            return wrong("declination in degrees", self.dec_deg);
        }
        if !(0.0..=180.0).contains(&self.radius_deg) {
            return wrong("radius in degrees", self.radius_deg);
        }
        Ok(())
    }

    /// Its ranges: zone, and right ascension from and to, within 0 to 360.
    fn ranges(&self, mut take: impl FnMut(i64, f64, f64)) {
        // Outwards by a hair (0.04 mas), so that rounding loses nothing at the edge; the exact distance decides later.
        let radius = self.radius_deg + 1e-8;
        let (low, high) = ((self.dec_deg - radius).max(-90.0), (self.dec_deg + radius).min(90.0));
        let zone = |dec: f64| ((dec + 90.0) * ZONES) as i64;
        let centre = self.ra_deg.rem_euclid(360.0);
        for zone in zone(low)..=zone(high) {
            match half_width_deg(self.dec_deg, radius) {
                None => take(zone, 0.0, 360.0),
                Some(half) => {
                    let (from, to) = (centre - half, centre + half);
                    take(zone, from.max(0.0), to.min(360.0));
                    if from < 0.0 {
                        take(zone, from + 360.0, 360.0);
                    }
                    if to > 360.0 {
                        take(zone, 0.0, to - 360.0);
                    }
                }
            }
        }
    }
}

/// How far a circle of `radius` around declination `dec` reaches in right ascension, degrees; `None` when it holds a pole:
/// sin Δα = sin r / cos δ.
fn half_width_deg(dec: f64, radius: f64) -> Option<f64> {
    if dec.abs() + radius >= 90.0 {
        return None;
    }
    let sine = radius.to_radians().sin() / dec.to_radians().cos();
    Some(if sine >= 1.0 { 180.0 } else { sine.asin().to_degrees() + 1e-8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separations() {
        // Along a meridian, along the equator, across 0 h, between the poles, of one place.
        for (a, b, wanted) in [
            ([10.0, 0.0], [10.0, 2.5], 2.5),
            ([359.0, 0.0], [1.0, 0.0], 2.0),
            ([-1.0, 0.0], [361.0, 0.0], 2.0),
            ([0.0, 90.0], [123.0, -90.0], 180.0),
            ([77.0, 33.0], [77.0, 33.0], 0.0),
            // cos d = sin² 60° + cos² 60° cos 90°, so d = acos 0.75.
            ([0.0, 60.0], [90.0, 60.0], 41.409_622_109_270_86),
        ] {
            let got = separation_deg(a, b);
            assert!((got - wanted).abs() < 1e-12, "{a:?} {b:?}: {got}");
        }
    }
}
