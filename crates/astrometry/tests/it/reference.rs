//! `tests/data/reference.csv`, which `make_reference.py` beside it wrote with pyuvdata.

use astrometry::{JulianDate, Site};

/// One line of the table.
pub(crate) struct Reference {
    pub(crate) site: Site,
    pub(crate) time: JulianDate,
    pub(crate) icrs: [f64; 2],
    pub(crate) lst: f64,
    pub(crate) app: [f64; 2],
    pub(crate) frame_pa: f64,
    pub(crate) uvw: [f64; 3],
    pub(crate) pole_arcsec: [f64; 2],
    pub(crate) ut1_utc_s: f64,
    pub(crate) ha0: [f64; 2],
}

/// The station whose UVW the table has.
pub(crate) const STATION_M: [f64; 3] = [1500.0, -1300.0, 1700.0];

pub(crate) fn all() -> Vec<Reference> {
    let lines = include_str!("../data/reference.csv").lines().skip(1);
    let all: Vec<_> = lines
        .map(|line| {
            let v: Vec<f64> = line.split(',').skip(1).map(|f| f.parse().expect("a number")).collect();
            Reference {
                site: Site { latitude_rad: v[0].to_radians(), longitude_rad: v[1].to_radians(), height_m: v[2] },
                time: JulianDate(v[3]),
                icrs: [v[4], v[5]],
                lst: v[6],
                app: [v[7], v[8]],
                frame_pa: v[9],
                uvw: [v[10], v[11], v[12]],
                pole_arcsec: [v[13], v[14]],
                ut1_utc_s: v[15],
                ha0: [v[16], v[17]],
            }
        })
        .collect();
    assert_eq!(all.len(), 420, "the whole table");
    all
}
