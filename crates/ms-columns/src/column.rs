//! A column to be read, and one to be written beside its old values.

use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use casacore::tiles::TiledColumn;
use casacore::{DataType, Element, Table};
use rayon::prelude::*;

use crate::shapes::Shapes;
use crate::{Error, Result, shadow};

/// A column of the set, for reading from many threads: by tiles where it has its own, else through casacore in turns.
#[derive(Clone, Debug)]
pub struct Input<T> {
    set: PathBuf,
    name: String,
    shapes: Arc<Shapes>,
    source: Arc<Source>,
    kind: PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum Source {
    Tiled(Box<TiledColumn>),
    General(Mutex<Table>),
}

impl<T: Element> Input<T> {
    /// Opens a column of the set at `path` as it is now.
    ///
    /// # Errors
    ///
    /// [`casacore::Error::NoColumn`], [`Error::Kind`], or what keeps the table from being read.
    pub fn open(path: &Path, column: &str) -> Result<Self> {
        let table = Table::open(path)?;
        let set = table.path().to_owned();
        let found = table.column(column)?.kind;
        if found != T::TYPE {
            return Err(Error::Kind { path: set, column: column.to_owned(), found, asked: T::TYPE });
        }
        let (shapes, source) = match TiledColumn::open(&set, column) {
            Ok(tiles) => (Shapes::One(tiles.cell()), Source::Tiled(Box::new(tiles))),
            Err(casacore::Error::NotTiled { .. }) => (Shapes::of(&table, column)?, Source::General(Mutex::new(table))),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { set, name: column.to_owned(), shapes: shapes.into(), source: source.into(), kind: PhantomData })
    }

    /// The column's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The channels and correlations of the cells in `rows`. A cell of one axis is one channel of so many correlations, a
    /// scalar one of each.
    ///
    /// # Errors
    ///
    /// [`Error::Cells`] where cells differ or have no value.
    pub fn cell(&self, rows: &Range<u64>) -> Result<[usize; 2]> {
        self.shapes.cell(&self.set, &self.name, rows)
    }

    /// Reads whole rows into `out`, `[row, channel, correlation]` with the last axis fastest.
    ///
    /// # Errors
    ///
    /// [`Error::Cells`] where cells differ or `out` has another length; what keeps the values from being read.
    pub fn read(&self, rows: Range<u64>, out: &mut [T]) -> Result<()> {
        let cell = self.cell(&rows)?;
        check_length(&self.set, &self.name, &rows, cell, out.len())?;
        match &*self.source {
            Source::Tiled(tiles) => tiles.read(rows, tiles.channels(), out)?,
            Source::General(table) => lock(table).read(&self.name, rows, out)?,
        }
        Ok(())
    }

    /// As [`Self::read`], into a vector that is resized.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_into(&self, rows: Range<u64>, out: &mut Vec<T>) -> Result<()>
    where
        T: Default,
    {
        let [channels, correlations] = self.cell(&rows)?;
        out.resize((rows.end - rows.start) as usize * channels * correlations, T::default());
        self.read(rows, out)
    }

    /// Rows in a tile, for reading that way; 1 where there are no tiles.
    #[must_use]
    pub fn tile_rows(&self) -> u64 {
        match &*self.source {
            Source::Tiled(tiles) => tiles.tile()[0] as u64,
            Source::General(_) => 1,
        }
    }

    /// The rows at which cells of another shape begin.
    pub fn shape_changes(&self) -> impl Iterator<Item = u64> + '_ {
        self.shapes.changes()
    }
}

/// A column that an [edit](crate::ColumnEdit) changes. Threads share it.
///
/// What is written goes to a file beside the old one; [`Self::old`] reads the old values at any time. Rows that are never
/// written keep their old values.
#[derive(Clone, Debug)]
pub struct Output<T> {
    pub(crate) column: Arc<Column>,
    pub(crate) kind: PhantomData<fn() -> T>,
}

/// The untyped column of an edit.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) set: PathBuf,
    pub(crate) name: String,
    pub(crate) kind: DataType,
    pub(crate) shapes: Shapes,
    pub(crate) way: Way,
}

#[derive(Debug)]
pub(crate) enum Way {
    Tiled(Box<Tiles>),
    /// The shadow's table: it has the old values until they are overwritten, so `original` is where those are read.
    General {
        shadow: Arc<Mutex<Option<Table>>>,
        original: Option<(Arc<Mutex<Table>>, String)>,
    },
}

/// The tiles of a column, old and new.
#[derive(Debug)]
pub(crate) struct Tiles {
    /// Where values come from that are not written; nothing for a new column of zeros.
    pub(crate) old: Option<TiledColumn>,
    pub(crate) new: TiledColumn,
    /// Which tiles of the new file hold values, whole.
    written: Vec<AtomicBool>,
    turns: [Mutex<()>; 32],
    /// For old tiles that the new ones replace: all tiles before this one are written, and the old ones' memory was given
    /// back.
    passed: Option<Mutex<usize>>,
}

/// Old tiles of so many bytes are given back at once.
const GIVEN_BYTES: usize = 4 << 20;

