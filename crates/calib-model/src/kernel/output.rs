//! From sums of Stokes parameters, lanes side by side, to the correlations of each row.

use pulp::Simd;
use vis_types::Complex32;

use super::Job;
use crate::stokes::{Mix, Turn};
use crate::Mode;

/// Writes the channels of `rows` (one a lane) to each window's `[row, channel, correlation]`. `sums`: of all planes.
#[inline(always)]
pub(super) fn write<S: Simd>(s: S, job: &Job<'_>, rows: &[u32], sums: &[[S::f64s; 2]], vis: &mut [&mut [Complex32]]) {
    // A loop a mode, so that the innermost one has no choice to make.
    match job.mode {
        Mode::Replace => write_with(s, job, rows, sums, vis, |_, model| model),
        Mode::Add => write_with(s, job, rows, sums, vis, |old, model| old + model),
        Mode::Subtract => write_with(s, job, rows, sums, vis, |old, model| old - model),
    }
}

#[inline(always)]
fn write_with<S: Simd>(s: S, job: &Job<'_>, rows: &[u32], sums: &[[S::f64s; 2]], vis: &mut [&mut [Complex32]], put: impl Fn(f64, f64) -> f64) {
    let plan = &job.channels.plan;
    let n_corr = job.mixes.len();
    let mut channel = 0;
    for (vis, &n_channels) in vis.iter_mut().zip(job.windows) {
        for (c, &slot) in plan.slots[channel..channel + n_channels].iter().enumerate() {
            for (k, mix) in job.mixes.iter().enumerate() {
                let [re, im] = combine(s, job, mix, sums, slot as usize);
                let (re, im) = (std::slice::from_ref(&re), std::slice::from_ref(&im));
                let (re, im): (&[f64], &[f64]) = (pulp::bytemuck::cast_slice(re), pulp::bytemuck::cast_slice(im));
                for ((&row, &re), &im) in rows.iter().zip(re).zip(im) {
                    let out = &mut vis[(row as usize * n_channels + c) * n_corr + k];
                    *out = Complex32::new(put(f64::from(out.re), re) as f32, put(f64::from(out.im), im) as f32);
                }
            }
        }
        channel += n_channels;
    }
}

/// One correlation of one channel.
#[inline(always)]
fn combine<S: Simd>(s: S, job: &Job<'_>, mix: &Mix, sums: &[[S::f64s; 2]], slot: usize) -> [S::f64s; 2] {
    let zero = s.splat_f64s(0.0);
    let mut total = [zero; 2];
    let terms = [Some((mix.first, Turn::One)), mix.second];
    for (stokes, turn) in terms.into_iter().flatten() {
        let Some(plane) = job.channels.planes.iter().position(|p| p.stokes == stokes) else { continue };
        let [re, im] = sums[plane * job.channels.plan.n_slots + slot];
        total = match turn {
            Turn::One => [s.add_f64s(total[0], re), s.add_f64s(total[1], im)],
            Turn::MinusOne => [s.sub_f64s(total[0], re), s.sub_f64s(total[1], im)],
            Turn::I => [s.sub_f64s(total[0], im), s.add_f64s(total[1], re)],
            Turn::MinusI => [s.add_f64s(total[0], im), s.sub_f64s(total[1], re)],
        };
    }
    total
}
