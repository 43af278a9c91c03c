//! `contimg model`: against the plain formula, what it leaves alone, and what it refuses.

use std::fs;
use std::path::Path;

use calib_model::{
    Beam, Complex32, Component, Correlation, Direction, Field, Mode, Position, Rows, Shape, SkyModel, Spectrum, Window,
};
use casacore::Table;
use fixtures::GroupSpec;

use crate::program::Work;
use crate::set;

/// A point and a Gaussian near the group's centres, both with spectra.
const LIST: &str = "\
Format = Name, Type, Ra, Dec, I, Q, V, SpectralIndex, ReferenceFrequency='1.4e9', MajorAxis, MinorAxis, Orientation, RefType='ICRS'
a, POINT, 7.9deg, 54.6deg, 2.5, 0.25, 0.125, [],,,,
b, GAUSSIAN, 7.2deg, 54.1deg, 1.5, 0, 0, [-0.7, 0.2],, 30, 12, 40
";

fn sky() -> SkyModel {
    let position = |ra: f64, dec: f64| Position::Sky(Direction::icrs(ra.to_radians(), dec.to_radians()));
    let arcsec = |x: f64| (x / 3600.0).to_radians();
    let components = vec![
        Component {
            name: "a".into(),
            position: position(7.9, 54.6),
            shape: Shape::Point,
            spectrum: Spectrum::Flat { stokes_jy: [2.5, 0.25, 0.0, 0.125] },
        },
        Component {
            name: "b".into(),
            position: position(7.2, 54.1),
            shape: Shape::Gaussian { major_rad: arcsec(30.0), minor_rad: arcsec(12.0), angle_rad: 40_f64.to_radians() },
            spectrum: Spectrum::PowerLaw {
                stokes_jy: [1.5, 0.0, 0.0, 0.0],
                reference_hz: 1.4e9,
                terms: vec![-0.7, 0.2].into(),
            },
        },
    ];
    SkyModel::new(components).expect("a valid sky")
}

/// A set of sixteen windows and a field for each integration, and the list.
fn scene() -> Work {
    let work = Work::with(&GroupSpec { correlations: vec![Correlation::XX, Correlation::YY], ..GroupSpec::tiny() });
    work.convert(&["--windows", "subband", "--centres", "meridian"]).expect(0);
    fs::write(work.path().join("sky.txt"), LIST).expect("write");
    work
}

fn name(work: &Work) -> String {
    work.set().to_string_lossy().into_owned()
}

fn read(set: &Path, column: &str) -> Vec<Complex32> {
    let table = Table::open(set).expect("open");
    table.read_vec(column, 0..table.rows().expect("rows")).expect("read")
}

/// FIELD_ID, DATA_DESC_ID and UVW of all rows.
fn rows(set: &Path) -> (Vec<u32>, Vec<i32>, Vec<[f64; 3]>) {
    let table = Table::open(set).expect("open");
    let n = table.rows().expect("rows");
    let field = table.read_vec::<i32>("FIELD_ID", 0..n).expect("read");
    let uvw = table.read_vec::<f64>("UVW", 0..n).expect("read");
    let ddid = table.read_vec("DATA_DESC_ID", 0..n).expect("read");
    (field.into_iter().map(|f| f as u32).collect(), ddid, uvw.as_chunks::<3>().0.to_vec())
}

/// The model of all rows by the plain formula.
fn plain(set: &Path, beam: &Beam) -> Vec<Complex32> {
    let (field, ddid, uvw_m) = rows(set);
    let centres = Table::open(set.join("FIELD")).expect("open");
    let fields: Vec<Field> = (0..centres.rows().expect("rows"))
        .map(|row| centres.read_cell::<f64>("PHASE_DIR", row).expect("read").1)
        .map(|d| Field::new(Direction::icrs(d[0], d[1])))
        .collect();
    let windows = Table::open(set.join("SPECTRAL_WINDOW")).expect("open");
    let mut all = Vec::new();
    for (row, &window) in ddid.iter().enumerate() {
        let freq_hz = windows.read_cell::<f64>("CHAN_FREQ", window as u64).expect("read").1;
        let mut vis = vec![Complex32::ZERO; freq_hz.len() * 2];
        let request = Rows { uvw_m: &uvw_m[row..=row], field: &field[row..=row], ..Rows::new(&uvw_m[row..=row]) };
        let correlations = [Correlation::XX, Correlation::YY];
        let mut window = [Window { freq_hz: &freq_hz, vis: &mut vis }];
        calib_model::reference::predict(&sky(), beam, &fields, &request, &correlations, &mut window, Mode::Replace)
            .expect("a valid request");
        all.extend(vis);
    }
    all
}

