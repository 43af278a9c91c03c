//! Tiles and casacore see the same values.

use std::os::unix::fs::MetadataExt;

use casacore::tiles::{NotTiled, TiledColumn};
use casacore::{
    Bucket, ColumnDesc, Complex32, DataType, Element, Endian, Error, Layout, Manager, OpenOptions, Operations, Ragged,
    Table,
};
use rayon::prelude::*;

const ROWS: u64 = 53;

fn data(i: usize) -> Complex32 {
    Complex32::new(i as f32, -(i as f32) / 8.0)
}

fn flag(i: usize) -> bool {
    i * i % 7 < 3
}

fn filled<T>(count: usize, value: impl Fn(usize) -> T) -> Vec<T> {
    (0..count).map(value).collect()
}

/// Writes by tiles and reads by casacore, then the other way round, then windows of any kind.
fn both_ways<T: Element>(cell: [usize; 2], tile: [usize; 3], endian: Endian, value: impl Fn(usize) -> T) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let per_row = cell[0] * cell[1];
    let all = filled(ROWS as usize * per_row, &value);
    let layout = Layout::new()
        .column(ColumnDesc::fixed("X", T::TYPE, cell))
        .manager(Manager::tiled_column("t", tile).holding(["X"]))
        .endian(endian);
    layout.create(&path, ROWS).unwrap().close().unwrap();

    let mut tiles = TiledColumn::open_rw(&path, "X").unwrap();
    assert_eq!((tiles.rows(), tiles.cell(), tiles.kind(), tiles.endian()), (ROWS, cell, T::TYPE, endian));
    tiles.truncate_to_holes().unwrap();
    tiles.par_write(0..ROWS, tiles.channels(), &all).unwrap();
    drop(tiles);
    let table = Table::open(&path).unwrap();
    assert_eq!(table.read_vec::<T>("X", 0..ROWS).unwrap(), all, "tiles {tile:?} of {cell:?}, {endian:?}, by casacore");
    table.close().unwrap();

    let other = filled(all.len(), |i| value(i * 3 + 1));
    let mut table = Table::open_rw(&path).unwrap();
    table.write("X", 0..ROWS, &other).unwrap();
    table.close().unwrap();
    let tiles = TiledColumn::open(&path, "X").unwrap();
    let mut back = vec![T::default(); all.len()];
    tiles.par_read(0..ROWS, tiles.channels(), &mut back).unwrap();
    assert_eq!(back, other, "tiles {tile:?} of {cell:?}, {endian:?}, by tiles");
    for rows in [0..1, 7..29, 50..53, 9..9] {
        for channels in [0..1, 1..cell[0], 0..cell[0] / 2, cell[0] - 1..cell[0]] {
            let window: Vec<T> = rows
                .clone()
                .flat_map(|row| channels.clone().map(move |channel| row as usize * per_row + channel * cell[1]))
                .flat_map(|first| other[first..first + cell[1]].to_vec())
                .collect();
            let mut out = vec![T::default(); window.len()];
            tiles.read(rows.clone(), channels.clone(), &mut out).unwrap();
            assert_eq!(out, window, "rows {rows:?}, channels {channels:?} of tiles {tile:?} of {cell:?}");
        }
    }
}

#[test]
fn casacore_and_tiles_agree() {
    for (cell, tile) in [
        ([12, 4], [16, 3, 4]),
        ([12, 4], [8, 12, 4]),
        ([13, 2], [5, 4, 2]),
        ([6, 4], [7, 4, 3]),
        ([5, 1], [53, 5, 1]),
        ([3, 3], [1, 1, 1]),
    ] {
        both_ways::<Complex32>(cell, tile, Endian::Little, data);
        both_ways::<Complex32>(cell, tile, Endian::Big, data);
        both_ways::<bool>(cell, tile, Endian::Little, flag);
    }
    for endian in [Endian::Little, Endian::Big] {
        let (cell, tile) = ([13, 2], [5, 4, 2]);
        both_ways::<f32>(cell, tile, endian, |i| i as f32);
        both_ways::<f64>(cell, tile, endian, |i| i as f64 / 3.0);
        both_ways::<i16>(cell, tile, endian, |i| i as i16);
        both_ways::<u8>(cell, tile, endian, |i| i as u8);
        both_ways::<i64>(cell, tile, endian, |i| i as i64 * 1_000_000_007);
        both_ways::<bool>(cell, tile, endian, flag);
    }
}

