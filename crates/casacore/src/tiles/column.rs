//! A tiled column: found, checked, opened.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::geometry::Geometry;
use crate::aipsio::{Cube, TableDat, TiledHeader};
use crate::registry::{self, Entry};
use crate::{DataType, Endian, Error, Operations, Result};

/// Why a column cannot be read or written by tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTiled {
    /// The table is a selection or concatenation of others, or of a version that this crate does not read by itself.
    Structure,
    /// All of the table's managers share one file.
    OneFile,
    /// Another storage manager holds the column.
    Manager(String),
    /// Its manager holds other columns too.
    Shared(Vec<String>),
    /// Its cells have several shapes; so many.
    Shapes(usize),
    /// Some of its rows have no value, or rows are not in the order of the file.
    Rows,
    /// Its cells have more than two axes; so many.
    Axes(usize),
    /// It holds values that tiles of this crate do not have.
    Type,
}

impl fmt::Display for NotTiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Structure => f.write_str("the table is not a plain table of a known version"),
            Self::OneFile => f.write_str("all storage managers share one file"),
            Self::Manager(kind) => write!(f, "it is held by a {kind}"),
            Self::Shared(columns) => write!(f, "its tiles are shared with {}", columns.join(", ")),
            Self::Shapes(count) => write!(f, "its cells have {count} shapes"),
            Self::Rows => f.write_str("rows are undefined or out of order"),
            Self::Axes(count) => write!(f, "its cells have {count} axes"),
            Self::Type => f.write_str("its values are not numbers"),
        }
    }
}

/// A column whose tiles are read, and written if so opened, straight from its file.
///
/// It is `Sync`: threads share it. See the [module](crate::tiles) for the layout and for what holds while writing.
#[derive(Debug)]
pub struct TiledColumn {
    pub(super) name: String,
    pub(super) table: PathBuf,
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) kind: DataType,
    pub(super) endian: Endian,
    pub(super) geometry: Geometry,
    /// Axes of a cell.
    axes: usize,
    pub(super) tile_bytes: usize,
    pub(super) offset: u64,
    pub(super) operations: Operations,
    /// Memory for tiles that cannot go straight to the caller's buffer, kept between calls.
    pub(super) scratch: Mutex<Vec<Vec<u8>>>,
    /// One lock for each residue of the tile's number: updates of one tile take turns.
    pub(super) turns: [Mutex<()>; 32],
    /// After [`Self::truncate_to_holes`]: one bit for each tile that was written since.
    pub(super) written: Option<Vec<AtomicU64>>,
    /// Kept while writing, so that casacore does not open the table for writing in this process.
    writer: Option<Arc<Entry>>,
}

impl TiledColumn {
    /// Opens a column of the table at `table` for reading.
    ///
    /// # Errors
    ///
    /// [`Error::NoTable`], [`Error::NoColumn`]; [`Error::NotTiled`] where the general way must be taken;
    /// [`Error::Truncated`] and [`Error::Damaged`].
    pub fn open(table: impl AsRef<Path>, column: &str) -> Result<Self> {
        Self::open_with(table, column, false, &Operations::new())
    }

    /// Opens a column for reading and writing.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; [`Error::InUse`] while a handle of the table is open in this process; [`Error::Locked`] while
    /// another process holds the table's lock.
    pub fn open_rw(table: impl AsRef<Path>, column: &str) -> Result<Self> {
        Self::open_with(table, column, true, &Operations::new())
    }

    /// As [`Self::open`] or, with `write`, [`Self::open_rw`], counting in `operations`.
    ///
    /// # Errors
    ///
    /// As [`Self::open_rw`].
    pub fn open_with(table: impl AsRef<Path>, column: &str, write: bool, operations: &Operations) -> Result<Self> {
        let table = registry::canonical(table.as_ref())?;
        if !table.join("table.dat").is_file() {
            return Err(Error::NoTable { path: table });
        }
        // Claimed before the headers are read: casacore writes them.
        let writer = if write { Some(claim(&table)?) } else { None };
        let mut opened = Self::locate(&table, column, write, operations).inspect_err(|_| {
            if let Some(entry) = &writer {
                release(entry);
            }
        })?;
        opened.writer = writer;
        operations.opened();
        Ok(opened)
    }

