//! `contimg retry`: another chance for sets that failed.

use std::{collections::BTreeSet, fs, process::ExitCode};

use clap::Args;
use orchestrator::{State, read_all};

use super::{
    WorkArgs, of,
    request::Request,
    run::{exit_code, go, report},
    show::Show,
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
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Do this stage again, whatever came of it before.
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

pub(crate) fn run(args: &RetryArgs) -> Result<ExitCode, Failure> {
    let layout = args.work.layout()?;
    let Some(mut request) = Request::read(&layout)? else {
        return Err(Failure::new(Class::Input, "nothing was run in this folder yet").hint("start with `contimg run`"));
    };
    let mut chosen = BTreeSet::new();
    for record in read_all(&layout).map_err(|e| of(&e))? {
        let is_named = args.sets.is_empty() || args.sets.contains(&record.set);
        let is_meant = match &args.stage {
            Some(stage) => *stage == record.stage,
            None => record.state == State::Failed,
        };
        let of_class =
            args.class.as_deref().is_none_or(|class| record.class().is_some_and(|found| found.name() == class));
        if is_named && is_meant && of_class {
            let path = layout.record(&record.set, &record.stage);
            fs::remove_file(&path)
                .map_err(|e| Failure::io(Class::Output, format!("cannot remove {}", path.display()), &e))?;
            chosen.insert(record.set);
        }
    }
    for set in &args.sets {
        if orchestrator::recall(&layout, set).map_err(|e| of(&e))? {
            chosen.insert(set.clone());
        }
    }
    if chosen.is_empty() {
        return Err(Failure::new(Class::Input, "there is no such failure to try again")
            .hint("`contimg status` lists the sets and how they failed"));
    }
    if !args.quiet {
        errln!("trying again: {}", chosen.iter().cloned().collect::<Vec<_>>().join(", "));
    }
    request.set_memory(args.memory);
    request.write(&layout)?;
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
