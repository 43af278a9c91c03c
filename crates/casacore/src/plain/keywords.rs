//! Keywords: records in a structure file.
//!
//! A record is the object `TableRecord`: its description (`RecordDesc`), a word that tells whether it is fixed, and the
//! values one after another. A nested record with a description of its own has its values inline; one without is an object
//! again. Written after casacore 3.5: `TableRecordRep.cc`, `RecordDesc.cc`, `RecordRep.cc`, `ArrayIO.tcc`, `TypeIO.cc`,
//! `Path.cc` (`addDirectory`), `DataType.h`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::aipsio::Cursor;
use crate::record::{Array, Record, Value, Values};
use crate::{Complex32, Complex64, DataType, Element, Endian, Result};

const RECORD: i32 = 25;
const TABLE: i32 = 12;
/// Deeper nesting than any record has.
const DEEPEST: usize = 32;

/// A field's name and what its value is.
struct Field {
    name: String,
    kind: Kind,
}

enum Kind {
    Scalar(DataType),
    Array(DataType),
    Table,
    /// The values of these fields; without any, an object with a description of its own.
    Record(Vec<Field>),
}

/// Reads the record that begins at the cursor; `table` is the folder of the table whose keywords it holds.
pub(super) fn record(c: &mut Cursor<'_>, table: &Path) -> Result<Record> {
    nested(c, table, 0)
}

fn nested(c: &mut Cursor<'_>, table: &Path, depth: usize) -> Result<Record> {
    if depth > DEEPEST {
        return c.damaged("records nested too deeply");
    }
    let (_, end) = c.object("TableRecord")?;
    let fields = description(c, depth)?;
    c.u32()?; // fixed or variable
    let record = values(c, fields, table, depth)?;
    if c.at() != end {
        return c.damaged("a record that does not end where it says");
    }
    Ok(record)
}

fn description(c: &mut Cursor<'_>, depth: usize) -> Result<Vec<Field>> {
    if depth > DEEPEST {
        return c.damaged("records nested too deeply");
    }
    let (version, _) = c.object("RecordDesc")?;
    let count = c.u32()?;
    let mut fields = Vec::new();
    for _ in 0..count {
        let name = c.string()?;
        let code = c.i32()?;
        let kind = match (code, DataType::from_code(code), DataType::from_array_code(code)) {
            (TABLE, ..) => {
                c.string()?;
                Kind::Table
            }
            (RECORD, ..) => Kind::Record(description(c, depth + 1)?),
            (_, Some(kind), _) => Kind::Scalar(kind),
            (_, None, Some(kind)) => {
                c.skip_object()?; // the shape; the value has its own
                Kind::Array(kind)
            }
            (..) => return c.damaged(format!("a keyword of type {code}")),
        };
        if version > 1 {
            c.string()?; // a comment
        }
        fields.push(Field { name, kind });
    }
    Ok(fields)
}

fn values(c: &mut Cursor<'_>, fields: Vec<Field>, table: &Path, depth: usize) -> Result<Record> {
    let mut record = Record::new();
    for Field { name, kind } in fields {
        let value = match kind {
            Kind::Scalar(kind) => scalar(c, kind)?,
            Kind::Array(kind) => Value::Array(array(c, kind)?),
            Kind::Table => {
                let length = c.u32()? as usize;
                let stored = c.take(length)?;
                match place(table, stored) {
                    Some(path) => Value::Table(path),
                    None => return c.damaged("the name of a subtable that is no path"),
                }
            }
            Kind::Record(none) if none.is_empty() => Value::Record(nested(c, table, depth + 1)?),
            Kind::Record(fields) => Value::Record(values(c, fields, table, depth + 1)?),
        };
        record.insert(name, value);
    }
    Ok(record)
}

