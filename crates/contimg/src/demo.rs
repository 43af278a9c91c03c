//! `contimg demo`: the whole way on data that it makes itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use casacore::Table;
use fixtures::{Content, Corruption, GroupSpec, INTEGRATION_S, SkySpec};
use report::{Axis, HeatMap, Page};
use serde_json::json;
use vis_types::{Complex32, JulianDate};

use crate::{
    args::DemoArgs,
    failure::{Class, Failure},
    night::{self, RunArgs},
    output::outln,
    progress,
    size::Bytes,
    survey::iso,
};

pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let say = |text: &str| {
        if !args.json {
            outln!("{text}");
        }
    };
    let (subbands, work) = (args.out.join("subbands"), args.out.join("night"));
    say(&format!(
        "making {} groups of sixteen UVH5 subbands in {}: {} antennas, {} integrations, six sources each, gains that drift, \
         bandpasses, noise, interference, a dead antenna",
        args.groups,
        subbands.display(),
        args.antennas,
        args.integrations
    ));
    let groups = (0..args.groups).map(|n| make_group(args, &subbands, n)).collect::<Result<Vec<_>, _>>()?;
    let request = RunArgs {
        input: groups.iter().map(|group| group.folder.clone()).collect(),
        work: Some(work.clone()),
        vars: vec![
            format!("sky={}/{{set}}.csv", canonical(&subbands)?.display()),
            "image_size=2048".to_owned(),
            "image_scale=2asec".to_owned(),
        ],
        until: args.until.clone(),
        json: args.json,
        quiet: args.json,
        ..RunArgs::default()
    };
    say(&format!(
        "taking them through all stages: contimg run {} --work {} --var 'sky={}/{{set}}.csv'",
        subbands.join("*").display(),
        work.display(),
        subbands.display()
    ));
    let (summary, code) = night::run_quietly(&request)?;
    if !args.json {
        night::summarise(&summary, &work);
    }

    let mut sources = Vec::new();
    for group in &groups {
        let image = work.join("images").join(&group.name).join(format!("{}-image.fits", group.name));
        if image.is_file() {
            for found in night::find_sources(&image, &group.sky)? {
                say(&format!("  {}: {found}", group.name));
                sources.push(json!({ "set": group.name, "source": found }));
            }
        }
    }
    if sources.is_empty() {
        say("no image was made: the stages above say why");
    } else if work.join("tiles").is_dir() {
        say(&format!("  every tile may go into a mosaic: {}", work.join("tiles/tiles.html").display()));
    }
    let report = work.join("report.html");
    say(&format!("  everything on one page: {}", report.display()));
    let set = work.join("ms").join(format!("{}.ms", groups[0].name));
    if !set.is_dir() {
        return Ok(code);
    }
    let picture = args.out.join("amplitude.html");
    let seen = look(&set).map_err(|e| {
        Failure::of(Class::Output, &e).hint("this is a fault of the program: the set that it made cannot be read")
    })?;
    draw(&seen, &picture).map_err(|e| Failure::of(Class::Output, &e))?;
    if args.json {
        let made = json!({ "subbands": subbands, "work": work, "set": set, "picture": picture, "report": report });
        outln!("{:#}", json!({ "made": made, "night": summary, "sources": sources }));
    } else {
        outln!("read back: {} rows, DATA {}, mean amplitude {:.2} Jy", seen.rows, Bytes(seen.data_bytes), seen.mean);
        outln!("  picture of DATA: {}", picture.display());
        outln!(
            "next: contimg status --work {0}; contimg verify --work {0}; {1} opens in CASA",
            work.display(),
            set.display()
        );
    }
    Ok(code)
}

/// A group that was made.
struct Made {
    folder: PathBuf,
    /// The name that its set will have.
    name: String,
    /// Its sources, as `contimg model` reads them.
    sky: PathBuf,
}

fn canonical(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|e| Failure::io(Class::Output, format!("cannot find {}", path.display()), &e))
}

/// Group number `n`, as long after the one before as the telescope takes. One seed for all: the same antennas are dead all night.
fn make_group(args: &DemoArgs, subbands: &Path, n: u32) -> Result<Made, Failure> {
    let folder = subbands.join(format!("group-{}", n + 1));
    let made = |e: &std::io::Error| Failure::io(Class::Output, format!("cannot make {}", folder.display()), e);
    fs::create_dir_all(&folder).map_err(|e| made(&e))?;
    let corruption = Corruption { drift: 0.02, bandpass: 0.1, ..Corruption::default() };
    let sky = SkySpec {
        n_sources: 6,
        radius_deg: 0.4,
        noise_jy: 0.5,
        rfi: true,
        dead_antennas: 1,
        gains: true,
        corruption,
        ..SkySpec::default()
    };
    let usual = GroupSpec::default();
    let spec = GroupSpec {
        antennas: args.antennas as usize,
        times: args.integrations as usize,
        start: JulianDate(usual.start.0 + f64::from(n) * f64::from(args.integrations) * INTEGRATION_S / 86_400.0),
        content: Content::Sky(sky),
        ..usual
    };
    let bar = progress::bar(u64::from(spec.subbands), format!("making group {}", n + 1), args.json);
    let mut name = None;
    fixtures::write_group_with(&folder, &spec, |path, _| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        // The earliest name is the set's.
        let time = stem.rsplit_once("_sb").map_or(stem, |(time, _)| time).to_owned();
        name = Some(name.take().map_or(time.clone(), |before: String| before.min(time)));
        bar.inc(1);
    })
    .map_err(|e| Failure::of(Class::Output, &e))?;
    bar.finish_and_clear();
    let name = name.unwrap_or_default();
    let sky = subbands.join(format!("{name}.csv"));
    let truth = folder.join("truth.json");
    let list =
        sources_of(&truth).map_err(|e| Failure::io(Class::Output, format!("cannot read {}", truth.display()), &e))?;
    fs::write(&sky, list).map_err(|e| Failure::io(Class::Output, format!("cannot write {}", sky.display()), &e))?;
    Ok(Made { folder, name, sky })
}

