//! A column in bulk: both ways give the same, in chunks of any size, of any part, by any rows.

use casacore::{
    Array, Bucket, CellSlice, Column, ColumnDesc, ColumnOptions, Complex32, Complex64, DataType, Element, Endian,
    Error, Layout, Manager, Operations, Ragged, Record, Rows, Selection, Table, Values, Way, tiles::NotTiled,
};
use ndarray::{Array2, Array3, Array4, s};

const ROWS: u64 = 61;
const CELL: [usize; 2] = [7, 4];

fn value(i: usize) -> Complex32 {
    Complex32::new(i as f32, -0.25 * i as f32)
}

fn all<T>(value: impl Fn(usize) -> T) -> Vec<T> {
    (0..ROWS as usize * CELL[0] * CELL[1]).map(value).collect()
}

fn managers() -> Vec<(Manager, bool)> {
    vec![
        (Manager::tiled_column("m", [8, 3, 4]), true),
        (Manager::tiled_column("m", [8, 7, 4]), true),
        (Manager::tiled_column("m", [64, 2, 3]), true),
        (Manager::tiled_shape("m", [8, 3, 4]), true),
        (Manager::tiled_cell("m", [3, 4]), false),
        (Manager::standard("m", Bucket::Rows(9)), false),
        (Manager::incremental("m", 0), false),
        (Manager::other("m", "StManAipsIO", Record::new()), false),
    ]
}

/// Makes a table with one column of numbers, and gives whether it has tiles.
fn make<T: Element>(path: &std::path::Path, manager: &Manager, endian: Endian, values: &[T]) {
    let layout = Layout::new()
        .column(ColumnDesc::fixed("X", T::TYPE, CELL))
        .manager(manager.clone().holding(["X"]))
        .endian(endian);
    let mut table = layout.create(path, ROWS).unwrap();
    table.write("X", 0..ROWS, values).unwrap();
    table.close().unwrap();
}

fn both(path: &std::path::Path) -> [Column; 2] {
    [Column::open(path, "X").unwrap(), ColumnOptions::new().general(true).open(path, "X").unwrap()]
}

/// The places of a part of some rows among all values.
fn places(rows: &[u64], channels: &[usize], correlations: &[usize]) -> Vec<usize> {
    let mut places = Vec::new();
    for &row in rows {
        for channel in channels {
            places.extend(correlations.iter().map(|c| (row as usize * CELL[0] + channel) * CELL[1] + c));
        }
    }
    places
}

fn every_way<T: Element>(values: &[T]) {
    let folder = tempfile::tempdir().unwrap();
    let list = [60, 3, 4, 5, 3, 0, 59, 12, 13];
    for (number, (manager, tiled)) in managers().into_iter().enumerate() {
        for endian in [Endian::Little, Endian::Big] {
            let path = folder.path().join(format!("{number}{endian:?}"));
            make(&path, &manager, endian, values);
            for column in both(&path) {
                let what = format!("{manager:?} {endian:?} {}", column.way());
                if tiled {
                    assert!(matches!(column.way(), Way::Tiles | Way::GeneralAsAsked), "{what}");
                }
                let everything = 0..ROWS;
                let check = |rows: &[u64], selection: Selection<'_>, channels: &[usize], correlations: &[usize]| {
                    let expected: Vec<T> =
                        places(rows, channels, correlations).into_iter().map(|i| values[i]).collect();
                    let mut out = vec![T::default(); expected.len()];
                    column.read(&selection, &mut out).unwrap_or_else(|e| panic!("{what}: {e}"));
                    assert!(out == expected, "{what} {selection:?}");
                    for size in [1, 10, 1000] {
                        let mut chunks = column.chunks::<T>(&selection, size).unwrap();
                        let mut found = Vec::new();
                        while let Some(chunk) = chunks.next_chunk().unwrap() {
                            assert_eq!(chunk.shape, Some(&[channels.len(), correlations.len()][..]));
                            assert_eq!(chunk.array().unwrap().len(), chunk.values.len());
                            found.extend_from_slice(chunk.values);
                        }
                        assert!(found == expected, "{what} {selection:?} by {size}");
                    }
                };
                let (c, p) = ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3]);
                let rows: Vec<u64> = everything.clone().collect();
                check(&rows, Selection::all(), &c, &p);
                check(&rows[5..50], Selection::all().rows(5..50), &c, &p);
                check(&list, Selection::all().row_list(&list), &c, &p);
                check(&rows, Selection::all().channels(2..6), &c[2..6], &p);
                check(&list, Selection::all().row_list(&list).correlations(1..3), &c, &p[1..3]);
                check(&rows[7..9], Selection::all().rows(7..9).channels(6..7).correlations(3..4), &[6], &[3]);
                let steps = CellSlice::new([1..7, 0..4]).step(0, 2).step(1, 3);
                check(&rows, Selection::all().slice(steps.clone()), &[1, 3, 5], &[0, 3]);
                check(&list, Selection::all().row_list(&list).slice(steps), &[1, 3, 5], &[0, 3]);
                check(&[], Selection::all().rows(9..9), &c, &p);
                check(&[], Selection::all().row_list(&[]), &c, &p);
            }
        }
    }
}

