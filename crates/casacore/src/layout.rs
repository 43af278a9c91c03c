//! The description of a table to create: columns, their keywords, and the storage managers that hold them.

use std::path::Path;

use crate::record::{Record, Value, Values};
use crate::{DataType, OpenOptions, Result, Table};

/// The byte order of a table's data files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endian {
    /// Least significant byte first: the machine's own order, so tiles are read without a swap.
    #[default]
    Little,
    /// Most significant byte first: casacore's default in older tables.
    Big,
}

/// What one cell of a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// One value.
    Scalar,
    /// An array of this shape in every row, the last axis fastest (C order): `[channel, correlation]` for DATA.
    Fixed(Vec<usize>),
    /// An array whose shape may differ by row, or be absent; with the number of axes where that is fixed.
    Variable(Option<usize>),
}

/// A column: its name, type, cells and keywords.
///
/// ```
/// use casacore::{ColumnDesc, DataType};
///
/// let time = ColumnDesc::scalar("TIME", DataType::F64).unit("s").measure("epoch", "UTC");
/// let uvw = ColumnDesc::fixed("UVW", DataType::F64, [3]).unit("m").measure("uvw", "ICRS");
/// let data = ColumnDesc::variable("DATA", DataType::Complex32, Some(2)).comment("The data column");
/// assert_eq!(time.keywords.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDesc {
    /// The column's name.
    pub name: String,
    /// The type of its values.
    pub kind: DataType,
    /// What a cell holds.
    pub cell: Cell,
    /// Free text.
    pub comment: String,
    /// casacore's option Direct: arrays of a fixed shape are stored in the table's own file. Set by [`Self::fixed`].
    pub direct: bool,
    /// casacore's option Undefined: scalars may be undefined. Few storage managers honour it.
    pub undefined: bool,
    /// The longest string that a cell of strings holds; 0 for any length.
    pub max_length: u32,
    /// The column's keywords, such as `QuantumUnits` and `MEASINFO`.
    pub keywords: Record,
}

impl ColumnDesc {
    /// A column of scalars.
    #[must_use]
    pub fn scalar(name: impl Into<String>, kind: DataType) -> Self {
        Self::new(name.into(), kind, Cell::Scalar, false)
    }

    /// A column of arrays of one shape, stored inline; `shape` with the last axis fastest.
    #[must_use]
    pub fn fixed(name: impl Into<String>, kind: DataType, shape: impl Into<Vec<usize>>) -> Self {
        Self::new(name.into(), kind, Cell::Fixed(shape.into()), true)
    }

    /// A column of arrays whose shape is set with each cell.
    #[must_use]
    pub fn variable(name: impl Into<String>, kind: DataType, axes: Option<usize>) -> Self {
        Self::new(name.into(), kind, Cell::Variable(axes), false)
    }

    fn new(name: String, kind: DataType, cell: Cell, direct: bool) -> Self {
        let (comment, keywords) = (String::new(), Record::new());
        Self { name, kind, cell, comment, direct, undefined: false, max_length: 0, keywords }
    }

    /// Sets the comment.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = comment.into();
        self
    }

    /// Stores fixed arrays apart from the table's own file instead of inline.
    #[must_use]
    pub fn indirect(mut self) -> Self {
        self.direct = false;
        self
    }

    /// Sets a keyword.
    #[must_use]
    pub fn keyword(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.keywords.insert(name, value);
        self
    }

    /// Sets the unit of all values: the keyword `QuantumUnits` with one element.
    #[must_use]
    pub fn unit(self, unit: &str) -> Self {
        self.units([unit])
    }

    /// Sets the units of the elements along the last axis: the keyword `QuantumUnits`.
    #[must_use]
    pub fn units<'a>(self, units: impl IntoIterator<Item = &'a str>) -> Self {
        self.keyword("QuantumUnits", units.into_iter().map(String::from).collect::<Vec<_>>())
    }

    /// Sets the measure of the values: the keyword `MEASINFO` with `type` (`epoch`, `direction`, …) and `Ref` (`UTC`,
    /// `J2000`, …).
    #[must_use]
    pub fn measure(self, kind: &str, reference: &str) -> Self {
        self.keyword("MEASINFO", Record::new().with("type", kind).with("Ref", reference))
    }
}

