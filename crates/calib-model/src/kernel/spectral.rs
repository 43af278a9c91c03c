//! Components whose flux differs from channel to channel: a recurrence along the channels.
//!
//! cos and sin of equally spaced angles follow from the two before by one multiply-add each, p(k+1) = 2 cos θ · p(k) − p(k−1). Its
//! rounding errors grow with the square of the number of steps at worst, 10⁻¹⁶ · k²: with a fresh start after [`SPAN`]
//! channels they stay below 10⁻¹¹. A Gaussian's envelope exp(−aν²) is a recurrence too: the ratio of two neighbours falls by a
//! constant factor from channel to channel.

use pulp::Simd;

use super::math::{exp, mul, mul_sub, sincos_turns};

/// Channels from one start of the recurrences to the next; their accumulators and fluxes fit a first cache.
const SPAN: usize = 192;

/// Equally spaced channels.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) first_hz: f64,
    pub(super) step_hz: f64,
}

/// Two neighbouring phasors and 2 cos θ.
#[derive(Clone, Copy)]
struct Phasor<S: Simd> {
    now: [S::f64s; 2],
    next: [S::f64s; 2],
    twice_cos: S::f64s,
}

impl<S: Simd> Phasor<S> {
    #[inline(always)]
    fn start(s: S, delay: S::f64s, first_hz: f64, step_hz: f64) -> Self {
        let (sin, cos) = sincos_turns(s, s.mul_f64s(delay, s.splat_f64s(first_hz)));
        let (step_sin, step_cos) = sincos_turns(s, s.mul_f64s(delay, s.splat_f64s(step_hz)));
        let now = [cos, sin];
        Self { now, next: mul(s, now, [step_cos, step_sin]), twice_cos: s.add_f64s(step_cos, step_cos) }
    }

    #[inline(always)]
    fn advance(&mut self, s: S) {
        let after = [
            mul_sub(s, self.twice_cos, self.next[0], self.now[0]),
            mul_sub(s, self.twice_cos, self.next[1], self.now[1]),
        ];
        self.now = self.next;
        self.next = after;
    }
}

/// A Gaussian's envelope: its value, its ratio to the next channel's, and the factor on that ratio.
#[derive(Clone, Copy)]
struct Envelope<S: Simd> {
    now: S::f64s,
    ratio: S::f64s,
    change: S::f64s,
}

impl<S: Simd> Envelope<S> {
    /// `width`: the exponent is −width·ν².
    #[inline(always)]
    fn start(s: S, width: S::f64s, first_hz: f64, step_hz: f64) -> Self {
        Self {
            now: exp(s, s.mul_f64s(width, s.splat_f64s(-first_hz * first_hz))),
            ratio: exp(s, s.mul_f64s(width, s.splat_f64s(-step_hz * (2.0 * first_hz + step_hz)))),
            change: exp(s, s.mul_f64s(width, s.splat_f64s(-2.0 * step_hz * step_hz))),
        }
    }

    #[inline(always)]
    fn advance(&mut self, s: S) {
        self.now = s.mul_f64s(self.now, self.ratio);
        self.ratio = s.mul_f64s(self.ratio, self.change);
    }
}

/// Adds points. `fluxes`: of each in jansky, `n_channels` apart, from the run's first channel on. `sums`: (re, im) of each
/// channel of the run.
#[inline(always)]
pub(super) fn add_points<S: Simd>(
    s: S,
    run: Run,
    components: &[u32],
    fluxes: &[f64],
    n_channels: usize,
    delay_s: &[S::f64s],
    sums: &mut [[S::f64s; 2]],
) {
    // The states of four sources fill twenty registers.
    if S::REGISTER_COUNT >= 32 {
        add_points_by::<S, 4>(s, run, components, fluxes, n_channels, delay_s, sums);
    } else {
        add_points_by::<S, 2>(s, run, components, fluxes, n_channels, delay_s, sums);
    }
}

#[inline(always)]
fn add_points_by<S: Simd, const N: usize>(
    s: S,
    run: Run,
    components: &[u32],
    fluxes: &[f64],
    n_channels: usize,
    delay_s: &[S::f64s],
    sums: &mut [[S::f64s; 2]],
) {
    for (span, sums) in sums.chunks_mut(SPAN).enumerate() {
        let first = span * SPAN;
        let first_hz = run.first_hz + run.step_hz * first as f64;
        let n_sums = sums.len();
        let flux = |k: usize| &fluxes[k * n_channels + first..][..n_sums];
        let (groups, rest) = components.as_chunks::<N>();
        for (g, group) in groups.iter().enumerate() {
            let mut phasors = [Phasor::start(s, delay_s[group[0] as usize], first_hz, run.step_hz); N];
            let mut rows = [flux(g * N); N];
            for n in 1..N {
                phasors[n] = Phasor::start(s, delay_s[group[n] as usize], first_hz, run.step_hz);
                rows[n] = flux(g * N + n);
            }
            add_span(s, phasors, rows, sums);
        }
        for (n, &component) in rest.iter().enumerate() {
            let phasor = Phasor::start(s, delay_s[component as usize], first_hz, run.step_hz);
            add_span(s, [phasor], [flux(groups.len() * N + n)], sums);
        }
    }
}