#[test]
fn complex_numbers() {
    every_way(&all(value));
}

#[test]
fn truth_values_and_integers() {
    every_way(&all(|i| i * i % 7 < 3));
    every_way(&all(|i| i as i16));
}

#[test]
fn writing_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let list = [60_u64, 3, 4, 5, 0, 59, 3];
    for (number, (manager, _)) in managers().into_iter().enumerate() {
        for endian in [Endian::Little, Endian::Big] {
            for general in [false, true] {
                let path = folder.path().join(format!("{number}{endian:?}{general}"));
                let (numbers, flags) = (all(value), all(|i| i % 3 == 0));
                let layout = Layout::new()
                    .column(ColumnDesc::fixed("X", DataType::Complex32, CELL))
                    .column(ColumnDesc::fixed("F", DataType::Bool, CELL))
                    .manager(manager.clone().holding(["X"]))
                    .manager(Manager { name: "f".into(), ..manager.clone() }.holding(["F"]))
                    .endian(endian);
                layout.create(&path, ROWS).unwrap().close().unwrap();
                let mut expected = (numbers.clone(), flags.clone());
                fn write<T: Element>(path: &std::path::Path, name: &str, general: bool, v: &mut [T], list: &[u64]) {
                    let row = CELL[0] * CELL[1];
                    let column = ColumnOptions::new().write(true).general(general).open(path, name).unwrap();
                    // In chunks that end within tiles.
                    let fill = column.fill::<T, Error>(&Selection::all(), 10, |rows, out| {
                        let first = rows.clone().next().unwrap() as usize;
                        out.copy_from_slice(&v[first * row..first * row + out.len()]);
                        Ok(())
                    });
                    fill.unwrap();
                    // The first three values of the last channel become those of the row's first channel.
                    column
                        .update::<T, Error>(&Selection::all(), 7, |rows, out| {
                            for (_, cell) in rows.zip(out.chunks_mut(row)) {
                                cell.copy_within(0..3, row - 4);
                            }
                            Ok(())
                        })
                        .unwrap();
                    v.chunks_mut(row).for_each(|cell| cell.copy_within(0..3, row - 4));
                    // A part of some rows, one of them twice: the last counts.
                    let part = Selection::all().row_list(list).channels(1..4).correlations(1..2);
                    let new: Vec<T> = (0..list.len() * 3).map(|i| v[i * 5]).collect();
                    column.write(&part, &new).unwrap();
                    for (i, place) in places(list, &[1, 2, 3], &[1]).into_iter().enumerate() {
                        v[place] = new[i];
                    }
                    let steps = CellSlice::new([0..7, 0..4]).step(0, 3).step(1, 2);
                    let new: Vec<T> = (0..20 * 6).map(|i| v[i * 3]).collect();
                    column.write(&Selection::all().rows(30..50).slice(steps), &new).unwrap();
                    let rows: Vec<u64> = (30..50).collect();
                    for (i, place) in places(&rows, &[0, 3, 6], &[0, 2]).into_iter().enumerate() {
                        v[place] = new[i];
                    }
                    column.close().unwrap();
                }
                write(&path, "X", general, &mut expected.0, &list);
                write(&path, "F", general, &mut expected.1, &list);
                let table = Table::open(&path).unwrap();
                assert!(table.read_vec::<Complex32>("X", 0..ROWS).unwrap() == expected.0, "{manager:?} {endian:?}");
                assert!(table.read_vec::<bool>("F", 0..ROWS).unwrap() == expected.1, "{manager:?} {endian:?}");
            }
        }
    }
}

