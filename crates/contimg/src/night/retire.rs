//! `contimg retire`: sets that can be made again give room, the oldest first.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::UNIX_EPOCH,
};

use clap::Args;
use orchestrator::{Layout, Plan, Record, Retired, Scope, Stage, State, disk_bytes, read_all};
use publish::Status;
use serde::Serialize;
use serde_json::json;

use super::{WorkArgs, of, request::Request, verify};
use crate::{
    convert::of_publish,
    failure::{Class, Failure},
    output::outln,
    size::Bytes,
};

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  contimg retire --work /data/night --keep 500GiB  # what would go
  contimg retire --work /data/night --keep 500GiB --remove  # oldest first
  contimg retire --work /data/night --keep 1TiB --until apply  # no images here

A set's Measurement Set may go when all its stages are done, nobody works on it, and the subbands that it was \
    made from are still there as they were. Images, calibration tables, reports and records stay, and the set still \
    counts as done: no run makes it again, unless `contimg retry SET` asks for it.")]
pub(crate) struct RetireArgs {
    #[command(flatten)]
    pub work: WorkArgs,
    /// Disk that the work folder may take.
    #[arg(long, value_name = "SIZE")]
    pub keep: Bytes,
    /// Sets count as done when this stage is: those behind it will not be done for what is removed.
    #[arg(long, value_name = "STAGE")]
    pub until: Option<String>,
    /// Remove what is listed.
    #[arg(long)]
    pub remove: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// A Measurement Set of a night, and what becomes of it.
#[derive(Serialize)]
struct Entry {
    set: String,
    path: PathBuf,
    bytes: u64,
    fate: Fate,
    /// Why it stays.
    reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Fate {
    /// It would be removed.
    Goes,
    Removed,
    Stays,
}

pub(crate) fn run(args: &RetireArgs) -> Result<ExitCode, Failure> {
    let layout = args.work.layout()?;
    let plan = match Request::read(&layout)? {
        Some(request) => request.plan()?,
        None => return Err(Failure::new(Class::Input, "nothing was run in this folder yet")),
    };
    let stages: Vec<&Stage> = plan.stages.iter().filter(|stage| stage.scope == Scope::Set).collect();
    let stages = match &args.until {
        Some(until) => match stages.iter().position(|stage| stage.name == *until) {
            Some(last) => &stages[..=last],
            None => {
                let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
                return Err(Failure::new(Class::Usage, format!("--until {until}: sets have no such stage"))
                    .hint(format!("they have {}", names.join(", "))));
            }
        },
        None => &stages[..],
    };
    if args.remove {
        orchestrator::finish_retiring(&layout).map_err(|e| of(&e))?;
    }
    let mut entries = entries(&layout, &plan, stages)?;
    // What lies behind a link is not below the work folder, and belongs to it.
    let is_elsewhere = |entry: &&Entry| {
        layout.work().join(&entry.path).canonicalize().is_ok_and(|path| !path.starts_with(layout.work()))
    };
    let elsewhere: u64 = entries.iter().filter(is_elsewhere).map(|entry| entry.bytes).sum();
    let before = disk_bytes(layout.work()) + elsewhere;
    let mut excess = before.saturating_sub(args.keep.0);
    for entry in &mut entries {
        if entry.reason.is_some() {
            continue;
        }
        if excess == 0 {
            entry.reason = Some("there is room for it".to_owned());
            continue;
        }
        entry.fate = Fate::Goes;
        if args.remove {
            let at_unix_s = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
            let retired = Retired { products: vec![entry.path.clone()], bytes: entry.bytes, at_unix_s };
            if !orchestrator::retire(&layout, &entry.set, &retired).map_err(|e| of(&e))? {
                (entry.fate, entry.reason) = (Fate::Stays, Some("a run works on it".to_owned()));
                continue;
            }
            entry.fate = Fate::Removed;
        }
        excess = excess.saturating_sub(entry.bytes);
    }
    let gone: u64 = entries.iter().filter(|entry| entry.fate != Fate::Stays).map(|entry| entry.bytes).sum();
    if args.json {
        outln!(
            "{:#}",
            json!({
                "work": layout.work(), "bytes": before, "keep": args.keep.0, "sets": entries,
                "removed_bytes": if args.remove { gone } else { 0 }, "missing_bytes": excess,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    for entry in &entries {
        let fate = match (entry.fate, &entry.reason) {
            (Fate::Goes, _) => "would go".to_owned(),
            (Fate::Removed, _) => "removed".to_owned(),
            (Fate::Stays, reason) => format!("stays: {}", reason.as_deref().unwrap_or_default()),
        };
        outln!("{:>10}  {}: {fate}", Bytes(entry.bytes), entry.path.display());
    }
    let (now, keep) = (Bytes(before), args.keep);
    match (gone, args.remove) {
        (0, _) if excess == 0 => outln!("{now} of {keep} are taken: nothing has to go"),
        (_, true) => outln!("{} of {now} are removed; {keep} are to be kept", Bytes(gone)),
        (_, false) => outln!("{} of {now} would go; --remove removes them", Bytes(gone)),
    }
    if excess > 0 {
        outln!("{} more than {keep} remain: nothing else can be made again", Bytes(excess));
    }
    Ok(ExitCode::SUCCESS)
}

/// The night's Measurement Sets in the order of their names, which are their times, with reasons for those that stay.
fn entries(layout: &Layout, plan: &Plan, stages: &[&Stage]) -> Result<Vec<Entry>, Failure> {
    let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for record in read_all(layout).map_err(|e| of(&e))? {
        records.entry(record.set.clone()).or_default().push(record);
    }
    let held = super::status::held(layout)?;
    let mut paths = Vec::new();
    verify::products(layout.work(), 3, &mut paths)
        .map_err(|e| Failure::io(Class::Input, format!("cannot list {}", layout.work().display()), &e))?;
    paths.sort();
    let mut entries = Vec::new();
    for path in paths {
        let manifest = match publish::inspect(&path).map_err(|e| of_publish(&e))? {
            Status::Complete(manifest) | Status::Changed { manifest, .. } => manifest,
            _ => continue,
        };
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let Some(records) = records.get(name).filter(|_| manifest.kind == "measurement-set") else { continue };
        let reason = if let Some(held) = held.get(name) {
            Some(held.by.clone())
        } else {
            unfinished(plan, stages, records)
                .or_else(|| irreplaceable(&path, &manifest))
                .or_else(|| read_by_night(plan))
        };
        let relative = path.strip_prefix(layout.work()).unwrap_or(&path).to_owned();
        entries.push(Entry {
            set: name.to_owned(),
            bytes: disk_bytes(&path),
            path: relative,
            fate: Fate::Stays,
            reason,
        });
    }
    Ok(entries)
}

/// The first of `stages` that is not done of a set, in words.
fn unfinished(plan: &Plan, stages: &[&Stage], records: &[Record]) -> Option<String> {
    let is_meant = |stage: &&&Stage| {
        stage.only_with.as_deref().is_none_or(|name| {
            name == "files" || plan.vars.contains_key(name) || plan.sets.iter().any(|set| set.vars.contains_key(name))
        })
    };
    let is_done =
        |stage: &Stage| records.iter().any(|record| record.stage == stage.name && record.state == State::Done);
    let mut before = None;
    for stage in stages.iter().filter(is_meant) {
        if !is_done(stage) {
            let anyway =
                before.map_or_else(String::new, |before| format!(" (with --until {before} it may go all the same)"));
            return Some(format!("its stage `{}` is not done{anyway}", stage.name));
        }
        before = Some(&stage.name);
    }
    None
}

/// Why a set could not be made again, in words.
fn irreplaceable(path: &Path, manifest: &publish::Manifest) -> Option<String> {
    let folder = path.parent().unwrap_or(path);
    if manifest.inputs.is_empty() {
        return Some("its manifest names nothing that it was made from".to_owned());
    }
    let lost = manifest.inputs.iter().find(|input| !input.is_there(folder))?;
    Some(format!("{} is not there as it was", folder.join(&lost.path).display()))
}

/// The stage of the whole night that reads Measurement Sets, in words.
fn read_by_night(plan: &Plan) -> Option<String> {
    let reads_sets = |read: &String| read.contains("{ms}") || read.contains("::");
    plan.stages
        .iter()
        .find(|stage| stage.scope == Scope::Night && stage.reads.iter().any(reads_sets))
        .map(|stage| format!("`{}`, a stage of the whole night, reads it", stage.name))
}
