//! Reading MAIN: its structure, and which rows there are.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use casacore::plain::Reader;
use casacore::{Cell, Element, Operations};
use vis_types::{MjdSeconds, MsColumn, MsLayout, MsManager, MsRows, RowGroup};

use crate::Error;
use crate::subtables::open;

/// The columns that [`MsRows`] is read from.
pub(crate) const COLUMNS: [&str; 8] =
    ["OBSERVATION_ID", "ARRAY_ID", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID", "TIME", "INTERVAL", "EXPOSURE"];

/// Reads the structure.
pub(crate) fn layout(path: &Path, operations: &Operations) -> Result<MsLayout, Error> {
    let failed = |source| Error::Open { path: path.into(), source: Box::new(source) };
    let table = open(path, operations)?;
    let columns = table.columns().map_err(failed)?.into_iter().map(|column| MsColumn {
        name: column.name,
        kind: column.kind.to_string(),
        shape: match column.cell {
            Cell::Scalar => Some(Vec::new()),
            Cell::Fixed(shape) => Some(shape),
            Cell::Variable(_) => None,
        },
    });
    let managers = table.data_managers().map_err(failed)?.into_iter().map(|manager| MsManager {
        kind: manager.kind,
        name: manager.name,
        columns: manager.columns,
        file: manager.file,
        bucket_bytes: manager.bucket_bytes,
        tiles: manager.hypercubes.into_iter().map(|cube| (cube.shape, cube.tile)).collect(),
    });
    Ok(MsLayout {
        rows: table.rows().map_err(failed)?,
        columns: columns.collect(),
        managers: managers.collect(),
        subtables: table.subtables().map_err(failed)?,
    })
}

/// Where the keywords say that the subtables are.
pub(crate) fn subtables(path: &Path, operations: &Operations) -> Result<Vec<(String, PathBuf)>, Error> {
    let failed = |source| Error::Open { path: path.into(), source: Box::new(source) };
    open(path, operations)?.subtables().map_err(failed)
}

/// Reads what the first `total` rows are, in chunks; `None` when the table has fewer.
pub(crate) fn rows(path: &Path, total: u64, operations: &Operations) -> Result<Option<MsRows>, Error> {
    const CHUNK: u64 = 1 << 16;
    let table = open(path, operations)?;
    if table.rows().map_err(|source| Error::Open { path: path.into(), source: Box::new(source) })? < total {
        return Ok(None);
    }
    let (id_columns, second_columns) = COLUMNS.split_at(5);
    let mut collector = Collector::default();
    let mut first = 0;
    while first < total {
        let rows = first..total.min(first + CHUNK);
        let ids = id_columns.iter().map(|&column| Runs::read(&table, column, &rows)).collect::<Result<Vec<_>, _>>()?;
        let seconds =
            second_columns.iter().map(|&column| Runs::read(&table, column, &rows)).collect::<Result<Vec<_>, _>>()?;
        collector.add(rows.clone(), ids, seconds);
        first = rows.end;
    }
    Ok(Some(collector.finish(total)))
}

/// The runs of one column, from the first one that is not over.
struct Runs<T> {
    runs: std::vec::IntoIter<(Range<u64>, T)>,
    /// Where the current run ends, and its value.
    current: (u64, T),
}

impl<T: Element> Runs<T> {
    fn read(table: &Reader, column: &'static str, rows: &Range<u64>) -> Result<Self, Error> {
        let failed = |source| Error::Column { path: table.path().into(), column, source: Box::new(source) };
        let runs = table.read_runs(column, rows.clone()).map_err(failed)?.into_iter();
        Ok(Self { runs, current: (rows.start, T::default()) })
    }

    /// The value of `row`, which is not before the one asked for last.
    fn at(&mut self, row: u64) -> T {
        while self.current.0 <= row {
            match self.runs.next() {
                Some((rows, value)) => self.current = (rows.end, value),
                None => break,
            }
        }
        self.current.1
    }
}

/// Observation, array, scan, field, data description.
type Ids = [i32; 5];

/// Gathers groups of rows. Neighbouring rows mostly belong to one, which is kept at hand.
#[derive(Default)]
struct Collector {
    groups: BTreeMap<Ids, RowGroup>,
    current: Option<(Ids, RowGroup)>,
    times: HashSet<u64>,
    last_time: Option<u64>,
}

impl Collector {
    /// Adds rows by the runs of their columns.
    fn add(&mut self, rows: Range<u64>, mut ids: Vec<Runs<i32>>, mut seconds: Vec<Runs<f64>>) {
        let mut row = rows.start;
        while row < rows.end {
            let mut values = [0; 5];
            values.iter_mut().zip(&mut ids).for_each(|(value, runs)| *value = runs.at(row));
            let mut times = [0.0; 3];
            times.iter_mut().zip(&mut seconds).for_each(|(value, runs)| *value = runs.at(row));
            let ends = ids.iter().map(|runs| runs.current.0).chain(seconds.iter().map(|runs| runs.current.0));
            let end = ends.min().unwrap_or(rows.end).clamp(row + 1, rows.end);
            self.stretch(end - row, values, times);
            row = end;
        }
    }

    /// Adds so many rows of the same values.
    fn stretch(&mut self, rows: u64, ids: Ids, [time, interval, exposure]: [f64; 3]) {
        if self.last_time != Some(time.to_bits()) {
            self.last_time = Some(time.to_bits());
            self.times.insert(time.to_bits());
        }
        let group = match &mut self.current {
            Some((held, group)) if *held == ids => group,
            current => {
                if let Some((held, group)) = current.take() {
                    self.groups.insert(held, group);
                }
                let [observation, array, scan, field, data_description] = ids;
                let group = self.groups.get(&ids).copied().unwrap_or(RowGroup {
                    observation,
                    array,
                    scan,
                    field,
                    data_description,
                    rows: 0,
                    time_range: [MjdSeconds(time); 2],
                    interval_s: [interval; 2],
                    exposure_s: [exposure; 2],
                });
                &mut current.insert((ids, group)).1
            }
        };
        let widen = |[low, high]: [f64; 2], value: f64| [low.min(value), high.max(value)];
        group.rows += rows;
        group.time_range = widen(group.time_range.map(|t| t.0), time).map(MjdSeconds);
        group.interval_s = widen(group.interval_s, interval);
        group.exposure_s = widen(group.exposure_s, exposure);
    }

    fn finish(mut self, rows: u64) -> MsRows {
        self.groups.extend(self.current);
        let mut times: Vec<f64> = self.times.into_iter().map(f64::from_bits).collect();
        times.sort_unstable_by(f64::total_cmp);
        MsRows { rows, times: times.into_iter().map(MjdSeconds).collect(), groups: self.groups.into_values().collect() }
    }
}