/// Arrays of their own shapes and rows without a value, as chunks of rows that are alike and as ragged cells.
#[test]
fn variable_shapes_and_undefined_cells() {
    let folder = tempfile::tempdir().unwrap();
    let shapes: Vec<Option<Vec<usize>>> = (0..40)
        .map(|row| match row {
            0..10 => Some(vec![3, 2]),
            10..13 => None,
            13..20 => Some(vec![4, 2]),
            _ => Some(vec![3 + row % 2, 2]),
        })
        .collect();
    let count: usize = shapes.iter().flatten().map(|shape| shape[0] * shape[1]).sum();
    let cells = Ragged { shapes, values: (0..count).map(|i| i as f64).collect() };
    // Not the incremental manager: there a cell without a value has that of the row before.
    for (number, manager) in [
        Manager::standard("m", Bucket::Default),
        Manager::tiled_shape("m", [4, 2, 2]),
        Manager::tiled_cell("m", [2, 2]),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(number.to_string());
        let layout = Layout::new()
            .column(ColumnDesc::variable("X", DataType::F64, Some(2)))
            .manager(manager.clone().holding(["X"]));
        let mut table = layout.create(&path, 40).unwrap();
        table.write_ragged("X", 0..40, &cells).unwrap();
        table.close().unwrap();
        let column = Column::open(&path, "X").unwrap();
        assert!(matches!(column.way(), Way::General(_)), "{}", column.way());
        assert_eq!(column.cell_shape(), None);
        let mut chunks = column.chunks::<f64>(&Selection::all(), 8).unwrap();
        let mut found = Ragged::<f64>::default();
        let mut ends = Vec::new();
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            let rows = chunk.rows.len() as usize;
            found.shapes.extend(std::iter::repeat_n(chunk.shape.map(<[usize]>::to_vec), rows));
            found.values.extend_from_slice(chunk.values);
            ends.push(found.shapes.len());
        }
        assert_eq!(found, cells, "{manager:?}");
        assert_eq!(ends[..6], [8, 10, 13, 16, 20, 21]);
        let mut again = Ragged::<f64>::default();
        column
            .ragged_chunks::<f64, Error>(&Selection::all(), 7, |_, part| {
                again.shapes.extend_from_slice(&part.shapes);
                again.values.extend_from_slice(&part.values);
                Ok(())
            })
            .unwrap();
        assert_eq!(again, cells);
        let slice = Selection::all().slice(CellSlice::new([1..3, 0..1]));
        let mut chunks = column.chunks::<f64>(&slice, 1000).unwrap();
        let mut rows = Vec::new();
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            rows.push((chunk.rows.len(), chunk.shape.map(<[usize]>::to_vec)));
        }
        assert_eq!(rows[..3], [(10, Some(vec![2, 1])), (3, None), (7, Some(vec![2, 1]))]);
        assert_eq!(rows[3..], vec![(1, Some(vec![2, 1])); 20]);
        assert!(matches!(column.read(&Selection::all().rows(8..12), &mut [0.0; 24]), Err(Error::Undefined { .. })));
        assert!(matches!(column.chunks::<f64>(&Selection::all().channels(0..1), 1), Err(Error::Shape { .. })));
    }
}

#[test]
fn scalars_in_chunks() {
    let folder = tempfile::tempdir().unwrap();
    for (number, manager) in
        [Manager::standard("m", Bucket::Default), Manager::incremental("m", 0)].into_iter().enumerate()
    {
        let path = folder.path().join(number.to_string());
        let layout = Layout::new().column(ColumnDesc::scalar("TIME", DataType::F64)).manager(manager.holding(["TIME"]));
        layout.create(&path, 1000).unwrap().close().unwrap();
        let column = Column::open_rw(&path, "TIME").unwrap();
        let fill = column.fill::<f64, Error>(&Selection::all(), 64, |rows, out| {
            out.iter_mut().zip(rows).for_each(|(out, row)| *out = row as f64 / 8.0);
            Ok(())
        });
        fill.unwrap();
        let mut chunks = column.chunks::<f64>(&Selection::all().rows(100..900), 300).unwrap();
        let mut next = 100.0;
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            assert_eq!((chunk.shape, chunk.values[0]), (Some(&[][..]), next / 8.0));
            next += chunk.values.len() as f64;
        }
        assert_eq!(next, 900.0);
    }
}

#[test]
fn operations_are_counted_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    make(&path, &Manager::tiled_column("m", [8, 3, 4]), Endian::Little, &all(value));
    let count = |general: bool, rows: usize| {
        let operations = Operations::new();
        let column = ColumnOptions::new().general(general).operations(&operations).open(&path, "X").unwrap();
        let mut chunks = column.chunks::<Complex32>(&Selection::all(), rows).unwrap();
        while chunks.next_chunk().unwrap().is_some() {}
        let counts = operations.counts();
        (counts.opens, counts.reads, counts.bytes_read)
    };
    let bytes = ROWS * 28 * 8;
    assert_eq!(count(true, 100), (1, 1, bytes), "one open, one read");
    assert_eq!(count(true, 10), (1, 7, bytes));
    // 8 × 3 tiles, of which a third of the last column is beyond the cells.
    assert_eq!(count(false, 100), (1, 24, ROWS * 9 * 4 * 8));
    // A row of tiles that two chunks share is read in two parts, and nothing twice.
    assert_eq!(count(false, 20), (1, (8 + 2) * 3, ROWS * 9 * 4 * 8));
}

