//! `contimg status`: how far every set is.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Args;
use orchestrator::{Held, Layout, NIGHT, Plan, Record, Scope, State, read_all};
use serde_json::json;

use super::{WorkArgs, journal, of, request::Request};
use crate::{failure::Failure, notation::count, output::outln, size::Bytes};

/// The state of a set that a run left before its last stage.
const UNFINISHED: &str = "unfinished";

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A set is `waiting` (nothing was done yet), `running`, `queued` (its next stage waits in a cluster's queue), `unfinished` (a
run ended before all stages that it was asked for), `failed` or `done`.

Examples:
  contimg status --work /data/night
  contimg status --work /data/night --json | jq '.sets[] | {set, state}'")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub work: WorkArgs,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let layout = args.work.layout()?;
    let goal = Goal::of(&layout)?;
    let stages = goal.names();
    let sets = by_set(known_sets(&journal::read(&layout)?), read_all(&layout).map_err(|e| of(&e))?);
    let retired = orchestrator::retired(&layout).map_err(|e| of(&e))?;
    let held = held(&layout)?;
    if args.json {
        let list: Vec<_> = sets
            .iter()
            .map(|(set, records)| {
                json!({
                    "set": set, "state": goal.state(set, records, held.get(set)), "held_by": held.get(set).map(|held| &held.by),
                    "retired": retired.contains(set), "stages": records,
                })
            })
            .collect();
        outln!("{:#}", json!({ "work": layout.work(), "stages": stages, "sets": list }));
        return Ok(ExitCode::SUCCESS);
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (set, records) in &sets {
        let now = goal.state(set, records, held.get(set));
        if set != NIGHT {
            *counts.entry(now).or_default() += 1;
        }
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
        if now == UNFINISHED {
            words.push(format!("to come: {}", goal.to_come(set, records).join(", ")));
        }
        if retired.contains(set) {
            words.push("retired".to_owned());
        }
        let holder = held.get(set).map_or_else(String::new, |held| format!("; {}", held.by));
        let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) };
        outln!("{set}: {now}{words}{holder}");
    }
    let peak = sets.values().flatten().map(Record::peak_memory).max().unwrap_or(0);
    let text: Vec<String> = counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    let number = sets.keys().filter(|set| *set != NIGHT).count();
    let until = goal.until.as_ref().map_or_else(String::new, |until| format!(" (the last run was --until {until})"));
    if sets.is_empty() {
        outln!("no data set was found yet; `contimg run` looks for them");
        return Ok(ExitCode::SUCCESS);
    }
    outln!("{}: {}{until}; largest stage {}", count(number, "set"), text.join(", "), Bytes(peak));
    Ok(ExitCode::SUCCESS)
}

/// Who works on which set.
pub(super) fn held(layout: &Layout) -> Result<BTreeMap<String, Held>, Failure> {
    let held = orchestrator::holders(layout).map_err(|e| of(&e))?;
    Ok(held.into_iter().map(|held| (held.set.clone(), held)).collect())
}

/// Sets that a run found, whether or not anything was done for them.
pub(super) fn known_sets(journal: &[journal::Entry]) -> Vec<String> {
    let found = journal.iter().filter_map(|entry| match &entry.event {
        orchestrator::Event::SetsFound { sets } => Some(sets),
        _ => None,
    });
    found.flatten().cloned().collect()
}

/// The records of each set; none of those that are only known.
pub(super) fn by_set(
    known: impl IntoIterator<Item = String>,
    records: impl IntoIterator<Item = Record>,
) -> BTreeMap<String, Vec<Record>> {
    let mut sets: BTreeMap<String, Vec<Record>> = known.into_iter().map(|set| (set, Vec::new())).collect();
    for record in records {
        sets.entry(record.set.clone()).or_default().push(record);
    }
    sets
}

/// Records in the plan's order; those of stages that the plan has no more come last.
pub(super) fn ordered<'a>(records: &'a [Record], stages: &[String]) -> Vec<&'a Record> {
    let mut list: Vec<&Record> = records.iter().collect();
    list.sort_by_key(|record| stages.iter().position(|stage| *stage == record.stage).unwrap_or(usize::MAX));
    list
}

/// What the last run was to do for every set.
pub(super) struct Goal {
    plan: Option<Plan>,
    until: Option<String>,
}

impl Goal {
    pub(super) fn of(layout: &Layout) -> Result<Self, Failure> {
        Ok(match Request::read(layout)? {
            Some(request) => Self { plan: Some(request.plan()?), until: request.until },
            None => Self { plan: None, until: None },
        })
    }

    /// The stages in the plan's order.
    pub(super) fn names(&self) -> Vec<String> {
        self.plan.iter().flat_map(|plan| &plan.stages).map(|stage| stage.name.clone()).collect()
    }

    /// How far a set is: `running`, `queued`, `waiting`, `failed`, `unfinished` or `done`.
    pub(super) fn state(&self, set: &str, records: &[Record], held: Option<&Held>) -> &'static str {
        if let Some(held) = held {
            return if held.is_queued { "queued" } else { "running" };
        }
        // What failed in a stage that the plan has no more says nothing.
        let is_planned = |name: &str| self.plan.as_ref().is_none_or(|plan| plan.stage(name).is_some());
        let has_failed = |record: &Record| record.state == State::Failed && is_planned(&record.stage);
        match records {
            [] => "waiting",
            records if records.iter().any(has_failed) => "failed",
            records if !self.to_come(set, records).is_empty() => UNFINISHED,
            _ => "done",
        }
    }

    /// The stages after the last one of which there is a record.
    pub(super) fn to_come(&self, set: &str, records: &[Record]) -> Vec<&str> {
        let Some(plan) = &self.plan else { return Vec::new() };
        let scope = if set == NIGHT { Scope::Night } else { Scope::Set };
        let last = self.until.as_ref().and_then(|until| plan.stages.iter().position(|stage| stage.name == *until));
        let own = plan.sets.iter().find(|known| known.name == set);
        let is_meant = |name: &str| plan.vars.contains_key(name) || own.is_some_and(|own| own.vars.contains_key(name));
        let wanted: Vec<&str> = plan.stages[..last.map_or(plan.stages.len(), |last| last + 1)]
            .iter()
            .filter(|stage| stage.scope == scope && stage.only_with.as_deref().is_none_or(is_meant))
            .map(|stage| stage.name.as_str())
            .collect();
        let is_recorded = |name: &&str| records.iter().any(|record| record.stage == **name);
        let done = wanted.iter().rposition(is_recorded).map_or(0, |at| at + 1);
        wanted[done..].to_vec()
    }
}
