use std::path::PathBuf;

use products_db::{
    CalTable, CalibrationApplied, Cone, Error, Image, MsRow, Near, Reader, SkySource, SourceQuery, TimeRange, Writer,
    separation_deg,
};
use proptest::prelude::*;

fn database() -> (tempfile::TempDir, Writer) {
    let folder = tempfile::tempdir().expect("a folder");
    let writer = Writer::create(&folder.path().join("products.sqlite3")).expect("a database");
    (folder, writer)
}

fn image(writer: &Writer, name: &str) -> Image {
    let path = writer.folder().root().join(name);
    Image { path: writer.folder().stored(&path).expect("a path"), ..Image::default() }
}

#[test]
fn forty_thousand_keys_are_two_queries_in_their_order() {
    let (_folder, mut writer) = database();
    let root = writer.folder().root().to_owned();
    let rows: Vec<Image> =
        (0..20_000).map(|i| Image { imsize_x: Some(i), ..image(&writer, &format!("t/{i}.fits")) }).collect();
    writer.upsert(&rows).expect("rows");
    // More than SQLite's 32,766 variables; every second one is missing, some are there twice.
    let mut keys: Vec<i64> = (0..40_000).map(|i| (i * 7919) % 40_000).collect();
    keys.extend([3, 3, 39_999]);
    let paths: Vec<PathBuf> = keys.iter().map(|i| root.join(format!("t/{i}.fits"))).collect();
    let reader = Reader::open(writer.path()).expect("a reader");
    let found: Vec<Option<Image>> = reader.by_path(&paths).expect("a look-up");
    assert!(reader.queries() <= 2, "one, or one on each of two cores");
    assert_eq!(found.len(), keys.len());
    for (key, found) in keys.iter().zip(&found) {
        let expected = (*key < 20_000).then_some(*key);
        assert_eq!(found.as_ref().and_then(|f| f.imsize_x), expected, "{key}");
    }
    let before = reader.queries();
    let tiles = reader.tiles(&paths).expect("a look-up");
    assert!(reader.queries() - before <= 2, "one, or one on each of two cores");
    assert!(tiles.iter().zip(&found).all(|(t, f)| t.is_some() == f.is_some()));
    assert!(reader.by_path::<Image>(&[] as &[PathBuf]).expect("no keys").is_empty());
}

#[test]
fn names_are_taken_literally() {
    let (_folder, mut writer) = database();
    let root = writer.folder().root().to_owned();
    let names =
        ["it's.fits", "a\"b.fits", "%_*.fits", "né 𝄞.fits", "[1].fits", "x'; DROP TABLE images; --.fits", "\\.fits"];
    let rows: Vec<Image> = names.iter().map(|n| image(&writer, n)).collect();
    writer.upsert(&rows).expect("rows");
    let found: Vec<Option<Image>> = writer.by_path(&names.map(|n| root.join(n))).expect("a look-up");
    for (row, found) in rows.iter().zip(found) {
        assert_eq!(found.map(|f| f.path), Some(row.path.clone()));
    }
    assert!(writer.by_path::<Image>(&[root.join("%.fits")]).expect("a look-up")[0].is_none());
}

#[test]
fn a_night_can_be_moved() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (folder.path().join("night"), folder.path().join("moved"));
    let mut writer = Writer::create(&old.join("products.sqlite3")).expect("a database");
    let row = image(&writer, "a.fits");
    writer.upsert(&[row]).expect("a row");
    drop(writer);
    std::fs::rename(&old, &new).expect("one file system");
    let reader = Reader::open(&new.join("products.sqlite3")).expect("a database");
    let found: Vec<Option<Image>> = reader.by_path(&[new.join("a.fits"), old.join("a.fits")]).expect("a look-up");
    assert!(found[0].is_some() && found[1].is_none());
    let path = &found[0].as_ref().expect("a row").path;
    assert_eq!(reader.folder().resolve(path), new.canonicalize().expect("it is there").join("a.fits"));
}