impl Tiles {
    /// `new` is of a file that is one hole; the old file of the same column goes when it gets its place.
    pub(crate) fn new(old: Option<TiledColumn>, mut new: TiledColumn) -> Result<Self> {
        new.assume_holes()?;
        let tiles = new.grid().iter().product();
        let written = std::iter::repeat_with(|| AtomicBool::new(false)).take(tiles).collect();
        let passed = old.as_ref().is_some_and(|old| old.name() == new.name()).then(Mutex::default);
        Ok(Self { old, new, written, turns: [const { Mutex::new(()) }; 32], passed })
    }

    /// Whether the rows and channels are whole tiles.
    fn covers(&self, rows: &Range<u64>, channels: &Range<usize>) -> bool {
        let [tile_rows, tile_channels, _] = self.new.tile();
        let whole = |start: u64, end: u64, tile: u64, all: u64| {
            start.is_multiple_of(tile) && (end.is_multiple_of(tile) || end == all)
        };
        whole(rows.start, rows.end, tile_rows as u64, self.new.rows())
            && whole(channels.start as u64, channels.end as u64, tile_channels as u64, self.new.cell()[0] as u64)
    }

    /// The numbers of the tiles that a window of rows and channels touches.
    fn tiles(&self, rows: &Range<u64>, channels: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
        let ([tile_rows, tile_channels, _], [_, along, deep]) = (self.new.tile(), self.new.grid());
        let (first, last) = (rows.start as usize / tile_rows, (rows.end as usize).div_ceil(tile_rows));
        let (left, right) = (channels.start / tile_channels, channels.end.div_ceil(tile_channels));
        (first..last)
            .flat_map(move |r| (left..right).flat_map(move |c| (0..deep).map(move |p| (r * along + c) * deep + p)))
    }

    fn write<T: Element>(&self, rows: Range<u64>, channels: Range<usize>, values: &[T]) -> casacore::Result<()> {
        if self.covers(&rows, &channels) {
            self.new.write(rows.clone(), channels.clone(), values)?;
            self.tiles(&rows, &channels).for_each(|tile| self.written[tile].store(true, Ordering::Release));
            self.give_back();
            return Ok(());
        }
        for tile in self.tiles(&rows, &channels) {
            self.keep(tile, &mut Vec::new())?;
        }
        self.new.update(rows, channels, values)
    }

    /// Lets the system have the memory of old tiles that new ones have replaced. It then has room for the next new ones, in
    /// place of pages that it has to find, and nothing is left to do when the old file goes.
    fn give_back(&self) {
        let (Some(old), Some(passed)) = (&self.old, &self.passed) else { return };
        // Who finds another thread at it leaves it to the next.
        let Ok(mut passed) = passed.try_lock() else { return };
        let written = self.written[*passed..].iter().take_while(|tile| tile.load(Ordering::Acquire)).count();
        let (end, least) = (*passed + written, GIVEN_BYTES.div_ceil(old.tile_bytes().max(1)));
        if written >= least {
            // Some tiles more at the front: pages come in larger pieces, of which one that reached into tiles that were not yet
            // written was left.
            old.release(passed.saturating_sub(least)..end);
            *passed = end;
        }
    }

    /// Brings the old values of a tile over, unless it has been written.
    fn keep(&self, tile: usize, buffer: &mut Vec<u8>) -> casacore::Result<()> {
        if self.written[tile].load(Ordering::Acquire) {
            return Ok(());
        }
        let _turn = self.turns[tile % self.turns.len()].lock().unwrap_or_else(PoisonError::into_inner);
        if self.written[tile].load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(old) = &self.old {
            buffer.resize(self.new.tile_bytes(), 0);
            old.read_tile_bytes(tile, buffer)?;
            // A tile of zeros stays a hole.
            if buffer.iter().any(|&byte| byte != 0) {
                self.new.write_tile_bytes(tile, buffer)?;
            }
        }
        self.written[tile].store(true, Ordering::Release);
        Ok(())
    }

    /// Brings over the old values of all tiles that were not written.
    pub(crate) fn keep_rest(&self) -> casacore::Result<()> {
        if self.old.is_none() {
            return Ok(());
        }
        (0..self.written.len()).into_par_iter().try_for_each_init(Vec::new, |buffer, tile| self.keep(tile, buffer))
    }
}

