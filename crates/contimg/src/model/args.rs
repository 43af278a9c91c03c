//! The command line of `contimg model`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use vis_types::{Component, Direction, Position, Shape, Spectrum};

use crate::{
    isolate::{LimitArgs, Limits},
    selection::Ranges,
    size::Bytes,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg model a.ms --sky calibrators.txt  # WSClean's, DP3's, BBS's list, CSV
  contimg model a.ms --source 05:42:36.1,+49:51:07,22.5  # one point, 22.5 Jy
  contimg model a.ms b.ms --sky sky.csv --beam airy --check  # does DATA agree?
  contimg model a.ms --db products.sqlite3 --catalogue NVSS --radius 1.5
  contimg model a.ms --sky sky.csv --field 3~5 --window 0 --add
  contimg model a.ms --sky outliers.csv --subtract  # from CORRECTED_DATA
  contimg model a.ms --check  # writes nothing, compares

A column is replaced as a whole or not at all: after a failure, a full disk or a `kill -9` it is the old one or \
    the new one. Rows that are not selected keep their values. --subtract makes CORRECTED_DATA from DATA when it is \
    absent. --add and --subtract change what is there: a second run does so again, unless --from-data is given. \
    Directions: source lists are J2000 unless they say otherwise, CSV and --source are ICRS. Dishes that stand still \
    point to the phase centre where each integration has a field on the meridian (`convert --centres meridian`); where \
    one field follows the sky, --beam is off by the sky's drift from mid time on (15 arcseconds a second at declination \
    0: 0.65 degrees at the ends of five minutes).")]
pub(crate) struct ModelArgs {
    /// Measurement Sets. Terms that do not depend on the rows are computed once for all of them.
    #[arg(required = true, value_name = "MS")]
    pub sets: Vec<PathBuf>,
    #[command(flatten)]
    pub sky: SkyArgs,
    #[command(flatten)]
    pub rows: RowArgs,
    /// Add the model to MODEL_DATA instead of replacing it.
    #[arg(long)]
    pub add: bool,
    /// Subtract the model from CORRECTED_DATA.
    #[arg(long, conflicts_with = "add")]
    pub subtract: bool,
    /// With --subtract: from DATA instead of what CORRECTED_DATA holds, so that a second run changes nothing.
    #[arg(long, requires = "subtract")]
    pub from_data: bool,
    /// Print statistics of DATA less MODEL_DATA over unflagged cross-correlations. Without a sky nothing is written.
    #[arg(long, conflicts_with = "subtract")]
    pub check: bool,
    /// Seconds to wait for another program that has a set locked.
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS")]
    pub wait: f64,
    /// Memory that the process may use.
    #[arg(long, default_value = "128MiB", value_name = "SIZE")]
    pub memory: Bytes,
    /// Threads [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Keep no directions, fluxes and beam values from block to block and from set to set. The result is the same.
    #[arg(long)]
    pub no_cache: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

impl ModelArgs {
    /// The limits of the process that does it: what it allocates is within `--memory`, and what damaged tables ask for
    /// beyond that is not worth waiting for.
    pub(crate) fn limits(&self) -> Limits {
        let memory = Bytes(self.memory.0.saturating_add(1 << 30));
        // A set of a terabyte on one core.
        self.limits.or(memory, 7200 * self.sets.len() as u64)
    }
}

/// What is on the sky, and how the dishes see it.
#[derive(Args, Clone, Debug)]
pub(crate) struct SkyArgs {
    /// A sky model: a source list (WSClean, DP3, BBS, LSMTool), a CSV table, or a CASA component list. May be repeated.
    #[arg(long, value_name = "FILE", help_heading = "Sky")]
    pub sky: Vec<PathBuf>,
    /// A point source: ICRS direction (degrees, or 05:42:36.1,+49:51:07), jansky, and, if it has one, its spectral index
    /// and the frequency of the flux. May be repeated.
    #[arg(long, value_name = "RA,DEC,JY[,INDEX,MHZ]", help_heading = "Sky", allow_hyphen_values = true)]
    pub source: Vec<SourceArg>,
    /// A products database whose catalogues are searched around each selected field's phase centre.
    #[arg(long, value_name = "FILE", help_heading = "Sky")]
    pub db: Option<PathBuf>,
    /// With --db: only of this catalogue.
    #[arg(long, value_name = "NAME", help_heading = "Sky", requires = "db")]
    pub catalogue: Option<String>,
    /// With --db: how far around, degrees.
    #[arg(long, default_value_t = 2.0, value_name = "DEGREES", help_heading = "Sky", requires = "db")]
    pub radius: f64,
    /// With --db: around this ICRS direction instead of the phase centres.
    #[arg(long, value_name = "RA,DEC", help_heading = "Sky", requires = "db", allow_hyphen_values = true)]
    pub around: Option<DirectionArg>,
    /// With --db: no fainter sources, jansky.
    #[arg(long, value_name = "JY", help_heading = "Sky", requires = "db")]
    pub min_flux: Option<f64>,
    /// The primary beam through which intrinsic fluxes are seen: the same for all dishes and at all times of a field. Without it,
    /// fluxes are taken as apparent ones.
    #[arg(long, value_enum, value_name = "BEAM", help_heading = "Sky")]
    pub beam: Option<BeamArg>,
    /// Diameter of the dishes of `--beam airy`, metres.
    #[arg(long, default_value_t = 4.65, value_name = "METRES", help_heading = "Sky", requires = "beam")]
    pub dish: f64,
    /// Where the dishes point, ICRS [default: to each field's phase centre; POINTING is not read].
    #[arg(long, value_name = "RA,DEC", help_heading = "Sky", requires = "beam", allow_hyphen_values = true)]
    pub pointing: Option<DirectionArg>,
}

impl SkyArgs {
    /// Whether anything is to be predicted.
    pub(crate) fn is_given(&self) -> bool {
        self.db.is_some() || !(self.sky.is_empty() && self.source.is_empty())
    }

    /// Whether each set has a sky of its own: the sources around its phase centres.
    pub(crate) fn is_of_each_set(&self) -> bool {
        self.db.is_some() && self.around.is_none()
    }
}

/// Which rows.
#[derive(Args, Clone, Debug)]
pub(crate) struct RowArgs {
    /// Fields by number, range or name: `0,3~5,3C147`.
    #[arg(long, value_name = "LIST", help_heading = "Rows")]
    pub field: Option<String>,
    /// Spectral windows by number or range: `0,3~5`.
    #[arg(long, value_name = "LIST", help_heading = "Rows")]
    pub window: Option<Ranges>,
    /// Rows by number or range, counted from 0: `0~99999`.
    #[arg(long, value_name = "LIST", help_heading = "Rows")]
    pub rows: Option<Ranges>,
}

/// Primary beams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BeamArg {
    /// A uniformly lit dish: (2J₁(x)/x)².
    Airy,
}

/// A direction in ICRS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DirectionArg(pub Direction);

impl FromStr for DirectionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(',') {
            Some((ra, dec)) => sky_model::direction(ra, dec).map(Self).map_err(|e| format!("{e}; {}", e.hint)),
            None => Err("write RA,DEC: 85.65,49.85 in degrees, or 05:42:36.1,+49:51:07".into()),
        }
    }
}