/// The bits of a FLAG tile, by the definition: the first value is the lowest bit.
#[test]
fn flags_are_bits_from_the_lowest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let mut table = Layout::new()
        .column(ColumnDesc::fixed("FLAG", DataType::Bool, [3, 2]))
        .manager(Manager::tiled_column("t", [4, 3, 2]).holding(["FLAG"]))
        .create(&path, 5)
        .unwrap();
    let mut flags = [false; 30];
    for i in [0, 9, 23, 24] {
        flags[i] = true;
    }
    table.write("FLAG", 0..5, &flags).unwrap();
    table.close().unwrap();
    let tiles = TiledColumn::open(&path, "FLAG").unwrap();
    let mut bytes = [0xff; 3];
    tiles.read_tile_bytes(0, &mut bytes).unwrap();
    assert_eq!(bytes, [0b0000_0001, 0b0000_0010, 0b1000_0000]);
    tiles.read_tile_bytes(1, &mut bytes).unwrap();
    assert_eq!(bytes, [1, 0, 0]);
}

/// Subbands fill their own tiles at the same time; updates of shared tiles take turns.
#[test]
fn many_threads_write_one_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ms");
    let (subbands, width, correlations) = (8, 6, 2);
    let channels = subbands * width;
    Layout::new()
        .column(ColumnDesc::fixed("DATA", DataType::Complex32, [channels, correlations]))
        .column(ColumnDesc::fixed("FLAG", DataType::Bool, [channels, correlations]))
        .manager(Manager::tiled_column("d", [16, width, correlations]).holding(["DATA"]))
        .manager(Manager::tiled_column("f", [64, channels, correlations]).holding(["FLAG"]))
        .create(&path, ROWS)
        .unwrap()
        .close()
        .unwrap();
    let address = |row: u64, channel: usize, c: usize| (row as usize * channels + channel) * correlations + c;
    let visibilities = TiledColumn::open_rw(&path, "DATA").unwrap();
    let flags = TiledColumn::open_rw(&path, "FLAG").unwrap();
    let tasks: Vec<_> = (0..subbands).flat_map(|s| (0..ROWS).step_by(16).map(move |row| (s, row))).collect();
    tasks.par_iter().for_each(|&(subband, first)| {
        let (rows, window) = (first..ROWS.min(first + 16), subband * width..(subband + 1) * width);
        let places: Vec<usize> = rows
            .clone()
            .flat_map(|row| window.clone().map(move |channel| (row, channel)))
            .flat_map(|(row, channel)| (0..correlations).map(move |c| address(row, channel, c)))
            .collect();
        let values: Vec<_> = places.iter().map(|&i| data(i)).collect();
        visibilities.write(rows.clone(), window.clone(), &values).unwrap();
        // One tile of FLAG holds all subbands: only an update may touch a part of it.
        let values: Vec<_> = places.iter().map(|&i| flag(i)).collect();
        assert!(matches!(flags.write(rows.clone(), window.clone(), &values), Err(Error::Shape { .. })));
        flags.update(rows, window, &values).unwrap();
    });
    visibilities.sync().unwrap();
    drop((visibilities, flags));
    let table = Table::open(&path).unwrap();
    let count = ROWS as usize * channels * correlations;
    assert_eq!(table.read_vec::<Complex32>("DATA", 0..ROWS).unwrap(), filled(count, data));
    assert_eq!(table.read_vec::<bool>("FLAG", 0..ROWS).unwrap(), filled(count, flag));
}

/// After `truncate_to_holes` only what is written takes room, and an all-false tile of flags takes none.
#[test]
fn false_flags_stay_holes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    // Tiles of 64 kB: eight of them.
    Layout::new()
        .column(ColumnDesc::fixed("FLAG", DataType::Bool, [64, 4]))
        .manager(Manager::tiled_column("t", [2048, 64, 4]).holding(["FLAG"]))
        .create(&path, 8 * 2048)
        .unwrap()
        .close()
        .unwrap();
    let operations = Operations::new();
    let mut tiles = TiledColumn::open_with(&path, "FLAG", true, &operations).unwrap();
    let length = tiles.path().metadata().unwrap().len();
    assert_eq!(length, 8 * 65_536);
    tiles.truncate_to_holes().unwrap();
    let blocks = |tiles: &TiledColumn| tiles.path().metadata().unwrap().blocks() * 512;
    assert_eq!((tiles.path().metadata().unwrap().len(), blocks(&tiles)), (length, 0));

    let mut flags = vec![false; 2048 * 256];
    for tile in 0..8_u64 {
        flags[17] = tile == 5;
        tiles.write(tile * 2048..(tile + 1) * 2048, tiles.channels(), &flags).unwrap();
    }
    assert_eq!((operations.counts().writes, operations.counts().bytes_written), (1, 65_536));
    assert!(blocks(&tiles) <= 2 * 65_536, "{}", blocks(&tiles));
    // A tile that holds something is overwritten even by all false.
    flags[17] = false;
    tiles.write(5 * 2048..6 * 2048, tiles.channels(), &flags).unwrap();
    tiles.write(6 * 2048..7 * 2048, tiles.channels(), &vec![true; 2048 * 256]).unwrap();
    drop(tiles);
    let all = Table::open(&path).unwrap().read_vec::<bool>("FLAG", 0..8 * 2048).unwrap();
    assert_eq!(all.iter().filter(|&&flag| flag).count(), 2048 * 256);
    assert!(all[6 * 2048 * 256] && all[7 * 2048 * 256 - 1]);
}

