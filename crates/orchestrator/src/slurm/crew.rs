//! The head's side: what it asks of the thread that talks to Slurm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::job::Job;
use crate::staff::Heard;

use super::files::{Attempted, Files};
use super::watch::{Order, Watch};
use super::{Commands, SlurmOptions};

/// Jobs that were cancelled get so long to leave the queue: Slurm itself waits half a minute (`KillWait`) before it kills.
const LEAVE: Duration = Duration::from_secs(75);

/// What is under way for a set.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Nothing.
    Nothing,
    /// An attempt of an earlier head, which is ours from now on.
    Attempt(u64, Box<Job>),
}

/// The jobs of one run.
pub(crate) struct Crew {
    files: Files,
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
    /// What is under way, until it is dismissed.
    open: BTreeSet<u64>,
    /// How each ended.
    ends: Arc<Mutex<BTreeMap<u64, String>>>,
    next: u64,
    stopped: Option<Instant>,
}

/// What a crew is made for.
pub(crate) struct Assignment {
    /// The run's name: waves are named for it.
    pub(crate) run: String,
    pub(crate) layout: crate::Layout,
    pub(crate) program: PathBuf,
    /// Its arguments as a worker.
    pub(crate) arguments: Vec<String>,
    pub(crate) options: SlurmOptions,
    /// Further arguments of `sbatch` by stage.
    pub(crate) of_stages: BTreeMap<String, Vec<String>>,
}

impl Crew {
    pub(crate) fn new(assignment: Assignment) -> Result<(Self, Receiver<(u64, Heard)>), Error> {
        let commands = Commands::find()?;
        let files = Files::new(&assignment.layout);
        files.sweep()?;
        let (sender, heard) = mpsc::channel();
        let (orders, receiver) = mpsc::channel();
        let ends = Arc::new(Mutex::new(BTreeMap::new()));
        let watch = Watch::new(assignment, commands, files.clone(), sender, Arc::clone(&ends));
        let thread = thread::spawn(move || watch.run(&receiver));
        let crew = Self { files, orders, thread: Some(thread), open: BTreeSet::new(), ends, next: 0, stopped: None };
        Ok((crew, heard))
    }

    fn order(&self, order: Order) {
        // The thread ends only when this is dropped.
        let _ = self.orders.send(order);
    }

    fn number(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        self.open.insert(id);
        id
    }

    /// Has an attempt submitted with the next wave.
    pub(crate) fn start(&mut self, job: &Job) -> u64 {
        let id = self.number();
        self.order(Order::Start(id, Box::new(job.clone())));
        id
    }

    /// Takes over what an earlier head began for a set.
    pub(crate) fn begun_before(&mut self, set: &str) -> Result<Begun, Error> {
        let Some(lease) = self.files.lease(set)? else { return Ok(Begun::Nothing) };
        let attempt: Attempted = lease.attempt.clone();
        let Some(job) = self.files.job(&attempt)?.filter(|job| job.set == set) else {
            // Its head died while it cleaned up behind a result that it had heard.
            self.files.free(set, &attempt)?;
            return Ok(Begun::Nothing);
        };
        let id = self.number();
        self.order(Order::TakeOver(id, lease, Box::new(job.clone())));
        Ok(Begun::Attempt(id, Box::new(job)))
    }

    /// Forgets an attempt, and says how its job ended.
    pub(crate) fn dismiss(&mut self, id: u64) -> String {
        self.open.remove(&id);
        self.ends.lock().ok().and_then(|mut ends| ends.remove(&id)).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Cancels all jobs of this run.
    pub(crate) fn stop_all(&mut self) {
        self.stopped = Some(Instant::now());
        self.order(Order::Stop);
    }

    /// Gives up waiting for jobs that do not leave the queue: their leases stay, and the next run finds them.
    pub(crate) fn end_the_slow(&self) {
        if self.stopped.is_some_and(|stopped| stopped.elapsed() > LEAVE) {
            self.order(Order::GiveUp);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.order(Order::Leave);
        if let Some(thread) = self.thread.take() {
            // A panic there has printed its own message.
            let _ = thread.join();
        }
    }
}
