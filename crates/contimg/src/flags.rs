//! `contimg flags`: how much of a Measurement Set is flagged, and where.

use std::path::Path;
use std::process::ExitCode;

use flag_stats::stamped_cache::{Options, Store, StoreOptions};
use flag_stats::{
    Assessment, Bounded, Count, CountOptions, EstimateOptions, FlagCache, FlagStats, Tally, Thresholds, Verdict, Way,
};
use report::{Axis, HeatMap, Page};
use serde_json::{Value, json};

use crate::{
    args::{FlagsArgs, FlagsBy},
    cache,
    failure::{Class, Failure},
    opening,
    output::{errln, outln},
};

/// The exit code where too little is left unflagged, as `contimg flags --help` says.
const TOO_FEW: u8 = 5;

pub(crate) fn run(args: &FlagsArgs) -> Result<ExitCode, Failure> {
    let thresholds = thresholds(args)?;
    opening::heal(&args.set)?;
    let options =
        CountOptions { time_bins: args.time_bins.into(), by_tiles: !args.through_casacore, ..CountOptions::default() };
    if let Some(tiles) = args.estimate {
        return estimate(args, tiles.get());
    }
    let cache = open_cache(args.cache.as_deref(), args.no_cache, options);
    let stats = cache.stats(&args.set).map_err(|error| of_flags(&error))?;
    let why =
        if args.explain { Some(cache.explain(&args.set).map_err(|error| of_flags(&error))?.to_string()) } else { None };
    let assessment = stats.assess(&thresholds);
    if let Some(path) = &args.plot {
        plot(&stats, &args.set, path).map_err(|error| Failure::of(Class::Output, &error))?;
    }
    match args.json {
        true => {
            let mut document = document(&stats, &assessment, args.matrices)?;
            if let Some(why) = why {
                document["cache"] = why.into();
            }
            outln!("{document:#}");
        }
        false => {
            print(&stats, &assessment, args);
            if let Some(why) = why {
                outln!("\nCache\n  counts     {why}");
            }
        }
    }
    Ok(if assessment.verdict.is_error() { ExitCode::from(TOO_FEW) } else { ExitCode::SUCCESS })
}

