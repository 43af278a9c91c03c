//! From sums of Stokes parameters, lanes side by side, to the correlations of each row.

use pulp::Simd;
use pulp::bytemuck::cast_slice;
use vis_types::Complex32;

use super::Job;
use super::transpose::{TILE, rows_of};
use crate::Mode;
use crate::stokes::{Mix, Turn};

/// A correlation as its planes: where their sums begin, and the factor of the second.
type Terms = (Option<usize>, Option<(usize, Turn)>);

/// From which sums each visibility of a row comes: the same for all rows of a job.
pub(super) struct Layout<'a> {
    /// Of each visibility of all windows, its accumulator: of a plane, or of a mixture.
    places: &'a [u32],
    /// Correlations that are not one plane alone, and where the accumulators begin that they have of their own.
    mixtures: [Option<(usize, Terms)>; 4],
}

impl<'a> Layout<'a> {
    pub(super) fn new(job: &Job<'_>, places: &'a mut Vec<u32>) -> Self {
        let plan = &job.channels.plan;
        let mut mixtures = [None; 4];
        let mut first = [0; 4];
        let mut next = job.channels.planes.len() * plan.n_slots;
        for ((mixture, first), mix) in mixtures.iter_mut().zip(&mut first).zip(job.mixes) {
            match planes(job, mix) {
                (Some(at), None) => *first = at,
                terms => {
                    (*first, *mixture) = (next, Some((next, terms)));
                    next += plan.n_slots;
                }
            }
        }
        places.clear();
        let first = &first[..job.mixes.len().min(4)];
        places.extend(plan.slots.iter().flat_map(|&slot| first.iter().map(move |first| *first as u32 + slot)));
        Self { places, mixtures }
    }

    /// Accumulators of planes and mixtures together.
    pub(super) fn n_sums(&self, job: &Job<'_>) -> usize {
        (job.channels.planes.len() + self.mixtures.iter().flatten().count()) * job.channels.plan.n_slots
    }
}

/// Writes the channels of `rows` (one a lane) to each window's `[row, channel, correlation]`. `sums`: of all planes, and room
/// for the mixtures.
#[inline(always)]
pub(super) fn write<S: Simd>(
    s: S,
    job: &Job<'_>,
    layout: &Layout<'_>,
    rows: &[u32],
    sums: &mut [[S::f64s; 2]],
    vis: &mut [&mut [Complex32]],
) {
    for (first, terms) in layout.mixtures.iter().flatten() {
        let (planes, mixture) = sums.split_at_mut(*first);
        for (slot, mixed) in mixture[..job.channels.plan.n_slots].iter_mut().enumerate() {
            *mixed = combine(s, terms, planes, slot);
        }
    }
    let rows = &rows[..rows.len().min(S::F64_LANES)];
    let mut places = layout.places;
    for (vis, &n_channels) in vis.iter_mut().zip(job.windows) {
        let (row_places, rest) = places.split_at(n_channels * job.mixes.len());
        places = rest;
        let (tiles, last) = row_places.as_chunks::<TILE>();
        let zeros = Line([[s.splat_f64s(0.0); 2]; TILE]);
        for (t, places) in tiles.iter().enumerate() {
            let mut tile = zeros;
            for (pair, place) in tile.0.iter_mut().zip(places) {
                *pair = sums[*place as usize];
            }
            put(s, job.mode, &tile.0, rows, vis, Place { first: t * TILE, len: TILE, row_len: row_places.len() });
        }
        if !last.is_empty() {
            let mut tile = zeros;
            for (pair, place) in tile.0.iter_mut().zip(last) {
                *pair = sums[*place as usize];
            }
            let first = tiles.len() * TILE;
            put(s, job.mode, &tile.0, rows, vis, Place { first, len: last.len(), row_len: row_places.len() });
        }
    }
}

/// Begins at a line of the cache: registers that lie across two lines take twice as long.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line<T>(T);

/// Where a tile goes: `len` visibilities from `first` on in rows of `row_len`.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    len: usize,
    row_len: usize,
}

impl Place {
    #[inline(always)]
    fn of<'a>(&self, vis: &'a mut [Complex32], row: u32) -> &'a mut [Complex32] {
        let first = row as usize * self.row_len + self.first;
        &mut vis[first..first + self.len]
    }
}

/// Puts a tile to the rows; what is added to what is there is added in f64.
#[inline(always)]
fn put<S: Simd>(s: S, mode: Mode, tile: &[[S::f64s; 2]; TILE], rows: &[u32], vis: &mut [Complex32], place: Place) {
    let sign = match mode {
        Mode::Replace => {
            let tile = Line(rows_of(s, tile));
            let numbers: &[Complex32] = cast_slice(&tile.0);
            for (&row, numbers) in rows.iter().zip(numbers.as_chunks::<TILE>().0) {
                place.of(vis, row).copy_from_slice(&numbers[..place.len]);
            }
            return;
        }
        Mode::Add => 1.0,
        Mode::Subtract => -1.0,
    };
    let values: &[f64] = cast_slice(tile.as_flattened());
    for (lane, &row) in rows.iter().enumerate() {
        for (out, lanes) in place.of(vis, row).iter_mut().zip(values.chunks_exact(2 * S::F64_LANES)) {
            let (re, im) = lanes.split_at(S::F64_LANES);
            let sum = |old: f32, model: f64| (f64::from(old) + sign * model) as f32;
            *out = Complex32::new(sum(out.re, re[lane]), sum(out.im, im[lane]));
        }
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
