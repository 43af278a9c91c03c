//! Which pixels, and where their bytes lie.

use std::fmt;
use std::ops::Range;

use crate::hdu::Image;

/// How many bytes are fetched and worked on at once: they stay in a core's own cache. A multiple of every number's length.
pub(crate) const CHUNK: u64 = 256 << 10;

/// Which pixels of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Area {
    /// All of them.
    #[default]
    All,
    /// A box on the first two axes, on all planes of further axes. Pixels are counted from 0; the ends are excluded.
    Box {
        /// Along the first axis (NAXIS1).
        x: Range<u64>,
        /// Along the second axis (NAXIS2).
        y: Range<u64>,
    },
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Box { x, y } => write!(f, "x {}..{}, y {}..{}", x.start, x.end, y.start, y.end),
        }
    }
}

impl Area {
    /// The box, if it is not empty and lies within the image.
    pub(crate) fn within(&self, image: &Image) -> Option<(Range<u64>, Range<u64>)> {
        let (w, h) = (image.width(), image.height());
        match self {
            Self::All => Some((0..w, 0..h)),
            Self::Box { x, y } => {
                (x.start < x.end && x.end <= w && y.start < y.end && y.end <= h).then(|| (x.clone(), y.clone()))
            }
        }
    }
}

/// Where a pixel is: along the first axis, along the second, and which plane of further axes, all from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Along the first axis.
    pub x: u64,
    /// Along the second axis.
    pub y: u64,
    /// Which plane.
    pub plane: u64,
}

/// The bytes of an area: equal runs, cut or gathered into chunks. Offsets count from the first byte of the data.
#[derive(Debug)]
pub(crate) struct Chunks {
    element: u64,
    width: u64,
    height: u64,
    /// The first byte of the first run.
    start: u64,
    /// Bytes of a run.
    length: u64,
    /// Runs of a plane.
    runs: u64,
    planes: u64,
    /// Chunks of a run, or 1.
    pieces: u64,
    /// Runs of a chunk, or 1.
    group: u64,
}

impl Chunks {
    /// Of a box that lies within the image.
    pub(crate) fn of(image: &Image, element: u64, x: &Range<u64>, y: &Range<u64>) -> Self {
        let (width, height) = (image.width(), image.height());
        let mut chunks = Self {
            element,
            width,
            height,
            start: (y.start * width + x.start) * element,
            length: (x.end - x.start) * element,
            runs: y.end - y.start,
            planes: image.planes(),
            pieces: 1,
            group: 1,
        };
        // Neighbouring runs are one.
        if chunks.length == width * element {
            chunks.length *= chunks.runs;
            chunks.runs = 1;
            if chunks.length == width * height * element {
                chunks.length *= chunks.planes;
                chunks.planes = 1;
            }
        }
        if chunks.length > CHUNK {
            chunks.pieces = chunks.length.div_ceil(CHUNK);
        } else {
            chunks.group = CHUNK / chunks.length;
        }
        chunks
    }

    /// Of a box that lies within the image, `rows` rows to a chunk.
    pub(crate) fn by_rows(image: &Image, element: u64, x: &Range<u64>, y: &Range<u64>, rows: u64) -> Self {
        let (width, height) = (image.width(), image.height());
        let (start, length) = ((y.start * width + x.start) * element, (x.end - x.start) * element);
        let (runs, planes) = (y.end - y.start, image.planes());
        Self { element, width, height, start, length, runs, planes, pieces: 1, group: rows.max(1) }
    }

    /// Of the first plane, `rows` whole rows to a chunk.
    pub(crate) fn of_rows(image: &Image, element: u64, rows: u64) -> Self {
        let (width, height) = (image.width(), image.height());
        let length = width * element;
        Self { element, width, height, start: 0, length, runs: height, planes: 1, pieces: 1, group: rows }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        (self.runs * self.planes * self.pieces).div_ceil(self.group)
    }

    /// How many values there are.
    pub(crate) fn values(&self) -> u64 {
        self.runs * self.planes * (self.length / self.element)
    }

    /// Where the values from number `first` on are, as first byte and length of at most `most` bytes of one run.
    pub(crate) fn piece(&self, first: u64, most: u64) -> (u64, u64) {
        let of_run = self.length / self.element;
        let at = first % of_run * self.element;
        (self.run(first / of_run) + at, most.min(self.length - at))
    }

    /// The most bytes of one.
    pub(crate) fn longest(&self) -> u64 {
        if self.pieces > 1 { CHUNK } else { self.group.min(self.runs * self.planes) * self.length }
    }

