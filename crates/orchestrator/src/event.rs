//! What a run tells while it goes on.

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::record::Record;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// The run began.
    RunStarted {
        /// The run's name.
        run: String,
        /// Its budget.
        budget: Budget,
    },
    /// Sets were found.
    SetsFound {
        /// Their names.
        sets: Vec<String>,
    },
    /// An attempt began.
    Started {
        /// The set.
        set: String,
        /// The stage.
        stage: String,
        /// Number of the attempt, from 1.
        attempt: u32,
        /// Why it runs.
        why: String,
        /// Bytes of memory that it was given.
        memory: u64,
        /// Cores that it was given.
        cores: u32,
    },
    /// A stage ended, well or not, and will not be tried again in this run.
    Ended {
        /// What is known of it now.
        record: Box<Record>,
    },
    /// An attempt failed and another one follows.
    TriedAgain {
        /// What is known of it now.
        record: Box<Record>,
    },
    /// A stage's product is there, made from the same.
    UpToDate {
        /// The set.
        set: String,
        /// The stage.
        stage: String,
    },
    /// Every set has ended, and stages of the whole night follow: whoever keeps a database of the products enters them now.
    NightBegins {
        /// The sets that are done.
        sets: Vec<String>,
    },
    /// A set is done.
    SetDone {
        /// The set.
        set: String,
    },
    /// A set goes no further in this run.
    SetStopped {
        /// The set.
        set: String,
        /// The stage that stopped it.
        stage: String,
        /// Why.
        reason: String,
    },
    /// Another run works on a set; this one waits for it.
    SetTaken {
        /// The set.
        set: String,
        /// Who has it.
        holder: String,
    },
    /// What is in use.
    Usage {
        /// Bytes of memory of all processes of the run.
        memory: u64,
        /// Bytes of memory that are claimed.
        claimed: u64,
        /// Attempts that run, as set and stage.
        running: Vec<(String, String)>,
    },
    /// Something that a person should know.
    Note {
        /// It.
        text: String,
    },
    /// The run ended.
    RunEnded {
        /// How.
        summary: Summary,
    },
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The run's name.
    pub run: String,
    /// Sets whose stages are all done or skipped.
    pub done: Vec<String>,
    /// Sets of which a stage failed, with the stage and the class of the failure.
    pub failed: Vec<(String, String, crate::Class)>,
    /// Sets that failed in an earlier run and would fail again, likewise.
    pub passed_over: Vec<(String, String, crate::Class)>,
    /// Sets that the run did not come to the end of: it was asked to stop, or the disk was full.
    pub unfinished: Vec<String>,
    /// Sets that were retired before this stage of theirs, which cannot be done without what was removed.
    #[serde(default)]
    pub retired: Vec<(String, String)>,
    /// Stages that were skipped, with the reason.
    pub skipped: Vec<(String, String)>,
    /// Attempts that ran.
    pub attempts: u32,
    /// Stages that were up to date.
    pub up_to_date: u32,
    /// Wall time, seconds.
    pub seconds: f64,
    /// Largest memory of the whole process tree that was seen, bytes.
    pub peak_memory: u64,
    /// Bytes that the run was given.
    pub memory_budget: u64,
    /// The signal that stopped it.
    pub stopped_by: Option<i32>,
}
