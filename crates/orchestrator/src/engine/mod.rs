//! The head of a run: which stage of which set runs next, in which worker process, and what follows from its end.

mod attempt;
mod queue;
mod set;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use publish::Owner;

use self::attempt::Running;
pub(crate) use self::queue::is_installed;
use self::set::{Phase, SetState};
use crate::budget::{Budget, Claims, HEAD_MEMORY, Measured};
use crate::cgroup::RunGroup;
use crate::error::Error;
use crate::event::{Event, Summary};
use crate::expand::Given;
use crate::hands::{Executor, Hands};
use crate::layout::Layout;
use crate::plan::{DataSet, Plan};
use crate::record::read_all;
use crate::resource::Observe;
use crate::staff::Heard;
use crate::tree;

/// How a run is done.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run's name, unique in the work folder.
    pub run: String,
    /// What it may use.
    pub budget: Budget,
    /// The last stage to do, if not all.
    pub until: Option<String>,
    /// The program to start as a worker, which is also `{contimg}` in templates.
    pub program: PathBuf,
    /// Its arguments: with them, its main function calls [`work`](crate::work).
    pub worker_arguments: Vec<String>,
    /// The program's version, which decides what it makes.
    pub version: String,
    /// Seconds that a stage which was asked to end gets to tidy up.
    pub grace_seconds: f64,
    /// At most so many sets are begun and not ended; others wait where they are.
    pub open_sets: usize,
    /// Where attempts run.
    pub executor: Executor,
}

/// Where sets come from.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// Sets that were not there before, in the order in which they are to be done.
    pub sets: Vec<DataSet>,
    /// Whether there may be more later; then the run waits for them.
    pub more: bool,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// What a run needs of its surroundings.
pub struct Surroundings<'a> {
    /// Tells the generations of columns.
    pub observer: &'a dyn Observe,
    /// Gives sets; asked again and again while there may be more.
    pub feed: &'a mut dyn FnMut() -> Result<Feed, Error>,
    /// The signal that asked the run to stop, if any.
    pub stop: &'a dyn Fn() -> Option<i32>,
    /// Hears what happens.
    pub tell: &'a mut dyn FnMut(&Event),
}

/// Runs the stages of `plan` for every set until all are done or have failed.
///
/// Running it again resumes: stages whose inputs and settings are as they were are up to date.
///
/// # Errors
///
/// When the plan does not fit the budget, or the state of the work folder cannot be read or written. What happens to one
/// set is no error; [`Summary`] tells it.
pub fn run<'a>(
    plan: &'a Plan,
    layout: &'a Layout,
    options: &'a RunOptions,
    around: Surroundings<'a>,
) -> Result<Summary, Error> {
    let mut engine = Engine::new(plan, layout, options, around)?;
    engine.go()
}

struct Engine<'a> {
    plan: &'a Plan,
    layout: &'a Layout,
    options: &'a RunOptions,
    around: Surroundings<'a>,
    given: Given,
    me: Owner,
    sets: Vec<SetState>,
    by_name: HashSet<String>,
    more: bool,
    fed: Option<Instant>,
    night_begun: bool,
    claims: Claims,
    measured: Measured,
    staff: Hands,
    running: BTreeMap<u64, Running>,
    events: mpsc::Receiver<(u64, Heard)>,
    summary: Summary,
    started: Instant,
    disk: (Option<Instant>, u64),
    /// The disk is full: nothing new is begun.
    halted: bool,
    /// There is no room in the disk budget, which was told.
    low_on_disk: bool,
    used: Option<Instant>,
    cgroup: Option<RunGroup>,
    /// Children that this process had before the run began: what it was before it became this program started them.
    strangers: BTreeSet<u32>,
}

/// The disk that the work folder takes is looked at this often.
const DISK: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(50);