fn furthest(a: &[Complex32], b: &[Complex32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).norm()).fold(0.0, f32::max)
}

/// 2·10⁻⁷ of the summed flux.
const TOLERANCE: f32 = 2e-7 * 4.6;

#[test]
fn the_column_holds_the_plain_formula() {
    let work = scene();
    let report = work.run(&["model", &name(&work), "--sky", "sky.txt", "--json"]).expect(0).json();
    assert_eq!(report["sets"][0]["created"], true, "{report:#}");
    assert_eq!(report["sky"]["components"], 2);
    let model = read(&work.set(), "MODEL_DATA");
    assert!(furthest(&model, &plain(&work.set(), &Beam::None)) <= TOLERANCE);
    set::check(&work.set()).expect("still a whole set");
    // Through a beam, on one thread, without cache, the existing column replaced.
    let beam = ["--beam", "airy", "--threads", "1", "--no-cache"];
    work.run(&[&["model", &name(&work), "--sky", "sky.txt"][..], &beam].concat()).expect(0);
    let dimmed = read(&work.set(), "MODEL_DATA");
    assert!(furthest(&dimmed, &plain(&work.set(), &Beam::Airy { dish_m: 4.65 })) <= TOLERANCE);
    assert!(furthest(&dimmed, &model) > 0.01);
    set::check(&work.set()).expect("still a whole set");
}

#[test]
fn rows_that_are_not_selected_keep_their_bits() {
    let work = scene();
    let ms = name(&work);
    work.run(&["model", &ms, "--source", "8,54,7"]).expect(0);
    let old = read(&work.set(), "MODEL_DATA");
    work.run(&["model", &ms, "--sky", "sky.txt", "--field", "1,3", "--window", "2~4,9", "--rows", "0~400"]).expect(0);
    let new = read(&work.set(), "MODEL_DATA");
    let expected = plain(&work.set(), &Beam::None);
    let (field, ddid, _) = rows(&work.set());
    let row_len = old.len() / field.len();
    let mut counts = [0, 0];
    for row in 0..field.len() {
        let values = row * row_len..(row + 1) * row_len;
        let selected = [1, 3].contains(&field[row]) && [2, 3, 4, 9].contains(&ddid[row]) && row <= 400;
        counts[usize::from(selected)] += 1;
        if selected {
            assert!(furthest(&new[values.clone()], &expected[values]) <= TOLERANCE, "row {row}");
        } else {
            assert_eq!(new[values.clone()], old[values], "row {row}");
        }
    }
    assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
}

#[test]
fn a_model_is_added_and_subtracted() {
    let work = scene();
    let ms = name(&work);
    let data = read(&work.set(), "DATA");
    let expected = plain(&work.set(), &Beam::None);
    let sky = ["model", &ms, "--sky", "sky.txt"];
    work.run(&sky).expect(0);
    work.run(&[&sky[..], &["--add"]].concat()).expect(0);
    let twice: Vec<Complex32> = expected.iter().map(|v| v * 2.0).collect();
    assert!(furthest(&read(&work.set(), "MODEL_DATA"), &twice) <= 2.0 * TOLERANCE);
    // CORRECTED_DATA is made from DATA; a second run subtracts again, unless it begins with DATA again.
    let less = |n: f32| data.iter().zip(&expected).map(|(d, m)| d - m * n).collect::<Vec<_>>();
    let largest = data.iter().map(|d| d.norm()).fold(0.0, f32::max);
    for (more, times) in [(&[][..], 1.0), (&[], 2.0), (&["--from-data"], 1.0), (&["--from-data"], 1.0)] {
        work.run(&[&sky[..], &["--subtract"], more].concat()).expect(0);
        let found = furthest(&read(&work.set(), "CORRECTED_DATA"), &less(times));
        assert!(found <= 4.0 * TOLERANCE + largest * f32::EPSILON, "{more:?}: {found}");
    }
    // In part: other rows keep what they have.
    work.run(&[&sky[..], &["--subtract", "--from-data", "--window", "3"]].concat()).expect(0);
    let corrected = read(&work.set(), "CORRECTED_DATA");
    assert!(furthest(&corrected, &less(1.0)) <= 4.0 * TOLERANCE + largest * f32::EPSILON);
    assert_eq!(read(&work.set(), "DATA"), data);
}

