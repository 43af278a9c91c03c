//! One weight for all channels of a row, where the files have one for each.

use vis_types::{Slab, Weights};

/// The weights of the rows of one spectral window.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowWeights {
    /// `[row, correlation]`: the median over the channels, as pyuvdata takes it.
    pub(crate) weight: Vec<f32>,
    /// Whether a row has channels of different weight.
    pub(crate) differ: bool,
}

/// 1/√weight; 0, which is no estimate, for no weight.
pub(crate) fn sigma(weight: f32) -> f32 {
    if weight > 0.0 { weight.sqrt().recip() } else { 0.0 }
}

impl RowWeights {
    /// Takes the medians of `slabs`, those of one window; a gap that a policy filled (`present` false) has no say.
    pub(crate) fn of(slabs: &[Slab], present: &[bool], rows: usize, correlations: usize) -> Self {
        let present: Vec<&Slab> = slabs.iter().zip(present).filter(|(_, p)| **p).map(|(s, _)| s).collect();
        let mut weight = vec![0.0; rows * correlations];
        let Some(first) = present.first() else { return Self { weight, differ: false } };
        if let Weights::Uniform(w) = first.weights()
            && present.iter().all(|s| matches!(s.weights(), Weights::Uniform(x) if x == w))
        {
            weight.fill(w);
            return Self { weight, differ: false };
        }
        let channels: usize = present.iter().map(|s| s.shape()[1]).sum();
        let mut values = Vec::with_capacity(channels);
        let mut differ = false;
        for row in 0..rows {
            for correlation in 0..correlations {
                values.clear();
                for slab in &present {
                    match slab.weights() {
                        Weights::Uniform(w) => values.extend(std::iter::repeat_n(w, slab.shape()[1])),
                        Weights::Each(all) => values.extend(all.slice(vis_types::ndarray::s![row, .., correlation])),
                    }
                }
                let all_equal = values.iter().all(|v| *v == values[0]);
                differ |= !all_equal;
                weight[row * correlations + correlation] = if all_equal { values[0] } else { median(&mut values) };
            }
        }
        Self { weight, differ }
    }
}

/// The middle value, or the mean of the two in the middle. Reorders `values`, which must not be empty.
fn median(values: &mut [f32]) -> f32 {
    let (middle, odd) = (values.len() / 2, values.len() % 2 == 1);
    let (below, &mut high, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    if odd {
        return high;
    }
    let low = below.iter().copied().max_by(f32::total_cmp).unwrap_or(high);
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_those_of_numpy() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [7.0]), 7.0);
        assert_eq!(sigma(4.0), 0.5);
        assert_eq!(sigma(0.0), 0.0);
    }

    fn slab(weight: impl Fn(usize) -> f32) -> Slab {
        let mut slab = Slab::default();
        slab.reset([2, 3, 2]);
        for (i, w) in slab.weights_mut().iter_mut().enumerate() {
            *w = weight(i);
        }
        slab
    }

    #[test]
    fn a_weight_that_differs_by_row_only_needs_no_spectrum() {
        let by_row = slab(|i| (i / 6) as f32);
        let w = RowWeights::of(std::slice::from_ref(&by_row), &[true], 2, 2);
        assert_eq!((w.weight, w.differ), (vec![0.0, 0.0, 1.0, 1.0], false));
        let by_channel = slab(|i| (i / 2 % 3) as f32);
        let w = RowWeights::of(std::slice::from_ref(&by_channel), &[true], 2, 2);
        assert_eq!((w.weight, w.differ), (vec![1.0; 4], true));
        // A filled gap has no say, and uniform slabs of different weight do differ.
        let w = RowWeights::of(&[by_row.clone(), by_channel], &[true, false], 2, 2);
        assert!(!w.differ);
        let mut uniform = Slab::default();
        uniform.reset([2, 3, 2]);
        let w = RowWeights::of(&[by_row, uniform], &[true, true], 2, 2);
        assert_eq!((w.weight, w.differ), (vec![0.5, 0.5, 1.0, 1.0], true));
    }
}
