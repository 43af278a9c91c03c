//! `contimg db`: from an empty folder to a checked, queried, copied database.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use cal_tables::{CalRow, CalTable, Complex32, Kind, MsAntenna, MsSubtables, SpectralWindow, Values};
use fixtures::GroupSpec;

use crate::{
    program::{GROUP, Work},
    tiles::write_tile,
};

#[test]
fn a_night_is_imported_queried_checked_and_copied() {
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&[]).expect(0);
    write_tile(&work.out(), GROUP, 10.0, &[]);
    work.run(&["db", "init", "night"]).expect(0);
    work.run(&["db", "init", "night"]).expect(3).says("exists already").says("hint:");

    let import = ["db", "import", "night", "input", "out", "--noise", "--json"];
    let first = work.run(&import).expect(0).json();
    assert_eq!(
        (&first["subbands"], &first["groups"], &first["sets"], &first["images"]),
        (&16.into(), &1.into(), &1.into(), &2.into()),
        "{first:#}"
    );
    assert_eq!(work.run(&import).expect(0).json(), first, "a second time changes nothing");

    let query = |args: &[&str]| work.run(&[&["db", "query", "night"], args, &["--json"]].concat()).expect(0).json();
    let sets = query(&["sets", &format!("out/{GROUP}.ms"), "out/none.ms"]);
    assert_eq!((&sets["missing"], &sets["queries"]), (&1.into(), &1.into()), "{sets:#}");
    assert!(sets["rows"][0]["n_rows"].as_i64() > Some(0) && sets["rows"][1].is_null());
    let mid = sets["rows"][0]["mid_mjd"].as_f64().expect("a time");
    let range = |a: f64, b: f64| query(&["sets", "--from", &(mid + a).to_string(), "--to", &(mid + b).to_string()]);
    assert_eq!(range(-0.1, 0.1)["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(range(0.1, 0.2)["rows"].as_array().map(Vec::len), Some(0));
    let near = query(&["images", "--near", "370.1,37.0,0.5"]);
    let images = near["rows"].as_array().expect("rows");
    assert_eq!(images.len(), 2, "{near:#}");
    assert!(images.iter().all(|i| i["ms_path"].as_str().is_some_and(|p| p.ends_with(".ms"))));
    let image = images.iter().find(|i| i["kind"] == "image").expect("an image");
    assert!((0.8e-3..1.2e-3).contains(&image["noise_jy"].as_f64().expect("noise")), "{image:#}");
    assert_eq!(query(&["groups", GROUP])["rows"][0]["state"], "pending");
    assert_eq!(query(&["subbands"])["rows"].as_array().map(Vec::len), Some(16));
    work.run(&["db", "query", "night", "quality", "--near", "1,2,3"]).expect(2).says("hint:");
    // As people write and read times and directions.
    let sets = ["db", "query", "night", "sets", "--from", "2026-01-25T00:00", "--to", "2026-01-26"];
    work.run(&sets)
        .expect(0)
        .says_stdout("first time (UTC)")
        .says_stdout("2026-01-25T00:05:2")
        .says_stdout("+54:27:06");
    work.run(&["db", "query", "night", "images", "--near", "00:40:24,+37:00:00,0.5"])
        .expect(0)
        .says_stdout("noise mJy");
    work.run(&["db", "query", "night", "sets", "--to", "2025-01-01"]).expect(0).says("nothing was found");
    work.run(&["db", "query", "night", "subbands", "--limit", "3"]).expect(0).says("more than these 3");
    work.run(&["db", "query", "night", "sets", "--from", "then"]).expect(2).says("2026-01-25T00:05:19");

    assert_eq!(work.run(&["db", "check", "night", "--json"]).expect(0).json()["whole"], true);
    work.run(&["db", "backup", "night", "copy.sqlite3"]).expect(0);
    work.run(&["db", "backup", "night", "copy.sqlite3"]).expect(3).says("exists already");
    fs::remove_file(work.out().join(format!("{GROUP}-image.fits"))).expect("a file");
    let ended = work.run(&["db", "check", "night"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.stdout.contains("-image.fits (images.path)"), "{ended:?}");
}

/// As the pipeline's user makes it and everybody else looks at it.
#[test]
fn a_database_in_somebody_elses_folder_can_be_looked_at() {
    let work = Work::with(&GroupSpec::tiny());
    work.run(&["db", "import", "night", "input"]).expect(0);
    fs::set_permissions(work.path().join("night"), fs::Permissions::from_mode(0o555)).expect("chmod");
    let look = ["db", "query", "night", "subbands", "--json"];
    let Some(ended) = work.unprivileged(&look) else { return };
    assert_eq!(ended.expect(0).json(), work.run(&look).expect(0).json());
    let check = work.unprivileged(&["db", "check", "night", "--json"]).expect("it ran before").expect(0);
    assert_eq!(check.json()["whole"], true);
    let import = work.unprivileged(&["db", "import", "night", "input"]).expect("it ran before");
    import.expect(3).says("cannot be written").says("write-protected");
    let names: Vec<_> =
        fs::read_dir(work.path().join("night")).expect("a folder").flatten().map(|e| e.file_name()).collect();
    // It is to be removed, also by a user who is not root.
    fs::set_permissions(work.path().join("night"), fs::Permissions::from_mode(0o755)).expect("chmod");
    assert_eq!(names, ["products.sqlite3"], "nothing was made there");
}

#[test]
fn what_cannot_be_read_is_passed_over_and_told() {
    let work = Work::with(&GroupSpec::tiny());
    fs::write(work.input().join("bad-image.fits"), b"no image").expect("room");
    fs::create_dir_all(work.input().join("bad.ms/ANTENNA")).expect("room");
    for part in ["FIELD", "DATA_DESCRIPTION"] {
        fs::create_dir_all(work.input().join("bad.ms").join(part)).expect("room");
    }
    fs::write(work.input().join("bad.ms/table.dat"), b"junk").expect("room");
    for part in ["ANTENNA", "FIELD", "SPECTRAL_WINDOW"] {
        fs::create_dir_all(work.input().join("bad_bpcal").join(part)).expect("room");
    }
    fs::write(work.input().join("bad_bpcal/table.dat"), b"junk").expect("room");
    let ended = work.run(&["db", "import", "new.sqlite3", "input", "absent", "--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report = ended.json();
    assert_eq!(
        (&report["subbands"], &report["sets"], &report["tables"], &report["images"]),
        (&16.into(), &0.into(), &0.into(), &0.into()),
        "{report:#}"
    );
    let unreadable = report["unreadable"].to_string();
    for name in ["bad-image.fits", "bad.ms", "bad_bpcal", "absent"] {
        assert!(unreadable.contains(name), "{unreadable}");
    }
}

/// A calibration table of one antenna's solutions at a modified Julian date.
fn write_table(path: &Path, kind: Kind, mjd: f64, flagged: bool) {
    let window = SpectralWindow {
        name: "W".into(),
        freq_hz: vec![1.4e9],
        width_hz: vec![1e7],
        effective_bw_hz: None,
        resolution_hz: None,
        ref_freq_hz: 1.4e9,
        total_bandwidth_hz: 1e7,
        frame: Some("TOPO".into()),
        flagged: false,
    };
    let antenna = MsAntenna {
        name: "ea07".into(),
        station: "N1".into(),
        kind: String::new(),
        mount: String::new(),
        position_m: [1.0, 2.0, 3.0],
        offset_m: [0.0; 3],
        diameter_m: 25.0,
        flagged: false,
    };
    let subtables = MsSubtables { windows: vec![window], antennas: vec![antenna], ..MsSubtables::default() };
    let mut table = CalTable::new(kind, "3c147.ms", &subtables);
    table.rows.push(CalRow {
        time_s: mjd * 86_400.0,
        interval_s: 60.0,
        field: 0,
        window: 0,
        antenna: 0,
        reference: 0,
        scan: 1,
        observation: 0,
        channels: 1,
        receptors: 1,
        values: match kind {
            Kind::Delay => Values::Delays(vec![1.0]),
            _ => Values::Gains(vec![Complex32::ONE]),
        },
        errors: vec![0.01],
        flags: vec![flagged],
        snr: vec![50.0],
    });
    fs::create_dir_all(path.parent().expect("a folder")).expect("room");
    table.write(path).expect("a table");
}

#[test]
fn calibration_tables_are_one_set_where_their_names_say_so() {
    let work = Work::new();
    let at = |name: &str| work.path().join(name);
    // By any ending; the order is that of kinds, and validity is shared.
    for (name, kind, mjd) in [("a.G0", Kind::Gain, 60_000.2), ("a.B0", Kind::Bandpass, 60_000.0)] {
        write_table(&at("one").join(name), kind, mjd, false);
    }
    // A solve's own, a table of which nothing is usable, and one of another day.
    for (name, kind, mjd, flagged) in [
        ("a_prebp", Kind::Gain, 60_010.0, false),
        ("a_bpcal", Kind::Bandpass, 60_010.0, false),
        ("a_gpcal", Kind::Gain, 60_010.0, false),
        ("a_2gcal", Kind::Gain, 60_010.0, true),
        ("a_kcal", Kind::Delay, 60_010.0, false),
        ("b_bpcal", Kind::Bandpass, 60_020.0, false),
    ] {
        write_table(&at("two").join(name), kind, mjd, flagged);
    }
    // Whose names do not tell: two gains, and two tables of one Measurement Set with nothing in common.
    for (name, kind) in [("a.G0", Kind::Gain), ("a.G1", Kind::Gain), ("a.B0", Kind::Bandpass)] {
        write_table(&at("three").join(name), kind, 60_030.0, false);
    }
    for (name, kind) in [("gains", Kind::Gain), ("bandpass", Kind::Bandpass)] {
        write_table(&at("four").join(name), kind, 60_040.0, false);
    }
    let import = ["db", "import", "n.sqlite3", "one", "two", "three", "four", "--valid-hours", "6"];
    let said = work.run(&[&import[..], &["--json"]].concat()).expect(0).json();
    assert_eq!(said["tables"], 12, "{said:#}");
    assert_eq!(said["unassigned"].as_array().map(Vec::len), Some(5), "{said:#}");
    work.run(&import).expect(0).says("three/a.G1: several").says("four/gains: other tables").says("hint:");

    let valid = |mjd: f64| -> Vec<String> {
        let query = ["db", "query", "n.sqlite3", "tables", "--at", &mjd.to_string(), "--json"];
        let found = work.run(&query).expect(0).json();
        let rows = found["rows"].as_array().expect("rows").iter();
        rows.map(|row| row["path"].as_str().expect("a path").to_owned()).collect()
    };
    assert_eq!(valid(60_000.1), ["one/a.B0", "one/a.G0"]);
    assert_eq!(valid(60_000.44), ["one/a.B0", "one/a.G0"], "the bandpass is valid with its gains");
    assert_eq!(valid(60_000.46), [""; 0]);
    assert_eq!(valid(60_010.0), ["two/a_kcal", "two/a_bpcal", "two/a_gpcal"]);
    assert_eq!(valid(60_020.0), ["two/b_bpcal"]);
    assert_eq!((valid(60_030.0), valid(60_040.0)), (vec![], vec![]), "half of a calibration is worse than none");

    // A person says what belongs together, and nothing that is found later changes it.
    let assign = ["db", "import", "n.sqlite3", "three/a.B0", "three/a.G1", "--set", "late"];
    work.run(&assign).expect(0);
    assert_eq!(valid(60_030.0), ["three/a.B0", "three/a.G1"]);
    work.run(&import).expect(0).says("three/a.G0: tables of its name are registered as set late");
    assert_eq!(valid(60_030.0), ["three/a.B0", "three/a.G1"]);

    // Solved again: another time.
    fs::remove_dir_all(at("two/b_bpcal")).expect("a table");
    let ended = work.run(&["db", "check", "n.sqlite3"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.stdout.contains("two/b_bpcal (calibration_tables.path)"), "{ended:?}");
    write_table(&at("two/b_bpcal"), Kind::Bandpass, 60_021.0, false);
    work.run(&import).expect(0);
    assert_eq!((valid(60_020.0), valid(60_021.0)), (vec![], vec!["two/b_bpcal".to_owned()]));
    // What somebody says of a table holds.
    let reader = products_db::Reader::open(&at("n.sqlite3")).expect("the database");
    let path = reader.folder().stored(&at("two/b_bpcal")).expect("a path");
    drop(reader);
    let retired = products_db::CalTable { path, status: Some("retired".into()), ..Default::default() };
    products_db::Writer::open(&at("n.sqlite3")).and_then(|mut w| w.upsert(&[retired])).expect("a row");
    work.run(&import).expect(0);
    assert_eq!(valid(60_021.0), [""; 0]);
}

#[test]
fn an_old_or_foreign_file_is_named_for_what_it_is() {
    let work = Work::new();
    work.run(&["db", "check", "nowhere"]).expect(1).says("no products database").says("hint:");
    fs::write(work.path().join("text"), "not a database, although somebody says so").expect("room");
    work.run(&["db", "migrate", "text"]).expect(1).says("not an SQLite database").says("hint:");
    assert_eq!(
        fs::read_to_string(work.path().join("text")).expect("a file"),
        "not a database, although somebody says so"
    );
    fs::write(work.path().join("empty.sqlite3"), b"").expect("room");
    work.run(&["db", "query", "empty.sqlite3", "images"]).expect(1).says("contimg db migrate");
    work.run(&["db", "migrate", "empty.sqlite3"]).expect(0);
    work.run(&["db", "query", "empty.sqlite3", "images"]).expect(0);
}
