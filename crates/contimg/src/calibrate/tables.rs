//! Solutions as calibration tables, and the checks that a table must pass before it is published.

use cal_tables::{CalRow, CalTable, Kind, Values};
use casacore::Complex32;
use gain_solve::{CellReport, Mode, Solutions, delays};
use serde::Serialize;

use crate::calibrate::pass::Plan;
use crate::calibrate::stages::{Stage, Work};
use crate::failure::Failure;
use crate::isolate;

/// What became of a stage.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub title: &'static str,
    pub kind: &'static str,
    pub intervals: usize,
    pub rows: usize,
    /// Solutions that antennas with data could have, and those that are flagged.
    pub solutions: usize,
    pub flagged: usize,
    /// Reference antenna of each receptor, by name.
    pub reference: Vec<Option<String>>,
    /// Antennas with data and without any solution, by name.
    pub without_solution: Vec<String>,
    /// Median and greatest number of updates that a cell took.
    pub iterations: [usize; 2],
    /// Median of the noise of a visibility in units of SIGMA.
    pub residual: f64,
    /// Scale of the residuals that weights were lowered by; none without --robust.
    pub robust_scale: Option<f64>,
    /// Median ratio of signal to noise of the good solutions.
    pub snr: f64,
    /// Why cells have no solution, with their number.
    pub failed: Vec<(usize, &'static str)>,
    /// Why the table is not good enough, if so.
    pub verdict: Option<String>,
}

impl Report {
    /// The fraction that is flagged.
    pub(crate) fn flagged_fraction(&self) -> f64 {
        self.flagged as f64 / self.solutions.max(1) as f64
    }
}

/// Solutions of one row of a table.
struct Cells {
    values: Values,
    errors: Vec<f32>,
    flags: Vec<bool>,
    snr: Vec<f32>,
}

/// The table of a stage, and what became of it.
pub(crate) fn make(
    work: &Work<'_>,
    plan: &Plan<'_>,
    stage: Stage,
    solutions: &[Solutions],
    references: &[Option<usize>],
    robust_scale: Option<f64>,
) -> Result<(CalTable, Report), Failure> {
    let view = work.view;
    let mut table = CalTable::new(stage.kind, view.name(), &view.subtables);
    table.history.push(isolate::command_line());
    let shared = work.args.combine_windows && !stage.each_channel;
    if shared {
        // The one solution is of the whole band.
        let all = table.windows.iter().map(|w| w.edges_hz()).collect::<Option<Vec<_>>>().unwrap_or_default();
        let band = all.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        if let (Some((low, high)), Some(window)) = (band, table.windows.first_mut()) {
            window.freq_hz = vec![(low + high) / 2.0];
            window.width_hz = vec![high - low];
        }
    }
    for (span, solutions) in plan.intervals.spans.iter().zip(solutions) {
        let described = view.descriptions.iter().zip(&plan.bands);
        let windows = described.filter_map(|(description, bands)| Some((description.window, bands.as_ref()?)));
        let count = if shared { 1 } else { usize::MAX };
        for (window, bands) in windows.take(count) {
            let groups = bands.first_group..bands.first_group + bands.groups.len();
            let delays = (stage.kind == Kind::Delay)
                .then(|| delays(solutions, groups.clone(), &view.subtables.windows[window].freq_hz));
            for antenna in 0..view.subtables.antennas.len() {
                let place = plan.antennas.iter().position(|&a| a == antenna);
                let cells = match (&delays, place) {
                    (_, None) => nothing(stage.kind, groups.len(), plan.shape.receptors),
                    (Some(delays), Some(place)) => of_delays(delays, place, plan.shape.receptors),
                    (None, Some(place)) => of_gains(solutions, place, groups.clone(), plan.shape.receptors),
                };
                let cells = cells.before_absent(plan.shape.receptors, plan.first_receptor);
                let receptors = plan.first_receptor + plan.shape.receptors;
                let reference = solutions.cells[[0, groups.start]].reference.or(references[0]);
                table.rows.push(CalRow {
                    time_s: span.centre_s,
                    interval_s: span.length_s,
                    field: span.field,
                    window: if shared { 0 } else { window as i32 },
                    antenna: antenna as i32,
                    reference: reference.map_or(-1, |reference| plan.antennas[reference] as i32),
                    scan: span.scan,
                    observation: span.observation,
                    channels: cells.flags.len() / receptors,
                    receptors,
                    values: cells.values,
                    errors: cells.errors,
                    flags: cells.flags,
                    snr: cells.snr,
                });
            }
        }
    }
    let report = report(work, plan, stage, &table, solutions, references, robust_scale);
    Ok((table, report))
}

impl Cells {
    /// With so many receptors after its `own` ones that the set does not have: flagged. The one hand of a set comes first, also
    /// YY, as CASA 6.7 writes and reads it; [`Known`](crate::calibrate::known::Known) knows it by that.
    fn before_absent(self, own: usize, absent: usize) -> Self {
        fn all<T: Copy>(values: &[T], own: usize, absent: usize, value: T) -> Vec<T> {
            values.chunks(own).flat_map(|own| own.iter().copied().chain(std::iter::repeat_n(value, absent))).collect()
        }
        Self {
            values: match &self.values {
                Values::Gains(gains) => Values::Gains(all(gains, own, absent, Complex32::new(1.0, 0.0))),
                Values::Delays(delays) => Values::Delays(all(delays, own, absent, 0.0)),
            },
            errors: all(&self.errors, own, absent, 0.0),
            flags: all(&self.flags, own, absent, true),
            snr: all(&self.snr, own, absent, 0.0),
        }
    }
}

