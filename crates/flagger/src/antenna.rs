//! Antennas of which nearly nothing is left.

use std::collections::BTreeMap;

/// How much of each antenna's cross-correlations is flagged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AntennaTally {
    /// Flagged and all visibilities, by antenna.
    counts: BTreeMap<i32, (u64, u64)>,
}

impl AntennaTally {
    /// Adds `flagged` of `all` visibilities of a baseline. Autocorrelations do not count.
    pub fn add(&mut self, antenna1: i32, antenna2: i32, flagged: u64, all: u64) {
        if antenna1 != antenna2 {
            for antenna in [antenna1, antenna2] {
                let count = self.counts.entry(antenna).or_default();
                *count = (count.0 + flagged, count.1 + all);
            }
        }
    }

    /// Adds what another tally has counted.
    pub fn merge(&mut self, other: &Self) {
        for (&antenna, &(flagged, all)) in &other.counts {
            let count = self.counts.entry(antenna).or_default();
            *count = (count.0 + flagged, count.1 + all);
        }
    }

    /// The antennas of which more than this fraction is flagged, in order.
    ///
    /// ```
    /// let mut tally = flagger::AntennaTally::default();
    /// tally.add(0, 1, 2, 100);
    /// tally.add(0, 2, 99, 100);
    /// tally.add(1, 2, 98, 100);
    /// assert_eq!(tally.dead(0.95), [2]);
    /// ```
    #[must_use]
    pub fn dead(&self, more_than: f32) -> Vec<i32> {
        let is_dead = |&(flagged, all): &(u64, u64)| all > 0 && flagged as f64 > f64::from(more_than) * all as f64;
        self.counts.iter().filter(|(_, count)| is_dead(count)).map(|(&antenna, _)| antenna).collect()
    }
}
