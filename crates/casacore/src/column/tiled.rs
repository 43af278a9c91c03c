//! Selections by tiles: runs of rows, by all threads.

use std::ops::Range;

use rayon::prelude::*;

use super::selection::Part;
use crate::tiles::TiledColumn;
use crate::{Element, Error, Result, Rows};

/// The part of a cell as windows of the tiles: channels and correlations from the first to the last one wanted, and how
/// many are stepped over.
struct Windowed {
    ranges: [Range<usize>; 2],
    steps: [usize; 2],
}

impl Windowed {
    fn of(tiles: &TiledColumn, part: &Part) -> Result<Self> {
        let shape = tiles.cell_shape();
        let slice = part.slice(shape).ok_or_else(|| Error::Shape {
            path: tiles.table().into(),
            column: tiles.name().into(),
            row: None,
            found: format!("{part} of column {}, whose cells are {shape:?}", tiles.name()),
        })?;
        let mut window = Self { ranges: [0..1, 0..1], steps: [1, 1] };
        let first = 2 - slice.axes.len();
        for (axis, (range, step)) in slice.axes.into_iter().enumerate() {
            (window.ranges[first + axis], window.steps[first + axis]) = (range, step);
        }
        Ok(window)
    }

    fn is_stepped(&self) -> bool {
        self.steps != [1, 1]
    }

    /// Values of a row with those that are stepped over.
    fn row(&self) -> usize {
        self.ranges.iter().map(Range::len).product()
    }

    /// Values of a row that are wanted.
    fn wanted(&self) -> usize {
        self.ranges.iter().zip(self.steps).map(|(range, step)| range.len().div_ceil(step)).product()
    }

    /// Calls `each` with the place of each wanted value of a row, in order, among all values of the row.
    fn places(&self) -> impl Iterator<Item = usize> + '_ {
        let width = self.ranges[1].len();
        let channels = (0..self.ranges[0].len()).step_by(self.steps[0]);
        channels.flat_map(move |channel| (0..width).step_by(self.steps[1]).map(move |c| channel * width + c))
    }
}

/// Rows that follow each other, and where they begin in the selection.
fn runs(rows: &Rows<'_>) -> Vec<(Range<u64>, usize)> {
    match rows {
        Rows::Range(range) => vec![(range.clone(), 0)],
        Rows::List(list) => {
            let mut runs: Vec<(Range<u64>, usize)> = Vec::new();
            for (i, &row) in list.iter().enumerate() {
                match runs.last_mut() {
                    Some((run, _)) if run.end == row => run.end = row + 1,
                    _ => runs.push((row..row + 1, i)),
                }
            }
            runs
        }
    }
}

fn check_length(tiles: &TiledColumn, rows: &Rows<'_>, row: usize, values: usize) -> Result<()> {
    let needed = usize::try_from(rows.len()).ok().and_then(|rows| rows.checked_mul(row));
    if needed == Some(values) {
        return Ok(());
    }
    Err(Error::Shape {
        path: tiles.table().into(),
        column: tiles.name().into(),
        row: None,
        found: format!(
            "{} rows of {row} values of column {} do not make the caller's {values}",
            rows.len(),
            tiles.name()
        ),
    })
}

pub(super) fn read<T: Element>(tiles: &TiledColumn, rows: &Rows<'_>, part: &Part, out: &mut [T]) -> Result<()> {
    let window = Windowed::of(tiles, part)?;
    tiles.check_type::<T>()?;
    check_length(tiles, rows, window.wanted(), out.len())?;
    let runs = runs(rows);
    match &runs[..] {
        [] => Ok(()),
        [(run, _)] if !window.is_stepped() => tiles.par_read_part(run.clone(), &window.ranges, out),
        runs => {
            let tasks = tasks(runs, &window, out);
            tasks.into_par_iter().try_for_each_init(Vec::new, |all, (run, out)| {
                if !window.is_stepped() {
                    return tiles.read_part(run, &window.ranges, out);
                }
                all.resize((run.end - run.start) as usize * window.row(), T::default());
                tiles.read_part(run, &window.ranges, all)?;
                for (row, out) in all.chunks_exact(window.row()).zip(out.chunks_exact_mut(window.wanted())) {
                    out.iter_mut().zip(window.places()).for_each(|(out, place)| *out = row[place]);
                }
                Ok(())
            })
        }
    }
}

/// Runs with their part of the memory, the longer ones cut.
fn tasks<'o, T>(runs: &[(Range<u64>, usize)], window: &Windowed, out: &'o mut [T]) -> Vec<(Range<u64>, &'o mut [T])> {
    let most = most_rows::<T>(window);
    let mut rest = out;
    let mut tasks = Vec::new();
    for (run, _) in runs {
        let mut start = run.start;
        while start < run.end {
            let end = run.end.min(start + most);
            let (head, tail) = std::mem::take(&mut rest).split_at_mut((end - start) as usize * window.wanted());
            tasks.push((start..end, head));
            rest = tail;
            start = end;
        }
    }
    tasks
}

/// Rows that take a megabyte.
fn most_rows<T>(window: &Windowed) -> u64 {
    ((1 << 20) / (window.row() * size_of::<T>()).max(1)).max(1) as u64
}

pub(super) fn write<T: Element>(tiles: &TiledColumn, rows: &Rows<'_>, part: &Part, values: &[T]) -> Result<()> {
    let window = Windowed::of(tiles, part)?;
    tiles.check_type::<T>()?;
    check_length(tiles, rows, window.wanted(), values.len())?;
    let most = most_rows::<T>(&window);
    let mut all = Vec::new();
    // One run after another, since a list may name a row twice and the last value counts; each by all threads.
    for (run, first) in runs(rows) {
        let count = (run.end - run.start) as usize;
        let values = &values[first * window.wanted()..(first + count) * window.wanted()];
        if !window.is_stepped() {
            match count {
                // Starting threads costs more than a row.
                1..8 => tiles.update_part(run, &window.ranges, values)?,
                _ => tiles.par_update_part(run, &window.ranges, values)?,
            }
            continue;
        }
        let mut start = run.start;
        for values in values.chunks(most as usize * window.wanted()) {
            let end = start + (values.len() / window.wanted()) as u64;
            all.resize((end - start) as usize * window.row(), T::default());
            tiles.par_read_part(start..end, &window.ranges, &mut all)?;
            for (row, values) in all.chunks_exact_mut(window.row()).zip(values.chunks_exact(window.wanted())) {
                values.iter().zip(window.places()).for_each(|(value, place)| row[place] = *value);
            }
            tiles.par_update_part(start..end, &window.ranges, &all)?;
            start = end;
        }
    }
    Ok(())
}
