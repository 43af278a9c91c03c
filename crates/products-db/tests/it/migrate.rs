use std::{collections::BTreeMap, path::Path};

use products_db::{
    CalTable, Check, Error, Group, Image, Layout, MsRow, Reader, SubbandFile, Writer, migrate, migrate_into,
};
use rusqlite::{Connection, types::Value};

use crate::layouts;

/// Every row of a table as (column, value), sorted.
fn rows(path: &Path, table: &str) -> Vec<BTreeMap<String, String>> {
    let connection = Connection::open(path).expect("a database");
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).expect("a table");
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut all: Vec<_> = statement
        .query_map([], |row| {
            names.iter().enumerate().map(|(i, n)| Ok((n.clone(), format!("{:?}", row.get::<_, Value>(i)?)))).collect()
        })
        .expect("rows")
        .collect::<Result<Vec<_>, _>>()
        .expect("rows");
    all.sort();
    all
}

/// That each of `before`, whose columns `renamed` have other names now, is a row of one of `now`: those columns that it had
/// have the values that they had, each row of now for one row of before.
fn kept(
    before: &[BTreeMap<String, String>],
    mut now: Vec<BTreeMap<String, String>>,
    change: impl Fn(&str, &str) -> (String, String),
) {
    for row in before {
        let same = |n: &BTreeMap<String, String>, changed: bool| {
            row.iter().all(|(column, value)| {
                let (column, value) = if changed { change(column, value) } else { (column.clone(), value.clone()) };
                n.get(&column) == Some(&value)
            })
        };
        let found = now.iter().position(|n| same(n, true) || same(n, false));
        let found = found.unwrap_or_else(|| panic!("lost: {row:?}"));
        now.swap_remove(found);
    }
}

fn no_change(column: &str, value: &str) -> (String, String) {
    (column.to_owned(), value.to_owned())
}

#[test]
fn the_first_layout_keeps_every_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it is there");
    let (products, hdf5) = (root.join("products.sqlite3"), root.join("hdf5.sqlite3"));
    let (registry, ingest) = (root.join("cal_registry.sqlite3"), root.join("ingest.sqlite3"));
    let text = root.to_str().expect("UTF-8");
    layouts::c1_products(&products, text);
    layouts::c1_hdf5(&hdf5);
    layouts::c1_registry(&registry);
    layouts::c1_ingest(&ingest);
    let relative = |column: &str, value: &str| (column.to_owned(), value.replace(&format!("{text}/"), ""));
    let before: BTreeMap<&str, Vec<_>> =
        ["images", "ms_index", "photometry", "storage_locations", "mosaics", "my_notes"]
            .map(|table| (table, rows(&products, table)))
            .into();
    assert!(matches!(Reader::open(&products), Err(Error::OldLayout { layout: Layout::C1, .. })));

    let others = [hdf5.clone(), registry.clone(), ingest.clone()];
    let migration = migrate(&products, &others).expect("it migrates");

    assert_eq!(migration.from, Layout::C1);
    let images = migration.converted.iter().find(|t| t.table == "images").expect("images");
    assert_eq!((images.rows, images.superseded), (60, 20));
    // The copy is the database as it was.
    let backup = migration.backup.expect("a copy");
    for (table, was) in &before {
        assert_eq!(&rows(&backup, table), was, "{table} of the copy");
    }
    let mut images = rows(&products, "images");
    images.extend(rows(&products, "images_superseded"));
    assert_eq!(images.len(), 60);
    kept(&before["images"], images, relative);
    kept(&before["ms_index"], rows(&products, "ms_index"), relative);
    for table in ["photometry", "storage_locations", "my_notes"] {
        assert_eq!(rows(&products, table), before[table], "{table}");
    }
    kept(&before["mosaics"], rows(&products, "mosaics"), |column, value| {
        (if column == "output_path" { "path" } else { column }.to_owned(), value.to_owned())
    });
    kept(&rows(&hdf5, "hdf5_file_index"), rows(&products, "hdf5_files"), no_change);
    kept(&rows(&registry, "caltables"), rows(&products, "calibration_tables"), no_change);
    kept(&rows(&ingest, "ingest_queue"), rows(&products, "processing_queue"), no_change);
    for table in ["subband_files", "performance_metrics"] {
        assert_eq!(rows(&products, table), rows(&ingest, table), "{table}");
    }
    // Two tables had one name: both are there.
    assert_eq!(rows(&products, "hdf5_storage_locations"), rows(&hdf5, "storage_locations"));

    // And the newest row of an image is the one that counts, its missing noise included.
    let reader = Reader::open(&products).expect("ours now");
    let names = [root.join("images/000-image.fits"), root.join("images/001-image.fits"), root.join("images/none.fits")];
    let found: Vec<Option<Image>> = reader.by_path(&names).expect("a look-up");
    assert_eq!(found[0].as_ref().map(|i| (i.created_at, i.noise_jy)), Some((Some(1.7e9 + 1000.0), None)));
    assert_eq!(found[1].as_ref().map(|i| i.noise_jy), Some(Some(1e-4)));
    assert!(found[2].is_none());
    let set = reader.calibration_at(&[61_000.5]).expect("a look-up").remove(0).expect("a set");
    assert_eq!(set.tables.iter().map(|t| t.table_type.as_deref()).collect::<Vec<_>>(), [Some("BP"), Some("GP")]);
    let group = reader.groups(&["a".to_owned()]).expect("a look-up").remove(0).expect("a group");
    assert_eq!((group.state.as_deref(), group.expected_subbands), (Some("completed"), Some(16)));
    assert_eq!(reader.subbands_of_groups(&["a".to_owned()]).expect("a look-up")[0].len(), 2);
    let check = Check::run(&products, |_| {}).expect("a check");
    assert!(check.is_whole(), "{check:?}");
    // A second migration has nothing to do.
    let again = migrate(&products, &[]).expect("nothing");
    assert!(again.converted.is_empty() && again.backup.is_none());
}

