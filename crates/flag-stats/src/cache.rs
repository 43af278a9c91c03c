//! Counting once.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use casacore::column_files;
use casacore::plain::Reader;
use casacore::tiles::TiledColumn;
use stamped_cache::{Cache, Explanation, Key, LookUpError, Options, Stats, Store, Tracker};

use crate::count::Job;
use crate::labels::{self, Labels};
use crate::rowmap::{self, RowMap, Shapes};
use crate::sums::{Columns, Sums};
use crate::touched::{Before, Layout, Recent, Recents, Work, trace};
use crate::{Error, FlagStats, Way, read};

/// Choices of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountOptions {
    /// The most time bins, at most 4,096. A set with no more distinct TIMEs has one bin for each; another has its whole
    /// range in so many equal bins, less those without rows. Default 512.
    pub time_bins: usize,
    /// The most columns of the matrices; with more channels, neighbours share one. Default 1,024.
    pub matrix_columns: usize,
    /// Whether tiles are read directly where that is possible. The result is the same. Default true.
    pub by_tiles: bool,
}

impl Default for CountOptions {
    fn default() -> Self {
        Self { time_bins: 512, matrix_columns: 1024, by_tiles: true }
    }
}

/// Flag counts that are never stale: kept in memory, and on disk if wanted, while the files that they were counted from are
/// unchanged.
///
/// Those are the files of the storage managers of FLAG, FLAG_ROW, ANTENNA1, ANTENNA2, DATA_DESC_ID, FIELD_ID, SCAN_NUMBER and
/// TIME, and of the columns that are read of ANTENNA, DATA_DESCRIPTION, FIELD and POLARIZATION; each table's `table.dat`
/// too. What the rows belong to is kept apart from the counts, so that after a change of FLAG only FLAG is read again. Its
/// tiles are then compared with what they were; all are counted where one differs, save after
/// [`FlagCache::while_writing`], which counts those again that a writer touched.
///
/// A set that refers to other tables (a selection, a concatenation, forwarded columns) is counted at every look-up.
pub struct FlagCache {
    options: CountOptions,
    part: String,
    stats: Cache<FlagStats>,
    rows: Cache<Known>,
    recents: Recents,
    tiles_counted: AtomicU64,
    tiles_compared: AtomicU64,
}

impl std::fmt::Debug for FlagCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlagCache").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Default for FlagCache {
    fn default() -> Self {
        Self::new(CountOptions::default(), Options::default())
    }
}

impl FlagCache {
    /// An empty cache in memory. `cache` bounds the counts and, again, what is kept of the rows.
    #[must_use]
    pub fn new(options: CountOptions, cache: Options) -> Self {
        Self {
            options,
            part: format!("flags {} {} {}", options.time_bins, options.matrix_columns, options.by_tiles),
            stats: Cache::new(cache.clone(), FlagStats::bytes),
            rows: Cache::new(cache, |known| known.map.bytes() + known.structure.len() as u64),
            recents: Recents::default(),
            tiles_counted: AtomicU64::new(0),
            tiles_compared: AtomicU64::new(0),
        }
    }

    /// The same with the counts on disk too, so that the next process starts warm. Open the store with the namespace
    /// `flag-stats` and [`FlagCache::STORE_VERSION`].
    #[must_use = "the cache with the store is returned"]
    pub fn with_store(mut self, store: Store) -> Self {
        self.stats = self.stats.with_store(store);
        self
    }

    /// The version of the form in which counts are on disk.
    pub const STORE_VERSION: u32 = 1;

    /// The counts of the set at `path`: those that are held, if every file is unchanged, else counted now.
    ///
    /// # Errors
    /// [`Error`]; nothing is kept then.
    pub fn stats(&self, path: impl AsRef<Path>) -> Result<Arc<FlagStats>, Error> {
        let key = self.key(path)?;
        let found = self.stats.get_or_read(&key, |files| self.count(&key, files));
        match found {
            Err(LookUpError::Read(Outcome::Passing(stats))) => Ok(stats),
            Err(LookUpError::Read(Outcome::Failed(error))) => Err(error),
            Err(LookUpError::Unsettled { attempts, change }) => {
                Err(Error::Unsettled { path: change.path.clone(), attempts })
            }
            Err(_) => Err(Error::Unsettled { path: key.path().into(), attempts: 1 }),
            Ok(stats) => Ok(stats),
        }
    }

