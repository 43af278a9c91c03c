//! `contimg tiles`: whether image tiles can go into a mosaic.

mod files;
mod page;

pub(crate) use page::{findings, footprints, picture};

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::json;
use tile_validate::{Facts, FitsCache, Input, Kind, Report, Rules, Severity, Source, Verdict, validate};
use vis_types::Position;

use crate::{
    db,
    failure::{Class, Failure},
    output::{errln, out, outln},
    progress,
};

/// Findings that are printed for people; JSON and the page have all.
const MOST: usize = 60;
/// The exit code when tiles fail rules of several kinds.
const SEVERAL: u8 = 5;
/// Frequency at which a catalogue's spectra are taken for the choice of bright sources, Hz.
const CATALOGUE_HZ: f64 = 1.4e9;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  contimg tiles images/*-image.fits
  contimg tiles /data/night/images --db /data/night --report tiles.html
  contimg tiles images --print-rules > rules.toml  # thresholds, to change
  contimg tiles images --rules rules.toml --json | jq '.findings[]'

Headers and pixels of files that have not changed since the last time are not read again. Exit codes: 0 no tile \
    fails, 1 the database or the rules cannot be read, 2 wrong usage; when tiles fail rules of one kind 11 files, 12 \
    pixels, 13 beam, 14 primary beam, 15 calibration, 16 grid, 17 coverage (order, duplicates, gaps), 18 astrometry; \
    5 rules of several kinds.")]
pub(crate) struct TilesArgs {
    /// FITS tiles; a folder stands for the files in it, and in its folders, that end in -image.fits, but for channels and Stokes
    /// Q, U, V of one that is there.
    #[arg(value_name = "FILE|DIR", required_unless_present = "print_rules")]
    pub tiles: Vec<PathBuf>,
    /// The products database, for calibration and times: a file, or a folder with products.sqlite3.
    #[arg(long, value_name = "DB")]
    pub db: Option<PathBuf>,
    /// Thresholds and severities, TOML.
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Print the rules that would be used, as TOML, and do nothing else.
    #[arg(long)]
    pub print_rules: bool,
    /// Sources for astrometry: a CSV table or source list, as `contimg model` reads them.
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
    /// Write a page with footprints, plots and pictures of failing tiles.
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Where headers and statistics are remembered between runs [default: the user's cache folder].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Read everything again and remember nothing.
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &TilesArgs) -> Result<ExitCode, Failure> {
    let rules = rules(args.rules.as_deref())?;
    if args.print_rules {
        let text = toml::to_string(&rules).map_err(|e| Failure::of(Class::Output, &e))?;
        out!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let files::Chosen { tiles, passed_over } = files::choose(&args.tiles)?;
    let sources = args.catalogue.as_deref().map(catalogue).transpose()?;
    let cache = cache(args.cache.as_deref(), args.no_cache);
    let bar = progress::bar(tiles.len() as u64, "measuring tiles", args.quiet || args.json);
    let report = judge((&tiles, sources.as_deref()), args.db.as_deref(), &rules, &cache, &|n| bar.inc(n as u64));
    bar.finish_and_clear();
    let report = report?;
    if let Some(path) = &args.report {
        page::page(&report, &rules, &cache).write(path).map_err(|e| Failure::of(Class::Output, &e))?;
    }
    if args.json {
        outln!("{:#}", document(&report, &passed_over, &cache));
    } else {
        print_table(&report);
        if let Some(text) = files::words(&passed_over) {
            errln!("{text}");
        }
    }
    if let Some(path) = args.report.as_ref().filter(|_| !args.json) {
        errln!("page: {}", path.display());
    }
    Ok(ExitCode::from(exit_code(&report)))
}

/// Judges tiles, with sources for astrometry if there are any.
pub(crate) fn judge(
    (tiles, sources): (&[PathBuf], Option<&[Source]>),
    database: Option<&Path>,
    rules: &Rules,
    cache: &FitsCache,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Report, Failure> {
    let reader = match database {
        Some(path) => Some(db::reader(&db::database(path)).map_err(|e| db::of_database(&e))?),
        None => None,
    };
    let input = Input { tiles, database: reader.as_ref(), sources };
    validate(&input, rules, cache, progress).map_err(|e| match &e {
        tile_validate::Error::Database(source) => db::of_database(source),
        _ => Failure::of(Class::Usage, &e),
    })
}

/// Headers and statistics, remembered between runs where that goes.
pub(crate) fn cache(chosen: Option<&Path>, no_cache: bool) -> FitsCache {
    if no_cache {
        return FitsCache::default();
    }
    let opened = match crate::cache::folder(chosen) {
        Ok(None) => return FitsCache::default(),
        Ok(Some(folder)) => FitsCache::default().with_folder(folder).map_err(|e| e.to_string()),
        Err(reason) => Err(reason),
    };
    opened.unwrap_or_else(|reason| {
        errln!("headers are not remembered between runs: {reason}");
        FitsCache::default()
    })
}

fn rules(path: Option<&Path>) -> Result<Rules, Failure> {
    let Some(path) = path else { return Ok(Rules::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::io(Class::Input, format!("cannot read the rules in {}", path.display()), &e))?;
    toml::from_str(&text).map_err(|e| {
        let mut failure = Failure::of(Class::Input, &e);
        failure.chain.insert(0, format!("{}: not a file of rules", path.display()));
        failure.hint("`contimg tiles --print-rules` prints one with every rule")
    })
}

fn catalogue(path: &Path) -> Result<Vec<Source>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::io(Class::Input, format!("cannot read the catalogue {}", path.display()), &e))?;
    let list = sky_model::parse(&text, path, &sky_model::Options::default()).map_err(|e| {
        let failure = Failure::of(Class::Input, &e);
        match e.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let source = |component: vis_types::Component| {
        let Position::Sky(direction) = component.position else { return None };
        let flux_jy = component.spectrum.at(CATALOGUE_HZ).map(|stokes| stokes[0])?;
        let ra_deg = direction.lon_rad.to_degrees().rem_euclid(360.0);
        Some(Source { ra_deg, dec_deg: direction.lat_rad.to_degrees(), flux_jy })
    };
    Ok(list.into_components().into_iter().filter_map(source).collect())
}

fn exit_code(report: &Report) -> u8 {
    match report.failed_kinds()[..] {
        [] => 0,
        [kind] => match kind {
            Kind::File => 11,
            Kind::Pixels => 12,
            Kind::Beam => 13,
            Kind::PrimaryBeam => 14,
            Kind::Calibration => 15,
            Kind::Grid => 16,
            Kind::Coverage => 17,
            Kind::Astrometry => 18,
        },
        _ => SEVERAL,
    }
}

fn counts(report: &Report) -> [usize; 3] {
    let mut counts = [0; 3];
    for facts in &report.tiles {
        counts[report.verdict(facts) as usize] += 1;
    }
    counts
}

/// Everything that was found, as JSON.
pub(crate) fn document(report: &Report, passed_over: &[PathBuf], cache: &FitsCache) -> serde_json::Value {
    let [pass, warn, fail] = counts(report);
    let verdicts: Vec<_> = report
        .tiles
        .iter()
        .map(|facts| json!({ "tile": facts.path, "verdict": report.verdict(facts), "facts": facts }))
        .collect();
    let order: Vec<&PathBuf> = report.chronological().into_iter().map(|i| &report.tiles[i].path).collect();
    json!({
        "passes": report.passes(),
        "tiles": verdicts,
        "findings": report.findings,
        "failed_kinds": report.failed_kinds(),
        "counts": { "pass": pass, "warn": warn, "fail": fail },
        "chronological": order,
        "queries": report.queries,
        "passed_over": passed_over,
        "pixels_read": cache.statistics_stats().reads + cache.peaks_stats().reads,
        "headers_read": cache.file_stats().reads,
    })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn print_table(report: &Report) {
    let [pass, warn, fail] = counts(report);
    let width = report.tiles.iter().map(|t| name(&t.path).chars().count()).max().unwrap_or(4).clamp(4, 48);
    outln!(
        "{:<width$}  {:<4} {:>9} {:>9} {:>7} {:>8} {:>13} {:>6}  findings",
        "tile",
        "",
        "RA",
        "Dec",
        "noise",
        "range",
        "beam",
        "PB min"
    );
    outln!("{:<width$}  {:<4} {:>9} {:>9} {:>7} {:>8} {:>13} {:>6}", "", "", "deg", "deg", "mJy", "", "\"", "");
    let mut by_tile: BTreeMap<&Path, Vec<&str>> = BTreeMap::new();
    for finding in &report.findings {
        let rules = by_tile.entry(&finding.tile).or_default();
        if !rules.contains(&finding.rule.name()) {
            rules.push(finding.rule.name());
        }
    }
    let interesting = |facts: &&Facts| report.tiles.len() <= MOST || report.verdict(facts) != Verdict::Pass;
    for facts in report.tiles.iter().filter(interesting).take(MOST) {
        outln!("{}", row(report, facts, width, by_tile.get(facts.path.as_path()).map_or(&[], Vec::as_slice)));
    }
    if report.tiles.len() > MOST {
        outln!(
            "of {} tiles only those that do not pass, at most {MOST}; --json and --report have all",
            report.tiles.len()
        );
    }
    for finding in report.findings.iter().take(MOST) {
        let mark = if finding.severity == Severity::Error { "error" } else { "warning" };
        outln!("{mark}: {}: {}: {}", name(&finding.tile), finding.rule, finding.message);
    }
    if report.findings.len() > MOST {
        outln!("and {} more findings", report.findings.len() - MOST);
    }
    outln!("{pass} pass, {warn} with warnings, {fail} fail");
}

fn row(report: &Report, facts: &Facts, width: usize, rules: &[&str]) -> String {
    let verdict = match report.verdict(facts) {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    };
    let number = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
    let tile = facts.tile.as_deref().ok();
    let centre = tile.and_then(|t| t.grid.as_ref()).map(|g| g.centre_deg);
    let beam = tile.and_then(|t| t.beam).map(|b| format!("{:.1} x {:.1}", b.major_arcsec, b.minor_arcsec));
    let primary = match &facts.primary_beam {
        tile_validate::PrimaryBeam::Read { min, .. } => *min,
        _ => None,
    };
    format!(
        "{:<width$}  {verdict:<4} {:>9} {:>9} {:>7} {:>8} {:>13} {:>6}  {}",
        name(&facts.path),
        number(centre.map(|c| c[0]), 4),
        number(centre.map(|c| c[1]), 4),
        number(tile.and_then(|t| t.noise_jy).map(|n| n * 1e3), 3),
        number(tile.and_then(tile_validate::Tile::dynamic_range), 1),
        beam.unwrap_or_else(|| "-".to_owned()),
        number(primary, 3),
        rules.join(" ")
    )
}
