//! `contimg demo`: the whole way on data that it makes itself.

use std::{fs, path::Path, process::ExitCode};

use casacore::Table;
use fixtures::{Content, GroupSpec, SkySpec};
use serde_json::json;
use vis_types::{Complex32, JulianDate};

use crate::{
    args::{ConvertArgs, DemoArgs, Missing, Phasing, Selection, SetArgs, WeightSpectrum, Windows},
    convert,
    failure::{Class, Failure},
    output::{errln, outln},
    picture::HeatMap,
    progress,
    size::Bytes,
    survey::iso,
};

pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let subbands = args.out.join("subbands");
    let sets = args.out.join("ms");
    fs::create_dir_all(&subbands)
        .map_err(|e| Failure::io(Class::Output, format!("cannot make {}", subbands.display()), &e))?;
    let spec = GroupSpec {
        antennas: args.antennas as usize,
        times: args.integrations as usize,
        content: Content::Sky(SkySpec { noise_jy: 0.5, rfi: true, dead_antennas: 1, ..SkySpec::default() }),
        ..GroupSpec::default()
    };
    let say = |text: &str| {
        if !args.json {
            outln!("{text}");
        }
    };
    say(&format!(
        "making sixteen UVH5 subbands in {}: {} antennas, {} integrations, ten sources, noise, interference",
        subbands.display(),
        spec.antennas,
        spec.times
    ));
    let bar = progress::bar(u64::from(spec.subbands), "making subbands", args.json);
    let mut made = Vec::new();
    fixtures::write_group_with(&subbands, &spec, |path, _| {
        made.push(path.to_owned());
        bar.inc(1);
    })
    .map_err(|e| Failure::of(Class::Output, &e))?;
    bar.finish_and_clear();

    say(&format!("converting them into {}", sets.display()));
    let report = convert::all(&convert_args(made, &sets, args.json), |name, fate| match fate {
        convert::Fate::Refused(failure) | convert::Fate::Failed(failure) => errln!("{name}: {failure}"),
        fate if !args.json => convert::show(name, fate),
        _ => {}
    })?;
    let Some(set) = report.output() else { return Ok(report.exit_code()) };

    let picture = args.out.join("amplitude.png");
    let seen = look(set).map_err(|e| {
        Failure::of(Class::Output, &e).hint("this is a fault of the program: the set that it made cannot be read")
    })?;
    HeatMap {
        title: &format!("mean amplitude of {} cross-correlations, XX, from {}", seen.baselines, iso(seen.start)),
        values: &seen.amplitude,
        x_label: "frequency (MHz)",
        x_range: seen.band_mhz,
        y_label: "time (s)",
        y_range: (0.0, seen.duration_s),
        value_label: "Jy",
    }
    .write_png(&picture)
    .map_err(|e| Failure::io(Class::Output, format!("cannot write {}", picture.display()), &e))?;

    if args.json {
        outln!("{:#}", json!({ "subbands": subbands, "set": set, "picture": picture, "conversion": report.json() }));
    } else {
        outln!("read back: {} rows, DATA {}, mean amplitude {:.2} Jy", seen.rows, Bytes(seen.data_bytes), seen.mean);
        outln!("  picture: {}", picture.display());
        outln!("  truth:   {}", subbands.join("truth.json").display());
        outln!("next: contimg plan {}; casabrowser, WSClean or CASA open {}", subbands.display(), set.display());
    }
    Ok(report.exit_code())
}

fn convert_args(input: Vec<std::path::PathBuf>, out: &Path, json: bool) -> ConvertArgs {
    ConvertArgs {
        selection: Selection {
            input,
            tolerance: 30.0,
            subbands: 16,
            missing: Missing::Refuse,
            min_subbands: 1,
            cache: None,
            no_cache: true,
        },
        out: out.to_owned(),
        set: SetArgs {
            centres: None,
            phasing: Phasing::Auto,
            windows: Windows::Whole,
            weight_spectrum: WeightSpectrum::Auto,
            columns: Vec::new(),
            telescope: None,
            antenna_positions: None,
            earth_orientation: None,
        },
        memory: crate::size::Bytes(128 << 20),
        threads: None,
        overwrite: true,
        json,
        quiet: json,
    }
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