impl<'a> Engine<'a> {
    fn new(
        plan: &'a Plan,
        layout: &'a Layout,
        options: &'a RunOptions,
        around: Surroundings<'a>,
    ) -> Result<Self, Error> {
        let mut measured = Measured::default();
        for record in read_all(layout)? {
            measured.learn(&record);
        }
        for stage in &plan.stages {
            let most = options.budget.memory.saturating_sub(HEAD_MEMORY + crate::budget::WORKER_MEMORY);
            if stage.memory.0 > most {
                return Err(Error::OverBudget {
                    stage: stage.name.clone(),
                    what: "memory",
                    need: stage.memory.to_string(),
                    budget: crate::Bytes(options.budget.memory).to_string(),
                });
            }
        }
        // Seen before anything is started, and before orphans fall to us.
        let strangers = tree::children(std::process::id()).into_iter().collect();
        tree::adopt_orphans().map_err(|source| Error::io("/proc/self", "adopt orphaned processes", source))?;
        let (staff, events) = Hands::new(plan, layout, options)?;
        Ok(Self {
            plan,
            layout,
            options,
            around,
            given: Given {
                work: layout.work().to_owned(),
                program: options.program.clone(),
                version: options.version.clone(),
            },
            me: Owner::current()?,
            sets: Vec::new(),
            by_name: HashSet::new(),
            more: true,
            fed: None,
            night_begun: false,
            claims: Claims::new(),
            measured,
            staff,
            running: BTreeMap::new(),
            events,
            summary: Summary { run: options.run.clone(), memory_budget: options.budget.memory, ..Summary::default() },
            started: Instant::now(),
            disk: (None, 0),
            halted: false,
            low_on_disk: false,
            used: None,
            cgroup: match options.executor {
                Executor::Here => RunGroup::make(options.budget.memory.saturating_sub(HEAD_MEMORY)),
                Executor::Slurm(_) => None,
            },
            strangers,
        })
    }

    fn tell(&mut self, event: &Event) {
        (self.around.tell)(event);
    }

    /// Processes below this one that no stage started.
    fn spared(&self) -> BTreeSet<u32> {
        self.around.observer.processes().union(&self.strangers).copied().collect()
    }

    fn go(&mut self) -> Result<Summary, Error> {
        self.tell(&Event::RunStarted { run: self.options.run.clone(), budget: self.options.budget });
        let mut result = self.until_the_end();
        // Whatever happened, nothing that was started stays behind.
        self.staff.stop_all();
        while !self.staff.is_empty() {
            match self.events.recv_timeout(TICK) {
                // The first failure is the one to report.
                Ok((id, heard)) => result = result.and(self.hear(id, heard)),
                Err(_) => self.staff.end_the_slow(Duration::from_secs_f64(self.options.grace_seconds + 5.0)),
            }
        }
        tree::end_all(&self.spared(), Duration::ZERO);
        result?;
        self.summary.seconds = self.started.elapsed().as_secs_f64();
        let over = |state: &SetState| state.phase == Phase::Over;
        self.summary.unfinished =
            self.sets.iter().filter(|state| !over(state)).map(|state| state.set.name.clone()).collect();
        self.tell(&Event::RunEnded { summary: self.summary.clone() });
        Ok(self.summary.clone())
    }

    fn until_the_end(&mut self) -> Result<(), Error> {
        loop {
            if let Some(signal) = (self.around.stop)() {
                self.summary.stopped_by = Some(signal);
                return Ok(());
            }
            self.feed()?;
            if !self.halted {
                self.advance_all()?;
            }
            self.report_usage();
            if self.running.is_empty() {
                let is_over = self.halted || self.sets.iter().all(|state| state.phase == Phase::Over);
                if is_over && (self.halted || (!self.more && !self.begin_night()?)) {
                    return Ok(());
                }
                if is_over && !self.more {
                    continue;
                }
            }
            match self.events.recv_timeout(TICK) {
                Ok((id, heard)) => {
                    self.hear(id, heard)?;
                    while let Ok((id, heard)) = self.events.try_recv() {
                        self.hear(id, heard)?;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The engine itself holds a sender.
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// What the work folder takes on the disk, looked at every ten seconds.
    fn disk_taken(&mut self) -> u64 {
        if self.disk.0.is_none_or(|at| at.elapsed() > DISK) {
            self.disk = (Some(Instant::now()), crate::program::disk_bytes(self.layout.work()));
        }
        self.disk.1
    }

    fn report_usage(&mut self) {
        if self.used.is_some_and(|used| used.elapsed() < Duration::from_millis(250)) {
            return;
        }
        self.used = Some(Instant::now());
        let memory = self.running.values().map(|running| running.memory).sum::<u64>()
            + tree::usage(&BTreeSet::from([std::process::id()]), 0).memory;
        self.summary.peak_memory = self.summary.peak_memory.max(memory);
        let running = self.running.values().map(|r| (r.job.set.clone(), r.job.stage.clone())).collect();
        let claimed = self.claims.memory();
        self.tell(&Event::Usage { memory, claimed, running });
    }
}
