//! The worker's side, on a node: a job from a file instead of stdin, and the lease asked before anything counts.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use publish::Owner;

use crate::Layout;
use crate::checksum;
use crate::error::Error;
use crate::failure::{Class, Failure};
use crate::job::Job;
use crate::resource::Observe;
use crate::worker::{self, Employer};

use super::files::{Attempted, Claim, Files, Outcome};

/// The environment variable in which programs of a stage find the name of the cluster's node that they run on. It is not set
/// where stages run on the head's own machine.
pub const NODE_VARIABLE: &str = "CONTIMG_NODE";

/// What the head saw must be seen here, too; file servers' clients may take this long.
const SEEN: Duration = Duration::from_secs(90);

/// Does the job of this task of an array. `folder` is its wave's; the task's number is in the environment.
///
/// `observer` reads the generations of columns. Its exit code is 0 whatever came of the stage: that is in the result.
pub fn work_on_node(observer: &dyn Observe, folder: &Path) -> ExitCode {
    match begin(folder) {
        Ok(Some(post)) => {
            let failed = post.work(observer).err();
            if let Some(error) = failed {
                complain(&crate::chain(&error));
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        // Another attempt has the set: there is nothing to do, and nothing to tell.
        Ok(None) => {
            complain("another attempt took this one's place");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            complain(&reason);
            ExitCode::FAILURE
        }
    }
}

fn complain(reason: &str) {
    // It goes to the job's output, whose end `contimg why` shows.
    let _ = writeln!(std::io::stderr(), "error: {reason}");
}

/// What a worker on a node holds.
struct Post {
    files: Files,
    attempt: Attempted,
    claim: Claim,
    job: Job,
}

fn begin(folder: &Path) -> Result<Option<Post>, String> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let task = number("SLURM_ARRAY_TASK_ID")
        .ok_or("this is a worker process, which Slurm starts for a run: SLURM_ARRAY_TASK_ID is not set")?;
    let wave = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let attempt = Attempted { wave, task };
    // `.night/slurm/waves/WAVE` lies in the work folder, wherever that is here.
    let work = folder.ancestors().nth(4).ok_or_else(|| format!("{} is not in a work folder", folder.display()))?;
    let files = Files::new(&Layout::new(work));
    let Some(job) = files.job(&attempt).map_err(|error| crate::chain(&error))? else { return Ok(None) };
    let owner = Owner::current().map_err(|error| crate::chain(&error))?;
    let node = std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| owner.host.clone());
    let claim = Claim { restart: number("SLURM_RESTART_COUNT").unwrap_or(0), node, owner };
    let post = Post { files, attempt, claim, job };
    if !post.has_lease() {
        return Ok(None);
    }
    let path = post.files.of(&post.attempt, "claim.json");
    post.files.write(&path, &post.claim).map_err(|error| crate::chain(&error))?;
    Ok(Some(post))
}

impl Post {
    fn has_lease(&self) -> bool {
        let read = || -> Result<bool, Error> {
            Ok(self.files.lease(&self.job.set)?.is_some_and(|lease| lease.attempt == self.attempt))
        };
        // A file server may be away for a moment.
        for _ in 0..3 {
            match read() {
                Ok(is_ours) => return is_ours,
                Err(_) => thread::sleep(Duration::from_millis(300)),
            }
        }
        // Who cannot tell must not publish.
        false
    }

    /// Whether the set is still this attempt's, and the attempt still this process's.
    fn is_mine(&self) -> bool {
        self.has_lease() && matches!(self.files.claim(&self.attempt), Ok(Some(claim)) if claim == self.claim)
    }

    fn work(&self, observer: &dyn Observe) -> Result<(), Error> {
        let mut job = self.job.clone();
        job.env.insert(NODE_VARIABLE.to_owned(), self.claim.node.clone());
        let may = |job: &mut Job| -> Result<(), Failure> {
            sees_inputs(job)?;
            job.inputs = checksum::add(&job.inputs, &job.work)
                .map_err(|error| Failure::new(Class::Input, format!("what it reads cannot be read: {error}")))?;
            Ok(())
        };
        let before = may(&mut job).err();
        let is_mine = || self.is_mine();
        // What cannot be read says nothing.
        let is_lost = || {
            let lease = self.files.lease(&self.job.set);
            lease.is_ok_and(|lease| lease.is_none_or(|lease| lease.attempt != self.attempt))
        };
        let Attempted { wave, task } = &self.attempt;
        let post = Some(format!("{wave}-{task}-{}", self.claim.restart));
        let employer = Employer { is_mine: &is_mine, is_lost: &is_lost, listens: false, post };
        let mut record = worker::carry_out(&job, observer, &employer, before);
        if let Ok(outputs) = checksum::add(&record.outputs, &job.work) {
            record.outputs = outputs;
        }
        if !self.is_mine() {
            return Ok(());
        }
        // Being stopped says nothing about the set: what was known of it stays.
        if record.class() != Some(Class::Stopped) {
            record.write(&Layout::new(&job.work).record(&job.set, &job.stage))?;
        }
        self.files.write(&self.files.of(&self.attempt, "result.json"), &Outcome { record })
    }
}

/// Waits until this node sees the plain files that the stage reads as the head does.
fn sees_inputs(job: &Job) -> Result<(), Failure> {
    let began = Instant::now();
    while let Some((path, expected, found)) = checksum::first_foreign(&job.inputs, &job.work) {
        if began.elapsed() > SEEN {
            let message =
                format!("{path}: this node sees {found} where the head saw {expected}; is it on a shared file system?");
            return Err(Failure::new(Class::CannotStart, message));
        }
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}