    fn locate(table: &Path, column: &str, write: bool, operations: &Operations) -> Result<Self> {
        let no = |reason| Error::NotTiled { path: table.into(), column: column.into(), reason };
        let dat = TableDat::read(table)?.ok_or_else(|| no(NotTiled::Structure))?;
        let stored = dat.column(column).ok_or_else(|| Error::NoColumn { path: table.into(), column: column.into() })?;
        if !dat.separate_files {
            return Err(no(NotTiled::OneFile));
        }
        let number = stored.manager;
        let manager = dat.managers.iter().find(|manager| manager.1 == number).map_or("", |manager| manager.0.as_str());
        if manager != "TiledColumnStMan" && manager != "TiledShapeStMan" {
            return Err(no(NotTiled::Manager(manager.into())));
        }
        let others: Vec<_> = dat.held_by(number).filter(|&name| name != column).map(String::from).collect();
        if !others.is_empty() {
            return Err(no(NotTiled::Shared(others)));
        }
        let Some((kind, _)) = stored.kind.and_then(|kind| Some((kind, kind.size()?))) else {
            return Err(no(NotTiled::Type));
        };
        let header_path = table.join(format!("table.f{number}"));
        let header = TiledHeader::read(header_path.clone(), manager)?;
        let damaged = |found: &str| Error::Damaged { path: header_path.clone(), offset: 0, found: found.into() };
        if header.endian != dat.endian || header.kinds != [kind.code()] {
            return Err(damaged("its byte order or type is not that of the table"));
        }
        let cube = single_cube(&header, manager).map_err(no)?;
        let (geometry, file_number) = match (Geometry::of(cube, header.rows), cube.file) {
            (Ok(geometry), Some(file)) => (geometry, file),
            (Err(Some(axes)), _) => return Err(no(NotTiled::Axes(axes))),
            _ => return Err(damaged("the shapes of the cells and tiles do not fit together")),
        };
        let tile_bytes = tile_bytes(&geometry, kind).ok_or_else(|| damaged("tiles too large for memory"))?;
        let path = table.join(format!("table.f{number}_TSM{file_number}"));
        let file = OpenOptions::new()
            .read(true)
            .write(write)
            .open(&path)
            .map_err(|source| Error::io(&path, "open the tiles", source))?;
        let opened = Self {
            name: column.into(),
            table: table.into(),
            path,
            file,
            kind,
            endian: header.endian,
            geometry,
            axes: cube.shape.len().saturating_sub(1),
            tile_bytes,
            offset: cube.offset,
            operations: operations.clone(),
            scratch: Mutex::default(),
            turns: [const { Mutex::new(()) }; 32],
            written: None,
            writer: None,
        };
        opened.check_length(damaged)?;
        Ok(opened)
    }

    fn check_length(&self, damaged: impl Fn(&str) -> Error) -> Result<()> {
        let expected = self.end().ok_or_else(|| damaged("more tiles than a file can hold"))?;
        let found = self.file.metadata().map_err(|source| Error::io(&self.path, "look at the tiles", source))?.len();
        if found < expected {
            return Err(Error::Truncated { path: self.path.clone(), expected, found });
        }
        Ok(())
    }

    /// The byte after the last tile.
    fn end(&self) -> Option<u64> {
        let tiles = self.geometry.grid().iter().try_fold(1_u64, |n, &along| n.checked_mul(along as u64))?;
        tiles.checked_mul(self.tile_bytes as u64)?.checked_add(self.offset)
    }

    /// The column's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table's folder.
    #[must_use]
    pub fn table(&self) -> &Path {
        &self.table
    }

    /// The file of the tiles.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The type of the values.
    #[must_use]
    pub fn kind(&self) -> DataType {
        self.kind
    }

