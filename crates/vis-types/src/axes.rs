//! The axes of visibilities: rows (baseline and time), channels, correlations.

use serde::{Deserialize, Serialize};

use crate::{Hertz, JulianDate, SubbandIndex};

/// A product of two receptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Correlation {
    I,
    Q,
    U,
    V,
    RR,
    RL,
    LR,
    LL,
    XX,
    XY,
    YX,
    YY,
}

impl Correlation {
    const TABLE: [(Self, i64, i32, &'static str); 12] = [
        (Self::I, 1, 1, "I"),
        (Self::Q, 2, 2, "Q"),
        (Self::U, 3, 3, "U"),
        (Self::V, 4, 4, "V"),
        (Self::RR, -1, 5, "RR"),
        (Self::RL, -3, 6, "RL"),
        (Self::LR, -4, 7, "LR"),
        (Self::LL, -2, 8, "LL"),
        (Self::XX, -5, 9, "XX"),
        (Self::XY, -7, 10, "XY"),
        (Self::YX, -8, 11, "YX"),
        (Self::YY, -6, 12, "YY"),
    ];

    fn entry(self) -> &'static (Self, i64, i32, &'static str) {
        Self::TABLE.iter().find(|e| e.0 == self).expect("because the table lists every variant")
    }

    /// From the AIPS code that UVH5 uses: −5 is XX, −6 YY, −7 XY, −8 YX, −1 RR … (AIPS Memo 117, table 28).
    #[must_use]
    pub fn from_aips(code: i64) -> Option<Self> {
        Self::TABLE.iter().find(|e| e.1 == code).map(|e| e.0)
    }

    /// The AIPS code that UVH5 uses.
    #[must_use]
    pub fn aips(self) -> i64 {
        self.entry().1
    }

    /// The casacore `Stokes` code that a Measurement Set's CORR_TYPE uses: XX is 9, YY 12.
    #[must_use]
    pub fn casa(self) -> i32 {
        self.entry().2
    }

    /// From a casacore `Stokes` code.
    #[must_use]
    pub fn from_casa(code: i32) -> Option<Self> {
        Self::TABLE.iter().find(|e| e.2 == code).map(|e| e.0)
    }

    /// Its usual name, `XX`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().3
    }
}

impl std::fmt::Display for Correlation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Two antennas, by their *positions in the antenna list* (not by their numbers in the file).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Baseline {
    /// Index of the first antenna.
    pub ant1: u32,
    /// Index of the second antenna.
    pub ant2: u32,
}

impl Baseline {
    /// A baseline of two antenna indices.
    #[must_use]
    pub const fn new(ant1: u32, ant2: u32) -> Self {
        Self { ant1, ant2 }
    }

    /// Whether both antennas are the same.
    #[must_use]
    pub const fn is_auto(self) -> bool {
        self.ant1 == self.ant2
    }
}

/// What one row is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Which of [`RowAxis::times`] it belongs to.
    pub time_index: usize,
    /// Centre of the integration, Julian date, UTC.
    pub time: JulianDate,
    /// Length of the integration, seconds.
    pub interval_s: f64,
    /// Its two antennas.
    pub baseline: Baseline,
}

/// The rows of a group: which baseline and time each one is.
///
/// Correlators write every baseline at every time; such a *grid* is kept as its two factors, so its size does not grow with
/// times × baselines. Baseline-dependent averaging and irregular files are kept as lists.
#[derive(Clone, Debug, PartialEq)]
pub struct RowAxis {
    times: Vec<JulianDate>,
    kind: RowKind,
}

#[derive(Clone, Debug, PartialEq)]
enum RowKind {
    Grid { interval_s: Vec<f64>, baselines: Vec<Baseline> },
    List { time_index: Vec<u32>, interval_s: Vec<f64>, baselines: Vec<Baseline> },
}

impl RowAxis {
    /// Rows that run over all `baselines` for the first time, then for the second, and so on.
    ///
    /// # Panics
    /// When `interval_s` has another length than `times`.
    #[must_use]
    pub fn grid(times: Vec<JulianDate>, interval_s: Vec<f64>, baselines: Vec<Baseline>) -> Self {
        assert_eq!(times.len(), interval_s.len(), "one interval a time");
        Self { times, kind: RowKind::Grid { interval_s, baselines } }
    }

