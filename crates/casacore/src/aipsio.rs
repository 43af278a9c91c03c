//! Reading casacore's own structure files (`table.dat`, the headers of tiled managers) in safe Rust.
//!
//! They are in casacore's AipsIO form: big endian; an object is `u32` length (from the length itself on), its type as a
//! string, a `u32` version, and its parts; the outermost object has the word 0xbebebebe before it. Written after
//! casacore 3.5: `AipsIO.cc`, `PlainTable.cc` (`putFile`), `TableDesc.cc`, `BaseColDesc.cc`, `ColumnSet.cc`,
//! `TiledStMan.cc` (`headerFilePut`), `TSMCube.cc`, `TSMFile.cc`.

use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::record::text;
use crate::{DataType, Endian, Error, Result};

const MAGIC: u32 = 0xbebe_bebe;
/// No structure file is longer: it would be a damaged one.
const LARGEST: u64 = 256 << 20;
/// More axes than any table has.
const MOST_AXES: u32 = 64;

/// The bytes of a structure file.
pub(crate) fn load(path: &Path) -> Result<Vec<u8>> {
    let read = fs::File::open(path).and_then(|file| {
        let length = file.metadata()?.len().min(LARGEST);
        // One byte more than there are, so that the end is found without growing.
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
        file.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    read.map_err(|source| Error::io(path, "read the table's structure", source))
}

/// A place in a structure file, or in a part of one.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    endian: Endian,
}

impl<'a> Cursor<'a> {
    /// At the start of bytes in the canonical order, big endian.
    pub(crate) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes, at: 0, endian: Endian::Big }
    }

    /// The same for bytes in a table's own order.
    pub(crate) fn ordered(self, endian: Endian) -> Self {
        Self { endian, ..self }
    }

    /// The same, further on.
    pub(crate) fn starting(self, at: usize) -> Self {
        Self { at, ..self }
    }

    pub(crate) fn damaged<T>(&self, found: impl Into<String>) -> Result<T> {
        Err(Error::Damaged { path: self.path.into(), offset: self.at, found: found.into() })
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes there still are.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        match self.at.checked_add(length).and_then(|end| Some((end, self.bytes.get(self.at..end)?))) {
            Some((end, part)) => {
                self.at = end;
                Ok(part)
            }
            None => self.damaged("it ends early"),
        }
    }

    pub(crate) fn word<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut word = [0; N];
        word.copy_from_slice(self.take(N)?);
        Ok(word)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        let word = self.word()?;
        Ok(if self.endian == Endian::Big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        self.u32().map(u32::cast_signed)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        let word = self.word()?;
        Ok(if self.endian == Endian::Big { u64::from_be_bytes(word) } else { u64::from_le_bytes(word) })
    }

    pub(crate) fn bool(&mut self) -> Result<bool> {
        Ok(self.word::<1>()?[0] != 0)
    }

    pub(crate) fn string(&mut self) -> Result<String> {
        let length = self.u32()? as usize;
        Ok(text(self.take(length)?))
    }

    /// `u32` in old versions, `u64` in new ones.
    pub(crate) fn count(&mut self, wide: bool) -> Result<u64> {
        if wide { self.u64() } else { self.u32().map(u64::from) }
    }

    pub(crate) fn magic(&mut self) -> Result<()> {
        if self.u32()? == MAGIC { Ok(()) } else { self.damaged("it does not begin as a casacore file") }
    }

    /// The start of an object: its version and the place after its end.
    pub(crate) fn object(&mut self, kind: &str) -> Result<(u32, usize)> {
        self.object_by(|found| found == kind.as_bytes(), kind)
    }

    /// As [`Self::object`], of the types that `is` accepts; `kind` names them.
    pub(crate) fn object_by(&mut self, is: impl Fn(&[u8]) -> bool, kind: &str) -> Result<(u32, usize)> {
        let start = self.at;
        let length = self.u32()? as usize;
        let found = self.u32()? as usize;
        let found = self.take(found)?;
        if !is(found) {
            return self.damaged(format!("`{}` where `{kind}` was expected", text(found)));
        }
        let version = self.u32()?;
        match start.checked_add(length).filter(|&end| end >= self.at && end <= self.bytes.len()) {
            Some(end) => Ok((version, end)),
            None => self.damaged(format!("`{kind}` is longer than the file")),
        }
    }

    /// Passes over an object of any kind.
    pub(crate) fn skip_object(&mut self) -> Result<()> {
        let length = self.u32()? as usize;
        match length.checked_sub(4) {
            Some(rest) => self.take(rest).map(|_| ()),
            None => self.damaged("an object without a length"),
        }
    }

    /// A shape in casacore's order, first axis fastest.
    pub(crate) fn shape(&mut self) -> Result<Vec<u64>> {
        let (version, _) = self.object("IPosition")?;
        let axes = self.u32()?;
        if axes > MOST_AXES {
            return self.damaged(format!("a shape of {axes} axes"));
        }
        (0..axes)
            .map(|_| {
                let length = if version == 1 { i64::from(self.i32()?) } else { self.u64()?.cast_signed() };
                u64::try_from(length).or_else(|_| self.damaged("a negative length in a shape"))
            })
            .collect()
    }

    /// A block of unsigned integers, of the width that its length says.
    pub(crate) fn block(&mut self) -> Result<Vec<u64>> {
        let (_, end) = self.object("Block")?;
        let count = self.u32()? as usize;
        let wide = match end.checked_sub(self.at) {
            Some(bytes) if Some(bytes) == count.checked_mul(4) => false,
            Some(bytes) if Some(bytes) == count.checked_mul(8) => true,
            _ => return self.damaged("a block whose length does not fit its count"),
        };
        (0..count).map(|_| self.count(wide)).collect()
    }
}

