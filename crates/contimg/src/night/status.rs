//! `contimg status`: how far every set is.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Args;
use orchestrator::{Record, State, read_all};
use serde_json::json;

use super::{WorkArgs, journal, of, request::Request};
use crate::{failure::Failure, output::outln, size::Bytes};

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  contimg status --work /data/night
  contimg status --work /data/night --json | jq '.sets[] | select(.state == \"failed\")'")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub work: WorkArgs,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let layout = args.work.layout()?;
    let stages: Vec<String> = match Request::read(&layout)? {
        Some(request) => request.plan()?.stages.iter().map(|stage| stage.name.clone()).collect(),
        None => Vec::new(),
    };
    let mut sets: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for set in known_sets(&journal::read(&layout)) {
        sets.insert(set, Vec::new());
    }
    for record in read_all(&layout).map_err(|e| of(&e))? {
        sets.entry(record.set.clone()).or_default().push(record);
    }
    let retired = orchestrator::retired(&layout).map_err(|e| of(&e))?;
    let held: BTreeMap<String, String> = orchestrator::holders(&layout).map_err(|e| of(&e))?.into_iter().collect();
    if args.json {
        let list: Vec<_> = sets
            .iter()
            .map(|(set, records)| {
                json!({
                    "set": set, "state": state(records, held.get(set)), "held_by": held.get(set),
                    "retired": retired.contains(set), "stages": records,
                })
            })
            .collect();
        outln!("{:#}", json!({ "work": layout.work(), "stages": stages, "sets": list }));
        return Ok(ExitCode::SUCCESS);
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (set, records) in &sets {
        let now = state(records, held.get(set));
        *counts.entry(now).or_default() += 1;
        let mut words = Vec::new();
        for stage in ordered(records, &stages) {
            words.push(match stage.state {
                State::Done => format!("{} {:.1} s", stage.stage, stage.seconds()),
                State::Skipped => format!("{} skipped", stage.stage),
                State::Failed => match stage.failure() {
                    Some(failure) => format!("{} FAILED ({})", stage.stage, failure.class),
                    None => format!("{} FAILED", stage.stage),
                },
            });
        }
        if retired.contains(set) {
            words.push("retired".to_owned());
        }
        let holder = held.get(set).map_or_else(String::new, |holder| format!("; {holder} works on it"));
        outln!("{set}: {now}: {}{holder}", words.join(", "));
    }
    let peak = read_all(&layout).map_err(|e| of(&e))?.iter().map(Record::peak_memory).max().unwrap_or(0);
    let text: Vec<String> = counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    outln!("{} sets: {}; largest stage {}", sets.len(), text.join(", "), Bytes(peak));
    Ok(ExitCode::SUCCESS)
}

/// Sets that a run found, whether or not anything was done for them.
pub(super) fn known_sets(journal: &[journal::Entry]) -> Vec<String> {
    let found = journal.iter().filter_map(|entry| match &entry.event {
        orchestrator::Event::SetsFound { sets } => Some(sets),
        _ => None,
    });
    found.flatten().cloned().collect()
}

/// Records in the plan's order; those of stages that the plan has no more come last.
pub(super) fn ordered<'a>(records: &'a [Record], stages: &[String]) -> Vec<&'a Record> {
    let mut list: Vec<&Record> = records.iter().collect();
    list.sort_by_key(|record| stages.iter().position(|stage| *stage == record.stage).unwrap_or(usize::MAX));
    list
}

pub(super) fn state(records: &[Record], held: Option<&String>) -> &'static str {
    if held.is_some() {
        return "running";
    }
    match records {
        [] => "waiting",
        records if records.iter().any(|record| record.state == State::Failed) => "failed",
        _ => "done",
    }
}
