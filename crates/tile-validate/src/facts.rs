//! What is known of a tile before it is judged.

use std::path::PathBuf;

use serde::Serialize;

use crate::Rule;

/// What was measured of one tile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// The tile, as it was given.
    pub path: PathBuf,
    /// Its header and pixels, or the rule that it breaks so that there are none, and why.
    pub tile: Result<Box<Tile>, (Rule, String)>,
    /// Its primary beam.
    pub primary_beam: PrimaryBeam,
    /// What the database says.
    pub known: Known,
    /// Where its sources are.
    pub offsets: Option<Offsets>,
}

/// Header and pixels of a tile that can be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tile {
    /// Pixels along each axis, NAXIS1 first.
    pub axes: Vec<u64>,
    /// Where its pixels are; why that is not known.
    pub grid: Option<Grid>,
    /// What is wrong with its axes.
    pub grid_problem: Option<String>,
    /// The synthesised beam; `None` without BMAJ or BMIN.
    pub beam: Option<Beam>,
    /// Brightness unit, upper case.
    pub unit: Option<String>,
    /// Frequency, Hz.
    pub freq_hz: Option<f64>,
    /// DATE-OBS, modified Julian date, UTC.
    pub mjd: Option<f64>,
    /// Finite pixels among all, 0 to 1.
    pub finite_fraction: f64,
    /// 1.4826 · MAD of the finite pixels, Jy/beam.
    pub noise_jy: Option<f64>,
    /// The brightest pixel.
    pub max_jy: Option<f64>,
    /// The deepest pixel.
    pub min_jy: Option<f64>,
}

impl Tile {
    /// The brightest pixel over the noise.
    #[must_use]
    pub fn dynamic_range(&self) -> Option<f64> {
        Some(self.max_jy? / self.noise_jy.filter(|noise| *noise > 0.0)?)
    }
}

/// The celestial grid of a tile.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Grid {
    /// Pixels along x and y.
    pub size: [u64; 2],
    /// Longitude and latitude of the middle, degrees.
    pub centre_deg: [f64; 2],
    /// Pixel size along x and y, degrees.
    pub cell_deg: [f64; 2],
    /// `SIN`, ….
    pub projection: String,
    /// `ICRS`, `FK5 2000`, ….
    pub frame: String,
    /// Longitude and latitude of the corner pixels, degrees, going round.
    pub corners_deg: Vec<[f64; 2]>,
}

/// A synthesised beam.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Beam {
    /// Full width at half maximum along the major axis, arcseconds.
    pub major_arcsec: f64,
    /// Along the minor axis.
    pub minor_arcsec: f64,
    /// Position angle, degrees, north to east.
    pub pa_deg: f64,
}

/// The primary beam of a tile.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PrimaryBeam {
    /// The rules do without.
    NotAsked,
    /// No file of the names that it could have.
    Absent {
        /// The first of these names.
        wanted: PathBuf,
    },
    /// A file that cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A file.
    Read {
        /// The file.
        path: PathBuf,
        /// Pixels along its first two axes.
        size: [u64; 2],
        /// Least finite value in the used region.
        min: Option<f64>,
        /// Finite pixels of the used region.
        finite_fraction: f64,
        /// Greatest finite value.
        max: Option<f64>,
    },
}

/// What the database says of a tile.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// It was not asked.
    NotAsked,
    /// It does not know the tile.
    Unknown,
    /// It knows it.
    Known(Calibration),
}

/// What the database says of a tile that it knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Calibration {
    /// The set of which the tile was made.
    pub set: Option<String>,
    /// Whether that is marked as calibrated; `None` when the database does not know the set.
    pub applied: Option<bool>,
    /// The middle of its times, modified Julian date.
    pub mid_mjd: Option<f64>,
    /// Whether the tile was corrected for the primary beam.
    pub pbcor: Option<bool>,
    /// The sets of tables that were applied, by name, sorted.
    pub table_sets: Vec<String>,
    /// Tables whose application failed.
    pub failed: Vec<String>,
    /// Tables that were not valid at that time, and by how many days.
    pub outside: Vec<(String, f64)>,
}

/// How far a tile's sources are from where a catalogue has them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Offsets {
    /// Sources that were found.
    pub sources: usize,
    /// Median offset to the east, arcseconds.
    pub east_arcsec: f64,
    /// Median offset to the north, arcseconds.
    pub north_arcsec: f64,
    /// Why sources could not be measured.
    pub problem: Option<String>,
}
