//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use vis_types::Direction;

use crate::{
    calibrate::args::{ApplyArgs, SolveArgs},
    failure::{Class, Failure},
    flag,
    isolate::{LimitArgs, Limits},
    model::ModelArgs,
    night,
    size::Bytes,
};

/// The fast path of a radio interferometer's continuum pipeline.
///
/// Data and summaries go to stdout, progress and messages to stderr. Exit codes: 0 success, 1 the input is missing, damaged
/// or incomplete, 2 wrong usage, 3 the output cannot be written, 4 a worker process failed, 5 a verdict (too little data left,
/// a table or tiles that fail their checks), 11 to 18 tiles that fail rules of one kind, 129, 130, 143 ended by a signal.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is there and what a conversion would do: groups, missing and damaged subbands, memory, disk.
    Plan(PlanArgs),
    /// Convert groups of UVH5 subbands into Measurement Sets.
    Convert(ConvertArgs),
    /// Make a small night with a known sky, spoil it as an instrument does, and take it through all stages.
    Demo(DemoArgs),
    /// List what dead runs left behind, and remove it with --remove.
    Clean(CleanArgs),
    /// Count the flags of a Measurement Set: all of them, exactly, by antenna, channel, time and more.
    Flags(FlagsArgs),
    /// Predict a sky model into MODEL_DATA, or subtract it, exactly; compare data with it.
    Model(ModelArgs),
    /// Solve for bandpasses and gains against MODEL_DATA; writes CASA calibration tables.
    Solve(SolveArgs),
    /// Apply calibration tables: CORRECTED_DATA, FLAG and WEIGHT.
    Apply(ApplyArgs),
    /// Flag a Measurement Set before it is calibrated; list and restore versions of its flags.
    Flag(Box<flag::FlagArgs>),
    /// Show what a Measurement Set says about itself: times, windows, fields, antennas, columns.
    Meta(MetaArgs),
    /// The products database: make, migrate, import, query, check, backup.
    Db(crate::db::DbArgs),
    /// Judge image tiles before they are mosaicked.
    Tiles(crate::tiles::TilesArgs),
    /// Make the primary beam of a round dish beside an image, on its grid.
    Beam(crate::image::BeamArgs),
    /// Take a night's data sets through all stages: in parallel, isolated, resumed by running it again.
    Run(night::RunArgs),
    /// Show how far the sets of a run are.
    Status(night::StatusArgs),
    /// Show what stopped a set, and what to do about it.
    Why(night::WhyArgs),
    /// Give sets that failed another chance.
    Retry(night::RetryArgs),
    /// Remove Measurement Sets of a run that can be made again, the oldest first, to keep within a disk budget.
    Retire(night::RetireArgs),
    /// Compare every product of a run's folder with its manifest.
    Verify(night::VerifyArgs),
    /// Make one page, and its JSON twin, of everything that is known of a night; at any time.
    Report(night::ReportArgs),
    /// Whether a stage's input or product is worth the name; plans call it.
    #[command(name = "__check", hide = true)]
    Check(night::CheckArgs),
    /// Where images come from, into their headers; plans call it.
    #[command(name = "__provenance", hide = true)]
    Provenance(crate::image::ProvenanceArgs),
    /// Sets, tables and images of a night, into its database; started by `run`.
    #[command(name = "__register", hide = true)]
    Register(night::WorkArgs),
    /// Generations of columns, looked up in a process of its own; started by `run`.
    #[command(name = "__observe", hide = true)]
    Observe {
        /// Process id of the program that asks.
        parent: u32,
    },
    /// Becomes another program that dies with its parent.
    #[command(name = "__exec", hide = true)]
    Exec {
        /// Process id of the program that asks.
        parent: u32,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// One group in a process of its own; started by `convert`.
    #[command(name = "__convert", hide = true)]
    Worker,
    /// Headers of files, read in a process of its own.
    #[command(name = "__headers", hide = true)]
    Headers {
        /// Process id of the program that asks.
        parent: u32,
    },
}

impl Command {
    /// The limits of the process in which a command that opens tables runs ([`crate::isolate`]); none for the others.
    pub(crate) fn limits(&self) -> Option<Limits> {
        match self {
            Self::Db(args) => args.limits(),
            Self::Meta(args) => Some(args.limits.or(Bytes(1 << 30), 120)),
            Self::Flags(args) => Some(args.limits.or(Bytes(2 << 30), 1800)),
            Self::Model(args) => Some(args.limits()),
            Self::Solve(args) => Some(args.limits.or(Bytes(args.memory.0.saturating_add(512 << 20)), 36_000)),
            Self::Apply(args) => Some(args.limits.or(Bytes(1 << 30), 36_000)),
            Self::Flag(args) => Some(args.limits()),
            Self::Report(args) => Some(args.limits.or(Bytes(2 << 30), 1800)),
            Self::Register(_) => Some(Limits { memory: Bytes(2 << 30), cpu_s: Some(7200) }),
            _ => None,
        }
    }
}

