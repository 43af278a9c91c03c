//! Keyword records: named values, arrays and nested records.

use std::path::PathBuf;

use num_complex::{Complex32, Complex64};

use crate::DataType;

/// An ordered set of named values, as casacore keeps for a table's or a column's keywords.
///
/// ```
/// use casacore::{Record, Value};
///
/// let measure = Record::new().with("type", "epoch").with("Ref", "UTC");
/// let keywords = Record::new().with("QuantumUnits", vec!["s"]).with("MEASINFO", measure);
/// assert_eq!(keywords.get("MEASINFO").and_then(Value::as_record).and_then(|m| m.get("Ref")), Some(&"UTC".into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    fields: Vec<(String, Value)>,
}

/// A keyword's value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the type of its name")]
pub enum Value {
    Bool(bool),
    U8(u8),
    I16(i16),
    I32(i32),
    U32(u32),
    I64(i64),
    F32(f32),
    F64(f64),
    Complex32(Complex32),
    Complex64(Complex64),
    String(String),
    Array(Array),
    Record(Record),
    /// A subtable: the path of its folder.
    Table(PathBuf),
}

/// An array in a keyword.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The length of each axis, the last one fastest (C order; the reverse of casacore's own order).
    pub shape: Vec<usize>,
    /// The values, the last axis fastest: as many as the product of `shape`.
    pub values: Values,
}

/// The values of an [`Array`].
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the type of its name")]
pub enum Values {
    Bool(Vec<bool>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Complex32(Vec<Complex32>),
    Complex64(Vec<Complex64>),
    String(Vec<String>),
}

impl Values {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Complex32(v) => v.len(),
            Self::Complex64(v) => v.len(),
            Self::String(v) => v.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Record {
    /// A record without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a field; for building a record in one expression.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds a field, or replaces the one of that name in its place.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.fields.iter_mut().find(|field| field.0 == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|field| field.0 == name).map(|field| &field.1)
    }

    /// The fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl Value {
    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(value) = self { Some(value) } else { None }
    }

    /// The record, if it is one.
    #[must_use]
    pub fn as_record(&self) -> Option<&Record> {
        if let Self::Record(value) = self { Some(value) } else { None }
    }

    /// The array, if it is one.
    #[must_use]
    pub fn as_array(&self) -> Option<&Array> {
        if let Self::Array(value) = self { Some(value) } else { None }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The number, if it is an integer.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        Some(match *self {
            Self::U8(v) => v.into(),
            Self::I16(v) => v.into(),
            Self::I32(v) => v.into(),
            Self::U32(v) => v.into(),
            Self::I64(v) => v,
            _ => return None,
        })
    }

    /// The number, if it is real or an integer of at most 32 bits.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        Some(match *self {
            Self::U8(v) => v.into(),
            Self::I16(v) => v.into(),
            Self::I32(v) => v.into(),
            Self::U32(v) => v.into(),
            Self::F32(v) => v.into(),
            Self::F64(v) => v,
            _ => return None,
        })
    }

    /// The strings of an array of strings, or the one string.
    #[must_use]
    pub fn as_strings(&self) -> Option<Vec<&str>> {
        match self {
            Self::String(value) => Some(vec![value]),
            Self::Array(Array { values: Values::String(values), .. }) => {
                Some(values.iter().map(String::as_str).collect())
            }
            _ => None,
        }
    }

    /// The integers of an array of integers of any width, in the array's order.
    #[must_use]
    pub fn as_integers(&self) -> Option<Vec<i64>> {
        let Self::Array(array) = self else { return self.as_i64().map(|value| vec![value]) };
        Some(match &array.values {
            Values::U8(v) => v.iter().map(|&x| x.into()).collect(),
            Values::I16(v) => v.iter().map(|&x| x.into()).collect(),
            Values::I32(v) => v.iter().map(|&x| x.into()).collect(),
            Values::U32(v) => v.iter().map(|&x| x.into()).collect(),
            Values::I64(v) => v.clone(),
            _ => return None,
        })
    }
}

impl FromIterator<(String, Value)> for Record {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        let mut record = Self::new();
        for (name, value) in fields {
            record.insert(name, value);
        }
        record
    }
}

macro_rules! values {
    ($($type:ty => $name:ident;)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$name(value)
            }
        }
        impl From<Vec<$type>> for Value {
            /// An array of one axis.
            fn from(values: Vec<$type>) -> Self {
                Self::Array(Array { shape: vec![values.len()], values: Values::$name(values) })
            }
        }
    )*};
}

