//! The row axis of a file: found once, then compared with the other files of a group.

use std::collections::{HashMap, HashSet};

use vis_types::{Antenna, Baseline, JulianDate, RowAxis};

use crate::error::Error;
use crate::hdf5::{Dataset, Element, Group};
use crate::scatter::for_each_number;
use crate::source::SourceFile;
use crate::storage::{Axes, Buffers, Storage};

/// No antenna.
const NONE: u32 = u32::MAX;

/// Rows that are looked at together.
const BATCH: usize = 8192;

/// The columns that say what each row is.
#[derive(Debug)]
pub(crate) struct RowColumns {
    time: Storage,
    ant1: Storage,
    ant2: Storage,
    interval: Storage,
}

/// One row as the file has it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FileRow {
    time: f64,
    interval: f64,
    baseline: Baseline,
}

fn column(header: &Group, name: &str, source: &SourceFile, limit: usize, n_rows: usize) -> Result<Storage, Error> {
    let dataset = header.required(name)?;
    let Element::Real(part) = *dataset.element() else { return Err(dataset.wrong_type("numbers")) };
    let storage = Storage::new(&dataset, Axes::Rows, part.bytes(), source, limit, true)?;
    if storage.dims()[0] == n_rows { Ok(storage) } else { Err(rows_differ(&dataset, n_rows)) }
}

/// Whether it is a Julian date of the years 1858 to 2132: far outside is an unwritten or damaged value.
pub(crate) fn is_date(jd: f64) -> bool {
    (2_400_000.0..2_500_000.0).contains(&jd)
}

/// Whether it can be the length of an integration, seconds; 0 is an unwritten value.
pub(crate) fn is_interval(seconds: f64) -> bool {
    seconds > 0.0 && seconds < 86_400.0
}

pub(crate) fn rows_differ(dataset: &Dataset, n_rows: usize) -> Error {
    dataset.wrong_shape(format!("{n_rows} rows, as visdata"))
}

impl RowColumns {
    pub(crate) fn open(header: &Group, source: &SourceFile, limit: usize, n_rows: usize) -> Result<Self, Error> {
        let column = |name| column(header, name, source, limit, n_rows);
        Ok(Self {
            time: column("time_array")?,
            ant1: column("ant_1_array")?,
            ant2: column("ant_2_array")?,
            interval: column("integration_time")?,
        })
    }

    fn n_rows(&self) -> usize {
        self.time.dims()[0]
    }

