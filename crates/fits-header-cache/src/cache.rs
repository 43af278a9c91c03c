//! Headers, statistics and peaks, kept while their files are unchanged.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stamped_cache::{Cache, Explanation, Key, LookUpError, Options, Stats, Store, StoreOptions};

use crate::error::Error;
use crate::file::FitsFile;
use crate::pixels::{Area, Peak, Pixels, Statistics};

/// The version of the form in which they are on disk.
const STORE_VERSION: u32 = 1;

/// Headers, pixel statistics and peaks of FITS files that are never stale: kept in memory, and on disk if wanted, while the files
/// are unchanged.
///
/// A look-up costs one `stat`. Files are known by their paths as given (made absolute, links not resolved): the same file
/// under two names is read twice.
pub struct FitsCache {
    files: Cache<FitsFile>,
    statistics: Cache<Statistics>,
    peaks: Cache<Vec<Option<Peak>>>,
}

impl Default for FitsCache {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl FitsCache {
    /// An empty cache in memory. `options` bounds the headers, again the statistics, and again the peaks.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            files: Cache::new(options.clone(), FitsFile::weight),
            statistics: Cache::new(options.clone(), |_| 0),
            peaks: Cache::new(options, |peaks| (peaks.len() * size_of::<Option<Peak>>()) as u64),
        }
    }

    /// The same with all of them on disk too, below `folder`, so that the next process starts warm.
    ///
    /// # Errors
    /// [`Error::Cache`] where the folder cannot be used.
    pub fn with_folder(self, folder: impl AsRef<Path>) -> Result<Self, Error> {
        let open = |name| Store::open(folder.as_ref(), name, STORE_VERSION, StoreOptions::default());
        Ok(Self {
            files: self.files.with_store(open("fits-headers")?),
            statistics: self.statistics.with_store(open("fits-statistics")?),
            peaks: self.peaks.with_store(open("fits-peaks")?),
        })
    }

    /// The headers of the file at `path`: those that are held, if the file is unchanged, else read now.
    ///
    /// # Errors
    /// [`Error`]; nothing is kept then.
    pub fn file(&self, path: impl AsRef<Path>) -> Result<Arc<FitsFile>, Error> {
        self.file_of(&key(path.as_ref())?)
    }

    /// Statistics of an area of the first image in the file at `path`: those that are held, if the file is unchanged, else
    /// computed now.
    ///
    /// # Errors
    /// [`Error`]; nothing is kept then.
    pub fn statistics(&self, path: impl AsRef<Path>, area: &Area) -> Result<Arc<Statistics>, Error> {
        let key = key(path.as_ref())?;
        let found = self.statistics.get_or_read(&key.part(&area.to_string()), |_| {
            let file = self.file_of(&key)?;
            Pixels::of(&file, file.image()?)?.statistics(area)
        });
        plain(found, &key)
    }

    /// The peaks of areas of the first image in the file at `path`, in their order: those that are held, if the file is
    /// unchanged, else looked for now. They are held together: other areas, or another order, are looked for again.
    ///
    /// # Errors
    /// [`Error`]; nothing is kept then.
    pub fn peaks(&self, path: impl AsRef<Path>, areas: &[Area]) -> Result<Arc<Vec<Option<Peak>>>, Error> {
        let key = key(path.as_ref())?;
        let part: Vec<String> = areas.iter().map(ToString::to_string).collect();
        let found = self.peaks.get_or_read(&key.part(&part.join("; ")), |_| {
            let file = self.file_of(&key)?;
            let pixels = Pixels::of(&file, file.image()?)?;
            areas.iter().map(|area| pixels.peak(area)).collect()
        });
        plain(found, &key)
    }

    /// Why the last look-up of the headers at `path` read or did not.
    ///
    /// # Errors
    /// [`Error::Cache`] where the path cannot be one.
    pub fn explain_file(&self, path: impl AsRef<Path>) -> Result<Explanation, Error> {
        Ok(self.files.explain(&key(path.as_ref())?))
    }

    /// Why the last look-up of statistics computed or did not.
    ///
    /// # Errors
    /// [`Error::Cache`] where the path cannot be one.
    pub fn explain_statistics(&self, path: impl AsRef<Path>, area: &Area) -> Result<Explanation, Error> {
        Ok(self.statistics.explain(&key(path.as_ref())?.part(&area.to_string())))
    }

    /// What the cache of headers has done.
    pub fn file_stats(&self) -> Stats {
        self.files.stats()
    }

    /// What the cache of statistics has done; `reads` counts how often pixels were read.
    pub fn statistics_stats(&self) -> Stats {
        self.statistics.stats()
    }

    /// What the cache of peaks has done; `reads` counts how often pixels were read.
    pub fn peaks_stats(&self) -> Stats {
        self.peaks.stats()
    }

    fn file_of(&self, key: &Key) -> Result<Arc<FitsFile>, Error> {
        let found = self.files.get_or_read_named(key, |files| {
            let path = files.key_path();
            FitsFile::read_opened(path, |identity| files.opened(path, identity))
        });
        plain(found, key)
    }
}

impl std::fmt::Debug for FitsCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FitsCache")
            .field("files", &self.files)
            .field("statistics", &self.statistics)
            .field("peaks", &self.peaks)
            .finish()
    }
}

fn key(path: &Path) -> Result<Key, Error> {
    if is_plain(path) {
        // With room for the NUL that a key has at its end.
        let mut own = PathBuf::with_capacity(path.as_os_str().len() + 1);
        own.push(path);
        return Ok(Key::canonical(own)?);
    }
    let absolute =
        std::path::absolute(path).map_err(|source| Error::Io { path: path.to_path_buf(), action: "name", source })?;
    Ok(Key::canonical(absolute)?)
}

/// Whether `path` is what `std::path::absolute` makes of it, found out at a fifth of the cost: it is absolute, and no part of it
/// is empty or begins with a dot.
fn is_plain(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.first() == Some(&b'/')
        && bytes.last() != Some(&b'/')
        && bytes.windows(2).all(|pair| pair[0] != b'/' || !matches!(pair[1], b'/' | b'.'))
}

fn plain<V>(found: Result<Arc<V>, LookUpError<Error>>, key: &Key) -> Result<Arc<V>, Error> {
    found.map_err(|error| match error {
        LookUpError::Read(error) => error,
        LookUpError::Unsettled { attempts, .. } => Error::Unsettled { path: key.path().to_path_buf(), attempts },
        _ => Error::Unsettled { path: key.path().to_path_buf(), attempts: 1 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_is_its_own_absolute_form() {
        for path in
            ["/a", "/a/b.fits", "/a/b..fits", "/a/.b", "/", "//a", "/a//b", "/a/", "/a/./b", "/a/../b", "a", ".", ""]
        {
            let path = Path::new(path);
            let same = std::path::absolute(path).is_ok_and(|absolute| absolute.as_os_str() == path.as_os_str());
            assert!(same || !is_plain(path), "{path:?}");
        }
        assert!(is_plain(Path::new("/a/b..fits")) && !is_plain(Path::new("/a/./b")));
    }
}
