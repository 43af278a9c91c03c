//! Where the bytes of one dataset are, known once and without the HDF5 library afterwards.

use std::ops::Range;

use crate::error::Error;
use crate::filter::{Decoder, Pipeline};
use crate::hdf5::{Dataset, Element, RawLayout};
use crate::source::SourceFile;

/// The axes that a dataset may have, all seen as `[row, channel, correlation]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axes {
    /// `[row]`.
    Rows,
    /// `[row, n]`.
    RowVectors,
    /// `[row, channel, correlation]`, or with an axis of one spectral window after the rows.
    Visibilities,
}

/// Bytes that are fetched at once where the layout leaves the choice: they should stay in the second-level cache.
const BAND_BYTES: usize = 512 << 10;

/// Where a dataset's bytes are.
#[derive(Debug)]
pub(crate) struct Storage {
    name: String,
    dims: [usize; 3],
    /// Shape of a chunk. A contiguous dataset is one chunk.
    chunk: [usize; 3],
    /// Number of chunks along each axis.
    grid: [usize; 3],
    element: Element,
    element_bytes: usize,
    place: Place,
    fill: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Place {
    /// The bytes themselves.
    Inline(Vec<u8>),
    /// One unfiltered run in the file.
    At(u64),
    Chunks {
        addresses: Addresses,
        filtered: Option<Filtered>,
    },
}

#[derive(Debug)]
struct Filtered {
    pipeline: Pipeline,
    sizes: Vec<u32>,
    /// Empty when no chunk left a filter out.
    masks: Vec<u32>,
}

/// File addresses of the chunks in grid order. Four bytes each suffice for files below 4 GiB, so that the index of a
/// whole group stays below a megabyte.
#[derive(Debug)]
enum Addresses {
    Short(Vec<u32>),
    Long(Vec<u64>),
}

impl Addresses {
    fn new(n: usize, file_bytes: u64) -> Self {
        if file_bytes < u64::from(u32::MAX) { Self::Short(vec![u32::MAX; n]) } else { Self::Long(vec![u64::MAX; n]) }
    }

    fn set(&mut self, i: usize, address: u64) {
        match self {
            Self::Short(a) => a[i] = address as u32,
            Self::Long(a) => a[i] = address,
        }
    }

    fn get(&self, i: usize) -> Option<u64> {
        match self {
            Self::Short(a) => (a[i] != u32::MAX).then_some(u64::from(a[i])),
            Self::Long(a) => (a[i] != u64::MAX).then_some(a[i]),
        }
    }

    fn missing(&self) -> usize {
        match self {
            Self::Short(a) => a.iter().filter(|&&x| x == u32::MAX).count(),
            Self::Long(a) => a.iter().filter(|&&x| x == u64::MAX).count(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Short(a) => a.len() * 4,
            Self::Long(a) => a.len() * 8,
        }
    }
}

/// Reusable buffers of one thread, and what was read through them.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// Eight-byte units, so that every element type is aligned in it.
    band: Vec<u64>,
    starts: Vec<usize>,
    fetch: Vec<(u64, usize)>,
    decoder: Decoder,
    pub(crate) reads: u64,
    pub(crate) bytes_read: u64,
}

impl Buffers {
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.band.capacity() * 8
            + self.starts.capacity() * 8
            + self.fetch.capacity() * 16
            + self.decoder.allocated_bytes()
    }
}

/// The stored elements of some rows: one piece for each chunk across channels and correlations, each
/// `[row, channel, correlation]` with the chunk's own extents, padding included.
pub(crate) struct Band<'b> {
    bytes: &'b [u8],
    starts: &'b [usize],
    piece_bytes: usize,
}

impl<'b> Band<'b> {
    /// Piece number `i` = (channel chunk)·(correlation chunks) + (correlation chunk).
    pub(crate) fn piece(&self, i: usize) -> &'b [u8] {
        &self.bytes[self.starts[i]..self.starts[i] + self.piece_bytes]
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }
}

