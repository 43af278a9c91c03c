//! What the counts mean: dead antennas, bad channels, and whether enough data are left.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Count, FlagStats};

/// Limits of the verdicts, as fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// With less than this left unflagged, the verdict is [`Verdict::TooFew`]. Default 0.10.
    pub too_few: f64,
    /// With less than this left unflagged, the verdict is [`Verdict::Few`]. Default 0.30.
    pub few: f64,
    /// A channel of which more than this is flagged is bad. Default 0.50.
    pub bad_channel: f64,
    /// An antenna of which more than this is flagged is dead. Default 0.95.
    pub dead_antenna: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { too_few: 0.10, few: 0.30, bad_channel: 0.50, dead_antenna: 0.95 }
    }
}

/// Whether a set can be calibrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Enough is left.
    Enough,
    /// Less than [`Thresholds::few`] is left: a warning.
    Few,
    /// Less than [`Thresholds::too_few`] is left: an error.
    TooFew,
    /// There is nothing that could be flagged: an error.
    Nothing,
}

impl Verdict {
    /// Whether the pipeline should stop.
    #[must_use]
    pub fn is_error(self) -> bool {
        matches!(self, Self::TooFew | Self::Nothing)
    }
}

/// Neighbouring bad channels of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRange {
    /// The spectral window.
    pub window: i32,
    /// The first channel.
    pub first: usize,
    /// The last channel.
    pub last: usize,
}

/// What [`FlagStats::assess`] finds. All of it is about FLAG or FLAG_ROW, and about cross-correlations where there are any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// Whether enough is left.
    pub verdict: Verdict,
    /// The fraction that is not flagged; none of nothing.
    pub unflagged: Option<f64>,
    /// The fraction flagged of baselines without a dead antenna; none where there is no such baseline.
    pub effective_flagged: Option<f64>,
    /// The dead antennas, by number.
    pub dead_antennas: Vec<i32>,
    /// The bad channels.
    pub bad_channels: Vec<ChannelRange>,
    /// The bad channels as CASA's `spw` selects them: `0:5~7;12,3:0`. Empty where there are none; CASA takes an empty
    /// selection for everything, so look before passing it on.
    pub bad_channel_selection: String,
    /// The limits that were applied.
    pub thresholds: Thresholds,
}

impl FlagStats {
    /// Applies the limits.
    #[must_use]
    pub fn assess(&self, thresholds: &Thresholds) -> Assessment {
        let more_than = |count: Count, limit: f64| count.flagged().is_some_and(|flagged| flagged > limit);
        let unflagged = self.total.judged().flagged().map(|flagged| 1.0 - flagged);
        let verdict = match unflagged {
            None => Verdict::Nothing,
            Some(left) if left < thresholds.too_few => Verdict::TooFew,
            Some(left) if left < thresholds.few => Verdict::Few,
            Some(_) => Verdict::Enough,
        };
        let dead_antennas: Vec<i32> = self
            .antennas
            .iter()
            .filter(|antenna| more_than(antenna.flags.judged(), thresholds.dead_antenna))
            .map(|antenna| antenna.antenna)
            .collect();
        let dead = |antenna: i32| dead_antennas.binary_search(&antenna).is_ok();
        let crosses = self.total.cross.total > 0;
        let effective = self
            .baselines
            .iter()
            .filter(|b| (b.antenna1 != b.antenna2) == crosses && !dead(b.antenna1) && !dead(b.antenna2))
            .fold(Count::default(), |sum, baseline| sum + baseline.flags);
        let bad_channels: Vec<_> = self
            .windows
            .iter()
            .flat_map(|window| {
                let bad = window.channels.iter().map(|channel| more_than(channel.judged(), thresholds.bad_channel));
                ranges(bad).into_iter().map(|(first, last)| ChannelRange { window: window.window, first, last })
            })
            .collect();
        Assessment {
            verdict,
            unflagged,
            effective_flagged: effective.flagged(),
            dead_antennas,
            bad_channel_selection: Selection(&bad_channels).to_string(),
            bad_channels,
            thresholds: *thresholds,
        }
    }
}

/// First and last of each run of true values.
fn ranges(values: impl Iterator<Item = bool>) -> Vec<(usize, usize)> {
    let mut ranges = Vec::<(usize, usize)>::new();
    for (i, _) in values.enumerate().filter(|&(_, value)| value) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == i => *last = i,
            _ => ranges.push((i, i)),
        }
    }
    ranges
}

/// CASA's measurement set selection: `,` between windows, `;` between the ranges of one (CASA memo 229, "spw").
struct Selection<'a>(&'a [ChannelRange]);

impl fmt::Display for Selection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = None;
        for range in self.0 {
            match before {
                Some(window) if window == range.window => f.write_str(";")?,
                Some(_) => write!(f, ",{}:", range.window)?,
                None => write!(f, "{}:", range.window)?,
            }
            before = Some(range.window);
            match range.first == range.last {
                true => write!(f, "{}", range.first)?,
                false => write!(f, "{}~{}", range.first, range.last)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_separate_ranges_and_windows_as_casa_does() {
        let range = |window, first, last| ChannelRange { window, first, last };
        let selection = |ranges: &[ChannelRange]| Selection(ranges).to_string();
        assert_eq!(selection(&[]), "");
        assert_eq!(selection(&[range(1, 5, 5), range(1, 10, 10)]), "1:5;10");
        assert_eq!(selection(&[range(0, 5, 7), range(0, 12, 12), range(3, 0, 0)]), "0:5~7;12,3:0");
        assert_eq!(ranges([true, true, false, true].into_iter()), [(0, 1), (3, 3)]);
    }
}
