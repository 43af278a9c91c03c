//! Tables read without casacore equal what casacore reads, cell by cell, and damaged ones give errors.

use std::fs;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;

use casacore::plain::NotPlain;
use casacore::{
    Bucket, Cell, ColumnDesc, Complex32, Complex64, DataManager, DataType, Element, Endian, Error, Layout, Manager,
    OpenOptions, Operations, PlainTable, Ragged, Record, Table, Value,
};

use crate::shared_data;

/// What was compared.
#[derive(Debug, Default)]
struct Seen {
    tables: usize,
    columns: usize,
    cells: u64,
    /// Why columns were not compared.
    passed: Vec<(String, NotPlain)>,
}

/// Compares a table both ways: structure, keywords, managers and every column.
fn compare(path: &Path, seen: &mut Seen) {
    let general = Table::open(path).unwrap_or_else(|error| panic!("{error}"));
    let plain = match PlainTable::open(path) {
        Ok(plain) => plain,
        Err(Error::NotPlain { column: None, reason, .. }) => {
            seen.passed.push((path.display().to_string(), reason));
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let place = path.display();
    seen.tables += 1;
    assert_eq!(plain.rows().unwrap(), general.rows().unwrap(), "{place}");
    assert_eq!(plain.endian(), general.endian().unwrap(), "{place}");
    assert!(same(&Value::Record(plain.keywords().unwrap()), &Value::Record(general.keywords().unwrap())), "{place}");
    let columns = general.columns().unwrap();
    let ours = plain.columns().unwrap();
    assert_eq!(ours.len(), columns.len(), "{place}");
    for (ours, theirs) in ours.iter().zip(&columns) {
        assert!(
            same(&Value::Record(ours.keywords.clone()), &Value::Record(theirs.keywords.clone())),
            "{place}: {ours:?}"
        );
        let bare = |desc: &ColumnDesc| ColumnDesc { keywords: Record::new(), ..desc.clone() };
        assert_eq!(bare(ours), bare(theirs), "{place}");
    }
    match plain.data_managers() {
        Ok(ours) => {
            let theirs = general.data_managers().unwrap();
            let theirs: Vec<_> = theirs.into_iter().map(|m| DataManager { spec: Record::new(), ..m }).collect();
            assert_eq!(ours, theirs, "{place}");
        }
        Err(Error::NotPlain { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    for column in &columns {
        match plain.shapes(&column.name, 0..general.rows().unwrap()) {
            Ok(shapes) => {
                assert_eq!(shapes, general.shapes(&column.name, 0..general.rows().unwrap()).unwrap(), "{place}")
            }
            Err(Error::NotPlain { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        match any_column(&plain, &general, column) {
            Ok(cells) => {
                seen.columns += 1;
                seen.cells += cells;
            }
            Err(Error::NotPlain { reason, .. }) => seen.passed.push((format!("{place}: {}", column.name), reason)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Equal to the last bit: keywords may hold NaN.
fn same(a: &Value, b: &Value) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

fn any_column(plain: &PlainTable, general: &Table, column: &ColumnDesc) -> casacore::Result<u64> {
    match column.kind {
        DataType::Bool => values::<bool>(plain, general, column),
        DataType::U8 => values::<u8>(plain, general, column),
        DataType::I16 => values::<i16>(plain, general, column),
        DataType::U16 => values::<u16>(plain, general, column),
        DataType::I32 => values::<i32>(plain, general, column),
        DataType::U32 => values::<u32>(plain, general, column),
        DataType::I64 => values::<i64>(plain, general, column),
        DataType::F32 => values::<f32>(plain, general, column),
        DataType::F64 => values::<f64>(plain, general, column),
        DataType::Complex32 => values::<Complex32>(plain, general, column),
        DataType::Complex64 => values::<Complex64>(plain, general, column),
        DataType::String => strings(plain, general, column),
        DataType::Record | DataType::Other => Ok(plain.read_strings(&column.name, 0..0)?.len() as u64),
    }
}

/// The values by their bits, since data hold NaN.
fn bits<T: Element>(values: &[T]) -> String {
    format!("{values:?}")
}

fn values<T: Element>(plain: &PlainTable, general: &Table, column: &ColumnDesc) -> casacore::Result<u64> {
    let (name, rows) = (column.name.as_str(), general.rows()?);
    let place = || format!("{}: column {name}", general.path().display());
    // A part in the middle too, which begins within a bucket and within a byte of truth values.
    for part in [0..rows, rows / 3..rows - rows / 4, 0..0] {
        if column.cell == Cell::Scalar {
            let ours = plain.read_vec::<T>(name, part.clone())?;
            assert_eq!(bits(&ours), bits(&general.read_vec::<T>(name, part.clone())?), "{}", place());
            let runs = plain.read_runs::<T>(name, part)?;
            let whole: Vec<T> = runs.iter().flat_map(|(rows, value)| rows.clone().map(|_| *value)).collect();
            assert_eq!(bits(&whole), bits(&ours), "{}", place());
            assert!(runs.windows(2).all(|w| w[0].0.end == w[1].0.start && bits(&[w[0].1]) != bits(&[w[1].1])));
            continue;
        }
        let ours = plain.read_ragged::<T>(name, part.clone())?;
        let theirs = general.read_ragged::<T>(name, part.clone())?;
        assert_eq!(ours.shapes, theirs.shapes, "{}", place());
        assert_eq!(bits(&ours.values), bits(&theirs.values), "{}", place());
        match (plain.read_vec::<T>(name, part.clone()), general.read_vec::<T>(name, part)) {
            (Ok(ours), Ok(theirs)) => assert_eq!(bits(&ours), bits(&theirs), "{}", place()),
            (Err(Error::Undefined { row: a, .. }), Err(Error::Undefined { row: b, .. })) => assert_eq!(a, b),
            (Err(Error::Shape { .. }), Err(Error::Shape { .. })) => {}
            (a, b) => panic!("{}: {:?} and {:?}", place(), a.map(|_| ()), b.map(|_| ())),
        }
    }
    Ok(rows)
}

fn strings(plain: &PlainTable, general: &Table, column: &ColumnDesc) -> casacore::Result<u64> {
    let (name, rows) = (column.name.as_str(), general.rows()?);
    for part in [0..rows, rows / 3..rows - rows / 4] {
        if column.cell == Cell::Scalar {
            let ours = plain.read_strings(name, part.clone())?;
            assert_eq!(ours, general.read_strings(name, part)?, "{}: column {name}", general.path().display());
        } else {
            let ours = plain.read_ragged_strings(name, part.clone())?;
            assert_eq!(ours, general.read_ragged_strings(name, part)?, "{}: {name}", general.path().display());
        }
    }
    Ok(rows)
}

/// Every table below a folder.
fn below(folder: &Path, each: &mut dyn FnMut(&Path)) {
    if folder.join("table.dat").is_file() {
        each(folder);
    }
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_dir() {
            below(&entry.path(), each);
        }
    }
}

/// A copy that may be written: casacore makes `table.lock` where it is missing.
fn copy_of(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).output().unwrap();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let _ = Command::new("chmod").arg("-R").arg("u+w").arg(to).output();
}

#[test]
fn every_real_table_reads_alike() {
    let Some(data) = shared_data() else { return };
    let mut seen = Seen::default();
    let folder = tempfile::tempdir().unwrap();
    // Real tables as they are in the folder, and those in archives.
    let mut archives = Vec::new();
    let mut tables = Vec::new();
    find(&data, &mut archives, &mut tables);
    for (i, archive) in archives.iter().enumerate() {
        let to = folder.path().join(i.to_string());
        fs::create_dir(&to).unwrap();
        let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&to).output().unwrap();
        assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
        below(&to, &mut |table| compare_real(table, &mut seen));
    }
    for (i, table) in tables.iter().enumerate() {
        let to = folder.path().join(format!("t{i}"));
        copy_of(table, &to);
        below(&to, &mut |table| compare_real(table, &mut seen));
    }
    let managers = |kind: &str| seen.passed.iter().filter(|p| p.1 == NotPlain::Manager(kind.into())).count();
    println!(
        "{} tables, {} columns, {} cells; not plain: {}",
        seen.tables,
        seen.columns,
        seen.cells,
        seen.passed.len()
    );
    assert!(seen.tables > 100 && seen.columns > 1000, "{seen:?}");
    assert!(managers("TiledShapeStMan") > 5 && managers("StManAipsIO") > 0, "{:?}", seen.passed);
    let unknown = seen.passed.iter().filter(|p| matches!(p.1, NotPlain::OneFile | NotPlain::OldArrays));
    assert_eq!(unknown.count(), 0, "{:?}", seen.passed);
}

/// Tables that casacore itself cannot open (data files are missing in some real sets) are passed over.
fn compare_real(path: &Path, seen: &mut Seen) {
    if Table::open(path).is_ok() {
        compare(path, seen);
    }
}

fn find(folder: &Path, archives: &mut Vec<std::path::PathBuf>, tables: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let path = entry.path();
        if path.join("table.dat").is_file() {
            tables.push(path);
        } else if entry.file_type().unwrap().is_dir() {
            find(&path, archives, tables);
        } else if path.to_string_lossy().ends_with(".ms.tar.gz") || path.to_string_lossy().ends_with(".tgz") {
            archives.push(path);
        }
    }
}

const KINDS: [DataType; 12] = [
    DataType::Bool,
    DataType::U8,
    DataType::I16,
    DataType::U16,
    DataType::I32,
    DataType::U32,
    DataType::I64,
    DataType::F32,
    DataType::F64,
    DataType::Complex32,
    DataType::Complex64,
    DataType::String,
];

/// A table of every type of cell, filled with values that differ by row and column.
fn every_cell(path: &Path, manager: Manager, endian: Endian, rows: u64) {
    let mut layout = Layout::new().endian(endian).keyword("MS_VERSION", 2.0_f32);
    let mut names = Vec::new();
    let mut add = |column: ColumnDesc| {
        names.push(column.name.clone());
        column.comment("of a test").unit("m").measure("epoch", "UTC")
    };
    for kind in KINDS {
        layout = layout
            .column(add(ColumnDesc::scalar(format!("S_{kind}"), kind)))
            .column(add(ColumnDesc::fixed(format!("D_{kind}"), kind, [3, 2])))
            .column(add(ColumnDesc::fixed(format!("I_{kind}"), kind, [2, 3]).indirect()))
            .column(add(ColumnDesc::variable(format!("V_{kind}"), kind, None)));
    }
    layout = layout.column(add(ColumnDesc { max_length: 6, ..ColumnDesc::scalar("SHORT", DataType::String) }));
    let mut table = layout.manager(manager.holding(names)).create(path, rows).unwrap();
    macro_rules! fill {
        ($($type:ty, $kind:ident, $value:expr;)*) => {$({
            let kind = DataType::$kind;
            let make = |i: u64| -> $type { $value(i) };
            table.write(&format!("S_{kind}"), 0..rows, &(0..rows).map(make).collect::<Vec<_>>()).unwrap();
            for name in [format!("D_{kind}"), format!("I_{kind}")] {
                table.write(&name, 0..rows, &(0..6 * rows).map(|i| make(i / 5)).collect::<Vec<_>>()).unwrap();
            }
            for row in (0..rows).filter(|row| row % 3 != 1) {
                let shape = [row as usize % 4 + 1, 2];
                let cell = (0..2 * shape[0] as u64).map(|i| make(row / 2 + i)).collect::<Vec<_>>();
                table.write_cell(&format!("V_{kind}"), row, &shape, &cell).unwrap();
            }
        })*};
    }
    fill! {
        bool, Bool, |i| i % 3 == 0;
        u8, U8, |i| i as u8;
        i16, I16, |i| -(i as i16);
        u16, U16, |i| i as u16 + 60_000;
        i32, I32, |i| -(i as i32) << 8;
        u32, U32, |i| u32::MAX - i as u32;
        i64, I64, |i| -(i as i64) << 40;
        f32, F32, |i| i as f32 * 0.1;
        f64, F64, |i| i as f64 * -0.1;
        Complex32, Complex32, |i| Complex32::new(i as f32, -1.5);
        Complex64, Complex64, |i| Complex64::new(-2.5, i as f64);
    }
    // Strings of no, few, more than eight and more than a bucket's bytes; some not of ASCII.
    let text = |i: u64| ["", "abcdefgh", "nine char", "é", &"long ".repeat(i as usize % 97)][i as usize % 5].to_owned();
    table.write_strings("S_string", 0..rows, &(0..rows).map(text).collect::<Vec<_>>()).unwrap();
    table
        .write_strings("SHORT", 0..rows, &(0..rows).map(|i| "abcdef"[..i as usize % 7].to_owned()).collect::<Vec<_>>())
        .unwrap();
    for name in ["D_string", "I_string"] {
        table.write_strings(name, 1..rows, &(0..6 * (rows - 1)).map(text).collect::<Vec<_>>()).unwrap();
    }
    for row in (0..rows).filter(|row| row % 3 != 1) {
        let cell = Ragged { shapes: vec![Some(vec![2, 2])], values: (0..4).map(|i| text(row + i)).collect() };
        table.write_ragged_strings("V_string", row, &cell).unwrap();
    }
    table.close().unwrap();
}

#[test]
fn every_kind_of_cell_in_both_managers_and_orders() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Seen::default();
    for endian in [Endian::Little, Endian::Big] {
        let managers = [
            Manager::standard("s", Bucket::Default),
            Manager::standard("s", Bucket::Bytes(3000)),
            Manager::incremental("i", 0),
            Manager::incremental("i", 20_000),
        ];
        for (i, manager) in managers.into_iter().enumerate() {
            let path = folder.path().join(format!("{endian:?}{i}.tab"));
            every_cell(&path, manager, endian, 70);
            compare(&path, &mut seen);
        }
    }
    assert_eq!((seen.tables, seen.columns), (8, 8 * 49));
    assert!(seen.passed.is_empty(), "{:?}", seen.passed);
}

/// What happens to a table in its life: rows, columns and strings come and go.
#[test]
fn tables_with_a_past() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Seen::default();
    for endian in [Endian::Little, Endian::Big] {
        let path = folder.path().join(format!("{endian:?}.tab"));
        every_cell(&path, Manager::standard("s", Bucket::Rows(7)), endian, 40);
        let mut table = Table::open_rw(&path).unwrap();
        table.add_rows(5).unwrap();
        compare_after(table, &path, &mut seen);
        let mut table = Table::open_rw(&path).unwrap();
        table.remove_rows(&[0, 3, 4, 5, 6, 7, 8, 20, 44]).unwrap();
        table.write_strings("S_string", 3..5, &["shorter", &"longer ".repeat(900)]).unwrap();
        table.write_cell("V_f64", 2, &[50], &[0.5; 50]).unwrap();
        compare_after(table, &path, &mut seen);
        let mut table = Table::open_rw(&path).unwrap();
        table.remove_column("S_i32").unwrap();
        table.remove_column("D_string").unwrap();
        let later = [ColumnDesc::scalar("LATER", DataType::F64), ColumnDesc::variable("MORE", DataType::String, None)];
        table.add_columns(&later, Manager::standard("other", Bucket::Default)).unwrap();
        table.write("LATER", 0..36, &[1.25; 36]).unwrap();
        compare_after(table, &path, &mut seen);
        let mut table = Table::open_rw(&path).unwrap();
        table.remove_rows(&(0..36).collect::<Vec<_>>()).unwrap();
        compare_after(table, &path, &mut seen);
        let mut table = Table::open_rw(&path).unwrap();
        table.add_rows(3).unwrap();
        compare_after(table, &path, &mut seen);
    }
    // Large files are read in parts.
    let path = folder.path().join("large.tab");
    let layout = Layout::new()
        .column(ColumnDesc::scalar("N", DataType::I64))
        .column(ColumnDesc::scalar("S", DataType::String))
        .column(ColumnDesc::scalar("B", DataType::Bool))
        .column(ColumnDesc::variable("V", DataType::F64, None));
    let mut table = layout
        .manager(Manager::standard("s", Bucket::Rows(1000)).holding(["N", "S", "B", "V"]))
        .create(&path, 200_000)
        .unwrap();
    table.write("N", 0..200_000, &(0..200_000_i64).collect::<Vec<_>>()).unwrap();
    table.write("B", 0..200_000, &(0..200_000).map(|i| i % 7 == 0).collect::<Vec<_>>()).unwrap();
    table.write_strings("S", 500..700, &(0..200).map(|i| format!("string number {i}")).collect::<Vec<_>>()).unwrap();
    table.write_cell("V", 199_999, &[700_000], &vec![0.25; 700_000]).unwrap();
    table.close().unwrap();
    compare(&path, &mut seen);
    assert!(seen.passed.is_empty() && seen.tables == 11, "{:?}", seen.passed);
}

/// Closes the table first: an open handle of this process knows more than the files.
fn compare_after(table: Table, path: &Path, seen: &mut Seen) {
    table.close().unwrap();
    compare(path, seen);
}

#[test]
fn keywords_of_every_type_and_places_of_subtables() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let layout = || Layout::new().column(ColumnDesc::scalar("N", DataType::I32));
    let main = folder.join("a.ms");
    let nested = Record::new().with("x", 1.5).with("list", vec![1, 2]).with("more", Record::new().with("s", "t"));
    layout()
        .keyword("b", true)
        .keyword("u8", 3_u8)
        .keyword("i16", 3_i16)
        .keyword("u32", 7_u32)
        .keyword("i64", 1_i64 << 40)
        .keyword("c32", Complex32::new(1.0, 2.0))
        .keyword("c64", Complex64::new(1.0, 2.0))
        .keyword("bools", vec![true, false, true, true, false, true, false, true, true])
        .keyword("names", vec!["a", "", "c"])
        .keyword("numbers", vec![1.0, f64::NAN])
        .keyword("none", Vec::<i32>::new())
        .keyword("nested", nested)
        .keyword("empty", Record::new())
        .keyword("text", "././FIELD")
        .create(&main, 1)
        .and_then(Table::close)
        .unwrap();
    let mut table = Table::open_rw(&main).unwrap();
    let places = [("FIELD", main.join("FIELD")), ("BESIDE", folder.join("beside.tab")), ("ANTENNA", main.join("ANT"))];
    for (name, path) in &places {
        layout().create(path, 1).and_then(Table::close).unwrap();
        table.put_subtable(name, path).unwrap();
    }
    table.put_keyword("after", Complex64::new(1.0, 2.0)).unwrap();
    table.close().unwrap();
    compare(&main, &mut Seen::default());
    let subtables = PlainTable::open(&main).unwrap().subtables().unwrap();
    assert_eq!(subtables, places.map(|(name, path)| (name.to_owned(), path)));
}

#[test]
fn what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    every_cell(&path, Manager::standard("s", Bucket::Default), Endian::Little, 10);
    let operations = Operations::new();
    let table = PlainTable::open_with(&path, &operations).unwrap();
    assert!(matches!(table.read("NONE", 0..1, &mut [0]), Err(Error::NoColumn { .. })));
    assert!(matches!(table.column_keywords("NONE"), Err(Error::NoColumn { .. })));
    assert!(matches!(table.read("S_i32", 0..1, &mut [0.0]), Err(Error::Type { .. })));
    assert!(matches!(table.read_strings("S_i32", 0..1), Err(Error::Type { .. })));
    assert!(matches!(table.read("S_i32", 5..11, &mut [0; 6]), Err(Error::RowRange { row: 10, .. })));
    assert!(matches!(table.read_vec::<i32>("S_i32", 0..u64::MAX), Err(Error::RowRange { .. })));
    assert!(matches!(table.read("S_i32", 0..3, &mut [0; 4]), Err(Error::Shape { .. })));
    assert!(matches!(table.read("V_f64", 0..2, &mut [0.0; 4]), Err(Error::Undefined { row: 1, .. })));
    assert!(matches!(table.read("V_f64", 2..4, &mut [0.0; 4]), Err(Error::Shape { .. })));
    assert!(matches!(table.read_ragged::<i32>("S_i32", 0..1), Err(Error::Shape { .. })));
    assert!(matches!(table.read_ragged_strings("S_string", 0..1), Err(Error::Shape { .. })));
    // One open; the value that was read is counted.
    table.read("S_f64", 4..5, &mut [0.0]).unwrap();
    let counts = operations.counts();
    assert_eq!((counts.opens, counts.plain_opens, counts.reads, counts.bytes_read), (1, 1, 2, 8));

    assert!(matches!(PlainTable::open(folder.path()), Err(Error::NoTable { .. })));
    assert!(matches!(PlainTable::open(folder.path().join("none")), Err(Error::NoTable { .. })));
    fs::remove_file(path.join("table.f0")).unwrap();
    let gone = PlainTable::open(&path).unwrap();
    assert!(matches!(gone.read_vec::<i32>("S_i32", 0..1), Err(Error::Io { .. })));

    let tiled = folder.path().join("tiled.tab");
    let desc = ColumnDesc::fixed("DATA", DataType::F32, [4, 2]);
    let manager = Manager::tiled_column("t", [4, 4, 2]).holding(["DATA"]);
    Layout::new().column(desc).manager(manager).create(&tiled, 9).unwrap().close().unwrap();
    let error = PlainTable::open(&tiled).unwrap().read_vec::<f32>("DATA", 0..1).unwrap_err();
    assert!(
        error.to_string().ends_with("column DATA: cannot be read without casacore: it is held by a TiledColumnStMan")
    );
}

/// Any change of any file: an error or values, no panic, and no more memory than the files account for.
#[test]
fn damaged_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let (mut good, mut refused) = (0, 0);
    for (number, manager) in
        [Manager::standard("s", Bucket::Rows(5)), Manager::incremental("i", 20_000)].into_iter().enumerate()
    {
        for endian in [Endian::Little, Endian::Big] {
            let path = folder.path().join(format!("{number}{endian:?}.tab"));
            every_cell(&path, manager.clone(), endian, 20);
            let files = ["table.dat", "table.lock", "table.f0", "table.f0i"].map(|name| path.join(name));
            let whole = files.each_ref().map(|file| fs::read(file).unwrap());
            for round in 0..1200 {
                let which = round % files.len();
                let (file, bytes) = (&files[which], &whole[which]);
                let mut changed = bytes.clone();
                // Heads hold most of the structure, so half of the changes are there.
                let reach = if round % 2 == 0 { bytes.len() } else { bytes.len().min(900) };
                match next(4) {
                    0 => changed.truncate(next(bytes.len())),
                    1 => changed[next(reach)] ^= 1 << next(8),
                    2 => {
                        let at = next(reach.saturating_sub(4).max(1));
                        let word: [u8; 4] = [[0xff; 4], [0; 4], [0x7f, 0xff, 0xff, 0xff], [0, 0, 0x40, 0]][next(4)];
                        changed.iter_mut().skip(at).zip(word).for_each(|(byte, new)| *byte = new);
                    }
                    _ => {
                        let (from, to, length) = (next(reach), next(reach), next(40));
                        let length = length.min(bytes.len() - from.max(to));
                        changed[to..to + length].copy_from_slice(&bytes[from..from + length]);
                    }
                }
                fs::write(file, &changed).unwrap();
                let read = catch_unwind(AssertUnwindSafe(|| read_all(&path)));
                match read {
                    Ok(Ok(())) => good += 1,
                    Ok(Err(_)) => refused += 1,
                    Err(_) => panic!("round {round} of {}", file.display()),
                }
                fs::write(file, bytes).unwrap();
            }
        }
    }
    println!("{good} read, {refused} refused");
    assert!(good > 500 && refused > 500, "{good} read, {refused} refused");
}

/// Reads everything, in parts of at most 1000 rows: a table may claim any number.
fn read_all(path: &Path) -> casacore::Result<()> {
    let table = PlainTable::open(path)?;
    table.keywords()?;
    let rows = table.rows()?.min(1000);
    table.data_managers()?;
    let mut first = Ok(());
    for column in table.columns()? {
        let name = column.name.as_str();
        let ragged = column.cell != Cell::Scalar;
        macro_rules! read {
            ($type:ty) => {
                if ragged {
                    table.read_ragged::<$type>(name, 0..rows).map(|_| ())
                } else {
                    table.read_vec::<$type>(name, 0..rows).map(|_| ())
                }
            };
        }
        let read = match column.kind {
            DataType::Bool => read!(bool),
            DataType::U8 => read!(u8),
            DataType::I16 => read!(i16),
            DataType::U16 => read!(u16),
            DataType::I32 => read!(i32),
            DataType::U32 => read!(u32),
            DataType::I64 => read!(i64),
            DataType::F32 => read!(f32),
            DataType::F64 => read!(f64),
            DataType::Complex32 => read!(Complex32),
            DataType::Complex64 => read!(Complex64),
            DataType::String if ragged => table.read_ragged_strings(name, 0..rows).map(|_| ()),
            DataType::String => table.read_strings(name, 0..rows).map(|_| ()),
            DataType::Record | DataType::Other => Ok(()),
        };
        // One damaged column does not keep the others from being tried.
        first = first.and(read);
    }
    first
}

/// casacore keeps the number of rows of a table that grew in `table.lock` alone. Where that is lost, an old number would
/// hide rows.
#[test]
fn a_lost_number_of_rows_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for manager in [Manager::standard("s", Bucket::Default), Manager::incremental("i", 0)] {
        let path = folder.path().join(format!("{}.tab", manager.name));
        let layout = Layout::new().column(ColumnDesc::scalar("N", DataType::I32));
        layout.manager(manager.holding(["N"])).create(&path, 2).unwrap().close().unwrap();
        let old = fs::read(path.join("table.dat")).unwrap();
        let mut table = Table::open_rw(&path).unwrap();
        table.add_rows(3).unwrap();
        table.close().unwrap();
        fs::write(path.join("table.dat"), old).unwrap();
        assert_eq!(PlainTable::open(&path).unwrap().rows().unwrap(), 5);
        let lock = fs::OpenOptions::new().write(true).open(path.join("table.lock")).unwrap();
        for length in (0..lock.metadata().unwrap().len()).rev() {
            lock.set_len(length).unwrap();
            let table = PlainTable::open(&path).unwrap();
            assert!(matches!(table.rows(), Err(Error::Damaged { .. })), "cut to {length}");
            assert!(table.read_vec::<i32>("N", 0..2).is_err());
        }
    }
}

/// A casacore handle that has a table open for writing is no obstacle.
#[test]
fn beside_an_open_handle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let layout = Layout::new().column(ColumnDesc::scalar("N", DataType::I32));
    let mut table = layout.create_with(&path, 2, &OpenOptions::new().write(true)).unwrap();
    table.write("N", 0..2, &[1, 2]).unwrap();
    table.flush(false).unwrap();
    assert_eq!(PlainTable::open(&path).unwrap().read_vec::<i32>("N", 0..2).unwrap(), [1, 2]);
    table.add_rows(1).unwrap();
    table.write("N", 2, &[3]).unwrap();
    table.flush(false).unwrap();
    assert_eq!(PlainTable::open(&path).unwrap().read_vec::<i32>("N", 0..3).unwrap(), [1, 2, 3]);
    table.close().unwrap();
    // Without a lock file the number of rows is that of `table.dat`, and none is made.
    fs::remove_file(path.join("table.lock")).unwrap();
    assert_eq!(PlainTable::open(&path).unwrap().rows().unwrap(), 3);
    assert!(!path.join("table.lock").exists());
    // A pipe in the place of a file is not waited for.
    fs::remove_file(path.join("table.f0")).unwrap();
    let made = Command::new("mkfifo").arg(path.join("table.f0")).status();
    if made.is_ok_and(|status| status.success()) {
        let keep = fs::OpenOptions::new().read(true).write(true).open(path.join("table.f0")).unwrap();
        let _ = keep.write_all_at(b"x", 0);
        assert!(matches!(PlainTable::open(&path).unwrap().read_vec::<i32>("N", 0..1), Err(Error::Io { .. })));
    }
}
