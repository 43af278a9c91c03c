//! The worker processes of a run: started, heard, asked to stop, and dismissed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::Error;
use crate::job::{Job, Message};
use crate::lock::SetLock;
use crate::tree;

/// What the head hears of a worker.
#[derive(Debug)]
pub(crate) enum Heard {
    Said(Message),
    /// Something that a person should know.
    Note(String),
    /// Its stdout is closed: it has ended, or is about to.
    Closed,
}

pub(crate) struct Staff {
    program: PathBuf,
    arguments: Vec<String>,
    workers: BTreeMap<u64, Worker>,
    next: u64,
    sender: Sender<(u64, Heard)>,
    stopped: Option<Instant>,
}

struct Worker {
    child: Child,
    /// Closing it asks the worker to stop.
    stdin: Option<ChildStdin>,
}

impl Staff {
    pub(crate) fn new(program: PathBuf, arguments: Vec<String>) -> (Self, Receiver<(u64, Heard)>) {
        let (sender, receiver) = mpsc::channel();
        (Self { program, arguments, workers: BTreeMap::new(), next: 0, sender, stopped: None }, receiver)
    }

    /// Starts a worker with its job. It inherits the set's lock.
    pub(crate) fn start(&mut self, job: &Job, lock: &SetLock) -> Result<u64, Error> {
        let cannot = |source| Error::Worker { program: self.program.clone(), source };
        let mut text = serde_json::to_vec(job).map_err(|error| cannot(error.into()))?;
        text.push(b'\n');
        lock.inherited(true)?;
        let spawned = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A terminal's Ctrl-C reaches the head only, which asks its workers to stop.
            .process_group(0)
            .spawn();
        lock.inherited(false)?;
        let mut child = spawned.map_err(cannot)?;
        let mut stdin = child.stdin.take().expect("because it is piped");
        let stdout = child.stdout.take().expect("because it is piped");
        let id = self.next;
        self.next += 1;
        let sender = self.sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                if let Ok(message) = serde_json::from_str(&line)
                    && sender.send((id, Heard::Said(message))).is_err()
                {
                    return;
                }
            }
            // Without a head there is nobody to hear it.
            let _ = sender.send((id, Heard::Closed));
        });
        // A worker that ended before it read its job shows in how it ended.
        let _ = stdin.write_all(&text).and_then(|()| stdin.flush());
        self.workers.insert(id, Worker { child, stdin: Some(stdin) });
        Ok(id)
    }

    /// Waits for a worker whose stdout is closed, and says how it ended. What it may have left of its group is ended.
    ///
    /// `helpers` are processes of the head that are none of its workers.
    pub(crate) fn dismiss(&mut self, id: u64, helpers: &BTreeSet<u32>) -> String {
        let Some(mut worker) = self.workers.remove(&id) else { return String::new() };
        drop(worker.stdin.take());
        // Its number is its own until it was waited for, so its group is its own, too.
        tree::await_end(worker.child.id(), Duration::from_secs(1));
        self.kill_group(&worker.child);
        let how = match worker.child.wait() {
            Ok(status) => format!("ended ({status})"),
            Err(error) => format!("ended ({error})"),
        };
        // What left the group has fallen to us. Nearly always nothing has, and then nobody else's processes are looked at.
        let others: BTreeSet<u32> = self.pids().union(helpers).copied().collect();
        if tree::children(std::process::id()).iter().any(|pid| !others.contains(pid)) {
            tree::end_all(&others, Duration::ZERO);
        }
        how
    }

    fn kill_group(&self, child: &Child) {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // Usually nobody is left in it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Process ids of the workers.
    pub(crate) fn pids(&self) -> BTreeSet<u32> {
        self.workers.values().map(|worker| worker.child.id()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Asks all workers to stop.
    pub(crate) fn stop_all(&mut self) {
        self.stopped = Some(Instant::now());
        for worker in self.workers.values_mut() {
            drop(worker.stdin.take());
        }
    }

    /// Ends workers that were asked to stop longer ago than this.
    pub(crate) fn end_the_slow(&self, after: Duration) {
        if self.stopped.is_some_and(|stopped| stopped.elapsed() > after) {
            for worker in self.workers.values() {
                self.kill_group(&worker.child);
            }
        }
    }
}
