//! Gains of all antennas, solved from averages.

use ndarray::{Array2, Array3};
use num_complex::Complex64;
use rayon::prelude::*;

use crate::averages::{Averages, Cells};
use crate::error::{Error, Result};
use crate::matrix::Normal;
use crate::stefcal::{self, Stop};

/// What of the gains is solved for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Amplitude and phase.
    #[default]
    AmplitudePhase,
    /// Phase only; the amplitude is 1. Amplitudes are solved for beside it, so that errors of amplitude do not turn phases.
    Phase,
}

/// Choices of [`solve`]. The defaults are those of the DSA-110 pipeline: 4 baselines, a signal-to-noise ratio of 3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// What is solved for.
    pub mode: Mode,
    /// Antennas with fewer baselines get no solution.
    pub min_baselines: usize,
    /// Solutions with a lower ratio of signal to noise are flagged.
    pub min_snr: f64,
    /// Solving ends when the gains change by less than this, relatively.
    pub tolerance: f64,
    /// Solving fails after so many updates of all gains.
    pub max_iterations: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { mode: Mode::default(), min_baselines: 4, min_snr: 3.0, tolerance: 1e-6, max_iterations: 1000 }
    }
}

/// Why a cell has no solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// There are no visibilities with weight and model.
    NoData,
    /// No antennas with enough baselines to each other.
    TooFewBaselines,
    /// No loop of an odd number of baselines: the amplitudes are not determined.
    NoLoop,
    /// [`Options::max_iterations`] were not enough.
    NotConverged,
}

impl Failed {
    /// In words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoData => "there are no unflagged visibilities with weight and model",
            Self::TooFewBaselines => "no antennas have enough baselines to each other",
            Self::NoLoop => "no three antennas are connected in a loop, so that amplitudes are not determined",
            Self::NotConverged => "the solution did not converge",
        }
    }
}

/// How one receptor and channel group was solved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellReport {
    /// Updates of all gains.
    pub iterations: usize,
    /// Why there is no solution, if so.
    pub failed: Option<Failed>,
    /// Antennas that took part.
    pub antennas: usize,
    /// Baselines that took part.
    pub baselines: usize,
    /// Visibilities that took part.
    pub visibilities: f64,
    /// Standard deviation of the real and of the imaginary part of √w (V − g₁ g₂* M).
    pub residual: f64,
    /// The antenna whose phase is zero, once [`refer`](crate::refer) chose one.
    pub reference: Option<usize>,
}

/// Gains of one solution interval, `[receptor, group, antenna]`.
#[derive(Clone, Debug)]
pub struct Solutions {
    /// The gains: V = g₁ g₂* M. 1 where there is no solution.
    pub gains: Array3<Complex64>,
    /// Amplitude and phase that fit best, also where only phases are wanted: for residuals. 0 where there is no solution.
    pub fit: Array3<Complex64>,
    /// Whether there is a good solution.
    pub usable: Array3<bool>,
    /// Standard deviation of the real and of the imaginary part of a gain; 0 where there is no solution.
    pub sigma: Array3<f64>,
    /// How each was solved, `[receptor, group]`.
    pub cells: Array2<CellReport>,
}

impl Solutions {
    /// Ratio of signal to noise of a gain; 0 where there is no solution.
    #[must_use]
    pub fn snr(&self, at: [usize; 3]) -> f64 {
        let (fit, sigma) = (self.fit[at].norm(), self.sigma[at]);
        if fit == 0.0 {
            0.0
        } else if sigma > 0.0 {
            fit / sigma
        } else {
            f64::INFINITY
        }
    }

    /// How many solutions are good, and how many there could be.
    #[must_use]
    pub fn good(&self) -> (usize, usize) {
        (self.usable.iter().filter(|&&usable| usable).count(), self.usable.len())
    }
}

/// Neighbouring groups that start from each other's gains; their number does not depend on the threads, so that neither do
/// the results.
const RUN: usize = 16;

