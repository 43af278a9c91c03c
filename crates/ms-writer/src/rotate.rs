//! Turning visibilities to another phase centre, and from UVH5's sign to a Measurement Set's, in place.

use std::f64::consts::TAU;

use num_complex::Complex32;
use vis_types::SPEED_OF_LIGHT_M_PER_S;

/// How many phasors run side by side; enough for the vector units, and few enough that a window of 48 channels fills them.
const LANES: usize = 8;

/// The channels of one slab, as the phasors need them.
#[derive(Clone, Debug)]
pub(crate) struct Channels {
    freq_hz: Vec<f64>,
    /// Spacing, when it is the same between all channels.
    step_hz: Option<f64>,
}

impl Channels {
    pub(crate) fn new(freq_hz: &[f64]) -> Self {
        // A millihertz is 1e-7 rad over 5 km: beneath what an f32 visibility resolves.
        const TOLERANCE_HZ: f64 = 1e-3;
        let step_hz = match freq_hz {
            [first, .., last] => {
                let step = (last - first) / (freq_hz.len() - 1) as f64;
                let even = freq_hz.iter().enumerate().all(|(i, f)| (first + i as f64 * step - f).abs() < TOLERANCE_HZ);
                even.then_some(step)
            }
            _ => None,
        };
        Self { freq_hz: freq_hz.to_vec(), step_hz }
    }

    /// exp(2πi·w·ν/c) of every channel, as cosines and sines.
    ///
    /// Evenly spaced channels follow from the first by multiplication with one phasor; eight run side by side, so that the
    /// error after 768 channels is that of 96 multiplications in f64, some 1e-14.
    fn phasors(&self, w_m: f64, cos: &mut [f32], sin: &mut [f32]) {
        let per_hz = TAU * w_m / SPEED_OF_LIGHT_M_PER_S;
        let Some(step_hz) = self.step_hz else {
            for (f, (c, s)) in self.freq_hz.iter().zip(cos.iter_mut().zip(sin)) {
                let (sin, cos) = (per_hz * f).sin_cos();
                (*c, *s) = (cos as f32, sin as f32);
            }
            return;
        };
        let (d_im, d_re) = (per_hz * step_hz).sin_cos();
        let (p_im, p_re) = (per_hz * self.freq_hz[0]).sin_cos();
        let mut re = [p_re; LANES];
        let mut im = [p_im; LANES];
        let (mut step_re, mut step_im) = (d_re, d_im);
        for k in 1..LANES {
            (re[k], im[k]) = (p_re * step_re - p_im * step_im, p_re * step_im + p_im * step_re);
            (step_re, step_im) = (step_re * d_re - step_im * d_im, step_re * d_im + step_im * d_re);
        }
        let mut advance = |cos: &mut [f32], sin: &mut [f32]| {
            for k in 0..cos.len() {
                (cos[k], sin[k]) = (re[k] as f32, im[k] as f32);
            }
            for k in 0..LANES {
                (re[k], im[k]) = (re[k] * step_re - im[k] * step_im, re[k] * step_im + im[k] * step_re);
            }
        };
        let mut cos = cos.chunks_exact_mut(LANES);
        let mut sin = sin.chunks_exact_mut(LANES);
        for (c, s) in (&mut cos).zip(&mut sin) {
            advance(c, s);
        }
        advance(cos.into_remainder(), sin.into_remainder());
    }
}

/// What happens to one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// New w minus old w of the baseline as the file orders it (antenna 2 minus antenna 1), metres.
    pub(crate) w_change_m: f64,
    /// Whether the baseline's antennas change places, which conjugates the visibility once more.
    pub(crate) swapped: bool,
}

/// Turns the rows of a slab in place.
///
/// A UVH5 visibility becomes `conj(V · exp(−2πi·Δw·ν/c))`, its correlations in the order that `order` gives; a swapped row
/// becomes `V · exp(−2πi·Δw·ν/c)` with the correlations of `order_swapped`.
#[derive(Clone, Debug)]
pub(crate) struct Rotator {
    channels: Channels,
    order: Order,
    order_swapped: Order,
}

/// For each correlation of the output its place in the input; `None` when nothing moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order(Option<Vec<usize>>);

impl Order {
    pub(crate) fn new(places: &[usize]) -> Self {
        Self((!places.iter().copied().eq(0..places.len())).then(|| places.to_vec()))
    }

    /// Reorders the values of each channel of one row, in place.
    pub(crate) fn apply<T: Copy>(&self, row: &mut [T]) {
        let Some(places) = &self.0 else { return };
        let mut old = [row[0]; 4];
        for values in row.chunks_exact_mut(places.len()) {
            old[..values.len()].copy_from_slice(values);
            for (value, &from) in values.iter_mut().zip(places) {
                *value = old[from];
            }
        }
    }
}

