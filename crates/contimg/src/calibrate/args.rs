//! The command lines of `contimg solve` and `contimg apply`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::isolate::LimitArgs;
use crate::selection::Ranges;
use crate::size::Bytes;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg solve cal.ms  # cal_bpcal, cal_gpcal, cal_2gcal beside the set
  contimg solve cal.ms --out tables --uvrange '>1klambda' --plot gains.html
  contimg solve cal.ms --long none --short int --short-mode ap  # by integration
  contimg solve cal.ms --bandpass none --known night_bpcal --db products.sqlite3
  contimg solve cal.ms --json | jq '.tables[] | {path, flagged}'

In order: delays (with --delay: NAME_kcal), phases before the bandpass (NAME_prebp, not applied to science \
    data), the bandpass (NAME_bpcal), long gains (NAME_gpcal), short gains (NAME_2gcal), each with the tables before \
    it applied. All tables are published together when all pass their checks, else none. The tables are CASA's: \
    applycal takes them. The model is MODEL_DATA; weights are those of SIGMA. Exit codes: 0 published, 1 the input \
    cannot be solved, 3 a table cannot be written, 5 a table failed its checks.")]
pub(crate) struct SolveArgs {
    /// The Measurement Set, with MODEL_DATA.
    #[arg(value_name = "MS")]
    pub set: PathBuf,
    /// Fields to solve from, by number, range or name: `0,3~5,3C147` [default: all].
    #[arg(long, value_name = "LIST")]
    pub field: Option<String>,
    /// Scans to solve from, by number or range: `1,3~5` [default: all].
    #[arg(long, value_name = "LIST")]
    pub scan: Option<Ranges>,
    /// Baselines by length: `>1klambda`, `<500m`, `50~5000lambda`.
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    pub uvrange: Option<UvRange>,
    /// Reference antennas by name, the first that has solutions [default: 103 to 117, then those with most data].
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub refant: Vec<String>,
    /// Solution interval of the bandpass: `inf`, `int`, seconds, or `none`.
    #[arg(long, default_value = "inf", value_name = "INTERVAL")]
    pub bandpass: Interval,
    /// Solution interval of the phases before the bandpass.
    #[arg(long, default_value = "30", value_name = "INTERVAL")]
    pub prebandpass: Interval,
    /// Solution interval of the long gains.
    #[arg(long, default_value = "inf", value_name = "INTERVAL")]
    pub long: Interval,
    /// What the long gains are: amplitude and phase, or phase only.
    #[arg(long, value_enum, default_value = "ap", value_name = "MODE")]
    pub long_mode: GainMode,
    /// Solution interval of the short gains.
    #[arg(long, default_value = "60", value_name = "INTERVAL")]
    pub short: Interval,
    /// What the short gains are.
    #[arg(long, value_enum, default_value = "p", value_name = "MODE")]
    pub short_mode: GainMode,
    /// Solve for delays first.
    #[arg(long)]
    pub delay: bool,
    /// Do not divide the bandpass by its mean amplitude and phase.
    #[arg(long)]
    pub no_normalise: bool,
    /// One gain for all spectral windows.
    #[arg(long)]
    pub combine_windows: bool,
    /// Solution intervals end where the scan or the field changes [default: they go on].
    #[arg(long)]
    pub split_scans: bool,
    /// Tables to apply before solving, in order.
    #[arg(long, value_delimiter = ',', value_name = "TABLES")]
    pub known: Vec<PathBuf>,
    /// Antennas with fewer baselines get no solution.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub min_baselines: usize,
    /// Solutions with a lower ratio of signal to noise are flagged.
    #[arg(long, default_value_t = 3.0, value_name = "RATIO")]
    pub min_snr: f64,
    /// How often the data are averaged again with less weight on outliers; 0 for plain least squares, as CASA.
    #[arg(long, default_value_t = 2, value_name = "TIMES")]
    pub robust: u32,
    /// A table with more than this fraction of its solutions flagged, of antennas with data, fails.
    #[arg(long, default_value_t = 0.5, value_name = "FRACTION")]
    pub max_flagged: f64,
    /// Folder of the tables [default: that of the set].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Name of the tables before their suffix [default: the set's name without `.ms`].
    #[arg(long, value_name = "NAME")]
    pub prefix: Option<String>,
    /// Replace tables of the same names that contimg made.
    #[arg(long)]
    pub overwrite: bool,
    /// Register the tables in this products database, on a local disk. Any number of processes may register at a time: each
    /// waits for its turn up to a minute.
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// With --db: the tables are valid for this long before and after the data.
    #[arg(long, default_value_t = 12.0, value_name = "HOURS", value_parser = positive)]
    pub valid_hours: f64,
    /// A page with amplitude and phase of all solutions, against channel, time and antenna.
    #[arg(long, value_name = "FILE.html", value_parser = crate::args::page)]
    pub plot: Option<PathBuf>,
    /// Memory for the data while they stream by and for their averages.
    #[arg(long, default_value = "224MiB", value_name = "SIZE")]
    pub memory: Bytes,
    /// Print one JSON document instead of a summary for people.
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg apply night.ms --tables cal_bpcal,cal_gpcal,cal_2gcal
  contimg apply night.ms --db products.sqlite3  # the tables valid at its time
  contimg apply night.ms --tables cal_bpcal --flagged-channels flag --dry-run

CORRECTED_DATA, FLAG and WEIGHT change together or not at all; DATA and SIGMA never. The flags as they were are \
    kept as a named version (`contimg flag --list`, `--restore`). Applying twice equals applying once. Exit codes: 0 \
    applied, 1 a table does not fit or the set cannot be read, 3 the set cannot be written, 5 nothing was corrected.")]
pub(crate) struct ApplyArgs {
    /// The Measurement Set.
    #[arg(value_name = "MS")]
    pub set: PathBuf,
    /// Calibration tables (B, G, T or K Jones), CASA's or ours.
    #[arg(long, value_delimiter = ',', value_name = "TABLES", required_unless_present = "db")]
    pub tables: Vec<PathBuf>,
    /// Interpolation in time of all tables [default: nearest for bandpasses and delays, linear for gains].
    #[arg(long, value_enum, value_name = "HOW")]
    pub interpolation: Option<TimeInterpolation>,
    /// Channels whose solution is flagged.
    #[arg(long, value_enum, default_value = "interpolate", value_name = "HOW")]
    pub flagged_channels: ChannelsArg,
    /// Leave WEIGHT as SIGMA has it: not multiplied by the squared gains.
    #[arg(long)]
    pub no_weights: bool,
    /// Refuse tables whose solutions are further than this from the data.
    #[arg(long, default_value_t = 12.0, value_name = "HOURS", value_parser = positive)]
    pub reach_hours: f64,
    /// The name of the flag version that is kept [default: before_apply-1, …].
    #[arg(long, value_name = "NAME")]
    pub flag_version: Option<String>,
    /// Products database: where the tables are looked up without --tables, and where it is noted that they were applied.
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// Wait this long for another program to let go of the set.
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS")]
    pub wait: f64,
    /// Say what would be corrected and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON document instead of a summary for people.
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// A number of hours or the like.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(format!("`{text}` is not a number of at least 0")),
    }
}

