//! The pixels of an image: statistics and pieces of them, in bounded memory.

mod area;
mod gather;
mod kernel;
mod moments;
mod order;
mod pass;
mod peak;
mod preview;
mod sample;
mod zones;

use std::path::{Path, PathBuf};

pub use area::{Area, Place};
pub use moments::{Extent, Moments};
pub use peak::Peak;
pub use preview::Preview;

use crate::error::Error;
use crate::file::{FitsFile, Packing};
use crate::hdu::{Hdu, Image, Kind};
use crate::header::Header;
use area::Chunks;
use gather::{Gathered, Plan};
use kernel::{BLOCK, Instructions};
use moments::Part;
use order::{Search, Tally};
use sample::{Encoding, Sample};
use zones::{Candidates, Zones};

/// The standard deviation of normally distributed values whose median absolute deviation is 1: 1/Φ⁻¹(3/4).
pub const SIGMA_OF_MAD: f64 = 1.482_602_218_505_602;

/// The most pixels of one tile of a compressed image, which is unpacked as a whole, and of the rows that are unpacked at once.
const TILE_LIMIT: u64 = 4 << 20;

/// Of so many pixels all are kept for median and MAD; of more, a sample tells which.
const FEW: u64 = 1 << 18;

/// Statistics of some pixels. All of them are of the finite ones: NaN, infinities and BLANK do not count.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Statistics {
    /// Count, mean, spread and extremes.
    pub moments: Moments,
    /// Median and MAD; `None` where no pixel is finite.
    pub robust: Option<Robust>,
}

/// What outliers do not move.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Robust {
    /// The median, exactly that of numpy: with an even count the mean of the two middle ones, in the precision of the
    /// pixels (32 bits for unscaled 32-bit floating point, else 64).
    pub median: f64,
    /// The median of the absolute deviations from the median, in the same precision.
    pub mad: f64,
}

impl Statistics {
    /// The finite pixels among all, 0 to 1; `None` where there is no pixel.
    pub fn finite_fraction(&self) -> Option<f64> {
        (self.moments.pixels > 0).then(|| self.moments.finite as f64 / self.moments.pixels as f64)
    }

    /// The noise that the MAD tells of: 1.4826 · MAD.
    pub fn noise(&self) -> Option<f64> {
        self.robust.map(|robust| SIGMA_OF_MAD * robust.mad)
    }

    /// The value that is farthest from zero.
    pub fn peak(&self) -> Option<f64> {
        self.moments.extent.map(|extent| extent.peak())
    }
}

/// The pixels of one image.
#[derive(Clone, Debug)]
pub struct Pixels {
    path: PathBuf,
    hdu: usize,
    image: Image,
    encoding: Encoding,
    /// Bytes of one number, as it is handed to the passes.
    element: u64,
    way: Way,
}

/// Where the pixels come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By `pread` from many threads; the first byte of the data.
    Direct { data_at: u64 },
    /// From a gzip stream, forwards.
    Gzip { data_at: u64 },
    /// From compressed tiles, so many rows at once.
    Tiles { rows: u64 },
}

impl Pixels {
    /// Of the image in `hdu`, one of `file`'s.
    ///
    /// # Errors
    /// [`Error::NoSuchHdu`] where it holds no image, [`Error::Truncated`] where the file is too short for it,
    /// [`Error::TooLarge`] where a compressed image has too large tiles, [`Error::Packed`] for a compressed image in a gzipped
    /// file.
    pub fn of(file: &FitsFile, hdu: &Hdu) -> Result<Self, Error> {
        let header = hdu.header();
        let number = header.hdu();
        let path = file.path().to_path_buf();
        let Some(image) = hdu.image() else {
            let what = format!("HDU {number} holds no image");
            return Err(Error::NoSuchHdu { path, what, hdus: file.hdus().len() });
        };
        let (way, encoding) = match (hdu.kind(), file.packing()) {
            (Kind::CompressedImage, Packing::Gzip) => {
                return Err(Error::Packed { path, program: "gzip around an image in compressed tiles" });
            }
            (Kind::CompressedImage, Packing::Plain) => {
                let rows = tile_rows(header, image)?;
                let wide = image.bitpix != crate::Bitpix::F32;
                (Way::Tiles { rows }, if wide { Encoding::F64 } else { Encoding::F32 })
            }
            (_, Packing::Gzip) => (Way::Gzip { data_at: hdu.data_at() }, Encoding::of(image)),
            (_, Packing::Plain) => {
                let found = file.bytes().saturating_sub(hdu.data_at());
                if found < hdu.data_bytes() {
                    return Err(Error::Truncated { path, hdu: number, expected: hdu.data_bytes(), found });
                }
                (Way::Direct { data_at: hdu.data_at() }, Encoding::of(image))
            }
        };
        let element = encoding.bytes() as u64;
        Ok(Self { path, hdu: number, image: image.clone(), encoding, element, way })
    }

