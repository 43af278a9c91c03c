//! `contimg meta`: what a Measurement Set says about itself.

use std::{fmt::Write, process::ExitCode};

use ms_meta_cache::{Explained, MsMetaCache, MsMetadata, MsSet, StoreOptions};
use serde_json::json;
use vis_types::{FieldDirection, MjdSeconds, MsAntenna, MsColumn};

use crate::{
    args::MetaArgs,
    cache,
    failure::{Class, Failure},
    opening,
    output::{errln, out, outln},
};

/// Lines of one list that are printed for people; JSON has all.
const MOST: usize = 40;

pub(crate) fn run(args: &MetaArgs) -> Result<ExitCode, Failure> {
    opening::heal(&args.set)?;
    let cache = open_cache(args);
    let set = MsSet::new(&args.set).map_err(|e| of_meta(&e))?;
    let all = cache.metadata(&set).map_err(|e| of_meta(&e))?;
    let reasons = reasons(&cache.explain(&set));
    if args.json {
        let mut document = json!({ "path": set.path(), "metadata": &*all });
        if args.explain {
            document["cache"] =
                reasons.into_iter().map(|(part, why)| (part.to_owned(), serde_json::Value::from(why))).collect();
        }
        outln!("{document:#}");
    } else {
        outln!("{}", set.path().display());
        out!("{}", text(&all));
        if args.explain {
            outln!("\nCache");
            for (part, why) in reasons {
                outln!("  {part:<10} {why}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open_cache(args: &MetaArgs) -> MsMetaCache {
    if args.no_cache {
        return MsMetaCache::default();
    }
    let opened = match cache::folder(args.cache.as_deref()) {
        Ok(None) => return MsMetaCache::default(),
        Ok(Some(folder)) => {
            MsMetaCache::default().with_store(folder, &StoreOptions::default()).map_err(|e| e.to_string())
        }
        Err(reason) => Err(reason),
    };
    opened.unwrap_or_else(|reason| {
        errln!("metadata are not remembered between runs: {reason}");
        MsMetaCache::default()
    })
}

pub(crate) fn of_meta(error: &ms_meta_cache::Error) -> Failure {
    let mut failure = Failure::of(Class::Input, error);
    failure.hint = error.hint().map(ToOwned::to_owned);
    failure
}

fn reasons(explained: &Explained) -> Vec<(&'static str, String)> {
    let rows = explained.rows.as_ref().map(ToString::to_string);
    vec![
        ("subtables", explained.subtables.to_string()),
        ("layout", explained.layout.to_string()),
        ("rows", rows.unwrap_or_else(|| "read, and not kept: a file had changed moments before".to_owned())),
    ]
}

/// The summary for people.
fn text(all: &MsMetadata) -> String {
    let mut t = String::new();
    // Writing to a string does not fail.
    let _ = observation(&mut t, all)
        .and_then(|()| windows(&mut t, all))
        .and_then(|()| fields(&mut t, all))
        .and_then(|()| antennas(&mut t, &all.subtables.antennas))
        .and_then(|()| columns(&mut t, all));
    t
}

fn observation(t: &mut String, all: &MsMetadata) -> std::fmt::Result {
    let or_none = |text: &str| if text.trim().is_empty() { "-".to_owned() } else { text.to_owned() };
    for o in &all.subtables.observations {
        writeln!(
            t,
            "Telescope    {}, observer {}, project {}",
            or_none(&o.telescope),
            or_none(&o.observer),
            or_none(&o.project)
        )?;
    }
    let rows = &all.rows;
    if let Some([first, last]) = rows.time_range() {
        writeln!(t, "Time (UTC)   {} to {}", iso(first), iso(last))?;
        let scans = rows.scans().len();
        let interval = rows.interval_s().map_or(String::new(), |[a, b]| match a == b {
            true => format!("{a:.3} s"),
            false => format!("{a:.3} to {b:.3} s"),
        });
        writeln!(t, "             {} of {interval}, {}", count(rows.times.len(), "time"), count(scans, "scan"))?;
    }
    writeln!(t, "Rows         {}", rows.rows)
}

fn windows(t: &mut String, all: &MsMetadata) -> std::fmt::Result {
    let tables = &all.subtables;
    writeln!(t, "\n{}", count(tables.windows.len(), "spectral window"))?;
    writeln!(
        t,
        "  {:>3} {:>8} {:>12} {:>12} {:>10} {:<8} {:<14} name",
        "id", "channels", "from MHz", "to MHz", "width kHz", "frame", "correlations"
    )?;
    for (id, w) in tables.windows.iter().enumerate().take(MOST) {
        let (low, high) = w.edges_hz().unwrap_or_default();
        // The set may give one window several polarisation setups.
        let setups = tables
            .data_descriptions
            .iter()
            .filter(|d| d.window == id)
            .filter_map(|d| tables.polarizations.get(d.polarization));
        let names = setups.map(|p| match p.correlations() {
            Some(list) => list.iter().map(|c| c.name()).collect::<Vec<_>>().join(" "),
            None => format!("codes {:?}", p.codes),
        });
        writeln!(
            t,
            "  {id:>3} {:>8} {:>12.6} {:>12.6} {:>10.3} {:<8} {:<14} {}",
            w.len(),
            low / 1e6,
            high / 1e6,
            w.width_hz.first().copied().unwrap_or_default() / 1e3,
            w.frame.as_deref().unwrap_or("?"),
            names.collect::<Vec<_>>().join(", "),
            w.name
        )?;
    }
    more(t, tables.windows.len())
}

fn fields(t: &mut String, all: &MsMetadata) -> std::fmt::Result {
    let tables = &all.subtables;
    writeln!(t, "\n{}", count(tables.fields.len(), "field"))?;
    writeln!(t, "  {:>3} {:>14} {:>14} {:<8} {:>9}  name", "id", "longitude", "latitude", "frame", "rows")?;
    for (id, field) in tables.fields.iter().enumerate().take(MOST) {
        let rows: u64 = all.rows.groups.iter().filter(|g| usize::try_from(g.field) == Ok(id)).map(|g| g.rows).sum();
        let (lon, lat) = sexagesimal(&field.phase);
        let frame = field.phase.frame.as_deref().unwrap_or("?");
        let moving = if field.phase.terms.len() > 1 || field.ephemeris_id.is_some() { " (moving)" } else { "" };
        writeln!(t, "  {id:>3} {lon:>14} {lat:>14} {frame:<8} {rows:>9}  {}{moving}", field.name)?;
    }
    more(t, tables.fields.len())
}

fn antennas(t: &mut String, antennas: &[MsAntenna]) -> std::fmt::Result {
    // Rows without an antenna have their position in the middle of the Earth.
    let placed: Vec<&MsAntenna> = antennas.iter().filter(|a| a.position_m != [0.0; 3]).collect();
    write!(t, "\n{}", count(antennas.len(), "antenna"))?;
    let [first, .., last] = placed.as_slice() else { return writeln!(t) };
    let distance = |a: &MsAntenna, b: &MsAntenna| {
        a.position_m.iter().zip(b.position_m).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let pairs = placed.iter().enumerate().flat_map(|(i, a)| placed[i + 1..].iter().map(move |b| distance(a, b)));
    let longest = pairs.fold(0.0, f64::max);
    let diameters = placed.iter().map(|a| a.diameter_m);
    let (least, most) = (diameters.clone().fold(f64::INFINITY, f64::min), diameters.fold(0.0, f64::max));
    let dishes = if least == most { format!("{most} m") } else { format!("{least} to {most} m") };
    write!(t, " of {dishes}, {} to {}, longest baseline {longest:.1} m", first.name, last.name)?;
    match antennas.len() - placed.len() {
        0 => writeln!(t),
        n => writeln!(t, "; {n} without a position"),
    }
}

fn columns(t: &mut String, all: &MsMetadata) -> std::fmt::Result {
    let layout = &all.layout;
    writeln!(t, "\n{} in {}", count(layout.columns.len(), "column"), count(layout.managers.len(), "storage manager"))?;
    for manager in &layout.managers {
        let tiles: Vec<String> = manager
            .tiles
            .iter()
            .filter(|(shape, _)| !shape.contains(&0))
            .map(|(shape, tile)| format!("{shape:?} in tiles of {tile:?}"))
            .collect();
        let names = manager.columns.iter().map(|name| match layout.column(name) {
            Some(column) => format!("{name} ({})", kind(column)),
            None => name.clone(),
        });
        let tiles = if tiles.is_empty() { String::new() } else { format!("  {}", tiles.join(", ")) };
        writeln!(t, "  {:<17} {}{tiles}", manager.kind, names.collect::<Vec<_>>().join(", "))?;
    }
    let known: Vec<&str> = layout.subtables.iter().map(|(name, _)| name.as_str()).collect();
    writeln!(t, "{}: {}", count(known.len(), "subtable"), known.join(" "))
}

fn kind(column: &MsColumn) -> String {
    match &column.shape {
        Some(shape) if shape.is_empty() => column.kind.clone(),
        Some(shape) => format!("{}{shape:?}", column.kind),
        None => format!("{}[..]", column.kind),
    }
}

fn more(t: &mut String, total: usize) -> std::fmt::Result {
    if total > MOST { writeln!(t, "  and {} more; --json lists all", total - MOST) } else { Ok(()) }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `2026-01-25T00:05:19.250`, UTC.
fn iso(time: MjdSeconds) -> String {
    // The Unix epoch is MJD 40587.
    let milliseconds = ((time.0 - 40_587.0 * 86_400.0) * 1e3).round();
    jiff::Timestamp::from_millisecond(milliseconds as i64)
        .map_or_else(|_| format!("MJD {} s", time.0), |t| t.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string())
}

/// Longitude in hours for equatorial frames, in degrees for the others; latitude in degrees.
fn sexagesimal(direction: &FieldDirection) -> (String, String) {
    let [lon, lat] = direction.at(0.0);
    let equatorial = !matches!(direction.frame.as_deref(), Some(f) if f.starts_with("AZEL") || f.starts_with("GAL") || f.starts_with("ECL"));
    let turn = lon.to_degrees().rem_euclid(360.0);
    let lon = if equatorial { split("", turn / 15.0, 100.0, 24) } else { split("", turn, 10.0, 360) };
    (lon, split(if lat < 0.0 { "-" } else { "+" }, lat.abs().to_degrees(), 10.0, u64::MAX))
}

/// Units, minutes and seconds, the latter in `parts` (10 or 100), rounded as a whole so that no 60 appears.
fn split(sign: &str, value: f64, parts: f64, turn: u64) -> String {
    if !value.is_finite() {
        return "?".to_owned();
    }
    let total = (value * 3600.0 * parts).round() as u64;
    let digits = if parts > 10.0 { 2 } else { 1 };
    let (seconds, minutes) = (total % (60 * parts as u64), total / (60 * parts as u64));
    let width = digits + 3;
    format!("{sign}{:02}:{:02}:{:0width$.digits$}", (minutes / 60) % turn, minutes % 60, seconds as f64 / parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_rounded_as_a_whole() {
        let show = |lon: f64, lat: f64, frame: &str| {
            sexagesimal(&FieldDirection {
                terms: vec![[lon.to_radians(), lat.to_radians()]],
                frame: Some(frame.to_owned()),
            })
        };
        assert_eq!(show(85.65, -0.5, "J2000"), ("05:42:36.00".to_owned(), "-00:30:00.0".to_owned()));
        assert_eq!(show(359.999_999_99, 54.999_999_9, "ICRS"), ("00:00:00.00".to_owned(), "+55:00:00.0".to_owned()));
        assert_eq!(show(-10.5, 1.0, "GALACTIC"), ("349:30:00.0".to_owned(), "+01:00:00.0".to_owned()));
    }

    #[test]
    fn times_in_iso() {
        // MJD 51544.5 is 2000-01-01T12:00.
        assert_eq!(iso(MjdSeconds(51_544.5 * 86_400.0 + 0.25)), "2000-01-01T12:00:00.250");
    }
}
