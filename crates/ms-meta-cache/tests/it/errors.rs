//! Failures are errors, name their place, and are not remembered.

use casacore::{ColumnDesc, DataType, Layout, Manager, Table};
use ms_meta_cache::{Error, MsSet};

use crate::{cache, original, shared_data};

#[test]
fn what_is_not_a_set() {
    let folder = tempfile::tempdir().unwrap();
    let error = cache().metadata(&MsSet::new(folder.path()).unwrap()).unwrap_err();
    assert!(matches!(error, Error::NoSet { .. }), "{error}");
    assert!(matches!(MsSet::new(folder.path().join("a/b.ms")), Err(Error::Cache(_))));
    let table = folder.path().join("cal.tab");
    Layout::new().column(ColumnDesc::scalar("GAIN", DataType::F64)).create(&table, 2).unwrap().close().unwrap();
    let set = MsSet::new(&table).unwrap();
    let error = cache().subtables(&set).unwrap_err();
    assert!(matches!(error, Error::NoSubtable { name: "SPECTRAL_WINDOW", .. }), "{error}");
    assert!(error.hint().is_some());
    let error = cache().rows(&set).unwrap_err();
    assert!(matches!(error, Error::Column { column: "OBSERVATION_ID", .. }), "{error}");
}

#[test]
fn a_failure_is_an_error_until_it_is_repaired() {
    let (_folder, path, set) = original();
    let cache = cache();
    let spectral = path.join("SPECTRAL_WINDOW");
    let write = |table: &str, how: &dyn Fn(&mut Table) -> casacore::Result<()>| {
        let mut t = Table::open_rw(path.join(table)).unwrap();
        how(&mut t).unwrap();
        t.close().unwrap();
    };
    write("SPECTRAL_WINDOW", &|t| t.write("NUM_CHAN", 4, &[47]));
    for _ in 0..2 {
        let error = cache.subtables(&set).unwrap_err();
        assert!(matches!(error, Error::Contradiction { column: "CHAN_FREQ", row: 4, .. }), "{error}");
        assert!(error.to_string().contains("48 values where NUM_CHAN is 47"), "{error}");
    }
    write("SPECTRAL_WINDOW", &|t| t.write("NUM_CHAN", 4, &[48]));
    cache.subtables(&set).unwrap();

    write("DATA_DESCRIPTION", &|t| t.write("SPECTRAL_WINDOW_ID", 2, &[16]));
    let error = cache.subtables(&set).unwrap_err();
    assert!(matches!(error, Error::Contradiction { column: "SPECTRAL_WINDOW_ID", row: 2, .. }), "{error}");
    write("DATA_DESCRIPTION", &|t| t.write("SPECTRAL_WINDOW_ID", 2, &[2]));

    write("SPECTRAL_WINDOW", &|t| t.remove_column("CHAN_WIDTH"));
    let error = cache.subtables(&set).unwrap_err();
    assert!(matches!(error, Error::Column { column: "CHAN_WIDTH", .. }), "{error}");
    let empty = ColumnDesc::variable("CHAN_WIDTH", DataType::F64, Some(1));
    let manager = Manager::standard("Own", casacore::Bucket::Default);
    write("SPECTRAL_WINDOW", &|t| t.add_columns(std::slice::from_ref(&empty), manager.clone()));
    let error = cache.subtables(&set).unwrap_err();
    assert!(matches!(error, Error::Undefined { column: "CHAN_WIDTH", row: 0, .. }), "{error}");

    std::fs::rename(&spectral, path.join("gone")).unwrap();
    let error = cache.subtables(&set).unwrap_err();
    assert!(matches!(error, Error::NoSubtable { name: "SPECTRAL_WINDOW", .. }), "{error}");
    assert_eq!(cache.stats().subtables.held, 0);
}

#[test]
fn a_table_that_refers_to_another_is_refused() {
    let Some(data) = shared_data() else { return };
    let set = MsSet::new(data.join("casacore-zoo/RefTable_rows")).unwrap();
    let error = cache().layout(&set).unwrap_err();
    assert!(matches!(&error, Error::Refers { kind, .. } if kind == "RefTable"), "{error}");
}
