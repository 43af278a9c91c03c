//! Visibilities of a few rows, with the vector instructions of the processor.
//!
//! A vector register holds as many rows as it has lanes, so that every step (delays, sincos, phasors along the channels, sums over
//! the sources) is the same operation on all of its lanes, the flux of a source in a channel is one number for all of them,
//! and a row's result does not depend on which rows stand beside it. [`flat`] and [`spectral`] do the sums, [`output`] turns the
//! sums of the Stokes parameters into correlations and rows.

use pulp::{Simd, WithSimd};
use vis_types::Complex32;

use crate::Mode;
use crate::channels::{Plan, Segment};
use crate::geometry::Directions;
use crate::predictor::Instructions;
use crate::stokes::Mix;
use crate::terms::{ChannelTerms, Plane};

mod flat;
mod math;
mod output;
mod spectral;
mod transpose;

/// What all rows of one field have in common.
pub(crate) struct Job<'a> {
    pub(crate) directions: &'a Directions,
    pub(crate) channels: &'a ChannelTerms,
    /// How each correlation follows from the Stokes parameters.
    pub(crate) mixes: &'a [Mix],
    /// Number of channels of each window.
    pub(crate) windows: &'a [usize],
    pub(crate) mode: Mode,
}

/// Memory that a thread keeps from rows to rows.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    vectors: Vec<f64>,
    places: Vec<u32>,
}

/// `len` numbers on a line of the cache, of any value.
fn aligned(memory: &mut Vec<f64>, len: usize) -> &mut [f64] {
    const LINE: usize = 64;
    const SLACK: usize = LINE / size_of::<f64>();
    if memory.len() < len + SLACK {
        memory.resize(len + SLACK, 0.0);
    }
    let at = memory.as_ptr().align_offset(LINE).min(SLACK);
    &mut memory[at..at + len]
}

impl Job<'_> {
    /// Predicts the rows `rows` of a chunk. `uvw_m`: of the chunk's rows, finite. `vis`: the chunk's rows of each window.
    pub(crate) fn run(
        &self,
        instructions: Instructions,
        uvw_m: &[[f64; 3]],
        rows: &[u32],
        vis: &mut [&mut [Complex32]],
        scratch: &mut Scratch,
    ) {
        let rows = Rows { job: self, uvw_m, rows, vis, scratch };
        #[cfg(target_arch = "x86_64")]
        match instructions {
            Instructions::Best => {
                if let Some(simd) = pulp::x86::V4::try_new() {
                    Simd::vectorize(simd, rows);
                } else if let Some(simd) = pulp::x86::V3::try_new() {
                    Simd::vectorize(simd, rows);
                } else {
                    rows.with_simd(pulp::Scalar::new());
                }
            }
            Instructions::Avx512 => {
                let simd = pulp::x86::V4::try_new().expect("because the predictor's options were checked");
                Simd::vectorize(simd, rows);
            }
            Instructions::Avx2 => {
                let simd = pulp::x86::V3::try_new().expect("because the predictor's options were checked");
                Simd::vectorize(simd, rows);
            }
            Instructions::Scalar => rows.with_simd(pulp::Scalar::new()),
        }
        #[cfg(not(target_arch = "x86_64"))]
        match instructions {
            Instructions::Scalar => rows.with_simd(pulp::Scalar::new()),
            _ => pulp::Arch::new().dispatch(rows),
        }
    }
}

struct Rows<'a, 'v> {
    job: &'a Job<'a>,
    uvw_m: &'a [[f64; 3]],
    rows: &'a [u32],
    vis: &'a mut [&'v mut [Complex32]],
    scratch: &'a mut Scratch,
}

