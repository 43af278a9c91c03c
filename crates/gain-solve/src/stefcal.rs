//! Gains by alternating least squares: StEFCal (Salvini & Wijnholds 2014, A&A 571, A97, algorithm 1).
//!
//! With the other gains held, each gain has a linear least-squares solution, gᵢ = Σⱼ (Σ w V M*)ᵢⱼ gⱼ / Σⱼ (Σ w |M|²)ᵢⱼ |gⱼ|².
//! All are updated at once, and every second time the mean of the last two is taken, without which the amplitudes would
//! oscillate for ever.

use num_complex::Complex64;

use crate::matrix::Normal;

/// Gains of the antennas that take part, and how they were found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) gains: Vec<Complex64>,
    /// Updates of all gains.
    pub(crate) iterations: usize,
    /// Whether the last change was below the tolerance.
    pub(crate) converged: bool,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// Relative change of the gains between two averaged updates.
    pub(crate) tolerance: f64,
    pub(crate) iterations: usize,
}

pub(crate) fn solve(normal: &Normal, start: Option<&[Complex64]>, stop: Stop) -> Found {
    let count = normal.antennas.len();
    let mut old = match start {
        Some(start) => start.to_vec(),
        None => first_guess(normal),
    };
    let mut split = [vec![0.0; count], vec![0.0; count], vec![0.0; count]];
    let mut new = vec![Complex64::ZERO; count];
    for iteration in 1..=stop.iterations {
        update(normal, &old, &mut split, &mut new);
        if iteration % 2 == 0 {
            let (mut change, mut size) = (0.0, 0.0);
            for (new, old) in new.iter_mut().zip(&old) {
                *new = (*new + *old) * 0.5;
                change += (*new - *old).norm_sqr();
                size += new.norm_sqr();
            }
            std::mem::swap(&mut old, &mut new);
            if change <= stop.tolerance * stop.tolerance * size {
                return Found { gains: old, iterations: iteration, converged: size > 0.0 };
            }
        } else {
            std::mem::swap(&mut old, &mut new);
        }
    }
    Found { gains: old, iterations: stop.iterations, converged: false }
}

/// One update of all gains.
fn update(normal: &Normal, old: &[Complex64], [gr, gi, power]: &mut [Vec<f64>; 3], new: &mut [Complex64]) {
    let count = old.len();
    for (k, g) in old.iter().enumerate() {
        (gr[k], gi[k], power[k]) = (g.re, g.im, g.norm_sqr());
    }
    for (i, new) in new.iter_mut().enumerate() {
        let own = i * count..(i + 1) * count;
        let (re, im, mm) = (&normal.re[own.clone()], &normal.im[own.clone()], &normal.mm[own]);
        let [top_re, top_im, below] = row_sums(re, im, mm, [gr, gi, power]);
        *new = if below > 0.0 { Complex64::new(top_re / below, top_im / below) } else { Complex64::ZERO };
    }
}

/// Σ a g and Σ b |g|², in lanes that become vectors.
fn row_sums(re: &[f64], im: &[f64], mm: &[f64], [gr, gi, power]: [&[f64]; 3]) -> [f64; 3] {
    const LANES: usize = 4;
    let mut lanes = [[0.0_f64; LANES]; 3];
    let whole = re.len() / LANES * LANES;
    let [lane_re, lane_im, lane_below] = &mut lanes;
    let chunk = |values: &[f64], start: usize| -> [f64; LANES] { std::array::from_fn(|lane| values[start + lane]) };
    for start in (0..whole).step_by(LANES) {
        let [a, b, m] = [re, im, mm].map(|values| chunk(values, start));
        let [x, y, p] = [gr, gi, power].map(|values| chunk(values, start));
        for lane in 0..LANES {
            lane_re[lane] += a[lane] * x[lane] - b[lane] * y[lane];
            lane_im[lane] += a[lane] * y[lane] + b[lane] * x[lane];
            lane_below[lane] += m[lane] * p[lane];
        }
    }
    let mut sums = lanes.map(|lane| lane.iter().sum::<f64>());
    for j in whole..re.len() {
        sums[0] += re[j] * gr[j] - im[j] * gi[j];
        sums[1] += re[j] * gi[j] + im[j] * gr[j];
        sums[2] += mm[j] * power[j];
    }
    sums
}

/// Phases against the antenna with the most weight, and one amplitude for all: the phases are nearly right at once.
fn first_guess(normal: &Normal) -> Vec<Complex64> {
    let count = normal.antennas.len();
    let weight = |i: &usize| normal.mm[i * count..(i + 1) * count].iter().sum::<f64>();
    let Some(pivot) = (0..count).max_by(|a, b| weight(a).total_cmp(&weight(b))) else { return Vec::new() };
    let (mut seen, mut modelled) = (0.0, 0.0);
    for (at, &mm) in normal.mm.iter().enumerate() {
        seen += normal.re[at].hypot(normal.im[at]);
        modelled += mm;
    }
    let amplitude = if seen > 0.0 && modelled > 0.0 { (seen / modelled).sqrt() } else { 1.0 };
    (0..count)
        .map(|i| {
            let at = i * count + pivot;
            let value = Complex64::new(normal.re[at], normal.im[at]);
            if value.norm_sqr() > 0.0 { value / value.norm() * amplitude } else { Complex64::new(amplitude, 0.0) }
        })
        .collect()
}
