//! Bandpasses: normalised, and as delays.

use std::f64::consts::TAU;
use std::ops::Range;

use ndarray::Array2;
use num_complex::Complex64;

use crate::solution::Solutions;

/// Divides each receptor's and antenna's gains over each of `windows` (groups of one spectral window) by their root mean square
/// amplitude and by the phase of the mean of their phasors (each of amplitude 1): what CASA's `bandpass` does with
/// `solnorm=True`, measured with CASA 6.7.
///
/// Antennas with fewer than two solutions in a window stay as they are.
pub fn normalise(solutions: &mut Solutions, windows: &[Range<usize>]) {
    let (receptors, _, antennas) = solutions.gains.dim();
    for window in windows {
        for receptor in 0..receptors {
            for antenna in 0..antennas {
                let good = |group: &usize| solutions.usable[[receptor, *group, antenna]];
                let gains: Vec<Complex64> =
                    window.clone().filter(good).map(|group| solutions.gains[[receptor, group, antenna]]).collect();
                if gains.len() < 2 {
                    continue;
                }
                let power = gains.iter().map(Complex64::norm_sqr).sum::<f64>() / gains.len() as f64;
                let mean: Complex64 =
                    gains.iter().filter(|gain| gain.norm() > 0.0).map(|gain| gain / gain.norm()).sum();
                if power <= 0.0 || mean.norm() <= 0.0 {
                    continue;
                }
                let factor = (mean / mean.norm()).conj() / power.sqrt();
                for group in window.clone() {
                    let at = [receptor, group, antenna];
                    if solutions.usable[at] {
                        solutions.gains[at] *= factor;
                        solutions.sigma[at] /= power.sqrt();
                        solutions.fit[at] *= factor;
                    }
                }
            }
        }
    }
}

/// Delays that the phases of a bandpass show.
#[derive(Clone, Debug)]
pub struct Delays {
    /// Seconds, `[receptor, antenna]`: the phase of the gain is 2π · delay · (ν − ν₀). 0 where there is none.
    pub delay_s: Array2<f64>,
    /// Whether there is one: an antenna with solutions in at least two channels.
    pub usable: Array2<bool>,
    /// Standard deviation of the delay, seconds.
    pub sigma_s: Array2<f64>,
}

/// Fits a delay to each receptor's and antenna's gains over `groups`, whose frequencies are `freq_hz` (one for each).
///
/// The delay is where |Σ ĝ exp(−2πi ν τ)| is greatest, weighted by the gains' signal to noise: on a grid of a quarter of the
/// inverse bandwidth within ± half of the inverse channel spacing, then by Newton's method.
#[must_use]
pub fn delays(solutions: &Solutions, groups: Range<usize>, freq_hz: &[f64]) -> Delays {
    let (receptors, _, antennas) = solutions.gains.dim();
    let mut found = Delays {
        delay_s: Array2::zeros((receptors, antennas)),
        usable: Array2::from_elem((receptors, antennas), false),
        sigma_s: Array2::zeros((receptors, antennas)),
    };
    for receptor in 0..receptors {
        for antenna in 0..antennas {
            let points: Vec<(f64, Complex64)> = groups
                .clone()
                .zip(freq_hz)
                .filter(|(group, _)| solutions.usable[[receptor, *group, antenna]])
                .map(|(group, &freq)| {
                    let at = [receptor, group, antenna];
                    let (gain, snr) = (solutions.gains[at], solutions.snr(at).min(1e6));
                    (freq, gain / gain.norm() * snr * snr)
                })
                .collect();
            if let Some((delay, sigma)) = fit_delay(&points) {
                found.delay_s[[receptor, antenna]] = delay;
                found.sigma_s[[receptor, antenna]] = sigma;
                found.usable[[receptor, antenna]] = true;
            }
        }
    }
    found
}

/// The delay of weighted phasors at frequencies, and its standard deviation when the weights are inverse variances of the phase.
fn fit_delay(points: &[(f64, Complex64)]) -> Option<(f64, f64)> {
    if points.len() < 2 {
        return None;
    }
    let weight: f64 = points.iter().map(|p| p.1.norm()).sum();
    let centre = points.iter().map(|p| p.0 * p.1.norm()).sum::<f64>() / weight;
    let mut freq: Vec<f64> = points.iter().map(|p| p.0).collect();
    freq.sort_by(f64::total_cmp);
    let band = freq.last()? - freq.first()?;
    let spacing = freq.windows(2).map(|pair| pair[1] - pair[0]).filter(|d| *d > 0.0).fold(f64::INFINITY, f64::min);
    if !(band > 0.0 && spacing.is_finite()) {
        return None;
    }
    let sum =
        |delay: f64| points.iter().map(|(f, g)| g * Complex64::cis(-TAU * (f - centre) * delay)).sum::<Complex64>();
    let steps = (2.0 * band / spacing).ceil() as i64;
    let grid = 1.0 / (4.0 * band);
    let power = |step: i64| (sum(step as f64 * grid).norm_sqr(), step);
    let (_, best) = (-steps..=steps).map(power).max_by(|a, b| a.0.total_cmp(&b.0))?;
    let mut delay = best as f64 * grid;
    let mut spread = 0.0;
    for _ in 0..20 {
        // Slope of the phases about their mean, by weighted least squares: Newton's step for a nearly flat phase.
        let mean = sum(delay);
        let (mut slope, mut square) = (0.0, 0.0);
        for (f, g) in points {
            let x = f - centre;
            let phase = (g * Complex64::cis(-TAU * x * delay) * mean.conj()).arg();
            slope += g.norm() * x * phase;
            square += g.norm() * x * x;
        }
        let step = slope / square / TAU;
        delay += step;
        spread = square;
        if step.abs() < 1e-18 {
            break;
        }
    }
    Some((delay, 1.0 / (TAU * spread.sqrt())))
}
