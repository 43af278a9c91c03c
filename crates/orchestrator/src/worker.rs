//! The worker process: one attempt of one stage of one set, in a folder and a process group of its own.
//!
//! It starts the stage's programs, measures them and everything that they start, ends them when they take more than they
//! were given, tells how they ended, checks and publishes their product, and writes the record. Foreign code never runs in
//! the head; when the head dies, its workers end what they started and then themselves.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use publish::{ManifestDraft, Overwrite, StageOptions, Staged, Status};
use rustix::process::{Resource as Limited, Rlimit, Signal, setrlimit};
use serde_json::json;

use crate::failure::{Class, Failure};
use crate::job::{Job, Message};
use crate::layout::Layout;
use crate::program::{Programs, Used};
use crate::record::{Attempt, Record, State};
use crate::resource::{self, Observe, Resource, Signatures};
use crate::tree;

/// Takes one job from stdin, does it and reports on stdout. The program's main function calls it, before anything that
/// starts threads, when the head started it as a worker.
///
/// `observer` reads the generations of columns.
pub fn work(observer: &dyn Observe) -> ExitCode {
    let mut line = String::new();
    let job = std::io::stdin().lock().read_line(&mut line).ok().and_then(|_| serde_json::from_str::<Job>(&line).ok());
    let Some(job) = job else {
        // Whoever called it by hand reads this; the head sees the exit code.
        let _ =
            writeln!(std::io::stderr(), "error: this is a worker process, which a run starts with a job on its stdin");
        return ExitCode::from(2);
    };
    let employer = Employer { is_mine: &|| true, listens: true, is_lost: &|| false, post: None };
    let mut record = carry_out(&job, observer, &employer, None);
    // Being stopped says nothing about the set: what was known of it stays.
    if record.class() != Some(Class::Stopped) {
        let path = Layout::new(&job.work).record(&job.set, &job.stage);
        if let Err(error) = record.write(&path) {
            let class = if is_full(&job.work, 4 << 20) { Class::Disk } else { Class::Lost };
            record.state = State::Failed;
            if let Some(attempt) = record.attempts.last_mut() {
                attempt.failure = Some(Failure::new(class, crate::chain(&error)));
            }
        }
    }
    tell(&Message::Ended(Box::new(record)));
    ExitCode::SUCCESS
}

/// Whom a worker works for.
pub(crate) struct Employer<'a> {
    /// Whether the set is still its own; asked before anything gets its name.
    pub(crate) is_mine: &'a dyn Fn() -> bool,
    /// Whether another one certainly has the set by now; asked now and then while programs run.
    pub(crate) is_lost: &'a dyn Fn() -> bool,
    /// A head on the same machine holds the other end of stdin, and the worker ends with it.
    pub(crate) listens: bool,
    /// The name of the attempt, where an earlier one that was given up may still run on another node: each then has a scratch
    /// folder of its own.
    pub(crate) post: Option<String>,
}

/// Does one attempt, unless something before it failed, and gives its record.
pub(crate) fn carry_out(job: &Job, observer: &dyn Observe, employer: &Employer<'_>, before: Option<Failure>) -> Record {
    let (started, begun) = (Instant::now(), Attempt::begun());
    let stop = Arc::new(AtomicBool::new(false));
    let mut used = Used::default();
    let result = match (before, confine(job, &stop, employer.listens)) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => attempt(job, observer, employer, &stop, &mut used),
        (None, Err(error)) => {
            Err(Failure::new(Class::CannotStart, format!("the worker process cannot be confined: {error}")))
        }
    };
    let attempt = Attempt {
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: used.cpu_seconds,
        peak_memory: used.peak_memory,
        memory_limit: job.limits.memory,
        cores: job.limits.cores,
        output_bytes: used.output_bytes,
        failure: result.as_ref().err().cloned(),
        ..begun
    };
    job.record(attempt, result.unwrap_or_default())
}

/// Reports to the head. Without a head there is nobody to tell, and its end ends this process, too.
pub(crate) fn tell(message: &Message) {
    if let Ok(mut line) = serde_json::to_vec(message) {
        line.push(b'\n');
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    }
}