    /// Why the last look-up of `path` counted or did not.
    ///
    /// # Errors
    /// [`Error::Cache`] where the path cannot be resolved.
    pub fn explain(&self, path: impl AsRef<Path>) -> Result<Explanation, Error> {
        Ok(self.stats.explain(&self.key(path)?))
    }

    /// What the cache of counts has done.
    pub fn cache_stats(&self) -> Stats {
        self.stats.stats()
    }

    /// What the cache of rows has done.
    pub fn row_stats(&self) -> Stats {
        self.rows.stats()
    }

    fn key(&self, path: impl AsRef<Path>) -> Result<Key, Error> {
        Ok(Key::new(path)?.part(&self.part))
    }

    fn count(&self, key: &Key, files: &mut Tracker<'_>) -> Result<FlagStats, Outcome<FlagStats>> {
        let path = key.path();
        let mut whole = name(files, path, &["FLAG"])?;
        whole &= name(files, path, &rowmap::COLUMNS)?;
        let source = Source::open(path, &self.options)?;
        let known = self.known(key, &source)?;
        for (subtable, folder) in source.table.subtables().map_err(Error::from)? {
            if let Some((_, columns)) = labels::COLUMNS.iter().find(|(name, _)| *name == subtable) {
                whole &= name(files, &folder, columns)?;
            }
        }
        let stats = match &source.column {
            Some(column) => self.tiles(key, &source, column, &known)?,
            None => source.count(&known.map, &self.options)?,
        };
        if whole { Ok(stats) } else { Err(Outcome::Passing(Arc::new(stats))) }
    }

    /// What the rows of a set belong to, from the cache of that.
    fn known(&self, key: &Key, source: &Source) -> Result<Arc<Known>, Error> {
        let (part, shapes) = match source.column.as_ref() {
            Some(column) => {
                let [channels, correlations] = column.cell();
                (format!("rows {} {channels} {correlations}", self.options.time_bins), Shapes::All(column.cell()))
            }
            None => (format!("rows {}", self.options.time_bins), Shapes::Each),
        };
        self.row_map(&key.part(&part), shapes)
    }

    /// Counts the tiles of FLAG: those that may differ from what they were when they were counted last.
    fn tiles(&self, key: &Key, source: &Source, column: &TiledColumn, known: &Arc<Known>) -> Result<FlagStats, Error> {
        let labels = source.labels(&known.map)?;
        let (layout, trace, recent) = (Layout::of(column), trace(column), self.recents.get(key));
        if let Some(recent) = recent.filter(|recent| recent.pays(trace) && recent.fits(known, &labels, layout)) {
            let digests = read::digests(column)?;
            self.tiles_compared.fetch_add(digests.len() as u64, Ordering::Relaxed);
            let counted = recent.counted(&digests, |touched| {
                let (stats, _) = source.count_tiles(&known.map, &labels, &self.options, Some(touched), false)?;
                let tiles = touched.iter().filter(|&&touched| touched).count();
                self.tiles_counted.fetch_add(tiles as u64, Ordering::Relaxed);
                Ok::<_, Error>(stats)
            })?;
            if let Some(stats) = counted {
                self.recents.put(key, Recent::new(&stats, known, labels, layout, trace, digests));
                return Ok(stats);
            }
        }
        let (stats, digests) = source.count_tiles(&known.map, &labels, &self.options, None, true)?;
        self.tiles_counted.fetch_add(digests.len() as u64, Ordering::Relaxed);
        self.recents.put(key, Recent::new(&stats, known, labels, layout, trace, digests));
        Ok(stats)
    }

    /// Runs `write`, which changes FLAG of the set at `path` in `rows`, so that the next look-up counts only the tiles of
    /// those rows again. What they have now is counted first.
    ///
    /// What is said about `rows` is not relied on: the next look-up compares all tiles with what they were, and counts
    /// everything where another one differs, or where rows, antennas, times or FLAG_ROW do. Whatever keeps that from being
    /// prepared (flags that are not tiles, a set that is being written) leaves it to count in full.
    pub fn while_writing<R>(&self, path: impl AsRef<Path>, rows: &[Range<u64>], write: impl FnOnce() -> R) -> R {
        if let Ok(Some((key, recent))) = self.about_to_change(path.as_ref(), rows) {
            self.recents.put(&key, recent);
        }
        write()
    }

