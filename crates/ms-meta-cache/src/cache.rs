//! Look-ups.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use casacore::Operations;
use stamped_cache::{Cache, Explanation, Key, LookUpError, Options, Stats, Store, StoreOptions};
use vis_types::{MsLayout, MsMetadata, MsRows, MsSubtables};

use crate::files::{self, Which};
use crate::{Error, main_table, subtables};

/// Raised when a part changes its meaning.
const VERSION: u32 = 1;

/// A Measurement Set's name, resolved once. Made for a path and kept for as many look-ups as there are; says nothing
/// about the set's state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MsSet(Key);

impl MsSet {
    /// The set at `path`, with symbolic links resolved. Costs some system calls.
    ///
    /// # Errors
    /// [`Error::Cache`] when the path's folder does not exist or may not be searched.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self(Key::new(path)?))
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The key of the rows that a layout has: whatever is read of them follows from the layout and from the files of the
    /// managers. `table.dat` and `table.lock` are not among these, since casacore writes them anew with any column.
    fn rows(&self, layout: &MsLayout) -> Key {
        let mut hasher = DefaultHasher::new();
        (&layout.columns, &layout.managers).hash(&mut hasher);
        self.0.part(&format!("{} rows of {:016x}", layout.rows, hasher.finish()))
    }

    /// What tells that the structure has not been written meanwhile.
    fn structure(&self) -> Option<[i64; 5]> {
        let m = std::fs::metadata(self.path().join("table.dat")).ok()?;
        Some([m.ino().cast_signed(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()])
    }
}

/// What Measurement Sets say about themselves, in memory and, where asked for, on disk.
///
/// Shared between threads by reference. See the [crate's page](crate) for what it promises and costs.
pub struct MsMetaCache {
    subtables: Cache<MsSubtables>,
    layouts: Cache<MsLayout>,
    rows: Cache<MsRows>,
    operations: Operations,
}

/// What the last look-ups of a set's parts did, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Of [`MsMetaCache::subtables`].
    pub subtables: Explanation,
    /// Of [`MsMetaCache::layout`].
    pub layout: Explanation,
    /// Of [`MsMetaCache::rows`]; `None` where the layout is not held, which rows are then meant is not known.
    pub rows: Option<Explanation>,
}

/// What the caches of the parts have done so far.
#[derive(Clone, Copy, Debug)]
pub struct PartStats {
    /// Of [`MsMetaCache::subtables`].
    pub subtables: Stats,
    /// Of [`MsMetaCache::layout`].
    pub layout: Stats,
    /// Of [`MsMetaCache::rows`].
    pub rows: Stats,
}

impl Default for MsMetaCache {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl MsMetaCache {
    /// A cache in memory. Each of the three parts has a third of [`Options::capacity_bytes`].
    #[must_use]
    pub fn new(options: Options) -> Self {
        let options = Options { capacity_bytes: options.capacity_bytes / 3, ..options };
        Self {
            subtables: Cache::new(options.clone(), weigh_subtables),
            layouts: Cache::new(options.clone(), weigh_layout),
            rows: Cache::new(options, weigh_rows),
            operations: Operations::new(),
        }
    }

    /// The same with on-disk stores below `folder`, so that the next process starts warm.
    ///
    /// # Errors
    /// [`Error::Cache`] when the folder cannot be used. Damaged content is not an error.
    pub fn with_store(self, folder: impl AsRef<Path>, options: &StoreOptions) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let open = |part: &str| Store::open(folder, part, VERSION, options.clone());
        Ok(Self {
            subtables: self.subtables.with_store(open("ms-subtables")?),
            layouts: self.layouts.with_store(open("ms-layout")?),
            rows: self.rows.with_store(open("ms-rows")?),
            operations: self.operations,
        })
    }

    /// All three parts.
    ///
    /// # Errors
    /// Those of the parts.
    pub fn metadata(&self, set: &MsSet) -> Result<Arc<MsMetadata>, Error> {
        let subtables = self.subtables(set)?;
        let (layout, rows) = self.layout_and_rows(set)?;
        Ok(Arc::new(MsMetadata { subtables, layout, rows }))
    }

    /// What the six subtables say: good while MAIN's `table.dat` (which names them) and every file of theirs is unchanged.
    ///
    /// # Errors
    /// [`Error::NoSet`], [`Error::NoSubtable`], or what is wrong with a subtable.
    pub fn subtables(&self, set: &MsSet) -> Result<Arc<MsSubtables>, Error> {
        let read = self.subtables.get_or_read(&set.0, |tracker| {
            let main = set.path().join("table.dat");
            if !tracker.file(&main).is_file() {
                return Err(Error::NoSet { path: set.path().into() });
            }
            let known = main_table::subtables(set.path(), &self.operations)?;
            let mut paths = [set.path(); subtables::NAMES.len()];
            for (path, name) in paths.iter_mut().zip(subtables::NAMES) {
                let absent = || Error::NoSubtable { path: set.path().into(), name };
                let (_, place) = known.iter().find(|(known, _)| known == name).ok_or_else(absent)?;
                if !tracker.file(&place.join("table.dat")).exists() {
                    return Err(absent());
                }
                files::track(tracker, place, &Which::All)?;
                *path = place;
            }
            subtables::read(paths, &self.operations)
        });
        read.map_err(|error| of_look_up(set, error))
    }