impl Rotator {
    pub(crate) fn new(freq_hz: &[f64], order: Order, order_swapped: Order) -> Self {
        Self { channels: Channels::new(freq_hz), order, order_swapped }
    }

    /// - `vis`: `[row, channel, correlation]`
    /// - `turns`: one a row
    pub(crate) fn turn(&self, vis: &mut [Complex32], n_correlations: usize, turns: &[Turn]) {
        let n_channels = self.channels.freq_hz.len();
        let row_len = n_channels * n_correlations;
        if row_len == 0 {
            return;
        }
        debug_assert_eq!(vis.len(), row_len * turns.len());
        let mut cos = vec![0.0_f32; n_channels];
        let mut sin = vec![0.0_f32; n_channels];
        for (row, turn) in vis.chunks_exact_mut(row_len).zip(turns) {
            // conj(V·p) = conj(V)·conj(p): the conjugate phasor exp(+2πi·Δw·ν/c) goes with the conjugate visibility.
            self.channels.phasors(if turn.swapped { -turn.w_change_m } else { turn.w_change_m }, &mut cos, &mut sin);
            if turn.swapped {
                self.order_swapped.apply(row);
                multiply_row(row, n_correlations, &cos, &sin, |v, c, s| {
                    Complex32::new(v.re * c - v.im * s, v.re * s + v.im * c)
                });
            } else {
                self.order.apply(row);
                multiply_row(row, n_correlations, &cos, &sin, |v, c, s| {
                    Complex32::new(v.re * c + v.im * s, v.re * s - v.im * c)
                });
            }
        }
    }
}

#[inline(always)]
fn multiply_row(
    row: &mut [Complex32],
    n_correlations: usize,
    cos: &[f32],
    sin: &[f32],
    f: impl Fn(Complex32, f32, f32) -> Complex32,
) {
    match n_correlations {
        1 => multiply::<1>(row, cos, sin, f),
        2 => multiply::<2>(row, cos, sin, f),
        3 => multiply::<3>(row, cos, sin, f),
        _ => multiply::<4>(row, cos, sin, f),
    }
}

#[inline(always)]
fn multiply<const P: usize>(
    row: &mut [Complex32],
    cos: &[f32],
    sin: &[f32],
    f: impl Fn(Complex32, f32, f32) -> Complex32,
) {
    let (channels, _) = row.as_chunks_mut::<P>();
    for (values, (&c, &s)) in channels.iter_mut().zip(cos.iter().zip(sin)) {
        for v in values {
            *v = f(*v, c, s);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(v: Complex32, w_m: f64, f: f64) -> num_complex::Complex64 {
        let p = num_complex::Complex64::from_polar(1.0, -TAU * w_m * f / SPEED_OF_LIGHT_M_PER_S);
        (num_complex::Complex64::new(v.re.into(), v.im.into()) * p).conj()
    }

    fn check(freq: &[f64], n_correlations: usize) {
        let turns: Vec<Turn> =
            [-2601.6, 0.0, 1e-3, 1234.567].map(|w| Turn { w_change_m: w, swapped: w > 1000.0 }).to_vec();
        let vis: Vec<Complex32> =
            (0..turns.len() * freq.len() * n_correlations).map(|i| Complex32::from_polar(2.0, i as f32)).collect();
        let identity = Order::new(&(0..n_correlations).collect::<Vec<_>>());
        let rotator = Rotator::new(freq, identity.clone(), identity);
        let mut out = vis.clone();
        rotator.turn(&mut out, n_correlations, &turns);
        for (i, (o, v)) in out.iter().zip(&vis).enumerate() {
            let (row, channel) = (i / (freq.len() * n_correlations), i / n_correlations % freq.len());
            let mut expected = exact(*v, turns[row].w_change_m, freq[channel]);
            if turns[row].swapped {
                expected = expected.conj();
            }
            let o = num_complex::Complex64::new(o.re.into(), o.im.into());
            assert!((o - expected).norm() < 1e-6, "row {row}, channel {channel}: {o} {expected}");
        }
    }

    #[test]
    fn every_channel_count_and_spacing_agrees_with_the_plain_formula() {
        for n in [1, 2, 7, 8, 9, 48, 768] {
            let even: Vec<f64> = (0..n).map(|i| 1.311_387_329_1e9 + 244_140.625 * f64::from(i)).collect();
            let uneven: Vec<f64> = even.iter().enumerate().map(|(i, f)| f + 1e4 * (i % 3) as f64).collect();
            for p in [1, 2, 3, 4] {
                check(&even, p);
                check(&uneven, p);
            }
        }
    }

    #[test]
    fn correlations_are_put_in_order() {
        let order = Order::new(&[0, 2, 3, 1]);
        let mut row = [1, 2, 3, 4, 10, 20, 30, 40];
        order.apply(&mut row);
        assert_eq!(row, [1, 3, 4, 2, 10, 30, 40, 20]);
        assert_eq!(Order::new(&[0, 1]), Order(None));
    }
}