    /// The runs of chunk number `index`, as first byte and length.
    pub(crate) fn runs(&self, index: u64) -> impl Iterator<Item = (u64, u64)> {
        let (first, last) = if self.pieces > 1 {
            (index / self.pieces, index / self.pieces + 1)
        } else {
            (index * self.group, ((index + 1) * self.group).min(self.runs * self.planes))
        };
        let skipped = index % self.pieces * CHUNK;
        let length = if self.pieces > 1 { CHUNK.min(self.length - skipped) } else { self.length };
        (first..last).map(move |run| (self.run(run) + skipped, length))
    }

    /// The boxes of a chunk that [`Chunks::by_rows`] or [`Chunks::of_rows`] made: plane, rows and columns.
    pub(crate) fn boxes(&self, index: u64) -> impl Iterator<Item = (u64, Range<u64>, Range<u64>)> {
        let last = ((index + 1) * self.group).min(self.runs * self.planes);
        let mut run = index * self.group;
        let first = self.start / self.element;
        std::iter::from_fn(move || {
            (run < last).then(|| {
                let (plane, row) = (run / self.runs, run % self.runs);
                let rows = (last - run).min(self.runs - row);
                run += rows;
                let (x, y) = (first % self.width, first / self.width + row);
                (plane, y..y + rows, x..x + self.length / self.element)
            })
        })
    }

    /// Where the `k`-th value of chunk `index` is.
    pub(crate) fn place(&self, index: u64, k: u64) -> Place {
        let at = k * self.element;
        let byte = if self.pieces > 1 {
            self.run(index / self.pieces) + index % self.pieces * CHUNK + at
        } else {
            self.run(index * self.group + at / self.length) + at % self.length
        };
        let pixel = byte / self.element;
        Place { x: pixel % self.width, y: pixel / self.width % self.height, plane: pixel / (self.width * self.height) }
    }

    fn run(&self, run: u64) -> u64 {
        let plane = self.width * self.height * self.element;
        self.start + run / self.runs * plane + run % self.runs * self.width * self.element
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hdu::Bitpix;

    fn image(axes: &[u64]) -> Image {
        Image { bitpix: Bitpix::F32, axes: axes.to_vec(), scale: 1.0, zero: 0.0, blank: None }
    }

    /// All pixels of all chunks in order.
    fn pixels(chunks: &Chunks) -> Vec<u64> {
        let runs = (0..chunks.count()).flat_map(|index| chunks.runs(index).collect::<Vec<_>>());
        runs.flat_map(|(at, length)| (at / 4)..(at + length) / 4).collect()
    }

    #[test]
    fn chunks_hold_every_pixel_of_the_box_once_and_in_order() {
        for (axes, x, y) in [
            (vec![7, 5], 0..7, 0..5),
            (vec![7, 5, 3], 2..4, 1..5),
            (vec![7, 5, 3], 0..7, 1..3),
            (vec![300_001, 2, 2], 5..300_000, 0..2),
            (vec![9], 3..5, 0..1),
        ] {
            let image = image(&axes);
            let chunks = Chunks::of(&image, 4, &x, &y);
            let (w, h) = (image.width(), image.height());
            let wanted: Vec<u64> = (0..image.planes())
                .flat_map(|p| y.clone().flat_map(move |row| (0..w).map(move |col| (p, row, col))))
                .filter(|(_, _, col)| x.contains(col))
                .map(|(p, row, col)| (p * h + row) * w + col)
                .collect();
            assert_eq!(pixels(&chunks), wanted, "{axes:?} {x:?} {y:?}");
            // Places agree with the order.
            let mut all = wanted.iter();
            for index in 0..chunks.count() {
                let values: u64 = chunks.runs(index).map(|(_, length)| length / 4).sum();
                assert!(values * 4 <= chunks.longest());
                for k in 0..values {
                    let Place { x, y, plane } = chunks.place(index, k);
                    assert_eq!(Some(&((plane * h + y) * w + x)), all.next());
                }
            }
            assert_eq!(all.next(), None);

            let by_rows = Chunks::by_rows(&image, 4, &x, &y, 3);
            let boxes = (0..by_rows.count()).flat_map(|index| by_rows.boxes(index).collect::<Vec<_>>());
            let found: Vec<u64> = boxes
                .flat_map(|(p, y, x)| y.flat_map(move |row| x.clone().map(move |col| (p * h + row) * w + col)))
                .collect();
            assert_eq!(found, wanted, "{axes:?} {x:?} {y:?} by rows");
        }
    }
}