/// A stored name as a path: `././X` is in the table's folder, `./X` beside it.
fn place(table: &Path, name: &[u8]) -> Option<PathBuf> {
    let mut rest = name;
    while let Some(tail) = rest.strip_prefix(b"./") {
        rest = tail;
    }
    let path = Path::new(OsStr::from_bytes(rest));
    match name.len() - rest.len() {
        0 => Some(if path.is_absolute() { path.to_path_buf() } else { std::path::absolute(path).ok()? }),
        2 => Some(table.parent()?.join(path)),
        _ => Some(table.join(path)),
    }
}

fn one<T: Element>(c: &mut Cursor<'_>) -> Result<T> {
    many(c, 1).map(|values: Vec<T>| values.first().copied().unwrap_or_default())
}

/// So many values, which the file must hold before memory is asked for.
fn many<T: Element>(c: &mut Cursor<'_>, count: usize) -> Result<Vec<T>> {
    let bytes = if T::TYPE == DataType::Bool { Some(count.div_ceil(8)) } else { count.checked_mul(size_of::<T>()) };
    let bytes = c.take(bytes.unwrap_or(usize::MAX))?;
    let mut values = vec![T::default(); count];
    match T::decode(bytes, 0, Endian::Big, &mut values) {
        Some(()) => Ok(values),
        None => c.damaged("values that end early"),
    }
}

fn scalar(c: &mut Cursor<'_>, kind: DataType) -> Result<Value> {
    Ok(match kind {
        DataType::Bool => Value::Bool(one(c)?),
        DataType::U8 => Value::U8(one(c)?),
        DataType::I16 => Value::I16(one(c)?),
        DataType::I32 => Value::I32(one(c)?),
        DataType::U32 => Value::U32(one(c)?),
        DataType::I64 => Value::I64(one(c)?),
        DataType::F32 => Value::F32(one(c)?),
        DataType::F64 => Value::F64(one(c)?),
        DataType::Complex32 => Value::Complex32(one::<Complex32>(c)?),
        DataType::Complex64 => Value::Complex64(one::<Complex64>(c)?),
        DataType::String => Value::String(c.string()?),
        DataType::U16 | DataType::Record | DataType::Other => return c.damaged("a keyword of no known type"),
    })
}

fn array(c: &mut Cursor<'_>, kind: DataType) -> Result<Array> {
    // Types like `Array<Int>`, even `Array<void>`, come before a plain `Array` in the history of casacore.
    let (version, end) = c.object_by(|name| name == b"Array" || name.starts_with(b"Array<"), "Array")?;
    let axes = c.u32()?;
    if axes > 64 {
        return c.damaged(format!("an array of {axes} axes"));
    }
    if version < 3 {
        for _ in 0..axes {
            c.u32()?; // the origin
        }
    }
    let mut shape = (0..axes).map(|_| Ok(c.u32()? as usize)).collect::<Result<Vec<_>>>()?;
    shape.reverse();
    let product = if shape.is_empty() { Some(0) } else { shape.iter().try_fold(1_usize, |n, &l| n.checked_mul(l)) };
    let count = c.u32()? as usize;
    if product != Some(count) {
        return c.damaged(format!("an array of shape {shape:?} with {count} values"));
    }
    let values = match kind {
        DataType::Bool => Values::Bool(many(c, count)?),
        DataType::U8 => Values::U8(many(c, count)?),
        DataType::I16 => Values::I16(many(c, count)?),
        DataType::I32 => Values::I32(many(c, count)?),
        DataType::U32 => Values::U32(many(c, count)?),
        DataType::I64 => Values::I64(many(c, count)?),
        DataType::F32 => Values::F32(many(c, count)?),
        DataType::F64 => Values::F64(many(c, count)?),
        DataType::Complex32 => Values::Complex32(many(c, count)?),
        DataType::Complex64 => Values::Complex64(many(c, count)?),
        DataType::String => Values::String((0..count).map(|_| c.string()).collect::<Result<_>>()?),
        DataType::U16 | DataType::Record | DataType::Other => return c.damaged("an array of no known type"),
    };
    if c.at() != end {
        return c.damaged("an array that does not end where it says");
    }
    Ok(Array { shape, values })
}