#[inline(always)]
fn add_span<S: Simd, const N: usize>(
    s: S,
    mut phasors: [Phasor<S>; N],
    fluxes: [&[f64]; N],
    sums: &mut [[S::f64s; 2]],
) {
    let fluxes = fluxes.map(|f| &f[..sums.len()]);
    for (c, sum) in sums.iter_mut().enumerate() {
        let mut total = *sum;
        for n in 0..N {
            let jy = s.splat_f64s(fluxes[n][c]);
            let p = &mut phasors[n];
            total = [s.mul_add_e_f64s(jy, p.now[0], total[0]), s.mul_add_e_f64s(jy, p.now[1], total[1])];
            p.advance(s);
        }
        *sum = total;
    }
}

/// Adds Gaussians: (component, position among the Gaussians), with the `width` of each Gaussian in this row.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the points' arguments and the widths")]
pub(super) fn add_gaussians<S: Simd>(
    s: S,
    run: Run,
    components: &[(u32, u32)],
    fluxes: &[f64],
    n_channels: usize,
    delay_s: &[S::f64s],
    widths: &[S::f64s],
    sums: &mut [[S::f64s; 2]],
) {
    const N: usize = 2;
    for (span, sums) in sums.chunks_mut(SPAN).enumerate() {
        let first = span * SPAN;
        let first_hz = run.first_hz + run.step_hz * first as f64;
        let n_sums = sums.len();
        let flux = |k: usize| &fluxes[k * n_channels + first..][..n_sums];
        let (groups, rest) = components.as_chunks::<N>();
        for (g, group) in groups.iter().enumerate() {
            let (phasor, envelope) = start(s, group[0], delay_s, widths, first_hz, run.step_hz);
            let (mut phasors, mut envelopes, mut rows) = ([phasor; N], [envelope; N], [flux(g * N); N]);
            for n in 1..N {
                (phasors[n], envelopes[n]) = start(s, group[n], delay_s, widths, first_hz, run.step_hz);
                rows[n] = flux(g * N + n);
            }
            add_gaussian_span(s, phasors, envelopes, rows, sums);
        }
        for (n, &component) in rest.iter().enumerate() {
            let (phasor, envelope) = start(s, component, delay_s, widths, first_hz, run.step_hz);
            add_gaussian_span(s, [phasor], [envelope], [flux(groups.len() * N + n)], sums);
        }
    }
}

#[inline(always)]
fn start<S: Simd>(
    s: S,
    (component, gaussian): (u32, u32),
    delay_s: &[S::f64s],
    widths: &[S::f64s],
    first_hz: f64,
    step_hz: f64,
) -> (Phasor<S>, Envelope<S>) {
    let phasor = Phasor::start(s, delay_s[component as usize], first_hz, step_hz);
    (phasor, Envelope::start(s, widths[gaussian as usize], first_hz, step_hz))
}

#[inline(always)]
fn add_gaussian_span<S: Simd, const N: usize>(
    s: S,
    mut phasors: [Phasor<S>; N],
    mut envelopes: [Envelope<S>; N],
    fluxes: [&[f64]; N],
    sums: &mut [[S::f64s; 2]],
) {
    let fluxes = fluxes.map(|f| &f[..sums.len()]);
    for (c, sum) in sums.iter_mut().enumerate() {
        let mut total = *sum;
        for n in 0..N {
            let (p, envelope) = (&mut phasors[n], &mut envelopes[n]);
            let jy = s.mul_f64s(s.splat_f64s(fluxes[n][c]), envelope.now);
            total = [s.mul_add_e_f64s(jy, p.now[0], total[0]), s.mul_add_e_f64s(jy, p.now[1], total[1])];
            p.advance(s);
            envelope.advance(s);
        }
        *sum = total;
    }
}

/// Adds one component to channels without a common spacing: a sincos (and an exponential) each.
#[inline(always)]
pub(super) fn add_scattered<S: Simd>(
    s: S,
    freq_hz: &[f64],
    flux: impl Fn(usize) -> f64,
    delay: S::f64s,
    width: Option<S::f64s>,
    sums: &mut [[S::f64s; 2]],
) {
    for (c, (sum, &freq)) in sums.iter_mut().zip(freq_hz).enumerate() {
        let (sin, cos) = sincos_turns(s, s.mul_f64s(delay, s.splat_f64s(freq)));
        let mut jy = s.splat_f64s(flux(c));
        if let Some(width) = width {
            jy = s.mul_f64s(jy, exp(s, s.mul_f64s(width, s.splat_f64s(-freq * freq))));
        }
        *sum = [s.mul_add_e_f64s(jy, cos, sum[0]), s.mul_add_e_f64s(jy, sin, sum[1])];
    }
}