#[test]
fn a_wrong_value_is_an_error_that_names_its_row() {
    let (_folder, mut writer) = database();
    let row = image(&writer, "a.fits");
    writer.upsert(&[row]).expect("a row");
    let connection = rusqlite::Connection::open(writer.path()).expect("a second hand");
    connection.execute("UPDATE images SET noise_jy = 'loud'", []).expect("SQLite takes any value");
    let result = writer.by_path::<Image>(&[writer.folder().root().join("a.fits")]);
    assert!(matches!(&result, Err(Error::Value { table: "images", row: 1, .. })), "{result:?}");
    connection.execute("DROP TABLE images", []).expect("a table");
    let result = writer.by_path::<Image>(&[writer.folder().root().join("a.fits")]);
    assert!(matches!(&result, Err(Error::Query { .. })), "{result:?}");
}

#[test]
fn tiles_come_with_their_sets_and_tables() {
    let (_folder, mut writer) = database();
    let root = writer.folder().root().to_owned();
    let stored = |name: &str| writer.folder().stored(&root.join(name)).expect("a path");
    let (ms, other) = (stored("a.ms"), stored("b.ms"));
    let images = [
        Image { ms_path: Some(ms.clone()), ..image(&writer, "1.fits") },
        Image { ms_path: Some(ms.clone()), ..image(&writer, "2.fits") },
        Image { ms_path: Some(other), ..image(&writer, "3.fits") },
        image(&writer, "4.fits"),
    ];
    let set = MsRow { path: ms.clone(), cal_applied: Some(true), mid_mjd: Some(61_000.0), ..MsRow::default() };
    let table = |name: &str, order| CalTable {
        path: stored(name),
        order_index: Some(order),
        set_name: Some("s".to_owned()),
        ..CalTable::default()
    };
    let applied = |name: &str| CalibrationApplied {
        ms_path: ms.clone(),
        caltable_path: stored(name),
        applied_at: Some(1.0),
        ..CalibrationApplied::default()
    };
    let (tables, applied) = ([table("g", 50), table("b", 30)], [applied("g"), applied("b"), applied("unknown")]);
    writer
        .transaction(|t| {
            t.upsert(&images)?;
            t.upsert(std::slice::from_ref(&set))?;
            t.upsert(&tables)?;
            t.upsert(&applied)
        })
        .expect("rows");
    let before = writer.queries();
    let paths = ["4.fits", "3.fits", "2.fits", "1.fits", "0.fits"].map(|n| root.join(n));
    let tiles = writer.tiles(&paths).expect("a look-up");
    assert_eq!(writer.queries() - before, 1);
    let names = |i: usize| -> Vec<(&str, bool)> {
        let tables = &tiles[i].as_ref().expect("a tile").tables;
        tables.iter().map(|t| (t.path.as_str(), t.table.is_some())).collect()
    };
    assert_eq!(names(3), [("unknown", false), ("b", true), ("g", true)]);
    assert_eq!(names(2), names(3));
    assert!(names(1).is_empty() && names(0).is_empty() && tiles[4].is_none());
    assert_eq!(tiles[3].as_ref().and_then(|t| t.set.as_ref()).map(|s| s.mid_mjd), Some(set.mid_mjd));
    assert_eq!(tiles[3].as_ref().map(|t| t.mid_mjd), Some(set.mid_mjd));
    assert!(tiles[1].as_ref().is_some_and(|t| t.set.is_none()));
}

