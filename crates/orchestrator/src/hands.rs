//! Who does the attempts: worker processes on this machine, or jobs of a Slurm cluster.

use std::collections::BTreeSet;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::budget::Budget;
use crate::engine::RunOptions;
use crate::error::Error;
use crate::job::Job;
use crate::layout::Layout;
use crate::lock::SetLock;
use crate::plan::Plan;
use crate::slurm::{self, Assignment, Begun, Commands, Crew, Files, SlurmOptions};
use crate::staff::{Heard, Staff};
use crate::tree;

/// Where attempts run.
#[derive(Clone, Debug, Default)]
pub enum Executor {
    /// In worker processes on this machine.
    #[default]
    Here,
    /// As jobs of a Slurm cluster. The budget is then what one job may take at most.
    Slurm(SlurmOptions),
}

/// What the executor knows of a set before anything is begun.
pub(crate) enum Before {
    /// Nothing is under way.
    Free,
    /// An attempt of an earlier head goes on.
    GoesOn(u64, Box<Job>),
    /// Somebody else works on it.
    Taken(String),
}

pub(crate) enum Hands {
    Here { staff: Staff, files: Files, asked: Option<Instant> },
    Slurm(Crew),
}

/// A queue that another executor's set may be in is asked for this often.
const ASK: Duration = Duration::from_secs(5);

impl Hands {
    pub(crate) fn new(
        plan: &Plan,
        layout: &Layout,
        options: &RunOptions,
    ) -> Result<(Self, Receiver<(u64, Heard)>), Error> {
        let (program, arguments) = (options.program.clone(), options.worker_arguments.clone());
        match &options.executor {
            Executor::Here => {
                let (staff, events) = Staff::new(program, arguments);
                Ok((Self::Here { staff, files: Files::new(layout), asked: None }, events))
            }
            Executor::Slurm(slurm) => {
                let of_stages = plan.stages.iter().map(|stage| (stage.name.clone(), stage.slurm.clone())).collect();
                let mut slurm = slurm.clone();
                slurm.arguments = [plan.slurm.clone(), slurm.arguments].concat();
                let (crew, events) = Crew::new(Assignment {
                    run: options.run.clone(),
                    layout: layout.clone(),
                    program,
                    arguments,
                    options: slurm,
                    of_stages,
                })?;
                Ok((Self::Slurm(crew), events))
            }
        }
    }

    /// Whether attempts run on this machine.
    pub(crate) fn are_here(&self) -> bool {
        matches!(self, Self::Here { .. })
    }

    /// What all attempts together may claim.
    pub(crate) fn admission(&self, budget: &Budget) -> Budget {
        match self {
            Self::Here { .. } => *budget,
            Self::Slurm(_) => slurm::admission(budget),
        }
    }

    /// What is under way for a set whose lock was taken just now.
    pub(crate) fn before(&mut self, set: &str) -> Result<Before, Error> {
        match self {
            Self::Slurm(crew) => Ok(match crew.begun_before(set)? {
                Begun::Nothing => Before::Free,
                Begun::Attempt(id, job) => Before::GoesOn(id, job),
            }),
            Self::Here { files, asked, .. } => {
                let Some(lease) = files.lease(set)? else { return Ok(Before::Free) };
                let array = files.array(&lease.attempt.wave);
                let job = array.map_or(lease.attempt.wave.clone(), |array| format!("{array}_{}", lease.attempt.task));
                let holder = Before::Taken(format!("Slurm job {job}"));
                if asked.is_some_and(|at| at.elapsed() < ASK) {
                    return Ok(holder);
                }
                *asked = Some(Instant::now());
                // Without an answer, the lease counts: it has no age.
                let Ok(listed) = Commands::find().and_then(|slurm| slurm.list()) else { return Ok(holder) };
                if files.is_listed(&lease.attempt, &listed) {
                    return Ok(holder);
                }
                files.free(set, &lease.attempt)?;
                files.forget(&lease.attempt);
                Ok(Before::Free)
            }
        }
    }

    pub(crate) fn start(&mut self, job: &Job, lock: &SetLock) -> Result<u64, Error> {
        match self {
            Self::Here { staff, .. } => staff.start(job, lock),
            Self::Slurm(crew) => Ok(crew.start(job)),
        }
    }

    /// Takes note of the end of what belongs to no worker.
    pub(crate) fn reap(&self, helpers: &BTreeSet<u32>) {
        if let Self::Here { staff, .. } = self {
            tree::reap_orphans(&staff.pids().union(helpers).copied().collect());
        }
    }

    pub(crate) fn dismiss(&mut self, id: u64, helpers: &BTreeSet<u32>) -> String {
        match self {
            Self::Here { staff, .. } => staff.dismiss(id, helpers),
            Self::Slurm(crew) => crew.dismiss(id),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Here { staff, .. } => staff.is_empty(),
            Self::Slurm(crew) => crew.is_empty(),
        }
    }

    pub(crate) fn stop_all(&mut self) {
        match self {
            Self::Here { staff, .. } => staff.stop_all(),
            Self::Slurm(crew) => crew.stop_all(),
        }
    }

    pub(crate) fn end_the_slow(&self, after: Duration) {
        match self {
            Self::Here { staff, .. } => staff.end_the_slow(after),
            Self::Slurm(crew) => crew.end_the_slow(),
        }
    }
}