/// A storage manager and the columns that it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Manager {
    /// Its name, unique in the table.
    pub name: String,
    /// Its kind and settings.
    pub kind: ManagerKind,
    /// The columns that it holds.
    pub columns: Vec<String>,
}

/// The kinds of storage managers, each with what can be set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ManagerKind {
    /// `StandardStMan`: any column. Small buckets read slowly: give columns of numbers some thousand rows a bucket.
    Standard(Bucket),
    /// `IncrementalStMan`: values that seldom change from row to row. The bucket in bytes; 0 for casacore's default.
    Incremental(u32),
    /// `TiledColumnStMan`: one column of fixed shape, cut into tiles; `[row, cell axes…]`, the last axis fastest. The
    /// manager whose tiles [`TiledColumn`](crate::tiles::TiledColumn) reads and writes directly.
    TiledColumn(Vec<usize>),
    /// `TiledShapeStMan`: as `TiledColumn`, for a column of variable shape; one set of tiles for each shape.
    TiledShape(Vec<usize>),
    /// `TiledCellStMan`: tiles within each cell; `[cell axes…]`, the last axis fastest.
    TiledCell(Vec<usize>),
    /// Any other that casacore has, by its name and its own settings (shapes in casacore's order, first axis fastest).
    Other(String, Record),
}

/// The size of a bucket of the standard storage manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bucket {
    /// casacore's default: 32 rows.
    #[default]
    Default,
    /// So many rows.
    Rows(u32),
    /// So many bytes, at least enough for one row.
    Bytes(u32),
}

impl Manager {
    fn new(name: impl Into<String>, kind: ManagerKind) -> Self {
        Self { name: name.into(), kind, columns: Vec::new() }
    }

    /// A standard storage manager.
    #[must_use]
    pub fn standard(name: impl Into<String>, bucket: Bucket) -> Self {
        Self::new(name, ManagerKind::Standard(bucket))
    }

    /// An incremental storage manager with buckets of so many bytes (0 for casacore's default).
    #[must_use]
    pub fn incremental(name: impl Into<String>, bucket_bytes: u32) -> Self {
        Self::new(name, ManagerKind::Incremental(bucket_bytes))
    }

    /// A tiled column storage manager; `tile` is `[row, cell axes…]`, the last axis fastest.
    #[must_use]
    pub fn tiled_column(name: impl Into<String>, tile: impl Into<Vec<usize>>) -> Self {
        Self::new(name, ManagerKind::TiledColumn(tile.into()))
    }

    /// A tiled shape storage manager; `tile` is `[row, cell axes…]`, the last axis fastest.
    #[must_use]
    pub fn tiled_shape(name: impl Into<String>, tile: impl Into<Vec<usize>>) -> Self {
        Self::new(name, ManagerKind::TiledShape(tile.into()))
    }

    /// A tiled cell storage manager; `tile` is `[cell axes…]`, the last axis fastest.
    #[must_use]
    pub fn tiled_cell(name: impl Into<String>, tile: impl Into<Vec<usize>>) -> Self {
        Self::new(name, ManagerKind::TiledCell(tile.into()))
    }

    /// Any other storage manager or virtual column engine, by casacore's name for it.
    #[must_use]
    pub fn other(name: impl Into<String>, kind: impl Into<String>, spec: Record) -> Self {
        Self::new(name, ManagerKind::Other(kind.into(), spec))
    }