    /// The byte order of the file.
    #[must_use]
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// What this column was opened with counts here.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.geometry.rows
    }

    /// The channels and correlations of a cell. A cell of one axis is one channel of so many correlations.
    #[must_use]
    pub fn cell(&self) -> [usize; 2] {
        self.geometry.cell
    }

    /// The shape of a cell as the table has it, with none, one or two axes, the last fastest.
    #[must_use]
    pub fn cell_shape(&self) -> &[usize] {
        &self.geometry.cell[2 - self.axes..]
    }

    /// All channels, for reading and writing whole rows.
    #[must_use]
    pub fn channels(&self) -> Range<usize> {
        0..self.geometry.cell[0]
    }

    /// The rows, channels and correlations of a tile.
    #[must_use]
    pub fn tile(&self) -> [usize; 3] {
        self.geometry.tile
    }

    /// The number of tiles along rows, channels and correlations. Tile (r, c, p) is number (r·C + c)·P + p in the file,
    /// with C and P the numbers of tiles along channels and correlations. The last tile along an axis may reach beyond
    /// the column; it is whole in the file.
    #[must_use]
    pub fn grid(&self) -> [usize; 3] {
        self.geometry.grid()
    }

    /// The bytes of a tile in the file.
    #[must_use]
    pub fn tile_bytes(&self) -> usize {
        self.tile_bytes
    }

    /// Gives the blocks of the file back: it becomes one hole, of its full length, that reads as zeros. For a table whose
    /// rows were just added, to be filled by tiles; from here on a tile of truth values that are all false stays a hole
    /// when it is written.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Io`].
    pub fn truncate_to_holes(&mut self) -> Result<()> {
        self.need_writer()?;
        let io = |source| Error::io(&self.path, "empty the tiles", source);
        let end = self.end().unwrap_or(self.offset);
        // What lies before the tiles is not ours; casacore's one-column managers have nothing there.
        self.file.set_len(self.offset).map_err(io)?;
        self.file.set_len(end).map_err(io)?;
        self.remember_written();
        Ok(())
    }

    /// The same for a file that whoever made it knows to be one hole of its full length. It is left alone: ext4 takes a file that
    /// was cut to nothing for one that is being replaced, and brings it to the disk when it is closed.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`].
    pub fn assume_holes(&mut self) -> Result<()> {
        self.need_writer()?;
        self.remember_written();
        Ok(())
    }

    /// Takes the room for all tiles on the disk at once (`fallocate`): for a file of holes that will be filled. ext4 then does
    /// not account for each page as it is written, and writes take half as long; and a disk that is too full says so now. Tiles
    /// that stay unwritten read as zeros, as before. File systems that cannot do it are left alone.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Io`].
    pub fn reserve(&self) -> Result<()> {
        use rustix::io::Errno;
        self.need_writer()?;
        let length = self.end().unwrap_or(self.offset).saturating_sub(self.offset);
        if length == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), self.offset, length) {
            // A file system of another kind; ENODEV and EINVAL are some remote ones' words for it.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV | Errno::INVAL) => Ok(()),
            Err(errno) => Err(Error::io(&self.path, "take room for the tiles", errno.into())),
        }
    }

    fn remember_written(&mut self) {
        let tiles: usize = self.geometry.grid().iter().product();
        self.written = Some((0..tiles.div_ceil(64)).map(|_| AtomicU64::new(0)).collect());
    }

    /// Lets the system have the memory in which it keeps tiles of the file, where they are on the disk already: for what
    /// will not be read again soon. No more than advice; reading them stays right, and takes longer.
    pub fn release(&self, tiles: Range<usize>) {
        let (first, end) = (self.tile_start(tiles.start as u64), self.tile_start(tiles.end as u64));
        let length = NonZeroU64::new(end.saturating_sub(first));
        if length.is_some() {
            // Advice that is not taken costs nothing.
            rustix::fs::fadvise(&self.file, first, length, rustix::fs::Advice::DontNeed).ok();
        }
    }

    /// Brings what was written to the disk (fdatasync).
    ///
    /// # Errors
    ///
    /// [`Error::Io`]. The tiles are then lost: write the table again.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|source| Error::io(&self.path, "bring the tiles to the disk", source))
    }

    pub(super) fn need_writer(&self) -> Result<()> {
        if self.writer.is_some() {
            return Ok(());
        }
        Err(Error::ReadOnly { path: self.path.clone(), what: "the tiles were opened for reading".into() })
    }
}

