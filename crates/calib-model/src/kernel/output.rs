//! From sums of Stokes parameters, lanes side by side, to the correlations of each row.

use pulp::Simd;
use vis_types::Complex32;

use super::Job;
use crate::Mode;
use crate::stokes::{Mix, Turn};

/// Visibilities of a row that are turned from lanes into rows together: two lines of the cache for each row.
const TILE: usize = 16;

/// Vectors of scratch that [`write`] needs.
pub(super) const SCRATCH: usize = 2 * TILE;

/// A correlation as its planes: where their sums begin, and the factor of the second.
type Terms = (Option<usize>, Option<(usize, Turn)>);

/// Writes the channels of `rows` (one a lane) to each window's `[row, channel, correlation]`. `sums`: of all planes.
#[inline(always)]
pub(super) fn write<S: Simd>(
    s: S,
    job: &Job<'_>,
    rows: &[u32],
    sums: &[[S::f64s; 2]],
    vis: &mut [&mut [Complex32]],
    tile: &mut [S::f64s],
) {
    // A loop a mode, so that the innermost one has no choice to make.
    match job.mode {
        Mode::Replace => write_with(s, job, rows, sums, vis, tile, |_, model| model as f32),
        Mode::Add => write_with(s, job, rows, sums, vis, tile, |old, model| (f64::from(old) + model) as f32),
        Mode::Subtract => write_with(s, job, rows, sums, vis, tile, |old, model| (f64::from(old) - model) as f32),
    }
}

#[inline(always)]
fn write_with<S: Simd>(
    s: S,
    job: &Job<'_>,
    rows: &[u32],
    sums: &[[S::f64s; 2]],
    vis: &mut [&mut [Complex32]],
    tile: &mut [S::f64s],
    put: impl Fn(f32, f64) -> f32,
) {
    let plan = &job.channels.plan;
    let n_corr = job.mixes.len();
    let mut terms = [(None, None); 4];
    for (terms, mix) in terms.iter_mut().zip(job.mixes) {
        *terms = planes(job, mix);
    }
    let channels_a_tile = (TILE / n_corr).max(1);
    let mut channel = 0;
    for (vis, &n_channels) in vis.iter_mut().zip(job.windows) {
        for (t, slots) in plan.slots[channel..channel + n_channels].chunks(channels_a_tile).enumerate() {
            let tile = &mut tile[..2 * slots.len() * n_corr];
            let (pairs, _) = tile.as_chunks_mut::<2>();
            for (pairs, &slot) in pairs.chunks_exact_mut(n_corr).zip(slots) {
                for (pair, terms) in pairs.iter_mut().zip(&terms) {
                    *pair = combine(s, terms, sums, slot as usize);
                }
            }
            let values: &[f64] = pulp::bytemuck::cast_slice(tile);
            for (lane, &row) in rows.iter().enumerate().take(S::F64_LANES) {
                let first = (row as usize * n_channels + t * channels_a_tile) * n_corr;
                let out = &mut vis[first..first + slots.len() * n_corr];
                for (out, lanes) in out.iter_mut().zip(values.chunks_exact(2 * S::F64_LANES)) {
                    let (re, im) = lanes.split_at(S::F64_LANES);
                    *out = Complex32::new(put(out.re, re[lane]), put(out.im, im[lane]));
                }
            }
        }
        channel += n_channels;
    }
}

/// Where the sums of a correlation's Stokes parameters are; those without flux are left out.
fn planes(job: &Job<'_>, mix: &Mix) -> Terms {
    let place = |stokes: usize| {
        job.channels.planes.iter().position(|p| p.stokes == stokes).map(|p| p * job.channels.plan.n_slots)
    };
    (place(mix.first), mix.second.and_then(|(stokes, turn)| place(stokes).map(|at| (at, turn))))
}

/// One correlation of one channel.
#[inline(always)]
fn combine<S: Simd>(s: S, (first, second): &Terms, sums: &[[S::f64s; 2]], slot: usize) -> [S::f64s; 2] {
    let total = first.map_or([s.splat_f64s(0.0); 2], |at| sums[at + slot]);
    let Some((at, turn)) = *second else { return total };
    let [re, im] = sums[at + slot];
    match turn {
        Turn::One => [s.add_f64s(total[0], re), s.add_f64s(total[1], im)],
        Turn::MinusOne => [s.sub_f64s(total[0], re), s.sub_f64s(total[1], im)],
        Turn::I => [s.sub_f64s(total[0], im), s.add_f64s(total[1], re)],
        Turn::MinusI => [s.add_f64s(total[0], im), s.sub_f64s(total[1], re)],
    }
}
