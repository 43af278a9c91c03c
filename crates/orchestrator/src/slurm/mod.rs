//! Attempts as jobs of a Slurm cluster: submitted as arrays, watched, found again, cancelled, and never done twice.
//!
//! The head decides, as it does on one machine; only the workers are elsewhere. What is ready at the same moment and asks for
//! the same resources is one array: a *wave*. Chains of whole sets would wait in the queue only once, but would hold the
//! cores and the memory of their largest stage from beginning to end, and decide on the nodes what only the head knows.
//!
//! # What keeps a product from being made twice
//!
//! - A *lease* for each set, `.night/slurm/sets/SET.json`: made by `link(2)`, which is atomic on every shared file system,
//!   where `flock` is not. It names the attempt that has the set, and stays until the head has heard of its end. A head that
//!   finds one takes that attempt over instead of submitting another.
//! - A worker asks before it begins, every other second while it works, before it publishes and before it writes its record
//!   whether the lease still names its attempt, and whether its own claim on the attempt is the last one (a requeued job runs twice under one number). One that
//!   Slurm has given up, on a node that was only cut off, thus ends without a trace.
//! - The last step of every product is a rename.
//!
//! # What the head believes
//!
//! The worker's result, a file. Slurm is only asked whether a job without a result can still have one: a controller that does
//! not answer says nothing, and a job that is gone from the queue twice is submitted again.

mod commands;
mod conclusion;
mod crew;
mod files;
mod node;
mod outcome;
mod submit;
mod watch;

pub(crate) use commands::Commands;
pub(crate) use crew::{Assignment, Begun, Crew};
pub(crate) use files::{Files, Lease};
pub use node::{NODE_VARIABLE, work_on_node};

use crate::budget::Budget;
use crate::error::Error;

/// How attempts are given to Slurm.
#[derive(Clone, Debug)]
pub struct SlurmOptions {
    /// Further arguments of `sbatch` for every job: partition, account, constraints.
    pub arguments: Vec<String>,
    /// Slurm is asked about its queue so often, seconds.
    pub poll_seconds: f64,
}

impl Default for SlurmOptions {
    fn default() -> Self {
        Self { arguments: Vec::new(), poll_seconds: 2.0 }
    }
}

/// The largest job that fits every node of the cluster (of the partition that `arguments` name): memory and cores.
///
/// # Errors
///
/// When there is no Slurm here, or it does not answer.
pub fn smallest_node(arguments: &[String]) -> Result<(u64, u32), Error> {
    Commands::find()?.smallest_node(arguments)
}

/// What may be claimed at once: Slurm has a queue, so only the disk, which is everybody's, is a budget of the whole run.
pub(crate) fn admission(budget: &Budget) -> Budget {
    Budget { memory: u64::MAX / 4, cores: u32::MAX / 4, ..*budget }
}

/// Arguments of `sbatch` that the executor needs for itself.
const OURS: [&str; 9] = ["--array", "-a", "--output", "-o", "--error", "-e", "--wrap", "--parsable", "--wait"];

/// The first argument that the executor sets itself, if there is one.
#[must_use]
pub fn reserved_argument(arguments: &[String]) -> Option<&str> {
    let is_ours = |argument: &&String| {
        let name = argument.split('=').next().unwrap_or_default();
        OURS.contains(&name)
    };
    arguments.iter().find(is_ours).map(String::as_str)
}