/// What `table.dat` says: the structure of the table, and where columns are.
#[derive(Debug)]
pub(crate) struct TableDat {
    /// The number of rows when it was last written; `table.lock` may know a newer one.
    pub(crate) rows: u64,
    pub(crate) endian: Endian,
    /// Whether every data manager has files of its own (not one file for all).
    pub(crate) separate_files: bool,
    /// Type and number of each data manager.
    pub(crate) managers: Vec<(String, u32)>,
    columns: Vec<StoredColumn>,
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the table's keywords are in `bytes`.
    keywords: Range<usize>,
    /// Where what the data managers noted is in `bytes`.
    notes: usize,
}

/// A column and the number of the data manager that holds it.
#[derive(Debug)]
pub(crate) struct StoredColumn {
    /// Its name. A renamed column's first name is of no interest.
    pub(crate) name: String,
    pub(crate) array: bool,
    pub(crate) kind: Option<DataType>,
    pub(crate) manager: u32,
    /// casacore's number of its type.
    pub(crate) code: i32,
    /// casacore's options: 1 direct, 2 undefined, 4 fixed shape.
    pub(crate) options: i32,
    /// The number of axes, 0 or less where it is not fixed.
    pub(crate) axes: i32,
    /// The fixed shape in casacore's order, first axis fastest; of the description.
    pub(crate) described: Vec<u64>,
    /// The same, of the table.
    pub(crate) shape: Option<Vec<u64>>,
    pub(crate) max_length: u32,
    pub(crate) comment: String,
    /// Where its keywords are in the file.
    keywords: Range<usize>,
}

/// What a `table.dat` that [`TableDat`] does not read is.
#[derive(Debug)]
pub(crate) enum Foreign {
    /// A table of another kind: a selection or concatenation of others.
    Kind(String),
    /// A version of the format that is not known here.
    Version,
}

impl TableDat {
    /// Reads the `table.dat` of a plain table; none for others (selections, concatenations) and for old versions.
    pub(crate) fn read(table: &Path) -> Result<Option<Self>> {
        Self::read_plain(table).map(std::result::Result::ok)
    }