impl<T: Element> Output<T> {
    /// The column's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.column.name
    }

    /// The channels and correlations of the cells in `rows`; as [`Input::cell`].
    ///
    /// # Errors
    ///
    /// [`Error::Cells`] where cells differ or have no value.
    pub fn cell(&self, rows: &Range<u64>) -> Result<[usize; 2]> {
        self.column.shapes.cell(&self.column.set, &self.column.name, rows)
    }

    /// Whether the column was there before the edit.
    #[must_use]
    pub fn existed(&self) -> bool {
        match &self.column.way {
            Way::Tiled(tiles) => tiles.old.as_ref().is_some_and(|old| old.name() == self.column.name),
            Way::General { original, .. } => original.as_ref().is_some_and(|(_, name)| *name == self.column.name),
        }
    }

    /// For who will write all rows: takes the room for all of them on the disk at once where the column has tiles. They are
    /// then written in half the time, and a disk that is too full says so before anything is computed.
    ///
    /// # Errors
    ///
    /// A full disk.
    pub fn reserve(&self) -> Result<()> {
        match &self.column.way {
            Way::Tiled(tiles) => Ok(tiles.new.reserve()?),
            Way::General { .. } => Ok(()),
        }
    }

    /// Reads whole rows as they were before the edit into `out`, `[row, channel, correlation]` with the last axis
    /// fastest: of a new column what its [`Fill`](crate::Fill) says.
    ///
    /// # Errors
    ///
    /// As [`Input::read`].
    pub fn old(&self, rows: Range<u64>, out: &mut [T]) -> Result<()>
    where
        T: Default,
    {
        let cell = self.cell(&rows)?;
        check_length(&self.column.set, &self.column.name, &rows, cell, out.len())?;
        match &self.column.way {
            Way::Tiled(tiles) => match &tiles.old {
                Some(old) => old.read(rows, old.channels(), out)?,
                None => out.fill(T::default()),
            },
            Way::General { original: Some((table, name)), .. } => lock(table).read(name, rows, out)?,
            Way::General { original: None, .. } => out.fill(T::default()),
        }
        Ok(())
    }

    /// Writes whole rows from `values`, `[row, channel, correlation]` with the last axis fastest.
    ///
    /// Whole tiles of rows ([`ColumnEdit::blocks`](crate::ColumnEdit::blocks) gives them) cost a `pwrite` each; others are
    /// completed with the old values first. Threads write different rows.
    ///
    /// # Errors
    ///
    /// [`Error::Cells`] where cells differ or `values` has another length; a full disk.
    pub fn write(&self, rows: Range<u64>, values: &[T]) -> Result<()> {
        let channels = self.cell(&rows)?[0];
        self.write_channels(rows, 0..channels, values)
    }

    /// As [`Self::write`], of a window of channels.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn write_channels(&self, rows: Range<u64>, channels: Range<usize>, values: &[T]) -> Result<()> {
        let column = &*self.column;
        let cell = self.cell(&rows)?;
        if channels.start > channels.end || channels.end > cell[0] {
            return Err(Error::Cells {
                path: column.set.clone(),
                column: column.name.clone(),
                rows,
                found: format!("channels {channels:?} of cells with {}", cell[0]),
            });
        }
        check_length(&column.set, &column.name, &rows, [channels.len(), cell[1]], values.len())?;
        match &column.way {
            Way::Tiled(tiles) => tiles.write(rows, channels, values)?,
            Way::General { shadow, .. } => {
                let mut shadow = shadow.lock().unwrap_or_else(PoisonError::into_inner);
                let table = shadow.as_mut().expect("because it is closed by the commit only");
                if channels.len() == cell[0] {
                    table.write(&column.name, rows, values)?;
                } else {
                    let slice = casacore::CellSlice::new([channels, 0..cell[1]]);
                    table.write_slice(&column.name, rows, &slice, values)?;
                }
            }
        }
        Ok(())
    }
}

impl Column {
    /// Rows in a tile; 1 where there are no tiles.
    pub(crate) fn tile_rows(&self) -> u64 {
        match &self.way {
            Way::Tiled(tiles) => tiles.new.tile()[0] as u64,
            Way::General { .. } => 1,
        }
    }

    /// The bytes of a row in memory, in the largest cells.
    pub(crate) fn row_bytes(&self) -> usize {
        let largest = match &self.shapes {
            Shapes::One(cell) => cell.iter().product(),
            Shapes::Runs(runs) => {
                runs.iter().filter_map(|run| run.1).map(|cell| cell.iter().product()).max().unwrap_or(1)
            }
        };
        largest * self.kind.size().unwrap_or(8).max(1)
    }

    /// The names of the column's files that the edit replaces, once all is written.
    pub(crate) fn staged(&self, shadow_folder: &Path) -> Result<Vec<String>> {
        match &self.way {
            Way::Tiled(tiles) => Ok(vec![shadow::name(tiles.new.path())]),
            Way::General { .. } => {
                Ok(shadow::files(shadow_folder, &self.name)?.iter().map(|path| shadow::name(path)).collect())
            }
        }
    }
}

pub(crate) fn lock<V>(mutex: &Mutex<V>) -> std::sync::MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_length(set: &Path, column: &str, rows: &Range<u64>, cell: [usize; 2], values: usize) -> Result<()> {
    let count = rows.end.checked_sub(rows.start).and_then(|count| usize::try_from(count).ok());
    if count.and_then(|count| count.checked_mul(cell[0] * cell[1])) == Some(values) {
        return Ok(());
    }
    Err(Error::Cells {
        path: set.to_owned(),
        column: column.to_owned(),
        rows: rows.clone(),
        found: format!("{values} values for cells of {} channels and {} correlations", cell[0], cell[1]),
    })
}
