//! Count, mean, spread and extremes, in one pass.

use super::area::{Chunks, Place};
use super::sample::Sample;

/// Values that are worked on at once: they stay in the innermost cache.
pub(crate) const BLOCK: usize = 4096;
/// Sums that run beside each other, so that vector units are full and errors small.
const LANES: usize = 16;

/// Count, mean, spread and extremes of the finite values of some pixels.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Moments {
    /// How many pixels there are.
    pub pixels: u64,
    /// How many of them are finite: neither NaN, nor infinite, nor BLANK.
    pub finite: u64,
    /// What the finite ones are like; `None` where there is none.
    pub extent: Option<Extent>,
}

/// Mean, spread and extremes of values, of which there is at least one.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Extent {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the population, as numpy's `std`.
    pub std: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Where the least is; the first such place in the order of the file.
    pub min_at: Place,
    /// Where the greatest is; the first such place in the order of the file.
    pub max_at: Place,
}

impl Extent {
    /// The value that is farthest from zero, sign and all.
    pub fn peak(&self) -> f64 {
        if -self.min > self.max { self.min } else { self.max }
    }
}

/// What is known of some values; parts are joined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    finite: u64,
    mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
    min: f64,
    max: f64,
    /// Which value of the chunk, and later which chunk too.
    min_at: (u64, u64),
    max_at: (u64, u64),
}

impl Part {
    pub(crate) const EMPTY: Self = Self {
        finite: 0,
        mean: 0.0,
        squares: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        min_at: (0, 0),
        max_at: (0, 0),
    };

    /// Joins what comes later in the file (Chan, Golub and LeVeque 1979).
    #[inline]
    pub(crate) fn join(&mut self, later: &Self) {
        if later.finite == 0 {
            return;
        }
        let (here, there) = (self.finite as f64, later.finite as f64);
        let step = later.mean - self.mean;
        self.mean += step * (there / (here + there));
        self.squares += later.squares + step * step * (here * there / (here + there));
        self.finite += later.finite;
        if later.min < self.min {
            (self.min, self.min_at) = (later.min, later.min_at);
        }
        if later.max > self.max {
            (self.max, self.max_at) = (later.max, later.max_at);
        }
    }

    /// Says of which chunk it is.
    pub(crate) fn of_chunk(mut self, index: u64) -> Self {
        self.min_at.0 = index;
        self.max_at.0 = index;
        self
    }

    pub(crate) fn moments(&self, pixels: u64, chunks: &Chunks) -> Moments {
        let place = |(index, k): (u64, u64)| chunks.place(index, k);
        let extent = (self.finite > 0).then(|| Extent {
            mean: self.mean,
            std: (self.squares / self.finite as f64).sqrt(),
            min: self.min,
            max: self.max,
            min_at: place(self.min_at),
            max_at: place(self.max_at),
        });
        Moments { pixels, finite: self.finite, extent }
    }
}

/// Sums that run beside each other.
struct Sums<T> {
    count: [u32; LANES],
    sum: [f64; LANES],
    min: [T; LANES],
    max: [T; LANES],
}

impl<T: Sample> Sums<T> {
    #[inline(always)]
    fn add(&mut self, rows: &[[T; LANES]]) {
        // Kept in registers through the loop.
        let Self { mut count, mut sum, mut min, mut max } = *self;
        for row in rows {
            for lane in 0..LANES {
                let x = row[lane];
                let finite = x.finite();
                count[lane] += u32::from(finite);
                sum[lane] += if finite { x.wide() } else { 0.0 };
                let low = if finite { x } else { T::INFINITY };
                min[lane] = if low < min[lane] { low } else { min[lane] };
                let high = if finite { x } else { T::NEG_INFINITY };
                max[lane] = if high > max[lane] { high } else { max[lane] };
            }
        }
        *self = Self { count, sum, min, max };
    }
}

#[inline(always)]
fn add_squares<T: Sample>(squares: &mut [f64; LANES], rows: &[[T; LANES]], mean: f64) {
    let mut own = *squares;
    for row in rows {
        for lane in 0..LANES {
            let x = row[lane];
            let step = if x.finite() { x.wide() - mean } else { 0.0 };
            own[lane] += step * step;
        }
    }
    *squares = own;
}

/// Of one block of values, the first of which is the chunk's value number `first`. Extremes are located only where they
/// beat those of `best`.
#[inline(always)]
pub(crate) fn summarise<T: Sample>(values: &[T], first: u64, best: &Part) -> Part {
    let (rows, rest) = values.as_chunks::<LANES>();
    let mut last = [T::NAN; LANES];
    last[..rest.len()].copy_from_slice(rest);

    let mut sums =
        Sums { count: [0; LANES], sum: [0.0; LANES], min: [T::INFINITY; LANES], max: [T::NEG_INFINITY; LANES] };
    sums.add(rows);
    sums.add(&[last]);
    let Sums { count, sum, min, max } = sums;
    let finite: u32 = count.iter().sum();
    if finite == 0 {
        return Part::EMPTY;
    }
    let mean = sum.iter().sum::<f64>() / f64::from(finite);
    let mut squares = [0.0_f64; LANES];
    add_squares(&mut squares, rows, mean);
    add_squares(&mut squares, &[last], mean);
    let min = min.iter().copied().fold(T::INFINITY, |a, b| if b < a { b } else { a });
    let max = max.iter().copied().fold(T::NEG_INFINITY, |a, b| if b > a { b } else { a });
    let locate = |wanted: T| first + values.iter().position(|&x| x == wanted).unwrap_or(0) as u64;
    Part {
        finite: finite.into(),
        mean,
        squares: squares.iter().sum(),
        min: min.wide(),
        max: max.wide(),
        min_at: (0, if min.wide() < best.min { locate(min) } else { 0 }),
        max_at: (0, if max.wide() > best.max { locate(max) } else { 0 }),
    }
}