#[test]
fn times_include_both_ends() {
    let (_folder, mut writer) = database();
    let root = writer.folder().root().to_owned();
    let stored = |name: String| writer.folder().stored(&root.join(name)).expect("a path");
    let sets: Vec<MsRow> = (0..10)
        .map(|i| MsRow { path: stored(format!("{i}.ms")), mid_mjd: Some(61_000.1 + f64::from(i)), ..MsRow::default() })
        .collect();
    let images: Vec<Image> = (0..10)
        .map(|i| Image {
            path: stored(format!("{i}.fits")),
            ms_path: Some(stored(format!("{i}.ms"))),
            // Every second image has times of its own, a day later.
            start_mjd: (i % 2 == 0).then_some(61_001.1 + f64::from(i)),
            ..Image::default()
        })
        .collect();
    writer.upsert(&sets).and_then(|()| writer.upsert(&images)).expect("rows");
    let range = |a: f64, b: f64| TimeRange { from_mjd: a, to_mjd: b };
    let ranges = [range(61_002.1, 61_004.1), range(61_000.2, 61_001.0), range(0.0, 1e6)];
    let found: Vec<Vec<MsRow>> = writer.by_time(&ranges).expect("a look-up");
    let names = |list: &[MsRow]| list.iter().map(|r| r.path.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&found[0]), ["2.ms", "3.ms", "4.ms"]);
    assert!(found[1].is_empty());
    assert_eq!(found[2].len(), 10);
    let found = writer.images_by_time(&ranges[..1]).expect("a look-up");
    assert_eq!(found[0].iter().map(|r| r.path.as_str()).collect::<Vec<_>>(), ["2.fits", "3.fits"]);
    assert!(matches!(writer.by_time::<MsRow>(&[range(f64::NAN, 1.0)]), Err(Error::Number { .. })));
}

#[test]
fn the_latest_valid_set_is_taken_in_order() {
    let (_folder, mut writer) = database();
    let root = writer.folder().root().to_owned();
    let table = |set: &str, kind: &str, order: i64, from: f64, to: Option<f64>, status: &str| CalTable {
        path: writer.folder().stored(&root.join(format!("{set}-{kind}"))).expect("a path"),
        set_name: Some(set.to_owned()),
        table_type: Some(kind.to_owned()),
        order_index: Some(order),
        created_at: Some(from),
        valid_start_mjd: Some(from),
        valid_end_mjd: to,
        status: Some(status.to_owned()),
        ..CalTable::default()
    };
    let rows = [
        table("old", "GP", 50, 100.0, None, "active"),
        table("old", "BP", 30, 100.0, None, "active"),
        table("new", "2G", 60, 110.0, Some(112.0), "active"),
        table("new", "BP", 30, 110.0, Some(112.0), "active"),
        table("new", "GP", 50, 110.0, Some(111.0), "active"),
        table("bad", "BP", 30, 111.0, Some(113.0), "failed"),
    ];
    writer.upsert(&rows).expect("rows");
    let times = [99.9, 100.0, 110.5, 111.5, 112.0, 112.1];
    let before = writer.queries();
    let found = writer.calibration_at(&times).expect("a look-up");
    assert_eq!(writer.queries() - before, 1);
    let show = |set: &Option<products_db::CalibrationSet>| {
        set.as_ref().map_or("-".to_owned(), |s| {
            let kinds: Vec<&str> = s.tables.iter().filter_map(|t| t.table_type.as_deref()).collect();
            format!("{} {}", s.name, kinds.join(" "))
        })
    };
    let shown: Vec<String> = found.iter().map(show).collect();
    assert_eq!(shown, ["-", "old BP GP", "new BP GP 2G", "new BP 2G", "new BP 2G", "old BP GP"]);
}

