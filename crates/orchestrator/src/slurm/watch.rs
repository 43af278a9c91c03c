//! The thread that talks to Slurm, so that the head never waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::budget::{HEAD_MEMORY, WORKER_MEMORY};
use crate::error::Error;
use crate::failure::{Class, Failure};
use crate::job::{Job, Message};
use crate::record::{Attempt, FORMAT, Record, State};
use crate::resource::{self, Resource, Signatures};
use crate::staff::Heard;

use super::commands::{Commands, Listed};
use super::conclusion::{self, Conclusion};
use super::crew::Assignment;
use super::files::{Attempted, Files, Lease};

/// Results are looked for this often.
const TICK: Duration = Duration::from_millis(200);
/// What becomes ready within this is one wave.
const COLLECT: Duration = Duration::from_millis(300);
/// Waves that could not be submitted are tried again after this.
const AGAIN: Duration = Duration::from_secs(5);
/// What a worker wrote must be seen here before the set goes on; file servers' clients may take this long.
const SEEN: Duration = Duration::from_secs(90);

/// What the head asks for.
pub(crate) enum Order {
    Start(u64, Box<Job>),
    TakeOver(u64, Lease, Box<Job>),
    Stop,
    GiveUp,
    Leave,
}

/// What is to be submitted.
struct Ready {
    id: u64,
    job: Job,
    /// The lease of an attempt whose job vanished; this one takes its place.
    instead_of: Option<Lease>,
}

struct Task {
    id: u64,
    lease: Lease,
    job: Job,
    /// The array's number, once it is known.
    array: Option<u64>,
    /// Since when the queue does not have it, and how often it was looked for.
    missing: Option<(Instant, u32)>,
    /// Its result was read, and what it wrote is waited for.
    ended: Option<(Instant, Record)>,
}

impl Task {
    fn name(&self) -> String {
        match self.array {
            Some(array) => format!("{array}_{}", self.lease.attempt.task),
            None => format!("of {}", self.lease.attempt.wave),
        }
    }
}

pub(crate) struct Watch {
    assignment: Assignment,
    commands: Commands,
    files: Files,
    sender: Sender<(u64, Heard)>,
    ends: Arc<Mutex<BTreeMap<u64, String>>>,
    ready: Vec<Ready>,
    collecting: Option<Instant>,
    held_back: Option<Instant>,
    tasks: Vec<Task>,
    asked: Option<Instant>,
    waves: u32,
    stopping: bool,
    /// Slurm does not answer, which was told.
    silent: bool,
    cancelled: Option<Instant>,
    told: BTreeSet<String>,
}

impl Watch {
    pub(crate) fn new(
        assignment: Assignment,
        commands: Commands,
        files: Files,
        sender: Sender<(u64, Heard)>,
        ends: Arc<Mutex<BTreeMap<u64, String>>>,
    ) -> Self {
        Self {
            assignment,
            commands,
            files,
            sender,
            ends,
            ready: Vec::new(),
            collecting: None,
            held_back: None,
            tasks: Vec::new(),
            asked: None,
            waves: 0,
            stopping: false,
            silent: false,
            cancelled: None,
            told: BTreeSet::new(),
        }
    }