#[test]
fn arrays_of_any_layout() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = all(value);
    for (number, (manager, _)) in managers().into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        make(&path, &manager, Endian::Big, &numbers);
        let rows = ROWS as usize;
        let expected = Array3::from_shape_vec((rows, 7, 4), numbers.clone()).unwrap();
        for column in both(&path) {
            let mut whole = Array3::<Complex32>::zeros((rows, 7, 4));
            column.read_array(&Selection::all(), whole.view_mut()).unwrap();
            assert_eq!(whole, expected);
            // A window of a larger array, and one whose axes are turned.
            let mut large = Array4::<Complex32>::zeros((2, rows, 9, 4));
            let part = Selection::all().channels(1..5);
            column.read_array(&part, large.slice_mut(s![1, .., 3..7, ..])).unwrap();
            assert_eq!(large.slice(s![1, .., 3..7, ..]), expected.slice(s![.., 1..5, ..]));
            assert!(
                large
                    .slice(s![0, .., .., ..])
                    .iter()
                    .chain(large.slice(s![1, .., 7.., ..]).iter())
                    .all(|v| v.norm() == 0.0)
            );
            let mut turned = Array3::<Complex32>::zeros((4, 7, rows));
            column.read_array(&Selection::all(), turned.view_mut().reversed_axes()).unwrap();
            assert_eq!(turned.view().reversed_axes(), expected);
            let wrong = column.read_array(&Selection::all(), Array2::<Complex32>::zeros((rows, 28)).view_mut());
            assert!(matches!(wrong, Err(Error::Shape { .. })), "{wrong:?}");
        }
        for general in [false, true] {
            let column = ColumnOptions::new().write(true).general(general).open(&path, "X").unwrap();
            let negative = expected.mapv(|v| -v);
            let mut large = Array3::<Complex32>::zeros((rows, 9, 4));
            large.slice_mut(s![.., 1..8, ..]).assign(&negative);
            column.write_array(&Selection::all(), large.slice(s![.., 1..8, ..])).unwrap();
            let turned = expected.slice(s![.., 2..4, ..]).reversed_axes().as_standard_layout().to_owned();
            column.write_array(&Selection::all().channels(2..4), turned.view().reversed_axes()).unwrap();
            let mut back = Array3::<Complex32>::zeros((rows, 7, 4));
            column.read_array(&Selection::all(), back.view_mut()).unwrap();
            assert_eq!(back.slice(s![.., ..2, ..]), negative.slice(s![.., ..2, ..]));
            assert_eq!(back.slice(s![.., 2..4, ..]), expected.slice(s![.., 2..4, ..]));
            column.write_array(&Selection::all(), expected.view()).unwrap();
            column.close().unwrap();
        }
    }
}

#[test]
fn what_cannot_be_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    make(&path, &Manager::tiled_column("m", [8, 3, 4]), Endian::Little, &all(value));
    for column in both(&path) {
        let mut out = vec![Complex32::default(); 28];
        let mut read = |selection: Selection<'_>| column.read(&selection, &mut out);
        assert!(matches!(read(Selection::all().rows(60..62)), Err(Error::RowRange { row: 61, .. })));
        assert!(matches!(read(Selection::all().row_list(&[3, 61])), Err(Error::RowRange { row: 61, .. })));
        assert!(matches!(read(Selection::all().rows(3..5)), Err(Error::Shape { .. })));
        assert!(matches!(read(Selection::all().rows(3..4).channels(0..8)), Err(Error::Shape { .. })));
        assert!(matches!(read(Selection::all().rows(3..4).channels(3..3)), Err(Error::Shape { .. })));
        let one_axis = CellSlice::new(std::iter::once(0..7));
        assert!(matches!(read(Selection::all().rows(3..4).slice(one_axis)), Err(Error::Shape { .. })));
        assert!(matches!(column.chunks::<f32>(&Selection::all(), 10), Err(Error::Type { .. })));
        assert!(matches!(column.read(&Selection::all(), &mut [0.0_f32]), Err(Error::Type { .. })));
        assert!(matches!(column.write(&Selection::all().rows(0..1), &out), Err(Error::ReadOnly { .. })));
        assert!(matches!(column.read_ragged::<Complex32>(&Rows::from(61)), Err(Error::RowRange { .. })));
    }
    assert!(matches!(Column::open(&path, "Y"), Err(Error::NoColumn { .. })));
    assert!(matches!(Column::open(folder.path(), "X"), Err(Error::NoTable { .. })));
    let scalar = folder.path().join("b");
    Layout::new().column(ColumnDesc::scalar("X", DataType::I32)).create(&scalar, 3).unwrap().close().unwrap();
    let column = Column::open(&scalar, "X").unwrap();
    assert_eq!(*column.way(), Way::General(NotTiled::Manager("StandardStMan".into())));
    assert!(matches!(column.chunks::<i32>(&Selection::all().channels(0..1), 10), Err(Error::Shape { .. })));
}