fn of_flags(error: &flag_stats::Error) -> Failure {
    let failure = Failure::of(Class::Input, error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The counts of earlier runs, where they may be used.
/// Counts, remembered between runs where that goes.
pub(crate) fn open_cache(chosen: Option<&Path>, no_cache: bool, options: CountOptions) -> FlagCache {
    let cache = FlagCache::new(options, Options::default());
    if no_cache {
        return cache;
    }
    let opened = match cache::folder(chosen) {
        Ok(None) => return cache,
        Ok(Some(folder)) => Store::open(folder, "flag-stats", FlagCache::STORE_VERSION, StoreOptions::default())
            .map_err(|e| e.to_string()),
        Err(reason) => Err(reason),
    };
    match opened {
        Ok(store) => cache.with_store(store),
        Err(reason) => {
            errln!("counts are not remembered between runs: {reason}");
            cache
        }
    }
}

/// A fraction with bounds, from tiles chosen at random.
fn estimate(args: &FlagsArgs, tiles: usize) -> Result<ExitCode, Failure> {
    let options = EstimateOptions { tiles, confidence: args.confidence, seed: None };
    let found = flag_stats::estimate(&args.set, &options).map_err(|error| match error {
        flag_stats::Error::Confidence { .. } => Failure::of(Class::Usage, &error),
        error => of_flags(&error),
    })?;
    if args.json {
        let value = serde_json::to_value(found).map_err(|error| Failure::of(Class::Output, &error))?;
        outln!("{:#}", json!({ "estimate": value }));
        return Ok(ExitCode::SUCCESS);
    }
    let line = |of: Bounded| {
        format!("{:.2} %, between {:.2} % and {:.2} %", 100.0 * of.fraction, 100.0 * of.low, 100.0 * of.high)
    };
    outln!("{}", args.set.display());
    outln!("  read                 {} of {} tiles of FLAG, chosen at random", found.tiles_read, found.tiles);
    outln!("  set by FLAG          {}", line(found.flag));
    outln!("  by FLAG or FLAG_ROW  {}", line(found.flag_or_row));
    outln!("  confidence           {} %, for each line, whatever the flags are", 100.0 * found.confidence);
    Ok(ExitCode::SUCCESS)
}

fn thresholds(args: &FlagsArgs) -> Result<Thresholds, Failure> {
    let given = [
        ("--error-below", args.error_below),
        ("--warn-below", args.warn_below),
        ("--bad-channel", args.bad_channel),
        ("--dead-antenna", args.dead_antenna),
    ];
    if let Some((name, value)) = given.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
        return Err(Failure::new(Class::Usage, format!("{name} is {value}, not a fraction from 0 to 1")));
    }
    let [too_few, few, bad_channel, dead_antenna] = given.map(|(_, value)| value);
    Ok(Thresholds { too_few, few, bad_channel, dead_antenna })
}

/// Everything that was counted, without the matrices unless they are wanted.
fn document(stats: &FlagStats, assessment: &Assessment, matrices: bool) -> Result<Value, Failure> {
    let of = |error: serde_json::Error| Failure::of(Class::Output, &error);
    let mut counts = serde_json::to_value(stats).map_err(of)?;
    if let (false, Some(map)) = (matrices, counts.as_object_mut()) {
        for name in ["columns", "antenna_channel", "time_channel"] {
            map.remove(name);
        }
    }
    Ok(json!({ "assessment": serde_json::to_value(assessment).map_err(of)?, "counts": counts }))
}

fn print(stats: &FlagStats, assessment: &Assessment, args: &FlagsArgs) {
    let all = stats.total.all();
    outln!("{}", args.set.display());
    outln!(
        "  rows                 {} ({} with FLAG_ROW, {} without flags)",
        stats.rows,
        stats.flagged_rows,
        stats.undefined_rows
    );
    outln!("  flags                {}", all.total);
    outln!("  set by FLAG          {} ({})", all.flag, percent(all.flag, all.total));
    outln!("  by FLAG or FLAG_ROW  {} ({})", all.flag_or_row, percent(all.flag_or_row, all.total));
    outln!("  cross-correlations   {}", percent(stats.total.cross.flag_or_row, stats.total.cross.total));
    outln!("  autocorrelations     {}", percent(stats.total.auto.flag_or_row, stats.total.auto.total));
    if let Some(effective) = assessment.effective_flagged.filter(|_| !assessment.dead_antennas.is_empty()) {
        outln!(
            "  without {} dead antenna{}  {:.2} %: {}",
            assessment.dead_antennas.len(),
            if assessment.dead_antennas.len() == 1 { "" } else { "s" },
            100.0 * effective,
            list(assessment.dead_antennas.iter())
        );
    }
    if !assessment.bad_channels.is_empty() {
        let limit = 100.0 * assessment.thresholds.bad_channel;
        outln!("  channels over {limit} %   spw='{}'", assessment.bad_channel_selection);
    }
    let left = assessment.unflagged.map_or_else(|| "nothing".into(), |left| format!("{:.2} %", 100.0 * left));
    outln!(
        "  verdict              {}",
        match assessment.verdict {
            Verdict::Enough => format!("enough is left: {left}"),
            Verdict::Few => format!("warning: only {left} is left"),
            Verdict::TooFew => format!("error: only {left} is left"),
            Verdict::Nothing => "error: there is no data".into(),
        }
    );
    if let Way::Rows { because } = &stats.way {
        outln!("  read row by row      {because}");
    }
    for by in &args.by {
        table(stats, *by);
    }
}

fn table(stats: &FlagStats, by: FlagsBy) {
    let name = |number: i32, name: &Option<String>| match name {
        Some(name) if !name.is_empty() => format!("{number} {name}"),
        _ => number.to_string(),
    };
    let lines: Vec<(String, Tally)> = match by {
        FlagsBy::Antenna => stats.antennas.iter().map(|a| (name(a.antenna, &a.name), a.flags)).collect(),
        FlagsBy::Baseline => stats
            .baselines
            .iter()
            .map(|b| {
                let flags = match b.antenna1 == b.antenna2 {
                    true => Tally { auto: b.flags, ..Tally::default() },
                    false => Tally { cross: b.flags, ..Tally::default() },
                };
                (format!("{}&{}", b.antenna1, b.antenna2), flags)
            })
            .collect(),
        FlagsBy::Window => stats.windows.iter().map(|w| (w.window.to_string(), w.flags)).collect(),
        FlagsBy::Channel => stats
            .windows
            .iter()
            .flat_map(|w| w.channels.iter().enumerate().map(|(i, &flags)| (format!("{}:{i}", w.window), flags)))
            .collect(),
        FlagsBy::Correlation => stats.correlations.iter().map(|c| (c.name.clone(), c.flags)).collect(),
        FlagsBy::Field => stats.fields.iter().map(|f| (name(f.field, &f.name), f.flags)).collect(),
        FlagsBy::Scan => stats.scans.iter().map(|s| (s.scan.to_string(), s.flags)).collect(),
        FlagsBy::Time => stats.times.iter().map(|t| (format!("{:.3}", t.first_s), t.flags)).collect(),
    };
    let title = format!("{by:?}").to_lowercase();
    let width = lines.iter().map(|(name, _)| name.chars().count()).chain([title.len()]).max().unwrap_or(0);
    outln!();
    outln!("{title:width$}  {:>14}  {:>14}  {:>8}  {:>8}", "flags", "flagged", "cross", "auto");
    for (name, flags) in lines {
        let all = flags.all();
        outln!(
            "{name:width$}  {:>14}  {:>14}  {:>8}  {:>8}",
            all.total,
            all.flag_or_row,
            percent(flags.cross.flag_or_row, flags.cross.total),
            percent(flags.auto.flag_or_row, flags.auto.total)
        );
    }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".into() } else { format!("{:.2} %", 100.0 * part as f64 / whole as f64) }
}

fn list<T: ToString>(values: impl Iterator<Item = T>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
}

/// Antenna × channel and time × channel: a page, an SVG, or a PNG with one below the other.
fn plot(stats: &FlagStats, set: &Path, path: &Path) -> Result<(), report::Error> {
    let minutes = match (stats.times.first(), stats.times.last()) {
        (Some(first), Some(last)) => (last.last_s - first.first_s) / 60.0,
        _ => 0.0,
    };
    let title = format!("{}: flagged cross-correlations", set.file_name().unwrap_or_default().to_string_lossy());
    let antenna = Axis::new("antenna, in order", "");
    // A set of one integration has no length.
    let time = Axis::new("time since the first", "min").range(0.0, if minutes > 0.0 { minutes } else { 1.0 });
    let (mut maps, mut all, mut width) = (Vec::new(), Vec::<Vec<f32>>::new(), 0);
    for (name, axis, matrix) in [("antenna", antenna, &stats.antenna_channel), ("time", time, &stats.time_channel)] {
        let percent = |count: &Count| count.flagged().map_or(f32::NAN, |flagged| 100.0 * flagged as f32);
        let lines: Vec<Vec<f32>> = matrix.lines().map(|line| line.iter().map(percent).collect()).collect();
        let channels = lines.iter().map(Vec::len).max().unwrap_or(0);
        if channels == 0 {
            continue;
        }
        let axes = (
            Axis::new("channel, counted through all windows", "").range(0.0, channels as f64),
            axis,
            Axis::new("flagged", "%").range(0.0, 100.0),
        );
        let cells = lines.concat();
        maps.push(HeatMap::new(format!("flagged by {name} and channel"), axes, channels, lines.len(), &cells)?);
        width = channels;
        // From the bottom up, with a line between.
        all.splice(0..0, lines.into_iter().chain(std::iter::once(vec![f32::NAN; channels])));
    }
    let end = path.extension().map(|end| end.to_ascii_lowercase()).unwrap_or_default();
    if end == "svg" {
        return HeatMap::write_svg(&maps, path);
    }
    if end == "png" {
        let axes = (Axis::new("channel", ""), Axis::new("", ""), Axis::new("flagged", "%").range(0.0, 100.0));
        return HeatMap::new(title, axes, width, all.len(), &all.concat())?.write_png(path);
    }
    let mut page = Page::new(title);
    for map in &maps {
        page.heat_map(map);
    }
    page.write(path)
}