impl Storage {
    /// Reads the layout of a dataset and, where it is chunked, its whole index; checks that all of it is inside the file.
    ///
    /// `max_chunk_bytes` bounds a decoded chunk. With `must_be_written`, a chunk that was never written is an error;
    /// otherwise the dataset's own fill value stands for it, if it defines one.
    pub(crate) fn new(
        dataset: &Dataset,
        axes: Axes,
        element_bytes: usize,
        source: &SourceFile,
        max_chunk_bytes: usize,
        must_be_written: bool,
    ) -> Result<Self, Error> {
        let squeeze = |d: &[u64]| -> Option<[usize; 3]> {
            let d = match (axes, d) {
                (Axes::Rows, &[n]) => [n, 1, 1],
                (Axes::RowVectors, &[n, k]) => [n, k, 1],
                (Axes::Visibilities, &[n, 1, c, p] | &[n, c, p]) => [n, c, p],
                _ => return None,
            };
            Some([usize::try_from(d[0]).ok()?, usize::try_from(d[1]).ok()?, usize::try_from(d[2]).ok()?])
        };
        let shape = match axes {
            Axes::Rows => "(rows)",
            Axes::RowVectors => "(rows, n)",
            Axes::Visibilities => "(rows, channels, correlations) or (rows, 1, channels, correlations)",
        };
        let dims = squeeze(dataset.dims()).ok_or_else(|| dataset.wrong_shape(shape))?;
        let damaged = |found: String| Error::DamagedIndex {
            path: source.path().to_owned(),
            dataset: dataset.name().to_owned(),
            found,
        };
        let unfinished = |missing: usize, of: usize| Error::Unfinished {
            path: source.path().to_owned(),
            dataset: dataset.name().to_owned(),
            missing: missing as u64,
            of: of as u64,
        };
        let bytes_of = |d: [usize; 3]| d.iter().try_fold(element_bytes, |n, &k| n.checked_mul(k));
        let total = bytes_of(dims).ok_or_else(|| dataset.wrong_shape("a size that fits into memory"))?;
        let mut storage = Self {
            name: dataset.name().to_owned(),
            dims,
            chunk: dims.map(|d| d.max(1)),
            grid: [1; 3],
            element: dataset.element().clone(),
            element_bytes,
            place: Place::Inline(Vec::new()),
            fill: None,
        };
        if total == 0 {
            return Ok(storage);
        }
        match dataset.layout(element_bytes)? {
            RawLayout::Compact(bytes) if bytes.len() == total => storage.place = Place::Inline(bytes),
            RawLayout::Compact(bytes) => return Err(damaged(format!("{} bytes for {total}", bytes.len()))),
            RawLayout::Contiguous(Some(at)) => {
                if at.checked_add(total as u64).is_none_or(|end| end > source.bytes()) {
                    return Err(damaged(format!("bytes {at} to {at} + {total} are outside the file")));
                }
                storage.place = Place::At(at);
            }
            RawLayout::Contiguous(None) => return Err(unfinished(1, 1)),
            RawLayout::Chunked { chunk, filters } => {
                let rank = dataset.dims().len();
                if chunk.len() != rank || chunk.contains(&0) {
                    return Err(damaged(format!("chunks of shape {chunk:?}")));
                }
                storage.chunk =
                    squeeze_chunk(axes, &chunk).ok_or_else(|| damaged(format!("chunks of shape {chunk:?}")))?;
                let chunk_bytes = bytes_of(storage.chunk).unwrap_or(usize::MAX);
                let limit = max_chunk_bytes.min(u32::MAX as usize);
                // An unfiltered chunk is read in parts, a filtered one only as a whole.
                let at_once = if filters.is_empty() { chunk_bytes / storage.chunk[0] } else { chunk_bytes };
                if at_once > limit {
                    return Err(Error::TooLarge {
                        path: source.path().to_owned(),
                        dataset: dataset.name().to_owned(),
                        bytes: at_once as u64,
                        limit: limit as u64,
                    });
                }
                storage.grid = std::array::from_fn(|i| dims[i].div_ceil(storage.chunk[i]));
                let n = storage.grid.iter().try_fold(1_usize, |n, &g| n.checked_mul(g)).unwrap_or(usize::MAX);
                // Each chunk that was written has at least one byte, so a larger grid cannot be complete.
                if n as u64 > source.bytes() {
                    return Err(unfinished(n - source.bytes() as usize, n));
                }
                let pipeline = if filters.is_empty() {
                    None
                } else {
                    Some(Pipeline::new(&filters, element_bytes).map_err(|id| Error::UnsupportedFilter {
                        path: source.path().to_owned(),
                        dataset: dataset.name().to_owned(),
                        id,
                    })?)
                };
                storage.place = storage.walk(dataset, axes, n, chunk_bytes, pipeline, source)?;
                let missing = match &storage.place {
                    Place::Chunks { addresses, .. } => addresses.missing(),
                    _ => 0,
                };
                if missing > 0 {
                    storage.fill = if must_be_written { None } else { dataset.fill(element_bytes)? };
                    if storage.fill.is_none() {
                        return Err(unfinished(missing, n));
                    }
                }
            }
        }
        Ok(storage)
    }