/// Which files, and how they form groups.
#[derive(Args, Clone, Debug)]
pub(crate) struct Selection {
    /// A directory of subband files (not searched recursively), or the files of one or several groups.
    #[arg(required = true, value_name = "DIR|FILE")]
    pub input: Vec<PathBuf>,
    /// Files whose first integrations are within this many seconds of each other belong to one group.
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    pub tolerance: f64,
    /// How many subbands a complete group has.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=255))]
    pub subbands: u8,
    /// What to do with a group that lacks subbands.
    #[arg(long, value_enum, default_value_t, value_name = "POLICY")]
    pub missing: Missing,
    /// With `--missing flag` or `split`: refuse groups with fewer subbands than this.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub min_subbands: u8,
    /// Where the headers of files are remembered between runs [default: the user's cache folder].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Read every header again and remember nothing.
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
}

impl Selection {
    /// The failure where no file is a subband.
    pub(crate) fn nothing(&self) -> Failure {
        let places: Vec<String> = self.input.iter().take(3).map(|path| path.display().to_string()).collect();
        let more = if self.input.len() > 3 { format!(" and {} more", self.input.len() - 3) } else { String::new() };
        Failure::new(Class::Input, format!("there is no group of UVH5 subbands in {}{more}", places.join(", "))).hint(
            "subband files are named like 2026-01-25T00:05:19_sb00.hdf5, and folders are not searched recursively; \
             `contimg plan --all` says why files were passed over",
        )
    }
}

/// What to do with a group that lacks some of its subbands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Missing {
    /// Refuse the group and name the missing subbands.
    #[default]
    Refuse,
    /// Keep the gap with its true frequencies: its channels are present, zero and flagged.
    Flag,
    /// Make a spectral window on each side of the gap.
    Split,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg plan /data/incoming  # all groups and what they lack
  contimg plan /data/incoming --missing flag --min-subbands 12
  contimg plan /data/incoming --incomplete --all  # what lacks something
  contimg plan /data/incoming --json | jq '.groups[] | select(.missing != [])'

Exit codes: 0 there are groups, 1 there is none, or the folder cannot be read.")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Show every group instead of the first and last ones.
    #[arg(long)]
    pub all: bool,
    /// Show only groups that would be refused or that lack something.
    #[arg(long)]
    pub incomplete: bool,
    /// Memory that a conversion may use.
    #[arg(long, default_value = "128MiB", value_name = "SIZE")]
    pub memory: Bytes,
    /// Threads of a conversion [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg convert /data/incoming --out /data/ms  # finished ones are skipped
  contimg convert /data/incoming --out /data/ms --missing flag --min-subbands 12
  contimg convert 2026-01-25T00:05:*_sb*.hdf5 -o . --centres 05:42:36,+49:51:07
  contimg convert /data/incoming --out /data/ms --memory 64MiB --threads 2

A Measurement Set appears under its name only when it is complete and on the disk. After an interruption, run \
    the same command again; `contimg clean` removes what a killed run left.")]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Directory of the Measurement Sets; made when absent.
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub set: SetArgs,
    /// Memory that the whole process tree may use.
    #[arg(long, default_value = "128MiB", value_name = "SIZE")]
    pub memory: Bytes,
    /// Threads [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Replace Measurement Sets that exist; each old one stays until the new one is complete.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON document instead of a summary for people.
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
}

/// What the Measurement Set holds.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SetArgs {
    /// Phase centres: `mid` (one, on the meridian at the group's mid time), `meridian` (one an integration, ICRS), `file` (as
    /// the data are phased) or a direction `RA,DEC` in ICRS (degrees, or 05:42:36.1,+49:51:07). Unphased data default to
    /// `mid`, phased data to `file`.
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    pub centres: Option<CentreArg>,
    /// How the visibilities in the files are phased.
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub phasing: Phasing,
    /// Spectral windows.
    #[arg(long, value_enum, default_value_t, value_name = "LAYOUT")]
    pub windows: Windows,
    /// WEIGHT_SPECTRUM.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub weight_spectrum: WeightSpectrum,
    /// Further columns to create.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "COLUMNS")]
    pub columns: Vec<Column>,
    /// Telescope name in the set [default: the files'].
    #[arg(long, value_name = "NAME")]
    pub telescope: Option<String>,
    /// Station coordinates that replace the files': CSV with a header, `station,x_m,y_m,z_m` (ITRF) or
    /// `station,latitude_deg,longitude_deg,elevation_m`.
    #[arg(long, value_name = "CSV")]
    pub antenna_positions: Option<PathBuf>,
    /// Earth-orientation data, IERS finals2000A [default: the bundled snapshot].
    #[arg(long, value_name = "FILE")]
    pub earth_orientation: Option<PathBuf>,
}

