//! A set as calibration sees it: what each row is, and what its cells are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use casacore::{Element, Table};
use ms_columns::Input;
use ms_meta_cache::{MsMetaCache, MsSet, MsSubtables};
use vis_types::Correlation;

use crate::failure::{Class, Failure};

/// Rows that are read at once.
const CHUNK: u64 = 1 << 16;

/// A set, opened for calibration.
#[derive(Debug)]
pub(crate) struct View {
    pub path: PathBuf,
    pub subtables: Arc<MsSubtables>,
    /// By DATA_DESC_ID.
    pub descriptions: Vec<Description>,
    pub rows: Vec<RowKey>,
    /// Distinct TIMEs, ascending, MJD seconds.
    pub times: Vec<f64>,
    /// Length of an integration, seconds.
    pub integration_s: f64,
    pub contexts: Vec<Context>,
    /// Which of the set's antennas have cross-correlations.
    pub with_data: Vec<bool>,
    /// The columns of MAIN.
    pub columns: Vec<String>,
}

/// What the cells of a data description are.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub window: usize,
    pub channels: usize,
    /// For each correlation the receptors of antenna 1 and 2: 0 or 1.
    pub receptors: Vec<[usize; 2]>,
    /// For each receptor its parallel-hand correlation.
    pub hands: Vec<usize>,
}

/// What rows share but for their antennas and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Context {
    pub description: u32,
    pub field: i32,
    pub scan: i32,
    pub observation: i32,
}

/// What a row is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowKey {
    pub antennas: [u16; 2],
    /// A number in [`View::contexts`].
    pub context: u16,
    /// FLAG_ROW.
    pub flagged: bool,
    /// A number in [`View::times`].
    pub time: u32,
}

impl View {
    /// Which data descriptions have rows.
    pub(crate) fn has_rows(&self) -> Vec<bool> {
        let mut has_rows = vec![false; self.descriptions.len()];
        self.contexts.iter().for_each(|context| has_rows[context.description as usize] = true);
        has_rows
    }