/// A point source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceArg(pub Component);

impl FromStr for SourceArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write RA,DEC,JY or RA,DEC,JY,INDEX,MHZ: 05:42:36.1,+49:51:07,22.5,-0.7,1400";
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let number = |text: &str, what: &str| match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(format!("`{text}` is no {what}; {FORM}")),
        };
        let (ra, dec, jy, law) = match parts[..] {
            [ra, dec, jy] => (ra, dec, jy, None),
            [ra, dec, jy, index, mhz] => (ra, dec, jy, Some((index, mhz))),
            _ => return Err(FORM.into()),
        };
        let direction = sky_model::direction(ra, dec).map_err(|e| format!("{e}; {}", e.hint))?;
        let jy = number(jy, "flux in jansky")?;
        let spectrum = match law {
            None => Spectrum::flat(jy),
            Some((index, mhz)) => {
                let hz = 1e6 * number(mhz, "frequency in megahertz")?;
                if hz <= 0.0 {
                    return Err(format!("`{mhz}` is no frequency in megahertz; {FORM}"));
                }
                Spectrum::power_law(jy, hz, number(index, "spectral index")?)
            }
        };
        let position = Position::Sky(direction);
        Ok(Self(Component { name: format!("--source {text}"), position, shape: Shape::Point, spectrum }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read() {
        let SourceArg(source) = "05:42:36.1,-0:30:00,22.5,-0.7,1400".parse().expect("a source");
        let Position::Sky(d) = source.position else { panic!("on the sky") };
        assert!(
            (d.lon_rad.to_degrees() - 85.650_416_666_67).abs() < 1e-9 && (d.lat_rad.to_degrees() + 0.5).abs() < 1e-12
        );
        assert_eq!(source.spectrum, Spectrum::power_law(22.5, 1.4e9, -0.7));
        for wrong in ["1,2", "1,2,NaN", "1,95,3", "1,2,3,4", "1,2,3,4,0", "1,2,3Jy"] {
            assert!(wrong.parse::<SourceArg>().is_err(), "{wrong}");
        }
    }
}