    /// As [`Self::read`], and says what else it is.
    pub(crate) fn read_plain(table: &Path) -> Result<std::result::Result<Self, Foreign>> {
        let path = table.join("table.dat");
        let bytes = load(&path)?;
        let mut c = Cursor::new(&path, &bytes);
        c.magic()?;
        let (version, _) = c.object("Table")?;
        if !(2..=3).contains(&version) {
            return Ok(Err(Foreign::Version));
        }
        let rows = c.count(version > 2)?;
        let endian = if c.u32()? == 0 { Endian::Big } else { Endian::Little };
        let kind = c.string()?;
        if kind != "PlainTable" {
            return Ok(Err(Foreign::Kind(kind)));
        }
        let (mut columns, keywords) = Self::columns(&mut c)?;

        let set = c.i32()?;
        let wide = match set {
            -2 => false,
            -3 => true,
            _ => return Ok(Err(Foreign::Version)),
        };
        c.count(wide)?;
        let separate_files = if wide {
            let option = c.i32()?;
            c.i32()?;
            // StorageOption.h: MultiFile 0, MultiHDF5 1, SepFile 2, Default 3, Aipsrc 4; never one of the last two here.
            option == 2
        } else {
            true
        };
        c.u32()?;
        let managers = c.u32()?;
        let managers = (0..managers).map(|_| Ok((c.string()?, c.u32()?))).collect::<Result<_>>()?;
        for column in &mut columns {
            if c.u32()? != 2 {
                return c.damaged("an unknown version of a column");
            }
            c.string()?; // its first name
            c.u32()?;
            column.manager = c.u32()?;
            if column.array && c.bool()? {
                column.shape = Some(c.shape()?);
            }
        }
        let notes = c.at;
        Ok(Ok(Self { rows, endian, separate_files, managers, columns, keywords, notes, path, bytes }))
    }

    /// The columns in the order of the description, which is that of the column set.
    fn columns(c: &mut Cursor<'_>) -> Result<(Vec<StoredColumn>, Range<usize>)> {
        let (version, end) = c.object("TableDesc")?;
        c.string()?;
        c.string()?;
        c.string()?;
        let keywords = c.at;
        c.skip_object()?;
        let keywords = keywords..c.at;
        if version > 1 {
            c.skip_object()?;
        }
        let count = c.u32()?;
        let columns = (0..count).map(|_| Self::column_desc(c)).collect::<Result<_>>()?;
        if c.at != end {
            return c.damaged("a table description that does not end where it says");
        }
        Ok((columns, keywords))
    }

    fn column_desc(c: &mut Cursor<'_>) -> Result<StoredColumn> {
        c.u32()?;
        let class = c.string()?;
        let scalar = class.starts_with("Scalar");
        let array = class.starts_with("ArrayColumnDesc");
        if !scalar && !array {
            return c.damaged(format!("a column of class {class}"));
        }
        c.u32()?;
        let (name, comment) = (c.string()?, c.string()?);
        for _ in 0..2 {
            c.string()?; // the kind and group of data manager that were asked for
        }
        let (code, options, axes) = (c.i32()?, c.i32()?, c.i32()?);
        let described = if array { c.shape()? } else { Vec::new() };
        let max_length = c.u32()?;
        let keywords = c.at;
        c.skip_object()?;
        let keywords = keywords..c.at;
        c.u32()?;
        let kind = DataType::from_code(code);
        if array {
            if c.bool()? {
                return c.damaged("an array column with a default value");
            }
        } else if class.starts_with("ScalarColumnDesc") {
            // The default value.
            match kind {
                Some(DataType::String) => c.string().map(|_| ())?,
                Some(kind) => c.take(kind.size().unwrap_or(0)).map(|_| ())?,
                None => return c.damaged(format!("a scalar column of type {code}")),
            }
        }
        let (manager, shape) = (0, None);
        Ok(StoredColumn {
            name,
            array,
            kind,
            manager,
            code,
            options,
            axes,
            described,
            shape,
            max_length,
            comment,
            keywords,
        })
    }

    /// The columns in the order of the description.
    pub(crate) fn all_columns(&self) -> &[StoredColumn] {
        &self.columns
    }