#[test]
fn data_are_compared_with_the_model() {
    let work = scene();
    let ms = name(&work);
    let first = work.run(&["model", &ms, "--sky", "sky.txt", "--check", "--json"]).expect(0).json();
    let before = set::bytes(&work.set());
    let again = work.run(&["model", &ms, "--check", "--json"]).expect(0).json();
    assert_eq!(set::differences(&before, &set::bytes(&work.set())), [""; 0]);
    let (a, b) = (&first["sets"][0]["check"], &again["sets"][0]["check"]);
    assert_eq!(a["windows"].as_array().map(Vec::len), Some(16), "{first:#}");
    for key in ["visibilities", "flagged", "worst"] {
        assert_eq!(a["all"][key], b["all"][key]);
    }
    // By hand, over the cross-correlations.
    let (data, model) = (read(&work.set(), "DATA"), read(&work.set(), "MODEL_DATA"));
    let table = Table::open(work.set()).expect("open");
    let n = table.rows().expect("rows");
    let ants = ["ANTENNA1", "ANTENNA2"].map(|c| table.read_vec::<i32>(c, 0..n).expect("read"));
    let flag = table.read_vec::<bool>("FLAG", 0..n).expect("read");
    let row_len = data.len() / n as usize;
    let (mut sum, mut count) = (0.0_f64, 0_u64);
    for i in (0..data.len()).filter(|i| ants[0][i / row_len] != ants[1][i / row_len] && !flag[*i]) {
        sum += f64::from((data[i] - model[i]).norm_sqr());
        count += 1;
    }
    assert_eq!(a["all"]["visibilities"], count);
    let rms = a["all"]["residual_rms"].as_f64().expect("a number");
    assert!((rms / (sum / count as f64).sqrt() - 1.0).abs() < 1e-6);
    let text = work.run(&["model", &ms, "--check"]).expect(0).stdout;
    assert!(text.contains("largest residual") && text.contains("window"), "{text}");
}

/// Sources of a catalogue around the phase centres, by radius and flux.
#[test]
fn a_catalogue_is_searched() {
    let work = scene();
    let ms = name(&work);
    let db = work.path().join("products.sqlite");
    let source = |name: &str, ra_deg, dec_deg, flux_jy| products_db::SkySource {
        catalogue: "NVSS".into(),
        name: name.into(),
        ra_deg,
        dec_deg,
        flux_jy,
        freq_hz: Some(1.4e9),
        spectral_index: None,
        major_arcsec: None,
        minor_arcsec: None,
        pa_deg: None,
    };
    let near = [source("a", 7.9, 54.6, 2.5), source("faint", 7.8, 54.5, 0.01), source("far", 20.0, 54.5, 9.0)];
    products_db::Writer::create(&db).and_then(|mut writer| writer.upsert(&near)).expect("a database");
    let look = ["model", &ms, "--db", "products.sqlite", "--radius", "1.5", "--min-flux", "0.1"];
    let report = work.run(&[&look[..], &["--catalogue", "NVSS", "--json"]].concat()).expect(0).json();
    assert_eq!(report["sets"][0]["components"], 1, "{report:#}");
    let found = read(&work.set(), "MODEL_DATA");
    work.run(&["model", &ms, "--source", "7.9,54.6,2.5"]).expect(0);
    assert_eq!(found, read(&work.set(), "MODEL_DATA"));
    work.run(&[&look[..], &["--catalogue", "VLSS"]].concat()).expect(1).says("VLSS").says("hint:");
    work.run(&["model", &ms, "--db", "absent.sqlite"]).expect(1).says("absent.sqlite").says("hint:");
    let around = work.run(&[&look[..], &["--around", "20,54.5", "--json"]].concat()).expect(0).json();
    assert_eq!(around["sky"]["components"], 1, "{around:#}");
}