    /// What the tiles of `rows` have before they are written.
    fn about_to_change(&self, path: &Path, rows: &[Range<u64>]) -> Result<Option<(Key, Recent)>, Error> {
        self.stats(path)?;
        let key = self.key(path)?;
        let Some(recent) = self.recents.get(&key) else { return Ok(None) };
        let source = Source::open(key.path(), &self.options)?;
        let Some(column) = &source.column else { return Ok(None) };
        let labels = source.labels(&recent.known.map)?;
        if !recent.fits(&recent.known, &labels, Layout::of(column)) {
            return Ok(None);
        }
        let (grid, tile_rows) = (column.grid(), column.tile()[0] as u64);
        let mut touched = vec![false; grid.iter().product()];
        let along = grid[1] * grid[2];
        for range in rows.iter().filter(|range| !range.is_empty()) {
            let last = ((range.end - 1) / tile_rows).min(grid[0].saturating_sub(1) as u64) as usize;
            let first = (range.start / tile_rows) as usize * along;
            touched.get_mut(first..(last + 1) * along).into_iter().flatten().for_each(|touched| *touched = true);
        }
        let map = &recent.known.map;
        let (stats, digests) = source.count_tiles(map, &labels, &self.options, Some(&touched), true)?;
        let tiles = touched.iter().filter(|&&touched| touched).count();
        self.tiles_counted.fetch_add(tiles as u64, Ordering::Relaxed);
        // What was counted now is a part of what was counted before only if these tiles are as they were.
        let mut same = digests.iter().zip(&recent.digests).zip(&touched);
        if !same.all(|((now, then), touched)| !touched || now == then) {
            return Ok(None);
        }
        let before = Some(Before { touched, stats });
        let (known, all) = (Arc::clone(&recent.known), Arc::clone(&recent.stats));
        let (layout, trace, digests) = (recent.layout, recent.trace, recent.digests.clone());
        Ok(Some((key, Recent { stats: all, known, labels, layout, digests, trace, before })))
    }

    /// What was done to tiles so far.
    pub fn work(&self) -> Work {
        Work {
            tiles_counted: self.tiles_counted.load(Ordering::Relaxed),
            tiles_compared: self.tiles_compared.load(Ordering::Relaxed),
        }
    }
}

/// What rows belong to, and the `table.dat` that was in force. casacore writes that file anew, the same bytes, whenever it
/// closes a table that it wrote: its content is compared, not its times.
#[derive(Debug, PartialEq)]
pub(crate) struct Known {
    structure: Vec<u8>,
    pub(crate) map: RowMap,
}

impl FlagCache {
    fn row_map(&self, key: &Key, shapes: Shapes) -> Result<Arc<Known>, Error> {
        let path = key.path();
        let now = structure(path)?;
        let read = |files: &mut Tracker<'_>| -> Result<Known, Outcome<Known>> {
            let structure = structure(path)?;
            let mut whole = name_columns(files, path, &rowmap::COLUMNS)?;
            if let Shapes::Each = shapes {
                whole &= name_columns(files, path, &["FLAG"])?;
            }
            // Opened after its files were named.
            let map = RowMap::read(&Reader::open(path).map_err(Error::from)?, shapes, self.options.bins())?;
            let known = Known { structure, map };
            if whole { Ok(known) } else { Err(Outcome::Passing(Arc::new(known))) }
        };
        if self.rows.get(key).is_some_and(|known| known.structure != now) {
            self.rows.invalidate(key);
        }
        let known = match self.rows.get_or_read(key, read) {
            Ok(known) | Err(LookUpError::Read(Outcome::Passing(known))) => known,
            Err(LookUpError::Read(Outcome::Failed(error))) => return Err(error),
            Err(LookUpError::Unsettled { attempts, change }) => {
                return Err(Error::Unsettled { path: change.path.clone(), attempts });
            }
            Err(_) => return Err(Error::Unsettled { path: path.into(), attempts: 1 }),
        };
        if known.structure != now || known.structure != structure(path)? {
            return Err(Error::Unsettled { path: path.join("table.dat"), attempts: 1 });
        }
        Ok(known)
    }
}

