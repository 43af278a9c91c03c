//! `contimg solve` and `contimg apply`: the whole way, what is refused, and kills.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cal_tables::{CalTable, Values};
use casacore::{ColumnDesc, Complex32, DataType, Manager, Table};
use fixtures::{Content, Corruption, FlagContent, GroupSpec, SkySpec};
use rustix::process::Signal;

use vis_types::Correlation;

use crate::program::{Ended, GROUP, Work, run_for, send, start};

const FLUX_JY: f32 = 4.0;

/// A calibrator: one source in the middle, seen through gains, bandpasses and noise.
fn calibrator(antennas: usize) -> GroupSpec {
    let source = |ra_deg, dec_deg| fixtures::Source { name: "C".into(), ra_deg, dec_deg, flux_jy: FLUX_JY.into() };
    // Where the meridian is in the middle of the group; the set's phase centre is there.
    let sky = |sources| SkySpec {
        sources,
        gains: true,
        corruption: Corruption { drift: 0.02, bandpass: 0.1, snr_db: Some(20.0), outliers: 0.05 },
        dead_antennas: 1,
        ..SkySpec::default()
    };
    let spec = |sources| GroupSpec {
        antennas,
        times: 6,
        channels: 8,
        content: Content::Sky(sky(sources)),
        flags: FlagContent::Random(0.03),
        ..GroupSpec::tiny()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let probe = GroupSpec { subbands: 1, ..spec(vec![source(0.0, 0.0)]) };
    fixtures::write_group(folder.path(), &probe).expect("a group");
    let truth = fs::read_to_string(folder.path().join("truth.json")).expect("the truth");
    let truth: serde_json::Value = serde_json::from_str(&truth).expect("JSON");
    let at = |time: usize, k: usize| truth["meridian_icrs_deg"][time][k].as_f64().expect("a number");
    spec(vec![source((at(2, 0) + at(3, 0)) / 2.0, (at(2, 1) + at(3, 1)) / 2.0)])
}

/// Fills MODEL_DATA with the calibrator's flux.
fn model(set: &Path, jy: f32) {
    let mut table = Table::open_rw(set).expect("the set");
    let shape = table.cell_shape("DATA", 0).expect("DATA").expect("a cell");
    if table.column("MODEL_DATA").is_err() {
        let column = ColumnDesc::fixed("MODEL_DATA", DataType::Complex32, shape.clone());
        let tile = [vec![64], shape.clone()].concat();
        table.add_columns(&[column], Manager::tiled_column("TiledModel", tile)).expect("MODEL_DATA");
    }
    let rows = table.rows().expect("rows");
    let values = vec![Complex32::new(jy, 0.0); rows as usize * shape.iter().product::<usize>()];
    table.write("MODEL_DATA", 0..rows, &values).expect("a model");
    table.close().expect("closed");
}

/// A converted calibrator with its model.
fn ready(antennas: usize, options: &[&str]) -> Work {
    converted(&calibrator(antennas), options)
}

fn converted(spec: &GroupSpec, options: &[&str]) -> Work {
    let work = Work::with(spec);
    work.convert(options).expect(0);
    model(&work.set(), FLUX_JY);
    work
}

fn set() -> String {
    format!("out/{GROUP}.ms")
}

fn table(suffix: &str) -> String {
    format!("out/{GROUP}{suffix}")
}

fn tables() -> String {
    ["_bpcal", "_gpcal", "_2gcal"].map(table).join(",")
}

/// Mean of CORRECTED_DATA in units of the flux and the scatter about it, over what is not flagged; with the flags, whether all is
/// finite.
fn corrected(set: &Path) -> (f64, f64) {
    let table = Table::open(set).expect("the set");
    let rows = table.rows().expect("rows");
    let values: Vec<Complex32> = table.read_vec("CORRECTED_DATA", 0..rows).expect("CORRECTED_DATA");
    let flags: Vec<bool> = table.read_vec("FLAG", 0..rows).expect("FLAG");
    let (first, second): (Vec<i32>, Vec<i32>) =
        (table.read_vec("ANTENNA1", 0..rows).expect("A1"), table.read_vec("ANTENNA2", 0..rows).expect("A2"));
    let per_row = values.len() / rows as usize;
    let good: Vec<Complex32> = values
        .iter()
        .zip(&flags)
        .enumerate()
        // Outliers are not what is looked at.
        .filter(|(at, (value, flag))| {
            first[at / per_row] != second[at / per_row] && !**flag && (**value - FLUX_JY).norm() < 2.0 * FLUX_JY
        })
        .map(|(_, (value, _))| *value / FLUX_JY)
        .collect();
    let mean = good.iter().map(|v| f64::from(v.re)).sum::<f64>() / good.len() as f64;
    let scatter = good.iter().map(|v| f64::from((*v - 1.0).norm_sqr())).sum::<f64>() / good.len() as f64;
    (mean, scatter.sqrt())
}

#[test]
fn a_corrupted_calibrator_comes_out_as_it_was() {
    let work = ready(12, &[]);
    let data = |column: &str| -> Vec<u8> {
        let table = Table::open(work.set()).expect("the set");
        let rows = table.rows().expect("rows");
        format!("{:?}", table.read_vec::<Complex32>(column, 0..rows).expect("a column")).into_bytes()
    };
    let before = data("DATA");
    let solved =
        work.run(&["solve", &set(), "--db", "out/products.sqlite3", "--json", "--plot", "gains.html"]).expect(0).json();
    assert_eq!(solved["tables"].as_array().expect("tables").len(), 4);
    let report = &solved["tables"][1]["report"];
    assert_eq!(report["without_solution"].as_array().expect("antennas").len(), 1, "the dead one: {report}");
    let page = fs::read_to_string(work.path().join("gains.html")).expect("a page");
    for figure in ["against channel", "against antenna, median of each"] {
        for part in ["amplitude", "phase"] {
            assert!(page.contains(&format!("{part} of receptor X or R {figure}")), "{part} {figure}");
        }
    }
    assert!(page.contains("phase of receptor Y or L against time"), "the short gains");
    let section = page.split("<h2").skip(1).find(|section| section.contains(">bandpass<")).expect("the bandpass");
    assert_eq!(section.matches("class=\"line ").count(), 4 * 11, "two receptors, two parts, eleven antennas");
    let refused = work.run(&["solve", &set(), "--plot", "gains.png"]).expect(2);
    refused.says(".html");

    // From the database: what was just registered, without the phases before the bandpass.
    let applied = work.run(&["apply", &set(), "--db", "out/products.sqlite3", "--json"]).expect(0).json();
    assert_eq!(applied["tables"].as_array().expect("tables").len(), 3, "{applied}");
    let fraction = applied["fraction"].as_f64().expect("a fraction");
    assert!((fraction - (11.0 * 12.0) / (12.0 * 13.0)).abs() < 0.01, "{fraction}: all but the dead antenna");
    let (mean, scatter) = corrected(&work.set());
    assert!((mean - 1.0).abs() < 0.01 && scatter < 0.13, "{mean} {scatter}: noise alone is 0.1");
    assert_eq!(data("DATA"), before, "DATA are never touched");

    // The tables as they lie there, entered into another database: what is applied is the same.
    let once = data("CORRECTED_DATA");
    let import = ["db", "import", "other.sqlite3", "out", "--json"];
    let entered = work.run(&import).expect(0).json();
    assert_eq!((&entered["sets"], &entered["tables"]), (&1.into(), &3.into()), "{entered:#}");
    assert_eq!(work.run(&import).expect(0).json(), entered, "a second time changes nothing");
    for name in ["_bpcal", "_gpcal", "_2gcal"].map(table) {
        let row = |database: &str| {
            let query = ["db", "query", database, "tables", &name, "--json"];
            work.run(&query).expect(0).json()["rows"][0].clone()
        };
        let (solved, entered) = (row("out/products.sqlite3"), row("other.sqlite3"));
        for same in ["table_type", "refant", "status"] {
            assert_eq!(solved[same], entered[same], "{same}: {solved:#} {entered:#}");
        }
        assert_eq!(entered["source_ms_path"], set(), "{entered:#}");
        for time in ["valid_start_mjd", "valid_end_mjd"] {
            let of = |row: &serde_json::Value| row[time].as_f64().expect("a time");
            // By its solutions, whose times are the middles of what they are of, not by the set.
            assert!((of(&solved) - of(&entered)).abs() < 60.0 / 86_400.0, "{time}: {solved:#} {entered:#}");
        }
    }
    let again = work.run(&["apply", &set(), "--db", "other.sqlite3", "--json"]).expect(0).json();
    let names = |applied: &serde_json::Value| -> Vec<String> {
        let tables = applied["tables"].as_array().expect("tables").iter();
        tables.map(|t| t.as_str().and_then(|t| t.rsplit('/').next()).expect("a path").to_owned()).collect()
    };
    assert_eq!(names(&again), names(&applied));
    assert!(data("CORRECTED_DATA") == once);
    // What is registered knows more than what is found, and stays.
    let before = work.run(&["db", "query", "out/products.sqlite3", "tables", "--json"]).expect(0).stdout;
    work.run(&["db", "import", "out/products.sqlite3", "out"]).expect(0).says_stdout("3 calibration tables");
    assert_eq!(work.run(&["db", "query", "out/products.sqlite3", "tables", "--json"]).expect(0).stdout, before);

    // Again: the same.
    let weights = || Table::open(work.set()).expect("set").read_vec::<f32>("WEIGHT", 0..100).expect("WEIGHT");
    let weights_once = weights();
    work.run(&["apply", &set(), "--tables", &tables()]).expect(0);
    assert!(data("CORRECTED_DATA") == once && weights() == weights_once, "applying twice equals applying once");
    let raw = weights_once.iter().filter(|w| (**w - 96.0).abs() < 0.1).count();
    assert!(raw < weights_once.len() / 2, "weights follow the gains");

    // A table of which nothing is usable was not applied, whatever was flagged for it.
    let mut dead = CalTable::read(&work.out().join(format!("{GROUP}_gpcal"))).expect("a table");
    dead.rows.iter_mut().for_each(|row| row.flags.fill(true));
    dead.write(&work.path().join("dead")).expect("a table");
    let ended = work.run(&["apply", &set(), "--tables", "dead", "--db", "other.sqlite3"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let mut applied_now = Vec::new();
    let reader = products_db::Reader::open(&work.path().join("other.sqlite3")).expect("the database");
    let each = |row: products_db::CalibrationApplied| {
        applied_now.push((row.caltable_path.as_str().ends_with("dead"), row.success));
        Ok(true)
    };
    reader.each(each).expect("rows");
    drop(reader);
    assert_eq!(applied_now.len(), 4);
    assert!(applied_now.iter().all(|(is_dead, success)| *success == Some(!is_dead)), "{applied_now:?}");
}

#[test]
fn one_window_or_sixteen_have_the_same_gains() {
    let gains = |windows: &str| {
        // Plain least squares, so without outliers.
        let mut spec = calibrator(8);
        if let Content::Sky(sky) = &mut spec.content {
            sky.corruption.outliers = 0.0;
        }
        let work = converted(&spec, &["--windows", windows]);
        work.run(&[
            "solve",
            &set(),
            "--no-normalise",
            "--robust",
            "0",
            "--long",
            "none",
            "--short",
            "none",
            "--prebandpass",
            "inf",
        ])
        .expect(0);
        let table = CalTable::read(&work.out().join(format!("{GROUP}_bpcal"))).expect("a table");
        let mut rows = table.rows;
        rows.sort_by_key(|row| (row.antenna, row.window));
        rows.into_iter()
            .flat_map(|row| {
                let Values::Gains(gains) = row.values else { panic!("gains") };
                gains.into_iter().zip(row.flags)
            })
            .collect::<Vec<_>>()
    };
    let (whole, parts) = (gains("whole"), gains("subband"));
    assert_eq!(whole.len(), parts.len());
    for ((a, flag_a), (b, flag_b)) in whole.into_iter().zip(parts) {
        // Phases before the bandpass are one for the band here and one a window there.
        assert_eq!(flag_a, flag_b);
        assert!(flag_a || (a.norm() - b.norm()).abs() < 2e-4, "{a} {b}");
    }
}

#[test]
fn workers_that_register_at_once_all_do() {
    let work = ready(6, &[]);
    // The database does not exist yet: they also race to make it.
    let each = ["a", "b", "c", "d"].map(|name| {
        let copy = work.out().join(format!("{name}.ms"));
        let copied = std::process::Command::new("cp").arg("-r").arg(work.set()).arg(&copy).status().expect("cp");
        assert!(copied.success());
        copy
    });
    let options = ["--db", "out/products.sqlite3", "--bandpass", "none", "--long", "none", "--quiet"];
    let children = each.map(|set| start(work.contimg(["solve"]).arg(set).args(options)));
    for child in children {
        Ended::of(child.wait_with_output().expect("wait")).expect(0);
    }
    let reader = products_db::Reader::open(&work.out().join("products.sqlite3")).expect("the database");
    let paths: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| work.out().join(format!("{name}_2gcal"))).collect();
    let rows: Vec<Option<products_db::CalTable>> = reader.by_path(&paths).expect("a query");
    assert!(rows.iter().all(Option::is_some), "{rows:?}");
}

/// Nothing but the set itself is left.
fn no_tables(work: &Work) {
    let names: Vec<_> = work.names().into_iter().filter(|name| !name.ends_with(".ms")).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn what_cannot_be_solved_is_refused_and_nothing_is_published() {
    let work = Work::with(&calibrator(8));
    work.convert(&[]).expect(0);
    let solve = |work: &Work, more: &[&str]| work.run(&[&["solve", &set()], more].concat());
    solve(&work, &[]).expect(1).says("has no MODEL_DATA").says("contimg model");
    model(&work.set(), 0.0);
    solve(&work, &[]).expect(1).says("the model is zero").says("contimg model");
    model(&work.set(), FLUX_JY);
    solve(&work, &["--refant", "nobody"]).expect(2).says("no antenna `nobody`");
    solve(&work, &["--field", "7"]).expect(1).says("there is no field `7`").says("the set has the fields 0 ");
    solve(&work, &["--scan", "9"]).expect(1).says("no rows of the fields");
    solve(&work, &["--uvrange", ">99klambda"]).expect(1).says("no solution for the phases");
    solve(&work, &["--memory", "1MiB"]).expect(2).says("--memory");
    solve(&work, &["--min-baselines", "9"]).expect(5).says("no antennas have enough baselines");
    solve(&work, &["--max-flagged", "0.01"]).expect(5).says("more than --max-flagged");
    no_tables(&work);
    // All flagged.
    let mut t = Table::open_rw(work.set()).expect("the set");
    let rows = t.rows().expect("rows");
    t.write("FLAG_ROW", 0..rows, &vec![true; rows as usize]).expect("flags");
    t.close().expect("closed");
    solve(&work, &[]).expect(1).says("all are flagged");
    no_tables(&work);
    work.run(&["solve", "out/none.ms"]).expect(1);
}

#[test]
fn one_antenna_and_a_set_of_autocorrelations_are_refused() {
    let spec = GroupSpec { antennas: 1, ..calibrator(8) };
    let Content::Sky(mut sky) = spec.content.clone() else { panic!("a sky") };
    sky.dead_antennas = 0;
    let work = Work::with(&GroupSpec { content: Content::Sky(sky), ..spec });
    work.convert(&[]).expect(0);
    model(&work.set(), FLUX_JY);
    work.run(&["solve", &set()]).expect(1);
    no_tables(&work);
}

#[test]
fn values_that_are_no_numbers_harm_nobody() {
    let work = ready(10, &[]);
    let mut t = Table::open_rw(work.set()).expect("the set");
    let rows = t.rows().expect("rows");
    let mut data: Vec<Complex32> = t.read_vec("DATA", 0..rows).expect("DATA");
    for (at, value) in data.iter_mut().enumerate() {
        if at % 97 == 0 {
            *value = [Complex32::new(f32::NAN, 0.0), Complex32::new(2.66e36, 1.0), Complex32::new(0.0, f32::INFINITY)]
                [at % 3];
        }
    }
    t.write("DATA", 0..rows, &data).expect("DATA");
    t.close().expect("closed");
    work.run(&["solve", &set()]).expect(0);
    let ended = work.run(&["apply", &set(), "--tables", &tables()]).expect(0);
    assert!(ended.stdout.contains("not finite"), "{}", ended.stdout);
    let table = CalTable::read(&work.out().join(format!("{GROUP}_gpcal"))).expect("a table");
    for row in table.rows {
        let Values::Gains(gains) = row.values else { panic!("gains") };
        assert!(gains.iter().all(|gain| gain.is_finite()));
    }
}

/// The gains of a set with one hand are those of its receptor, and come first in its tables, as in CASA's.
#[test]
fn a_set_of_one_hand_is_calibrated_by_its_own_receptor() {
    for (correlation, hand) in [(Correlation::XX, 0), (Correlation::YY, 1)] {
        let spec = calibrator(8);
        let both = converted(&spec, &[]);
        both.run(&["solve", &set()]).expect(0);
        let one = converted(&GroupSpec { correlations: vec![correlation], ..spec }, &[]);
        one.run(&["solve", &set(), "--plot", "gains.html"]).expect(0);
        one.run(&["apply", &set(), "--tables", &tables()]).expect(0);
        let gains = |work: &Work| {
            let table = CalTable::read(&work.out().join(format!("{GROUP}_bpcal"))).expect("a table");
            let row = table.rows.into_iter().nth(3).expect("a row");
            let Values::Gains(gains) = row.values else { panic!("gains") };
            (gains, row.receptors)
        };
        let ((both, _), (own, receptors)) = (gains(&both), gains(&one));
        for (both, own) in both.chunks(2).zip(own.chunks(receptors)) {
            assert!((both[hand] - own[0]).norm() < 0.05, "{correlation}: {} {}", both[hand], own[0]);
        }
    }
}

/// Gains would go to other channels than they belong to, or beyond the cells.
#[test]
fn a_set_whose_cells_are_not_those_of_its_windows_is_refused() {
    let work = ready(8, &[]);
    work.run(&["solve", &set()]).expect(0);
    let mut windows = Table::open_rw(work.set().join("SPECTRAL_WINDOW")).expect("the table");
    let freq: Vec<f64> = windows.read_ragged("CHAN_FREQ", 0..1).expect("frequencies").values;
    for channels in [freq.len() - 8, freq.len() + 8] {
        let freq: Vec<f64> = (0..channels).map(|k| freq[0] + k as f64 * (freq[1] - freq[0])).collect();
        windows.write_cell("CHAN_FREQ", 0, &[channels], &freq).expect("written");
        for column in ["CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION"] {
            windows.write_cell(column, 0, &[channels], &vec![freq[1] - freq[0]; channels]).expect("written");
        }
        windows.write("NUM_CHAN", 0..1, &[channels as i32]).expect("written");
        windows.flush(false).expect("written");
        let wrong = format!("while spectral window 0 has {channels} ×");
        work.run(&["solve", &set(), "--prefix", "again"]).expect(1).says("row 0: DATA has cells of").says(&wrong);
        for more in [&[][..], &["--dry-run"]] {
            work.run(&[&["apply", &set(), "--tables", &table("_gpcal")], more].concat()).expect(1).says(&wrong);
        }
    }
    assert!(Table::open(work.set()).expect("the set").column("CORRECTED_DATA").is_err(), "nothing was written");
}

#[test]
fn tables_are_replaced_only_when_asked_and_those_that_do_not_fit_are_refused() {
    let work = ready(8, &[]);
    work.run(&["solve", &set()]).expect(0);
    work.run(&["solve", &set()]).expect(3);
    work.run(&["solve", &set(), "--overwrite", "--quiet"]).expect(0);

    let refused = |work: &Work, tables: &str| work.run(&["apply", &set(), "--tables", tables]);
    let mut other = CalTable::read(&work.out().join(format!("{GROUP}_gpcal"))).expect("a table");
    other.antennas.iter_mut().for_each(|antenna| antenna.name.insert(0, 'X'));
    other.write(&work.path().join("other")).expect("written");
    let message = refused(&work, &format!("{},other", table("_bpcal"))).expect(1).says("other: does not fit").stderr;
    assert!(message.contains("is not among the"), "{message}");
    refused(&work, "out/nothing").expect(1).says("out/nothing");
    refused(&work, &set()).expect(1).says("not a calibration table");
    let t = Table::open(work.set()).expect("the set");
    assert!(t.column("CORRECTED_DATA").is_err(), "nothing was written");
    drop(t);
    let dry = work.run(&["apply", &set(), "--tables", &tables(), "--dry-run", "--json"]).expect(0).json();
    assert!(dry["counts"]["corrected"].as_u64().expect("a count") > 0);
    assert!(Table::open(work.set()).expect("the set").column("CORRECTED_DATA").is_err(), "a dry run writes nothing");
}

#[test]
fn a_kill_leaves_the_old_columns_or_the_new_ones_and_no_table() {
    let work = ready(10, &[]);
    // While it solves.
    for step in 1..6 {
        let mut child = start(&mut work.contimg(["solve", &set(), "--quiet"]));
        run_for(&mut child, Duration::from_millis(15 * step));
        send(child.id(), Signal::KILL);
        let _ = child.wait();
    }
    let visible = work.names().into_iter().filter(|name| !name.starts_with('.') && !name.ends_with(".ms"));
    for name in visible {
        CalTable::read(&work.out().join(&name)).expect("what has its name is whole");
    }
    work.run(&["solve", &set(), "--overwrite"]).expect(0);
    // While it applies.
    for step in 1..8 {
        let mut child = start(&mut work.contimg(["apply", &set(), "--tables", &tables(), "--quiet"]));
        run_for(&mut child, Duration::from_millis(12 * step));
        send(child.id(), Signal::KILL);
        let _ = child.wait();
    }
    let done: Ended = work.run(&["apply", &set(), "--tables", &tables()]);
    done.expect(0);
    let (mean, scatter) = corrected(&work.set());
    assert!((mean - 1.0).abs() < 0.02 && scatter < 0.15, "{mean} {scatter}");
}
