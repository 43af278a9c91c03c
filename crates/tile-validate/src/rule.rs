//! The rules by name, and what they find.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rule is not applied.
    Off,
    /// The tile may be used.
    Warning,
    /// The tile must not go into the mosaic.
    Error,
}

/// What kind of thing a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The file: there, whole, readable.
    File,
    /// The pixels: finite, noise, dynamic range.
    Pixels,
    /// The synthesised beam.
    Beam,
    /// The primary beam.
    PrimaryBeam,
    /// Calibration.
    Calibration,
    /// Grid, scale, frame, frequency: whether the tiles fit each other.
    Grid,
    /// Which tile lies where and when: order, duplicates, overlap, gaps.
    Coverage,
    /// Positions of sources.
    Astrometry,
}

macro_rules! rules {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal, $kind:ident, $severity:ident; )+) => {
        /// A rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Rule {
            $( $(#[$doc])* #[serde(rename = $name)] $variant, )+
        }

        impl Rule {
            /// Every rule, in the order of their findings.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name, as in rules files and reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// What it is about.
            #[must_use]
            pub fn kind(self) -> Kind {
                match self { $( Self::$variant => Kind::$kind, )+ }
            }

            /// How bad its findings are unless [`Rules::severity`](crate::Rules::severity) says otherwise.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $( Self::$variant => Severity::$severity, )+ }
            }
        }
    };
}

rules! {
    /// The file is there.
    Exists = "exists", File, Error;
    /// It is a FITS file with an image, whose header can be read.
    Header = "header", File, Error;
    /// It has all pixels that its header announces.
    Truncated = "truncated", File, Error;
    /// It has two celestial axes, whose corners are on the sky, and one plane.
    Axes = "axes", Grid, Error;
    /// Enough of its pixels are finite.
    Finite = "finite", Pixels, Error;
    /// Its noise (1.4826 · MAD) is positive and not too high.
    Noise = "noise", Pixels, Error;
    /// Its brightest pixel stands out of the noise.
    DynamicRange = "dynamic-range", Pixels, Error;
    /// It has no negative pixel as deep as its brightest is high.
    Trough = "trough", Pixels, Warning;
    /// It has a synthesised beam of a sane size.
    Beam = "beam", Beam, Error;
    /// Its frequency is known.
    Frequency = "frequency", Grid, Warning;
    /// Its time is known.
    Time = "time", Coverage, Warning;
    /// Its primary beam is there and can be read.
    PrimaryBeam = "primary-beam", PrimaryBeam, Error;
    /// The primary beam has the tile's grid.
    PrimaryBeamGrid = "primary-beam-grid", PrimaryBeam, Error;
    /// The primary beam is within its limits in the used region.
    PrimaryBeamRange = "primary-beam-range", PrimaryBeam, Error;
    /// The database knows the tile.
    Registered = "registered", Calibration, Warning;
    /// Its set was calibrated, and every application succeeded.
    Calibrated = "calibrated", Calibration, Error;
    /// The tables that its set was calibrated with were valid at its time.
    CalibrationValidity = "calibration-validity", Calibration, Error;
    /// Sources are where the catalogue has them.
    Astrometry = "astrometry", Astrometry, Error;
    /// All tiles have one number of pixels.
    GridShape = "grid-shape", Grid, Error;
    /// All tiles have one pixel scale.
    PixelScale = "pixel-scale", Grid, Error;
    /// All tiles have one frame and projection.
    Frame = "frame", Grid, Error;
    /// All tiles have one brightness unit.
    Unit = "unit", Grid, Error;
    /// The noise is not far from the median, on either side.
    NoiseOutlier = "noise-outlier", Pixels, Error;
    /// The beam is not far from the median.
    BeamOutlier = "beam-outlier", Beam, Error;
    /// The primary beam's extremes are not far from the median.
    PrimaryBeamOutlier = "primary-beam-outlier", PrimaryBeam, Error;
    /// All tiles have one frequency.
    FrequencySpread = "frequency-spread", Grid, Error;
    /// All tiles are corrected for the primary beam, or none.
    PrimaryBeamCorrection = "primary-beam-correction", PrimaryBeam, Error;
    /// All tiles were calibrated with one set of tables.
    CalibrationSet = "calibration-set", Calibration, Error;
    /// No tile is there twice.
    Duplicate = "duplicate", Coverage, Error;
    /// The tiles were given in the order of their times; applied only when asked for.
    Order = "order", Coverage, Error;
    /// The tiles are connected by overlaps.
    Gap = "gap", Coverage, Error;
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a rule found about a tile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The tile.
    pub tile: PathBuf,
    /// The rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What was measured, where that is a number.
    pub value: Option<f64>,
    /// What it was compared with.
    pub limit: Option<f64>,
    /// In words.
    pub message: String,
}
