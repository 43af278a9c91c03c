//! The pixels of an image: statistics and pieces of them, in bounded memory.

mod area;
mod moments;
mod order;
mod pass;
mod preview;
mod sample;

use std::path::{Path, PathBuf};

pub use area::{Area, Place};
pub use moments::{Extent, Moments};
pub use preview::Preview;

use crate::error::Error;
use crate::file::{FitsFile, Packing};
use crate::hdu::{Hdu, Image, Kind};
use crate::header::Header;
use area::Chunks;
use moments::{BLOCK, Part, summarise};
use order::{Search, Tally};
use sample::{Encoding, Sample};

/// The standard deviation of normally distributed values whose median absolute deviation is 1: 1/Φ⁻¹(3/4).
pub const SIGMA_OF_MAD: f64 = 1.482_602_218_505_602;

/// The most pixels of one tile of a compressed image, which is unpacked as a whole, and of the rows that are unpacked at once.
const TILE_LIMIT: u64 = 4 << 20;

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
            Encoding::F32 => self.first_pass::<f32>(&chunks, false),
            _ => self.first_pass::<f64>(&chunks, false),
        }
        .map(|(moments, _)| moments)
    }

    /// All statistics of an area, in four passes over its bytes (eight where pixels are not 32-bit floating point).
    ///
    /// Memory: 1.4 MiB for each thread.
    ///
    /// # Errors
    /// Those of [`Pixels::moments`].
    pub fn statistics(&self, area: &Area) -> Result<Statistics, Error> {
        let chunks = self.chunks(area)?;
        match self.encoding {
            Encoding::F32 => self.all_passes::<f32>(&chunks),
            _ => self.all_passes::<f64>(&chunks),
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

    fn all_passes<T: Sample>(&self, chunks: &Chunks) -> Result<Statistics, Error> {
        let (moments, tally) = self.first_pass::<T>(chunks, true)?;
        let Some(tally) = tally.filter(|_| moments.finite > 0) else {
            return Ok(Statistics { moments, robust: None });
        };
        let mut search = Search::middle(moments.finite);
        search.advance(&tally);
        let median = self.finish::<T>(chunks, search, None)?;
        let mad = self.finish(chunks, Search::middle(moments.finite), Some(median))?;
        Ok(Statistics { moments, robust: Some(Robust { median: median.wide(), mad: mad.wide() }) })
    }

    /// Moments, and the counts of the first digit if wanted.
    fn first_pass<T: Sample>(&self, chunks: &Chunks, count: bool) -> Result<(Moments, Option<Tally>), Error> {
        type Found = (Vec<(u64, Part)>, u64, Option<Tally>);
        let new = || -> Found { (Vec::new(), 0, count.then(|| Search::middle(1).tally::<T>())) };
        let found = self.pass(chunks, new, |(parts, pixels, tally): &mut Found, index, bytes| {
            let part = pulp::Arch::new().dispatch(Summary::<T> {
                encoding: self.encoding,
                bytes,
                tally: tally.as_mut(),
                kind: std::marker::PhantomData,
            });
            *pixels += (bytes.len() / self.element as usize) as u64;
            parts.push((index, part.of_chunk(index)));
        })?;
        let pixels = found.iter().map(|(_, pixels, _)| pixels).sum();
        let mut parts = Vec::new();
        let mut tally: Option<Tally> = None;
        for (some, _, counted) in found {
            parts.extend(some);
            match (&mut tally, counted) {
                (Some(all), Some(counted)) => all.add(&counted),
                (all @ None, counted) => *all = counted,
                (Some(_), None) => {}
            }
        }
        // In the order of the file, so that the sums are the same on any number of threads.
        parts.sort_unstable_by_key(|(index, _)| *index);
        let mut all = Part::EMPTY;
        for (_, part) in &parts {
            all.join(part);
        }
        Ok((all.moments(pixels, chunks), tally))
    }

    /// The remaining digits of the middle value, or of the middle distance from `centre`.
    fn finish<T: Sample>(&self, chunks: &Chunks, mut search: Search, centre: Option<T>) -> Result<T, Error> {
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
        let [one, two] = search.values::<T>();
        Ok(if one.key() == two.key() { one } else { one.middle(two) })
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

/// The work of the first pass on one chunk, compiled for each set of vector instructions.
struct Summary<'a, T> {
    encoding: Encoding,
    bytes: &'a [u8],
    tally: Option<&'a mut Tally>,
    /// Of what kind the pixels are.
    kind: std::marker::PhantomData<T>,
}

impl<T: Sample> pulp::NullaryFnOnce for Summary<'_, T> {
    type Output = Part;

    #[inline(always)]
    fn call(mut self) -> Part {
        let mut part = Part::EMPTY;
        let mut values = [T::NAN; BLOCK];
        let element = self.encoding.bytes();
        for (first, block) in (0..).step_by(BLOCK).zip(self.bytes.chunks(BLOCK * element)) {
            let values = &mut values[..block.len() / element];
            T::decode(self.encoding, block, values);
            let more = summarise(values, first, &part);
            part.join(&more);
            if let Some(tally) = &mut self.tally {
                tally.count(values, None);
            }
        }
        part
    }
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