    /// Opens the set at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let input = |error: ms_meta_cache::Error| {
            let failure = Failure::of(Class::Input, &error);
            match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        };
        let cache = MsMetaCache::default();
        let set = MsSet::new(path).map_err(input)?;
        let (subtables, layout) = (cache.subtables(&set).map_err(input)?, cache.layout(&set).map_err(input)?);
        let descriptions = descriptions(path, &subtables)?;
        let mut view = Self {
            path: set.path().to_path_buf(),
            with_data: vec![false; subtables.antennas.len()],
            subtables,
            descriptions,
            rows: Vec::new(),
            times: Vec::new(),
            integration_s: 0.0,
            contexts: Vec::new(),
            columns: layout.columns.iter().map(|column| column.name.clone()).collect(),
        };
        view.read_rows()?;
        Ok(view)
    }

    /// The set's name without its folder.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    pub(crate) fn description(&self, row: &RowKey) -> usize {
        self.contexts[usize::from(row.context)].description as usize
    }

    /// First and last time; the set has rows.
    pub(crate) fn time_range(&self) -> (f64, f64) {
        (self.times.first().copied().unwrap_or(0.0), self.times.last().copied().unwrap_or(0.0))
    }

    fn read_rows(&mut self) -> Result<(), Failure> {
        let failed = |error: casacore::Error| crate::calibrate::block::table_failure(&error);
        let table = Table::open(&self.path).map_err(failed)?;
        let total = table.rows().map_err(failed)?;
        if total == 0 {
            return Err(Failure::new(Class::Input, format!("{}: the set has no rows", self.path.display())));
        }
        self.rows.reserve_exact(total as usize);
        let mut contexts: HashMap<Context, u16> = HashMap::new();
        let mut times: HashMap<u64, u32> = HashMap::new();
        let mut last = None;
        for start in (0..total).step_by(CHUNK as usize) {
            let rows = start..total.min(start + CHUNK);
            let int = |column: &str| table.read_vec::<i32>(column, rows.clone()).map_err(failed);
            let (first, second) = (int("ANTENNA1")?, int("ANTENNA2")?);
            let (description, field, scan, observation) =
                (int("DATA_DESC_ID")?, int("FIELD_ID")?, int("SCAN_NUMBER")?, int("OBSERVATION_ID")?);
            let flagged = table.read_vec::<bool>("FLAG_ROW", rows.clone()).map_err(failed)?;
            let time = table.read_vec::<f64>("TIME", rows.clone()).map_err(failed)?;
            if start == 0 {
                self.integration_s = table.read_vec::<f64>("INTERVAL", 0..1).map_err(failed)?[0];
            }
            for k in 0..first.len() {
                let row = start + k as u64;
                let antennas = [self.antenna(row, first[k])?, self.antenna(row, second[k])?];
                let known = usize::try_from(description[k]).ok().filter(|d| *d < self.descriptions.len());
                let Some(known) = known else {
                    return Err(self.bad_row(row, format!("DATA_DESC_ID {} does not exist", description[k])));
                };
                if !time[k].is_finite() {
                    return Err(self.bad_row(row, "TIME is not a number".into()));
                }
                let context =
                    Context { description: known as u32, field: field[k], scan: scan[k], observation: observation[k] };
                let number = match last {
                    Some((same, number)) if same == context => number,
                    _ => {
                        let next = u16::try_from(contexts.len()).map_err(|_| {
                            self.bad_row(row, "more than 65,536 combinations of field, scan and window".into())
                        })?;
                        let number = *contexts.entry(context).or_insert(next);
                        if number == next {
                            self.contexts.push(context);
                        }
                        number
                    }
                };
                last = Some((context, number));
                let next = times.len() as u32;
                let place = *times.entry(time[k].to_bits()).or_insert(next);
                if place == next {
                    self.times.push(time[k]);
                }
                if antennas[0] != antennas[1] {
                    antennas.iter().for_each(|&antenna| self.with_data[usize::from(antenna)] = true);
                }
                self.rows.push(RowKey { antennas, context: number, flagged: flagged[k], time: place });
            }
        }
        self.sort_times();
        Ok(())
    }

    /// Numbers the times in ascending order.
    fn sort_times(&mut self) {
        let mut order: Vec<u32> = (0..self.times.len() as u32).collect();
        order.sort_by(|a, b| self.times[*a as usize].total_cmp(&self.times[*b as usize]));
        let mut rank = vec![0_u32; order.len()];
        order.iter().enumerate().for_each(|(place, &old)| rank[old as usize] = place as u32);
        self.rows.iter_mut().for_each(|row| row.time = rank[row.time as usize]);
        self.times = order.iter().map(|&old| self.times[old as usize]).collect();
    }

    fn antenna(&self, row: u64, number: i32) -> Result<u16, Failure> {
        let known = usize::try_from(number).ok().filter(|n| *n < self.subtables.antennas.len());
        known
            .and_then(|number| u16::try_from(number).ok())
            .ok_or_else(|| self.bad_row(row, format!("antenna {number} does not exist")))
    }

    /// The rows at which runs of cells of one shape begin, and where the last ends.
    pub(crate) fn shape_runs<T: Element>(&self, column: &Input<T>) -> Vec<u64> {
        let mut starts: Vec<u64> = [0, self.rows.len() as u64].into_iter().chain(column.shape_changes()).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// Refuses a set in which cells have other channels or correlations than the tables of its windows say: gains would go to
    /// other channels than they belong to.
    pub(crate) fn check_cells<T: Element>(&self, column: &Input<T>) -> Result<(), Failure> {
        for run in self.shape_runs(column).windows(2) {
            // Cells without a value are refused where they are read.
            let Ok(cell) = column.cell(&(run[0]..run[1])) else { continue };
            let rows = &self.rows[run[0] as usize..run[1] as usize];
            for (row, key) in (run[0]..).zip(rows) {
                let description = &self.descriptions[self.description(key)];
                let expected = [description.channels, description.receptors.len()];
                if cell != expected {
                    let found = format!(
                        "{} has cells of {} channels × {} correlations, while spectral window {} has {} × {}",
                        column.name(),
                        cell[0],
                        cell[1],
                        description.window,
                        expected[0],
                        expected[1]
                    );
                    return Err(self.bad_row(row, found));
                }
            }
        }
        Ok(())
    }

    fn bad_row(&self, row: u64, found: String) -> Failure {
        Failure::new(Class::Input, format!("{}: row {row}: {found}", self.path.display()))
            .hint("the set contradicts itself: convert it again")
    }
}

/// The data descriptions, with the receptors of their correlations.
fn descriptions(path: &Path, subtables: &MsSubtables) -> Result<Vec<Description>, Failure> {
    let wrong = |found: String| Failure::new(Class::Input, format!("{}: {found}", path.display()));
    let each = subtables.data_descriptions.iter().enumerate().map(|(number, description)| {
        let window = subtables
            .windows
            .get(description.window)
            .ok_or_else(|| wrong(format!("data description {number} names a spectral window that does not exist")))?;
        let correlations = subtables
            .polarizations
            .get(description.polarization)
            .and_then(|polarization| polarization.correlations())
            .ok_or_else(|| {
                wrong(format!("data description {number} has correlations that calibration does not know"))
                    .hint("known are XX XY YX YY, RR RL LR LL and I")
            })?;
        let receptors: Vec<[usize; 2]> = correlations
            .iter()
            .map(|correlation| match correlation {
                Correlation::XX | Correlation::RR | Correlation::I => Ok([0, 0]),
                Correlation::XY | Correlation::RL => Ok([0, 1]),
                Correlation::YX | Correlation::LR => Ok([1, 0]),
                Correlation::YY | Correlation::LL => Ok([1, 1]),
                other => Err(wrong(format!("correlation {} cannot be calibrated", other.name()))),
            })
            .collect::<Result<_, _>>()?;
        let hands: Vec<usize> =
            [0, 1].iter().filter_map(|p| receptors.iter().position(|pair| pair == &[*p, *p])).collect();
        Ok(Description { window: description.window, channels: window.len(), receptors, hands })
    });
    each.collect()
}