    /// Adds columns.
    #[must_use]
    pub fn holding<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns.extend(columns.into_iter().map(Into::into));
        self
    }

    /// As casacore's data manager information.
    fn to_record(&self) -> Record {
        let tile = |shape: &[usize]| Record::new().with("DEFAULTTILESHAPE", reversed(shape));
        let (kind, spec) = match &self.kind {
            ManagerKind::Standard(Bucket::Default) => ("StandardStMan", Record::new()),
            ManagerKind::Standard(Bucket::Rows(rows)) => {
                ("StandardStMan", Record::new().with("BUCKETROWS", int(*rows)))
            }
            ManagerKind::Standard(Bucket::Bytes(b)) => ("StandardStMan", Record::new().with("BUCKETSIZE", int(*b))),
            ManagerKind::Incremental(0) => ("IncrementalStMan", Record::new()),
            ManagerKind::Incremental(bytes) => ("IncrementalStMan", Record::new().with("BUCKETSIZE", int(*bytes))),
            ManagerKind::TiledColumn(shape) => ("TiledColumnStMan", tile(shape)),
            ManagerKind::TiledShape(shape) => ("TiledShapeStMan", tile(shape)),
            ManagerKind::TiledCell(shape) => ("TiledCellStMan", tile(shape)),
            ManagerKind::Other(kind, spec) => (kind.as_str(), spec.clone()),
        };
        Record::new()
            .with("TYPE", kind)
            .with("NAME", self.name.as_str())
            .with("SPEC", spec)
            .with("COLUMNS", self.columns.clone())
    }
}

fn int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn reversed(shape: &[usize]) -> Vec<i32> {
    shape.iter().rev().map(|&length| i32::try_from(length).unwrap_or(i32::MAX)).collect()
}

/// A table to create.
///
/// A column that no [`Manager`] holds goes to a standard storage manager with casacore's small default buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The columns, in order.
    pub columns: Vec<ColumnDesc>,
    /// The storage managers.
    pub managers: Vec<Manager>,
    /// The table's own keywords.
    pub keywords: Record,
    /// The byte order of the data files.
    pub endian: Endian,
}

impl Layout {
    /// A layout without columns, little endian.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a column.
    #[must_use]
    pub fn column(mut self, column: ColumnDesc) -> Self {
        self.columns.push(column);
        self
    }

    /// Adds a storage manager.
    #[must_use]
    pub fn manager(mut self, manager: Manager) -> Self {
        self.managers.push(manager);
        self
    }

    /// Sets a keyword of the table.
    #[must_use]
    pub fn keyword(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.keywords.insert(name, value);
        self
    }

    /// Sets the byte order.
    #[must_use]
    pub fn endian(mut self, endian: Endian) -> Self {
        self.endian = endian;
        self
    }

    /// Creates the table with `rows` rows and opens it for writing. The folder must not exist; its parent must.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`](crate::Error::Exists), or what casacore finds wrong with the layout.
    pub fn create(&self, path: impl AsRef<Path>, rows: u64) -> Result<Table> {
        Table::create(path.as_ref(), self, rows, false, &OpenOptions::new().write(true))
    }

    /// As [`Self::create`], with a lock mode and an operation counter from `options`.
    ///
    /// # Errors
    ///
    /// As [`Self::create`].
    pub fn create_with(&self, path: impl AsRef<Path>, rows: u64, options: &OpenOptions) -> Result<Table> {
        Table::create(path.as_ref(), self, rows, false, options)
    }

    /// As [`Self::create`], for tiled columns that are filled later by [`TiledColumn`](crate::tiles::TiledColumn): their
    /// files become holes of full length, where `create` writes every tile of the rows once with zeros. Tiled columns are
    /// not read or written through the handle that is returned ([`Error::ReadOnly`](crate::Error::ReadOnly)); once the
    /// table is closed it is like any other.
    ///
    /// # Errors
    ///
    /// As [`Self::create`].
    pub fn create_with_holes(&self, path: impl AsRef<Path>, rows: u64, options: &OpenOptions) -> Result<Table> {
        Table::create(path.as_ref(), self, rows, true, options)
    }

