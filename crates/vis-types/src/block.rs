//! A range of rows of all subbands, in memory.

use std::ops::Range;

use ndarray::ArrayView3;
use num_complex::Complex32;

/// The flags of a [`Slab`].
#[derive(Clone, Debug)]
pub enum Flags<'a> {
    /// No visibility of the slab is flagged.
    Clear,
    /// Every visibility of the slab is flagged.
    Set,
    /// `[row, channel, correlation]`; `true` is flagged.
    Each(ArrayView3<'a, bool>),
}

/// The weights of a [`Slab`]: numbers of samples as in UVH5's `nsamples`.
#[derive(Clone, Debug)]
pub enum Weights<'a> {
    /// Every visibility of the slab has this weight.
    Uniform(f32),
    /// `[row, channel, correlation]`.
    Each(ArrayView3<'a, f32>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum FlagState {
    Clear,
    Set,
    Each,
}

/// The visibilities of one subband for a range of rows. Its buffers are kept when it is filled again.
///
/// Most files hold no flag and one weight: a slab says so instead of storing millions of equal values, and a writer can
/// leave holes for them.
#[derive(Clone, Debug)]
pub struct Slab {
    shape: [usize; 3],
    vis: Vec<Complex32>,
    flags: Vec<bool>,
    weights: Vec<f32>,
    flag_state: FlagState,
    uniform_weight: Option<f32>,
    repaired: u64,
}

impl Default for Slab {
    fn default() -> Self {
        Self {
            shape: [0; 3],
            vis: Vec::new(),
            flags: Vec::new(),
            weights: Vec::new(),
            flag_state: FlagState::Clear,
            uniform_weight: Some(1.0),
            repaired: 0,
        }
    }
}

impl Slab {
    /// Gives the slab a shape `[rows, channels, correlations]`, no flags and weight 1. The visibilities keep whatever values
    /// the buffer had: the caller overwrites them all.
    pub fn reset(&mut self, shape: [usize; 3]) {
        self.shape = shape;
        self.vis.resize(self.n_values(), Complex32::ZERO);
        self.flag_state = FlagState::Clear;
        self.uniform_weight = Some(1.0);
        self.repaired = 0;
    }

    /// `[rows, channels, correlations]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of visibilities.
    #[must_use]
    pub fn n_values(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes that the buffers hold.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        self.vis.capacity() * size_of::<Complex32>()
            + self.flags.capacity()
            + self.weights.capacity() * size_of::<f32>()
    }

    /// Visibilities, `[row, channel, correlation]`.
    #[must_use]
    pub fn vis(&self) -> ArrayView3<'_, Complex32> {
        ArrayView3::from_shape(self.shape, &self.vis[..self.n_values()]).expect("because reset sized the buffer")
    }

    /// Visibilities as one slice in `[row, channel, correlation]` order.
    #[must_use]
    pub fn vis_slice(&self) -> &[Complex32] {
        &self.vis[..self.n_values()]
    }

    /// The visibilities to overwrite, as one slice in `[row, channel, correlation]` order.
    #[must_use]
    pub fn vis_slice_mut(&mut self) -> &mut [Complex32] {
        let n = self.n_values();
        &mut self.vis[..n]
    }

    /// The flags.
    #[must_use]
    pub fn flags(&self) -> Flags<'_> {
        match self.flag_state {
            FlagState::Clear => Flags::Clear,
            FlagState::Set => Flags::Set,
            FlagState::Each => Flags::Each(
                ArrayView3::from_shape(self.shape, &self.flags[..self.n_values()]).expect("because flags_mut sized it"),
            ),
        }
    }

    /// Flags every visibility without storing a flag for each.
    pub fn flag_all(&mut self) {
        self.flag_state = FlagState::Set;
    }

    /// A flag for every visibility, in `[row, channel, correlation]` order, to change; from now on they are stored.
    #[must_use]
    pub fn flags_mut(&mut self) -> &mut [bool] {
        let n = self.n_values();
        if self.flag_state != FlagState::Each {
            let value = self.flag_state == FlagState::Set;
            if self.flags.len() < n {
                self.flags.resize(n, value);
            }
            self.flags[..n].fill(value);
            self.flag_state = FlagState::Each;
        }
        &mut self.flags[..n]
    }

    /// The weights.
    #[must_use]
    pub fn weights(&self) -> Weights<'_> {
        match self.uniform_weight {
            Some(w) => Weights::Uniform(w),
            None => Weights::Each(
                ArrayView3::from_shape(self.shape, &self.weights[..self.n_values()])
                    .expect("because weights_mut sized it"),
            ),
        }
    }

    /// Gives every visibility the same weight without storing it for each.
    pub fn set_uniform_weight(&mut self, weight: f32) {
        self.uniform_weight = Some(weight);
    }

    /// A weight for every visibility, in `[row, channel, correlation]` order, to change; from now on they are stored.
    #[must_use]
    pub fn weights_mut(&mut self) -> &mut [f32] {
        let n = self.n_values();
        if let Some(w) = self.uniform_weight.take() {
            if self.weights.len() < n {
                self.weights.resize(n, w);
            }
            self.weights[..n].fill(w);
        }
        &mut self.weights[..n]
    }

    /// Sets every visibility that is not finite to zero, and every weight that is negative or not finite, and flags both; gives
    /// and remembers how many visibilities that were.
    pub fn repair_non_finite(&mut self) -> u64 {
        let n = self.n_values();
        let weighs = |w: f32| (0.0..f32::INFINITY).contains(&w);
        let weighted = match self.uniform_weight {
            Some(w) => weighs(w),
            None => self.weights[..n].iter().all(|&w| weighs(w)),
        };
        if weighted && all_finite(&self.vis[..n]) {
            return 0;
        }
        let weight = |i: usize| self.uniform_weight.unwrap_or_else(|| self.weights[i]);
        let bad: Vec<usize> = (0..n).filter(|&i| !self.vis[i].is_finite() || !weighs(weight(i))).collect();
        let flags = self.flags_mut();
        for &i in &bad {
            flags[i] = true;
        }
        for &i in &bad {
            if !self.vis[i].is_finite() {
                self.vis[i] = Complex32::ZERO;
            }
            if self.uniform_weight.is_none() && !weighs(self.weights[i]) {
                self.weights[i] = 0.0;
            }
        }
        self.uniform_weight = self.uniform_weight.map(|w| if weighs(w) { w } else { 0.0 });
        self.repaired += bad.len() as u64;
        bad.len() as u64
    }

    /// How many visibilities [`repair_non_finite`](Self::repair_non_finite) changed since the slab was filled.
    #[must_use]
    pub fn repaired(&self) -> u64 {
        self.repaired
    }
}

