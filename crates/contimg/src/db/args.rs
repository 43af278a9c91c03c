//! The command line of `contimg db`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use products_db::Cone;

use crate::{
    isolate::{LimitArgs, Limits},
    notation::mjd,
    size::Bytes,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg db init /data/night  # /data/night/products.sqlite3
  contimg db import /data/night /data/incoming /data/night
  contimg db query /data/night images --near 05:42:36,+37:00:00,1.5
  contimg db query /data/night sets --from 2026-01-25 --to 2026-01-25T12:00
  contimg db query /data/night tables --at 2026-01-25T00:08
  contimg db migrate /data/old/products.sqlite3 --also /data/old/hdf5.sqlite3
  contimg db check /data/night && contimg db backup /data/night /safe/n.sqlite3

DB is a database file, or a folder for the file products.sqlite3 in it; a new name without an ending is a \
    folder's. Exit codes: 0 done, 1 the database or some of the files cannot be read, 3 it cannot be written, 5 `check`: \
    files that it names are not there.")]
pub(crate) struct DbArgs {
    #[command(subcommand)]
    pub command: DbCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Make a new, empty database.
    Init(InitArgs),
    /// Upgrade a database of the original pipeline, without losing a row.
    Migrate(MigrateArgs),
    /// Index subbands, Measurement Sets, calibration tables and FITS images in bulk.
    Import(ImportArgs),
    /// Look things up.
    Query(QueryArgs),
    /// Check that the database is whole and that the files it names are there.
    Check(CheckArgs),
    /// Copy the database, whatever is written meanwhile.
    Backup(BackupArgs),
}

impl DbArgs {
    /// Importing opens tables.
    pub(crate) fn limits(&self) -> Option<Limits> {
        match &self.command {
            DbCommand::Import(args) => Some(args.limits.or(Bytes(2 << 30), 7200)),
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg db init /data/night  # /data/night/products.sqlite3")]
pub(crate) struct InitArgs {
    /// The database.
    #[arg(value_name = "DB")]
    pub database: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg db migrate /data/old/products.sqlite3 --also /data/old/hdf5.sqlite3
  contimg db migrate /data/old/products.sqlite3 --into /data/new.sqlite3")]
pub(crate) struct MigrateArgs {
    /// The database; a copy of it as it was stays beside it.
    #[arg(value_name = "DB")]
    pub database: PathBuf,
    /// Make this new database instead, and leave the old one as it is.
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// A further database of the original's (hdf5, cal_registry, ingest), whose tables are taken in.
    #[arg(long, value_name = "FILE")]
    pub also: Vec<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg db import /data/night /data/incoming /data/night
  contimg db import /data/night images/*-image.fits --noise
  contimg db import /data/night cal --valid-hours 24  # CASA's tables, too
  contimg db import /data/night cal/k.B0 cal/late.G1 --set 3c147

Calibration tables of one folder whose names differ only in their endings (a_bpcal and a_gpcal, a.B0 and a.G0) are \
    one set; `contimg apply --db` and `contimg db query DB tables --at` take the set that is valid at a time. Where \
    names leave open what is applied together, tables are entered as `unassigned` and said so; --set decides.")]
pub(crate) struct ImportArgs {
    /// The database; made when absent.
    #[arg(value_name = "DB")]
    pub database: PathBuf,
    /// Folders (searched recursively), subband files, sets, calibration tables and FITS images.
    #[arg(required = true, value_name = "DIR|FILE|MS")]
    pub input: Vec<PathBuf>,
    /// Calibration tables are valid for this long before and after the solutions of their set.
    #[arg(long, default_value_t = 12.0, value_name = "HOURS", value_parser = crate::calibrate::args::positive)]
    pub valid_hours: f64,
    /// The calibration tables that are found are one set of this name, whatever they are called or known as.
    #[arg(long, value_name = "NAME")]
    pub set: Option<String>,
    /// Read the images' pixels, too, for their noise.
    #[arg(long)]
    pub noise: bool,
    /// How many subbands a complete group has.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=255))]
    pub subbands: u8,
    /// Where headers are remembered between runs [default: the user's cache folder].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Read every header again and remember nothing.
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub(crate) enum What {
    /// UVH5 subband files.
    Subbands,
    /// Groups of these.
    Groups,
    /// Measurement Sets.
    Sets,
    /// Calibration tables.
    Tables,
    /// Images, or tiles.
    Images,
    /// Mosaics.
    Mosaics,
    /// Sources of sky catalogues.
    Sources,
    /// What checks found.
    Quality,
    /// Jobs of a run.
    Jobs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg db query /data/night images --near 05:42:36,+37:00:00,1.5
  contimg db query /data/night sets --from 2026-01-25 --to 2026-01-25T12:00
  contimg db query /data/night tables --at 2026-01-25T00:08  # which to apply
  contimg db query /data/night sets ms/a.ms --json | jq '.rows[].stage'")]
pub(crate) struct QueryArgs {
    /// The database.
    #[arg(value_name = "DB")]
    pub database: PathBuf,
    /// What is looked for.
    #[arg(value_enum, value_name = "WHAT")]
    pub what: What,
    /// Their paths (names of groups); all when absent. The answer has their order, and shows what is missing.
    #[arg(value_name = "PATH", conflicts_with_all = ["near", "from", "to", "at"])]
    pub keys: Vec<PathBuf>,
    /// Within a radius (degrees) of an ICRS direction (degrees, or 05:42:36.1,+49:51:07), the nearest first.
    #[arg(long, value_name = "RA,DEC,RADIUS", allow_hyphen_values = true, value_parser = cone, conflicts_with_all = ["from", "to", "at"])]
    pub near: Option<Cone>,
    /// From this time on: UTC like 2026-01-25T00:05:19, or a modified Julian date.
    #[arg(long, value_name = "TIME", value_parser = mjd)]
    pub from: Option<f64>,
    /// Up to this time.
    #[arg(long, value_name = "TIME", value_parser = mjd)]
    pub to: Option<f64>,
    /// Calibration tables to apply at this time.
    #[arg(long, value_name = "TIME", value_parser = mjd, conflicts_with_all = ["from", "to"])]
    pub at: Option<f64>,
    /// Sources of at least this flux density, Jy.
    #[arg(long, value_name = "JY")]
    pub min_flux: Option<f64>,
    /// Sources of this catalogue.
    #[arg(long, value_name = "NAME")]
    pub catalogue: Option<String>,
    /// At most so many rows.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: usize,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `RA,DEC,RADIUS`.
fn cone(text: &str) -> Result<Cone, String> {
    const FORM: &str = "write RA,DEC,RADIUS: 85.65,37.0,1.5 in degrees, or 05:42:36,+37:00:00,1.5";
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let [ra, dec, radius] = parts[..] else { return Err(FORM.into()) };
    // Degrees beyond a turn mean what they say: a search may go on past 360.
    let wrapped = ra.parse::<f64>().ok().filter(|deg| deg.is_finite()).map(|deg| deg.rem_euclid(360.0).to_string());
    let direction =
        sky_model::direction(wrapped.as_deref().unwrap_or(ra), dec).map_err(|e| format!("{e}; {}", e.hint))?;
    let (ra_deg, dec_deg) = (direction.lon_rad.to_degrees(), direction.lat_rad.to_degrees());
    match radius.parse::<f64>() {
        Ok(radius_deg) if radius_deg >= 0.0 && radius_deg.is_finite() => Ok(Cone { ra_deg, dec_deg, radius_deg }),
        _ => Err(format!("`{radius}` is no radius in degrees; {FORM}")),
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg db check /data/night --json")]
pub(crate) struct CheckArgs {
    /// The database.
    #[arg(value_name = "DB")]
    pub database: PathBuf,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg db backup /data/night /safe/night-2026-01-25.sqlite3")]
pub(crate) struct BackupArgs {
    /// The database.
    #[arg(value_name = "DB")]
    pub database: PathBuf,
    /// The copy; must not exist.
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}
