//! `contimg meta`: what a Measurement Set says about itself.

use std::{fmt::Write, process::ExitCode};

use ms_meta_cache::{Explained, MsMetaCache, MsMetadata, MsSet, StoreOptions};
use serde_json::json;
use vis_types::{FieldDirection, MjdSeconds, MsAntenna, MsColumn, RowGroup, SPEED_OF_LIGHT_M_PER_S};

use crate::{
    args::MetaArgs,
    cache,
    failure::{Class, Failure},
    notation::{count, degrees, hours, latitude, utc},
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
        out!("{}", text(&all, args.antennas));
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
fn text(all: &MsMetadata, each_antenna: bool) -> String {
    let mut t = String::new();
    // Writing to a string does not fail.
    let _ = observation(&mut t, all)
        .and_then(|()| scans(&mut t, all))
        .and_then(|()| fields(&mut t, all))
        .and_then(|()| windows(&mut t, all))
        .and_then(|()| antennas(&mut t, all, each_antenna))
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
        writeln!(t, "Time (UTC)   {} to {}", utc(first), utc(last))?;
        let scans = rows.scans().len();
        let interval = rows.interval_s().map_or(String::new(), |[a, b]| match a == b {
            true => format!("{a:.3} s"),
            false => format!("{a:.3} to {b:.3} s"),
        });
        writeln!(t, "             {} of {interval}, {}", count(rows.times.len(), "time"), count(scans, "scan"))?;
    }
    writeln!(t, "Rows         {}", rows.rows)
}

/// What rows of one scan and field have in common.
struct Scan {
    first: RowGroup,
    windows: Vec<usize>,
    rows: u64,
}

/// As CASA's listobs has them: by observation, array, scan and field, with the windows that they have.
fn scans(t: &mut String, all: &MsMetadata) -> std::fmt::Result {
    let mut list: Vec<Scan> = Vec::new();
    for group in &all.rows.groups {
        let key = |g: &RowGroup| (g.observation, g.array, g.scan, g.field);
        let description = usize::try_from(group.data_description).ok();
        let window = description.and_then(|id| all.subtables.data_descriptions.get(id)).map(|d| d.window);
        match list.iter_mut().find(|scan| key(&scan.first) == key(group)) {
            Some(scan) => {
                scan.rows += group.rows;
                scan.windows.extend(window);
                scan.first.time_range[0] = MjdSeconds(scan.first.time_range[0].0.min(group.time_range[0].0));
                scan.first.time_range[1] = MjdSeconds(scan.first.time_range[1].0.max(group.time_range[1].0));
                scan.first.exposure_s[0] = scan.first.exposure_s[0].min(group.exposure_s[0]);
                scan.first.exposure_s[1] = scan.first.exposure_s[1].max(group.exposure_s[1]);
            }
            None => list.push(Scan { first: *group, windows: window.into_iter().collect(), rows: group.rows }),
        }
    }
    list.sort_by(|a, b| a.first.time_range[0].0.total_cmp(&b.first.time_range[0].0));
    writeln!(t, "\n{}", count(all.rows.scans().len(), "scan"))?;
    writeln!(
        t,
        "  {:>5} {:<23}   {:<23} {:>9} {:>10} {:<8} field",
        "scan", "first time (UTC)", "last time (UTC)", "rows", "exposure s", "windows"
    )?;
    for Scan { first, windows, rows } in list.iter_mut().take(MOST) {
        let [from, to] = first.time_range.map(utc);
        let name = usize::try_from(first.field).ok().and_then(|id| all.subtables.fields.get(id)).map(|f| f.name.trim());
        let [least, most] = first.exposure_s;
        let exposure = if least == most { format!("{least:.3}") } else { format!("{least:.3}~{most:.3}") };
        writeln!(
            t,
            "  {:>5} {from:<23} – {to:<23} {rows:>9} {exposure:>10} {:<8} {} {}",
            first.scan,
            ranges(windows),
            first.field,
            name.unwrap_or("?")
        )?;
    }
    more(t, list.len())
}

