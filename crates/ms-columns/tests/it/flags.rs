use ms_columns::{
    BEFORE_RESTORE, ColumnEdit, EditOptions, Error, Target, delete_flags, flag_versions, free_version_name,
    restore_flags, save_flags,
};
use publish::{Level, verify};

use crate::set::{MAKES, Make, ROWS, check_rest, column, flag, names, published, set, values};

fn options() -> EditOptions {
    EditOptions::new("it")
}

/// Sets every flag, after saving the flags in the same step.
fn flag_all(path: &std::path::Path, make: Make, version: &str) {
    let targets = [Target::existing("FLAG"), Target::existing("FLAG_ROW")];
    let mut edit = ColumnEdit::begin(path, &options(), &targets).expect("begin");
    edit.save_flags(version).expect("save");
    let flags = edit.column::<bool>("FLAG").expect("FLAG");
    let row_flags = edit.column::<bool>("FLAG_ROW").expect("FLAG_ROW");
    for rows in edit.blocks(1 << 20) {
        flags.write(rows.clone(), &values(make, rows.clone(), |_, _, _| true)).expect("write");
        row_flags.write(rows.clone(), &vec![true; (rows.end - rows.start) as usize]).expect("write");
    }
    drop((flags, row_flags));
    edit.commit().expect("commit");
}

#[test]
fn a_version_gives_the_old_flags_back_to_the_bit() {
    for make in MAKES {
        let (_folder, path) = published(make);
        let (flags, row_flags) = (column::<bool>(&path, "FLAG"), column::<bool>(&path, "FLAG_ROW"));
        flag_all(&path, make, "before-flag-1");
        assert!(column::<bool>(&path, "FLAG").iter().all(|&flag| flag));
        let versions = flag_versions(&path).expect("list");
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0].flagged, flags.iter().filter(|&&flag| flag).count() as u64);
        assert_eq!(versions[0].flagged_rows, Some(row_flags.iter().filter(|&&flag| flag).count() as u64));
        assert_eq!((versions[0].rows, versions[0].values), (ROWS, flags.len() as u64));

        let (version, _) = restore_flags(&path, "before-flag-1", &options()).expect("restore");
        assert_eq!(version, versions[0]);
        assert_eq!(column::<bool>(&path, "FLAG"), flags, "{make:?}");
        assert_eq!(column::<bool>(&path, "FLAG_ROW"), row_flags, "{make:?}");
        // What the restoring replaced can be had back as well.
        restore_flags(&path, BEFORE_RESTORE, &options()).expect("restore");
        assert!(column::<bool>(&path, "FLAG").iter().all(|&flag| flag));
        check_rest(&path, make);
        verify(&path, Level::Checksums).unwrap_or_else(|error| panic!("{make:?}: {error}"));
    }
}

#[test]
fn versions_are_listed_named_and_deleted() {
    let (_folder, path) = published(Make::Tiled);
    assert_eq!(flag_versions(&path).expect("list"), []);
    assert_eq!(free_version_name(&path, "before-flag").expect("name"), "before-flag-1");
    save_flags(&path, "before-flag-7", &options()).expect("save");
    assert_eq!(free_version_name(&path, "before-flag").expect("name"), "before-flag-8");
    assert!(matches!(save_flags(&path, "before-flag-7", &options()), Err(Error::VersionExists { .. })));
    for bad in ["", "..", "../x", "a/b", ".x", "-x", "a b", "a\n"] {
        assert!(matches!(save_flags(&path, bad, &options()), Err(Error::VersionName { .. })), "{bad:?}");
    }
    let missing = restore_flags(&path, "other", &options());
    assert!(matches!(missing, Err(Error::NoVersion { known, .. }) if known == ["before-flag-7"]));
    delete_flags(&path, "before-flag-7", &options()).expect("delete");
    assert_eq!(flag_versions(&path).expect("list"), []);
    assert!(!names(&path).contains(&".flagversions".to_owned()), "an empty folder goes");
    verify(&path, Level::Checksums).expect("still as recorded");
}

#[test]
fn a_damaged_version_changes_nothing() {
    let (_folder, path) = set(Make::Tiled);
    save_flags(&path, "one", &options()).expect("save");
    let file = path.join(".flagversions/one.flags");
    let good = std::fs::read(&file).expect("read");
    for index in 0..good.len() {
        let mut bad = good.clone();
        bad[index] ^= 0x40;
        std::fs::write(&file, &bad).expect("write");
        let refused = restore_flags(&path, "one", &options());
        assert!(matches!(refused, Err(Error::BadVersion { .. })), "byte {index}: {refused:?}");
        std::fs::write(&file, &good[..index]).expect("write");
        assert!(matches!(restore_flags(&path, "one", &options()), Err(Error::BadVersion { .. })), "cut at {index}");
    }
    assert_eq!(column::<bool>(&path, "FLAG"), values(Make::Tiled, 0..ROWS, flag));
}

#[test]
fn a_version_of_other_rows_does_not_fit() {
    let (_folder, path) = set(Make::Standard);
    save_flags(&path, "one", &options()).expect("save");
    let mut table = casacore::Table::open_rw(&path).expect("open");
    table.add_rows(1).expect("add");
    table.close().expect("close");
    assert!(matches!(restore_flags(&path, "one", &options()), Err(Error::VersionMisfit { .. })));
}