    pub(crate) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            match orders.recv_timeout(TICK.min(self.poll())) {
                Ok(Order::Start(id, job)) => {
                    self.ready.push(Ready { id, job: *job, instead_of: None });
                    self.collecting.get_or_insert_with(Instant::now);
                }
                Ok(Order::TakeOver(id, lease, job)) => {
                    let array = self.files.array(&lease.attempt.wave);
                    let task = Task { id, lease, job: *job, array, missing: None, ended: None };
                    self.note(format!(
                        "Slurm job {} of an earlier run is found again: {} {}",
                        task.name(),
                        task.job.set,
                        task.job.stage
                    ));
                    self.tasks.push(task);
                }
                Ok(Order::Stop) => self.stopping = true,
                Ok(Order::GiveUp) => self.give_up(),
                Ok(Order::Leave) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let collected = self.collecting.is_some_and(|since| since.elapsed() >= COLLECT);
            let may = self.held_back.is_none_or(|since| since.elapsed() >= AGAIN);
            if self.stopping {
                for Ready { id, job, .. } in std::mem::take(&mut self.ready) {
                    self.stopped(id, &job);
                }
                self.cancel();
            } else if collected && may {
                self.submit_all();
            }
            self.look();
            if self.asked.is_none_or(|asked| asked.elapsed() >= self.poll()) && !self.tasks.is_empty() {
                self.asked = Some(Instant::now());
                self.ask();
            }
        }
    }

    fn poll(&self) -> Duration {
        Duration::try_from_secs_f64(self.assignment.options.poll_seconds).unwrap_or(Duration::from_secs(2))
    }

    fn tell(&self, id: u64, heard: Heard) {
        // Without a head there is nobody to hear it.
        let _ = self.sender.send((id, heard));
    }

    fn note(&self, text: String) {
        self.tell(u64::MAX, Heard::Note(text));
    }

    /// Something that is worth a note once.
    fn note_once(&mut self, text: String) {
        if self.told.insert(text.clone()) {
            self.note(text);
        }
    }

    fn end(&self, id: u64, record: Option<Record>, how: String) {
        if let Ok(mut ends) = self.ends.lock() {
            ends.insert(id, how);
        }
        if let Some(record) = record {
            self.tell(id, Heard::Said(Message::Ended(Box::new(record))));
        }
        self.tell(id, Heard::Closed);
    }

    fn stopped(&self, id: u64, job: &Job) {
        let failure = Failure::new(Class::Stopped, "the run was asked to stop");
        self.end(id, Some(failed(job, failure)), "was cancelled".to_owned());
    }

    // ---- submitting -----------------------------------------------------------------------------------------------------

    /// Submits what is ready, one array for each kind of request.
    fn submit_all(&mut self) {
        let mut waves: BTreeMap<Vec<String>, Vec<Ready>> = BTreeMap::new();
        for ready in std::mem::take(&mut self.ready) {
            waves.entry(self.request(&ready.job)).or_default().push(ready);
        }
        self.collecting = None;
        self.held_back = None;
        for (request, jobs) in waves {
            if let Err(error) = self.submit(&request, jobs) {
                // The state cannot be written here, and neither can anything else be.
                self.note(format!("cannot write the jobs' files: {}", crate::chain(&error)));
            }
        }
    }

    /// What a job asks Slurm for.
    fn request(&self, job: &Job) -> Vec<String> {
        // The worker itself ends what takes too much, and names it; Slurm's own limits lie a little above.
        let megabytes = (job.limits.memory + WORKER_MEMORY + HEAD_MEMORY) >> 20;
        let minutes = ((job.limits.seconds + job.limits.grace_seconds) / 60.0).ceil() + 2.0;
        let mut request = vec![
            format!("--job-name=contimg-{}", job.stage),
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={}", job.limits.cores),
            format!("--mem={megabytes}M"),
            // A job whose node failed would wait two minutes before Slurm starts it again; the head submits a new one at once.
            "--no-requeue".to_owned(),
        ];
        const YEAR: f64 = 366.0 * 24.0 * 60.0;
        if minutes < YEAR {
            request.push(format!("--time={minutes:.0}"));
        }
        request.extend(self.assignment.options.arguments.iter().cloned());
        request.extend(self.assignment.of_stages.get(&job.stage).into_iter().flatten().cloned());
        request
    }

    fn submit(&mut self, request: &[String], jobs: Vec<Ready>) -> Result<(), Error> {
        let wave = format!("{}-{}", self.assignment.run, self.waves);
        self.waves += 1;
        let mut tasks = Vec::new();
        for Ready { id, job, instead_of } in jobs {
            let task = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
            let resubmitted = instead_of.as_ref().map_or(0, |lease| lease.resubmitted + 1);
            let lease = Lease { attempt: Attempted { wave: wave.clone(), task }, resubmitted };
            self.files.write(&self.files.of(&lease.attempt, "json"), &job)?;
            let is_ours = match instead_of {
                None => self.files.take(&job.set, &lease)?,
                Some(before) => {
                    self.files.pass_on(&job.set, &lease)?;
                    self.files.forget(&before.attempt);
                    true
                }
            };
            if is_ours {
                tasks.push(Task { id, lease, job, array: None, missing: None, ended: None });
            } else {
                // Another head was faster: this one asks again and takes its attempt over.
                self.files.forget(&lease.attempt);
                self.stopped(id, &job);
            }
        }
        if tasks.is_empty() {
            return Ok(());
        }
        let script = self.files.script(&wave);
        std::fs::write(&script, self.script(&wave)).map_err(|source| Error::io(&script, "write the script", source))?;
        let indices: Vec<String> = tasks.iter().map(|task| task.lease.attempt.task.to_string()).collect();
        let mut arguments = request.to_vec();
        arguments.extend([
            "--parsable".to_owned(),
            format!("--array={}", indices.join(",")),
            format!("--chdir={}", self.assignment.layout.work().display()),
            // In its pattern, % begins a name of Slurm's.
            format!("--output={}/%a.out", self.files.wave(&wave).display().to_string().replace('%', "%%")),
            script.display().to_string(),
        ]);
        match self.commands.submit(&arguments) {
            Ok(array) => {
                self.files.write_array(&wave, array)?;
                let first = &tasks[0].job;
                self.note(format!("Slurm array {array}: {} for {} sets", first.stage, tasks.len()));
                for task in &mut tasks {
                    task.array = Some(array);
                }
                self.tasks.extend(tasks);
            }
            Err(error) => self.refused(tasks, &error),
        }
        Ok(())
    }

    /// `sbatch` failed: because nobody answered, which passes, or because Slurm does not want such jobs.
    fn refused(&mut self, tasks: Vec<Task>, error: &Error) {
        let answers = self.commands.list();
        let script = self.files.script(&tasks[0].lease.attempt.wave);
        match answers {
            // It took the array and its answer was lost.
            Ok(listed) if listed.iter().any(|task| task.script == script) => self.tasks.extend(tasks),
            Ok(_) => {
                for task in tasks {
                    self.free(&task);
                    let failure = Failure::new(Class::CannotStart, crate::chain(error));
                    self.fail(&task, failure);
                }
            }
            Err(_) => {
                self.note_once(format!("Slurm does not take jobs now; trying again: {}", crate::chain(error)));
                self.held_back = Some(Instant::now());
                self.collecting = Some(Instant::now());
                for task in tasks {
                    // What the controller may still have taken finds that its lease is gone.
                    self.free(&task);
                    self.ready.push(Ready { id: task.id, job: task.job, instead_of: None });
                }
            }
        }
    }

    fn script(&self, wave: &str) -> String {
        let words = std::iter::once(self.assignment.program.display().to_string())
            .chain(self.assignment.arguments.iter().cloned())
            .chain([NODE_ARGUMENT.to_owned(), self.files.wave(wave).display().to_string()]);
        let quoted: Vec<String> = words.map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        // Its stdout is what a head on the same machine would hear.
        format!("#!/bin/sh\nexec {} > /dev/null\n", quoted.join(" "))
    }

    // ---- watching -------------------------------------------------------------------------------------------------------

    /// Looks for results.
    fn look(&mut self) {
        for task in std::mem::take(&mut self.tasks) {
            if let Some(task) = self.look_at(task) {
                self.tasks.push(task);
            }
        }
    }

    /// Gives the task back if it has not ended.
    fn look_at(&mut self, mut task: Task) -> Option<Task> {
        if task.ended.is_none()
            && let Ok(Some(outcome)) = self.files.outcome(&task.lease.attempt)
        {
            let record = outcome.record;
            if record.class() == Some(Class::Stopped) {
                if self.stopping {
                    self.free(&task);
                    self.stopped(task.id, &task.job);
                    return None;
                }
                // Somebody else stopped it: the queue tells who and why.
                return Some(task);
            }
            task.ended = Some((Instant::now(), record));
        }
        let Some((since, record)) = &task.ended else { return Some(task) };
        if let Some(what) = unseen(&task.job, record) {
            if since.elapsed() < SEEN && !self.stopping {
                return Some(task);
            }
            self.note(format!(
                "{}: {what} is not seen here {} s after it was written there",
                task.job.set,
                SEEN.as_secs()
            ));
        }
        let mut record = record.clone();
        if let Some(failure) = record.attempts.last_mut().and_then(|attempt| attempt.failure.as_mut())
            && failure.output_tail.is_empty()
        {
            failure.output_tail = self.files.said(&task.lease.attempt);
        }
        self.free(&task);
        self.end(task.id, Some(record), "ended".to_owned());
        None
    }

    /// Frees the set and removes the attempt's files.
    fn free(&self, task: &Task) {
        if let Err(error) = self.files.free(&task.job.set, &task.lease.attempt) {
            self.note(format!("cannot free {}: {}", task.job.set, crate::chain(&error)));
        }
        self.files.forget(&task.lease.attempt);
    }

    /// Asks for the queue, and draws conclusions about jobs without a result that are not in it.
    fn ask(&mut self) {
        let listed = match self.commands.list() {
            Ok(listed) => listed,
            Err(error) => {
                if !self.silent {
                    self.silent = true;
                    self.note(format!("Slurm does not answer; its jobs go on: {}", crate::chain(&error)));
                }
                return;
            }
        };
        if std::mem::take(&mut self.silent) {
            self.note("Slurm answers again".to_owned());
        }
        for task in std::mem::take(&mut self.tasks) {
            if let Some(task) = self.judge(task, &listed) {
                self.tasks.push(task);
            }
        }
    }

    fn judge(&mut self, mut task: Task, listed: &[Listed]) -> Option<Task> {
        let attempt = task.lease.attempt.clone();
        let script = self.files.script(&attempt.wave);
        let is_it = |entry: &&Listed| {
            entry.task == attempt.task && task.array.map_or(entry.script == script, |array| entry.array == array)
        };
        let found = listed.iter().find(is_it);
        if let (None, Some(entry)) = (task.array, found) {
            // Its head died before it could write the number down; what cannot be written is found again the same way.
            task.array = Some(entry.array);
            let _ = self.files.write_array(&attempt.wave, entry.array);
        }
        if let Some(entry) = found.filter(|entry| entry.is_open()) {
            task.missing = None;
            if entry.state == "PENDING"
                && !["None", "Resources", "Priority", "BeginTime"].contains(&entry.reason.as_str())
            {
                self.note_once(format!("Slurm holds array {} back: {}", entry.array, entry.reason));
            }
            return Some(task);
        }
        if task.ended.is_some() {
            return Some(task);
        }
        let (since, times) = task.missing.unwrap_or((Instant::now(), 0));
        task.missing = Some((since, times + 1));
        // Its result may have been written and not be seen here yet.
        if times < 2 || since.elapsed() < self.poll().mul_f64(1.5) {
            self.files.look_again(&attempt.wave);
            return Some(task);
        }
        self.conclude(task)
    }

    fn conclude(&mut self, task: Task) -> Option<Task> {
        if self.stopping {
            self.free(&task);
            self.stopped(task.id, &task.job);
            return None;
        }
        let fate = task.array.and_then(|array| self.commands.fate(array, task.lease.attempt.task));
        let began = matches!(self.files.claim(&task.lease.attempt), Ok(Some(_)));
        match conclusion::of(&task.name(), fate.as_ref(), began, task.lease.resubmitted) {
            Conclusion::Again(what) => {
                self.note(format!("{}: {what}; {} is submitted again", task.job.set, task.job.stage));
                // The set stays ours: the next attempt's lease takes the place of this one's.
                self.ready.push(Ready { id: task.id, job: task.job, instead_of: Some(task.lease) });
                self.collecting.get_or_insert_with(Instant::now);
            }
            Conclusion::Failed(class, message) => {
                let said = self.files.said(&task.lease.attempt);
                self.free(&task);
                self.fail(&task, Failure { output_tail: said, ..Failure::new(class, message) });
            }
        }
        None
    }

    /// An attempt failed of which its worker left no record.
    fn fail(&self, task: &Task, failure: Failure) {
        let how = failure.message.clone();
        let record = failed(&task.job, failure);
        let path = self.assignment.layout.record(&record.set, &record.stage);
        match record.write(&path) {
            Ok(()) => self.end(task.id, Some(record), how),
            // The head tries itself, and says why it cannot.
            Err(_) => self.end(task.id, None, how),
        }
    }

    // ---- stopping -------------------------------------------------------------------------------------------------------

    /// Cancels what is under way: tasks of this run's sets, by their numbers, and nothing else.
    fn cancel(&mut self) {
        if self.cancelled.is_some_and(|at| at.elapsed() < AGAIN) {
            return;
        }
        self.cancelled = Some(Instant::now());
        let numbers: Vec<(u64, u32)> =
            self.tasks.iter().filter_map(|task| Some((task.array?, task.lease.attempt.task))).collect();
        if let Err(error) = self.commands.cancel(&numbers) {
            self.note_once(format!("cannot cancel the run's Slurm jobs; trying again: {}", crate::chain(&error)));
        }
    }

    fn give_up(&mut self) {
        let tasks = std::mem::take(&mut self.tasks);
        if !tasks.is_empty() {
            let names: Vec<String> = tasks.iter().map(Task::name).collect();
            self.note(format!(
                "these Slurm jobs did not leave the queue: {}; cancel them with scancel, or run again to go on with them",
                names.join(" ")
            ));
        }
        for task in tasks {
            self.stopped(task.id, &task.job);
        }
    }
}