/// Whatever is wrong is said, with what to do, and the set is as it was.
#[test]
fn bad_input_changes_nothing() {
    let work = scene();
    let ms = name(&work);
    let before = set::bytes(&work.set());
    let list = |name: &str, text: &[u8]| fs::write(work.path().join(name), text).expect("write");
    let head = "Format = Name, Ra, Dec, I, MajorAxis\n";
    list("nan.txt", format!("{head}a, 1deg, 2deg, nan\n").as_bytes());
    list("unit.csv", b"ra_deg,dec_deg,i_furlong\n1,2,3\n");
    list("torn.txt", b"Format = Name, Ra, Dec, I\na, 1deg, 2deg, 3\n\xff\xfe\n");
    list("empty.txt", b"");
    list("ends.csv", b"ra_deg,dec_deg,i_jy@1GHz,i_jy@1.2GHz\n7.9,54.6,3,4\n");
    list("steep.csv", b"ra_deg,dec_deg,i_jy,alpha,freq_hz\n7.9,54.6,3,400,1\n");
    let sky = |name: &str| vec!["--sky".to_owned(), name.to_owned()];
    let source = |text: &str| vec!["--source".to_owned(), text.to_owned()];
    let with = |mut args: Vec<String>, more: &[&str]| {
        args.extend(more.iter().map(|s| (*s).to_owned()));
        args
    };
    for (args, code, says) in [
        (sky("nan.txt"), 1, "nan.txt, line 2: `I` is `nan`, not a finite number"),
        (sky("unit.csv"), 1, "unit.csv, line 1: column `i_furlong` has an unknown unit"),
        (sky("torn.txt"), 1, "torn.txt, line 3: not text"),
        (sky("empty.txt"), 1, "empty.txt: there is no source"),
        (sky("absent.txt"), 1, "absent.txt: cannot read the sky model"),
        (sky("ends.csv"), 1, "the table of fluxes ends before"),
        (sky("steep.csv"), 1, "the flux is not finite"),
        (sky("out"), 1, "no casacore table"),
        (sky(&ms), 1, "no CASA component list"),
        (source("190,-54,1"), 1, "below the horizon"),
        (source("1,2,NaN"), 2, "flux in jansky"),
        (source("1,95,3"), 2, "beyond the pole"),
        (vec![], 2, "there is no sky"),
        (vec!["--check".into()], 1, "MODEL_DATA"),
        (with(source("1,2,3"), &["--field", "17"]), 1, "there is no field `17`"),
        (with(source("1,2,3"), &["--field", "3C147"]), 1, "there is no field `3C147`"),
        (with(source("1,2,3"), &["--window", "16"]), 1, "there is no spectral window 16"),
        (with(source("1,2,3"), &["--rows", "999999"]), 1, "names row 999999"),
        (with(source("1,2,3"), &["--window", "15", "--rows", "0"]), 1, "none of"),
        (with(source("1,2,3"), &["--memory", "1MiB"]), 2, "too little"),
        (with(source("1,2,3"), &["--beam", "airy", "--dish", "0"]), 2, "not a diameter"),
        (with(source("1,2,3"), &["--add", "--subtract"]), 2, "cannot be used with"),
    ] {
        let arguments: Vec<&str> =
            ["model", &ms, "--quiet"].into_iter().chain(args.iter().map(String::as_str)).collect();
        let ended = work.run(&arguments);
        assert_eq!(ended.orderly(), Ok(code), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(says), "{args:?} does not say `{says}`: {}", ended.stderr);
        assert!(code == 2 || ended.stderr.contains("hint:"), "{args:?}: {}", ended.stderr);
        assert_eq!(set::differences(&before, &set::bytes(&work.set())), [""; 0], "{args:?}");
    }
    work.run(&["model", "nowhere.ms", "--source", "1,2,3"]).expect(1).says("nowhere.ms").says("hint:");
}

/// A set that fails does not keep the next one from its model.
#[test]
fn one_set_of_several_fails() {
    let work = scene();
    let ms = name(&work);
    let ended = work.run(&["model", "nowhere.ms", &ms, "--sky", "sky.txt", "--json"]).expect(1);
    let report = ended.json();
    assert!(report["sets"][0]["failure"].is_object(), "{report:#}");
    assert_eq!(report["sets"][1]["column"], "MODEL_DATA");
    assert!(furthest(&read(&work.set(), "MODEL_DATA"), &plain(&work.set(), &Beam::None)) <= TOLERANCE);
}

#[test]
fn a_set_without_the_columns() {
    let work = scene();
    let bare = work.path().join("bare.ms");
    set::copy(&work.set(), &bare);
    fs::remove_file(bare.join(publish::MANIFEST_NAME)).expect("remove");
    let mut table = casacore::OpenOptions::new().write(true).open(&bare).expect("open");
    table.remove_column("DATA").expect("remove");
    table.close().expect("close");
    let before = set::bytes(&bare);
    let path = bare.to_string_lossy();
    work.run(&["model", &path, "--source", "8,54,1"]).expect(1).says("DATA").says("hint:");
    assert_eq!(set::differences(&before, &set::bytes(&bare)), [""; 0]);
}
