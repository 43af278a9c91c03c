//! `contimg convert`: groups in, Measurement Sets out, one worker process at a time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use publish::{Input, Liveness, ManifestDraft, Overwrite, StageOptions, Staged, Status};
use serde::Serialize;
use serde_json::json;

use crate::{
    args::ConvertArgs,
    failure::{Class, Failure},
    notation::{hours, latitude},
    output::{errln, out, outln},
    progress,
    protocol::{Job, Message, Outcome},
    size::Bytes,
    supervise::{self, Stop},
    survey::{self, Candidate},
};

/// What happened to one group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub(crate) enum Fate {
    /// It was converted.
    Converted {
        output: PathBuf,
        #[serde(flatten)]
        outcome: Box<Outcome>,
        warnings: Vec<String>,
        /// Wall time from start to durable, and of making it durable, seconds.
        total_seconds: f64,
        sync_seconds: f64,
        /// Highest sum of the resident sets of this process and its worker, bytes.
        peak_memory_of_both: u64,
    },
    /// A complete set made from the same files with the same options is there.
    UpToDate { output: PathBuf },
    /// It was not attempted.
    Refused(Failure),
    /// It was attempted and failed.
    Failed(Failure),
}

pub(crate) fn run(args: &ConvertArgs) -> Result<ExitCode, Failure> {
    let report = all(args, |name, fate| match fate {
        Fate::Refused(failure) | Fate::Failed(failure) => errln!("{name}: {failure}"),
        fate if !args.json => show(name, fate),
        _ => {}
    })?;
    if args.json {
        outln!("{:#}", report.json());
    } else if report.total > 1 {
        outln!("{}", report.summary());
    }
    Ok(report.exit_code())
}

/// What happened to all groups of a run.
pub(crate) struct Report {
    fates: Vec<(String, Fate)>,
    /// Groups there were; those that have no fate were not attempted.
    total: usize,
}

impl Report {
    fn count(&self, f: fn(&Fate) -> bool) -> usize {
        self.fates.iter().filter(|(_, fate)| f(fate)).count()
    }

    fn counts(&self) -> [(&'static str, usize); 5] {
        [
            ("converted", self.count(|f| matches!(f, Fate::Converted { .. }))),
            ("up to date", self.count(|f| matches!(f, Fate::UpToDate { .. }))),
            ("refused", self.count(|f| matches!(f, Fate::Refused(_)))),
            ("failed", self.count(|f| matches!(f, Fate::Failed(_)))),
            ("not attempted", self.total - self.fates.len()),
        ]
    }

    fn summary(&self) -> String {
        self.counts().map(|(what, n)| format!("{n} {what}")).join(", ")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let groups: Vec<_> = self.fates.iter().map(|(name, fate)| json!({ "group": name, "outcome": fate })).collect();
        let mut report = json!({ "groups": groups });
        for (what, n) in self.counts() {
            report[what.replace(' ', "_")] = n.into();
        }
        report
    }

    /// The worst that happened.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let code = |fate: &Fate| match fate {
            Fate::Refused(failure) | Fate::Failed(failure) => failure.class.exit_code(),
            _ => 0,
        };
        ExitCode::from(self.fates.iter().map(|(_, fate)| code(fate)).max().unwrap_or(0))
    }
}

/// Converts every group that `args` select, one after the other; `tell` sees each fate as it is decided.
pub(crate) fn all(args: &ConvertArgs, mut tell: impl FnMut(&str, &Fate)) -> Result<Report, Failure> {
    let survey = survey::take(&args.selection, args.quiet)?;
    // Until here a signal ends the program at once: there is nothing to tidy.
    let stop = Stop::listen().map_err(|e| Failure::io(Class::Worker, "cannot listen for signals", &e))?;
    for note in survey.notes() {
        errln!("note: {note}");
    }
    if survey.groups.is_empty() {
        return Err(args.selection.nothing());
    }
    fs::create_dir_all(&args.out)
        .map_err(|e| Failure::io(Class::Output, format!("cannot make {}", args.out.display()), &e))?;
    sweep(&args.out, &survey.groups);
    let mut report = Report { fates: Vec::new(), total: survey.groups.len() };
    for (i, group) in survey.groups.iter().enumerate() {
        let fate = one(args, group, &stop, &format!("{} ({} of {})", group.name, i + 1, report.total));
        tell(&group.name, &fate);
        let hopeless = match &fate {
            Fate::Failed(failure) => match failure.class {
                Class::Interrupted => true,
                Class::Output => free_bytes(&args.out) < Some(64 << 20) || is_full(&args.out),
                _ => false,
            },
            _ => false,
        };
        report.fates.push((group.name.clone(), fate));
        if hopeless {
            break;
        }
    }
    Ok(report)
}

