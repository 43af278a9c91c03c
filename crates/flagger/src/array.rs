//! Interference that all baselines see.

use crate::search::{Scratch, search};
use crate::{Block, Error, Search};

/// An amplitude counts as at most so many times its baseline's median, so that no single baseline decides.
const MOST: f32 = 4.0;

/// What a sum counts: whole parts of so many of an amplitude's median, as fine as `f32`. Whole numbers have the same sum in
/// any order, so that the threads that end first do not decide on a mean at the threshold.
const PARTS: f32 = 16_777_216.0;

/// The mean over baselines of their amplitudes, each relative to the baseline's own median: noise and fringes average out,
/// and what all baselines see stays. One for each spectral window; threads fill their own and [`merge`](Self::merge) them.
#[derive(Clone, Debug, PartialEq)]
pub struct ArraySurvey {
    shape: [usize; 3],
    sums: Vec<u64>,
    counts: Vec<u32>,
}

/// What all baselines see as interference, `[time, channel, correlation]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayMask {
    pub(crate) shape: [usize; 3],
    pub(crate) mask: Vec<bool>,
}

impl ArraySurvey {
    /// Without baselines, for blocks of the shape `[time, channel, correlation]`.
    #[must_use]
    pub fn new(shape: [usize; 3]) -> Self {
        let count = shape.iter().product();
        Self { shape, sums: vec![0; count], counts: vec![0; count] }
    }

    /// Adds a baseline. What is flagged takes no part.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the block has another shape.
    pub fn add(&mut self, block: &Block<'_>, scratch: &mut Scratch) -> Result<(), Error> {
        self.check("the block", block.shape())?;
        let [_, _, correlations] = self.shape;
        for correlation in 0..correlations {
            let (mut amplitudes, mut mask) =
                (std::mem::take(&mut scratch.amplitudes), std::mem::take(&mut scratch.mask));
            block.plane(correlation, &mut amplitudes, &mut mask);
            let usable = amplitudes.iter().zip(&mask).filter(|(_, masked)| !**masked).map(|(value, _)| *value);
            if let Some(median) = median(usable, &mut scratch.sample).filter(|median| *median > 0.0) {
                for (place, (amplitude, masked)) in amplitudes.iter().zip(&mask).enumerate() {
                    if !masked {
                        let index = place * correlations + correlation;
                        self.sums[index] += u64::from(((amplitude / median).min(MOST) * PARTS) as u32);
                        self.counts[index] += 1;
                    }
                }
            }
            (scratch.amplitudes, scratch.mask) = (amplitudes, mask);
        }
        Ok(())
    }

    /// Adds what another survey of the same shape has seen.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`].
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        self.check("the other survey", other.shape)?;
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| *sum += other);
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        Ok(())
    }

    /// Searches the means.
    #[must_use]
    pub fn find(&self, how: &Search) -> ArrayMask {
        let [times, channels, correlations] = self.shape;
        let mut all = vec![false; self.sums.len()];
        let mut scratch = Scratch::default();
        for correlation in 0..correlations {
            let places = || (correlation..self.sums.len()).step_by(correlations);
            let means: Vec<f32> = places()
                .map(|i| match self.counts[i] {
                    0 => 0.0,
                    count => (self.sums[i] as f64 / (f64::from(count) * f64::from(PARTS))) as f32,
                })
                .collect();
            // With a few baselines out of many a mean says little.
            let most = places().map(|i| self.counts[i]).max().unwrap_or(0);
            let unusable: Vec<bool> = places().map(|i| self.counts[i] == 0 || self.counts[i] < most / 8).collect();
            let mut mask = unusable.clone();
            search(&means, &mut mask, [times, channels], how, &mut scratch);
            for ((i, masked), unusable) in places().zip(mask).zip(unusable) {
                all[i] = masked && !unusable;
            }
        }
        ArrayMask { shape: self.shape, mask: all }
    }

    fn check(&self, what: &'static str, shape: [usize; 3]) -> Result<(), Error> {
        if shape == self.shape {
            return Ok(());
        }
        let (found, needed) = (shape.iter().product(), self.shape.iter().product());
        Err(Error::Shape { what, found, shape: self.shape, needed })
    }
}

impl ArrayMask {
    /// Nothing is interference.
    #[must_use]
    pub fn empty(shape: [usize; 3]) -> Self {
        Self { shape, mask: vec![false; shape.iter().product()] }
    }

    /// The fraction that is.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.mask.iter().filter(|&&masked| masked).count() as f64 / self.mask.len().max(1) as f64
    }
}

/// The median of about a thousand of the values.
fn median(values: impl Iterator<Item = f32> + Clone, sample: &mut Vec<f32>) -> Option<f32> {
    let count = values.clone().count();
    sample.clear();
    sample.extend(values.step_by((count / 1024) | 1));
    if sample.is_empty() {
        return None;
    }
    let middle = sample.len() / 2;
    Some(*sample.select_nth_unstable_by(middle, f32::total_cmp).1)
}
