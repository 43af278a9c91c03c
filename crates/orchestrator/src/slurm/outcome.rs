//! What a worker left, as the head sees it, and what takes its place when it left nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::Failure;
use crate::job::Job;
use crate::record::{Attempt, FORMAT, Record, State};
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
    let mut attempts = job.earlier.clone();
    attempts.push(Attempt {
        number: u32::try_from(attempts.len()).unwrap_or(u32::MAX).saturating_add(1),
        started_unix_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory: 0,
        memory_limit: job.limits.memory,
        cores: job.limits.cores,
        output_bytes: 0,
        failure: Some(failure),
    });
    Record {
        format: FORMAT,
        set: job.set.clone(),
        stage: job.stage.clone(),
        state: State::Failed,
        run: job.run.clone(),
        key: job.key.clone(),
        command: job.command.clone(),
        inputs: job.inputs.clone(),
        outputs: Signatures::new(),
        attempts,
        note: None,
    }
}