impl Drop for TiledColumn {
    fn drop(&mut self) {
        if let Some(entry) = &self.writer {
            release(entry);
        }
    }
}

/// Marks the table as written by tiles.
fn claim(table: &Path) -> Result<Arc<Entry>> {
    let entry = Entry::of(table);
    {
        let mut turn = entry.usable_turn(false)?;
        if turn.state.tables != 0 {
            return Err(Error::InUse { path: table.into(), by: "an open table handle" });
        }
        let pids = registry::lock_holders(table);
        if !pids.is_empty() {
            return Err(Error::Locked { path: table.into(), pids });
        }
        turn.state.tile_writers += 1;
    }
    Ok(entry)
}

fn release(entry: &Entry) {
    let mut turn = entry.turn(false);
    turn.state.tile_writers = turn.state.tile_writers.saturating_sub(1);
}

/// The one set of tiles that holds every row in order.
fn single_cube<'h>(header: &'h TiledHeader, manager: &str) -> std::result::Result<&'h Cube, NotTiled> {
    if manager == "TiledColumnStMan" {
        return match &header.cubes[..] {
            [cube] => Ok(cube),
            cubes => Err(NotTiled::Shapes(cubes.len())),
        };
    }
    // The first cube of a tiled shape manager stands for undefined cells.
    match (&header.cubes[..], &header.runs[..]) {
        ([_, cube], [run]) if run.cube == 1 && run.last_row + 1 == header.rows && run.last_position == run.last_row => {
            Ok(cube)
        }
        ([] | [_] | [_, _], _) => Err(NotTiled::Rows),
        (cubes, _) => Err(NotTiled::Shapes(cubes.len() - 1)),
    }
}

impl Geometry {
    /// From a cube in casacore's order of axes; `Err(Some(axes))` for cells of more than two, `Err(None)` for nonsense.
    fn of(cube: &Cube, rows: u64) -> std::result::Result<Self, Option<usize>> {
        let (Some((&cube_rows, cell)), Some((&tile_rows, tile))) = (cube.shape.split_last(), cube.tile.split_last())
        else {
            return Err(None);
        };
        if cell.len() > 2 {
            return Err(Some(cell.len()));
        }
        if cell.len() != tile.len() || cube_rows < rows {
            return Err(None);
        }
        let axis = |shape: &[u64], axis: usize| -> std::result::Result<usize, Option<usize>> {
            let length = usize::try_from(shape.get(axis).copied().unwrap_or(1)).map_err(|_| None)?;
            if length == 0 || length > i32::MAX as usize { Err(None) } else { Ok(length) }
        };
        let geometry = Self {
            rows,
            cell: [axis(cell, 1)?, axis(cell, 0)?],
            tile: [axis(&[tile_rows], 0)?, axis(tile, 1)?, axis(tile, 0)?],
        };
        let cell_values = geometry.cell[0].checked_mul(geometry.cell[1]);
        let tile_values = geometry.tile.iter().try_fold(1_usize, |n, &along| n.checked_mul(along));
        if cell_values.is_some() && tile_values.is_some() { Ok(geometry) } else { Err(None) }
    }
}

fn tile_bytes(geometry: &Geometry, kind: DataType) -> Option<usize> {
    let values = geometry.tile_values();
    match kind {
        DataType::Bool => Some(values.div_ceil(8)),
        kind => values.checked_mul(kind.size()?),
    }
}