#[test]
fn sources_by_flux_and_catalogue() {
    let (_folder, mut writer) = database();
    let source = |catalogue: &str, name: &str, ra_deg: f64, flux_jy: f64| SkySource {
        catalogue: catalogue.to_owned(),
        name: name.to_owned(),
        ra_deg,
        dec_deg: 37.0,
        flux_jy,
        ..SkySource::default()
    };
    writer
        .upsert(&[
            source("NVSS", "a", 359.95, 1.0),
            source("NVSS", "b", 0.1, 0.005),
            source("FIRST", "c", 0.0, 2.0),
            source("NVSS", "d", 10.0, 9.0),
        ])
        .expect("rows");
    let cone = Cone { ra_deg: 360.0, dec_deg: 37.0, radius_deg: 1.0 };
    let names = |query: SourceQuery| {
        let found = writer.sources(&[cone], &query).expect("a look-up");
        found[0].iter().map(|n| n.row.name.clone()).collect::<String>()
    };
    assert_eq!(names(SourceQuery::default()), "cab");
    assert_eq!(names(SourceQuery { min_flux_jy: Some(0.01), ..SourceQuery::default() }), "ca");
    assert_eq!(names(SourceQuery { catalogue: Some("NVSS".into()), ..SourceQuery::default() }), "ab");
    // The same source again is a change, not a second one.
    writer.upsert(&[source("NVSS", "a", 359.95, 3.0)]).expect("a change");
    assert_eq!(writer.count::<SkySource>().expect("a count"), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against the plain way: the distance of every row.
    #[test]
    fn cones_hold_what_is_near(
        places in prop::collection::vec((-720.0..720.0f64, -90.0..=90.0f64), 1..300),
        cones in prop::collection::vec((prop_oneof![Just(0.0), Just(359.9), -360.0..720.0f64],
            prop_oneof![Just(-90.0), Just(90.0), Just(89.9), -90.0..=90.0f64],
            prop_oneof![Just(0.0), Just(180.0), 0.0..3.0f64, 0.0..120.0f64]), 1..12),
    ) {
        let (_folder, mut writer) = database();
        // Right ascensions are stored with any turn up to one.
        let rows: Vec<Image> = places.iter().enumerate().map(|(i, (ra, dec))| Image {
            center_ra_deg: Some(ra % 360.0), center_dec_deg: Some(*dec), imsize_x: Some(i as i64),
            ..image(&writer, &format!("{i}.fits"))
        }).collect();
        writer.upsert(&rows).expect("rows");
        let cones: Vec<Cone> =
            cones.into_iter().map(|(ra_deg, dec_deg, radius_deg)| Cone { ra_deg, dec_deg, radius_deg }).collect();
        let found: Vec<Vec<Near<Image>>> = writer.near(&cones).expect("a look-up");
        for (cone, found) in cones.iter().zip(found) {
            let mut got: Vec<i64> = found.iter().filter_map(|n| n.row.imsize_x).collect();
            prop_assert!(found.is_sorted_by(|a, b| a.distance_deg <= b.distance_deg));
            got.sort_unstable();
            let wanted: Vec<i64> = (0i64..).zip(&places).filter(|(_, (ra, dec))| {
                separation_deg([cone.ra_deg, cone.dec_deg], [ra % 360.0, *dec]) <= cone.radius_deg
            }).map(|(i, _)| i).collect();
            prop_assert_eq!(got, wanted, "{:?}", cone);
        }
    }

    /// Numbers come back from SQLite's JSON as they were: an end of a range is within it.
    #[test]
    fn ends_of_ranges_are_exact(times in prop::collection::vec(40_000.0..80_000.0f64, 1..40)) {
        let (_folder, mut writer) = database();
        let root = writer.folder().root().to_owned();
        let rows: Vec<MsRow> = times.iter().enumerate().map(|(i, t)| MsRow {
            path: writer.folder().stored(&root.join(format!("{i}.ms"))).expect("a path"),
            mid_mjd: Some(*t), ..MsRow::default()
        }).collect();
        writer.upsert(&rows).expect("rows");
        let ranges: Vec<TimeRange> = times.iter().map(|t| TimeRange { from_mjd: *t, to_mjd: *t }).collect();
        let found: Vec<Vec<MsRow>> = writer.by_time(&ranges).expect("a look-up");
        prop_assert!(found.iter().zip(&rows).all(|(f, r)| f.iter().any(|f| f.path == r.path)));
    }
}
