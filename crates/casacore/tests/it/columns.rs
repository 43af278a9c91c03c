//! Every type through every storage manager, both byte orders, by ranges, lists, slices and single cells.

use casacore::{
    Bucket, CellSlice, ColumnDesc, Complex32, Complex64, DataType, Element, Endian, Error, Layout, Manager,
    ManagerKind, Ragged, Record, Table,
};

const ROWS: u64 = 23;

/// A value that tells its place, exact in every type.
trait Place: Element {
    fn place(i: usize) -> Self;
}

macro_rules! place {
    ($($type:ty => |$i:ident| $value:expr;)*) => {$(
        impl Place for $type {
            fn place($i: usize) -> Self { $value }
        }
    )*};
}

place! {
    bool => |i| i * i % 5 < 2;
    u8 => |i| (i * 7 % 251) as u8;
    i16 => |i| i as i16 * 31 - 9000;
    u16 => |i| (i * 131 % 65_521) as u16;
    i32 => |i| i as i32 * 70_001 - 1_000_000;
    u32 => |i| i as u32 * 4_000_037;
    i64 => |i| i as i64 * 3_000_000_000_001 - 7;
    f32 => |i| i as f32 * 0.5 - 3.0;
    f64 => |i| i as f64 / 3.0;
    Complex32 => |i| Complex32::new(i as f32, -0.5 * i as f32);
    Complex64 => |i| Complex64::new(i as f64 / 7.0, 1e300);
}

fn values<T: Place>(count: usize) -> Vec<T> {
    (0..count).map(T::place).collect()
}

fn managers(cell: &[usize]) -> Vec<Manager> {
    let tile: Vec<usize> = std::iter::once(5).chain(cell.iter().map(|&n| n.div_ceil(2))).collect();
    let mut managers = vec![
        Manager::standard("m", Bucket::Rows(7)),
        Manager::standard("m", Bucket::Bytes(20_000)),
        Manager::incremental("m", 20_000),
        Manager::other("m", "StManAipsIO", Record::new()),
    ];
    if !cell.is_empty() {
        managers.push(Manager::tiled_column("m", tile.clone()));
        managers.push(Manager::tiled_shape("m", tile.clone()));
        managers.push(Manager::tiled_cell("m", &tile[1..]));
    }
    managers
}

fn round_trip<T: Place>() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    for cell in [&[][..], &[3], &[4, 3]] {
        for manager in managers(cell) {
            for endian in [Endian::Little, Endian::Big] {
                number += 1;
                let path = folder.path().join(number.to_string());
                let column = match cell {
                    [] => ColumnDesc::scalar("X", T::TYPE),
                    // casacore's tiled cell manager and its oldest one want arrays apart.
                    shape => ColumnDesc::fixed("X", T::TYPE, shape),
                };
                let per_row: usize = cell.iter().product();
                let all = values::<T>(per_row * ROWS as usize);
                let layout = Layout::new().column(column).manager(manager.clone().holding(["X"])).endian(endian);
                let mut table = layout.create(&path, ROWS).unwrap_or_else(|e| panic!("{manager:?}: {e}"));
                // Out of order, by range and by list.
                table.write("X", 10..ROWS, &all[10 * per_row..]).unwrap();
                let list: Vec<u64> = (0..10).rev().collect();
                let reversed: Vec<T> =
                    (0..10).rev().flat_map(|r| all[r * per_row..(r + 1) * per_row].to_vec()).collect();
                table.write("X", list.as_slice(), &reversed).unwrap();
                table.close().unwrap();

                let table = Table::open(&path).unwrap();
                let what = format!("{manager:?} {endian:?} {cell:?}");
                assert_eq!(table.read_vec::<T>("X", 0..ROWS).unwrap(), all, "{what}");
                let mut part = vec![T::default(); 6 * per_row];
                table.read("X", 4..10, &mut part).unwrap();
                assert_eq!(part, all[4 * per_row..10 * per_row], "{what}");
                let mut ten = vec![T::default(); 10 * per_row];
                table.read("X", list.as_slice(), &mut ten).unwrap();
                assert_eq!(ten, reversed, "{what}");
                assert_eq!(table.cell_shape("X", 3).unwrap().unwrap(), cell, "{what}");
                table.read::<T>("X", 5..5, &mut []).unwrap();
            }
        }
    }
}

#[test]
fn truth_values() {
    round_trip::<bool>();
}

#[test]
fn integers() {
    round_trip::<u8>();
    round_trip::<i16>();
    round_trip::<u16>();
    round_trip::<i32>();
    round_trip::<u32>();
    round_trip::<i64>();
}

#[test]
fn reals_and_complex() {
    round_trip::<f32>();
    round_trip::<f64>();
    round_trip::<Complex32>();
    round_trip::<Complex64>();
}