/// How the visibilities in the files are phased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phasing {
    /// What the files say; the DSA-110 writer's extra keywords mean fringe-stopped on the meridian.
    #[default]
    Auto,
    /// Fringe-stopped on the meridian at the files' declination.
    Meridian,
    /// Not phased.
    Unprojected,
}

/// Spectral windows of the set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Windows {
    /// One over the whole band.
    #[default]
    Whole,
    /// One for each subband.
    Subband,
}

/// When WEIGHT_SPECTRUM is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WeightSpectrum {
    /// When weights differ by channel.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never; weights that differ by channel are then lost.
    Never,
}

/// Optional columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Column {
    /// MODEL_DATA, zero.
    Model,
    /// CORRECTED_DATA, zero.
    Corrected,
}

/// Where the phase centres are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CentreArg {
    Mid,
    Meridian,
    File,
    At(Direction),
}

impl std::str::FromStr for CentreArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "mid" => return Ok(Self::Mid),
            "meridian" => return Ok(Self::Meridian),
            "file" => return Ok(Self::File),
            _ => {}
        }
        let wrong = || {
            format!(
                "`{text}` is none of mid, meridian, file or RA,DEC (85.65,49.85 in degrees or 05:42:36.1,+49:51:07)"
            )
        };
        let (ra, dec) = text.split_once(',').ok_or_else(wrong)?;
        sky_model::direction(ra, dec).map(Self::At).map_err(|error| format!("{error}; {}", error.hint))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg demo  # in a new folder contimg-demo
  contimg demo --out /tmp/look --antennas 32")]
