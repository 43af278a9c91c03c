//! A row of visibilities, taken apart into planes that vectors can work on.

use std::ops::Range;

use num_complex::Complex32;

use crate::robust::Reweight;

/// How the channels and correlations of rows lie in the sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bands {
    /// Correlations of a row.
    pub correlations: usize,
    /// For each receptor, which correlation is its parallel hand.
    pub hands: Vec<usize>,
    /// Channels of each group: consecutive ranges.
    pub groups: Vec<Range<usize>>,
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

/// Channels that are worked on at once: their planes stay in the nearest cache.
pub(crate) const WIDTH: usize = 128;

/// Channels of a vector; [`WIDTH`] is a multiple.
pub(crate) const LANES: usize = 16;

/// Above this a weighted square might overflow `f32` sums: such a visibility is taken for flagged.
const LARGEST: f32 = 1e30;

/// Neighbouring channels of a row, at most [`WIDTH`], that go into the sums in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) channels: Range<usize>,
    pub(crate) groups: Groups,
}

/// The groups of a [`Piece`], by number in the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Groups {
    /// One for all of its channels.
    Shared(usize),
    /// One for each, from this on.
    Each(usize),
}

impl Bands {
    /// One past the last channel of any group.
    pub(crate) fn channels(&self) -> usize {
        self.groups.last().map_or(0, |group| group.end)
    }

    /// Whether group k is channel k.
    pub(crate) fn one_each(&self) -> bool {
        self.groups.iter().enumerate().all(|(k, group)| *group == (k..k + 1))
    }

    /// The pieces of a row; `one_each` is known by [`Self::one_each`]. One place calls `each`, so that it is compiled into
    /// the caller, for the caller's vectors.
    #[inline(always)]
    pub(crate) fn pieces(&self, one_each: bool, mut each: impl FnMut(Piece)) {
        let count = if one_each { 1 } else { self.groups.len() };
        for number in 0..count {
            let all = if one_each { 0..self.channels() } else { self.groups[number].clone() };
            let mut start = all.start;
            while start < all.end {
                let end = (start + WIDTH).min(all.end);
                let groups = match one_each {
                    true => Groups::Each(self.first_group + start),
                    false => Groups::Shared(self.first_group + number),
                };
                each(Piece { channels: start..end, groups });
                start = end;
            }
        }
    }
}

/// Values of one receptor of neighbouring channels of a row.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Planes {
    pub(crate) vr: [f32; WIDTH],
    pub(crate) vi: [f32; WIDTH],
    pub(crate) mr: [f32; WIDTH],
    pub(crate) mi: [f32; WIDTH],
    /// Weights; 0 for what cannot be used, whose other values are then 0 as well.
    pub(crate) w: [f32; WIDTH],
    gr: [f32; WIDTH],
    gi: [f32; WIDTH],
}

impl Planes {
    pub(crate) fn new() -> Self {
        let zeros = [0.0; WIDTH];
        Self { vr: zeros, vi: zeros, mr: zeros, mi: zeros, w: zeros, gr: zeros, gi: zeros }
    }

    /// Takes one receptor's values of a piece apart and corrupts the model by what is known.
    #[inline(always)]
    pub(crate) fn load(&mut self, row: &Row<'_>, bands: &Bands, receptor: usize, piece: &Piece) {
        let (correlations, hand) = (bands.correlations, bands.hands[receptor]);
        let n = piece.channels.len();
        let own = piece.channels.start * correlations..piece.channels.end * correlations;
        let (vis, model, flags) = (&row.vis[own.clone()], &row.model[own.clone()], &row.flags[own.clone()]);
        match row.weights {
            Weights::Correlation(weights) => self.w[..n].fill(weights[hand]),
            Weights::Channel(weights) => {
                let own = weights[own].iter().skip(hand).step_by(correlations);
                self.w[..n].iter_mut().zip(own).for_each(|(to, from)| *to = *from);
            }
        }
        // With the number of correlations known the compiler makes vectors of it.
        match correlations {
            1 => self.take(n, hand, vis.as_chunks::<1>().0, model.as_chunks::<1>().0, flags.as_chunks::<1>().0),
            2 => self.take(n, hand, vis.as_chunks::<2>().0, model.as_chunks::<2>().0, flags.as_chunks::<2>().0),
            4 => self.take(n, hand, vis.as_chunks::<4>().0, model.as_chunks::<4>().0, flags.as_chunks::<4>().0),
            _ => {
                for c in 0..n {
                    let at = c * correlations + hand;
                    self.take_one(c, vis[at], model[at], flags[at]);
                }
            }
        }
        // To the end of a vector, as if they were flagged: what lies there is left of another piece.
        let end = n.next_multiple_of(LANES).min(WIDTH);
        for plane in [&mut self.vr, &mut self.vi, &mut self.mr, &mut self.mi, &mut self.w] {
            plane[n..end].fill(0.0);
        }
        if let Some([first, second]) = row.known {
            let channels = bands.channels();
            let own = receptor * channels + piece.channels.start..receptor * channels + piece.channels.end;
            self.corrupt(n, &first[own.clone()], &second[own]);
        }
    }

