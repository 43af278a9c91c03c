//! The run's state in the products database: one job for each stage of each set, committed in groups.
//!
//! The records beside the products are the truth, and each worker writes its own; only the head writes the database, from
//! a thread of its own, so that no stage waits for it. What a kill kept from being committed is committed by the next run.

use std::{
    path::PathBuf,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use orchestrator::{Event, Layout, Record, State};
use products_db::{
    AttemptEnd, ClaimOptions, Durability, Error, Finish, JobFilter, JobId, JobState, NewJob, Result, Transaction,
    Writer,
};
use publish::{Liveness, Owner};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The database's name in a work folder.
pub(super) const DATABASE: &str = "products.sqlite3";

/// Changes are committed this often at most.
const COMMIT: Duration = Duration::from_millis(250);
/// How long a job is ours without being renewed; a dead owner on this host is recognised at once.
const LEASE_S: f64 = 60.0;

/// Whose a lease is.
#[derive(Serialize, Deserialize)]
struct Holder {
    run: String,
    #[serde(flatten)]
    process: Owner,
}

/// The writing thread.
pub(super) struct Ledger {
    sender: Option<Sender<(f64, Event)>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Ledger {
    pub(super) fn open(layout: &Layout, run: &str) -> Self {
        let (sender, receiver) = mpsc::channel();
        let path = layout.work().join(DATABASE);
        let run = run.to_owned();
        let thread = thread::spawn(move || write(path, run, &receiver));
        Self { sender: Some(sender), thread: Some(thread) }
    }

    pub(super) fn note(&self, event: &Event) {
        if let Some(sender) = &self.sender
            && !matches!(event, Event::Usage { .. } | Event::UpToDate { .. })
        {
            // When the thread has ended, `close` tells why.
            let _ = sender.send((now(), event.clone()));
        }
    }

    /// Commits the rest.
    pub(super) fn close(mut self) -> Result<()> {
        drop(self.sender.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            // It panicked, which its own message told.
            Some(Err(_)) | None => Ok(()),
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn write(path: PathBuf, run: String, receiver: &Receiver<(f64, Event)>) -> Result<()> {
    let mut writer = Writer::open_or_create(&path)?;
    // After a power cut the records are still there, and the database follows them.
    writer.set_durability(Durability::ProcessDeath)?;
    let process = match Owner::current() {
        Ok(process) => process,
        // Without a name of ours, nobody could tell whether we live.
        Err(_) => return Ok(()),
    };
    let owner = json!(Holder { run, process }).to_string();
    free_dead(&mut writer)?;
    let mut renewed = Instant::now();
    let mut is_open = true;
    while is_open {
        let mut batch = Vec::new();
        match receiver.recv_timeout(Duration::from_secs(10)) {
            Ok(first) => batch.push(first),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_open = false,
        }
        let collecting = Instant::now();
        while is_open && !batch.is_empty() {
            match receiver.recv_timeout(COMMIT.saturating_sub(collecting.elapsed())) {
                Ok(event) => batch.push(event),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => is_open = false,
            }
        }
        commit(&mut writer, &owner, &batch)?;
        if renewed.elapsed() > Duration::from_secs(20) {
            renewed = Instant::now();
            writer.renew(&owner, now(), LEASE_S)?;
        }
    }
    Ok(())
}

/// Frees the jobs of runs that are certainly dead.
fn free_dead(writer: &mut Writer) -> Result<()> {
    let filter = JobFilter { states: vec![JobState::Running], ..JobFilter::default() };
    let mut owners: Vec<String> = writer.jobs(&filter)?.into_iter().filter_map(|job| job.lease_owner).collect();
    owners.sort();
    owners.dedup();
    for owner in owners {
        let holder = serde_json::from_str::<Holder>(&owner).ok();
        if holder.is_some_and(|holder| holder.process.liveness() == Liveness::Dead) {
            writer.abandon(&owner, now())?;
        }
    }
    Ok(())
}

/// One transaction for many events. Another run's commit may be in the way for longer than the database itself waits.
fn commit(writer: &mut Writer, owner: &str, batch: &[(f64, Event)]) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut tries = 0;
    loop {
        let result = writer.transaction(|t| batch.iter().try_for_each(|(at, event)| enter(t, owner, *at, event)));
        match result {
            Err(Error::Busy { .. }) if tries < 5 => tries += 1,
            other => return other,
        }
    }
}

fn enter(t: &Transaction<'_>, owner: &str, at: f64, event: &Event) -> Result<()> {
    match event {
        Event::Started { set, stage, memory, cores, why, .. } => {
            let spec = json!({ "memory": memory, "cores": cores, "why": why });
            claim(t, owner, at, set, stage, Some(spec)).map(|_| ())
        }
        Event::Ended { record } | Event::TriedAgain { record } => {
            let is_final = matches!(event, Event::Ended { .. });
            let (job, attempt) = claim(t, owner, at, &record.set, &record.stage, None)?;
            let end = match record.state {
                State::Done | State::Skipped => AttemptEnd::Done,
                State::Failed if is_final => AttemptEnd::Failed,
                State::Failed => AttemptEnd::Retry,
            };
            let finish = Finish {
                job,
                attempt,
                end,
                not_before: 0.0,
                result: Some(result(record)),
                details: record.attempts.last().map(|attempt| json!(attempt)),
            };
            t.finish(owner, at, &finish).map(|_| ())
        }
        _ => Ok(()),
    }
}

fn result(record: &Record) -> serde_json::Value {
    json!({ "run": record.run, "key": record.key, "outputs": record.outputs, "note": record.note,
        "failure": record.class().map(orchestrator::Class::name) })
}

/// The job of a stage, ours. We hold the set's lock, so whoever had the job has it no more.
fn claim(
    t: &Transaction<'_>,
    owner: &str,
    at: f64,
    set: &str,
    stage: &str,
    spec: Option<serde_json::Value>,
) -> Result<(JobId, i64)> {
    let new = NewJob { subject: set.into(), stage: stage.into(), state: JobState::Ready, spec, ..NewJob::default() };
    let ids = t.put_jobs(at, &[new])?;
    let id = ids[0];
    let job =
        t.jobs(&JobFilter { subjects: vec![set.to_owned()], ..JobFilter::default() })?.into_iter().find(|j| j.id == id);
    if let Some(job) = job
        && job.state == JobState::Running
        && job.lease_owner.as_deref() == Some(owner)
    {
        return Ok((id, job.attempts));
    }
    let options = ClaimOptions { only: Some(vec![id]), limit: 1, take_expired: true };
    // The lease of a dead run may not have ended by the clock: the set's lock says that it has.
    let mut claims = t.claim(owner, at, LEASE_S, &options)?;
    if claims.is_empty() {
        claims = t.claim(owner, at + 2.0 * LEASE_S, -LEASE_S, &options)?;
    }
    Ok((id, claims.first().map_or(0, |claim| claim.attempt)))
}

impl Drop for Ledger {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // What went wrong is told by `close` where that was called.
            let _ = thread.join();
        }
    }
}
