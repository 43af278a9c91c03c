//! What was counted.

use std::collections::BTreeMap;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::labels::{Labels, correlation_name};
use crate::rowmap::RowMap;
use crate::sums::{Columns, Sums, get};

/// A number of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// All, set or not.
    pub total: u64,
    /// Those that FLAG sets. CASA's `flagdata(mode='summary')` counts these.
    pub flag: u64,
    /// Those that FLAG or FLAG_ROW sets.
    pub flag_or_row: u64,
}

impl Count {
    /// The fraction that FLAG or FLAG_ROW sets; none of nothing.
    #[must_use]
    pub fn flagged(&self) -> Option<f64> {
        (self.total > 0).then(|| self.flag_or_row as f64 / self.total as f64)
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            flag: self.flag + other.flag,
            flag_or_row: self.flag_or_row + other.flag_or_row,
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Numbers of flags, of cross-correlations and of autocorrelations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Of rows with two antennas.
    pub cross: Count,
    /// Of rows with one antenna twice.
    pub auto: Count,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn all(&self) -> Count {
        self.cross + self.auto
    }

    /// What verdicts are about: the cross-correlations, or the autocorrelations where there is nothing else.
    #[must_use]
    pub fn judged(&self) -> Count {
        if self.cross.total > 0 { self.cross } else { self.auto }
    }

    fn of(&mut self, auto: bool) -> &mut Count {
        if auto { &mut self.auto } else { &mut self.cross }
    }
}

/// How FLAG was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The bits of its tiles, by all threads.
    Tiles,
    /// Rows through casacore.
    Rows {
        /// Why not by tiles.
        because: String,
    },
}

/// An antenna's flags. A row of two antennas counts for both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AntennaFlags {
    /// Its number in the set.
    pub antenna: i32,
    /// Its name, where the ANTENNA table has such a row.
    pub name: Option<String>,
    /// Its flags.
    #[serde(flatten)]
    pub flags: Tally,
}

/// A baseline's flags; both antennas are one in an autocorrelation. The order of the antennas is that of the rows: where
/// both orders occur, so do both baselines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineFlags {
    /// ANTENNA1.
    pub antenna1: i32,
    /// ANTENNA2.
    pub antenna2: i32,
    /// Its flags.
    #[serde(flatten)]
    pub flags: Count,
}

/// A spectral window's flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowFlags {
    /// Its number.
    pub window: i32,
    /// Its flags.
    #[serde(flatten)]
    pub flags: Tally,
    /// By channel.
    pub channels: Vec<Tally>,
}

/// A correlation's flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrelationFlags {
    /// Its code (casacore's `Stokes::StokesTypes`), as in CORR_TYPE.
    pub code: i32,
    /// `XX`, `RL`, `I`, …
    pub name: String,
    /// Its flags.
    #[serde(flatten)]
    pub flags: Tally,
}

/// A field's flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFlags {
    /// Its number.
    pub field: i32,
    /// Its name, where the FIELD table has such a row.
    pub name: Option<String>,
    /// Its flags.
    #[serde(flatten)]
    pub flags: Tally,
}

/// A scan's flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanFlags {
    /// SCAN_NUMBER.
    pub scan: i32,
    /// Its flags.
    #[serde(flatten)]
    pub flags: Tally,
}

/// The flags of a time bin: of one TIME, or of several where the set has more than [`CountOptions::time_bins`].
///
/// [`CountOptions::time_bins`]: crate::CountOptions::time_bins
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeFlags {
    /// Its first TIME, seconds (MJD × 86400, in the scale of the set).
    pub first_s: f64,
    /// Its last TIME, seconds.
    pub last_s: f64,
    /// Its flags.
    #[serde(flatten)]
    pub flags: Tally,
}

/// A column of a [`Matrix`]: neighbouring channels of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixColumn {
    /// The spectral window.
    pub window: i32,
    /// The first channel.
    pub first: usize,
    /// The last channel.
    pub last: usize,
}

/// Counts of cross-correlations along two axes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// How many columns: [`FlagStats::columns`].
    pub width: usize,
    /// `[line, column]`, the columns fastest.
    pub counts: Vec<Count>,
}

impl Matrix {
    /// The lines in order.
    pub fn lines(&self) -> impl Iterator<Item = &[Count]> {
        self.counts.chunks(self.width.max(1))
    }
}

