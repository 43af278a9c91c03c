//! What ran when, and what memory it took: from the journal.

use std::collections::BTreeMap;

use orchestrator::{Event, Record, State};
use serde::Serialize;

use super::super::journal::Entry;

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Attempt {
    pub run: String,
    pub set: String,
    pub stage: String,
    /// Seconds since 1970-01-01 UTC.
    pub from_unix_s: f64,
    /// Absent while it runs.
    pub to_unix_s: Option<f64>,
    /// Bytes that it was given.
    pub memory_limit: u64,
    /// The largest that was seen, bytes.
    pub peak_memory: u64,
    /// The class of its failure.
    pub failure: Option<&'static str>,
}

/// What was in use at a time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Sample {
    pub unix_s: f64,
    /// Memory of all processes of the run that was measured, bytes.
    pub measured: u64,
    /// Memory that stages were admitted with, bytes.
    pub admitted: u64,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    pub run: String,
    pub from_unix_s: f64,
    /// The last that was heard of it.
    pub to_unix_s: f64,
    /// Whether its end was written: it goes on, or was killed, where not.
    pub ended: bool,
    pub memory_budget: u64,
    pub cores: u32,
    pub peak_memory: u64,
    pub stopped_by: Option<i32>,
    pub attempts: Vec<Attempt>,
    pub memory: Vec<Sample>,
}

/// The runs of a night, oldest first.
pub(super) fn runs(entries: &[Entry]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut open: BTreeMap<(String, String, String), (f64, u64)> = BTreeMap::new();
    for entry in entries {
        let place = *places.entry(entry.run.clone()).or_insert_with(|| {
            runs.push(Run {
                run: entry.run.clone(),
                from_unix_s: entry.at,
                to_unix_s: entry.at,
                ended: false,
                memory_budget: 0,
                cores: 0,
                peak_memory: 0,
                stopped_by: None,
                attempts: Vec::new(),
                memory: Vec::new(),
            });
            runs.len() - 1
        });
        let run = &mut runs[place];
        run.to_unix_s = run.to_unix_s.max(entry.at);
        match &entry.event {
            Event::RunStarted { budget, .. } => (run.memory_budget, run.cores) = (budget.memory, budget.cores),
            Event::Usage { memory, claimed, .. } => {
                run.peak_memory = run.peak_memory.max(*memory);
                run.memory.push(Sample { unix_s: entry.at, measured: *memory, admitted: *claimed });
            }
            Event::Started { set, stage, memory, .. } => {
                open.insert((entry.run.clone(), set.clone(), stage.clone()), (entry.at, *memory));
            }
            Event::Ended { record } | Event::TriedAgain { record } => {
                open.remove(&(entry.run.clone(), record.set.clone(), record.stage.clone()));
                run.attempts.extend(last_of(record));
            }
            Event::RunEnded { summary } => {
                run.ended = true;
                run.peak_memory = run.peak_memory.max(summary.peak_memory);
                run.stopped_by = summary.stopped_by;
            }
            _ => {}
        }
    }
    for ((run, set, stage), (from, memory_limit)) in open {
        let Some(run) = places.get(&run).and_then(|place| runs.get_mut(*place)) else { continue };
        // In a run that has ended, or in which others went on, it was ended with it.
        let to_unix_s = run.ended.then_some(run.to_unix_s);
        run.attempts.push(Attempt {
            run: run.run.clone(),
            set,
            stage,
            from_unix_s: from,
            to_unix_s,
            memory_limit,
            peak_memory: 0,
            failure: run.ended.then_some("stopped"),
        });
    }
    runs
}

fn last_of(record: &Record) -> Option<Attempt> {
    let attempt = record.attempts.last().filter(|_| record.state != State::Skipped)?;
    Some(Attempt {
        run: record.run.clone(),
        set: record.set.clone(),
        stage: record.stage.clone(),
        from_unix_s: attempt.started_unix_s,
        to_unix_s: Some(attempt.started_unix_s + attempt.seconds),
        memory_limit: attempt.memory_limit,
        peak_memory: attempt.peak_memory,
        failure: attempt.failure.as_ref().map(|failure| failure.class.name()),
    })
}