/// A table created with holes takes no room for its tiles, reads as zeros, and is as good as another by either way.
#[test]
fn created_with_holes() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new()
        .column(ColumnDesc::fixed("DATA", DataType::Complex32, [64, 4]))
        .column(ColumnDesc::fixed("FLAG", DataType::Bool, [64, 4]))
        .column(ColumnDesc::fixed("UVW", DataType::F64, [3]))
        .column(ColumnDesc::scalar("TIME", DataType::F64))
        .manager(Manager::tiled_column("d", [64, 16, 4]).holding(["DATA"]))
        .manager(Manager::tiled_column("f", [256, 64, 4]).holding(["FLAG"]))
        .manager(Manager::tiled_column("u", [512, 3]).holding(["UVW"]));
    for endian in [Endian::Little, Endian::Big] {
        let path = folder.path().join(format!("{endian:?}"));
        let rows = 1000;
        let options = OpenOptions::new().write(true);
        let mut table = layout.clone().endian(endian).create_with_holes(&path, rows, &options).unwrap();
        let uvw = filled(3000, |i| i as f64);
        assert!(matches!(table.write("UVW", 0..rows, &uvw), Err(Error::ReadOnly { .. })));
        let times = filled(1000, |i| i as f64 / 7.0);
        table.write("TIME", 0..rows, &times).unwrap();
        table.close().unwrap();
        let mut table = Table::open_rw(&path).unwrap();
        table.write("UVW", 0..rows, &uvw).unwrap();
        table.write("FLAG", 300..301, &[true; 256]).unwrap();
        table.close().unwrap();
        let data = TiledColumn::open_rw(&path, "DATA").unwrap();
        let file = data.path().metadata().unwrap();
        assert_eq!(file.len(), 16 * 4 * data.tile_bytes() as u64);
        assert_eq!(file.blocks(), 0);
        let all = filled(256_000, super::tiles::data);
        data.par_write(0..rows, 0..64, &all).unwrap();
        drop(data);
        let table = Table::open(&path).unwrap();
        assert_eq!(table.read_vec::<Complex32>("DATA", 0..rows).unwrap(), all);
        assert_eq!(table.read_vec::<f64>("UVW", 0..rows).unwrap(), uvw);
        assert_eq!(table.read_vec::<f64>("TIME", 0..rows).unwrap(), times);
        let flags = table.read_vec::<bool>("FLAG", 0..rows).unwrap();
        let wrong: Vec<_> = (0..flags.len()).filter(|&i| flags[i] != (i / 256 == 300)).collect();
        assert!(wrong.is_empty(), "{} values, first {:?}", wrong.len(), &wrong[..wrong.len().min(9)]);
        // Rows can be added later the usual way.
        table.close().unwrap();
        let mut table = Table::open_rw(&path).unwrap();
        table.add_rows(100).unwrap();
        table.close().unwrap();
        let data = TiledColumn::open(&path, "DATA").unwrap();
        let mut last = vec![Complex32::default(); 256];
        data.read(999..1000, 0..64, &mut last).unwrap();
        assert_eq!((data.rows(), last), (1100, all[999 * 256..].to_vec()));
    }
}

#[test]
fn one_axis_and_one_shape() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let mut table = Layout::new()
        .column(ColumnDesc::fixed("UVW", DataType::F64, [3]))
        .column(ColumnDesc::variable("DATA", DataType::Complex32, Some(2)))
        .manager(Manager::tiled_column("u", [10, 3]).holding(["UVW"]))
        .manager(Manager::tiled_shape("d", [10, 4, 2]).holding(["DATA"]))
        .create(&path, 25)
        .unwrap();
    let uvw = filled(75, |i| i as f64);
    table.write("UVW", 0..25, &uvw).unwrap();
    let cells = Ragged { shapes: vec![Some(vec![8, 2]); 25], values: filled(400, data) };
    table.write_ragged("DATA", 0..25, &cells).unwrap();
    table.close().unwrap();

    let tiles = TiledColumn::open(&path, "UVW").unwrap();
    assert_eq!((tiles.cell(), tiles.tile()), ([1, 3], [10, 1, 3]));
    let mut out = vec![0.0; 75];
    tiles.read(0..25, 0..1, &mut out).unwrap();
    assert_eq!(out, uvw);
    let tiles = TiledColumn::open(&path, "DATA").unwrap();
    let mut out = vec![Complex32::default(); 400];
    tiles.read(0..25, 0..8, &mut out).unwrap();
    assert_eq!(out, cells.values);
}