    /// Walks the chunk index once.
    fn walk(
        &self,
        dataset: &Dataset,
        axes: Axes,
        n: usize,
        chunk_bytes: usize,
        pipeline: Option<Pipeline>,
        source: &SourceFile,
    ) -> Result<Place, Error> {
        let mut addresses = Addresses::new(n, source.bytes());
        let (mut sizes, mut masks) = (vec![0_u32; if pipeline.is_some() { n } else { 0 }], Vec::new());
        let mut damage = None;
        dataset.visit_chunks(|at, mask, address, size| {
            let mut see = || {
                let at = squeeze_offset(axes, at)?;
                let mut index = 0;
                for ((at, size), n) in at.into_iter().zip(self.chunk).zip(self.grid) {
                    if at % size != 0 {
                        return None;
                    }
                    // Chunks beyond the present extent are left over from a dataset that was once larger.
                    if at / size >= n {
                        return Some(());
                    }
                    index = index * n + at / size;
                }
                address.checked_add(size).filter(|&end| end <= source.bytes() && size > 0)?;
                if pipeline.is_some() {
                    sizes[index] = u32::try_from(size).ok()?;
                    if mask != 0 {
                        masks.resize(n, 0);
                        masks[index] = mask;
                    }
                } else if size != chunk_bytes as u64 {
                    return None;
                }
                addresses.set(index, address);
                Some(())
            };
            if damage.is_none() && see().is_none() {
                damage = Some(format!("the chunk at {at:?} claims {size} bytes at byte {address}"));
            }
        })?;
        match damage {
            Some(found) => {
                Err(Error::DamagedIndex { path: source.path().to_owned(), dataset: dataset.name().to_owned(), found })
            }
            None => {
                Ok(Place::Chunks { addresses, filtered: pipeline.map(|pipeline| Filtered { pipeline, sizes, masks }) })
            }
        }
    }

    /// `[row, channel, correlation]`.
    pub(crate) fn dims(&self) -> [usize; 3] {
        self.dims
    }