#[test]
fn the_last_layout_keeps_every_row_and_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it is there");
    let (old, new) = (root.join("pipeline.sqlite3"), root.join("products.sqlite3"));
    layouts::unified(&old, "/stage");
    let bytes = std::fs::read(&old).expect("a file");
    let migration = migrate_into(&old, &new, &[]).expect("it migrates");
    assert_eq!(migration.from, Layout::Unified);
    assert_eq!(std::fs::read(&old).expect("a file"), bytes, "the old file is as it was");
    for table in ["ms_index", "images", "calibration_tables", "hdf5_files", "processing_queue", "mosaics"] {
        assert_eq!(rows(&old, table).len(), rows(&new, table).len(), "{table}");
        kept(&rows(&old, table), rows(&new, table), no_change);
    }
    for table in ["photometry", "subband_files", "jobs", "image_qa"] {
        assert_eq!(rows(&old, table), rows(&new, table), "{table}");
    }
    let mut applied = rows(&new, "calibration_applied");
    applied.extend(rows(&new, "calibration_applied_superseded"));
    assert_eq!(applied.len(), 31);
    kept(&rows(&old, "calibration_applied"), applied, no_change);
    // Only the two databases are there.
    assert_eq!(std::fs::read_dir(&root).expect("a folder").count(), 2);
    let mut writer = Writer::open(&new).expect("ours now");
    let tiles = writer.tiles(&["/stage/images/000.fits"]).expect("a look-up");
    let tile = tiles[0].as_ref().expect("a tile");
    assert_eq!(tile.set.as_ref().and_then(|s| s.cal_applied), Some(true));
    assert_eq!(tile.tables.len(), 1);
    // Rows that other tables refer to can be changed and removed.
    let path = writer.folder().stored(Path::new("/stage/images/000.fits")).expect("a path");
    writer.upsert(&[Image { path, noise_jy: Some(1.0), ..Image::default() }]).expect("a change");
    let check = Check::run(&new, |_| {}).expect("a check");
    assert!(check.is_whole(), "{check:?}");
}

#[test]
fn an_empty_file_becomes_a_database_and_a_foreign_one_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (empty, foreign) = (folder.path().join("empty.sqlite3"), folder.path().join("foreign.sqlite3"));
    std::fs::write(&empty, b"").expect("room");
    migrate(&empty, &[]).expect("it migrates");
    let reader = Reader::open(&empty).expect("ours");
    assert_eq!(reader.count::<SubbandFile>().expect("a count"), 0);
    assert_eq!(reader.count::<CalTable>().expect("a count"), 0);
    assert_eq!(reader.count::<Group>().expect("a count"), 0);
    let connection = Connection::open(&foreign).expect("a file");
    connection
        .execute_batch("CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x');")
        .expect("a table");
    drop(connection);
    let bytes = std::fs::read(&foreign).expect("a file");
    assert!(matches!(migrate(&foreign, &[]), Err(Error::Foreign { .. })));
    assert_eq!(std::fs::read(&foreign).expect("a file"), bytes);
}

#[test]
fn what_would_be_lost_stands_in_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.sqlite3");
    layouts::c1_products(&path, "/stage");
    Connection::open(&path)
        .expect("a file")
        .execute_batch("CREATE TRIGGER t AFTER INSERT ON images BEGIN DELETE FROM ms_index; END;")
        .expect("a trigger");
    let before = rows(&path, "images");
    let result = migrate(&path, &[]);
    assert!(matches!(&result, Err(Error::InTheWay { name, .. }) if name == "t"), "{result:?}");
    assert_eq!(rows(&path, "images"), before);
}

#[test]
fn a_newer_version_is_refused_by_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.sqlite3");
    drop(Writer::create(&path).expect("a database"));
    Connection::open(&path).expect("a file").pragma_update(None, "user_version", 99).expect("a number");
    assert!(matches!(Writer::open(&path), Err(Error::Newer { found: 99, .. })));
    assert!(matches!(migrate(&path, &[]), Err(Error::Newer { found: 99, .. })));
    assert!(matches!(Writer::create(&path), Err(Error::Exists { .. })));
    // What is there already is not touched by a second creation.
    assert!(matches!(Reader::open(&folder.path().join("none")), Err(Error::NotFound { .. })));
    let _: Option<MsRow> = None;
}