#[test]
fn other_columns_say_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let mut table = Layout::new()
        .column(ColumnDesc::scalar("N", DataType::I32))
        .column(ColumnDesc::fixed("A", DataType::F32, [2]))
        .column(ColumnDesc::fixed("B", DataType::F32, [2]))
        .column(ColumnDesc::variable("V", DataType::F32, Some(1)))
        .column(ColumnDesc::variable("U", DataType::F32, Some(1)))
        .column(ColumnDesc::fixed("CUBE", DataType::F32, [2, 2, 2]))
        .manager(Manager::standard("s", Bucket::Default).holding(["N"]))
        .manager(Manager::tiled_column("ab", [4, 2]).holding(["A", "B"]))
        .manager(Manager::tiled_shape("v", [4, 2]).holding(["V"]))
        .manager(Manager::tiled_shape("u", [4, 2]).holding(["U"]))
        .manager(Manager::tiled_column("c", [4, 2, 2, 2]).holding(["CUBE"]))
        .create(&path, 6)
        .unwrap();
    for row in 0..6 {
        table.write_cell("V", row, &[row as usize % 2 + 1], &vec![1.0_f32; row as usize % 2 + 1]).unwrap();
    }
    table.write_cell("U", 2, &[2], &[1.0_f32, 2.0]).unwrap();
    table.close().unwrap();
    let why = |column: &str| match TiledColumn::open(&path, column) {
        Err(Error::NotTiled { reason, .. }) => reason,
        other => panic!("{column}: {other:?}"),
    };
    assert_eq!(why("N"), NotTiled::Manager("StandardStMan".into()));
    assert_eq!(why("A"), NotTiled::Shared(vec!["B".into()]));
    assert_eq!(why("V"), NotTiled::Shapes(2));
    assert_eq!(why("U"), NotTiled::Rows);
    assert_eq!(why("CUBE"), NotTiled::Axes(3));
    assert!(matches!(TiledColumn::open(&path, "NONE"), Err(Error::NoColumn { .. })));
}

#[test]
fn tiles_and_handles_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let layout = Layout::new()
        .column(ColumnDesc::fixed("X", DataType::F32, [2, 2]))
        .manager(Manager::tiled_column("t", [4, 2, 2]).holding(["X"]));
    let table = layout.create(&path, 6).unwrap();
    assert!(matches!(TiledColumn::open_rw(&path, "X"), Err(Error::InUse { .. })));
    table.close().unwrap();
    let tiles = TiledColumn::open_rw(&path, "X").unwrap();
    assert!(matches!(Table::open_rw(&path), Err(Error::InUse { .. })));
    let reader = TiledColumn::open(&path, "X").unwrap();
    assert!(matches!(reader.write(0..6, 0..2, &[0.0_f32; 24]), Err(Error::ReadOnly { .. })));
    drop(tiles);
    OpenOptions::new().write(true).open(&path).unwrap().close().unwrap();
}

#[test]
fn reserved_room_is_taken_and_reads_as_zeros() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let layout = Layout::new()
        .column(ColumnDesc::fixed("X", DataType::Complex32, [16, 2]))
        .manager(Manager::tiled_column("t", [32, 16, 2]).holding(["X"]));
    layout.create_with_holes(&path, 1000, &OpenOptions::new().write(true)).unwrap().close().unwrap();
    let mut tiles = TiledColumn::open_rw(&path, "X").unwrap();
    tiles.truncate_to_holes().unwrap();
    let blocks = |tiles: &TiledColumn| std::fs::metadata(tiles.path()).unwrap().blocks();
    assert_eq!(blocks(&tiles), 0);
    let length = std::fs::metadata(tiles.path()).unwrap().len();
    tiles.reserve().unwrap();
    assert!(blocks(&tiles) * 512 >= length, "{} blocks for {length} bytes", blocks(&tiles));
    let values = filled(32 * 32, data);
    tiles.write(64..96, tiles.channels(), &values).unwrap();
    let mut all = filled(1000 * 32, |_| Complex32::new(1.0, 1.0));
    tiles.par_read(0..1000, tiles.channels(), &mut all).unwrap();
    assert_eq!(all[64 * 32..96 * 32], values);
    assert!(all[..64 * 32].iter().chain(&all[96 * 32..]).all(|value| *value == Complex32::default()));
    drop(tiles);
    let read = TiledColumn::open(&path, "X").unwrap();
    assert!(matches!(read.reserve(), Err(Error::ReadOnly { .. })));
    let table = Table::open(&path).unwrap();
    assert_eq!(table.read_vec::<Complex32>("X", 0..1000).unwrap(), all);
}
