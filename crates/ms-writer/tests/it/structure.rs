use std::path::Path;
use std::time::Duration;

use casacore::Value;
use ms_writer::vis_types::*;
use ms_writer::{Error, MsOptions, MsWriter, Provenance, Station};

use crate::made;

const SUBTABLES: [&str; 13] = [
    "ANTENNA",
    "DATA_DESCRIPTION",
    "FEED",
    "FIELD",
    "FLAG_CMD",
    "HISTORY",
    "OBSERVATION",
    "POINTING",
    "POLARIZATION",
    "PROCESSOR",
    "SOURCE",
    "SPECTRAL_WINDOW",
    "STATE",
];

#[test]
fn the_set_has_all_required_tables_and_columns() {
    let header = made::header(2);
    let made = made::write(&header, &MsOptions::default(), |_| {});
    let main = made.table();
    assert_eq!(main.info().expect("the info").kind, "Measurement Set");
    let keywords = main.keywords().expect("keywords");
    assert_eq!(keywords.get("MS_VERSION"), Some(&Value::F32(2.0)));
    let mut found: Vec<String> = main.subtables().expect("subtables").into_iter().map(|(name, _)| name).collect();
    found.sort();
    assert_eq!(found, SUBTABLES);
    let names: Vec<String> = main.columns().expect("columns").into_iter().map(|c| c.name).collect();
    for required in [
        "ANTENNA1",
        "ANTENNA2",
        "ARRAY_ID",
        "DATA",
        "DATA_DESC_ID",
        "EXPOSURE",
        "FEED1",
        "FEED2",
        "FIELD_ID",
        "FLAG",
        "FLAG_CATEGORY",
        "FLAG_ROW",
        "INTERVAL",
        "OBSERVATION_ID",
        "PROCESSOR_ID",
        "SCAN_NUMBER",
        "SIGMA",
        "STATE_ID",
        "TIME",
        "TIME_CENTROID",
        "UVW",
        "WEIGHT",
    ] {
        assert!(names.iter().any(|n| n == required), "{required}");
    }
    let unit = |column: &str| main.column_keywords(column).expect("keywords").get("QuantumUnits").cloned();
    assert_eq!(unit("UVW"), Some(vec!["m"; 3].into()));
    assert_eq!(unit("DATA"), Some(vec!["uncalib"].into()));
    for zero in ["ARRAY_ID", "FEED1", "FEED2", "OBSERVATION_ID", "PROCESSOR_ID", "STATE_ID", "DATA_DESC_ID"] {
        assert!(made.column::<i32>(zero).iter().all(|&x| x == 0), "{zero}");
    }
    for (table, rows) in [
        ("STATE", 1),
        ("PROCESSOR", 1),
        ("FEED", 6),
        ("ANTENNA", 6),
        ("POINTING", 12),
        ("SOURCE", 1),
        ("OBSERVATION", 1),
    ] {
        assert_eq!(made.subtable(table).rows().expect("rows"), rows, "{table}");
    }
}