/// Limits this process and what it starts, adopts its orphans, and listens for the head's end.
fn confine(job: &Job, stop: &Arc<AtomicBool>, listens: bool) -> std::io::Result<()> {
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(stop))?;
    }
    if listens {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    }
    tree::adopt_orphans()?;
    lower(Limited::Core, 0)?;
    // The watch ends what takes too much; this is for a single request that no watch can see coming.
    lower(Limited::Data, job.limits.memory.saturating_mul(4).saturating_add(1 << 30))?;
    if let Some(disk) = job.limits.disk {
        lower(Limited::Fsize, disk.max(16 << 20))?;
    }
    if !listens {
        return Ok(());
    }
    // The head holds the other end of stdin: it closes it to stop us, and the kernel does when it dies.
    let ended = Arc::clone(stop);
    thread::spawn(move || {
        let mut rest = [0; 64];
        while matches!(std::io::stdin().lock().read(&mut rest), Ok(n) if n > 0) {}
        ended.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// Limits this process to `most`, or to less where whoever started it has a lower limit already: that cannot be raised.
fn lower(limited: Limited, most: u64) -> std::io::Result<()> {
    let limit = rustix::process::getrlimit(limited).maximum.map_or(most, |given| given.min(most));
    setrlimit(limited, Rlimit { current: Some(limit), maximum: Some(limit) }).map_err(Into::into)
}

/// The stage's commands in their order, and its product published.
fn attempt(
    job: &Job,
    observer: &dyn Observe,
    employer: &Employer<'_>,
    stop: &Arc<AtomicBool>,
    used: &mut Used,
) -> Result<Signatures, Failure> {
    let layout = Layout::new(&job.work);
    let origin = json!({ "stage": job.stage, "key": job.key, "inputs": job.inputs });
    let is_there = match job.product.as_deref() {
        Some(product) if !job.anew => was_made(product, &origin)?,
        _ => false,
    };
    let scratch = layout.scratch(&job.set, &job.stage);
    let scratch = Scratch::make(&scratch, employer.post.as_deref()).map_err(|error| output(job, &scratch, &error))?;
    let staged = match &job.product {
        Some(product) if !is_there => Some(stage(job, product)?),
        _ => None,
    };
    if let Some(staged) = &staged
        && job.command.iter().any(|argument| argument.contains("{out}/"))
    {
        fs::create_dir(staged.path()).map_err(|error| output(job, staged.path(), &error))?;
    }
    let out = staged.as_ref().map(|staged| staged.path().to_owned()).or_else(|| job.product.clone());
    let log = layout.log(&job.set, &job.stage);
    let mut programs = Programs::new(job, &scratch.path, out.as_deref(), &log, (stop, employer.is_lost), used);
    if !is_there {
        for check in &job.check_before {
            programs.run(check).map_err(|failure| of_check(failure, Class::Input))?;
        }
        programs.run(&job.command)?;
        for follower in &job.then {
            programs.run(follower)?;
        }
        let sets: BTreeSet<PathBuf> = job.writes.iter().filter_map(|text| set_of(text)).collect();
        for set in sets {
            observer
                .adopt(&set, &format!("{} ({})", job.stage, program_name(&job.command)))
                .map_err(|error| Failure::new(Class::Product, crate::chain(&error)))?;
        }
    }
    for check in &job.check_after {
        programs.run(check).map_err(|failure| of_check(failure, Class::Product))?;
    }
    if !(employer.is_mine)() {
        return Err(Failure::new(Class::Stopped, "another attempt took this one's place"));
    }
    if let Some(staged) = staged {
        let mut draft = ManifestDraft::new("stage-product", program_name(&job.command), env!("CARGO_PKG_VERSION"));
        draft.options = origin;
        draft.summary = json!({ "command": relative_command(job) });
        staged.commit(draft).map_err(|error| match error {
            publish::Error::NothingBuilt { .. } => {
                Failure::new(Class::Product, "the program ended well and built nothing at {out}")
            }
            error => of_publish(job, &error),
        })?;
    }
    let mut outputs = Signatures::new();
    let product = job.product.iter().map(|product| Resource::Path(product.clone()));
    for written in job.writes.iter().map(|text| Resource::parse(text)).chain(product) {
        let signature = resource::signature(&written, observer)
            .map_err(|error| Failure::new(Class::Product, crate::chain(&error)))?
            .ok_or_else(|| {
                Failure::new(Class::Product, format!("the program ended well, and {written} is not there"))
            })?;
        outputs.insert(written.key(&job.work), signature);
    }
    Ok(outputs)
}

/// The set of a column.
fn set_of(text: &str) -> Option<PathBuf> {
    match Resource::parse(text) {
        Resource::Column { set, .. } => Some(set),
        Resource::Path(_) => None,
    }
}

/// Whether the product is there, whole, and made from the same by the same: a run died between giving it its name and
/// writing the record.
fn was_made(product: &Path, origin: &serde_json::Value) -> Result<bool, Failure> {
    match publish::inspect(product) {
        Ok(Status::Complete(manifest)) => Ok(manifest.options == *origin),
        Ok(_) => Ok(false),
        Err(error) => Err(Failure::new(Class::Input, crate::chain(&error))),
    }
}

fn stage(job: &Job, product: &Path) -> Result<Staged, Failure> {
    if let Some(folder) = product.parent() {
        fs::create_dir_all(folder).map_err(|error| output(job, folder, &error))?;
    }
    let options = StageOptions { overwrite: Overwrite::Replace, ..StageOptions::default() };
    Staged::create(product, &options).map_err(|error| of_publish(job, &error))
}

fn program_name(command: &[String]) -> String {
    let program = command.first().map_or("", String::as_str);
    Path::new(program).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The command without this machine's paths.
fn relative_command(job: &Job) -> Vec<String> {
    let work = format!("{}/", job.work.display());
    let program = program_name(&job.command);
    std::iter::once(program).chain(job.command.iter().skip(1).map(|argument| argument.replace(&work, ""))).collect()
}

/// A check says what is wrong with what it looked at; its own troubles keep their name.
fn of_check(failure: Failure, class: Class) -> Failure {
    match failure.class {
        Class::Exit | Class::Input | Class::Signal => Failure {
            class,
            message: format!(
                "{}: {}",
                if class == Class::Input { "what the stage reads is not good" } else { "the product is not good" },
                last_line(&failure.output_tail).unwrap_or(&failure.message)
            ),
            ..failure
        },
        _ => failure,
    }
}

/// What a program said last of what went wrong, in one line of a length that a person reads.
pub(crate) fn said(tail: &str) -> Option<String> {
    const MOST: usize = 200;
    let line = last_line(tail)?;
    let line = line.strip_prefix("error:").unwrap_or(line).trim_start();
    let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    Some(if line.chars().count() > MOST { format!("{plain}…") } else { plain }).filter(|said| !said.is_empty())
}

fn last_line(text: &str) -> Option<&str> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // Our own programs print the error first, behind the set's name where there may be several, and its causes and hint below.
    let is_error = |line: &&&str| line.starts_with("error:") || line.contains(": error: ");
    lines.iter().rev().find(is_error).or(lines.last()).copied()
}

fn output(job: &Job, path: &Path, error: &std::io::Error) -> Failure {
    let class = if is_full(&job.work, 4 << 20) { Class::Disk } else { Class::Lost };
    Failure::new(class, format!("{}: {error}", path.display()))
}

fn of_publish(job: &Job, error: &publish::Error) -> Failure {
    let full = matches!(error, publish::Error::NoSpace { .. }) || is_full(&job.work, 4 << 20);
    Failure::new(if full { Class::Disk } else { Class::Product }, crate::chain(error))
}

/// Whether less than `reserve` bytes are free where `path` is.
pub(crate) fn is_full(path: &Path, reserve: u64) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|stat| stat.f_bavail * stat.f_frsize < reserve)
}

/// Bytes that are free on the disk where `path` is; all that there can be where it does not tell.
#[must_use]
pub fn free_disk(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |stat| stat.f_bavail * stat.f_frsize)
}

/// The attempt's own folder, empty at the start and gone at the end.
struct Scratch {
    path: PathBuf,
    /// The stage's, which may be the same.
    of_stage: PathBuf,
}

impl Scratch {
    fn make(of_stage: &Path, post: Option<&str>) -> std::io::Result<Self> {
        // What earlier attempts left; one that still runs somewhere has lost the set.
        match fs::remove_dir_all(of_stage) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let path = post.map_or_else(|| of_stage.to_owned(), |post| of_stage.join(post));
        fs::create_dir_all(&path)?;
        Ok(Self { path, of_stage: of_stage.to_owned() })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next attempt; the folders above go with the last that is in them.
        let _ = fs::remove_dir_all(&self.path);
        for above in self.of_stage.ancestors().take(2) {
            let _ = fs::remove_dir(above);
        }
    }
}

/// Short waits that follow each other more slowly.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> {
    [0, 1, 2, 5, 10, 20, 40, 60].into_iter().map(Duration::from_millis)
}