impl WithSimd for Rows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { job, uvw_m, rows, vis, scratch } = self;
        let directions = job.directions;
        let n_delays = directions.delay.len();
        let n_widths = directions.widths.len();
        let layout = output::Layout::new(job, &mut scratch.places);
        let vectors = n_delays + n_widths + 2 * layout.n_sums(job) + flat::SCRATCH;
        let (vectors, _) = S::as_mut_simd_f64s(aligned(&mut scratch.vectors, vectors * S::F64_LANES));
        let (delays, vectors) = vectors.split_at_mut(n_delays);
        let (widths, vectors) = vectors.split_at_mut(n_widths);
        let (tables, vectors) = vectors.split_at_mut(flat::SCRATCH);
        let (sums, _) = vectors.as_chunks_mut::<2>();
        for rows in rows.chunks(S::F64_LANES) {
            let baseline = load(s, uvw_m, rows);
            for (delay, direction) in delays.iter_mut().zip(&directions.delay) {
                *delay = dot(s, baseline, direction);
            }
            for (width, [p, q]) in widths.iter_mut().zip(&directions.widths) {
                let (p, q) = (dot(s, baseline, p), dot(s, baseline, q));
                *width = s.mul_add_e_f64s(p, p, s.mul_f64s(q, q));
            }
            for (plane, sums) in job.channels.planes.iter().zip(sums.chunks_mut(job.channels.plan.n_slots.max(1))) {
                if job.mixes.iter().any(|mix| mix.uses(plane.stokes)) {
                    add_plane(s, &job.channels.plan, plane, delays, widths, sums, tables);
                }
            }
            output::write(s, job, &layout, rows, sums, vis);
        }
    }
}

/// The baselines of as many rows as there are lanes; the last row's again for lanes without a row.
#[inline(always)]
fn load<S: Simd>(s: S, uvw_m: &[[f64; 3]], rows: &[u32]) -> [S::f64s; 3] {
    let mut baseline = [s.splat_f64s(0.0); 3];
    for (axis, out) in baseline.iter_mut().enumerate() {
        let lanes: &mut [f64] = pulp::bytemuck::cast_slice_mut(std::slice::from_mut(out));
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value = uvw_m[rows[lane.min(rows.len() - 1)] as usize][axis];
        }
    }
    baseline
}

#[inline(always)]
fn dot<S: Simd>(s: S, baseline: [S::f64s; 3], form: &[f64; 3]) -> S::f64s {
    let w = s.mul_f64s(baseline[2], s.splat_f64s(form[2]));
    let v = s.mul_add_e_f64s(baseline[1], s.splat_f64s(form[1]), w);
    s.mul_add_e_f64s(baseline[0], s.splat_f64s(form[0]), v)
}

/// The sums of one Stokes parameter over all of its components.
#[inline(always)]
fn add_plane<S: Simd>(
    s: S,
    plan: &Plan,
    plane: &Plane,
    delays: &[S::f64s],
    widths: &[S::f64s],
    sums: &mut [[S::f64s; 2]],
    tables: &mut [S::f64s],
) {
    let zero = [s.splat_f64s(0.0); 2];
    let n_channels = plan.freq_hz.len();
    let (point_fluxes, gaussian_fluxes) = plane.fluxes.split_at(plane.points.len() * n_channels);
    for segment in &plan.segments {
        match *segment {
            Segment::Run { first, len, first_hz, step_hz, slot, width } => {
                let blocks = &mut sums[slot..slot + len.div_ceil(width) * width];
                if plane.flat.is_empty() {
                    blocks.fill(zero);
                } else {
                    flat::set_run(s, flat::Run { first_hz, step_hz, width }, &plane.flat, delays, blocks, tables);
                }
                let run = spectral::Run { first_hz, step_hz };
                let sums = &mut sums[slot..slot + len];
                if !plane.points.is_empty() {
                    spectral::add_points(s, run, &plane.points, &point_fluxes[first..], n_channels, delays, sums);
                }
                if !plane.gaussians.is_empty() {
                    spectral::add_gaussians(
                        s,
                        run,
                        &plane.gaussians,
                        &gaussian_fluxes[first..],
                        n_channels,
                        delays,
                        widths,
                        sums,
                    );
                }
            }
            Segment::Scattered { first, len, slot } => {
                let freq_hz = &plan.freq_hz[first..first + len];
                let sums = &mut sums[slot..slot + len];
                sums.fill(zero);
                for &(component, jy) in &plane.flat {
                    spectral::add_scattered(s, freq_hz, |_| jy, delays[component as usize], None, sums);
                }
                for (k, &component) in plane.points.iter().enumerate() {
                    let fluxes = &point_fluxes[k * n_channels + first..];
                    spectral::add_scattered(s, freq_hz, |c| fluxes[c], delays[component as usize], None, sums);
                }
                for (k, &(component, gaussian)) in plane.gaussians.iter().enumerate() {
                    let fluxes = &gaussian_fluxes[k * n_channels + first..];
                    let width = Some(widths[gaussian as usize]);
                    spectral::add_scattered(s, freq_hz, |c| fluxes[c], delays[component as usize], width, sums);
                }
            }
        }
    }
}
