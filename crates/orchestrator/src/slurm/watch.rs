//! The thread that talks to Slurm, so that the head never waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::failure::{Class, Failure};
use crate::job::{Job, Message};
use crate::record::Record;
use crate::staff::Heard;

use super::commands::{Commands, Listed};
use super::conclusion::{self, Conclusion};
use super::crew::Assignment;
use super::files::{Files, Lease};
use super::outcome::{failed, unseen};

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
pub(super) struct Ready {
    pub(super) id: u64,
    pub(super) job: Job,
    /// The lease of an attempt whose job vanished; this one takes its place.
    pub(super) instead_of: Option<Lease>,
}

pub(super) struct Task {
    pub(super) id: u64,
    pub(super) lease: Lease,
    pub(super) job: Job,
    /// The array's number, once it is known.
    pub(super) array: Option<u64>,
    /// Since when the queue does not have it, and how often it was looked for.
    pub(super) missing: Option<(Instant, u32)>,
    /// Its result was read, and what it wrote is waited for.
    pub(super) ended: Option<(Instant, Record)>,
}

impl Task {
    pub(super) fn name(&self) -> String {
        match self.array {
            Some(array) => format!("{array}_{}", self.lease.attempt.task),
            None => format!("of {}", self.lease.attempt.wave),
        }
    }
}

pub(super) struct Watch {
    pub(super) assignment: Assignment,
    pub(super) commands: Commands,
    pub(super) files: Files,
    sender: Sender<(u64, Heard)>,
    ends: Arc<Mutex<BTreeMap<u64, String>>>,
    pub(super) ready: Vec<Ready>,
    pub(super) collecting: Option<Instant>,
    pub(super) held_back: Option<Instant>,
    pub(super) tasks: Vec<Task>,
    asked: Option<Instant>,
    pub(super) waves: u32,
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

    pub(super) fn note(&self, text: String) {
        self.tell(u64::MAX, Heard::Note(text));
    }

    /// Something that is worth a note once.
    pub(super) fn note_once(&mut self, text: String) {
        if self.told.insert(text.clone()) {
            self.note(text);
        }
    }

    pub(super) fn end(&self, id: u64, record: Option<Record>, how: String) {
        if let Ok(mut ends) = self.ends.lock() {
            ends.insert(id, how);
        }
        if let Some(record) = record {
            self.tell(id, Heard::Said(Message::Ended(Box::new(record))));
        }
        self.tell(id, Heard::Closed);
    }

    pub(super) fn stopped(&self, id: u64, job: &Job) {
        let failure = Failure::new(Class::Stopped, "the run was asked to stop");
        self.end(id, Some(failed(job, failure)), "was cancelled".to_owned());
    }

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
    pub(super) fn free(&self, task: &Task) {
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
            entry.task == attempt.task && entry.script == script && task.array.is_none_or(|array| entry.array == array)
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
        let script = self.files.script(&task.lease.attempt.wave);
        let fate = task.array.and_then(|array| self.commands.fate(array, task.lease.attempt.task, &script));
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
    pub(super) fn fail(&self, task: &Task, failure: Failure) {
        let how = failure.message.clone();
        let record = failed(&task.job, failure);
        let path = self.assignment.layout.record(&record.set, &record.stage);
        match record.write(&path) {
            Ok(()) => self.end(task.id, Some(record), how),
            // The head tries itself, and says why it cannot.
            Err(_) => self.end(task.id, None, how),
        }
    }

    /// Cancels what is under way: tasks of this run's sets, and nothing else. A controller that lost its state gives the same
    /// numbers again, so the script says what is ours.
    fn cancel(&mut self) {
        if self.cancelled.is_some_and(|at| at.elapsed() < AGAIN) {
            return;
        }
        self.cancelled = Some(Instant::now());
        let is_ours = |entry: &&Listed| {
            let is_it = |task: &Task| {
                entry.task == task.lease.attempt.task && entry.script == self.files.script(&task.lease.attempt.wave)
            };
            entry.is_open() && self.tasks.iter().any(is_it)
        };
        let cancelled = self.commands.list().and_then(|listed| {
            let numbers: Vec<(u64, u32)> =
                listed.iter().filter(is_ours).map(|entry| (entry.array, entry.task)).collect();
            self.commands.cancel(&numbers)
        });
        if let Err(error) = cancelled {
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
