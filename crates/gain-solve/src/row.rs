//! A row of visibilities, taken apart into planes that vectors can work on.

use num_complex::Complex32;

use crate::robust::{Residuals, Reweight};

/// How the channels and correlations of rows lie in the sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bands {
    /// Correlations of a row.
    pub correlations: usize,
    /// For each receptor, which correlation is its parallel hand.
    pub hands: Vec<usize>,
    /// Channels of each group: consecutive ranges.
    pub groups: Vec<std::ops::Range<usize>>,
    /// The number in the sums of the first of `groups`.
    pub first_group: usize,
}

/// The weights of a row.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// One for each correlation: WEIGHT.
    Correlation(&'a [f32]),
    /// `[channel, correlation]`: WEIGHT_SPECTRUM.
    Channel(&'a [f32]),
}

/// One row of visibilities.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Antenna 1 and antenna 2, as numbers among [`crate::Shape::antennas`].
    pub antennas: [usize; 2],
    /// Visibilities, `[channel, correlation]`.
    pub vis: &'a [Complex32],
    /// Their model, `[channel, correlation]`.
    pub model: &'a [Complex32],
    /// Their flags, `[channel, correlation]`.
    pub flags: &'a [bool],
    /// Their weights: inverse variances up to a common factor.
    pub weights: Weights<'a>,
    /// Gains that are known already, of antenna 1 and antenna 2, `[receptor, channel]`; the model is multiplied by
    /// g₁ g₂*. A gain that is 0 leaves its channel out.
    pub known: Option<[&'a [Complex32]; 2]>,
    /// For re-weighting: the solution so far of antenna 1 and antenna 2, `[receptor, group]` over all groups of the sums.
    pub solved: Option<[&'a [Complex32]; 2]>,
}

/// Values of one receptor of one row, by channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) vr: Vec<f32>,
    pub(crate) vi: Vec<f32>,
    pub(crate) mr: Vec<f32>,
    pub(crate) mi: Vec<f32>,
    pub(crate) w: Vec<f32>,
    gr: Vec<f32>,
    gi: Vec<f32>,
}

/// Above this the square of a part overflows `f32` sums: such a visibility is taken for flagged.
const LARGEST: f32 = 1e15;

impl Bands {
    /// One past the last channel of any group.
    pub(crate) fn channels(&self) -> usize {
        self.groups.last().map_or(0, |group| group.end)
    }
}

impl Scratch {
    /// Takes one receptor's values apart, corrupts the model by what is known and re-weights by what is solved.
    pub(crate) fn load(
        &mut self,
        row: &Row<'_>,
        bands: &Bands,
        receptor: usize,
        groups: usize,
        reweight: Option<&Reweight>,
    ) {
        let channels = bands.channels();
        self.gather(row, bands.correlations, bands.hands[receptor], channels);
        if let Some([first, second]) = row.known {
            let own = receptor * channels..(receptor + 1) * channels;
            self.corrupt(&first[own.clone()], &second[own]);
        }
        if let (Some(solved), Some(how)) = (row.solved, reweight) {
            self.predict(bands, solved.map(|g| &g[receptor * groups..(receptor + 1) * groups]));
            let scale = how.inverse_variance();
            for c in 0..self.w.len() {
                let t = 1.0 - self.power(c) * scale;
                let factor = if t > 0.0 { t * t } else { 0.0 };
                // Where there is no solution yet there is no residual either.
                let known = self.gr[c] != 0.0 || self.gi[c] != 0.0;
                self.w[c] *= if known { factor } else { 1.0 };
            }
        }
    }

    /// Counts the powers of the residuals of what [`Self::load`] took apart.
    pub(crate) fn count(&mut self, bands: &Bands, solved: [&[Complex32]; 2], residuals: &mut Residuals) {
        self.predict(bands, solved);
        for c in 0..self.w.len() {
            if self.w[c] > 0.0 && (self.gr[c] != 0.0 || self.gi[c] != 0.0) {
                residuals.add(self.power(c));
            }
        }
    }

    /// w |V − g₁ g₂* M|².
    fn power(&self, c: usize) -> f32 {
        let dr = self.vr[c] - (self.gr[c] * self.mr[c] - self.gi[c] * self.mi[c]);
        let di = self.vi[c] - (self.gr[c] * self.mi[c] + self.gi[c] * self.mr[c]);
        (dr * dr + di * di) * self.w[c]
    }

    /// g₁ g₂* of each channel, by group.
    fn predict(&mut self, bands: &Bands, [first, second]: [&[Complex32]; 2]) {
        let channels = bands.channels();
        self.gr.clear();
        self.gi.clear();
        self.gr.resize(channels, 0.0);
        self.gi.resize(channels, 0.0);
        for (number, range) in bands.groups.iter().enumerate() {
            let group = bands.first_group + number;
            let g = first[group] * second[group].conj();
            self.gr[range.clone()].fill(g.re);
            self.gi[range.clone()].fill(g.im);
        }
    }

    /// Takes one correlation's values apart; what cannot be used gets weight 0.
    fn gather(&mut self, row: &Row<'_>, correlations: usize, hand: usize, channels: usize) {
        for plane in [&mut self.vr, &mut self.vi, &mut self.mr, &mut self.mi, &mut self.w] {
            plane.resize(channels, 0.0);
        }
        let vis = row.vis[..channels * correlations].chunks_exact(correlations);
        let model = row.model[..channels * correlations].chunks_exact(correlations);
        let flags = row.flags[..channels * correlations].chunks_exact(correlations);
        for (c, ((v, m), f)) in vis.zip(model).zip(flags).enumerate() {
            let (v, m) = (v[hand], m[hand]);
            let weight = match row.weights {
                Weights::Correlation(weights) => weights[hand],
                Weights::Channel(weights) => weights[c * correlations + hand],
            };
            let largest = v.re.abs().max(v.im.abs()).max(m.re.abs()).max(m.im.abs());
            // `max` passes NaN over: the sum does not.
            let sum = v.re + v.im + m.re + m.im;
            let usable = !f[hand] && largest < LARGEST && !sum.is_nan() && weight > 0.0 && weight < LARGEST;
            let keep = |x: f32| if usable { x } else { 0.0 };
            (self.vr[c], self.vi[c]) = (keep(v.re), keep(v.im));
            (self.mr[c], self.mi[c]) = (keep(m.re), keep(m.im));
            self.w[c] = keep(weight);
        }
    }

    /// Multiplies the model by g₁ g₂*.
    fn corrupt(&mut self, first: &[Complex32], second: &[Complex32]) {
        let planes = self.mr.iter_mut().zip(&mut self.mi).zip(&mut self.w);
        for ((&g1, &g2), ((mr, mi), w)) in first.iter().zip(second).zip(planes) {
            let g = g1 * g2.conj();
            let m = Complex32::new(*mr, *mi) * g;
            (*mr, *mi) = (m.re, m.im);
            if g.re == 0.0 && g.im == 0.0 {
                *w = 0.0;
            }
        }
    }
}