/// The argument with which a worker is told the folder of its wave.
pub(crate) const NODE_ARGUMENT: &str = "--slurm";

/// What a worker wrote and this machine does not see as it was written.
fn unseen(job: &Job, record: &Record) -> Option<String> {
    record.outputs.iter().find_map(|(key, signature)| {
        // Of a column, the set tells its generation itself, once the set is there.
        match Resource::parse(key) {
            Resource::Column { set, .. } => (!job.work.join(&set).join("table.dat").exists()).then(|| key.clone()),
            Resource::Path(path) => {
                let found = resource::of_path(&job.work.join(path)).ok().flatten();
                let same = found.is_some_and(|found| crate::checksum::agree(signature, &found));
                (!same).then(|| key.clone())
            }
        }
    })
}

/// The record of an attempt whose worker left none.
fn failed(job: &Job, failure: Failure) -> Record {
    let mut attempts = job.earlier.clone();
    attempts.push(Attempt {
        number: u32::try_from(attempts.len()).unwrap_or(u32::MAX).saturating_add(1),
        started_unix_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory: 0,
        memory_limit: job.limits.memory,
        cores: job.limits.cores,
        output_bytes: 0,
        failure: Some(failure),
    });
    Record {
        format: FORMAT,
        set: job.set.clone(),
        stage: job.stage.clone(),
        state: State::Failed,
        run: job.run.clone(),
        key: job.key.clone(),
        command: job.command.clone(),
        inputs: job.inputs.clone(),
        outputs: Signatures::new(),
        attempts,
        note: None,
    }
}
