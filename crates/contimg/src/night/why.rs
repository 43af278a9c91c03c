//! `contimg why`: what stopped a set, and what to do about it.

use std::process::ExitCode;

use clap::Args;
use orchestrator::{Record, State, read_all};
use serde_json::json;

use super::{
    WorkArgs, of,
    status::{Goal, ordered},
};
use crate::{
    failure::{Class, Failure},
    notation::count,
    output::outln,
    size::Bytes,
};

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  contimg why 2026-01-25T00:05:19 --work /data/night
  contimg why 2026-01-25T00:05:19 --work /data/night --json")]
pub(crate) struct WhyArgs {
    /// The set.
    #[arg(value_name = "SET")]
    pub set: String,
    #[command(flatten)]
    pub work: WorkArgs,
    /// So many lines of the end of its output.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub lines: usize,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &WhyArgs) -> Result<ExitCode, Failure> {
    let layout = args.work.layout()?;
    let all = read_all(&layout).map_err(|e| of(&e))?;
    let records: Vec<Record> = all.iter().filter(|record| record.set == args.set).cloned().collect();
    if records.is_empty() {
        let mut names: Vec<&str> = all.iter().map(|record| record.set.as_str()).collect();
        names.dedup();
        let near: Vec<&str> = names.iter().copied().filter(|name| name.contains(&args.set)).take(5).collect();
        let known = if near.is_empty() { names.into_iter().take(5).collect() } else { near };
        return Err(Failure::new(Class::Input, format!("nothing is known of a set {}", args.set))
            .hint(format!("there are {}; `contimg status` lists all", known.join(", "))));
    }
    let failed = records.iter().find(|record| record.state == State::Failed);
    if args.json {
        let remedy = failed.and_then(Record::class).map(orchestrator::Class::remedy);
        outln!("{:#}", json!({ "set": args.set, "failed": failed, "remedy": remedy, "stages": records }));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(record) = failed else {
        let goal = Goal::of(&layout)?;
        outln!("{}: nothing failed", args.set);
        for record in ordered(&records, &goal.names()) {
            let note = record.note.as_deref().unwrap_or("done");
            outln!("  {}: {note}, {:.1} s, {}", record.stage, record.seconds(), Bytes(record.peak_memory()));
        }
        let to_come = goal.to_come(&args.set, &records);
        if !to_come.is_empty() {
            let work = layout.work().display();
            outln!("  to come: {}; `contimg run --work {work}` goes on", to_come.join(", "));
        }
        return Ok(ExitCode::SUCCESS);
    };
    outln!("{} failed at {}", record.set, record.stage);
    outln!("  command: {}", quoted(&record.command));
    for attempt in &record.attempts {
        let Some(failure) = &attempt.failure else { continue };
        outln!("  attempt {}: {failure}", attempt.number);
        outln!(
            "    ran {:.1} s ({:.1} s of processor time), peak memory {} of {}, {}, printed {}",
            attempt.seconds,
            attempt.cpu_seconds,
            Bytes(attempt.peak_memory),
            Bytes(attempt.memory_limit),
            count(attempt.cores as usize, "core"),
            Bytes(attempt.output_bytes)
        );
    }
    if let Some(failure) = record.failure() {
        let lines: Vec<&str> = failure.output_tail.lines().collect();
        let shown = &lines[lines.len().saturating_sub(args.lines)..];
        if !shown.is_empty() {
            outln!("  the end of its output (all of it: {}):", layout.log(&record.set, &record.stage).display());
            for line in shown {
                // A program's output may hold anything; a terminal should not obey it.
                let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                outln!("    | {line}");
            }
        }
        outln!("  remedy: {}", failure.class.remedy());
    }
    Ok(ExitCode::SUCCESS)
}

/// A command as a shell would take it.
fn quoted(command: &[String]) -> String {
    let quote = |word: &String| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=+,@%{}".contains(&byte);
        if !word.is_empty() && word.bytes().all(is_plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    command.iter().map(quote).collect::<Vec<_>>().join(" ")
}