/// What gains are solved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GainMode {
    /// Amplitude and phase.
    Ap,
    /// Phase.
    P,
}

/// Interpolation in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeInterpolation {
    /// The nearest solution.
    Nearest,
    /// Linear in amplitude and phase.
    Linear,
}

/// What becomes of channels whose solution is flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChannelsArg {
    /// Filled from their neighbours, as applycal does.
    Interpolate,
    /// Flagged in the data.
    Flag,
}

/// How long a solution interval is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Interval {
    /// No such solution.
    None,
    /// One for all times.
    All,
    /// One for every integration.
    Integration,
    /// So many seconds.
    Seconds(f64),
}

impl std::str::FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => return Ok(Self::None),
            "inf" => return Ok(Self::All),
            "int" => return Ok(Self::Integration),
            _ => {}
        }
        match text.strip_suffix('s').unwrap_or(text).parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(Self::Seconds(seconds)),
            _ => Err(format!("`{text}` is none of inf, int, none or a number of seconds")),
        }
    }
}

/// A range of baseline lengths.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct UvRange {
    /// Least and greatest length.
    pub from: f64,
    pub to: f64,
    /// In wavelengths, else metres.
    pub in_wavelengths: bool,
}

impl std::str::FromStr for UvRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range of baselines; write >1klambda, <500m or 50~5000lambda");
        let trimmed = text.trim();
        let (number, in_wavelengths) = match trimmed.strip_suffix("lambda") {
            Some(rest) => (rest, true),
            None => (trimmed.strip_suffix('m').ok_or_else(wrong)?, false),
        };
        let (number, factor) = match number.strip_suffix('k') {
            Some(rest) => (rest, 1e3),
            None => (number, 1.0),
        };
        let value = |text: &str| match text.trim().parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 => Ok(value * factor),
            _ => Err(wrong()),
        };
        let (from, to) = if let Some(rest) = number.strip_prefix('>') {
            (value(rest)?, f64::INFINITY)
        } else if let Some(rest) = number.strip_prefix('<') {
            (0.0, value(rest)?)
        } else {
            let (from, to) = number.split_once('~').ok_or_else(wrong)?;
            (value(from)?, value(to)?)
        };
        if from < to { Ok(Self { from, to, in_wavelengths }) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_baselines_are_read_as_casa_writes_them() {
        let range = |text: &str| text.parse::<UvRange>();
        assert_eq!(range(">1klambda"), Ok(UvRange { from: 1e3, to: f64::INFINITY, in_wavelengths: true }));
        assert_eq!(range("50~5000m"), Ok(UvRange { from: 50.0, to: 5e3, in_wavelengths: false }));
        for wrong in ["1klambda", ">x m", "9~3m", "", ">1"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn intervals_are_words_or_seconds() {
        assert_eq!("60s".parse(), Ok(Interval::Seconds(60.0)));
        assert_eq!("inf".parse(), Ok(Interval::All));
        assert!("0".parse::<Interval>().is_err() && "fast".parse::<Interval>().is_err());
    }
}
