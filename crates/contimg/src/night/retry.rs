//! `contimg retry`: another chance for sets that failed.

use std::{collections::BTreeSet, fs, process::ExitCode};

use clap::Args;
use orchestrator::{Record, State, read_all};

use super::{
    WorkArgs, of,
    request::Request,
    run::{exit_code, go, report},
    show::Show,
    status::{Goal, by_set},
};
use crate::{
    failure::{Class, Failure},
    output::{errln, outln},
    size::Bytes,
};

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  contimg retry 2026-01-25T00:05:19 --work /data/night  # this set
  contimg retry --work /data/night  # every set that failed
  contimg retry --work /data/night --class memory --memory 32GiB

A set that `contimg retire` removed and that is named is made again.")]
pub(crate) struct RetryArgs {
    /// Sets; all that failed when none is named.
    #[arg(value_name = "SET")]
    pub sets: Vec<String>,
    #[command(flatten)]
    pub work: WorkArgs,
    /// Only failures of this class, as `contimg status` names it.
    #[arg(long, value_name = "CLASS", value_parser = class)]
    pub class: Option<orchestrator::Class>,
    /// Do this stage again, whatever came of it before. What it made stays until something new takes its place.
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Memory of the whole process tree, from now on.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Print one JSON document instead of a summary for people.
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
}

/// A class of failures by its name.
fn class(name: &str) -> Result<orchestrator::Class, String> {
    let all = orchestrator::Class::ALL;
    let names = || all.map(orchestrator::Class::name).join(", ");
    all.into_iter().find(|class| class.name() == name).ok_or_else(|| format!("there are {}", names()))
}

pub(crate) fn run(args: &RetryArgs) -> Result<ExitCode, Failure> {
    let layout = args.work.layout()?;
    let Some(mut request) = Request::read(&layout)? else {
        return Err(Failure::new(Class::Input, "nothing was run in this folder yet").hint("start with `contimg run`"));
    };
    let plan = request.plan()?;
    let goal = Goal::of(&layout)?;
    if let Some(stage) = args.stage.as_ref().filter(|stage| plan.stage(stage).is_none()) {
        return Err(Failure::new(Class::Usage, format!("--stage {stage}: the plan has no such stage"))
            .hint(format!("it has {}", goal.names().join(", "))));
    }
    let records = by_set([], read_all(&layout).map_err(|e| of(&e))?);
    let done: Vec<String> = records
        .iter()
        .filter(|(set, records)| request.wants(set) && goal.state(set, records, None) == "done")
        .map(|(set, _)| set.clone())
        .collect();
    let meant: Vec<Record> = records
        .into_values()
        .flatten()
        .filter(|record| {
            let is_named = args.sets.is_empty() || args.sets.contains(&record.set);
            let is_meant = match &args.stage {
                Some(stage) => *stage == record.stage,
                None => record.state == State::Failed,
            };
            is_named && is_meant && args.class.is_none_or(|class| record.class() == Some(class))
        })
        .collect();
    let retired = orchestrator::retired(&layout).map_err(|e| of(&e))?;
    let recalled = args.sets.iter().filter(|set| retired.contains(*set));
    let mut chosen: BTreeSet<String> = meant.iter().map(|record| &record.set).chain(recalled).cloned().collect();
    if let Some(set) = args.sets.iter().find(|set| !chosen.contains(*set)) {
        return Err(Failure::new(Class::Input, format!("{set}: there is no such failure to try again"))
            .hint("`contimg status` lists the sets and how they failed; --stage does again what went well"));
    }
    if chosen.is_empty() {
        return Err(Failure::new(Class::Input, "there is no such failure to try again")
            .hint("`contimg status` lists the sets and how they failed"));
    }
    for record in meant {
        if record.state == State::Failed {
            let path = layout.record(&record.set, &record.stage);
            fs::remove_file(&path)
                .map_err(|e| Failure::io(Class::Output, format!("cannot remove {}", path.display()), &e))?;
        } else {
            record.ask_again(&layout).map_err(|e| of(&e))?;
        }
    }
    for set in &args.sets {
        orchestrator::recall(&layout, set).map_err(|e| of(&e))?;
    }
    if !args.quiet {
        errln!("trying again: {}", chosen.iter().cloned().collect::<Vec<_>>().join(", "));
    }
    request.set_memory(args.memory);
    // What is done already belongs to the whole night, whose stages read the products of all sets.
    chosen.extend(done);
    request.only_these(chosen);
    let summary = go(&request, &layout, None, args.quiet, args.json)?;
    report(&layout, &summary);
    if args.json {
        outln!("{:#}", serde_json::to_value(&summary).unwrap_or_default());
    } else {
        Show::summary(&summary, &layout);
    }
    Ok(exit_code(&summary))
}