    /// The file that they are in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shape and storage of the image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Count, mean, spread and extremes of an area, in one pass over its bytes.
    ///
    /// Sums are of 64 bits, the squares about the mean of their own few thousand values; the result does not depend on the
    /// number of threads. Memory: 0.3 MiB for each thread.
    ///
    /// # Errors
    /// [`Error::Area`], [`Error::Io`], [`Error::Truncated`], [`Error::Compressed`].
    pub fn moments(&self, area: &Area) -> Result<Moments, Error> {
        let chunks = self.chunks(area)?;
        match self.encoding {
            Encoding::F32 => Ok(self.gather::<f32>(&chunks, None)?.0),
            _ => Ok(self.gather::<f64>(&chunks, None)?.0),
        }
    }

    /// All statistics of an area, in one pass over its bytes after a sample of them; in two where the file is packed, since a
    /// sample of that is a pass.
    ///
    /// The sample tells in which narrow ranges median and MAD lie, the pass keeps the pixels in these (5 % of them). Where the
    /// sample misled or more than 24 MiB would have to be kept, since many pixels are equal, the two are found by counting
    /// passes: four, or eight where pixels are not 32-bit floating point. Memory: 24 MiB once again at the end, and 1.4 MiB
    /// for each thread.
    ///
    /// # Errors
    /// Those of [`Pixels::moments`].
    pub fn statistics(&self, area: &Area) -> Result<Statistics, Error> {
        let chunks = self.chunks(area)?;
        match self.encoding {
            Encoding::F32 => self.all::<f32>(&chunks),
            _ => self.all::<f64>(&chunks),
        }
    }

    /// The values of an area, the first axis running fastest, then the second, then further planes. NaN where there is none.
    /// Memory: 16 bytes a pixel.
    ///
    /// # Errors
    /// Those of [`Pixels::moments`].
    pub fn values(&self, area: &Area) -> Result<Vec<f64>, Error> {
        let chunks = self.chunks(area)?;
        let pieces = self.pass(&chunks, Vec::new, |pieces: &mut Vec<(u64, Vec<f64>)>, index, bytes| {
            let mut values = vec![0.0; bytes.len() / self.element as usize];
            f64::decode(self.encoding, bytes, &mut values);
            pieces.push((index, values));
        })?;
        let mut pieces: Vec<(u64, Vec<f64>)> = pieces.into_iter().flatten().collect();
        pieces.sort_unstable_by_key(|(index, _)| *index);
        Ok(pieces.into_iter().flat_map(|(_, values)| values).collect())
    }

    fn chunks(&self, area: &Area) -> Result<Chunks, Error> {
        let (x, y) = area.within(&self.image).ok_or_else(|| Error::Area {
            path: self.path.clone(),
            hdu: self.hdu,
            area: area.to_string(),
            width: self.image.width(),
            height: self.image.height(),
        })?;
        Ok(match self.way {
            Way::Tiles { rows } => Chunks::by_rows(&self.image, self.element, &x, &y, rows),
            _ => Chunks::of(&self.image, self.element, &x, &y),
        })
    }

    fn all<T: Sample>(&self, chunks: &Chunks) -> Result<Statistics, Error> {
        let few = chunks.values() <= FEW;
        let zones = if few { Some(Zones::everything()) } else { Zones::of(self.sample(chunks)?) };
        let (moments, candidates) = self.gather::<T>(chunks, zones.as_ref())?;
        if moments.finite == 0 {
            return Ok(Statistics { moments, robust: None });
        }
        let found = candidates
            .zip(zones)
            .and_then(|(candidates, zones)| if few { candidates.of_everything() } else { candidates.solve(&zones) });
        let (median, mad) = match found {
            Some((median, mad)) => (median, mad),
            None => (self.by_counting::<T>(chunks, moments.finite, None)?, None),
        };
        let mad = match mad {
            Some(mad) => mad,
            None => self.by_counting(chunks, moments.finite, Some(median))?,
        };
        Ok(Statistics { moments, robust: Some(Robust { median: median.wide(), mad: mad.wide() }) })
    }