/// Exact flag counts of a Measurement Set. Every list is ascending by its number and holds what occurs in the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlagStats {
    /// Rows of the set.
    pub rows: u64,
    /// Rows whose FLAG_ROW is set.
    pub flagged_rows: u64,
    /// Rows whose FLAG has no value: nothing is counted of them.
    pub undefined_rows: u64,
    /// How FLAG was read.
    pub way: Way,
    /// All flags.
    pub total: Tally,
    /// By antenna.
    pub antennas: Vec<AntennaFlags>,
    /// By baseline.
    pub baselines: Vec<BaselineFlags>,
    /// By spectral window and channel.
    pub windows: Vec<WindowFlags>,
    /// By correlation.
    pub correlations: Vec<CorrelationFlags>,
    /// By field.
    pub fields: Vec<FieldFlags>,
    /// By scan.
    pub scans: Vec<ScanFlags>,
    /// By time.
    pub times: Vec<TimeFlags>,
    /// The columns of the matrices.
    pub columns: Vec<MatrixColumn>,
    /// A line for each of `antennas`.
    pub antenna_channel: Matrix,
    /// A line for each of `times`.
    pub time_channel: Matrix,
}

impl FlagStats {
    /// The memory it needs, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let names = |count: usize| count * 24;
        let channels: usize = self.windows.iter().map(|window| window.channels.len()).sum();
        let bytes = self.antennas.len() * size_of::<AntennaFlags>()
            + names(self.antennas.len() + self.fields.len())
            + self.baselines.len() * size_of::<BaselineFlags>()
            + self.windows.len() * size_of::<WindowFlags>()
            + channels * size_of::<Tally>()
            + (self.fields.len() + self.scans.len() + self.times.len()) * size_of::<FieldFlags>()
            + self.columns.len() * size_of::<MatrixColumn>()
            + (self.antenna_channel.counts.len() + self.time_channel.counts.len()) * size_of::<Count>();
        bytes as u64
    }

    /// Puts the sums together, and the totals that follow from the rows alone.
    pub(crate) fn new(map: &RowMap, labels: &Labels, columns: Columns, flag: &Sums, row_only: &Sums, way: Way) -> Self {
        let rows = Rows::of(map);
        let count = |total: u64, at: &dyn Fn(&Sums) -> u64| {
            let flagged = at(flag);
            Count { total, flag: flagged, flag_or_row: flagged + at(row_only) }
        };

        let mut total = Tally::default();
        let mut fields = BTreeMap::<i32, Tally>::new();
        let mut scans = BTreeMap::<i32, Tally>::new();
        let mut times = vec![Tally::default(); map.times.len()];
        for (number, context) in map.contexts.iter().enumerate() {
            let cells = map.classes[context.class as usize].cells();
            for (kind, auto) in [false, true].into_iter().enumerate() {
                let here = count(rows.contexts[number][kind] * cells, &|sums| get(&sums.contexts[2 * number + kind]));
                *total.of(auto) += here;
                *fields.entry(context.field).or_default().of(auto) += here;
                *scans.entry(context.scan).or_default().of(auto) += here;
                *times[context.time as usize].of(auto) += here;
            }
        }

        let mut antennas = vec![Tally::default(); map.antennas.len()];
        let mut baselines = Vec::with_capacity(map.pairs.len());
        for (number, &pair) in map.pairs.iter().enumerate() {
            let cells = map.classes.iter().zip(&rows.pairs).map(|(class, rows)| rows[number] * class.cells()).sum();
            let flags = count(cells, &|sums| get(&sums.pairs[number]));
            *antennas[pair.first as usize].of(pair.is_auto()) += flags;
            if !pair.is_auto() {
                antennas[pair.second as usize].cross += flags;
            }
            let (antenna1, antenna2) = (map.antennas[pair.first as usize], map.antennas[pair.second as usize]);
            baselines.push(BaselineFlags { antenna1, antenna2, flags });
        }
        baselines.sort_unstable_by_key(|baseline| (baseline.antenna1, baseline.antenna2));

        let mut windows = BTreeMap::<i32, (Tally, Vec<Tally>)>::new();
        let mut correlations = BTreeMap::<i32, Tally>::new();
        let width = columns.list.len();
        let mut antenna_channel = vec![Count::default(); map.antennas.len() * width];
        let mut time_channel = vec![Count::default(); map.times.len() * width];
        for (number, class) in map.classes.iter().enumerate() {
            let Some(shape) = class.shape else { continue };
            let window = windows.entry(labels.window(class.data_description)).or_default();
            window.1.resize(window.1.len().max(shape[0]), Tally::default());
            for (kind, auto) in [false, true].into_iter().enumerate() {
                let rows = rows.classes[number][kind];
                for channel in 0..shape[0] {
                    for correlation in 0..shape[1] {
                        let cell = (kind * shape[0] + channel) * shape[1] + correlation;
                        let here = count(rows, &|sums| get(&sums.cells[number][cell]));
                        *window.0.of(auto) += here;
                        *window.1[channel].of(auto) += here;
                        let code = labels.correlation(class.data_description, correlation);
                        *correlations.entry(code).or_default().of(auto) += here;
                    }
                }
            }
            for (matrix, rows) in
                [(&mut antenna_channel, &rows.antennas[number]), (&mut time_channel, &rows.times[number])]
            {
                for (line, &rows) in matrix.chunks_exact_mut(width.max(1)).zip(rows) {
                    if rows > 0 {
                        columns.of_class[number]
                            .iter()
                            .for_each(|&column| line[column as usize].total += rows * shape[1] as u64);
                    }
                }
            }
        }
        let fill = |matrix: &mut [Count], of: fn(&Sums) -> &[std::sync::atomic::AtomicU64]| {
            for ((count, flag), row_only) in matrix.iter_mut().zip(of(flag)).zip(of(row_only)) {
                count.flag = get(flag);
                count.flag_or_row = count.flag + get(row_only);
            }
        };
        fill(&mut antenna_channel, |sums| &sums.antenna_channel);
        fill(&mut time_channel, |sums| &sums.time_channel);

        Self {
            rows: map.rows,
            flagged_rows: map.flagged_rows,
            undefined_rows: map.undefined_rows,
            way,
            total,
            antennas: map
                .antennas
                .iter()
                .zip(antennas)
                .map(|(&antenna, flags)| AntennaFlags { antenna, name: labels.antenna(antenna).map(Into::into), flags })
                .collect(),
            baselines,
            windows: windows
                .into_iter()
                .map(|(window, (flags, channels))| WindowFlags { window, flags, channels })
                .collect(),
            correlations: correlations
                .into_iter()
                .map(|(code, flags)| CorrelationFlags { code, name: correlation_name(code), flags })
                .collect(),
            fields: fields
                .into_iter()
                .map(|(field, flags)| FieldFlags { field, name: labels.field(field).map(Into::into), flags })
                .collect(),
            scans: scans.into_iter().map(|(scan, flags)| ScanFlags { scan, flags }).collect(),
            times: map
                .times
                .iter()
                .zip(times)
                .map(|(&(first_s, last_s), flags)| TimeFlags { first_s, last_s, flags })
                .collect(),
            antenna_channel: Matrix { width, counts: antenna_channel },
            time_channel: Matrix { width, counts: time_channel },
            columns: columns.list,
        }
    }
}