/// Removes what dead runs left of these groups' sets, also of those that are complete: a run may have died between giving a
/// set its name and removing the one that it replaced. What cannot be removed stops nothing; `contimg clean` lists it.
fn sweep(out: &Path, groups: &[Candidate]) {
    for leftover in publish::leftovers(out).unwrap_or_default() {
        let set = leftover.target.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".ms"));
        if leftover.liveness == Liveness::Dead && groups.iter().any(|group| set == Some(group.name.as_str())) {
            let _ = publish::remove_leftover(&leftover);
        }
    }
}

fn one(args: &ConvertArgs, group: &Candidate, stop: &Stop, title: &str) -> Fate {
    if let Some(failure) = stop.failure() {
        return Fate::Failed(failure);
    }
    if let Some(failure) = group.refusal(&args.selection) {
        return Fate::Refused(failure);
    }
    let output = args.out.join(format!("{}.ms", group.name));
    match convert(args, group, &output, stop, title) {
        Ok(fate) => fate,
        Err(failure) => Fate::Failed(failure),
    }
}

fn convert(args: &ConvertArgs, group: &Candidate, output: &Path, stop: &Stop, title: &str) -> Result<Fate, Failure> {
    let started = Instant::now();
    let mut draft = draft(args, group)?;
    let overwrite = match publish::inspect(output).map_err(|e| of_publish(&e))? {
        Status::Absent => Overwrite::Refuse,
        Status::Complete(manifest) if manifest.was_made_from(&draft, output).map_err(|e| of_publish(&e))? => {
            return Ok(Fate::UpToDate { output: output.to_owned() });
        }
        _ if args.overwrite && is_measurement_set(output) => Overwrite::ReplaceForeign,
        _ if args.overwrite => Overwrite::Replace,
        Status::Complete(_) | Status::Changed { .. } => {
            return Err(Failure::new(
                Class::Output,
                format!("{} exists and was made from other files or with other options", output.display()),
            )
            .hint("--overwrite replaces it once the new one is complete; or choose another --out"));
        }
        _ => {
            return Err(Failure::new(
                Class::Output,
                format!("{} exists and is not a set that this program completed", output.display()),
            )
            .hint("move it away, choose another --out, or --overwrite it"));
        }
    };
    check_space(args, group)?;

    let staged =
        Staged::create(output, &StageOptions { overwrite, ..StageOptions::default() }).map_err(|e| of_publish(&e))?;
    let job = Job {
        parent: std::process::id(),
        files: group.files.clone(),
        target: staged.path().to_owned(),
        missing: args.selection.missing,
        min_subbands: args.selection.min_subbands,
        expected_subbands: args.selection.subbands,
        set: args.set.clone(),
        memory: args.memory.0,
        parent_memory: own_memory(),
        threads: threads(args.threads),
        command_line: crate::isolate::command_line(),
    };
    let bar = progress::bar(group.rows, title.to_owned(), args.quiet);
    let mut warnings = Vec::new();
    let outcome = supervise::run(&job, stop, |message| match message {
        Message::Opened { rows } => bar.set_length(*rows),
        Message::Progress { rows } => bar.set_position(*rows),
        Message::Warning(text) => {
            bar.suspend(|| errln!("warning: {}: {text}", group.name));
            warnings.push(text.clone());
        }
        _ => {}
    });
    let outcome = outcome.map_err(|failure| explain_crash(failure, args))?;
    bar.set_message("waiting for the disk");
    draft.summary = serde_json::to_value(&outcome.content).unwrap_or_default();
    let syncing = Instant::now();
    staged.commit(draft).map_err(|e| of_publish(&e))?;
    bar.finish_and_clear();
    Ok(Fate::Converted {
        output: output.to_owned(),
        peak_memory_of_both: outcome.cost.peak_memory + crate::worker::peak_memory(),
        outcome: Box::new(outcome),
        warnings,
        total_seconds: started.elapsed().as_secs_f64(),
        sync_seconds: syncing.elapsed().as_secs_f64(),
    })
}

/// What decides the set's content: its inputs and the options that matter (not memory, threads or reporting).
fn draft(args: &ConvertArgs, group: &Candidate) -> Result<ManifestDraft, Failure> {
    let mut draft = ManifestDraft::new("measurement-set", "contimg convert", env!("CARGO_PKG_VERSION"));
    let mut side_files = Vec::new();
    side_files.extend(args.set.antenna_positions.as_deref());
    side_files.extend(args.set.earth_orientation.as_deref());
    draft.inputs = group
        .files
        .iter()
        .map(PathBuf::as_path)
        .chain(side_files)
        .map(Input::stat)
        .collect::<Result<_, _>>()
        .map_err(|e| of_publish(&e))?;
    // A complete group comes out the same under every policy for missing subbands.
    let missing = (!group.group.missing.is_empty()).then_some((args.selection.missing, args.selection.subbands));
    draft.options = json!({ "set": args.set, "missing": missing });
    // casacore rewrites it when the set is merely opened.
    draft.volatile = vec!["table.lock".to_owned()];
    Ok(draft)
}