pub(crate) struct DemoArgs {
    /// Folder for the subbands and all products.
    #[arg(long, short, default_value = "contimg-demo", value_name = "DIR")]
    pub out: PathBuf,
    /// Number of groups.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub groups: u32,
    /// The last stage to do.
    #[arg(long, value_name = "STAGE")]
    pub until: Option<String>,
    /// Number of antennas.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(2..=96))]
    pub antennas: u32,
    /// Number of integrations of 12.9 s.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub integrations: u32,
    /// Print one JSON document instead of a summary for people.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg clean /data/ms  # what dead runs left there, with sizes
  contimg clean /data/ms --remove  # remove it; nothing else is touched")]
pub(crate) struct CleanArgs {
    /// Directories to look in (not recursively).
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Remove what is listed.
    #[arg(long)]
    pub remove: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// The name of a page: browsers go by its end.
pub(crate) fn page(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().is_some_and(|end| end.eq_ignore_ascii_case("html")) {
        true => Ok(path),
        false => Err(format!("`{text}` does not end in .html: what is drawn is a page for a browser")),
    }
}

/// The name of a page, a drawing or a picture: browsers go by its end.
fn drawing(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().is_some_and(|end| ["html", "svg", "png"].iter().any(|known| end.eq_ignore_ascii_case(known)))
    {
        true => Ok(path),
        false => Err(format!("`{text}` ends neither in .html nor in .svg or .png")),
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg flags 2026-01-25T00:05:19.ms  # tables, dead antennas, verdict
  contimg flags a.ms --by antenna,channel --plot flags.svg
  contimg flags a.ms --estimate 64  # with bounds, from 64 tiles
  contimg flags a.ms --json | jq -r .assessment.bad_channel_selection

Numbers are of FLAG or FLAG_ROW; CASA's flagdata summary counts FLAG alone, which is the line `set by FLAG` and, \
    in JSON, `flag`. Verdicts are about cross-correlations. Exit code 5: less than --error-below is left unflagged, \
    or there is no data; 0 otherwise, with a warning or without.")]
pub(crate) struct FlagsArgs {
    /// The Measurement Set.
    #[arg(value_name = "MS")]
    pub set: PathBuf,
    /// Tables to print.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "antenna,window,correlation", value_name = "WHAT")]
    pub by: Vec<FlagsBy>,
    /// Heat maps of antenna × channel and time × channel: a page, a drawing (SVG), or the cells alone (PNG, a pixel each,
    /// antennas above times).
    #[arg(long, value_name = "FILE.html|svg|png", value_parser = drawing)]
    pub plot: Option<PathBuf>,
    /// Read this many tiles of FLAG, chosen at random, and print the flagged fraction with bounds on its error; nothing else is
    /// counted. For sets on slow disks.
    #[arg(long, value_name = "TILES", conflicts_with_all = ["by", "plot", "through_casacore", "matrices"])]
    pub estimate: Option<std::num::NonZeroUsize>,
    /// With `--estimate`: the probability with which the true fraction is within the bounds.
    #[arg(long, default_value_t = 0.99, requires = "estimate", value_name = "PROBABILITY")]
    pub confidence: f64,
    /// Where counts are remembered between runs [default: the user's cache folder].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Count again and remember nothing.
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
    /// Say whether the counts were remembered or made again, and why.
    #[arg(long)]
    pub explain: bool,
    /// An error with less than this fraction left unflagged.
    #[arg(long, default_value_t = 0.10, value_name = "FRACTION")]
    pub error_below: f64,
    /// A warning with less than this fraction left unflagged.
    #[arg(long, default_value_t = 0.30, value_name = "FRACTION")]
    pub warn_below: f64,
    /// Channels are bad with more than this fraction flagged.
    #[arg(long, default_value_t = 0.50, value_name = "FRACTION")]
    pub bad_channel: f64,
    /// Antennas are dead with more than this fraction flagged.
    #[arg(long, default_value_t = 0.95, value_name = "FRACTION")]
    pub dead_antenna: f64,
    /// The most time bins.
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub time_bins: u16,
    /// Read rows through casacore even where tiles can be read; the numbers are the same.
    #[arg(long)]
    pub through_casacore: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// With `--json`: antenna × channel and time × channel too.
    #[arg(long, requires = "json")]
    pub matrices: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What flags are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub(crate) enum FlagsBy {
    Antenna,
    Baseline,
    Window,
    Channel,
    Correlation,
    Field,
    Scan,
    Time,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg meta 2026-01-25T00:05:19.ms
  contimg meta 2026-01-25T00:05:19.ms --antennas  # every antenna, too
  contimg meta 2026-01-25T00:05:19.ms --explain  # was it read again, and why
  contimg meta a.ms --json | jq '.metadata.subtables.windows[].freq_hz[0]'

The set is opened in a process of its own, with limits: one that crashes casacore ends with a message and exit \
    code 4. Nothing is written to the set.")]
pub(crate) struct MetaArgs {
    /// The set.
    #[arg(value_name = "MS")]
    pub set: PathBuf,
    /// List all antennas with their stations and positions.
    #[arg(long)]
    pub antennas: bool,
    /// Say what was remembered, what was read, and why.
    #[arg(long)]
    pub explain: bool,
    /// Print one JSON document with everything.
    #[arg(long)]
    pub json: bool,
    /// Where metadata are remembered between runs [default: the user's cache folder].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Read everything again and remember nothing.
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Each example can be pasted into a shell as it stands, with its comment, and fits a terminal.
    #[test]
    fn the_examples_of_the_help_are_commands() {
        fn examples(command: &clap::Command, into: &mut Vec<String>) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let list = help.split("Examples:\n").nth(1).unwrap_or_default();
            into.extend(list.lines().take_while(|line| line.starts_with("  ")).map(str::to_owned));
            command.get_subcommands().for_each(|command| examples(command, into));
        }
        let mut all = Vec::new();
        examples(&Cli::command(), &mut all);
        assert!(all.len() > 60, "{}", all.len());
        for example in &all {
            assert!(example.chars().count() <= 80, "{example}");
            let words = shlex::split(example).expect(example);
            let ends = |word: &String| matches!(word.as_str(), "|" | ">" | "&&");
            for command in words.split(ends).filter(|words| words.first().is_some_and(|word| word == "contimg")) {
                Cli::try_parse_from(command).map_err(|error| error.to_string()).expect(example);
            }
            assert_eq!(words.first().map(String::as_str), Some("contimg"), "{example}");
        }
    }

    #[test]
    fn the_commands_of_the_readme_are_commands() {
        let lines = include_str!("../../../README.md").lines();
        let commands: Vec<&str> =
            lines.filter_map(|line| line.strip_prefix("$ ").filter(|line| line.starts_with("contimg"))).collect();
        assert!(commands.len() > 20, "they are found");
        for command in commands {
            let words = shlex::split(command).expect(command);
            Cli::try_parse_from(words).map_err(|error| error.to_string()).expect(command);
        }
    }

    #[test]
    fn directions_in_degrees_and_sexagesimal() {
        let at = |text: &str| match text.parse() {
            Ok(CentreArg::At(d)) => (d.lon_rad.to_degrees(), d.lat_rad.to_degrees()),
            other => panic!("{text}: {other:?}"),
        };
        let close = |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() < 1e-12 && (b - d).abs() < 1e-12;
        assert!(close(at("85.5,49.25"), (85.5, 49.25)));
        assert!(close(at("05:42:36,-00:30:00"), (85.65, -0.5)));
        assert_eq!("mid".parse(), Ok(CentreArg::Mid));
        for bad in ["", "85.5", "370,0", "1,91", "1:60:00,0", "x,y"] {
            assert!(bad.parse::<CentreArg>().is_err(), "{bad}");
        }
    }
}
