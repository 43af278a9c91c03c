//! What is known of a night: what the page shows and the JSON twin holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use orchestrator::{Layout, NIGHT, Record, Resource, State, read_all};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    flags::{self, Flags},
    history::{self, Run},
    images::Images,
};
use crate::{
    failure::{Class, Failure},
    night::{journal, of, status},
};

/// A stage that failed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failed {
    pub set: String,
    pub stage: String,
    pub class: &'static str,
    pub message: String,
    pub remedy: &'static str,
    pub attempts: usize,
    pub command: Vec<String>,
    /// The end of what its program printed.
    pub output_tail: String,
}

/// One set and how far it is.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Set {
    pub set: String,
    /// `waiting`, `running`, `queued`, `failed`, `unfinished` or `done`.
    pub state: &'static str,
    pub stages: Vec<Record>,
}

/// Everything that is known.
pub(super) struct Night {
    pub layout: Layout,
    pub made_unix_s: f64,
    /// In the plan's order.
    pub stages: Vec<String>,
    pub sets: Vec<Set>,
    pub runs: Vec<Run>,
    pub failures: Vec<Failed>,
    /// Stages that were passed over, and why.
    pub skipped: BTreeSet<(String, String)>,
    pub flags: Vec<Flags>,
    pub images: Option<Images>,
}

impl Night {
    pub(super) fn of(layout: &Layout, no_cache: bool) -> Result<Self, Failure> {
        let goal = status::Goal::of(layout)?;
        let stages = goal.names();
        let records = read_all(layout).map_err(|e| of(&e))?;
        let entries = journal::read(layout)?;
        let held = status::held(layout)?;
        let sets = status::by_set(status::known_sets(&entries), records.clone())
            .into_iter()
            .map(|(set, records)| {
                let state = goal.state(&set, &records, held.get(&set));
                Set { set, state, stages: status::ordered(&records, &stages).into_iter().cloned().collect() }
            })
            .collect();
        let skipped = records.iter().filter(|record| record.state == State::Skipped);
        let skipped = skipped.filter_map(|record| Some((record.stage.clone(), record.note.clone()?))).collect();
        let images = Images::of(layout.work(), &records, no_cache)?;
        Ok(Self {
            layout: layout.clone(),
            made_unix_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            sets,
            runs: history::runs(&entries),
            failures: records.iter().filter_map(failed).collect(),
            skipped,
            flags: flags::of_sets(&measurement_sets(layout, &records), no_cache),
            images,
            stages,
        })
    }

    /// The sets in a state. What is done for the whole night is no set.
    pub(super) fn count(&self, state: &str) -> usize {
        self.sets.iter().filter(|set| set.state == state && set.set != NIGHT).count()
    }

    /// All sets.
    pub(super) fn number(&self) -> usize {
        self.sets.iter().filter(|set| set.set != NIGHT).count()
    }

    /// How far the stages of the whole night are, where they began.
    pub(super) fn night_state(&self) -> Option<&'static str> {
        self.sets.iter().find(|set| set.set == NIGHT).map(|set| set.state)
    }

    /// The last run in which anything was done.
    pub(super) fn last_run(&self) -> Option<&Run> {
        self.runs.iter().rev().find(|run| !run.attempts.is_empty()).or(self.runs.last())
    }

    pub(super) fn document(&self) -> Result<Value, Failure> {
        let sets = serde_json::to_value(&self.sets).map_err(|e| Failure::of(Class::Output, &e))?;
        Ok(json!({
            "program": concat!("contimg ", env!("CARGO_PKG_VERSION")),
            "made_unix_s": self.made_unix_s,
            "work": self.layout.work(),
            "stages": self.stages,
            "sets": sets,
            "runs": self.runs,
            "failures": self.failures,
            "skipped": self.skipped,
            "flags": self.flags,
            "tiles": self.images.as_ref().map(|images| &images.document),
        }))
    }
}

fn failed(record: &Record) -> Option<Failed> {
    let failure = record.failure().filter(|_| record.state == State::Failed)?;
    Some(Failed {
        set: record.set.clone(),
        stage: record.stage.clone(),
        class: failure.class.name(),
        message: failure.message.clone(),
        remedy: failure.class.remedy(),
        attempts: record.attempts.len(),
        command: record.command.clone(),
        output_tail: failure.output_tail.clone(),
    })
}

/// The Measurement Sets whose flags some stage wrote.
fn measurement_sets(layout: &Layout, records: &[Record]) -> Vec<(String, PathBuf)> {
    let mut sets = BTreeMap::new();
    for record in records.iter().filter(|record| record.state == State::Done) {
        for key in record.outputs.keys() {
            if let Resource::Column { set, column } = Resource::parse(key)
                && column == "FLAG"
            {
                sets.insert(layout.work().join(set), record.set.clone());
            }
        }
    }
    sets.into_iter().map(|(path, set)| (set, path)).collect()
}