/// Numbers of rows, from the map alone.
struct Rows {
    /// By context: cross, auto.
    contexts: Vec<[u64; 2]>,
    /// By class: cross, auto.
    classes: Vec<[u64; 2]>,
    /// By class and pair.
    pairs: Vec<Vec<u64>>,
    /// By class and antenna, cross-correlations.
    antennas: Vec<Vec<u64>>,
    /// By class and time, cross-correlations.
    times: Vec<Vec<u64>>,
}

impl Rows {
    fn of(map: &RowMap) -> Self {
        let mut autos_before = vec![0_u64];
        for pair in &map.pairs {
            autos_before.push(autos_before.last().copied().unwrap_or_default() + u64::from(pair.is_auto()));
        }
        let (classes, pairs) = (map.classes.len(), map.pairs.len());
        let mut rows = Self {
            contexts: vec![[0; 2]; map.contexts.len()],
            classes: vec![[0; 2]; classes],
            // Differences first: a run adds one to each of its pairs.
            pairs: vec![vec![0; pairs + 1]; classes],
            antennas: vec![vec![0; map.antennas.len()]; classes],
            times: vec![vec![0; map.times.len()]; classes],
        };
        map.each_run(|context, number, run| {
            let autos = autos_before[run.end] - autos_before[run.start];
            let kinds = [run.len() as u64 - autos, autos];
            let class = context.class as usize;
            for (kind, count) in kinds.into_iter().enumerate() {
                rows.contexts[number][kind] += count;
                rows.classes[class][kind] += count;
            }
            rows.times[class][context.time as usize] += kinds[0];
            rows.pairs[class][run.start] = rows.pairs[class][run.start].wrapping_add(1);
            rows.pairs[class][run.end] = rows.pairs[class][run.end].wrapping_sub(1);
        });
        for (class, counts) in rows.pairs.iter_mut().enumerate() {
            let mut running = 0_u64;
            for (count, pair) in counts.iter_mut().zip(&map.pairs) {
                running = running.wrapping_add(*count);
                *count = running;
                if !pair.is_auto() {
                    rows.antennas[class][pair.first as usize] += running;
                    rows.antennas[class][pair.second as usize] += running;
                }
            }
        }
        rows
    }
}
