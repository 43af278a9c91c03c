//! What a worker left, as the head sees it, and what takes its place when it left nothing.

use crate::failure::Failure;
use crate::job::{Job, Limits};
use crate::record::{Attempt, Record};
use crate::resource::{self, Resource, Signatures};

/// What a worker wrote and this machine does not see as it was written.
pub(super) fn unseen(job: &Job, record: &Record) -> Option<String> {
    record.outputs.iter().find_map(|(key, signature)| {
        // Of a column, the set tells its generation itself, once the set is there.
        match Resource::parse(key) {
            Resource::Column { set, .. } => (!job.work.join(&set).join("table.dat").exists()).then(|| key.clone()),
            Resource::Path(path) => {
                let found = resource::of_path(&job.work.join(path)).ok().flatten();
                let same = found.is_some_and(|found| crate::checksum::agree(signature, &found));
                (!same).then(|| key.clone())
            }
        }
    })
}

/// The record of an attempt whose worker left none.
pub(super) fn failed(job: &Job, failure: Failure) -> Record {
    let Limits { memory, cores, .. } = job.limits;
    let attempt = Attempt { memory_limit: memory, cores, failure: Some(failure), ..Attempt::begun() };
    job.record(attempt, Signatures::new())
}
