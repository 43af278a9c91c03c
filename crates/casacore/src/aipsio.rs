//! Reading casacore's own structure files (`table.dat`, the headers of tiled managers) in safe Rust.
//!
//! They are in casacore's AipsIO form: big endian; an object is `u32` length (from the length itself on), its type as a
//! string, a `u32` version, and its parts; the outermost object has the word 0xbebebebe before it. Written after
//! casacore 3.5: `AipsIO.cc`, `PlainTable.cc` (`putFile`), `TableDesc.cc`, `BaseColDesc.cc`, `ColumnSet.cc`,
//! `TiledStMan.cc` (`headerFilePut`), `TSMCube.cc`, `TSMFile.cc`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::record::text;
use crate::{DataType, Endian, Error, Result};

const MAGIC: u32 = 0xbebe_bebe;
/// No structure file is longer: it would be a damaged one.
const LARGEST: u64 = 256 << 20;
/// More axes than any table has.
const MOST_AXES: u32 = 64;

/// A place in a structure file.
#[derive(Debug)]
struct Cursor {
    path: PathBuf,
    bytes: Vec<u8>,
    at: usize,
}

impl Cursor {
    fn open(path: PathBuf) -> Result<Self> {
        let mut bytes = Vec::new();
        let read = fs::File::open(&path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Self { path, bytes, at: 0 }),
            Err(source) => Err(Error::io(path, "read the table's structure", source)),
        }
    }

    fn damaged<T>(&self, found: impl Into<String>) -> Result<T> {
        Err(Error::Damaged { path: self.path.clone(), offset: self.at, found: found.into() })
    }

    fn take(&mut self, length: usize) -> Result<&[u8]> {
        match self.at.checked_add(length).filter(|&end| end <= self.bytes.len()) {
            Some(end) => {
                let start = std::mem::replace(&mut self.at, end);
                Ok(&self.bytes[start..end])
            }
            None => self.damaged("it ends early"),
        }
    }

    fn word<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut word = [0; N];
        word.copy_from_slice(self.take(N)?);
        Ok(word)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.word()?))
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.word()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.word()?))
    }

    fn bool(&mut self) -> Result<bool> {
        Ok(self.word::<1>()?[0] != 0)
    }

    fn string(&mut self) -> Result<String> {
        let length = self.u32()? as usize;
        Ok(text(self.take(length)?))
    }

    /// `u32` in old versions, `u64` in new ones.
    fn count(&mut self, wide: bool) -> Result<u64> {
        if wide { self.u64() } else { self.u32().map(u64::from) }
    }

    fn magic(&mut self) -> Result<()> {
        if self.u32()? == MAGIC { Ok(()) } else { self.damaged("it does not begin as a casacore file") }
    }

    /// The start of an object: its version and the place after its end.
    fn object(&mut self, kind: &str) -> Result<(u32, usize)> {
        let start = self.at;
        let length = self.u32()? as usize;
        let found = self.string()?;
        if found != kind {
            return self.damaged(format!("`{found}` where `{kind}` was expected"));
        }
        let version = self.u32()?;
        match start.checked_add(length).filter(|&end| end >= self.at && end <= self.bytes.len()) {
            Some(end) => Ok((version, end)),
            None => self.damaged(format!("`{kind}` is longer than the file")),
        }
    }

    /// Passes over an object of any kind.
    fn skip_object(&mut self) -> Result<()> {
        let length = self.u32()? as usize;
        match length.checked_sub(4) {
            Some(rest) => self.take(rest).map(|_| ()),
            None => self.damaged("an object without a length"),
        }
    }

    /// A shape in casacore's order, first axis fastest.
    fn shape(&mut self) -> Result<Vec<u64>> {
        let (version, _) = self.object("IPosition")?;
        let axes = self.u32()?;
        if axes > MOST_AXES {
            return self.damaged(format!("a shape of {axes} axes"));
        }
        (0..axes)
            .map(|_| {
                let length = if version == 1 { i64::from(self.i32()?) } else { i64::from_be_bytes(self.word()?) };
                u64::try_from(length).or_else(|_| self.damaged("a negative length in a shape"))
            })
            .collect()
    }

    /// A block of unsigned integers, of the width that its length says.
    fn block(&mut self) -> Result<Vec<u64>> {
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

/// What `table.dat` says about where columns are.
#[derive(Debug)]
pub(crate) struct TableDat {
    pub(crate) endian: Endian,
    /// Whether every data manager has files of its own (not one file for all).
    pub(crate) separate_files: bool,
    /// Type and number of each data manager.
    pub(crate) managers: Vec<(String, u32)>,
    columns: Vec<StoredColumn>,
}

/// A column and the number of the data manager that holds it.
#[derive(Debug)]
pub(crate) struct StoredColumn {
    name: String,
    array: bool,
    pub(crate) kind: Option<DataType>,
    pub(crate) manager: u32,
}

impl TableDat {
    /// Reads the `table.dat` of a plain table; none for others (selections, concatenations) and for old versions.
    pub(crate) fn read(table: &Path) -> Result<Option<Self>> {
        let mut c = Cursor::open(table.join("table.dat"))?;
        c.magic()?;
        let (version, _) = c.object("Table")?;
        if !(2..=3).contains(&version) {
            return Ok(None);
        }
        c.count(version > 2)?;
        let endian = if c.u32()? == 0 { Endian::Big } else { Endian::Little };
        let kind = c.string()?;
        if kind != "PlainTable" {
            return Ok(None);
        }
        let mut columns = Self::columns(&mut c)?;

        let set = c.i32()?;
        let wide = match set {
            -2 => false,
            -3 => true,
            _ => return Ok(None),
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
            column.name = c.string()?;
            c.u32()?;
            column.manager = c.u32()?;
            if column.array && c.bool()? {
                c.shape()?;
            }
        }
        Ok(Some(Self { endian, separate_files, managers, columns }))
    }

    /// The columns in the order of the description, which is that of the column set.
    fn columns(c: &mut Cursor) -> Result<Vec<StoredColumn>> {
        let (version, end) = c.object("TableDesc")?;
        c.string()?;
        c.string()?;
        c.string()?;
        c.skip_object()?;
        if version > 1 {
            c.skip_object()?;
        }
        let count = c.u32()?;
        let columns = (0..count).map(|_| Self::column_desc(c)).collect::<Result<_>>()?;
        if c.at != end {
            return c.damaged("a table description that does not end where it says");
        }
        Ok(columns)
    }

    fn column_desc(c: &mut Cursor) -> Result<StoredColumn> {
        c.u32()?;
        let class = c.string()?;
        let scalar = class.starts_with("Scalar");
        let array = class.starts_with("ArrayColumnDesc");
        if !scalar && !array {
            return c.damaged(format!("a column of class {class}"));
        }
        c.u32()?;
        let name = c.string()?;
        for _ in 0..3 {
            c.string()?;
        }
        let code = c.i32()?;
        c.i32()?;
        c.i32()?;
        if array {
            c.shape()?;
        }
        c.u32()?;
        c.skip_object()?;
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
        Ok(StoredColumn { name, array, kind, manager: 0 })
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
    /// Reads the header file of a TiledColumnStMan or TiledShapeStMan, named by `manager`.
    pub(crate) fn read(path: PathBuf, manager: &str) -> Result<Self> {
        let mut c = Cursor::open(path)?;
        c.magic()?;
        c.object(manager)?;
        if manager == "TiledColumnStMan" {
            c.shape()?;
        }
        let mut header = Self::common(&mut c)?;
        if manager == "TiledShapeStMan" {
            c.shape()?;
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

    fn common(c: &mut Cursor) -> Result<Self> {
        let (version, end) = c.object("TiledStMan")?;
        let big = if version >= 2 { c.bool()? } else { true };
        let wide = version >= 3;
        c.u32()?;
        let rows = c.count(wide)?;
        let columns = c.u32()?;
        let kinds = (0..columns).map(|_| c.i32()).collect::<Result<_>>()?;
        c.string()?;
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
        Ok(Self { endian, rows, kinds, cubes, runs: Vec::new() })
    }

    fn cube(c: &mut Cursor) -> Result<Cube> {
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