#[test]
fn antennas_are_told_as_the_header_knows_them() {
    let header = made::header(1);
    let made = made::write(&header, &MsOptions::default(), |_| {});
    let a = made.subtable("ANTENNA");
    assert_eq!(a.read_strings("NAME", 0..6).expect("names"), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(a.read_strings("MOUNT", 0..6).expect("mounts"), ["alt-az"; 6]);
    assert_eq!(a.read_vec::<f64>("DISH_DIAMETER", 0..6).expect("diameters"), [4.65; 6]);
    let positions: Vec<f64> = a.read_vec("POSITION", 0..6).expect("positions");
    for (i, antenna) in header.telescope.antennas.iter().enumerate() {
        for axis in 0..3 {
            let expected = antenna.position_m[axis] + header.telescope.location_itrf_m[axis];
            assert!((positions[3 * i + axis] - expected).abs() < 1e-9);
        }
    }
    let (a1, a2): (Vec<i32>, Vec<i32>) = (made.column("ANTENNA1"), made.column("ANTENNA2"));
    for (r, row) in header.rows.iter().enumerate() {
        assert_eq!((a1[r], a2[r]), (row.baseline.ant1 as i32, row.baseline.ant2 as i32));
    }
}

#[test]
fn receptors_and_products_match_the_correlations() {
    use Correlation::{I, LL, LR, RL, RR, XX, YY};
    for (correlations, kinds, products) in [
        (vec![XX, YY], ["X", "Y"], vec![0, 0, 1, 1]),
        (vec![RR, RL, LR, LL], ["R", "L"], vec![0, 0, 0, 1, 1, 0, 1, 1]),
        (vec![YY], ["X", "Y"], vec![1, 1]),
        (vec![I], ["X", "Y"], vec![0, 0]),
    ] {
        let header = VisHeader { correlations: correlations.clone(), ..made::header(1) };
        let made = made::write(&header, &MsOptions::default(), |_| {});
        let p = made.subtable("POLARIZATION");
        let codes: Vec<i32> = p.read_cell("CORR_TYPE", 0).expect("a cell").1;
        assert_eq!(codes, correlations.iter().map(|c| c.casa()).collect::<Vec<_>>());
        assert_eq!(p.read_cell::<i32>("CORR_PRODUCT", 0).expect("a cell"), (vec![correlations.len(), 2], products));
        let f = made.subtable("FEED");
        assert_eq!(f.read_ragged_strings("POLARIZATION_TYPE", 0).expect("a cell").values, kinds);
    }
}

#[test]
fn history_names_the_program_and_keeps_that_of_the_files() {
    let header = made::header(1);
    let provenance = Provenance {
        application: "contimg 0.1.0".to_owned(),
        command: vec!["contimg convert in out".to_owned()],
        parameters: vec!["centres=mid-time".to_owned(), "windows=band".to_owned()],
        message: "16 subbands merged".to_owned(),
        time: Some(Duration::from_secs(86_400)),
    };
    let made = made::write(&header, &MsOptions { provenance, ..MsOptions::default() }, |_| {});
    let h = made.subtable("HISTORY");
    assert_eq!(
        h.read_strings("MESSAGE", 0..3).expect("messages"),
        ["16 subbands merged", "written by a test", "second line"]
    );
    assert_eq!(h.read_strings("APPLICATION", 0..1).expect("names"), ["contimg 0.1.0"]);
    assert_eq!(h.read_ragged_strings("APP_PARAMS", 0).expect("a cell").values, ["centres=mid-time", "windows=band"]);
    assert_eq!(h.read_vec::<f64>("TIME", 0..1).expect("times")[0], 40_588.0 * 86_400.0);
}

#[test]
fn telescope_and_positions_can_be_replaced() {
    let header = made::header(1);
    let stations: Vec<Station> = header
        .telescope
        .antennas
        .iter()
        .map(|a| Station {
            name: a.name.clone(),
            itrf_m: std::array::from_fn(|i| a.position_m[i] + header.telescope.location_itrf_m[i] + 1.0),
        })
        .collect();
    let options = MsOptions {
        telescope_name: Some("DSA_110".to_owned()),
        stations: Some(stations.clone()),
        ..MsOptions::default()
    };
    let made = made::write(&header, &options, |_| {});
    assert_eq!(made.subtable("OBSERVATION").read_strings("TELESCOPE_NAME", 0..1).expect("a name"), ["DSA_110"]);
    let positions: Vec<f64> = made.subtable("ANTENNA").read_vec("POSITION", 0..6).expect("positions");
    for (i, s) in stations.iter().enumerate() {
        assert!((positions[3 * i] - s.itrf_m[0]).abs() < 1e-9);
    }
    let few = MsOptions { stations: Some(stations[..4].to_vec()), ..MsOptions::default() };
    match MsWriter::create(Path::new("/nonexistent/set.ms"), &header, &few) {
        Err(Error::MissingStations { names }) => assert_eq!(names, ["5", "6"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("never.ms");
    let refused = |change: &dyn Fn(&mut VisHeader)| {
        let mut header = made::header(1);
        change(&mut header);
        MsWriter::create(&path, &header, &MsOptions::default()).map(|_| ()).expect_err("refused")
    };
    let is_header = |e: Error| matches!(e, Error::Header { .. });
    assert!(is_header(refused(&|h| h.windows.clear())));
    assert!(is_header(refused(&|h| h.windows.swap(0, 1))));
    assert!(is_header(refused(&|h| h.windows[0].freq_hz[3] = f64::NAN)));
    assert!(is_header(refused(&|h| h.windows[2].width_hz[0] = -1.0)));
    assert!(is_header(refused(&|h| h.windows[2].width_hz.clear())));
    assert!(is_header(refused(&|h| h.telescope.antennas.truncate(3))));
    assert!(is_header(refused(&|h| h.rows = RowAxis::grid(vec![], vec![], vec![]))));
    assert!(is_header(refused(
        &|h| h.rows = RowAxis::grid(vec![JulianDate(f64::NAN)], vec![1.0], vec![Baseline::new(0, 1)])
    )));
    assert!(matches!(
        refused(&|h| h.correlations = vec![Correlation::XX, Correlation::RR]),
        Error::Correlations { .. }
    ));
    assert!(matches!(refused(&|h| h.correlations.clear()), Error::Correlations { .. }));
    assert!(!path.exists());
    std::fs::create_dir(&path).expect("a folder");
    assert!(matches!(refused(&|_| {}), Error::Table { .. }), "an existing set is not touched");
}
