//! Point sources with one flux for all channels: a product of matrices.
//!
//! A run of channels is cut into blocks of `width` channels, and the channel at distance (j + ½) spacings from the middle of a
//! block has the phasor X·(cos((j+½)θ) ± i sin((j+½)θ)), where X is the source's phasor in the middle of the block and θ the
//! phase of one spacing. So a row needs the sines and cosines of one block a source, from two sincos and a recurrence; the X of
//! each block by one complex product; and then, summed over the sources, the even part E = Σ X cos and the odd part O = Σ X sin
//! of every pair of channels: four real multiply-adds for two channels, half of what a recurrence along the channels takes. The
//! sums stay in registers over all sources of a block of sources, whose tables stay in the first cache. When all sources are
//! in, E ± iO are the channels.

use pulp::Simd;

use super::math::{mul, mul_sub, sincos_turns};
use crate::channels::WIDTHS;

/// Sources whose tables are worked on together: 16 × 24 × 64 bytes fit a first cache of 32 KiB.
const SOURCES: usize = 16;

/// Vectors of scratch that [`set_run`] needs.
pub(super) const SCRATCH: usize = SOURCES * (WIDTHS[0] + 4);

/// A run of channels, as the kernel takes it.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) first_hz: f64,
    pub(super) step_hz: f64,
    pub(super) width: usize,
}

/// Sets the accumulators (re, im) of the run's channels to the sums over `sources` (component, jansky).
///
/// `delay_s`: of each component. `sums`: whole blocks, of any value. While sources are missing, E of a pair is kept at its upper
/// channel, O at its lower one.
#[inline(always)]
pub(super) fn set_run<S: Simd>(
    s: S,
    run: Run,
    sources: &[(u32, f64)],
    delay_s: &[S::f64s],
    sums: &mut [[S::f64s; 2]],
    scratch: &mut [S::f64s],
) {
    // The more pairs in registers, the fewer loads; each pair takes four.
    if S::REGISTER_COUNT >= 32 {
        set::<S, 6>(s, run, sources, delay_s, sums, scratch);
    } else {
        set::<S, 3>(s, run, sources, delay_s, sums, scratch);
    }
}

#[inline(always)]
fn set<S: Simd, const T: usize>(
    s: S,
    run: Run,
    sources: &[(u32, f64)],
    delay_s: &[S::f64s],
    sums: &mut [[S::f64s; 2]],
    scratch: &mut [S::f64s],
) {
    let half = run.width / 2;
    let zero = [s.splat_f64s(0.0); 2];
    let (scratch, _) = scratch.as_chunks_mut::<2>();
    let (state, table) = scratch.split_at_mut(2 * SOURCES);
    let (middle, step) = state.split_at_mut(SOURCES);
    let n_groups = sources.len().div_ceil(SOURCES).max(1);
    for (g, group) in sources.chunks(sources.len().div_ceil(n_groups).max(1)).enumerate() {
        let (first, last) = (g == 0, g + 1 == n_groups);
        let (middle, step) = (&mut middle[..group.len()], &mut step[..group.len()]);
        let table = &mut table[..group.len() * half];
        let middle_hz = run.first_hz + run.step_hz * 0.5 * (run.width - 1) as f64;
        for (k, &(component, jy)) in group.iter().enumerate() {
            let delay = delay_s[component as usize];
            let (sin, cos) = sincos_turns(s, s.mul_f64s(delay, s.splat_f64s(middle_hz)));
            let jy = s.splat_f64s(jy);
            middle[k] = [s.mul_f64s(cos, jy), s.mul_f64s(sin, jy)];
            let (sin, cos) = sincos_turns(s, s.mul_f64s(delay, s.splat_f64s(0.5 * run.step_hz)));
            step[k] = pairs::<S, T>(s, [cos, sin], table, k, group.len());
        }
        let (tiles, _) = table.as_chunks::<T>();
        for block in sums.chunks_exact_mut(run.width) {
            let (lower, upper) = block.split_at_mut(half);
            let lower = lower.as_rchunks_mut::<T>().1.iter_mut().rev();
            for ((tile, upper), lower) in tiles.chunks_exact(group.len()).zip(upper.as_chunks_mut::<T>().0).zip(lower) {
                let (mut even, mut odd) = if first { ([zero; T], [zero; T]) } else { (*upper, *lower) };
                for (x, pairs) in middle.iter().zip(tile) {
                    for t in 0..T {
                        let [cos, sin] = pairs[t];
                        even[t] = [s.mul_add_e_f64s(x[0], cos, even[t][0]), s.mul_add_e_f64s(x[1], cos, even[t][1])];
                        odd[T - 1 - t] = [
                            s.mul_add_e_f64s(x[0], sin, odd[T - 1 - t][0]),
                            s.mul_add_e_f64s(x[1], sin, odd[T - 1 - t][1]),
                        ];
                    }
                }
                if last {
                    unfold(s, &mut even, &mut odd);
                }
                (*upper, *lower) = (even, odd);
            }
            for (x, step) in middle.iter_mut().zip(step.iter()) {
                *x = mul(s, *x, *step);
            }
        }
    }
}

/// Fills source `k`'s (cos, sin) of (j + ½)θ from those of θ/2 and gives the phasor of a whole block. The table is kept tile by
/// tile, in a tile source by source.
#[inline(always)]
fn pairs<S: Simd, const T: usize>(
    s: S,
    half_angle: [S::f64s; 2],
    table: &mut [[S::f64s; 2]],
    k: usize,
    n_sources: usize,
) -> [S::f64s; 2] {
    let [cos, sin] = half_angle;
    let four_sin = s.mul_f64s(sin, s.splat_f64s(4.0));
    let twice_cos = s.negate_mul_add_e_f64s(four_sin, sin, s.splat_f64s(2.0));
    let (mut before, mut now) = ([cos, s.neg_f64s(sin)], half_angle);
    let mut last = now;
    for tile in table.chunks_exact_mut(n_sources * T) {
        for pair in &mut tile[k * T..(k + 1) * T] {
            *pair = now;
            last = now;
            let next = [mul_sub(s, twice_cos, now[0], before[0]), mul_sub(s, twice_cos, now[1], before[1])];
            (before, now) = (now, next);
        }
    }
    let half_block = mul(s, last, half_angle);
    mul(s, half_block, half_block)
}

/// Turns even and odd parts into upper and lower channels, E + iO and E − iO. The odd parts are in reversed order.
#[inline(always)]
fn unfold<S: Simd, const T: usize>(s: S, even: &mut [[S::f64s; 2]; T], odd: &mut [[S::f64s; 2]; T]) {
    for t in 0..T {
        let ([er, ei], [or, oi]) = (even[t], odd[T - 1 - t]);
        even[t] = [s.sub_f64s(er, oi), s.add_f64s(ei, or)];
        odd[T - 1 - t] = [s.add_f64s(er, oi), s.sub_f64s(ei, or)];
    }
}