/// Of an antenna without data.
fn nothing(kind: Kind, channels: usize, receptors: usize) -> Cells {
    let channels = if kind == Kind::Bandpass { channels } else { 1 };
    let count = channels * receptors;
    let values = match kind {
        Kind::Delay => Values::Delays(vec![0.0; count]),
        _ => Values::Gains(vec![Complex32::new(1.0, 0.0); count]),
    };
    Cells { values, errors: vec![0.0; count], flags: vec![true; count], snr: vec![0.0; count] }
}

fn of_gains(solutions: &Solutions, antenna: usize, groups: std::ops::Range<usize>, receptors: usize) -> Cells {
    let all = || groups.clone().flat_map(|group| (0..receptors).map(move |receptor| [receptor, group, antenna]));
    let f32_of = |value: f64| if value.is_finite() { value as f32 } else { f32::MAX };
    Cells {
        values: Values::Gains(
            all().map(|at| solutions.gains[at]).map(|g| Complex32::new(g.re as f32, g.im as f32)).collect(),
        ),
        errors: all().map(|at| f32_of(solutions.sigma[at])).collect(),
        flags: all().map(|at| !solutions.usable[at]).collect(),
        snr: all().map(|at| f32_of(solutions.snr(at))).collect(),
    }
}

fn of_delays(delays: &gain_solve::Delays, antenna: usize, receptors: usize) -> Cells {
    let all = || (0..receptors).map(|receptor| [receptor, antenna]);
    let nanoseconds = |seconds: f64| (seconds * 1e9) as f32;
    Cells {
        values: Values::Delays(all().map(|at| nanoseconds(delays.delay_s[at])).collect()),
        errors: all().map(|at| nanoseconds(delays.sigma_s[at])).collect(),
        flags: all().map(|at| !delays.usable[at]).collect(),
        // A delay may be 0: what counts is its error.
        snr: all().map(|at| if delays.usable[at] { 1.0 } else { 0.0 }).collect(),
    }
}

fn report(
    work: &Work<'_>,
    plan: &Plan<'_>,
    stage: Stage,
    table: &CalTable,
    solutions: &[Solutions],
    references: &[Option<usize>],
    robust_scale: Option<f64>,
) -> Report {
    let name = |antenna: usize| work.view.subtables.antennas[antenna].name.clone();
    let of_data = |row: &&CalRow| plan.antennas.contains(&(row.antenna as usize));
    let cells = || table.rows.iter().filter(of_data).flat_map(|row| row.flags.chunks(row.receptors));
    let flags = || cells().flat_map(|receptors| &receptors[..plan.shape.receptors]);
    let (all, flagged) = (flags().count(), flags().filter(|flag| **flag).count());
    let mut has_solution = vec![false; work.view.subtables.antennas.len()];
    for row in &table.rows {
        has_solution[row.antenna as usize] |= row.flags.iter().any(|flag| !flag);
    }
    let cells: Vec<&CellReport> = solutions.iter().flat_map(|s| &s.cells).collect();
    let mut iterations: Vec<usize> =
        cells.iter().filter(|cell| cell.failed.is_none()).map(|cell| cell.iterations).collect();
    iterations.sort_unstable();
    let residuals = cells.iter().filter(|cell| cell.failed.is_none()).map(|cell| cell.residual);
    let snr = table.rows.iter().flat_map(|row| row.flags.iter().zip(&row.snr)).filter(|(flag, _)| !**flag);
    let mut failed: Vec<(usize, &'static str)> = Vec::new();
    for reason in cells.iter().filter_map(|cell| cell.failed).map(gain_solve::Failed::reason) {
        match failed.iter_mut().find(|known| known.1 == reason) {
            Some(known) => known.0 += 1,
            None => failed.push((1, reason)),
        }
    }
    let mut report = Report {
        title: stage.title,
        kind: match (stage.kind, stage.mode) {
            (Kind::Gain, Mode::Phase) => "G Jones, phase",
            (kind, _) => kind.name(),
        },
        intervals: solutions.len(),
        rows: table.rows.len(),
        solutions: all,
        flagged,
        reference: references.iter().map(|reference| reference.map(|r| name(plan.antennas[r]))).collect(),
        without_solution: plan.antennas.iter().filter(|&&a| !has_solution[a]).map(|&a| name(a)).collect(),
        iterations: [iterations.get(iterations.len() / 2), iterations.last()].map(|n| n.copied().unwrap_or(0)),
        residual: median(residuals.collect()).unwrap_or(0.0),
        robust_scale,
        snr: median(snr.map(|(_, snr)| f64::from(*snr)).collect()).unwrap_or(0.0),
        failed,
        verdict: None,
    };
    report.verdict = verdict(&report, work.args.max_flagged);
    report
}

/// What is wrong with a table, if anything.
fn verdict(report: &Report, max_flagged: f64) -> Option<String> {
    let why = report.failed.iter().max_by_key(|failed| failed.0).map(|failed| format!(": {}", failed.1));
    let why = why.unwrap_or_default();
    if report.rows == 0 {
        return Some("it has no rows".into());
    }
    if report.flagged == report.solutions {
        return Some(format!("all of its solutions are flagged{why}"));
    }
    if report.reference.iter().any(Option::is_none) {
        return Some("a receptor has no reference antenna with a solution".into());
    }
    (report.flagged_fraction() > max_flagged).then(|| {
        let percent = 100.0 * report.flagged_fraction();
        format!("{percent:.1} % of its solutions are flagged, more than --max-flagged {max_flagged}{why}")
    })
}

/// The middle one, or the upper of the middle two.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
