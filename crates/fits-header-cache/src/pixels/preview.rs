//! A small picture of an image.

use super::Pixels;
use super::area::Chunks;
use super::kernel::BLOCK;
use super::sample::{Encoding, Sample};
use crate::error::Error;

/// The most bytes of rows that are held at once.
const LIMIT: u64 = 64 << 20;

/// The first plane of an image, made smaller by averaging squares of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// Cells along x.
    pub width: usize,
    /// Cells along y.
    pub height: usize,
    /// Pixels of the image along each side of a cell; those at the far edges may be smaller.
    pub step: u64,
    /// Means of the finite pixels of each cell, x running fastest, y upwards as in the file; NaN where there is none.
    pub values: Vec<f32>,
}

impl Pixels {
    /// The first plane with at most `side` cells along its longer side, 1 to 1,024.
    ///
    /// Reads the whole plane. Memory: for each thread `step` rows of it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Truncated`], [`Error::Compressed`]; [`Error::TooLarge`] where those rows exceed 64 MiB.
    pub fn preview(&self, side: u64) -> Result<Preview, Error> {
        let (w, h) = (self.image.width(), self.image.height());
        let step = w.max(h).div_ceil(side.clamp(1, 1024));
        let (width, height) = (w.div_ceil(step) as usize, h.div_ceil(step) as usize);
        let chunks = Chunks::of_rows(&self.image, self.element, step);
        if chunks.longest() > LIMIT {
            let (path, what) = (self.path.clone(), "the length of the rows that make one of a preview");
            return Err(Error::TooLarge { path, hdu: self.hdu, what, limit: LIMIT });
        }
        let rows = self.pass(&chunks, Vec::new, |rows: &mut Vec<(u64, Vec<f32>)>, index, bytes| {
            let mut cells = vec![(0.0_f64, 0_u32); width];
            let mut values = [0.0; BLOCK];
            for row in bytes.chunks(w as usize * self.element as usize) {
                for (block, bytes) in row.chunks(BLOCK * self.element as usize).enumerate() {
                    let values = &mut values[..bytes.len() / self.element as usize];
                    decode(self.encoding, bytes, values);
                    for (x, &value) in values.iter().enumerate() {
                        if value.is_finite() {
                            let (sum, count) = &mut cells[(block * BLOCK + x) / step as usize];
                            *sum += value;
                            *count += 1;
                        }
                    }
                }
            }
            let mean = |&(sum, count): &(f64, u32)| if count == 0 { f32::NAN } else { (sum / f64::from(count)) as f32 };
            rows.push((index, cells.iter().map(mean).collect()));
        })?;
        let mut rows: Vec<(u64, Vec<f32>)> = rows.into_iter().flatten().collect();
        rows.sort_unstable_by_key(|(index, _)| *index);
        Ok(Preview { width, height, step, values: rows.into_iter().flat_map(|(_, row)| row).collect() })
    }
}

fn decode(encoding: Encoding, bytes: &[u8], values: &mut [f64]) {
    f64::decode(encoding, bytes, values);
}
