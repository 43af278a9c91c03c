//! What is wrong is named: the table, the column, the row.

use casacore::tiles::TiledColumn;
use casacore::{Bucket, ColumnDesc, Complex32, DataType, Error, Layout, Manager, Table};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

fn small(folder: &Path) -> PathBuf {
    let path = folder.join("a.tab");
    let mut table = Layout::new()
        .column(ColumnDesc::scalar("N", DataType::I32))
        .column(ColumnDesc::fixed("DATA", DataType::Complex32, [4, 2]))
        .column(ColumnDesc::variable("V", DataType::F32, None))
        .manager(Manager::standard("s", Bucket::Default).holding(["N", "V"]))
        .manager(Manager::tiled_column("t", [4, 4, 2]).holding(["DATA"]))
        .create(&path, 10)
        .unwrap();
    table.write("N", 0..10, &[3; 10]).unwrap();
    table.write("DATA", 0..10, &[Complex32::new(1.0, 2.0); 80]).unwrap();
    table.close().unwrap();
    path.canonicalize().unwrap()
}

#[test]
fn wrong_names_types_rows_and_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = small(folder.path());
    let mut table = Table::open_rw(&path).unwrap();
    assert!(matches!(
        table.read("NONE", 0..1, &mut [0]),
        Err(Error::NoColumn { path: p, column }) if p == path && column == "NONE"
    ));
    assert!(matches!(table.read("N", 0..1, &mut [0.0_f64]), Err(Error::Type { column, .. }) if column == "N"));
    assert!(matches!(table.write("DATA", 0..1, &[0.0_f32; 8]), Err(Error::Type { .. })));
    assert!(matches!(table.read_strings("N", 0..1), Err(Error::Type { .. })));
    assert!(matches!(table.read("N", 5..11, &mut [0; 6]), Err(Error::RowRange { row: 10, .. })));
    assert!(matches!(table.read("N", &[0, 99][..], &mut [0; 2]), Err(Error::RowRange { row: 99, .. })));
    assert!(matches!(table.read("N", u64::MAX - 1..u64::MAX, &mut [0]), Err(Error::RowRange { .. })));
    assert!(matches!(table.read_vec::<i32>("N", 0..u64::MAX), Err(Error::RowRange { .. })));
    assert!(matches!(table.read("N", 0..3, &mut [0; 4]), Err(Error::Shape { .. })));
    assert!(matches!(table.read("N", 3..3, &mut [0; 4]), Err(Error::Shape { .. })));
    assert!(matches!(table.write("DATA", 0..2, &[Complex32::default(); 15]), Err(Error::Shape { .. })));
    assert!(matches!(table.read("V", 2..4, &mut [0.0_f32; 2]), Err(Error::Undefined { row: 2, .. })));
    assert!(matches!(table.write_cell("V", 0, &[2, 2], &[0.0_f32; 3]), Err(Error::Shape { .. })));
    assert!(matches!(table.write_cell("V", 0, &[usize::MAX, 8], &[0.0_f32; 3]), Err(Error::Shape { .. })));
    assert!(matches!(table.remove_keyword("NONE"), Err(Error::NoKeyword { column: None, .. })));
    assert!(matches!(table.remove_column("NONE"), Err(Error::NoColumn { .. })));
    assert!(matches!(table.open_subtable("ANTENNA"), Err(Error::NoKeyword { .. })));
    assert!(matches!(table.put_subtable("ANTENNA", folder.path()), Err(Error::NoTable { .. })));
    table.close().unwrap();

    let mut table = Table::open(&path).unwrap();
    assert!(matches!(table.write("N", 0..1, &[0]), Err(Error::ReadOnly { .. })));
    assert!(matches!(table.put_keyword("A", 1), Err(Error::ReadOnly { .. })));
    assert!(matches!(table.add_rows(1), Err(Error::ReadOnly { .. })));
}

