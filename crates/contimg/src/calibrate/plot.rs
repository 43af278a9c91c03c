//! Pictures of solutions: amplitude and phase of every antenna against frequency or time.

use std::path::Path;

use cal_tables::{CalTable, Kind, Values};

use crate::calibrate::stages::Solved;
use crate::failure::{Class, Failure};
use crate::picture::HeatMap;

/// One map.
struct Map {
    title: String,
    values: Vec<Vec<f32>>,
    x_label: &'static str,
    x_range: (f64, f64),
    value_label: &'static str,
}

/// Draws all tables into one picture, one map below the other.
pub(crate) fn draw(tables: &[Solved], path: &Path) -> Result<(), Failure> {
    let maps: Vec<Map> = tables.iter().flat_map(|solved| maps(&solved.table, solved.stage.title)).collect();
    let heat: Vec<HeatMap<'_>> = maps
        .iter()
        .map(|map| HeatMap {
            title: &map.title,
            values: &map.values,
            x_label: map.x_label,
            x_range: map.x_range,
            y_label: "antenna",
            y_range: (0.0, map.values.len() as f64),
            value_label: map.value_label,
        })
        .collect();
    HeatMap::write_pngs(&heat, None, path)
        .map_err(|error| Failure::io(Class::Output, format!("{}: cannot write the picture", path.display()), &error))
}

fn maps(table: &CalTable, title: &str) -> Vec<Map> {
    let receptors = table.rows.iter().map(|row| row.receptors).max().unwrap_or(0);
    let Some((first, last)) = table.time_range() else { return Vec::new() };
    let mut found = Vec::new();
    for receptor in 0..receptors {
        let name = ["X or R", "Y or L"][receptor.min(1)];
        let of_time = table.kind != Kind::Bandpass && last > first;
        let (values, x_label, x_range) = if of_time {
            (against_time(table, receptor), "time (s)", (0.0, last - first))
        } else {
            let (low, high) = band(table);
            (against_frequency(table, receptor), "frequency (MHz)", (low / 1e6, high / 1e6))
        };
        for (part, value_label) in [("amplitude", ""), ("phase", "deg")] {
            let delay = table.kind == Kind::Delay;
            if delay && part == "phase" {
                continue;
            }
            let pick = |value: Option<[f32; 2]>| match value {
                None => f32::NAN,
                Some([amplitude, _]) if part == "amplitude" => amplitude,
                Some([_, phase]) => phase,
            };
            found.push(Map {
                title: format!("{title}: {} of receptor {name}", if delay { "delay" } else { part }),
                values: values.iter().map(|row| row.iter().map(|value| pick(*value)).collect()).collect(),
                x_label,
                x_range,
                value_label: if delay { "ns" } else { value_label },
            });
        }
    }
    found
}

/// Lowest and highest frequency of the windows with solutions.
fn band(table: &CalTable) -> (f64, f64) {
    let solved = table.rows.iter().filter_map(|row| table.windows.get(row.window as usize));
    let edges = solved.filter_map(cal_tables::SpectralWindow::edges_hz);
    edges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0.0, 1.0))
}

/// Amplitude and phase in degrees; a delay stands for an amplitude.
fn value(values: &Values, at: usize) -> [f32; 2] {
    match values {
        Values::Gains(gains) => [gains[at].norm(), gains[at].arg().to_degrees()],
        Values::Delays(delays) => [delays[at], 0.0],
    }
}

/// `[antenna][channel of all windows in order of frequency]`, of the first interval.
fn against_frequency(table: &CalTable, receptor: usize) -> Vec<Vec<Option<[f32; 2]>>> {
    let first = table.rows.first().map_or(0.0, |row| row.time_s);
    let mut windows: Vec<usize> = (0..table.windows.len()).collect();
    windows.sort_by(|a, b| {
        let start = |w: &usize| table.windows[*w].freq_hz.first().copied().unwrap_or(0.0);
        start(a).total_cmp(&start(b))
    });
    let mut all = vec![Vec::new(); table.antennas.len()];
    for window in windows {
        for row in table.rows.iter().filter(|row| row.time_s == first && row.window as usize == window) {
            let cells = (0..row.channels).map(|channel| channel * row.receptors + receptor);
            all[row.antenna as usize].extend(cells.map(|at| (!row.flags[at]).then(|| value(&row.values, at))));
        }
    }
    all
}

/// `[antenna][interval]`, of the first window with solutions.
fn against_time(table: &CalTable, receptor: usize) -> Vec<Vec<Option<[f32; 2]>>> {
    let window = table.rows.first().map_or(0, |row| row.window);
    let mut all = vec![Vec::new(); table.antennas.len()];
    for row in table.rows.iter().filter(|row| row.window == window) {
        all[row.antenna as usize].push((!row.flags[receptor]).then(|| value(&row.values, receptor)));
    }
    all
}
