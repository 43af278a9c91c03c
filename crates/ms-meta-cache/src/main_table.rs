//! Reading MAIN: its structure, and which rows there are.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use casacore::{Cell, Element, Operations, Table};
use vis_types::{MjdSeconds, MsColumn, MsLayout, MsManager, MsRows, RowGroup};

use crate::subtables::open;
use crate::{Error, keywords};

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
    match keywords::subtables(path) {
        Some(found) => Ok(found),
        None => {
            let failed = |source| Error::Open { path: path.into(), source: Box::new(source) };
            open(path, operations)?.subtables().map_err(failed)
        }
    }
}

/// Reads what the first `total` rows are, in chunks; `None` when the table has fewer.
pub(crate) fn rows(path: &Path, total: u64, operations: &Operations) -> Result<Option<MsRows>, Error> {
    const CHUNK: u64 = 1 << 16;
    let table = open(path, operations)?;
    if table.rows().map_err(|source| Error::Open { path: path.into(), source: Box::new(source) })? < total {
        return Ok(None);
    }
    let mut ids: [Vec<i32>; 5] = Default::default();
    let mut seconds: [Vec<f64>; 3] = Default::default();
    let (id_columns, second_columns) = COLUMNS.split_at(ids.len());
    let mut collector = Collector::default();
    let mut first = 0;
    while first < total {
        let range = first..total.min(first + CHUNK);
        for (column, values) in id_columns.iter().zip(&mut ids) {
            read(&table, column, &range, values)?;
        }
        for (column, values) in second_columns.iter().zip(&mut seconds) {
            read(&table, column, &range, values)?;
        }
        for row in 0..(range.end - range.start) as usize {
            collector.row(ids.each_ref().map(|values| values[row]), seconds.each_ref().map(|values| values[row]));
        }
        first = range.end;
    }
    Ok(Some(collector.finish(total)))
}

fn read<T: Element>(
    table: &Table,
    column: &'static str,
    rows: &std::ops::Range<u64>,
    values: &mut Vec<T>,
) -> Result<(), Error> {
    values.resize((rows.end - rows.start) as usize, T::default());
    let failed = |source| Error::Column { path: table.path().into(), column, source: Box::new(source) };
    table.read(column, rows.clone(), values).map_err(failed)
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
    fn row(&mut self, ids: Ids, [time, interval, exposure]: [f64; 3]) {
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
        group.rows += 1;
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