    /// Moments, and the values in zones unless they were too many.
    fn gather<T: Sample>(
        &self,
        chunks: &Chunks,
        zones: Option<&Zones<T>>,
    ) -> Result<(Moments, Option<Candidates<T>>), Error> {
        let plan = Plan { encoding: self.encoding, instructions: Instructions::best(), zones };
        // What must be unpacked comes from one thread, which then has all the room.
        let threads = if let Way::Direct { .. } = self.way { rayon::current_num_threads() } else { 1 };
        let new = || Gathered::new(threads);
        let found = self.pass(chunks, new, |found: &mut Gathered<T>, index, bytes| found.add(&plan, index, bytes))?;
        let pixels = found.iter().map(|found| found.pixels).sum();
        let mut parts: Vec<(u64, Part)> = Vec::new();
        let mut candidates = zones.map(|_| Candidates::default());
        for mut one in found {
            parts.append(&mut one.parts);
            candidates = candidates.zip(one.kept.take()).map(|(all, kept)| all.with(one.below, one.inner, kept));
        }
        // In the order of the file, so that the sums are the same on any number of threads.
        parts.sort_unstable_by_key(|(index, _)| *index);
        let mut all = Part::EMPTY;
        for (_, part) in &parts {
            all.join(part);
        }
        let candidates = candidates.map(|candidates| Candidates { finite: all.finite, ..candidates });
        Ok((all.moments(pixels, chunks), candidates))
    }

    /// The middle value, or the middle distance from `centre`, of so many finite ones.
    fn by_counting<T: Sample>(&self, chunks: &Chunks, finite: u64, centre: Option<T>) -> Result<T, Error> {
        let mut search = Search::middle(finite);
        while !search.done::<T>() {
            let new = || search.tally::<T>();
            let mut counted = self
                .pass(chunks, new, |tally, _, bytes| {
                    pulp::Arch::new().dispatch(Count { encoding: self.encoding, bytes, tally, centre });
                })?
                .into_iter();
            let Some(mut all) = counted.next() else { break };
            counted.for_each(|tally| all.add(&tally));
            search.advance(&all);
        }
        Ok(zones::mean(search.values()))
    }
}

/// How many rows of a compressed image to unpack at once so that few tiles are unpacked twice, if its tiles are of a sane size.
fn tile_rows(header: &Header, image: &Image) -> Result<u64, Error> {
    let mut pixels = 1_u64;
    let mut rows = 1;
    for (axis, &axis_length) in (1..).zip(&image.axes) {
        let keyword = format!("ZTILE{axis}");
        // By default a tile is a row.
        let default = if axis == 1 { axis_length as i64 } else { 1 };
        let length = header.integer(&keyword)?.unwrap_or(default);
        let length = u64::try_from(length).ok().filter(|&length| (1..=TILE_LIMIT).contains(&length));
        let length = length.ok_or_else(|| header.unfit(&keyword, "is not within 1 to 4194304"))?;
        pixels = pixels.saturating_mul(length);
        if axis == 2 {
            rows = length;
        }
    }
    if pixels > TILE_LIMIT || image.width() > TILE_LIMIT {
        let what = "the number of pixels of a compressed tile or row";
        return Err(Error::TooLarge { path: header.path().into(), hdu: header.hdu(), what, limit: TILE_LIMIT });
    }
    // Rows that are short are better taken more at a time.
    let at_least = (area::CHUNK / (4 * image.width())).max(1).next_multiple_of(rows);
    Ok(rows.max(at_least).min(TILE_LIMIT / image.width()))
}

/// The work of a counting pass on one chunk.
struct Count<'a, T> {
    encoding: Encoding,
    bytes: &'a [u8],
    tally: &'a mut Tally,
    centre: Option<T>,
}

impl<T: Sample> pulp::NullaryFnOnce for Count<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut values = [T::NAN; BLOCK];
        let element = self.encoding.bytes();
        for block in self.bytes.chunks(BLOCK * element) {
            let values = &mut values[..block.len() / element];
            T::decode(self.encoding, block, values);
            self.tally.count(values, self.centre);
        }
    }
}
