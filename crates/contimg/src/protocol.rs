//! What `convert` and its worker processes say to each other: one JSON line each, the job on stdin, messages on stdout.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    args::{Missing, SetArgs},
    failure::Failure,
};

/// One group to convert.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Process id of the sender: a worker whose sender is gone stops.
    pub parent: u32,
    /// The group's files.
    pub files: Vec<PathBuf>,
    /// Where the Measurement Set is built; not its final name.
    pub target: PathBuf,
    pub missing: Missing,
    pub min_subbands: u8,
    pub expected_subbands: u8,
    pub set: SetArgs,
    /// Bytes that the sender and this process may use together.
    pub memory: u64,
    /// Bytes of these that the sender takes.
    pub parent_memory: u64,
    pub threads: usize,
    /// Recorded in the set's HISTORY.
    pub command_line: String,
}

/// What a worker reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Message {
    /// The group is open and consistent; its bulk data are about to be converted.
    Opened { rows: u64 },
    /// So many rows are converted.
    Progress { rows: u64 },
    /// Something that a person should know.
    Warning(String),
    /// The set is complete under the job's target.
    Done(Box<Outcome>),
    /// It is not.
    Failed(Failure),
}

/// What a conversion made, and what that took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    pub content: Content,
    #[serde(flatten)]
    pub cost: Cost,
}

/// What a set holds: the same for the same input and options, so it may stand in the set's manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Rows of the set (time × baseline × spectral windows).
    pub rows: u64,
    /// Channels of each spectral window.
    pub channels: Vec<usize>,
    pub correlations: Vec<String>,
    pub integrations: usize,
    pub baselines: usize,
    pub antennas: usize,
    /// Names and ICRS directions in degrees of the phase centres.
    pub fields: Vec<(String, f64, f64)>,
    /// Lowest and highest channel edge, hertz.
    pub band_hz: (f64, f64),
    /// Centre of the first and the last integration, Julian dates.
    pub time_range_jd: (f64, f64),
    pub visibilities: u64,
    pub flagged: u64,
    /// Visibilities that were not finite or had no usable weight, set to zero and flagged.
    pub repaired: u64,
    /// Subbands whose gap was filled with flagged zeros.
    pub filled_subbands: Vec<u8>,
    pub weight_spectrum: bool,
    pub bytes_read: u64,
    pub bytes_written: u64,
}

/// What a conversion took, which is never the same twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Wall time of opening and checking, of the bulk data, and of finishing, seconds.
    pub seconds: [f64; 3],
    /// Rows of one block and threads, as the memory budget allowed.
    pub rows_per_block: usize,
    pub threads: usize,
    /// Highest resident set of the worker, bytes.
    pub peak_memory: u64,
}
