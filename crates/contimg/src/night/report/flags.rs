//! Flags of a night's sets, by antenna and channel.

use std::path::{Path, PathBuf};

use flag_stats::{AntennaFlags, CountOptions, FlagCache};
use rayon::prelude::*;
use serde::Serialize;

use crate::survey::chain;

/// Flags of one set.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Flags {
    pub set: String,
    pub path: PathBuf,
    /// Why nothing is known of it.
    pub problem: Option<String>,
    /// Flagged part of the cross-correlations, 0 to 1.
    pub flagged: Option<f64>,
    pub antennas: Vec<String>,
    /// First and last channel of each column.
    pub channels: Vec<(usize, usize)>,
    /// Flagged part by antenna and column, the columns fastest; absent where there are no data.
    pub matrix: Vec<Option<f32>>,
}

/// Counts the flags of sets; of those that cannot be read, the reason is kept.
pub(super) fn of_sets(sets: &[(String, PathBuf)], no_cache: bool) -> Vec<Flags> {
    let options = CountOptions { time_bins: 64, ..CountOptions::default() };
    let cache = crate::flags::open_cache(None, no_cache, options);
    sets.par_iter().map(|(set, path)| of_set(set, path, &cache)).collect()
}

fn of_set(set: &str, path: &Path, cache: &FlagCache) -> Flags {
    let mut flags = Flags {
        set: set.to_owned(),
        path: path.to_owned(),
        problem: None,
        flagged: None,
        antennas: Vec::new(),
        channels: Vec::new(),
        matrix: Vec::new(),
    };
    match cache.stats(path) {
        Err(error) => flags.problem = Some(chain(&error)),
        Ok(stats) => {
            flags.flagged = stats.total.judged().flagged();
            flags.antennas = stats.antennas.iter().map(named).collect();
            flags.channels = stats.columns.iter().map(|column| (column.first, column.last)).collect();
            flags.matrix =
                stats.antenna_channel.counts.iter().map(|count| count.flagged().map(|part| part as f32)).collect();
        }
    }
    flags
}

fn named(antenna: &AntennaFlags) -> String {
    antenna.name.clone().unwrap_or_else(|| format!("antenna {}", antenna.antenna))
}