/// Whether no value is infinite or NaN. An OR over all exponents' comparisons vectorises, unlike a search.
fn all_finite(values: &[Complex32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    let bad = |x: f32| u32::from(x.to_bits() & EXPONENT == EXPONENT);
    values.iter().fold(0, |any, v| any | bad(v.re) | bad(v.im)) == 0
}

/// A range of rows of all subbands: one [`Slab`] for each window of the header, in ascending frequency.
#[derive(Clone, Debug, Default)]
pub struct VisBlock {
    /// Which rows of the group these are.
    pub rows: Range<usize>,
    /// One slab a window, in the order of `VisHeader::windows`.
    pub slabs: Vec<Slab>,
    /// UVW of the rows as the file has them (antenna 2 minus antenna 1, metres), one for each row. A reader fills them where
    /// the data are [`FilePhasing::Phased`](crate::FilePhasing::Phased) and leaves them empty elsewhere, since they follow
    /// from the stations.
    pub file_uvw_m: Vec<[f64; 3]>,
}

impl VisBlock {
    /// Bytes that the buffers hold.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        self.slabs.iter().map(Slab::allocated_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_finite_values_are_zeroed_flagged_and_counted() {
        let mut slab = Slab::default();
        slab.reset([2, 3, 2]);
        slab.vis_slice_mut().fill(Complex32::new(1.0, -1.0));
        assert_eq!(slab.repair_non_finite(), 0);
        assert!(matches!(slab.flags(), Flags::Clear));
        slab.vis_slice_mut()[4] = Complex32::new(f32::NAN, 0.0);
        slab.vis_slice_mut()[11] = Complex32::new(0.0, f32::NEG_INFINITY);
        assert_eq!(slab.repair_non_finite(), 2);
        let Flags::Each(flags) = slab.flags() else { panic!("flags are stored") };
        assert_eq!(flags.iter().filter(|&&f| f).count(), 2);
        assert!(flags[[0, 2, 0]] && flags[[1, 2, 1]]);
        assert!(slab.vis_slice().iter().all(|v| v.is_finite()));
    }

    #[test]
    fn a_weight_that_is_none_is_zero_and_flags_its_visibility() {
        let mut slab = Slab::default();
        slab.reset([1, 4, 1]);
        slab.vis_slice_mut().fill(Complex32::new(1.0, -1.0));
        slab.weights_mut().copy_from_slice(&[f32::NAN, 2.0, -3.0, f32::INFINITY]);
        assert_eq!(slab.repair_non_finite(), 3);
        let Weights::Each(weights) = slab.weights() else { panic!("weights are stored") };
        assert_eq!(weights.as_slice(), Some(&[0.0, 2.0, 0.0, 0.0][..]));
        let Flags::Each(flags) = slab.flags() else { panic!("flags are stored") };
        assert_eq!(flags.as_slice(), Some(&[true, false, true, true][..]));
        assert_eq!(slab.repair_non_finite(), 0);
        slab.reset([1, 2, 1]);
        slab.set_uniform_weight(f32::NAN);
        assert_eq!(slab.repair_non_finite(), 2);
        assert!(matches!(slab.weights(), Weights::Uniform(0.0)));
        assert_eq!((slab.repair_non_finite(), slab.repaired()), (0, 2));
    }

    #[test]
    fn stored_flags_start_from_the_state_that_they_replace() {
        let mut slab = Slab::default();
        slab.reset([1, 2, 1]);
        slab.flag_all();
        slab.flags_mut()[1] = false;
        let Flags::Each(flags) = slab.flags() else { panic!("flags are stored") };
        assert_eq!(flags.as_slice(), Some(&[true, false][..]));
        slab.reset([1, 2, 1]);
        assert!(matches!(slab.flags(), Flags::Clear));
        assert!(slab.flags_mut().iter().all(|f| !f));
    }
}
