//! A page of solutions: amplitude and phase of every antenna against frequency or time, and of all antennas beside each other.

use std::path::Path;

use cal_tables::{CalTable, Kind, Values};
use gain_solve::Mode;
use report::{Axis, HeatMap, Page, Plot, Status};

use crate::calibrate::stages::Solved;
use crate::calibrate::tables::{Report, median};
use crate::failure::{Class, Failure};

/// What is drawn of a solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Amplitude,
    Phase,
    Delay,
}

impl Part {
    fn of(kind: Kind, mode: Mode) -> &'static [Self] {
        match (kind, mode) {
            (Kind::Delay, _) => &[Self::Delay],
            // Their amplitudes are 1.
            (_, Mode::Phase) => &[Self::Phase],
            _ => &[Self::Amplitude, Self::Phase],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Amplitude => "amplitude",
            Self::Phase => "phase",
            Self::Delay => "delay",
        }
    }

    fn axis(self) -> Axis {
        match self {
            Self::Amplitude => Axis::new("amplitude", ""),
            Self::Phase => Axis::new("phase", "deg").range(-180.0, 180.0),
            Self::Delay => Axis::new("delay", "ns"),
        }
    }

    fn value(self, values: &Values, at: usize) -> f64 {
        match (self, values) {
            (Self::Phase, Values::Gains(gains)) => f64::from(gains[at].arg()).to_degrees(),
            (_, Values::Gains(gains)) => f64::from(gains[at].norm()),
            (_, Values::Delays(delays)) => f64::from(delays[at]),
        }
    }
}

/// Solutions of one receptor along an axis: `[antenna][place]`, NaN where there is none.
struct Curves {
    axis: Axis,
    x: Vec<f64>,
    values: Vec<Vec<f64>>,
    /// Time, else frequency.
    of_time: bool,
    /// What of the table they are.
    of: String,
}

/// Draws all tables into one page.
pub(crate) fn draw(set: &str, tables: &[Solved], path: &Path) -> Result<(), Failure> {
    let failed = |error: report::Error| Failure::of(Class::Output, &error);
    let mut page = Page::new(format!("Solutions of {set}"));
    for solved in tables {
        page.section(solved.stage.title);
        say(&mut page, &solved.report);
        let table = &solved.table;
        let receptors = table.rows.iter().map(|row| row.receptors).max().unwrap_or(0);
        for receptor in 0..receptors {
            for &part in Part::of(table.kind, solved.stage.mode) {
                let curves = curves(table, receptor, part);
                let name = format!("{} of receptor {}", part.name(), ["X or R", "Y or L"][receptor.min(1)]);
                if curves.x.len() > 1 {
                    page.plot(&lines(table, &curves, &name, part));
                    page.heat_map(&map(&curves, &name, part).map_err(failed)?);
                }
                page.plot(&beside(table, &curves, &name, part));
            }
        }
    }
    page.write(path).map_err(failed)
}

fn say(page: &mut Page, report: &Report) {
    if let Some(verdict) = &report.verdict {
        page.note(Status::Bad, verdict);
    }
    let reference: Vec<&str> = report.reference.iter().map(|name| name.as_deref().unwrap_or("none")).collect();
    let mut facts = vec![
        ("kind", report.kind.to_owned()),
        ("intervals", report.intervals.to_string()),
        ("solutions", format!("{}, {:.2} % of them flagged", report.solutions, 100.0 * report.flagged_fraction())),
        ("reference antenna", reference.join(" and ")),
        ("median signal to noise", format!("{:.0}", report.snr)),
        ("noise of a visibility", format!("{:.3} SIGMA", report.residual)),
    ];
    if !report.without_solution.is_empty() {
        facts.push(("antennas without solution", report.without_solution.join(", ")));
    }
    page.facts(facts);
}