values! {
    bool => Bool; u8 => U8; i16 => I16; i32 => I32; u32 => U32; i64 => I64; f32 => F32; f64 => F64;
    Complex32 => Complex32; Complex64 => Complex64; String => String;
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<Vec<&str>> for Value {
    fn from(values: Vec<&str>) -> Self {
        values.into_iter().map(String::from).collect::<Vec<_>>().into()
    }
}

impl From<Array> for Value {
    fn from(array: Array) -> Self {
        Self::Array(array)
    }
}

impl From<Record> for Value {
    fn from(record: Record) -> Self {
        Self::Record(record)
    }
}

/// Text from casacore's bytes, which have no declared encoding: UTF-8, or else Latin-1.
pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// Bytes of a record as `casacore-sys` (`shim/record.cc`) reads and writes them.
pub(crate) mod wire {
    use super::{Array, Complex32, Complex64, DataType, Record, Value, Values};
    use std::path::PathBuf;

    const RECORD: i32 = 25;
    const TABLE: i32 = 12;

    #[derive(Debug, Default)]
    pub(crate) struct Writer(pub(crate) Vec<u8>);

    impl Writer {
        pub(crate) fn string(&mut self, value: &[u8]) {
            let length = u32::try_from(value.len()).expect("because no keyword or cell has 4 GiB of text");
            self.0.extend(length.to_ne_bytes());
            self.0.extend(value);
        }

        pub(crate) fn record(&mut self, record: &Record) {
            self.u32(record.fields.len());
            for (name, value) in &record.fields {
                self.string(name.as_bytes());
                self.value(value);
            }
        }

        fn u32(&mut self, value: usize) {
            self.0.extend(u32::try_from(value).expect("because records and shapes are small").to_ne_bytes());
        }

        fn kind(&mut self, code: i32) {
            self.0.extend(code.to_ne_bytes());
        }

        fn value(&mut self, value: &Value) {
            macro_rules! put {
                ($kind:ident, $value:expr) => {{
                    self.kind(DataType::$kind.code());
                    self.0.extend($value.to_ne_bytes());
                }};
            }
            match value {
                Value::Bool(v) => {
                    self.kind(DataType::Bool.code());
                    self.0.push(u8::from(*v));
                }
                Value::U8(v) => put!(U8, v),
                Value::I16(v) => put!(I16, v),
                Value::I32(v) => put!(I32, v),
                Value::U32(v) => put!(U32, v),
                Value::I64(v) => put!(I64, v),
                Value::F32(v) => put!(F32, v),
                Value::F64(v) => put!(F64, v),
                Value::Complex32(v) => {
                    put!(Complex32, v.re);
                    self.0.extend(v.im.to_ne_bytes());
                }
                Value::Complex64(v) => {
                    put!(Complex64, v.re);
                    self.0.extend(v.im.to_ne_bytes());
                }
                Value::String(v) => {
                    self.kind(DataType::String.code());
                    self.string(v.as_bytes());
                }
                Value::Array(array) => self.array(array),
                Value::Record(record) => {
                    self.kind(RECORD);
                    self.record(record);
                }
                Value::Table(path) => {
                    self.kind(TABLE);
                    self.string(path.as_os_str().as_encoded_bytes());
                }
            }
        }

        fn array(&mut self, array: &Array) {
            macro_rules! put {
                ($kind:ident, $values:expr) => {{
                    self.head(DataType::$kind, &array.shape);
                    for v in $values {
                        self.0.extend(v.to_ne_bytes());
                    }
                }};
            }
            match &array.values {
                Values::Bool(values) => {
                    self.head(DataType::Bool, &array.shape);
                    self.0.extend(values.iter().map(|&v| u8::from(v)));
                }
                Values::U8(values) => put!(U8, values),
                Values::I16(values) => put!(I16, values),
                Values::I32(values) => put!(I32, values),
                Values::U32(values) => put!(U32, values),
                Values::I64(values) => put!(I64, values),
                Values::F32(values) => put!(F32, values),
                Values::F64(values) => put!(F64, values),
                Values::Complex32(values) => put!(Complex32, values.iter().flat_map(|v| [v.re, v.im])),
                Values::Complex64(values) => put!(Complex64, values.iter().flat_map(|v| [v.re, v.im])),
                Values::String(values) => {
                    self.head(DataType::String, &array.shape);
                    for value in values {
                        self.string(value.as_bytes());
                    }
                }
            }
        }

        fn head(&mut self, kind: DataType, shape: &[usize]) {
            self.kind(kind.array_code());
            self.u32(shape.len());
            for &length in shape.iter().rev() {
                self.0.extend((length as u64).to_ne_bytes());
            }
        }
    }

    /// Reads what the shim wrote; `None` when the bytes are not a record.
    #[derive(Debug)]
    pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

    impl<'a> Reader<'a> {
        fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
            let (head, tail) = self.0.split_at_checked(length)?;
            self.0 = tail;
            Some(head)
        }

        fn word<const N: usize>(&mut self) -> Option<[u8; N]> {
            self.bytes(N)?.try_into().ok()
        }

        fn u32(&mut self) -> Option<usize> {
            usize::try_from(u32::from_ne_bytes(self.word()?)).ok()
        }

        pub(crate) fn string(&mut self) -> Option<String> {
            let length = self.u32()?;
            Some(super::text(self.bytes(length)?))
        }

        pub(crate) fn record(&mut self) -> Option<Record> {
            let fields = self.u32()?;
            (0..fields).map(|_| Some((self.string()?, self.value()?))).collect()
        }

        fn value(&mut self) -> Option<Value> {
            let code = i32::from_ne_bytes(self.word()?);
            Some(match code {
                RECORD => Value::Record(self.record()?),
                TABLE => {
                    let length = self.u32()?;
                    Value::Table(path(self.bytes(length)?))
                }
                code => match (DataType::from_code(code), DataType::from_array_code(code)) {
                    (Some(kind), _) => self.scalar(kind)?,
                    (None, Some(kind)) => Value::Array(self.array(kind)?),
                    (None, None) => return None,
                },
            })
        }

        fn scalar(&mut self, kind: DataType) -> Option<Value> {
            Some(match kind {
                DataType::Bool => Value::Bool(self.word::<1>()?[0] != 0),
                DataType::U8 => Value::U8(self.word::<1>()?[0]),
                DataType::I16 => Value::I16(i16::from_ne_bytes(self.word()?)),
                DataType::I32 => Value::I32(i32::from_ne_bytes(self.word()?)),
                DataType::U32 => Value::U32(u32::from_ne_bytes(self.word()?)),
                DataType::I64 => Value::I64(i64::from_ne_bytes(self.word()?)),
                DataType::F32 => Value::F32(f32::from_ne_bytes(self.word()?)),
                DataType::F64 => Value::F64(f64::from_ne_bytes(self.word()?)),
                DataType::Complex32 => Value::Complex32(self.complex32()?),
                DataType::Complex64 => Value::Complex64(self.complex64()?),
                DataType::String => Value::String(self.string()?),
                DataType::U16 | DataType::Record | DataType::Other => return None,
            })
        }

        fn complex32(&mut self) -> Option<Complex32> {
            Some(Complex32::new(f32::from_ne_bytes(self.word()?), f32::from_ne_bytes(self.word()?)))
        }

        fn complex64(&mut self) -> Option<Complex64> {
            Some(Complex64::new(f64::from_ne_bytes(self.word()?), f64::from_ne_bytes(self.word()?)))
        }

        fn array(&mut self, kind: DataType) -> Option<Array> {
            let axes = self.u32()?;
            let mut shape = (0..axes)
                .map(|_| usize::try_from(u64::from_ne_bytes(self.word()?)).ok())
                .collect::<Option<Vec<_>>>()?;
            shape.reverse();
            // casacore's array without axes has no elements.
            let count = if shape.is_empty() { 0 } else { shape.iter().try_fold(1_usize, |n, &l| n.checked_mul(l))? };
            macro_rules! get {
                ($kind:ident, $value:expr) => {
                    Values::$kind((0..count).map(|_| Some($value)).collect::<Option<_>>()?)
                };
            }
            let values = match kind {
                DataType::Bool => get!(Bool, self.word::<1>()?[0] != 0),
                DataType::U8 => get!(U8, self.word::<1>()?[0]),
                DataType::I16 => get!(I16, i16::from_ne_bytes(self.word()?)),
                DataType::I32 => get!(I32, i32::from_ne_bytes(self.word()?)),
                DataType::U32 => get!(U32, u32::from_ne_bytes(self.word()?)),
                DataType::I64 => get!(I64, i64::from_ne_bytes(self.word()?)),
                DataType::F32 => get!(F32, f32::from_ne_bytes(self.word()?)),
                DataType::F64 => get!(F64, f64::from_ne_bytes(self.word()?)),
                DataType::Complex32 => get!(Complex32, self.complex32()?),
                DataType::Complex64 => get!(Complex64, self.complex64()?),
                DataType::String => get!(String, self.string()?),
                DataType::U16 | DataType::Record | DataType::Other => return None,
            };
            Some(Array { shape, values })
        }
    }

    fn path(bytes: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_gives_back_what_it_got() {
        let array = Array { shape: vec![2, 3], values: Values::Complex32(vec![Complex32::new(1.0, -2.0); 6]) };
        let record = Record::new()
            .with("b", true)
            .with("i", -7_i64)
            .with("a", array)
            .with("s", vec!["one", "", "drei"])
            .with("n", Record::new().with("z", Complex64::new(0.5, 1.5)).with("e", Vec::<f64>::new()))
            .with("t", Value::Table("/a/b".into()));
        let mut bytes = wire::Writer::default();
        bytes.record(&record);
        assert_eq!(wire::Reader(&bytes.0).record(), Some(record));
        for cut in 0..bytes.0.len() {
            assert_eq!(wire::Reader(&bytes.0[..cut]).record(), None, "cut at {cut}");
        }
    }
}
