//! What the head and a worker process say to each other: one job on the worker's stdin, JSON lines on its stdout.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::failure::Class;
use crate::record::{Attempt, FORMAT, Record, State};
use crate::resource::Signatures;

/// One attempt of one stage of one set, with everything expanded but `{out}` and `{scratch}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The run that asks.
    pub run: String,
    /// The set.
    pub set: String,
    /// The stage.
    pub stage: String,
    /// The work folder.
    pub work: PathBuf,
    /// Attempts of this run before this one.
    pub earlier: Vec<Attempt>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Commands that must succeed before it.
    pub check_before: Vec<Vec<String>>,
    /// Commands that must succeed after it.
    pub check_after: Vec<Vec<String>>,
    /// Commands that follow it and finish what it built.
    #[serde(default)]
    pub then: Vec<Vec<String>>,
    /// Further environment variables.
    pub env: BTreeMap<String, String>,
    /// What is built at `{out}`.
    pub product: Option<PathBuf>,
    /// What must be there after it, as `path` or `path::COLUMN`.
    pub writes: Vec<String>,
    /// A checksum of the settings.
    pub key: String,
    /// Signatures of what it reads.
    pub inputs: Signatures,
    /// It is done also where its product is there and made from the same.
    #[serde(default)]
    pub anew: bool,
    /// What exit codes mean.
    pub exit_codes: BTreeMap<String, Class>,
    /// The run's control group, where there is one.
    pub cgroup: Option<PathBuf>,
    /// Limits.
    pub limits: Limits,
}

impl Job {
    /// The record of the stage after this attempt, which numbers itself after the earlier ones: done with these outputs, or
    /// failed where the attempt says why.
    pub(crate) fn record(&self, mut attempt: Attempt, outputs: Signatures) -> Record {
        let mut attempts = self.earlier.clone();
        attempt.number = u32::try_from(attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        let state = if attempt.failure.is_none() { State::Done } else { State::Failed };
        attempts.push(attempt);
        Record {
            format: FORMAT,
            set: self.set.clone(),
            stage: self.stage.clone(),
            state,
            run: self.run.clone(),
            key: self.key.clone(),
            command: self.command.clone(),
            inputs: self.inputs.clone(),
            outputs,
            again: self.anew && state == State::Failed,
            attempts,
            note: None,
        }
    }
}

/// What an attempt may use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Bytes of memory of all its processes together.
    pub memory: u64,
    /// Cores.
    pub cores: u32,
    /// Bytes of disk below its folders, if limited.
    pub disk: Option<u64>,
    /// Seconds.
    pub seconds: f64,
    /// Bytes that it may print.
    pub output: u64,
    /// Bytes that must stay free on the disk of the work folder.
    pub reserve: u64,
    /// Seconds between asking it to end and ending it.
    pub grace_seconds: f64,
}

/// What a worker reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Message {
    /// It works, and this much is in use.
    Sample { memory: u64, cpu_seconds: f64 },
    /// It has ended; the record is written.
    Ended(Box<Record>),
}
