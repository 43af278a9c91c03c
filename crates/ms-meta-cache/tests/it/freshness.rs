//! Every change is seen, by whomever; what does not matter is not.

use std::fs;
use std::path::Path;

use casacore::{Complex32, Table};
use ms_meta_cache::Explanation;

use crate::{cache, original};

/// Opens a table, changes it, closes it.
fn change(path: &Path, how: impl FnOnce(&mut Table) -> casacore::Result<()>) {
    let mut table = Table::open_rw(path).unwrap();
    how(&mut table).unwrap();
    table.close().unwrap();
}

#[test]
fn a_change_in_any_subtable_is_seen() {
    let (_folder, path, set) = original();
    let cache = cache();
    assert_eq!(cache.subtables(&set).unwrap().fields[3].phase.terms, [[1.95 + 9.4e-4 * 3.0, 0.9543]]);
    // The old cache's failure: an array cell rewritten in place changes one file of FIELD and no folder.
    change(&path.join("FIELD"), |t| t.write_cell("PHASE_DIR", 3, &[1, 2], &[0.25, -0.5]));
    assert_eq!(cache.subtables(&set).unwrap().fields[3].phase.terms, [[0.25, -0.5]]);
    change(&path.join("ANTENNA"), |t| t.write_strings("NAME", 5, &["moved"]));
    assert_eq!(cache.subtables(&set).unwrap().antennas[5].name, "moved");
    change(&path.join("SPECTRAL_WINDOW"), |t| t.write("REF_FREQUENCY", 7, &[1.0]));
    assert_eq!(cache.subtables(&set).unwrap().windows[7].ref_freq_hz, 1.0);
    change(&path.join("DATA_DESCRIPTION"), |t| t.write("SPECTRAL_WINDOW_ID", 0, &[15]));
    assert_eq!(cache.subtables(&set).unwrap().data_descriptions[0].window, 15);
    change(&path.join("POLARIZATION"), |t| t.write_cell("CORR_TYPE", 0, &[2], &[5, 8]));
    assert_eq!(cache.subtables(&set).unwrap().polarizations[0].codes, [5, 8]);
    change(&path.join("OBSERVATION"), |t| t.write_strings("TELESCOPE_NAME", 0, &["DSA_110"]));
    assert_eq!(cache.subtables(&set).unwrap().observations[0].telescope, "DSA_110");
    assert_eq!(cache.stats().subtables.reads, 7);
}

#[test]
fn a_subtable_that_grows_is_seen_though_only_its_lock_file_knows() {
    let (_folder, path, set) = original();
    let cache = cache();
    assert_eq!(cache.subtables(&set).unwrap().data_descriptions.len(), 16);
    change(&path.join("DATA_DESCRIPTION"), |t| {
        t.add_rows(1)?;
        t.write("SPECTRAL_WINDOW_ID", 16, &[2])?;
        t.write("POLARIZATION_ID", 16, &[0])?;
        t.write("FLAG_ROW", 16, &[false])
    });
    let subtables = cache.subtables(&set).unwrap();
    assert_eq!((subtables.data_descriptions.len(), subtables.data_descriptions[16].window), (17, 2));
}

#[test]
fn a_replaced_subtable_is_seen() {
    let (_folder, path, set) = original();
    let cache = cache();
    cache.subtables(&set).unwrap();
    let (field, copy) = (path.join("FIELD"), path.join("FIELD.new"));
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(&field).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    change(&copy, |t| t.write_strings("NAME", 0, &["another"]));
    fs::rename(&field, path.join("FIELD.old")).unwrap();
    fs::rename(&copy, &field).unwrap();
    assert_eq!(cache.subtables(&set).unwrap().fields[0].name, "another");
}

#[test]
fn rows_follow_main_and_not_its_visibilities() {
    let (_folder, path, set) = original();
    let cache = cache();
    let first = cache.metadata(&set).unwrap();
    assert_eq!((first.rows.rows, first.rows.times.len(), first.rows.groups.len()), (16 * 24 * 3, 24, 16 * 24));
    // Visibilities and flags of rows: the rows are not read again.
    change(&path, |t| t.write("DATA", 0, &[Complex32::new(1.0, 0.0); 2]));
    change(&path, |t| t.write("FLAG_ROW", 0, &[true]));
    assert_eq!(*cache.metadata(&set).unwrap().rows, *first.rows);
    assert_eq!(cache.stats().rows.reads, 1);
    // A scan number, and a row more.
    change(&path, |t| t.write("SCAN_NUMBER", 0, &[99]));
    assert_eq!(cache.rows(&set).unwrap().scans().last(), Some(&99));
    change(&path, |t| t.add_rows(1));
    let rows = cache.rows(&set).unwrap();
    assert_eq!(rows.rows, 16 * 24 * 3 + 1);
    assert_eq!(rows.groups.iter().map(|g| g.rows).sum::<u64>(), rows.rows);
    assert_eq!(cache.layout(&set).unwrap().rows, rows.rows);
}

#[test]
fn a_column_more_is_seen() {
    let (_folder, path, set) = original();
    let cache = cache();
    assert!(cache.layout(&set).unwrap().column("MODEL_DATA").is_none());
    change(&path, |t| {
        let model = casacore::ColumnDesc::fixed("MODEL_DATA", casacore::DataType::Complex32, [4, 2]);
        t.add_columns(&[model], casacore::Manager::tiled_column("TiledModel", [64, 4, 2]))
    });
    let layout = cache.layout(&set).unwrap();
    assert_eq!(layout.column("MODEL_DATA").and_then(|c| c.shape.clone()), Some(vec![4, 2]));
    let manager = layout.manager_of("MODEL_DATA").unwrap();
    assert_eq!((manager.kind.as_str(), &manager.tiles[0].1), ("TiledColumnStMan", &vec![64, 4, 2]));
}

#[test]
fn a_mere_reader_costs_nothing() {
    let (_folder, path, set) = original();
    let cache = cache();
    cache.metadata(&set).unwrap();
    for table in ["", "FIELD", "ANTENNA"] {
        let table = Table::open(path.join(table)).unwrap();
        table.columns().unwrap();
        table.close().unwrap();
    }
    let table = Table::open_rw(path.join("FIELD")).unwrap();
    table.close().unwrap();
    cache.metadata(&set).unwrap();
    let explained = cache.explain(&set);
    assert!(matches!(explained.subtables, Explanation::Hit { .. }), "{explained:?}");
    assert!(matches!(explained.rows, Some(Explanation::Hit { .. })), "{explained:?}");
    assert_eq!(cache.stats().layout.reads, 1);
}

#[test]
fn the_reason_names_the_file() {
    let (_folder, path, set) = original();
    let cache = cache();
    cache.subtables(&set).unwrap();
    change(&path.join("FIELD"), |t| t.write_cell("PHASE_DIR", 0, &[1, 2], &[0.5, 0.5]));
    cache.subtables(&set).unwrap();
    let text = cache.explain(&set).subtables.to_string();
    assert!(text.contains("/FIELD/table."), "{text}");
    assert!(text.contains("changed"), "{text}");
}
