//! `contimg flag`: flags for a Measurement Set before it is calibrated, and versions of its flags.

mod aoflagger;
mod batch;
mod index;
mod report;
mod stream;
mod versions;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use flagger::{Search, Settings};

pub(crate) use aoflagger::exec;

use crate::{
    budget::available_memory,
    failure::{Class, Failure},
    isolate::{LimitArgs, Limits},
    opening,
    selection::Ranges,
    size::Bytes,
};

/// What flag versions that are saved before a change are called.
const BEFORE_FLAG: &str = "before-flag";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg flag 2026-01-25T00:05:19.ms  # all that suits an uncalibrated set
  contimg flag a.ms --dry-run  # what that would flag
  contimg flag a.ms --preset simple --clip-above 100  # no search
  contimg flag a.ms --preset aoflagger  # AOFlagger's default strategy
  contimg flag a.ms --list  # versions, one before every change
  contimg flag a.ms --restore before-flag-1  # the flags as they were

The standard preset flags zeros, values that are not finite, autocorrelations, interference, outliers and dead \
    antennas. Flags are only added; what was flagged before takes no part in any statistic. FLAG and FLAG_ROW change \
    together or not at all, also when the program is killed or the disk fills, and before they do they are saved as \
    a version. DATA is never written.")]
pub(crate) struct FlagArgs {
    /// The Measurement Set.
    #[arg(value_name = "MS")]
    pub set: PathBuf,
    /// What flags.
    #[arg(long, value_enum, default_value_t)]
    preset: Preset,
    /// Say what would be flagged, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Save the flags as they are under this name first [default: before-flag-1, before-flag-2, …].
    #[arg(long, value_name = "NAME")]
    save_as: Option<String>,
    /// Only these spectral windows, by number or range: `0,3~5`.
    #[arg(long, value_name = "LIST", help_heading = "Selection")]
    window: Option<Ranges>,
    /// Only these fields, by number, range or name: `0,3~5,3C147`.
    #[arg(long, value_name = "LIST", help_heading = "Selection")]
    field: Option<String>,
    /// Only these scans, by number or range: `1,3~5`.
    #[arg(long, value_name = "LIST", help_heading = "Selection")]
    scan: Option<Ranges>,
    /// The column whose values are judged.
    #[arg(long, default_value = "DATA", value_name = "COLUMN", help_heading = "Selection")]
    column: String,
    /// Leave visibilities that are exactly zero.
    #[arg(long, help_heading = "What is flagged")]
    keep_zeros: bool,
    /// Leave autocorrelations.
    #[arg(long, help_heading = "What is flagged")]
    keep_autocorrelations: bool,
    /// Flag amplitudes above this, in the column's unit.
    #[arg(long, value_name = "AMPLITUDE", help_heading = "What is flagged")]
    clip_above: Option<f32>,
    /// Flag amplitudes below this.
    #[arg(long, value_name = "AMPLITUDE", help_heading = "What is flagged")]
    clip_below: Option<f32>,
    /// How far above its surroundings interference stands, in robust standard deviations.
    #[arg(long, default_value_t = 6.0, value_name = "N", help_heading = "What is flagged")]
    sigmas: f32,
    /// Flag so many integrations of the same baseline on both sides of what the searches find.
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "What is flagged")]
    extend_times: usize,
    /// Flag so many channels on both sides of what the searches find.
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "What is flagged")]
    extend_channels: usize,
    /// Flag only the correlations in which something was found.
    #[arg(long, help_heading = "What is flagged")]
    single_correlations: bool,
    /// Flag the rest of a channel or an integration of a baseline of which the searches found more than this; 1: never.
    #[arg(long, default_value_t = 0.75, value_name = "FRACTION", help_heading = "What is flagged")]
    fill: f32,
    /// Flag all of an antenna of which more than this is flagged; 1: never.
    #[arg(long, default_value_t = 0.95, value_name = "FRACTION", help_heading = "What is flagged")]
    dead_antenna: f32,
    /// A strategy file for `--preset aoflagger` instead of its default one.
    #[arg(long, value_name = "FILE.lua")]
    strategy: Option<PathBuf>,
    /// List the flag versions of the set.
    #[arg(long, group = "versions", help_heading = "Versions")]
    list: bool,
    /// Give the flags the values of a version; as they are now they become the version before-restore.
    #[arg(long, value_name = "NAME", group = "versions", help_heading = "Versions")]
    restore: Option<String>,
    /// Save the flags under a name and flag nothing.
    #[arg(long, value_name = "NAME", group = "versions", help_heading = "Versions")]
    save: Option<String>,
    /// Delete a version.
    #[arg(long, value_name = "NAME", group = "versions", help_heading = "Versions")]
    delete: Option<String>,
    /// Wait so long for another program that has the set locked.
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS")]
    wait: f64,
    /// Memory for visibilities.
    #[arg(long, default_value = "128MiB", value_name = "SIZE")]
    memory: Bytes,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// Everything that suits a set before its calibration.
    #[default]
    Standard,
    /// Only what each visibility tells by itself: zeros, not finite, autocorrelations, clips; and dead antennas.
    Simple,
    /// The program `aoflagger`, which must be installed, beside the simple flags.
    Aoflagger,
}

impl FlagArgs {
    /// The limits of the process. AOFlagger, which has the same ones, keeps as many baselines in memory as it finds room for.
    pub(crate) fn limits(&self) -> Limits {
        let least = 2 << 30;
        let memory = if self.preset == Preset::Aoflagger { available_memory().max(least) } else { least };
        self.limits.or(Bytes(memory), 6 * 3600)
    }
}

pub(crate) fn run(args: &FlagArgs) -> Result<ExitCode, Failure> {
    let settings = settings(args)?;
    opening::require(&args.set)?;
    if let Some(done) = versions::run(args)? {
        return Ok(done);
    }
    let outcome = stream::flag(args, &settings)?;
    report::print(args, &outcome)?;
    Ok(ExitCode::SUCCESS)
}

fn settings(args: &FlagArgs) -> Result<Settings, Failure> {
    let defaults = Settings::default();
    let searches = args.preset == Preset::Standard;
    let search =
        |default: Option<Search>| default.filter(|_| searches).map(|search| Search { sigmas: args.sigmas, ..search });
    let settings = Settings {
        zeros: !args.keep_zeros,
        autocorrelations: !args.keep_autocorrelations,
        clip_above: args.clip_above,
        clip_below: args.clip_below,
        array: search(defaults.array),
        baseline: search(defaults.baseline),
        all_correlations: !args.single_correlations,
        extend_times: args.extend_times,
        extend_channels: args.extend_channels,
        fill: args.fill,
        dead_antenna: args.dead_antenna,
        ..defaults
    };
    settings.check().map_err(|error| Failure::of(Class::Usage, &error))?;
    if args.strategy.is_some() && args.preset != Preset::Aoflagger {
        return Err(Failure::new(Class::Usage, "--strategy is for --preset aoflagger"));
    }
    if !(args.wait >= 0.0 && args.wait.is_finite()) {
        return Err(Failure::new(Class::Usage, format!("--wait is {}, not a number of seconds", args.wait)));
    }
    Ok(settings)
}