    /// At the start of the table's keywords, or of a column's.
    pub(crate) fn keywords(&self, column: Option<&StoredColumn>) -> Cursor<'_> {
        let range = column.map_or(&self.keywords, |column| &column.keywords);
        Cursor::new(&self.path, &self.bytes[..range.end]).starting(range.start)
    }

    /// What each data manager noted, in the order of [`Self::managers`].
    pub(crate) fn notes(&self) -> Result<Vec<&[u8]>> {
        let mut c = Cursor::new(&self.path, &self.bytes).starting(self.notes);
        let note = |_| {
            let length = c.u32()? as usize;
            c.take(length)
        };
        self.managers.iter().map(note).collect()
    }

    pub(crate) fn column(&self, name: &str) -> Option<&StoredColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The names of the columns that one data manager holds.
    pub(crate) fn held_by(&self, manager: u32) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(move |column| column.manager == manager).map(|column| column.name.as_str())
    }
}

/// The header of a tiled storage manager.
#[derive(Debug)]
pub(crate) struct TiledHeader {
    pub(crate) endian: Endian,
    pub(crate) rows: u64,
    /// casacore's type numbers of its columns.
    pub(crate) kinds: Vec<i32>,
    pub(crate) cubes: Vec<Cube>,
    /// For a tiled shape manager: last row, cube and last position of each run of rows.
    pub(crate) runs: Vec<Run>,
    /// The manager's name.
    pub(crate) name: String,
    /// The shape of new tiles, in casacore's order, for the managers that have one.
    pub(crate) default_tile: Option<Vec<u64>>,
}

/// A set of tiles, in casacore's order of axes.
#[derive(Debug)]
pub(crate) struct Cube {
    pub(crate) shape: Vec<u64>,
    pub(crate) tile: Vec<u64>,
    /// The number M of its file `table.fN_TSMM`; none for the set without data.
    pub(crate) file: Option<u32>,
    pub(crate) offset: u64,
}

/// A run of rows with consecutive positions in one cube.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) last_row: u64,
    pub(crate) cube: u64,
    pub(crate) last_position: u64,
}

impl TiledHeader {
    /// Reads the header file of a tiled manager, named by `manager`.
    pub(crate) fn read(path: PathBuf, manager: &str) -> Result<Self> {
        let bytes = load(&path)?;
        let mut c = Cursor::new(&path, &bytes);
        c.magic()?;
        c.object(manager)?;
        let tile = if matches!(manager, "TiledColumnStMan" | "TiledCellStMan") { Some(c.shape()?) } else { None };
        let mut header = Self::common(&mut c)?;
        header.default_tile = tile;
        if manager == "TiledShapeStMan" {
            header.default_tile = Some(c.shape()?);
            let used = c.u32()? as usize;
            let (rows, cubes, positions) = (c.block()?, c.block()?, c.block()?);
            if [&rows, &cubes, &positions].iter().any(|block| block.len() < used) {
                return c.damaged("a row map shorter than it says");
            }
            header.runs =
                (0..used).map(|i| Run { last_row: rows[i], cube: cubes[i], last_position: positions[i] }).collect();
        }
        Ok(header)
    }

    fn common(c: &mut Cursor<'_>) -> Result<Self> {
        let (version, end) = c.object("TiledStMan")?;
        let big = if version >= 2 { c.bool()? } else { true };
        let wide = version >= 3;
        c.u32()?;
        let rows = c.count(wide)?;
        let columns = c.u32()?;
        let kinds = (0..columns).map(|_| c.i32()).collect::<Result<_>>()?;
        let name = c.string()?;
        c.count(wide)?;
        c.u32()?;
        let files = c.count(wide)?;
        for _ in 0..files {
            if c.bool()? {
                let version = c.u32()?;
                c.u32()?;
                c.count(version > 1)?;
            }
        }
        let cubes = c.count(wide)?;
        let cubes = (0..cubes).map(|_| Self::cube(c)).collect::<Result<_>>()?;
        if c.at != end {
            return c.damaged("a tile header that does not end where it says");
        }
        let endian = if big { Endian::Big } else { Endian::Little };
        Ok(Self { endian, rows, kinds, cubes, runs: Vec::new(), name, default_tile: None })
    }

    fn cube(c: &mut Cursor<'_>) -> Result<Cube> {
        let version = c.u32()?;
        c.skip_object()?;
        c.bool()?;
        c.u32()?;
        let (shape, tile) = (c.shape()?, c.shape()?);
        let file = u32::try_from(c.i32()?).ok();
        let offset = c.count(version > 1)?;
        Ok(Cube { shape, tile, file, offset })
    }
}