    pub(crate) fn element(&self) -> &Element {
        &self.element
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Extents of a chunk across channels and correlations.
    pub(crate) fn chunk_across(&self) -> [usize; 2] {
        [self.chunk[1], self.chunk[2]]
    }

    /// Number of chunks across channels and correlations.
    pub(crate) fn grid_across(&self) -> [usize; 2] {
        [self.grid[1], self.grid[2]]
    }

    /// Rows of a chunk; 1 where rows can be read from anywhere at the same cost.
    pub(crate) fn chunk_rows(&self) -> usize {
        match self.place {
            Place::Chunks { .. } => self.chunk[0],
            Place::Inline(_) | Place::At(_) => 1,
        }
    }

    /// Bytes that one row takes in a band.
    fn row_bytes(&self) -> usize {
        self.chunk[1] * self.chunk[2] * self.grid[1] * self.grid[2] * self.element_bytes
    }

    /// The most bytes that buffers for this dataset hold.
    pub(crate) fn band_bytes(&self) -> usize {
        let rows = self.band(0..self.dims[0].max(1)).len();
        let decoded = match &self.place {
            Place::Chunks { filtered: Some(_), .. } => 2 * self.chunk.iter().product::<usize>() * self.element_bytes,
            _ => 0,
        };
        rows * self.row_bytes() + decoded
    }

    /// Bytes of memory that the index takes.
    pub(crate) fn index_bytes(&self) -> usize {
        match &self.place {
            Place::Inline(bytes) => bytes.len(),
            Place::At(_) => 0,
            Place::Chunks { addresses, filtered } => {
                addresses.bytes() + filtered.as_ref().map_or(0, |f| (f.sizes.len() + f.masks.len()) * 4)
            }
        }
    }

    /// The first part of `rows` that is fetched at once: within one row of chunks, and not much larger than the cache.
    pub(crate) fn band(&self, rows: Range<usize>) -> Range<usize> {
        let chunk_rows = self.chunk[0];
        let at_once = if matches!(&self.place, Place::Chunks { filtered: Some(_), .. }) {
            chunk_rows
        } else {
            let parts = (chunk_rows.saturating_mul(self.row_bytes())).div_ceil(BAND_BYTES).max(1);
            chunk_rows.div_ceil(parts).max(1)
        };
        let chunk_end = (rows.start / chunk_rows + 1).saturating_mul(chunk_rows);
        rows.start..rows.end.min(chunk_end).min(rows.start.saturating_add(at_once))
    }

    /// Fetches a band of rows that [`band`](Self::band) gave. Pieces that lie one after another in the file are read at once.
    pub(crate) fn load<'b>(
        &self,
        source: &SourceFile,
        rows: Range<usize>,
        buffers: &'b mut Buffers,
    ) -> Result<Band<'b>, Error> {
        debug_assert!(
            rows.end <= self.dims[0] && rows.start / self.chunk[0] == (rows.end - 1) / self.chunk[0],
            "a band"
        );
        let row_bytes = self.chunk[1] * self.chunk[2] * self.element_bytes;
        let piece_bytes = rows.len() * row_bytes;
        let n = self.grid[1] * self.grid[2];
        let skip = (rows.start % self.chunk[0]) * row_bytes;
        let Buffers { band, starts, fetch, decoder, reads, bytes_read } = buffers;
        // Pieces of one-byte elements may have odd lengths; wider ones are multiples of their element.
        let bytes = (n * piece_bytes).div_ceil(8);
        if band.len() < bytes {
            band.reserve_exact(bytes - band.len());
            band.resize(bytes, 0);
        }
        let bytes: &mut [u8] = &mut bytemuck::cast_slice_mut(band)[..n * piece_bytes];
        starts.clear();
        match &self.place {
            Place::Inline(all) => {
                bytes.copy_from_slice(&all[rows.start * row_bytes..][..piece_bytes]);
                starts.push(0);
            }
            Place::At(at) => {
                source.read_at(bytes, at + (rows.start * row_bytes) as u64)?;
                (*reads, *bytes_read) = (*reads + 1, *bytes_read + bytes.len() as u64);
                starts.push(0);
            }
            Place::Chunks { addresses, filtered: None } => {
                let first = rows.start / self.chunk[0] * n;
                fetch.clear();
                fetch.extend((0..n).map(|i| (addresses.get(first + i).unwrap_or(u64::MAX), i)));
                fetch.sort_unstable();
                starts.resize(n, 0);
                let mut k = 0;
                while k < n {
                    // As many pieces as follow one another without a byte between them.
                    let address = fetch[k].0;
                    let mut run = 1;
                    while k + run < n && address != u64::MAX && fetch[k + run].0 == address + (run * piece_bytes) as u64
                    {
                        run += 1;
                    }
                    let place = &mut bytes[k * piece_bytes..(k + run) * piece_bytes];
                    if address == u64::MAX {
                        self.fill_with(place);
                    } else {
                        source.read_at(place, address + skip as u64)?;
                        (*reads, *bytes_read) = (*reads + 1, *bytes_read + place.len() as u64);
                    }
                    for (j, &(_, piece)) in fetch[k..k + run].iter().enumerate() {
                        starts[piece] = (k + j) * piece_bytes;
                    }
                    k += run;
                }
            }
            Place::Chunks { addresses, filtered: Some(filtered) } => {
                let first = rows.start / self.chunk[0] * n;
                let chunk_bytes = self.chunk[0] * row_bytes;
                for i in 0..n {
                    let place = &mut bytes[i * piece_bytes..(i + 1) * piece_bytes];
                    starts.push(i * piece_bytes);
                    let Some(address) = addresses.get(first + i) else {
                        self.fill_with(place);
                        continue;
                    };
                    let stored = decoder.input(filtered.sizes[first + i] as usize);
                    source.read_at(stored, address)?;
                    (*reads, *bytes_read) = (*reads + 1, *bytes_read + stored.len() as u64);
                    let mask = filtered.masks.get(first + i).copied().unwrap_or(0);
                    let chunk = filtered.pipeline.decode(decoder, mask, chunk_bytes).map_err(|found| {
                        Error::Decode { path: source.path().to_owned(), dataset: self.name.clone(), address, found }
                    })?;
                    place.copy_from_slice(&chunk[skip..skip + piece_bytes]);
                }
            }
        }
        Ok(Band { bytes, starts, piece_bytes })
    }

    fn fill_with(&self, place: &mut [u8]) {
        if let Some(fill) = &self.fill {
            for element in place.chunks_exact_mut(fill.len()) {
                element.copy_from_slice(fill);
            }
        }
    }
}

fn squeeze_offset(axes: Axes, at: &[u64]) -> Option<[usize; 3]> {
    let at = match (axes, at) {
        (Axes::Rows, &[n]) => [n, 0, 0],
        (Axes::RowVectors, &[n, k]) => [n, k, 0],
        (Axes::Visibilities, &[n, 0, c, p] | &[n, c, p]) => [n, c, p],
        _ => return None,
    };
    Some([usize::try_from(at[0]).ok()?, usize::try_from(at[1]).ok()?, usize::try_from(at[2]).ok()?])
}

fn squeeze_chunk(axes: Axes, chunk: &[u64]) -> Option<[usize; 3]> {
    let chunk = match (axes, chunk) {
        (Axes::Rows, &[n]) => [n, 1, 1],
        (Axes::RowVectors, &[n, k]) => [n, k, 1],
        (Axes::Visibilities, &[n, 1, c, p] | &[n, c, p]) => [n, c, p],
        _ => return None,
    };
    Some([usize::try_from(chunk[0]).ok()?, usize::try_from(chunk[1]).ok()?, usize::try_from(chunk[2]).ok()?])
}