    /// Calls `see` with every row in order, until it gives an error.
    fn for_each(
        &self,
        source: &SourceFile,
        antennas: &Numbers,
        buffers: &mut Buffers,
        mut see: impl FnMut(usize, FileRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut columns: [Vec<f64>; 4] = Default::default();
        for start in (0..self.n_rows()).step_by(BATCH) {
            let end = (start + BATCH).min(self.n_rows());
            for (storage, values) in [&self.time, &self.ant1, &self.ant2, &self.interval].into_iter().zip(&mut columns)
            {
                numbers(storage, source, start..end, buffers, values)?;
            }
            let [time, ant1, ant2, interval] = &columns;
            for i in 0..end - start {
                let bad = |dataset: &Storage, found: f64, expected: &str| Error::BadValue {
                    path: source.path().to_owned(),
                    dataset: format!("{}[{}]", dataset.name(), start + i),
                    found: found.to_string(),
                    expected: expected.to_owned(),
                };
                if !is_date(time[i]) {
                    return Err(bad(&self.time, time[i], "a Julian date"));
                }
                if !is_interval(interval[i]) {
                    return Err(bad(&self.interval, interval[i], "a time in seconds"));
                }
                let antenna = |storage, number: f64| {
                    antennas.index(number).ok_or_else(|| bad(storage, number, "a number of antenna_numbers"))
                };
                let baseline = Baseline::new(antenna(&self.ant1, ant1[i])?, antenna(&self.ant2, ant2[i])?);
                see(start + i, FileRow { time: time[i], interval: interval[i], baseline })?;
            }
        }
        Ok(())
    }

    /// The row axis: a grid if every time has the same baselines in the same order, a list otherwise.
    pub(crate) fn axis(
        &self,
        source: &SourceFile,
        antennas: &[Antenna],
        buffers: &mut Buffers,
    ) -> Result<RowAxis, Error> {
        let mut builder = Builder::default();
        self.for_each(source, &Numbers::new(antennas), buffers, |_, row| {
            builder.push(row);
            Ok(())
        })?;
        Ok(builder.finish())
    }

    /// Checks that the rows are those of `axis`, which came from the file `first`.
    pub(crate) fn check(
        &self,
        source: &SourceFile,
        antennas: &[Antenna],
        axis: &RowAxis,
        first: &SourceFile,
        tolerance_s: f64,
        buffers: &mut Buffers,
    ) -> Result<(), Error> {
        let disagree = |what, difference| Error::Disagree {
            a: first.path().to_owned(),
            b: source.path().to_owned(),
            what,
            difference,
        };
        if axis.len() != self.n_rows() {
            return Err(disagree("their number of rows", format!("{} and {}", axis.len(), self.n_rows())));
        }
        let name = |i: u32| &antennas[i as usize].name;
        let mut expected = axis.iter();
        self.for_each(source, &Numbers::new(antennas), buffers, |i, row| {
            let Some(wanted) = expected.next() else { return Ok(()) };
            let seconds = (row.time - wanted.time.0) * 86_400.0;
            if seconds.abs() > tolerance_s {
                return Err(disagree(
                    "their times",
                    format!("row {i} is {seconds:+.3} s off (JD {} and {})", wanted.time.0, row.time),
                ));
            }
            if (row.interval - wanted.interval_s).abs() > tolerance_s {
                return Err(disagree(
                    "their integration times",
                    format!("row {i}: {} s and {} s", wanted.interval_s, row.interval),
                ));
            }
            if row.baseline != wanted.baseline {
                let text = |b: Baseline| format!("{}-{}", name(b.ant1), name(b.ant2));
                return Err(disagree(
                    "their baselines or the order of them",
                    format!("row {i} is {} and {}", text(wanted.baseline), text(row.baseline)),
                ));
            }
            Ok(())
        })
    }
}

/// Stored numbers of some rows.
pub(crate) fn numbers(
    storage: &Storage,
    source: &SourceFile,
    rows: std::ops::Range<usize>,
    buffers: &mut Buffers,
    values: &mut Vec<f64>,
) -> Result<(), Error> {
    let Element::Real(part) = *storage.element() else { return Ok(()) };
    values.clear();
    let mut at = rows.start;
    while at < rows.end {
        let band = storage.band(at..rows.end);
        at = band.end;
        for_each_number(storage.load(source, band, buffers)?.piece(0), part, |x| values.push(x));
    }
    Ok(())
}

/// Antenna numbers and their places in the list of antennas. A number that several entries have (some files fill unused
/// ones with −1) stands for none of them.
struct Numbers {
    /// Usual numbers are small: a table. [`NONE`] is no antenna.
    table: Vec<u32>,
    others: HashMap<i64, u32>,
}

impl Numbers {
    fn new(antennas: &[Antenna]) -> Self {
        let mut numbers = Self { table: vec![NONE; 4096], others: HashMap::new() };
        let mut seen = HashSet::new();
        for (i, antenna) in antennas.iter().enumerate() {
            let index = if seen.insert(antenna.number) { i as u32 } else { NONE };
            match usize::try_from(antenna.number).ok().filter(|&n| n < numbers.table.len()) {
                Some(n) => numbers.table[n] = index,
                None => {
                    numbers.others.insert(antenna.number, index);
                }
            }
        }
        numbers
    }

    fn index(&self, number: f64) -> Option<u32> {
        let whole = number as i64;
        if whole as f64 != number {
            return None;
        }
        let index = usize::try_from(whole).ok().and_then(|n| self.table.get(n)).or_else(|| self.others.get(&whole));
        index.copied().filter(|&i| i != NONE)
    }
}

/// Builds the axis row by row: a grid as long as the rows are one, so that memory does not grow with their number.
#[derive(Default)]
struct Builder {
    times: Vec<f64>,
    intervals: Vec<f64>,
    baselines: Vec<Baseline>,
    n: usize,
    /// All rows, once they are no grid.
    rows: Option<Vec<FileRow>>,
}

impl Builder {
    fn push(&mut self, row: FileRow) {
        if self.rows.is_none() && !self.push_to_grid(row) {
            self.rows = Some((0..self.n).map(|i| self.grid_row(i)).collect());
        }
        if let Some(rows) = &mut self.rows {
            rows.push(row);
        }
        self.n += 1;
    }

    fn grid_row(&self, i: usize) -> FileRow {
        let t = i / self.baselines.len();
        FileRow { time: self.times[t], interval: self.intervals[t], baseline: self.baselines[i % self.baselines.len()] }
    }

