//! Who works on which set: processes that hold its lock, and Slurm jobs whose attempt has its lease.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::layout::Layout;
use crate::lock;
use crate::slurm::{Commands, Files, Lease};

/// A set that somebody works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The set.
    pub set: String,
    /// Who, and what he does with it: a clause such as `process 17 on head works on it`.
    pub by: String,
    /// What has it only waits in a queue.
    pub is_queued: bool,
}

/// The sets that somebody works on, by name: a run or worker on this machine, or a job of a cluster, also one whose run has
/// died. Of the latter, the queue is asked, for a few seconds at most, whether it has the job still.
///
/// # Errors
///
/// When locks or leases cannot be read.
pub fn holders(layout: &Layout) -> Result<Vec<Held>, Error> {
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    for (set, owner) in lock::holders(layout)? {
        let by = format!("{owner} works on it");
        held.insert(set.clone(), Held { set, by, is_queued: false });
    }
    let files = Files::new(layout);
    let leased = files.leased()?;
    let has_orphans = leased.iter().any(|(set, _)| !held.contains_key(set));
    let listed = has_orphans.then(|| Commands::find().and_then(|slurm| slurm.list_soon()).ok()).flatten();
    for (set, lease) in leased {
        let (what, is_queued) = words(&files, &set, &lease)?;
        match held.get_mut(&set) {
            Some(held) => {
                held.by = format!("{}: {what}", held.by);
                held.is_queued = is_queued;
            }
            None => {
                // Without an answer, the lease counts.
                let by = if listed.as_ref().is_some_and(|listed| !files.is_listed(&lease.attempt, listed)) {
                    format!("{what}, and is not in the queue any more: the next run looks what became of it")
                } else {
                    format!("{what}, for a run that has ended: the next one goes on with it")
                };
                held.insert(set.clone(), Held { set, by, is_queued });
            }
        }
    }
    Ok(held.into_values().collect())
}

/// What a lease's attempt does, as its files tell, and whether that is to wait.
fn words(files: &Files, set: &str, lease: &Lease) -> Result<(String, bool), Error> {
    let attempt = &lease.attempt;
    let job = match files.array(&attempt.wave) {
        Some(array) => format!("Slurm job {array}_{}", attempt.task),
        None => format!("task {} of {}", attempt.task, attempt.wave),
    };
    let stage = match files.job(attempt)? {
        Some(job) if job.set == set => job.stage,
        // Its head died between cleaning up and freeing the set.
        _ => return Ok((format!("{job} has ended"), false)),
    };
    if files.outcome(attempt)?.is_some() {
        return Ok((format!("{job} has ended its `{stage}`"), false));
    }
    Ok(match files.claim(attempt)? {
        Some(claim) => (format!("{job} does its `{stage}` on {}", claim.node), false),
        None => (format!("{job} waits in the queue to do its `{stage}`"), true),
    })
}