    /// Rows in any order: `time_index` points into `times`. `times` are the distinct times, ascending.
    ///
    /// # Panics
    /// When the three lists differ in length or an index is outside `times`.
    #[must_use]
    pub fn list(times: Vec<JulianDate>, time_index: Vec<u32>, interval_s: Vec<f64>, baselines: Vec<Baseline>) -> Self {
        assert!(time_index.len() == interval_s.len() && interval_s.len() == baselines.len(), "lists of one length");
        assert!(time_index.iter().all(|&t| (t as usize) < times.len()), "time indices inside the list of times");
        Self { times, kind: RowKind::List { time_index, interval_s, baselines } }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.kind {
            RowKind::Grid { baselines, .. } => self.times.len() * baselines.len(),
            RowKind::List { baselines, .. } => baselines.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The distinct times, ascending, Julian dates, UTC.
    #[must_use]
    pub fn times(&self) -> &[JulianDate] {
        &self.times
    }

    /// The baselines of every time, in row order, when the rows are a grid.
    #[must_use]
    pub fn grid_baselines(&self) -> Option<&[Baseline]> {
        match &self.kind {
            RowKind::Grid { baselines, .. } => Some(baselines),
            RowKind::List { .. } => None,
        }
    }

    /// Row number `row`.
    ///
    /// # Panics
    /// When `row` is not below [`len`](Self::len).
    #[must_use]
    #[inline]
    pub fn row(&self, row: usize) -> Row {
        match &self.kind {
            RowKind::Grid { interval_s, baselines } => {
                let (time_index, baseline) = (row / baselines.len(), row % baselines.len());
                Row {
                    time_index,
                    time: self.times[time_index],
                    interval_s: interval_s[time_index],
                    baseline: baselines[baseline],
                }
            }
            RowKind::List { time_index, interval_s, baselines } => {
                let t = time_index[row] as usize;
                Row { time_index: t, time: self.times[t], interval_s: interval_s[row], baseline: baselines[row] }
            }
        }
    }

    /// All rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row> + '_ {
        (0..self.len()).map(|i| self.row(i))
    }
}

/// The channels of one subband, ascending in frequency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelWindow {
    /// The subband that they came from; `None` for files without a subband number.
    pub subband: Option<SubbandIndex>,
    /// Channel centres, hertz, ascending.
    pub freq_hz: Vec<f64>,
    /// Channel widths, hertz, positive; one for each channel.
    pub width_hz: Vec<f64>,
    /// Whether the data exist. `false` is a gap that a policy filled: its slab is zero and flagged.
    pub present: bool,
}

impl ChannelWindow {
    /// Number of channels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.freq_hz.len()
    }

    /// Whether there is no channel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.freq_hz.is_empty()
    }

    /// Lower edge of the lowest channel.
    #[must_use]
    pub fn low_edge(&self) -> Option<Hertz> {
        Some(Hertz(self.freq_hz.first()? - self.width_hz.first()? / 2.0))
    }

    /// Upper edge of the highest channel.
    #[must_use]
    pub fn high_edge(&self) -> Option<Hertz> {
        Some(Hertz(self.freq_hz.last()? + self.width_hz.last()? / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_both_ways() {
        for (c, aips, casa, name) in Correlation::TABLE {
            assert_eq!(Correlation::from_aips(aips), Some(c));
            assert_eq!(Correlation::from_casa(casa), Some(c));
            assert_eq!((c.aips(), c.casa(), c.to_string().as_str()), (aips, casa, name));
        }
        assert_eq!(Correlation::from_aips(0), None);
    }

    #[test]
    fn a_grid_and_its_list_are_the_same_rows() {
        let times = vec![JulianDate(1.0), JulianDate(2.0)];
        let bl = vec![Baseline::new(0, 0), Baseline::new(0, 1)];
        let grid = RowAxis::grid(times.clone(), vec![10.0, 20.0], bl.clone());
        let list = RowAxis::list(times, vec![0, 0, 1, 1], vec![10.0, 10.0, 20.0, 20.0], [bl.clone(), bl].concat());
        assert!(grid.iter().eq(list.iter()));
    }
}