/// Numbers as CASA's selections take them: `0~3,5`.
fn ranges(numbers: &mut Vec<usize>) -> String {
    numbers.sort_unstable();
    numbers.dedup();
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let run = |run: &[usize]| match run {
        [first, .., last] => format!("{first}~{last}"),
        run => run.iter().map(ToString::to_string).collect(),
    };
    runs.map(run).collect::<Vec<_>>().join(",")
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

fn antennas(t: &mut String, all: &MsMetadata, each: bool) -> std::fmt::Result {
    let antennas = &all.subtables.antennas;
    // Rows without an antenna have their position in the middle of the Earth.
    let placed: Vec<&MsAntenna> = antennas.iter().filter(|a| a.position_m != [0.0; 3]).collect();
    write!(t, "\n{}", count(antennas.len(), "antenna"))?;
    if let [first, .., last] = placed.as_slice() {
        let distance = |a: &MsAntenna, b: &MsAntenna| {
            a.position_m.iter().zip(b.position_m).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        let pairs = placed.iter().enumerate().flat_map(|(i, a)| placed[i + 1..].iter().map(move |b| distance(a, b)));
        let (shortest, longest) = pairs.fold((f64::INFINITY, 0.0f64), |(low, high), d| (low.min(d), high.max(d)));
        let diameters = placed.iter().map(|a| a.diameter_m);
        let (least, most) = (diameters.clone().fold(f64::INFINITY, f64::min), diameters.fold(0.0, f64::max));
        let dishes = if least == most { format!("{most} m") } else { format!("{least} to {most} m") };
        write!(t, " of {dishes}, {} to {}", first.name, last.name)?;
        match antennas.len() - placed.len() {
            0 => writeln!(t)?,
            n => writeln!(t, "; {n} without a position")?,
        }
        let edges = all.subtables.windows.iter().filter_map(vis_types::SpectralWindow::edges_hz);
        let (low, high) = edges.fold((f64::INFINITY, 0.0f64), |all, edge| (all.0.min(edge.0), all.1.max(edge.1)));
        write!(t, "  baselines   {shortest:.1} to {longest:.1} m")?;
        match low > 0.0 && high >= low {
            true => writeln!(
                t,
                ", {:.0} to {:.0} wavelengths over the band",
                shortest * low / SPEED_OF_LIGHT_M_PER_S,
                longest * high / SPEED_OF_LIGHT_M_PER_S
            )?,
            false => writeln!(t)?,
        }
    } else {
        writeln!(t)?;
    }
    if each {
        let frame = all.subtables.antenna_reference.as_deref().unwrap_or("no frame given");
        writeln!(
            t,
            "  {:>4} {:<12} {:<12} {:>7} {:>15} {:>15} {:>15}  {frame}",
            "id", "name", "station", "dish m", "x m", "y m", "z m"
        )?;
        for (id, a) in antennas.iter().enumerate() {
            let [x, y, z] = a.position_m;
            let flagged = if a.flagged { "  flagged" } else { "" };
            writeln!(
                t,
                "  {id:>4} {:<12} {:<12} {:>7} {x:>15.3} {y:>15.3} {z:>15.3}{flagged}",
                a.name, a.station, a.diameter_m
            )?;
        }
    }
    Ok(())
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

/// Longitude in hours for equatorial frames, in degrees for the others; latitude in degrees.
fn sexagesimal(direction: &FieldDirection) -> (String, String) {
    let [lon, lat] = direction.at(0.0).map(f64::to_degrees);
    let equatorial = !matches!(direction.frame.as_deref(), Some(f) if f.starts_with("AZEL") || f.starts_with("GAL") || f.starts_with("ECL"));
    (if equatorial { hours(lon) } else { degrees(lon) }, latitude(lat))
}
