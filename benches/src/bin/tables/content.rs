//! A digest of every column: SHA-256 over its cells, each with its shape, in a form that any program can make.
//!
//! A cell is a `u32` number of axes (`u32::MAX` for one without a value), a `u64` for each axis, the last axis fastest, and
//! the values; scalars are values alone. Numbers are little endian, truth values a byte, strings a `u32` length and bytes.
//!
//! A record is a `u32` number of fields, and for each its name, a letter and its value, all as wide as Python has them:
//! `b` truth value, `i` integer, `f` float, `c` complex, `s` string, `r` record, `t` table, and for an array, which Python may
//! not know the type of when it is empty, `a`, its shape, and for each element a letter and a value.

use std::path::PathBuf;

use benches::Result;
use casacore::{
    Cell, Column, ColumnDesc, ColumnOptions, Complex32, Complex64, DataType, Element, Ragged, Record, Selection, Table,
    Way,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Prints `{table: {rows, columns: {name: {type, way, tiles, general}}}}`.
pub(crate) fn print(tables: &[PathBuf], rows: usize) -> Result<()> {
    let mut all = Map::new();
    for path in tables {
        let table = Table::open(path)?;
        let mut columns = Map::new();
        for column in table.columns()? {
            columns.insert(column.name.clone(), any(&table, &column, rows)?);
        }
        all.insert(path.display().to_string(), json!({ "rows": table.rows()?, "columns": columns }));
    }
    println!("{}", Value::Object(all));
    Ok(())
}

/// A value's canonical bytes.
trait Canonical: Element {
    fn put(self, to: &mut Sha256);
}

macro_rules! canonical {
    ($($type:ty)*) => {$(impl Canonical for $type { fn put(self, to: &mut Sha256) { to.update(self.to_le_bytes()); } })*};
}
canonical!(u8 i16 u16 i32 u32 i64 f32 f64);

impl Canonical for bool {
    fn put(self, to: &mut Sha256) {
        to.update([u8::from(self)]);
    }
}

impl Canonical for Complex32 {
    fn put(self, to: &mut Sha256) {
        self.re.put(to);
        self.im.put(to);
    }
}

impl Canonical for Complex64 {
    fn put(self, to: &mut Sha256) {
        self.re.put(to);
        self.im.put(to);
    }
}

fn put_shape(shape: Option<&[usize]>, to: &mut Sha256) {
    match shape {
        None => to.update(u32::MAX.to_le_bytes()),
        Some(shape) => {
            to.update((shape.len() as u32).to_le_bytes());
            shape.iter().for_each(|&n| to.update((n as u64).to_le_bytes()));
        }
    }
}

fn any(table: &Table, column: &ColumnDesc, rows: usize) -> Result<Value> {
    match column.kind {
        DataType::Bool => both::<bool>(table, column, rows),
        DataType::U8 => both::<u8>(table, column, rows),
        DataType::I16 => both::<i16>(table, column, rows),
        DataType::U16 => both::<u16>(table, column, rows),
        DataType::I32 => both::<i32>(table, column, rows),
        DataType::U32 => both::<u32>(table, column, rows),
        DataType::I64 => both::<i64>(table, column, rows),
        DataType::F32 => both::<f32>(table, column, rows),
        DataType::F64 => both::<f64>(table, column, rows),
        DataType::Complex32 => both::<Complex32>(table, column, rows),
        DataType::Complex64 => both::<Complex64>(table, column, rows),
        DataType::String => Ok(json!({ "type": "string", "way": "strings", "general": strings(table, column, rows)? })),
        DataType::Record => Ok(json!({ "type": "record", "way": "records", "general": records(table, column, rows)? })),
        kind => Ok(json!({ "type": kind.to_string(), "way": "not read" })),
    }
}

/// The column as [`Column`] reads it, in chunks, and once more through casacore where that was by tiles.
fn both<T: Canonical>(table: &Table, column: &ColumnDesc, rows: usize) -> Result<Value> {
    let scalar = column.cell == Cell::Scalar;
    let opened = Column::open(table.path(), &column.name)?;
    let mut found = json!({ "type": column.kind.to_string(), "way": opened.way().to_string() });
    if *opened.way() == Way::Tiles {
        found["tiles"] = chunks::<T>(&opened, scalar, rows)?.into();
    }
    let general = ColumnOptions::new().general(true).open(table.path(), &column.name)?;
    found["general"] = chunks::<T>(&general, scalar, rows)?.into();
    Ok(found)
}

fn chunks<T: Canonical>(column: &Column, scalar: bool, rows: usize) -> Result<String> {
    let mut digest = Sha256::new();
    let mut chunks = column.chunks::<T>(&Selection::all(), rows)?;
    while let Some(chunk) = chunks.next_chunk()? {
        let count = chunk.rows.len() as usize;
        let row = chunk.values.len() / count;
        for i in 0..count {
            if !scalar {
                put_shape(chunk.shape, &mut digest);
            }
            chunk.values[i * row..(i + 1) * row].iter().for_each(|value| value.put(&mut digest));
        }
    }
    Ok(hex(digest))
}

fn strings(table: &Table, column: &ColumnDesc, rows: usize) -> Result<String> {
    let mut digest = Sha256::new();
    let total = table.rows()?;
    for first in (0..total).step_by(rows) {
        let range = first..total.min(first + rows as u64);
        if column.cell == Cell::Scalar {
            table.read_strings(&column.name, range)?.iter().for_each(|text| put_text(text, &mut digest));
            continue;
        }
        let cells: Ragged<String> = table.read_ragged_strings(&column.name, range)?;
        for cell in cells.cells() {
            put_shape(cell.map(|cell| cell.0), &mut digest);
            cell.into_iter().flat_map(|cell| cell.1).for_each(|text| put_text(text, &mut digest));
        }
    }
    Ok(hex(digest))
}

fn put_text(text: &str, to: &mut Sha256) {
    to.update((text.len() as u32).to_le_bytes());
    to.update(text.as_bytes());
}

fn records(table: &Table, column: &ColumnDesc, rows: usize) -> Result<String> {
    let mut digest = Sha256::new();
    let total = table.rows()?;
    for first in (0..total).step_by(rows) {
        let range = first..total.min(first + rows as u64);
        table.read_records(&column.name, range)?.iter().for_each(|record| put_record(record, &mut digest));
    }
    Ok(hex(digest))
}

fn put_record(record: &Record, to: &mut Sha256) {
    to.update((record.len() as u32).to_le_bytes());
    for (name, value) in record.iter() {
        put_text(name, to);
        put_value(value, to);
    }
}

fn put_value(value: &casacore::Value, to: &mut Sha256) {
    use casacore::{Value, Values};
    match value {
        Value::Bool(v) => put_letter(b'b', &[u8::from(*v)], to),
        Value::U8(v) => put_integer((*v).into(), to),
        Value::I16(v) => put_integer((*v).into(), to),
        Value::I32(v) => put_integer((*v).into(), to),
        Value::U32(v) => put_integer((*v).into(), to),
        Value::I64(v) => put_integer(*v, to),
        Value::F32(v) => put_float((*v).into(), to),
        Value::F64(v) => put_float(*v, to),
        Value::Complex32(v) => put_complex(Complex64::new(v.re.into(), v.im.into()), to),
        Value::Complex64(v) => put_complex(*v, to),
        Value::String(text) => put_string(text, to),
        Value::Record(record) => {
            to.update(b"r");
            put_record(record, to);
        }
        Value::Table(path) => {
            to.update(b"t");
            put_text(&path.to_string_lossy(), to);
        }
        Value::Array(array) => {
            to.update(b"a");
            put_shape(Some(&array.shape), to);
            match &array.values {
                Values::Bool(values) => values.iter().for_each(|v| put_letter(b'b', &[u8::from(*v)], to)),
                Values::U8(values) => values.iter().for_each(|&v| put_integer(v.into(), to)),
                Values::I16(values) => values.iter().for_each(|&v| put_integer(v.into(), to)),
                Values::I32(values) => values.iter().for_each(|&v| put_integer(v.into(), to)),
                Values::U32(values) => values.iter().for_each(|&v| put_integer(v.into(), to)),
                Values::I64(values) => values.iter().for_each(|&v| put_integer(v, to)),
                Values::F32(values) => values.iter().for_each(|&v| put_float(v.into(), to)),
                Values::F64(values) => values.iter().for_each(|&v| put_float(v, to)),
                Values::Complex32(values) => {
                    values.iter().for_each(|v| put_complex(Complex64::new(v.re.into(), v.im.into()), to))
                }
                Values::Complex64(values) => values.iter().for_each(|&v| put_complex(v, to)),
                Values::String(values) => values.iter().for_each(|text| put_string(text, to)),
            }
        }
    }
}

fn put_letter(letter: u8, bytes: &[u8], to: &mut Sha256) {
    to.update([letter]);
    to.update(bytes);
}

fn put_integer(value: i64, to: &mut Sha256) {
    put_letter(b'i', &value.to_le_bytes(), to);
}

fn put_float(value: f64, to: &mut Sha256) {
    put_letter(b'f', &value.to_le_bytes(), to);
}

fn put_complex(value: Complex64, to: &mut Sha256) {
    to.update(b"c");
    value.put(to);
}

fn put_string(text: &str, to: &mut Sha256) {
    to.update(b"s");
    put_text(text, to);
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