fn is_measurement_set(path: &Path) -> bool {
    path.join("table.dat").is_file() && path.join("SPECTRAL_WINDOW").is_dir()
}

fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}

/// What this process holds of its own, with room for the checksums at the end; its program pages are the worker's, too.
fn own_memory() -> u64 {
    crate::worker::memory_status("RssAnon:") + (2 << 20)
}

fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

/// Whether hardly a file more fits: no bytes, or (on file systems that count them) no files.
fn is_full(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|stat| stat.f_bavail * stat.f_frsize < 4 << 20 || (stat.f_files > 0 && stat.f_favail < 16))
}

fn check_space(args: &ConvertArgs, group: &Candidate) -> Result<(), Failure> {
    let need = group.output_bytes + group.output_bytes / 50;
    match free_bytes(&args.out) {
        Some(free) if free < need => Err(Failure::new(
            Class::Output,
            format!("{} has {} free and the set needs {}", args.out.display(), Bytes(free), Bytes(need)),
        )
        .hint("free some space there, or choose another place with --out")),
        _ => Ok(()),
    }
}

/// casacore aborts its process when a disk fills up; tell that from other crashes by what is free, not by words.
fn explain_crash(failure: Failure, args: &ConvertArgs) -> Failure {
    if failure.class == Class::Worker && is_full(&args.out) {
        let mut full = Failure::new(Class::Output, format!("{} is full", args.out.display()))
            .hint("free some space there, or choose another place with --out; then run the same command again");
        full.chain.extend(failure.chain);
        return full;
    }
    failure
}

pub(crate) fn of_publish(error: &publish::Error) -> Failure {
    Failure::of(Class::Output, error).hint(error.hint())
}

/// The fate of a group for people.
pub(crate) fn show(name: &str, fate: &Fate) {
    match fate {
        Fate::Converted { output, outcome, total_seconds, sync_seconds, peak_memory_of_both, .. } => {
            let o = &outcome.content;
            outln!("{name}: {}", output.display());
            let percent = |n: u64| 100.0 * n as f64 / o.visibilities.max(1) as f64;
            outln!(
                "  {} rows{}{}, {} channels × {} ({}), {:.3} to {:.3} MHz",
                o.rows,
                match o.baselines {
                    0 => format!(" at {} times, not every baseline at each", o.integrations),
                    n => format!(" = {} integrations × {n} baselines", o.integrations),
                },
                if o.channels.len() > 1 { format!(" × {} spectral windows", o.channels.len()) } else { String::new() },
                o.channels.iter().sum::<usize>(),
                o.correlations.len(),
                o.correlations.join(" "),
                o.band_hz.0 / 1e6,
                o.band_hz.1 / 1e6,
            );
            match o.fields.as_slice() {
                [(field, ra, dec)] => {
                    outln!("  phase centre {field}: {} {} ({ra:.6}° {dec:+.6}°) ICRS", hours(*ra), latitude(*dec))
                }
                fields => outln!("  {} phase centres (ICRS)", fields.len()),
            }
            out!("  {:.3} % flagged", percent(o.flagged));
            if o.repaired > 0 {
                out!(
                    ", of these {} for values that are not finite or weights that are negative or not finite (zero now)",
                    o.repaired
                );
            }
            if !o.filled_subbands.is_empty() {
                let list: Vec<_> = o.filled_subbands.iter().map(|s| format!("sb{s:02}")).collect();
                out!("; missing and flagged: {}", list.join(" "));
            }
            outln!();
            let rate = |bytes: u64, s: f64| Bytes((bytes as f64 / s.max(1e-9)) as u64);
            outln!(
                "  read {} and wrote {} in {:.2} s ({}/s in), of which {:.2} s waiting for the disk; peak memory {}",
                Bytes(o.bytes_read),
                Bytes(o.bytes_written),
                total_seconds,
                rate(o.bytes_read, *total_seconds),
                sync_seconds,
                Bytes(*peak_memory_of_both),
            );
        }
        Fate::UpToDate { output } => outln!("{name}: {} is up to date", output.display()),
        Fate::Refused(_) | Fate::Failed(_) => {}
    }
}