#[test]
fn slices_of_cells() {
    let folder = tempfile::tempdir().unwrap();
    for (i, manager) in managers(&[6, 4]).into_iter().enumerate() {
        let path = folder.path().join(i.to_string());
        let mut table = Layout::new()
            .column(ColumnDesc::fixed("DATA", DataType::Complex32, [6, 4]))
            .manager(manager.holding(["DATA"]))
            .create(&path, 9)
            .unwrap();
        let all = values::<Complex32>(9 * 24);
        table.write("DATA", 0..9, &all).unwrap();
        // Channels 1, 3 and 5 and correlations 0 and 3 of rows 2 to 7.
        let slice = CellSlice::new([1..6, 0..4]).step(0, 2).step(1, 3);
        assert_eq!(slice.shape(), [3, 2]);
        let mut part = vec![Complex32::default(); 6 * 6];
        table.read_slice("DATA", 2..8, &slice, &mut part).unwrap();
        let expected: Vec<_> = (2..8)
            .flat_map(|row| [1, 3, 5].into_iter().flat_map(move |channel| [0, 3].map(|c| row * 24 + channel * 4 + c)))
            .map(|i| all[i])
            .collect();
        assert_eq!(part, expected);

        table.write_slice("DATA", 2..8, &slice, &vec![Complex32::new(-1.0, 0.0); 36]).unwrap();
        let changed = table.read_vec::<Complex32>("DATA", 0..9).unwrap();
        assert_eq!(changed.iter().zip(&all).filter(|(a, b)| a != b).count(), 36);
        assert_eq!(changed[2 * 24 + 4], Complex32::new(-1.0, 0.0));

        for outside in
            [CellSlice::new([0..7, 0..4]), CellSlice::new(std::iter::once(0..6)), CellSlice::new([0..6, 2..2])]
        {
            let mut out = vec![Complex32::default(); outside.shape().iter().product()];
            assert!(matches!(table.read_slice("DATA", 0, &outside, &mut out), Err(Error::Shape { .. })));
        }
    }
}

#[test]
fn strings() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["", "a", "eight by", "a string that is longer than a bucket's inline eight", "Tromsø", "x\ty"];
    for (i, manager) in [Manager::standard("m", Bucket::Default), Manager::other("m", "StManAipsIO", Record::new())]
        .into_iter()
        .enumerate()
    {
        let path = folder.path().join(i.to_string());
        let mut table = Layout::new()
            .column(ColumnDesc::scalar("NAME", DataType::String))
            .column(ColumnDesc::fixed("TYPE", DataType::String, [2]))
            .column(ColumnDesc::variable("LOG", DataType::String, Some(1)))
            .manager(manager.holding(["NAME", "TYPE", "LOG"]))
            .create(&path, 6)
            .unwrap();
        table.write_strings("NAME", 0..6, &names).unwrap();
        table.write_strings("TYPE", 1..4, &names).unwrap();
        let log = Ragged { shapes: vec![Some(vec![2]), None, Some(vec![1])], values: vec!["one", "two", "three"] };
        table.write_ragged_strings("LOG", 0..3, &log).unwrap();
        table.close().unwrap();

        let table = Table::open(&path).unwrap();
        assert_eq!(table.read_strings("NAME", 0..6).unwrap(), names);
        assert_eq!(table.read_strings("NAME", &[5, 3][..]).unwrap(), [names[5], names[3]]);
        assert_eq!(table.read_strings("TYPE", 1..4).unwrap(), names);
        let back = table.read_ragged_strings("LOG", 0..3).unwrap();
        assert_eq!((back.shapes, back.values), (log.shapes, vec!["one".into(), "two".into(), "three".into()]));
        assert!(!table.is_defined("LOG", 1).unwrap());
        assert!(matches!(table.read_strings("LOG", 0..3), Err(Error::Undefined { row: 1, .. })));
    }
}

#[test]
fn cells_of_different_shapes() {
    let folder = tempfile::tempdir().unwrap();
    for (i, manager) in [
        Manager::standard("m", Bucket::Default),
        Manager::incremental("m", 0),
        Manager::tiled_shape("m", [4, 4, 2]),
        Manager::tiled_cell("m", [4, 2]),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(i.to_string());
        let mut table = Layout::new()
            .column(ColumnDesc::variable("DATA", DataType::F32, Some(2)))
            .manager(manager.clone().holding(["DATA"]))
            .create(&path, 6)
            .unwrap();
        let shape = |row: usize| vec![row % 3 + 1, 2];
        let cells = Ragged { shapes: (0..5).map(|row| Some(shape(row))).collect(), values: values::<f32>(18) };
        table.write_ragged("DATA", 0..5, &cells).unwrap();
        table.write_cell("DATA", 3, &[1, 2], &[-1.0_f32, -2.0]).unwrap();
        table.close().unwrap();

        let table = Table::open(&path).unwrap();
        let shapes = table.shapes("DATA", 0..6).unwrap();
        assert_eq!(shapes[..5], cells.shapes, "{manager:?}");
        assert_eq!(table.read_cell::<f32>("DATA", 3).unwrap(), (vec![1, 2], vec![-1.0, -2.0]));
        let back = table.read_ragged::<f32>("DATA", 0..6).unwrap();
        let third = back.cells().nth(2).flatten().unwrap();
        assert_eq!(third, (&[3, 2][..], &cells.values[6..12]));
        assert!(matches!(table.read("DATA", 0..3, &mut [0.0_f32; 12]), Err(Error::Shape { .. })), "{manager:?}");
        let same = table.read_vec::<f32>("DATA", &[0, 3][..]).unwrap();
        assert_eq!(same[2..], [-1.0, -2.0], "cells of one shape read in bulk");
        // A cell that was never written: the incremental manager repeats the row before, others have no value.
        let repeated = matches!(manager.kind, ManagerKind::Incremental(_));
        assert_eq!(shapes[5], repeated.then(|| shape(4)), "{manager:?}");
    }
}
