//! What is flagged at a time: one baseline in one spectral window, and why.

use std::ops::AddAssign;

use num_complex::Complex32;

use crate::{Error, Settings};

/// Consecutive integrations of one baseline in one spectral window.
#[derive(Debug)]
pub struct Block<'a> {
    shape: [usize; 3],
    /// `[time, channel, correlation]`, the last axis fastest.
    pub(crate) visibilities: &'a [Complex32],
    /// The same shape; true where flagged. What is flagged takes no part in any statistic.
    pub(crate) flags: &'a mut [bool],
}

impl<'a> Block<'a> {
    /// A block of the shape `[time, channel, correlation]`. Integrations are in order of time; one in which the baseline
    /// has no row is flagged.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`].
    pub fn new(shape: [usize; 3], visibilities: &'a [Complex32], flags: &'a mut [bool]) -> Result<Self, Error> {
        let needed = shape.iter().product();
        for (what, found) in [("the array of visibilities", visibilities.len()), ("the array of flags", flags.len())] {
            if found != needed {
                return Err(Error::Shape { what, found, shape, needed });
            }
        }
        Ok(Self { shape, visibilities, flags })
    }

    /// The numbers of integrations, channels and correlations.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The amplitudes of one correlation, `[time, channel]`, and which of them may not be used.
    pub(crate) fn plane(&self, correlation: usize, amplitudes: &mut Vec<f32>, mask: &mut Vec<bool>) {
        let each = self.shape[2];
        amplitudes.clear();
        amplitudes.extend(self.visibilities.iter().skip(correlation).step_by(each).map(|value| value.norm()));
        mask.clear();
        mask.extend(self.flags.iter().skip(correlation).step_by(each));
        for (mask, amplitude) in mask.iter_mut().zip(amplitudes) {
            *mask |= !amplitude.is_finite();
        }
    }
}

/// How many visibilities were newly flagged, by the first reason found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// Exactly zero.
    pub zero: u64,
    /// Not finite: one of its parts, or its modulus.
    pub not_finite: u64,
    /// An autocorrelation.
    pub autocorrelation: u64,
    /// Above or below a clip.
    pub clipped: u64,
    /// Seen by all baselines.
    pub array: u64,
    /// An outlier of its baseline.
    pub outlier: u64,
    /// Beside what a search found: other correlations, neighbours, the rest of a channel or integration.
    pub extended: u64,
    /// Of a dead antenna.
    pub dead: u64,
}

impl Reasons {
    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.named().iter().map(|(_, count)| count).sum()
    }

    /// Each with its name, in the order in which they are looked for.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("zero", self.zero),
            ("not finite", self.not_finite),
            ("autocorrelation", self.autocorrelation),
            ("clipped", self.clipped),
            ("dead antenna", self.dead),
            ("interference in all baselines", self.array),
            ("outlier of its baseline", self.outlier),
            ("beside these", self.extended),
        ]
    }
}

impl AddAssign for Reasons {
    fn add_assign(&mut self, other: Self) {
        self.zero += other.zero;
        self.not_finite += other.not_finite;
        self.autocorrelation += other.autocorrelation;
        self.clipped += other.clipped;
        self.array += other.array;
        self.outlier += other.outlier;
        self.extended += other.extended;
        self.dead += other.dead;
    }
}

/// Flags what one look at each visibility tells: zeros, what is not finite, autocorrelations, clips.
pub fn flag_simple(block: &mut Block<'_>, is_autocorrelation: bool, settings: &Settings) -> Reasons {
    let mut reasons = Reasons::default();
    let above = settings.clip_above.unwrap_or(f32::INFINITY);
    let below = settings.clip_below.unwrap_or(0.0);
    for (flag, value) in block.flags.iter_mut().zip(block.visibilities) {
        if *flag {
            continue;
        }
        let amplitude = value.norm();
        let reason = if settings.zeros && value.re == 0.0 && value.im == 0.0 {
            &mut reasons.zero
        } else if settings.not_finite && !amplitude.is_finite() {
            &mut reasons.not_finite
        } else if settings.autocorrelations && is_autocorrelation {
            &mut reasons.autocorrelation
        } else if amplitude.is_finite() && !(below..=above).contains(&amplitude) {
            &mut reasons.clipped
        } else {
            continue;
        };
        *reason += 1;
        *flag = true;
    }
    reasons
}