    /// Whether the row continues the grid.
    fn push_to_grid(&mut self, row: FileRow) -> bool {
        let first_time = self.times.len() <= 1;
        match self.times.last() {
            None => {
                self.times.push(row.time);
                self.intervals.push(row.interval);
                self.baselines.push(row.baseline);
                true
            }
            Some(&time) if first_time && time == row.time => {
                self.baselines.push(row.baseline);
                row.interval == self.intervals[0]
            }
            Some(&time) => {
                let k = self.n % self.baselines.len();
                if k == 0 {
                    if row.time <= time {
                        return false;
                    }
                    self.times.push(row.time);
                    self.intervals.push(row.interval);
                }
                let t = self.times.len() - 1;
                (row.time, row.interval, row.baseline) == (self.times[t], self.intervals[t], self.baselines[k])
            }
        }
    }

    fn finish(mut self) -> RowAxis {
        if self.rows.is_none() && !self.baselines.is_empty() && !self.n.is_multiple_of(self.baselines.len()) {
            self.rows = Some((0..self.n).map(|i| self.grid_row(i)).collect());
        }
        let Some(rows) = self.rows else {
            return RowAxis::grid(self.times.into_iter().map(JulianDate).collect(), self.intervals, self.baselines);
        };
        let mut times: Vec<f64> = rows.iter().map(|r| r.time).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        let index = |t: f64| times.partition_point(|&x| x < t) as u32;
        let time_index = rows.iter().map(|r| index(r.time)).collect();
        let intervals = rows.iter().map(|r| r.interval).collect();
        let baselines = rows.iter().map(|r| r.baseline).collect();
        RowAxis::list(times.into_iter().map(JulianDate).collect(), time_index, intervals, baselines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(rows: &[(f64, f64, u32, u32)]) -> RowAxis {
        let mut builder = Builder::default();
        for &(time, interval, a, b) in rows {
            builder.push(FileRow { time, interval, baseline: Baseline::new(a, b) });
        }
        builder.finish()
    }

    fn same(rows: &[(f64, f64, u32, u32)], grid: bool) {
        let axis = build(rows);
        assert_eq!(axis.grid_baselines().is_some(), grid, "{rows:?}");
        assert_eq!(axis.len(), rows.len());
        for (row, &(time, interval, a, b)) in axis.iter().zip(rows) {
            assert_eq!((row.time.0, row.interval_s, row.baseline), (time, interval, Baseline::new(a, b)));
            assert_eq!(axis.times()[row.time_index].0, time);
        }
        assert!(axis.times().is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn grids_are_found() {
        same(&[(1.0, 2.0, 0, 0), (1.0, 2.0, 0, 1), (3.0, 2.5, 0, 0), (3.0, 2.5, 0, 1)], true);
        same(&[(1.0, 2.0, 0, 1)], true);
        same(&[(1.0, 2.0, 0, 1), (2.0, 2.0, 0, 1), (3.0, 2.0, 0, 1)], true);
    }

    #[test]
    fn everything_else_is_a_list() {
        // The last time is incomplete; a baseline differs; an interval differs within a time; times go back; baselines first.
        same(&[(1.0, 2.0, 0, 0), (1.0, 2.0, 0, 1), (3.0, 2.0, 0, 0)], false);
        same(&[(1.0, 2.0, 0, 0), (1.0, 2.0, 0, 1), (3.0, 2.0, 0, 1), (3.0, 2.0, 0, 0)], false);
        same(&[(1.0, 2.0, 0, 0), (1.0, 4.0, 0, 1)], false);
        same(&[(1.0, 2.0, 0, 0), (1.0, 2.0, 0, 1), (3.0, 2.0, 0, 0), (3.0, 4.0, 0, 1)], false);
        same(&[(3.0, 2.0, 0, 0), (1.0, 2.0, 0, 0)], false);
        same(&[(1.0, 2.0, 0, 0), (2.0, 2.0, 0, 0), (1.0, 2.0, 0, 1), (2.0, 2.0, 0, 1)], false);
        // Three rows at the second time.
        same(&[(1.0, 2.0, 0, 0), (1.0, 2.0, 0, 1), (2.0, 2.0, 0, 0), (2.0, 2.0, 0, 1), (2.0, 2.0, 1, 1)], false);
    }

    #[test]
    fn antenna_numbers_are_not_indices() {
        let antenna = |number| Antenna { name: String::new(), number, position_m: [0.0; 3], diameter_m: None };
        let numbers = Numbers::new(&[antenna(7), antenna(-1), antenna(1 << 40), antenna(9), antenna(9), antenna(9)]);
        assert_eq!(numbers.index(7.0), Some(0));
        assert_eq!(numbers.index(-1.0), Some(1));
        assert_eq!(numbers.index((1_u64 << 40) as f64), Some(2));
        for absent in [0.0, 1.0, 7.5, 9.0, 1e300, f64::NAN] {
            assert_eq!(numbers.index(absent), None);
        }
    }
}