    #[inline(always)]
    fn take<const N: usize>(
        &mut self,
        n: usize,
        hand: usize,
        vis: &[[Complex32; N]],
        model: &[[Complex32; N]],
        flags: &[[bool; N]],
    ) {
        let hand = hand.min(N - 1);
        let n = n.min(WIDTH);
        let (vis, model, flags) = (&vis[..n], &model[..n], &flags[..n]);
        for c in 0..n {
            self.take_one(c, vis[c][hand], model[c][hand], flags[c][hand]);
        }
    }

    /// Values that are no numbers or too large, and flagged ones, become zeros. A comparison with what is no number is
    /// false.
    #[inline(always)]
    fn take_one(&mut self, c: usize, v: Complex32, m: Complex32, flag: bool) {
        let w = self.w[c];
        let fits = |x: Complex32| w * (x.re * x.re + x.im * x.im) < LARGEST;
        let usable = !flag & (w > 0.0) & (w < LARGEST) & fits(v) & fits(m);
        let keep = |x: f32| if usable { x } else { 0.0 };
        (self.vr[c], self.vi[c]) = (keep(v.re), keep(v.im));
        (self.mr[c], self.mi[c]) = (keep(m.re), keep(m.im));
        self.w[c] = keep(w);
    }

    /// Multiplies the model by g₁ g₂*; a product of 0 leaves the channel out.
    #[inline(always)]
    fn corrupt(&mut self, n: usize, first: &[Complex32], second: &[Complex32]) {
        let n = n.min(WIDTH);
        let (first, second) = (&first[..n], &second[..n]);
        for c in 0..n {
            let g = first[c] * second[c].conj();
            let (re, im) = (self.mr[c], self.mi[c]);
            (self.mr[c], self.mi[c]) = (re * g.re - im * g.im, re * g.im + im * g.re);
            self.w[c] = if (g.re == 0.0) & (g.im == 0.0) { 0.0 } else { self.w[c] };
        }
    }

    /// g₁ g₂* of each channel of a piece.
    #[inline(always)]
    fn predict(&mut self, piece: &Piece, [first, second]: [&[Complex32]; 2]) {
        let n = piece.channels.len().min(WIDTH);
        match piece.groups {
            Groups::Shared(group) => {
                let g = first[group] * second[group].conj();
                self.gr[..n].fill(g.re);
                self.gi[..n].fill(g.im);
            }
            Groups::Each(group) => {
                let (first, second) = (&first[group..group + n], &second[group..group + n]);
                for c in 0..n {
                    let g = first[c] * second[c].conj();
                    (self.gr[c], self.gi[c]) = (g.re, g.im);
                }
            }
        }
    }

    /// Lowers the weights of what lies far from the solution so far: w (1 − w |V − g₁ g₂* M|² / (cσ)²)². `solved`: of this
    /// receptor.
    #[inline(always)]
    pub(crate) fn lower(&mut self, piece: &Piece, solved: [&[Complex32]; 2], how: &Reweight) {
        self.predict(piece, solved);
        let scale = how.inverse_variance();
        for c in 0..piece.channels.len().min(WIDTH) {
            let t = (1.0 - self.power(c) * scale).max(0.0);
            // Where there is no solution yet there is no residual either.
            let known = (self.gr[c] != 0.0) | (self.gi[c] != 0.0);
            self.w[c] *= if known { t * t } else { 1.0 };
        }
    }

    /// Calls `count` with the power of the residual of each visibility that has weight and a solution.
    #[inline(always)]
    pub(crate) fn residuals(&mut self, piece: &Piece, solved: [&[Complex32]; 2], mut count: impl FnMut(f32)) {
        self.predict(piece, solved);
        for c in 0..piece.channels.len().min(WIDTH) {
            if self.w[c] > 0.0 && (self.gr[c] != 0.0 || self.gi[c] != 0.0) {
                count(self.power(c));
            }
        }
    }

    /// w |V − g₁ g₂* M|².
    #[inline(always)]
    fn power(&self, c: usize) -> f32 {
        let dr = self.vr[c] - (self.gr[c] * self.mr[c] - self.gi[c] * self.mi[c]);
        let di = self.vi[c] - (self.gr[c] * self.mi[c] + self.gi[c] * self.mr[c]);
        (dr * dr + di * di) * self.w[c]
    }
}
