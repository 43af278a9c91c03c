//! What each antenna's visibilities are multiplied by.

use std::sync::Arc;

use casacore::Complex32;

use crate::calibrate::kept::Kept;
use crate::calibrate::known::Known;
use crate::calibrate::set::View;

/// Factors that are kept for each data description: threads work on neighbouring times.
const KEPT: usize = 4;

/// The factors of every antenna at one time, in the order of a row's values: a corrected visibility is V · first · second.
#[derive(Debug)]
pub(crate) struct Factors {
    size: usize,
    /// 1 / g of antenna 1 and 1 / g* of antenna 2, `[antenna][channel, correlation]`; 0 without a solution.
    first: Vec<Complex32>,
    second: Vec<Complex32>,
    /// Whether some value of the antenna is 0.
    gaps: Vec<bool>,
    /// `[antenna, receptor]`.
    powers: Vec<f32>,
    receptors: usize,
}

impl Factors {
    fn new(view: &View, known: &Known, description: usize, time: u32) -> Self {
        let gains = known.at(description, time as usize);
        let cell = &view.descriptions[description];
        let antennas = view.subtables.antennas.len();
        let receptors = gains.powers.len() / antennas.max(1);
        let size = cell.channels * cell.receptors.len();
        let zero = Complex32::new(0.0, 0.0);
        let mut factors = Self {
            size,
            first: Vec::with_capacity(antennas * size),
            second: Vec::with_capacity(antennas * size),
            gaps: vec![false; antennas],
            powers: gains.powers.clone(),
            receptors,
        };
        for antenna in 0..antennas {
            let of = |receptor: usize, channel: usize| {
                let gain = gains.gains[(antenna * receptors + receptor) * cell.channels + channel];
                let inverse = gain.inv();
                if gain == zero || !inverse.is_finite() { zero } else { inverse }
            };
            for channel in 0..cell.channels {
                for &[p, q] in &cell.receptors {
                    let (a, b) = (of(p, channel), of(q, channel).conj());
                    factors.gaps[antenna] |= a == zero || b == zero;
                    factors.first.push(a);
                    factors.second.push(b);
                }
            }
        }
        factors
    }

    /// The factors of antenna 1 and antenna 2 of a row.
    pub(crate) fn of(&self, [a, b]: [usize; 2]) -> (&[Complex32], &[Complex32]) {
        (&self.first[a * self.size..(a + 1) * self.size], &self.second[b * self.size..(b + 1) * self.size])
    }

    /// Whether some value of a row has no solution.
    pub(crate) fn has_gaps(&self, [a, b]: [usize; 2]) -> bool {
        self.gaps[a] || self.gaps[b]
    }

    /// By how much a correlation's weight grows.
    pub(crate) fn power(&self, [a, b]: [usize; 2], [p, q]: [usize; 2]) -> f32 {
        self.powers[a * self.receptors + p] * self.powers[b * self.receptors + q]
    }
}

/// Factors that threads share.
#[derive(Debug)]
pub(crate) struct Shared<'a> {
    view: &'a View,
    known: &'a Known,
    kept: Kept<Factors>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(view: &'a View, known: &'a Known) -> Self {
        Self { view, known, kept: Kept::new(KEPT * view.descriptions.len()) }
    }

    /// The factors for rows of a data description at time number `time`.
    pub(crate) fn at(&self, description: usize, time: u32) -> Arc<Factors> {
        self.kept.get((description, time), || Factors::new(self.view, self.known, description, time))
    }
}
