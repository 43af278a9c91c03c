//! Counting once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use casacore::column_files;
use casacore::plain::Reader;
use casacore::tiles::TiledColumn;
use stamped_cache::{Cache, Explanation, Key, LookUpError, Options, Stats, Store, Tracker};

use crate::count::Job;
use crate::labels::{self, Labels};
use crate::rowmap::{self, RowMap, Shapes};
use crate::sums::{Columns, Sums};
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
/// too. What the rows belong to is kept apart from the counts, so that after a change of FLAG only FLAG is read again: all
/// of it, whoever changed what, since telling which tiles differ takes as long as counting them.
///
/// A set that refers to other tables (a selection, a concatenation, forwarded columns) is counted at every look-up.
pub struct FlagCache {
    options: CountOptions,
    part: String,
    stats: Cache<FlagStats>,
    rows: Cache<Known>,
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
        let stats = source.count(&known.map, &self.options)?;
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
        let columns = Columns::new(map, &labels, options.matrix_columns);
        let (flag, row_only) = (Sums::new(map, &columns), Sums::new(map, &columns));
        let job = Job { map, columns: &columns, flag: &flag, row_only: &row_only };
        match &self.column {
            Some(column) => read::tiles(column, &job)?,
            None => read::rows(&self.table, &job)?,
        }
        Ok(FlagStats::new(map, &labels, columns, &flag, &row_only, self.way.clone()))
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