fn structure(table: &Path) -> Result<Vec<u8>, Error> {
    let path = table.join("table.dat");
    std::fs::read(&path).map_err(|source| Error::Structure { path, source })
}

/// Counts the flags of the set at `path` now.
///
/// # Errors
/// [`Error`].
pub fn count(path: impl AsRef<Path>, options: &CountOptions) -> Result<FlagStats, Error> {
    let path = path.as_ref();
    let source = Source::open(path, options)?;
    let shapes = source.column.as_ref().map_or(Shapes::Each, |column| Shapes::All(column.cell()));
    let map = RowMap::read(&source.table, shapes, options.bins())?;
    source.count(&map, options)
}

impl CountOptions {
    fn bins(&self) -> usize {
        self.time_bins.clamp(1, 4096)
    }
}

/// A set that is open, and how its FLAG is to be read.
struct Source {
    table: Reader,
    column: Option<TiledColumn>,
    way: Way,
}

impl Source {
    fn open(path: &Path, options: &CountOptions) -> Result<Self, Error> {
        let table = Reader::open(path)?;
        let tiled = if options.by_tiles { TiledColumn::open(path, "FLAG").map(Some) } else { Ok(None) };
        let (column, way) = match tiled {
            Ok(Some(column)) if column.kind() == casacore::DataType::Bool => (Some(column), Way::Tiles),
            Ok(_) => (None, Way::Rows { because: "asked for".into() }),
            Err(casacore::Error::NotTiled { reason, .. }) => (None, Way::Rows { because: reason.to_string() }),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { table, column, way })
    }

    /// The names that the rows need.
    fn labels(&self, map: &RowMap) -> Result<Labels, Error> {
        if let Some(column) = &self.column
            && column.rows() != map.rows
        {
            return Err(Error::Rows { path: self.table.path().into(), flags: column.rows(), rows: map.rows });
        }
        let labels = Labels::read(&self.table)?;
        labels.check(&self.table, map)?;
        Ok(labels)
    }

    /// Counts everything.
    fn count(&self, map: &RowMap, options: &CountOptions) -> Result<FlagStats, Error> {
        let labels = self.labels(map)?;
        Ok(self.count_tiles(map, &labels, options, None, false)?.0)
    }

    /// Counts everything, or the tiles that are `touched`; with `digested`, gives the digests of the tiles.
    fn count_tiles(
        &self,
        map: &RowMap,
        labels: &Labels,
        options: &CountOptions,
        touched: Option<&[bool]>,
        digested: bool,
    ) -> Result<(FlagStats, Vec<crate::touched::Digest>), Error> {
        let columns = Columns::new(map, labels, options.matrix_columns);
        let (flag, row_only) = (Sums::new(map, &columns), Sums::new(map, &columns));
        let job = Job { map, columns: &columns, flag: &flag, row_only: &row_only };
        let digests = match &self.column {
            Some(column) => read::tiles(column, &job, touched, digested)?,
            None => {
                read::rows(&self.table, &job)?;
                Vec::new()
            }
        };
        Ok((FlagStats::new(map, labels, columns, &flag, &row_only, self.way.clone()), digests))
    }
}

/// Why a look-up does not keep a value.
#[derive(Debug)]
enum Outcome<V> {
    /// It failed.
    Failed(Error),
    /// The value comes from files that are not all known: good for this look-up only.
    Passing(Arc<V>),
}

impl<V> From<Error> for Outcome<V> {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Names the files of some columns of a table, before they are read. False where the table refers to others.
fn name(files: &mut Tracker<'_>, table: &Path, columns: &[&str]) -> Result<bool, Error> {
    files.file(&table.join("table.dat"));
    name_columns(files, table, columns)
}

/// The same without `table.dat`.
fn name_columns(files: &mut Tracker<'_>, table: &Path, columns: &[&str]) -> Result<bool, Error> {
    let found: Option<Vec<PathBuf>> = column_files(table, columns)?;
    for file in found.iter().flatten() {
        files.file(file);
    }
    Ok(found.is_some())
}