    /// What the shim reads: `columns`, `managers`, `keywords`, `column_keywords`.
    pub(crate) fn to_record(&self) -> Record {
        let numbered = |records: Vec<Record>| -> Record {
            records.into_iter().enumerate().map(|(i, r)| (i.to_string(), Value::Record(r))).collect()
        };
        let keywords = self.columns.iter().filter(|column| !column.keywords.is_empty());
        Record::new()
            .with("columns", numbered(self.columns.iter().map(column_record).collect()))
            .with("managers", numbered(self.managers.iter().map(Manager::to_record).collect()))
            .with("keywords", self.keywords.clone())
            .with(
                "column_keywords",
                keywords.map(|c| (c.name.clone(), Value::Record(c.keywords.clone()))).collect::<Record>(),
            )
    }
}

const DIRECT: i32 = 1;
const UNDEFINED: i32 = 2;

fn column_record(column: &ColumnDesc) -> Record {
    let (shape, axes) = match &column.cell {
        Cell::Scalar => (Vec::new(), 0),
        Cell::Fixed(shape) => (shape.iter().rev().map(|&n| n as i64).collect(), shape.len() as i32),
        Cell::Variable(axes) => (Vec::new(), axes.map_or(-1, |n| n as i32)),
    };
    let options = if column.direct { DIRECT } else { 0 } | if column.undefined { UNDEFINED } else { 0 };
    Record::new()
        .with("name", column.name.as_str())
        .with("type", column.kind.code())
        .with("scalar", column.cell == Cell::Scalar)
        .with("fixed", matches!(column.cell, Cell::Fixed(_)))
        .with("shape", shape)
        .with("ndim", axes)
        .with("options", options)
        .with("comment", column.comment.as_str())
        .with("group", column.name.as_str())
        .with("max_length", int(column.max_length))
}

/// Reads back what the shim's description of a column says; `None` for a type that this crate does not know.
pub(crate) fn column_from_record(record: &Record) -> Option<ColumnDesc> {
    let integer = |name: &str| record.get(name).and_then(Value::as_i64);
    let truth = |name: &str| record.get(name).and_then(Value::as_bool);
    let shape = record.get("shape")?.as_integers()?;
    let cell = if truth("scalar")? {
        Cell::Scalar
    } else if truth("fixed")? {
        Cell::Fixed(shape.iter().rev().map(|&n| usize::try_from(n).ok()).collect::<Option<_>>()?)
    } else {
        Cell::Variable(usize::try_from(integer("ndim")?).ok().filter(|&n| n > 0))
    };
    let options = i32::try_from(integer("options")?).ok()?;
    Some(ColumnDesc {
        name: record.get("name")?.as_str()?.into(),
        kind: DataType::of_column(i32::try_from(integer("type")?).ok()?),
        cell,
        comment: record.get("comment")?.as_str()?.into(),
        direct: options & DIRECT != 0,
        undefined: options & UNDEFINED != 0,
        max_length: u32::try_from(integer("max_length")?).ok()?,
        keywords: Record::new(),
    })
}

/// The first array in `record`, at any depth, whose values are not as many as its shape says.
pub(crate) fn misshapen(record: &Record) -> Option<String> {
    record.iter().find_map(|(name, value)| match value {
        Value::Record(inner) => misshapen(inner).map(|rest| format!("{name}.{rest}")),
        Value::Array(array) => {
            let product = array.shape.iter().try_fold(1_usize, |n, &length| n.checked_mul(length));
            let strings_fit = !matches!(&array.values, Values::String(s) if s.iter().any(|s| s.len() > 1 << 30));
            (product != Some(array.values.len()) || !strings_fit).then(|| name.to_owned())
        }
        _ => None,
    })
}