/// A copy of a table of testdata/tables: opening it may write its lock file.
fn made_elsewhere(name: &str) -> tempfile::TempDir {
    let made = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/tables").join(name);
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&made).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

/// What python-casacore wrote (testdata/tables/records.py).
#[test]
fn records() {
    let folder = made_elsewhere("records");
    let table = Table::open(folder.path()).unwrap();
    assert_eq!(table.column("MODEL").unwrap().kind, DataType::Record);
    let cells = table.read_records("MODEL", 0..4).unwrap();
    assert!([0, 1, 3].iter().all(|&row: &usize| cells[row].is_empty()), "never written, or written empty");
    let array = |shape: &[usize], values| Array { shape: shape.to_vec(), values };
    let complexes = vec![Complex32::new(1.0, 2.0), Complex32::new(0.0, 3.0)];
    let inner = Record::new()
        .with("ints", array(&[2, 2], Values::I32(vec![1, 2, 3, 4])))
        .with("x", array(&[2], Values::Complex32(complexes)));
    let model = Record::new()
        .with("flux", 2.5)
        .with("on", true)
        .with("n", 7_i64)
        .with("name", "3C48")
        .with("z", Complex64::new(1.0, -2.0))
        .with("shape", array(&[2, 3], Values::F64((0..6).map(f64::from).collect())))
        .with("flags", array(&[2], Values::Bool(vec![true, false])))
        .with("names", vec!["a", "bcd"])
        .with("inner", inner)
        .with("empty", array(&[0], Values::F64(Vec::new())));
    assert_eq!(cells[2], model);
    assert_eq!(table.read_records("MODEL", &[2, 0][..]).unwrap(), [model, Record::new()]);

    assert!(matches!(table.read_records("MODEL", 3..5), Err(Error::RowRange { row: 4, .. })));
    assert!(matches!(table.read_records("ID", 0..1), Err(Error::Type { .. })));
    assert!(matches!(table.read_records("NONE", 0..1), Err(Error::NoColumn { .. })));
}

/// Two hypercubes of one TiledDataStMan, with a scalar that tells them apart, made by C++ (testdata/tables/tiled-data.cc).
#[test]
fn tiled_data() {
    for name in ["tiled-data-little", "tiled-data-big"] {
        let folder = made_elsewhere(name);
        let ids = Column::open(folder.path(), "ID").unwrap();
        let mut found = vec![0_i32; 31];
        ids.read(&Selection::all(), &mut found).unwrap();
        assert_eq!(found, [[7; 20].as_slice(), &[8; 11]].concat());
        let data = Column::open(folder.path(), "DATA").unwrap();
        assert_eq!(*data.way(), Way::General(NotTiled::Manager("TiledDataStMan".into())));
        let mut chunks = data.chunks::<Complex32>(&Selection::all(), 16).unwrap();
        let mut seen = Vec::new();
        let mut row = 0;
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            let shape = chunk.shape.unwrap().to_vec();
            for cell in chunk.values.chunks(shape.iter().product()) {
                for (i, value) in cell.iter().enumerate() {
                    assert_eq!(*value, Complex32::new(row as f32, -0.5 * i as f32));
                }
                row += 1;
            }
            seen.push((chunk.rows.len(), shape));
        }
        assert_eq!(seen, [(16, vec![4, 3]), (4, vec![4, 3]), (11, vec![5, 2])]);
        let flags = Column::open(folder.path(), "FLAG").unwrap().read_ragged::<bool>(&Rows::Range(18..22)).unwrap();
        assert_eq!(flags.shapes[1..3], [Some(vec![4, 3]), Some(vec![5, 2])]);
        let expected: Vec<bool> =
            (18..22).flat_map(|row| (0..if row < 20 { 12 } else { 10 }).map(move |i| (row + i) % 3 == 0)).collect();
        assert_eq!(flags.values, expected);
    }
}
