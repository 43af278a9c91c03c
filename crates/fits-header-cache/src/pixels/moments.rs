//! Count, mean, spread and extremes, in one pass.

use super::area::{Chunks, Place};
use super::kernel::Block;
use super::sample::Sample;

/// A centre that is so many standard deviations from the mean, squared, costs the squares too many digits.
const FAR: f64 = 64.0;

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
    pub(crate) finite: u64,
    pub(crate) mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Which chunk, and which value of it.
    pub(crate) min_at: (u64, u64),
    pub(crate) max_at: (u64, u64),
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

    /// Of a block whose sums are about `centre`. Where the extremes are is not known.
    #[inline]
    pub(crate) fn of_block<T: Sample>(block: &Block<T>, centre: T) -> Self {
        if block.finite == 0 {
            return Self::EMPTY;
        }
        let shift = block.sum / f64::from(block.finite);
        let squares =
            if block.squares.is_finite() { (block.squares - shift * block.sum).max(0.0) } else { f64::INFINITY };
        Self {
            finite: block.finite.into(),
            mean: centre.wide() + shift,
            squares,
            min: block.min.wide(),
            max: block.max.wide(),
            ..Self::EMPTY
        }
    }

    /// Whether `centre`, about which the sums of this block were taken, is too far from the mean for the squares.
    #[inline]
    pub(crate) fn is_far_from<T: Sample>(&self, centre: T) -> bool {
        let shift = self.mean - centre.wide();
        shift * shift * self.finite as f64 > FAR * self.squares
    }

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