/// The sources of a group's truth as a sky model.
fn sources_of(truth: &Path) -> std::io::Result<String> {
    let truth: serde_json::Value = serde_json::from_slice(&fs::read(truth)?)?;
    let mut text = "name,ra_deg,dec_deg,i_jy\n".to_owned();
    for source in truth["sources"].as_array().into_iter().flatten() {
        let number = |key: &str| source[key].as_f64().unwrap_or(f64::NAN);
        let name = source["name"].as_str().unwrap_or("source");
        text += &format!("{name},{},{},{}\n", number("ra_deg"), number("dec_deg"), number("flux_jy"));
    }
    Ok(text)
}

/// What the set holds, read back through casacore.
struct Seen {
    /// `[integration][channel]`, jansky.
    amplitude: Vec<Vec<f32>>,
    band_mhz: (f64, f64),
    start: JulianDate,
    duration_s: f64,
    rows: u64,
    baselines: usize,
    data_bytes: u64,
    mean: f64,
}

/// The mean amplitude by time and frequency, on a page of its own.
fn draw(seen: &Seen, path: &Path) -> Result<(), report::Error> {
    let channels = seen.amplitude.iter().map(Vec::len).max().unwrap_or(0);
    let title = format!("mean amplitude of {} cross-correlations, XX, from {}", seen.baselines, iso(seen.start));
    let axes = (
        Axis::new("frequency", "MHz").range(seen.band_mhz.0, seen.band_mhz.1),
        Axis::new("time", "s").range(0.0, seen.duration_s.max(1.0)),
        Axis::new("amplitude", "Jy"),
    );
    let map = HeatMap::new(&title, axes, channels, seen.amplitude.len(), &seen.amplitude.concat())?;
    Page::new(title).heat_map(&map).write(path)
}

/// Averages the first correlation's amplitude over the cross-correlations of each integration.
fn look(set: &Path) -> casacore::Result<Seen> {
    let table = Table::open(set)?;
    let rows = table.rows()?;
    let frequencies: Vec<f64> = Table::open(set.join("SPECTRAL_WINDOW"))?.read_vec("CHAN_FREQ", 0..1)?;
    let time: Vec<f64> = table.read_vec("TIME", 0..rows)?;
    let (antenna1, antenna2): (Vec<i32>, Vec<i32>) =
        (table.read_vec("ANTENNA1", 0..rows)?, table.read_vec("ANTENNA2", 0..rows)?);
    let shape = table.cell_shape("DATA", 0)?.unwrap_or_default();
    let (channels, correlations) = (shape.first().copied().unwrap_or(0), shape.last().copied().unwrap_or(1));
    let mut amplitude = Vec::new();
    let mut baselines = 0;
    let mut first = 0;
    while first < time.len() {
        let n = time[first..].iter().take_while(|t| **t == time[first]).count();
        let data: Vec<Complex32> = table.read_vec("DATA", first as u64..(first + n) as u64)?;
        let mut sums = vec![0.0; channels];
        let crosses: Vec<usize> = (0..n).filter(|r| antenna1[first + r] != antenna2[first + r]).collect();
        for row in &crosses {
            let cell = &data[row * channels * correlations..][..channels * correlations];
            for (sum, values) in sums.iter_mut().zip(cell.chunks_exact(correlations)) {
                *sum += values[0].norm();
            }
        }
        baselines = crosses.len();
        sums.iter_mut().for_each(|s| *s /= crosses.len().max(1) as f32);
        amplitude.push(sums);
        first += n;
    }
    let edge = |f: Option<&f64>| f.copied().unwrap_or(0.0) / 1e6;
    let days = |t: Option<&f64>| t.copied().unwrap_or(0.0) / 86_400.0;
    let values = amplitude.iter().flatten();
    let count = values.clone().count().max(1);
    Ok(Seen {
        band_mhz: (edge(frequencies.first()), edge(frequencies.last())),
        start: JulianDate(days(time.first()) + JulianDate::MJD_ZERO),
        duration_s: (days(time.last()) - days(time.first())) * 86_400.0,
        rows,
        baselines,
        data_bytes: rows * (channels * correlations * size_of::<Complex32>()) as u64,
        mean: values.map(|v| f64::from(*v)).sum::<f64>() / count as f64,
        amplitude,
    })
}