/// Solves for the gains of every receptor and channel group.
///
/// # Errors
///
/// [`Error::TooFewAntennas`], [`Error::NoData`] and [`Error::ZeroModel`] when nothing can be solved at all. A cell that cannot
/// be solved is no error: its report says why.
pub fn solve(averages: &Averages, options: &Options) -> Result<Solutions> {
    let shape = averages.shape();
    if shape.antennas < 2 {
        return Err(Error::TooFewAntennas { antennas: shape.antennas, needed: 2 });
    }
    match averages.visibilities() {
        (all, _) if all <= 0.0 => return Err(Error::NoData),
        (_, modelled) if modelled <= 0.0 => return Err(Error::ZeroModel),
        _ => {}
    }
    let runs: Vec<(usize, usize)> = (0..shape.receptors)
        .flat_map(|receptor| (0..shape.groups).step_by(RUN).map(move |first| (receptor, first)))
        .collect();
    let solved: Vec<Vec<Solved>> = runs
        .par_iter()
        .map_init(Default::default, |(tables, normal): &mut (Vec<Cells>, Normal), &(receptor, first)| {
            let mut before: Option<Solved> = None;
            let mut run = Vec::with_capacity(RUN);
            averages.cells(receptor, first..(first + RUN).min(shape.groups), tables);
            for cells in tables.iter() {
                normal.take(cells, options.min_baselines);
                let solved = Solved::new(normal, before.as_ref(), options);
                if solved.report.failed.is_none() {
                    before = Some(solved.clone());
                }
                run.push(solved);
            }
            run
        })
        .collect();
    let dimensions = (shape.receptors, shape.groups, shape.antennas);
    let mut all = Solutions {
        gains: Array3::from_elem(dimensions, Complex64::ONE),
        fit: Array3::zeros(dimensions),
        usable: Array3::from_elem(dimensions, false),
        sigma: Array3::zeros(dimensions),
        cells: Array2::from_elem((shape.receptors, shape.groups), CellReport::failed(Failed::NoData)),
    };
    for (&(receptor, first), run) in runs.iter().zip(solved) {
        for (group, cell) in (first..).zip(run) {
            all.cells[[receptor, group]] = cell.report;
            for ((&antenna, &fit), &sigma) in cell.antennas.iter().zip(&cell.gains).zip(&cell.sigma) {
                let at = [receptor, group, antenna];
                all.fit[at] = fit;
                all.sigma[at] = sigma;
                let amplitude = fit.norm();
                all.gains[at] = match options.mode {
                    Mode::AmplitudePhase => fit,
                    Mode::Phase => fit / amplitude,
                };
                all.usable[at] = amplitude > 0.0 && all.snr(at) >= options.min_snr;
                if !all.usable[at] {
                    all.gains[at] = Complex64::ONE;
                }
            }
        }
    }
    Ok(all)
}

impl CellReport {
    fn failed(why: Failed) -> Self {
        Self {
            iterations: 0,
            failed: Some(why),
            antennas: 0,
            baselines: 0,
            visibilities: 0.0,
            residual: 0.0,
            reference: None,
        }
    }
}

/// One cell's gains, of the antennas that take part.
#[derive(Clone, Debug)]
struct Solved {
    antennas: Vec<usize>,
    gains: Vec<Complex64>,
    sigma: Vec<f64>,
    report: CellReport,
}

impl Solved {
    fn new(normal: &Normal, before: Option<&Self>, options: &Options) -> Self {
        let none =
            |why| Self { antennas: Vec::new(), gains: Vec::new(), sigma: Vec::new(), report: CellReport::failed(why) };
        if normal.antennas.len() < 2 {
            return none(if normal.links == 0 { Failed::NoData } else { Failed::TooFewBaselines });
        }
        if options.mode == Mode::AmplitudePhase && !normal.determines_amplitudes() {
            return none(Failed::NoLoop);
        }
        let start = before.filter(|before| before.antennas == normal.antennas).map(|before| before.gains.as_slice());
        let stop = Stop { tolerance: options.tolerance, iterations: options.max_iterations };
        let found = stefcal::solve(normal, start, stop);
        if !found.converged {
            return none(Failed::NotConverged);
        }
        // Real numbers that were measured, less those that were solved for; one phase is free.
        let freedom = 2.0 * normal.n - (2 * normal.antennas.len() - 1) as f64;
        let residual = if freedom > 0.5 { (normal.chi_squared(&found.gains) / freedom).sqrt() } else { 1.0 };
        let count = normal.antennas.len();
        let sigma = (0..count)
            .map(|i| {
                let weight: f64 = (0..count).map(|j| normal.mm[i * count + j] * found.gains[j].norm_sqr()).sum();
                if weight > 0.0 { residual / weight.sqrt() } else { 0.0 }
            })
            .collect();
        Self {
            antennas: normal.antennas.clone(),
            gains: found.gains,
            sigma,
            report: CellReport {
                iterations: found.iterations,
                failed: None,
                antennas: count,
                baselines: normal.baselines,
                visibilities: normal.n,
                residual,
                reference: None,
            },
        }
    }
}