    /// MAIN's columns and their storage: good while MAIN's `table.dat`, `table.lock` and the managers' `table.fN` are
    /// unchanged. Writing tiles does not touch it.
    ///
    /// # Errors
    /// [`Error::NoSet`], [`Error::Open`].
    pub fn layout(&self, set: &MsSet) -> Result<Arc<MsLayout>, Error> {
        let read = self.layouts.get_or_read(&set.0, |tracker| {
            if !set.path().join("table.dat").is_file() {
                return Err(Error::NoSet { path: set.path().into() });
            }
            files::track(tracker, set.path(), &Which::Structure)?;
            main_table::layout(set.path(), &self.operations)
        });
        read.map_err(|error| of_look_up(set, error))
    }

    /// What the rows of MAIN are: good while the layout and the files of the managers that hold the eight columns read are
    /// unchanged. Writing DATA or FLAG does not touch it where those have managers of their own.
    ///
    /// # Errors
    /// [`Error::NoSet`], [`Error::Column`] for a column that is missing or cannot be read.
    pub fn rows(&self, set: &MsSet) -> Result<Arc<MsRows>, Error> {
        self.layout_and_rows(set).map(|(_, rows)| rows)
    }

    /// The rows, and the layout that they belong to.
    fn layout_and_rows(&self, set: &MsSet) -> Result<(Arc<MsLayout>, Arc<MsRows>), Error> {
        const ATTEMPTS: usize = 3;
        let unsettled = || Error::Unsettled { path: set.path().into(), change: None };
        for _ in 0..ATTEMPTS {
            let structure = set.structure();
            let layout = self.layout(set)?;
            let read = self.rows.get_or_read(&set.rows(&layout), |tracker| {
                let managers = main_table::COLUMNS.map(|column| layout.manager_of(column).and_then(|m| m.file));
                files::track(tracker, set.path(), &Which::Managers(&managers))?;
                let rows = main_table::rows(set.path(), layout.rows, &self.operations)?;
                // What was read is the rows of this layout only if it was the layout all the time.
                let steady = set.structure() == structure && *self.layout(set)? == *layout;
                rows.filter(|_| steady).ok_or_else(unsettled)
            });
            match read {
                Err(LookUpError::Read(Error::Unsettled { change: None, .. })) => {}
                other => return other.map(|rows| (layout, rows)).map_err(|error| of_look_up(set, error)),
            }
        }
        Err(unsettled())
    }

    /// Drops everything that is held of a set. Needed only after changes that leave no trace in a file's times, such as
    /// through a memory map.
    pub fn invalidate(&self, set: &MsSet) {
        if let Some(layout) = self.layouts.get(&set.0) {
            self.rows.invalidate(&set.rows(&layout));
        }
        self.subtables.invalidate(&set.0);
        self.layouts.invalidate(&set.0);
    }

    /// What the last look-ups of a set did, and why. Call it after them.
    pub fn explain(&self, set: &MsSet) -> Explained {
        let (subtables, layout) = (self.subtables.explain(&set.0), self.layouts.explain(&set.0));
        let rows = self.layouts.get(&set.0).map(|layout| self.rows.explain(&set.rows(&layout)));
        Explained { subtables, layout, rows }
    }

    /// What the caches have done so far.
    pub fn stats(&self) -> PartStats {
        PartStats { subtables: self.subtables.stats(), layout: self.layouts.stats(), rows: self.rows.stats() }
    }

    /// Counts the tables opened and the columns read.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }
}

impl std::fmt::Debug for MsMetaCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MsMetaCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

fn of_look_up(set: &MsSet, error: LookUpError<Error>) -> Error {
    match error {
        LookUpError::Read(error) => error,
        LookUpError::Unsettled { change, .. } => Error::Unsettled { path: set.path().into(), change: Some(change) },
        _ => Error::Unsettled { path: set.path().into(), change: None },
    }
}

fn weigh_subtables(value: &MsSubtables) -> u64 {
    let lists = |w: &vis_types::SpectralWindow| {
        let optional = |list: &Option<Vec<f64>>| list.as_ref().map_or(0, Vec::len);
        200 + w.name.len()
            + 8 * (w.freq_hz.len() + w.width_hz.len() + optional(&w.effective_bw_hz) + optional(&w.resolution_hz))
    };
    let bytes = value.windows.iter().map(lists).sum::<usize>()
        + value.fields.iter().map(|f| 400 + f.name.len() + 48 * f.phase.terms.len()).sum::<usize>()
        + value.antennas.iter().map(|a| 300 + a.name.len() + a.station.len()).sum::<usize>()
        + value.polarizations.iter().map(|p| 80 + 12 * p.codes.len()).sum::<usize>()
        + 24 * value.data_descriptions.len()
        + 400 * value.observations.len();
    bytes as u64
}

fn weigh_layout(value: &MsLayout) -> u64 {
    let paths = |(name, path): &(String, PathBuf)| 60 + name.len() + path.as_os_str().len();
    let managers = value.managers.iter().map(|m| 250 + 40 * m.columns.len() + 120 * m.tiles.len()).sum::<usize>();
    (120 * value.columns.len() + managers + value.subtables.iter().map(paths).sum::<usize>()) as u64
}

fn weigh_rows(value: &MsRows) -> u64 {
    (8 * value.times.len() + size_of::<vis_types::RowGroup>() * value.groups.len()) as u64
}
