//! Tables that casacore, CASA and real telescopes wrote, against reference values of python-casacore.

use std::path::Path;
use std::process::Command;

use casacore::tiles::TiledColumn;
use casacore::{Cell, ColumnDesc, Complex32, Complex64, DataType, Element, Error, Table, Value};
use serde_json::Value as Json;

use crate::{sha256, shared_data};

/// A value's reference bytes: little endian, bool as one byte.
trait Canonical: Element {
    fn put(self, out: &mut Vec<u8>);
}

macro_rules! canonical {
    ($($type:ty)*) => {$(impl Canonical for $type { fn put(self, out: &mut Vec<u8>) { out.extend(self.to_le_bytes()); } })*};
}
canonical!(u8 i16 u16 i32 u32 i64 f32 f64);

impl Canonical for bool {
    fn put(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }
}
impl Canonical for Complex32 {
    fn put(self, out: &mut Vec<u8>) {
        self.re.put(out);
        self.im.put(out);
    }
}
impl Canonical for Complex64 {
    fn put(self, out: &mut Vec<u8>) {
        self.re.put(out);
        self.im.put(out);
    }
}

fn put_shape(shape: Option<&[usize]>, out: &mut Vec<u8>) {
    match shape {
        None => out.extend(u32::MAX.to_le_bytes()),
        Some(shape) => {
            out.extend((shape.len() as u32).to_le_bytes());
            shape.iter().for_each(|&n| out.extend((n as u64).to_le_bytes()));
        }
    }
}

fn put_string(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A column's reference bytes, read the general way; where it has tiles, read by tiles as well.
fn column<T: Canonical>(table: &Table, column: &ColumnDesc) -> (Vec<u8>, bool) {
    let rows = table.rows().unwrap();
    let mut out = Vec::new();
    if column.cell == Cell::Scalar {
        table.read_vec::<T>(&column.name, 0..rows).unwrap().into_iter().for_each(|value| value.put(&mut out));
        return (out, false);
    }
    let cells = table.read_ragged::<T>(&column.name, 0..rows).unwrap();
    for cell in cells.cells() {
        put_shape(cell.map(|cell| cell.0), &mut out);
        cell.into_iter().flat_map(|cell| cell.1).for_each(|value| value.put(&mut out));
    }
    let tiles = match TiledColumn::open(table.path(), &column.name) {
        Ok(tiles) => tiles,
        Err(Error::NotTiled { .. }) => return (out, false),
        Err(error) => panic!("{error}"),
    };
    let mut values = vec![T::default(); cells.values.len()];
    tiles.par_read(0..rows, tiles.channels(), &mut values).unwrap();
    // By bytes: real data hold NaN.
    let [mut general, mut direct] = [Vec::new(), Vec::new()];
    cells.values.iter().for_each(|value| value.put(&mut general));
    values.iter().for_each(|value| value.put(&mut direct));
    assert!(general == direct, "{}: column {} differs by tiles", table.path().display(), column.name);
    (out, true)
}

fn strings(table: &Table, column: &ColumnDesc) -> (Vec<u8>, bool) {
    let rows = table.rows().unwrap();
    let mut out = Vec::new();
    if column.cell == Cell::Scalar {
        table.read_strings(&column.name, 0..rows).unwrap().iter().for_each(|text| put_string(text, &mut out));
    } else {
        let cells = table.read_ragged_strings(&column.name, 0..rows).unwrap();
        for cell in cells.cells() {
            put_shape(cell.map(|cell| cell.0), &mut out);
            cell.into_iter().flat_map(|cell| cell.1).for_each(|text| put_string(text, &mut out));
        }
    }
    (out, false)
}

fn any_column(table: &Table, desc: &ColumnDesc) -> (Vec<u8>, bool) {
    match desc.kind {
        DataType::Bool => column::<bool>(table, desc),
        DataType::U8 => column::<u8>(table, desc),
        DataType::I16 => column::<i16>(table, desc),
        DataType::U16 => column::<u16>(table, desc),
        DataType::I32 => column::<i32>(table, desc),
        DataType::U32 => column::<u32>(table, desc),
        DataType::I64 => column::<i64>(table, desc),
        DataType::F32 => column::<f32>(table, desc),
        DataType::F64 => column::<f64>(table, desc),
        DataType::Complex32 => column::<Complex32>(table, desc),
        DataType::Complex64 => column::<Complex64>(table, desc),
        DataType::String => strings(table, desc),
        DataType::Record | DataType::Other => (Vec::new(), false),
    }
}

/// Every column of every table with reference values, whatever its storage manager, equals them to the last bit.
#[test]
fn every_storage_manager_reads_as_python_casacore() {
    let Some(data) = shared_data() else { return };
    let oracle: Json = serde_json::from_slice(&std::fs::read(data.join("oracle.json")).unwrap()).unwrap();
    let (mut columns, mut tiled) = (0, 0);
    for (name, expected) in oracle["tables"].as_object().unwrap() {
        let Some(expected_columns) = expected["columns"].as_object() else { continue };
        let table = Table::open(data.join(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Some(table.rows().unwrap()), expected["nrow"].as_u64(), "{name}");
        let found = table.columns().unwrap();
        assert_eq!(found.len(), expected_columns.len(), "{name}");
        for desc in &found {
            let expected = &expected_columns[&desc.name];
            let (bytes, by_tiles) = any_column(&table, desc);
            assert_eq!(expected["sha256"].as_str(), Some(&*sha256::hex(&bytes)), "{name}: column {}", desc.name);
            columns += 1;
            tiled += usize::from(by_tiles);
            if let Some(unit) = expected["keywords"]["UNIT"].as_str() {
                assert_eq!(desc.keywords.get("UNIT").and_then(Value::as_str), Some(unit));
            }
        }
        let managers = table.data_managers().unwrap();
        for expected in expected["dm"].as_array().unwrap() {
            let found =
                managers.iter().find(|m| expected["name"] == *m.name && expected["columns"][0] == *m.columns[0]);
            assert_eq!(expected["type"].as_str(), found.map(|m| m.kind.as_str()), "{name}");
        }
    }
    assert!(columns > 150, "{columns}");
    assert!(tiled >= 12, "{tiled}");
}

/// Real Measurement Sets: every column of every table is read, and tiles agree with casacore.
#[test]
fn real_sets_read_alike_by_tiles_and_by_casacore() {
    let Some(data) = shared_data() else { return };
    let sets = data.join("rasg-datasets");
    let mut tiled = Vec::new();
    let folders = ["LWA", "MWA", "PAPER", "VLA", "ALMA"].map(|telescope| sets.join("visibility_data").join(telescope));
    for set in folders.into_iter().chain([sets.join("calibration_solutions/SMA")]) {
        for archive in std::fs::read_dir(set).unwrap().map(|entry| entry.unwrap().path()) {
            if archive.extension().is_none_or(|e| e != "gz") {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let unpacked = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder.path()).output().unwrap();
            assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
            let set = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir());
            read_set(&set.unwrap(), &mut tiled);
        }
    }
    assert!(tiled.iter().any(|column| column == "DATA") && tiled.iter().any(|column| column == "FLAG"), "{tiled:?}");
}

fn read_set(path: &Path, tiled: &mut Vec<String>) {
    let table = Table::open(path).unwrap_or_else(|error| panic!("{error}"));
    for column in table.columns().unwrap() {
        let (_, by_tiles) = any_column(&table, &column);
        if by_tiles {
            tiled.push(column.name);
        }
    }
    for (_, subtable) in table.subtables().unwrap() {
        if subtable.is_dir() {
            read_set(&subtable, &mut Vec::new());
        }
    }
}