#[test]
fn wrong_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = small(folder.path());
    let missing = folder.path().join("none.tab");
    assert!(matches!(Table::open(&missing), Err(Error::NoTable { path }) if path == missing));
    assert!(matches!(Table::open(folder.path()), Err(Error::NoTable { .. })));
    assert!(matches!(Table::open(path.join("table.dat")), Err(Error::NoTable { .. })));
    assert!(matches!(TiledColumn::open(&missing, "DATA"), Err(Error::NoTable { .. })));
    let layout = Layout::new().column(ColumnDesc::scalar("N", DataType::I32));
    assert!(matches!(layout.create(&path, 1), Err(Error::Exists { .. })));
    assert!(matches!(layout.create(missing.join("deeper"), 1), Err(Error::Io { .. })));
    let twice = layout.clone().column(ColumnDesc::scalar("N", DataType::I32));
    assert!(matches!(twice.create(&missing, 1), Err(Error::Exists { .. })));
    let wrong = layout.manager(Manager::tiled_column("t", [4, 4]).holding(["N"]));
    assert!(matches!(wrong.create(&missing, 1), Err(Error::Casacore { .. })));
    assert!(!missing.join("table.dat").exists());
}

#[test]
fn messages_are_whole_and_have_hints() {
    let folder = tempfile::tempdir().unwrap();
    let path = small(folder.path());
    let table = Table::open(&path).unwrap();
    let error = table.read("N", 0..1, &mut [0.0_f64]).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: column N holds i32, not f64", path.display()));
    assert!(error.hint().unwrap().contains("Table::columns"));
    let long = format!("NO_{}", "X".repeat(3000));
    assert!(table.read("NONE", 0..1, &mut [0]).is_err());
    assert!(table.read(&long, 0..1, &mut [0]).unwrap_err().to_string().ends_with(&long));
}

/// A tile file cut at any length: the tile way says so, whatever casacore does.
#[test]
fn cut_tile_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = small(folder.path());
    let tiles = TiledColumn::open(&path, "DATA").unwrap();
    let file = tiles.path().to_owned();
    let whole = fs::read(&file).unwrap();
    assert_eq!(whole.len(), 3 * tiles.tile_bytes());
    for length in (0..whole.len()).step_by(37) {
        fs::write(&file, &whole[..length]).unwrap();
        match TiledColumn::open(&path, "DATA") {
            Err(Error::Truncated { path, expected, found }) => {
                assert_eq!((path, expected, found), (file.clone(), whole.len() as u64, length as u64));
            }
            other => panic!("{length}: {other:?}"),
        }
        // Cut while open: the read that needs the lost part fails, others work.
        let mut out = [Complex32::default(); 80];
        assert!(matches!(tiles.read(0..10, 0..4, &mut out), Err(Error::Truncated { .. })) || length >= 640);
    }
    fs::remove_file(&file).unwrap();
    assert!(matches!(TiledColumn::open(&path, "DATA"), Err(Error::Io { .. })));
}

/// Structure files cut or changed in any byte: an error or a column that is read within its file, never a panic.
#[test]
fn damaged_structure_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = small(folder.path());
    let mut refused = 0;
    for name in ["table.dat", "table.f1"] {
        let file = fs::OpenOptions::new().read(true).write(true).open(path.join(name)).unwrap();
        let whole = fs::read(path.join(name)).unwrap();
        for at in 0..whole.len() {
            for change in [0x01, 0x80, 0xff] {
                file.write_all_at(&[whole[at] ^ change], at as u64).unwrap();
                match TiledColumn::open(&path, "DATA") {
                    Ok(tiles) if tiles.rows() <= 1000 && tiles.kind() == DataType::Complex32 => {
                        let values = tiles.rows() as usize * tiles.cell()[0] * tiles.cell()[1];
                        if values < 10_000 {
                            let mut out = vec![Complex32::default(); values];
                            drop(tiles.read(0..tiles.rows(), tiles.channels(), &mut out));
                        }
                    }
                    Ok(_) => {}
                    Err(_) => refused += 1,
                }
            }
            file.write_all_at(&whole[at..=at], at as u64).unwrap();
        }
        for length in (0..whole.len()).rev() {
            file.set_len(length as u64).unwrap();
            let cut = TiledColumn::open(&path, "DATA");
            // What follows the columns in table.dat is of no interest here.
            assert!(cut.is_err() || name == "table.dat" && length > whole.len() * 9 / 10, "{name} cut at {length}");
        }
        file.write_all_at(&whole, 0).unwrap();
    }
    assert!(refused > 500, "{refused}");
    assert!(TiledColumn::open(&path, "DATA").is_ok());
}