/// Against time where a table has several times, unless it is a bandpass; against frequency else.
fn curves(table: &CalTable, receptor: usize, part: Part) -> Curves {
    let mut times: Vec<f64> = table.rows.iter().map(|row| row.time_s).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let of_time = table.kind != Kind::Bandpass && times.len() > 1;
    let first = times.first().copied().unwrap_or(0.0);
    let window = table.rows.first().map_or(0, |row| row.window);
    let solved = |w: &usize| table.rows.iter().any(|row| row.window as usize == *w);
    let mut windows: Vec<usize> = (0..table.windows.len()).filter(solved).collect();
    let start = |w: usize| table.windows[w].freq_hz.first().copied().unwrap_or(0.0);
    windows.sort_by(|a, b| start(*a).total_cmp(&start(*b)));
    let value = |row: &cal_tables::CalRow, channel: usize| {
        let at = channel * row.receptors + receptor;
        if row.flags[at] { f64::NAN } else { part.value(&row.values, at) }
    };
    let antennas = table.antennas.len();
    if of_time {
        let mut values = vec![vec![f64::NAN; times.len()]; antennas];
        for row in table.rows.iter().filter(|row| row.window == window) {
            if let Ok(time) = times.binary_search_by(|time| time.total_cmp(&row.time_s)) {
                values[row.antenna as usize][time] = value(row, 0);
            }
        }
        let of = if windows.len() > 1 { format!(", window {window}") } else { String::new() };
        let x = times.iter().map(|time| time - first).collect();
        return Curves { axis: Axis::new("time since the first", "s"), x, values, of_time, of };
    }
    let (mut x, mut values) = (Vec::new(), vec![Vec::new(); antennas]);
    for window in windows {
        let rows = || table.rows.iter().filter(|row| row.window as usize == window && row.time_s == first);
        let channels = rows().map(|row| row.channels).max().unwrap_or(0);
        let hz = &table.windows[window].freq_hz;
        // A gain of a whole window stands at its middle.
        let middle = hz.iter().sum::<f64>() / hz.len().max(1) as f64;
        let begin = x.len();
        x.extend((0..channels).map(|channel| if channels == hz.len() { hz[channel] } else { middle } / 1e6));
        values.iter_mut().for_each(|antenna| antenna.resize(x.len(), f64::NAN));
        for row in rows() {
            (0..row.channels).for_each(|channel| values[row.antenna as usize][begin + channel] = value(row, channel));
        }
    }
    let of = if times.len() > 1 { format!(", the first of {} intervals", times.len()) } else { String::new() };
    Curves { axis: Axis::new("frequency", "MHz"), x, values, of_time, of }
}

/// A line for each antenna that has a solution.
fn lines(table: &CalTable, curves: &Curves, name: &str, part: Part) -> Plot {
    let against = if curves.of_time { "time" } else { "channel" };
    let mut plot = Plot::new(format!("{name} against {against}{}", curves.of), curves.axis.clone(), part.axis());
    // Windows do not join where there is a gap between them.
    let steps = curves.x.windows(2).map(|pair| pair[1] - pair[0]);
    let usual = median(steps.collect()).unwrap_or(f64::NAN);
    for (antenna, values) in table.antennas.iter().zip(&curves.values) {
        if values.iter().all(|value| value.is_nan()) {
            continue;
        }
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(values.len());
        for (&x, &y) in curves.x.iter().zip(values) {
            match points.last() {
                Some(&(before, _)) if !curves.of_time && x - before > 3.0 * usual => {
                    points.push((x, f64::NAN));
                }
                // A phase that wraps does not cross the plot.
                Some(&(_, last)) if part == Part::Phase && (y - last).abs() > 180.0 => points.push((x, f64::NAN)),
                _ => {}
            }
            points.push((x, y));
        }
        plot = plot.line(antenna.name.clone(), points);
    }
    plot
}

fn map(curves: &Curves, name: &str, part: Part) -> Result<HeatMap, report::Error> {
    let cells: Vec<f32> = curves.values.iter().flatten().map(|value| *value as f32).collect();
    let (first, last) = (curves.x.first().copied().unwrap_or(0.0), curves.x.last().copied().unwrap_or(0.0));
    let half = (last - first) / (2 * curves.x.len().max(2) - 2) as f64;
    let axes = (
        curves.axis.clone().range(first - half, last + half),
        Axis::new("antenna, by number in the set", ""),
        part.axis(),
    );
    HeatMap::new(format!("{name}: all antennas{}", curves.of), axes, curves.x.len(), curves.values.len(), &cells)
}

/// Every antenna's median over the curve.
fn beside(table: &CalTable, curves: &Curves, name: &str, part: Part) -> Plot {
    let points = table.antennas.iter().zip(&curves.values).enumerate().filter_map(|(number, (antenna, values))| {
        let y = median(values.iter().copied().filter(|value| value.is_finite()).collect())?;
        let named = report::Point { x: number as f64, y, name: antenna.name.clone(), ..report::Point::default() };
        Some(named)
    });
    let of = if curves.x.len() > 1 { ", median of each" } else { "" };
    Plot::new(
        format!("{name} against antenna{of}{}", curves.of),
        Axis::new("antenna, by number in the set", ""),
        part.axis(),
    )
    .points(name, points)
}
