//! The head of a run: which stage of which set runs next, in which worker process, and what follows from its end.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use publish::Owner;

use crate::budget::{Budget, Claims, HEAD_MEMORY, Measured, Need};
use crate::cgroup::RunGroup;
use crate::decide::{Decision, Known};
use crate::error::Error;
use crate::event::{Event, Summary};
use crate::expand::{Concrete, Given, concrete, finish};
use crate::failure::{Class, Failure};
use crate::hands::{Before, Executor, Hands};
use crate::job::{Job, Limits, Message};
use crate::layout::Layout;
use crate::lock::{Asked, SetLock};
use crate::plan::{DataSet, NIGHT, Plan, Scope, Stage};
use crate::record::{Attempt, FORMAT, Record, State, read_all};
use crate::resource::{Observe, Signatures};
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

/// How far a set is.
#[derive(Debug, PartialEq)]
enum Phase {
    /// Its next stage has this number.
    At(usize),
    /// A worker does the stage of this number.
    Running(usize),
    /// It goes no further in this run.
    Over,
}

struct SetState {
    set: DataSet,
    stages: Vec<Option<Concrete>>,
    records: BTreeMap<String, Record>,
    phase: Phase,
    lock: Option<SetLock>,
    /// It is held by another run, and was told to be.
    taken: bool,
    asked: Option<Instant>,
    /// Attempts of the present stage in this run.
    attempts: Vec<Attempt>,
    /// What skipped stages would have written.
    skipped: HashSet<String>,
    failed: bool,
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
}

struct Running {
    set: usize,
    stage: usize,
    need: Need,
    memory: u64,
    job: Job,
    record: Option<Record>,
    /// An earlier head began it: what follows from its end is decided anew.
    is_found: bool,
}

/// A set that another run holds is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// New sets are looked for this often while there may be more.
const FEED: Duration = Duration::from_secs(2);
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
        })
    }

    fn tell(&mut self, event: &Event) {
        (self.around.tell)(event);
    }

    fn go(&mut self) -> Result<Summary, Error> {
        self.tell(&Event::RunStarted { run: self.options.run.clone(), budget: self.options.budget });
        let result = self.until_the_end();
        // Whatever happened, nothing that was started stays behind.
        self.staff.stop_all();
        while !self.staff.is_empty() {
            match self.events.recv_timeout(TICK) {
                Ok((id, heard)) => self.hear(id, heard)?,
                Err(_) => self.staff.end_the_slow(Duration::from_secs_f64(self.options.grace_seconds + 5.0)),
            }
        }
        tree::end_all(&self.around.observer.processes(), Duration::ZERO);
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

    /// Asks for new sets, unless enough are waiting.
    fn feed(&mut self) -> Result<(), Error> {
        let waiting = self.sets.iter().filter(|state| state.phase != Phase::Over).count();
        if !self.more || waiting >= self.options.open_sets || self.fed.is_some_and(|fed| fed.elapsed() < FEED) {
            return Ok(());
        }
        self.fed = Some(Instant::now());
        let feed = (self.around.feed)()?;
        self.more = feed.more;
        for text in feed.notes {
            self.tell(&Event::Note { text });
        }
        let mut names = Vec::new();
        for set in feed.sets {
            if self.by_name.insert(set.name.clone()) {
                names.push(set.name.clone());
                self.add(set, Scope::Set)?;
            }
        }
        if !names.is_empty() {
            self.tell(&Event::SetsFound { sets: names });
        }
        Ok(())
    }

    fn add(&mut self, set: DataSet, scope: Scope) -> Result<(), Error> {
        let done: Vec<DataSet> = match scope {
            Scope::Set => vec![set.clone()],
            Scope::Night => {
                let is_done = |state: &&SetState| state.phase == Phase::Over && !state.failed;
                self.sets.iter().filter(is_done).map(|state| state.set.clone()).collect()
            }
        };
        let sets: Vec<&DataSet> = done.iter().collect();
        let mut stages = Vec::new();
        for stage in &self.plan.stages {
            let is_meant = stage.scope == scope
                && stage.only_with.as_ref().is_none_or(|name| match name.as_str() {
                    "files" => !set.files.is_empty(),
                    name => set.vars.contains_key(name) || self.plan.vars.contains_key(name),
                });
            stages.push(match is_meant {
                true => Some(concrete(self.plan, stage, &sets, &self.given)?),
                false => None,
            });
            if self.options.until.as_ref() == Some(&stage.name) {
                break;
            }
        }
        self.sets.push(SetState {
            set,
            stages,
            records: BTreeMap::new(),
            phase: Phase::At(0),
            lock: None,
            taken: false,
            asked: None,
            attempts: Vec::new(),
            skipped: HashSet::new(),
            failed: false,
        });
        Ok(())
    }

    /// Adds the stages of the whole night, once. `false` when there is nothing (more) of that.
    fn begin_night(&mut self) -> Result<bool, Error> {
        let has = self.plan.stages.iter().any(|stage| stage.scope == Scope::Night);
        let any_done = self.sets.iter().any(|state| state.phase == Phase::Over && !state.failed);
        if !has || self.night_begun || !any_done {
            return Ok(false);
        }
        self.night_begun = true;
        let night = DataSet { name: NIGHT.to_owned(), files: Vec::new(), vars: BTreeMap::new() };
        self.add(night, Scope::Night)?;
        Ok(true)
    }

    /// Lets every set go on as far as it can, those that are further first: a set that ends gives its place back.
    fn advance_all(&mut self) -> Result<(), Error> {
        let mut order: Vec<(usize, usize)> = Vec::new();
        for (index, state) in self.sets.iter().enumerate() {
            if let Phase::At(stage) = state.phase {
                order.push((stage, index));
            }
        }
        order.sort_by_key(|&(stage, index)| (std::cmp::Reverse(stage), index));
        let mut open = self.sets.iter().filter(|state| state.lock.is_some() && state.phase != Phase::Over).count();
        for (_, index) in order {
            if self.running.len() >= self.most_at_once() {
                break;
            }
            let is_new = self.sets[index].lock.is_none();
            if (is_new && open >= self.options.open_sets) || !self.has_room(index) {
                continue;
            }
            self.advance(index)?;
            let state = &mut self.sets[index];
            if is_new && state.attempts.is_empty() && matches!(state.phase, Phase::At(_)) && state.lock.is_some() {
                // It found no room after all: another run may take it meanwhile.
                state.lock = None;
            }
            open += usize::from(is_new && self.sets[index].lock.is_some());
        }
        Ok(())
    }

    /// So many attempts run at the same time at most.
    fn most_at_once(&self) -> usize {
        if self.staff.are_here() { self.options.budget.cores as usize * 4 } else { usize::MAX }
    }

    /// Whether the budget has room for the next stage of a set, if that has to run.
    fn has_room(&self, index: usize) -> bool {
        let state = &self.sets[index];
        let Phase::At(at) = state.phase else { return false };
        match (self.plan.stages.get(at), state.stages.get(at)) {
            (Some(stage), Some(Some(_))) => {
                let need = self.measured.need(stage, &self.options.budget, doublings(&state.attempts));
                let admission = self.staff.admission(&self.options.budget);
                self.running.is_empty() || { self.claims }.take(&need, &admission, self.disk.1)
            }
            _ => true,
        }
    }

    /// Lets one set go on until a stage of it runs or waits, or it is over.
    fn advance(&mut self, index: usize) -> Result<(), Error> {
        if !self.lock(index)? {
            return Ok(());
        }
        while let Phase::At(at) = self.sets[index].phase {
            if at >= self.sets[index].stages.len() {
                let name = self.sets[index].set.name.clone();
                self.over(index);
                if name != NIGHT {
                    self.summary.done.push(name.clone());
                }
                self.tell(&Event::SetDone { set: name });
                return Ok(());
            }
            if !self.step(index, at)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks for the set's lock, not too often, and with it reads what is known of the set.
    fn lock(&mut self, index: usize) -> Result<bool, Error> {
        let state = &mut self.sets[index];
        if state.lock.is_some() {
            return Ok(true);
        }
        if state.asked.is_some_and(|asked| asked.elapsed() < ASK_AGAIN) {
            return Ok(false);
        }
        state.asked = Some(Instant::now());
        match SetLock::ask(&self.layout.lock(&state.set.name), &self.me)? {
            Asked::Held(lock) => {
                state.lock = Some(lock);
                // Another run may have worked on it until now.
                state.records.clear();
                for (stage, concrete) in self.plan.stages.iter().zip(&state.stages) {
                    if concrete.is_some()
                        && let Some(record) = Record::read(&self.layout.record(&state.set.name, &stage.name))?
                    {
                        state.records.insert(stage.name.clone(), record);
                    }
                }
                match self.staff.before(&self.sets[index].set.name)? {
                    Before::Free => Ok(true),
                    Before::GoesOn(id, job) => {
                        self.go_on(index, id, *job);
                        Ok(false)
                    }
                    Before::Taken(holder) => {
                        self.sets[index].lock = None;
                        self.taken(index, holder);
                        Ok(false)
                    }
                }
            }
            Asked::Taken(owner) => {
                self.taken(index, owner.map_or_else(|| "another run".to_owned(), |owner| owner.to_string()));
                Ok(false)
            }
        }
    }

    /// Tells once that somebody else works on a set.
    fn taken(&mut self, index: usize, holder: String) {
        if !std::mem::replace(&mut self.sets[index].taken, true) {
            let set = self.sets[index].set.name.clone();
            self.tell(&Event::SetTaken { set, holder });
        }
    }

    /// Waits for what an earlier head began.
    fn go_on(&mut self, index: usize, id: u64, job: Job) {
        let stage = self.plan.stages.iter().position(|stage| stage.name == job.stage).unwrap_or(0);
        let need = Need { memory: job.limits.memory, cores: job.limits.cores, disk: job.limits.disk.unwrap_or(0) };
        self.claims.add(&need);
        self.running.insert(id, Running { set: index, stage, need, memory: 0, job, record: None, is_found: true });
        self.sets[index].phase = Phase::Running(stage);
    }

    /// Does what stage `at` of a set needs; `true` when the set can go on at once.
    fn step(&mut self, index: usize, at: usize) -> Result<bool, Error> {
        let plan = self.plan;
        let stage = &plan.stages[at];
        let state = &self.sets[index];
        let Some(concrete) = &state.stages[at] else {
            self.sets[index].phase = Phase::At(at + 1);
            return Ok(true);
        };
        if let Some(note) = self.skip_reason(stage, state, concrete) {
            let written: Vec<String> = concrete.outputs(self.layout.work()).into_iter().map(|(key, _)| key).collect();
            let record = self.outcome(index, at, State::Skipped, None, Some(note.clone()))?;
            let state = &mut self.sets[index];
            state.skipped.extend(written);
            state.phase = Phase::At(at + 1);
            self.summary.skipped.push((stage.name.clone(), note));
            self.tell(&Event::Ended { record: Box::new(record) });
            return Ok(true);
        }
        let stages: Vec<(&str, &Concrete)> = self
            .plan
            .stages
            .iter()
            .zip(&state.stages)
            .filter_map(|(stage, concrete)| Some((stage.name.as_str(), concrete.as_ref()?)))
            .collect();
        let here = stages.iter().position(|(name, _)| *name == stage.name).expect("because its concrete form is there");
        let known = Known {
            work: self.layout.work(),
            stages: &stages,
            records: &state.records,
            observer: self.around.observer,
        };
        match known.decide(here, &self.options.run)? {
            Decision::UpToDate => {
                let set = state.set.name.clone();
                self.sets[index].phase = Phase::At(at + 1);
                self.summary.up_to_date += 1;
                self.tell(&Event::UpToDate { set, stage: stage.name.clone() });
                Ok(true)
            }
            Decision::PassOver { class } => {
                let set = state.set.name.clone();
                self.summary.passed_over.push((set.clone(), stage.name.clone(), class));
                self.stop_set(
                    index,
                    stage,
                    format!("it failed in an earlier run ({class}) and its inputs are the same"),
                );
                Ok(false)
            }
            Decision::Missing { what } => {
                let failure = Failure::new(Class::Input, format!("it reads {what}, which is not there"));
                let record = self.outcome(index, at, State::Failed, Some(failure.clone()), None)?;
                self.tell(&Event::Ended { record: Box::new(record) });
                self.fail_set(index, stage, &failure);
                Ok(false)
            }
            Decision::Run { why, inputs } => self.start(index, at, why, inputs),
        }
    }

    /// Why a stage is passed over, if it is.
    fn skip_reason(&self, stage: &Stage, state: &SetState, concrete: &Concrete) -> Option<String> {
        let work = self.layout.work();
        if let Some(missing) = concrete.reads.iter().map(|read| read.key(work)).find(|key| state.skipped.contains(key))
        {
            return Some(format!("{} skipped: it reads {missing}, whose stage was skipped", stage.name));
        }
        let note = stage.skip_without_program.as_ref()?;
        (!is_installed(&concrete.command[0])).then(|| format!("{} skipped: {note}", stage.name))
    }

    /// Starts an attempt if the budget has room for it. Always `false`: the set waits.
    fn start(&mut self, index: usize, at: usize, why: String, inputs: Signatures) -> Result<bool, Error> {
        let stage = &self.plan.stages[at];
        let state = &self.sets[index];
        let need = self.measured.need(stage, &self.options.budget, doublings(&state.attempts));
        let taken = if self.options.budget.disk.is_some() { self.disk_taken() } else { 0 };
        if !self.claims.take(&need, &self.staff.admission(&self.options.budget), taken) {
            if self.running.is_empty() && self.more {
                // What follows a folder waits until there is room.
                if !std::mem::replace(&mut self.low_on_disk, true) {
                    let text = format!("the disk budget has no room for {}: waiting", stage.name);
                    self.tell(&Event::Note { text });
                }
                return Ok(false);
            }
            if self.running.is_empty() {
                return Err(Error::OverBudget {
                    stage: stage.name.clone(),
                    what: "disk",
                    need: crate::Bytes(need.disk).to_string(),
                    budget: crate::Bytes(self.options.budget.disk.unwrap_or(0).saturating_sub(taken)).to_string(),
                });
            }
            return Ok(false);
        }
        self.low_on_disk = false;
        let state = &self.sets[index];
        let concrete = state.stages[at].as_ref().expect("because only such stages start");
        let scratch = self.layout.scratch(&state.set.name, &stage.name);
        let ready = |arguments: &Vec<String>| finish(arguments, need.cores, need.memory, &scratch);
        let job = Job {
            run: self.options.run.clone(),
            set: state.set.name.clone(),
            stage: stage.name.clone(),
            work: self.layout.work().to_owned(),
            earlier: state.attempts.clone(),
            command: ready(&concrete.command),
            check_before: concrete.check_before.iter().map(ready).collect(),
            check_after: concrete.check_after.iter().map(ready).collect(),
            env: concrete.env.clone(),
            product: concrete.product.clone(),
            writes: concrete.writes.clone(),
            key: concrete.key.clone(),
            inputs,
            exit_codes: stage.exit_codes.clone(),
            cgroup: self.cgroup.as_ref().map(|group| group.folder().to_owned()),
            limits: Limits {
                memory: need.memory,
                cores: need.cores,
                disk: stage.disk.map(|disk| disk.0),
                seconds: stage.timeout.0,
                output: stage.max_output.0,
                reserve: self.options.budget.reserve,
                grace_seconds: self.options.grace_seconds,
            },
        };
        let lock = state.lock.as_ref().expect("because the set was locked before it went on");
        let id = self.staff.start(&job, lock)?;
        let event = Event::Started {
            set: job.set.clone(),
            stage: job.stage.clone(),
            attempt: state.attempts.len() as u32 + 1,
            why,
            memory: need.memory,
            cores: need.cores,
        };
        self.running.insert(id, Running { set: index, stage: at, need, memory: 0, job, record: None, is_found: false });
        self.sets[index].phase = Phase::Running(at);
        self.summary.attempts += 1;
        self.tell(&event);
        Ok(false)
    }

    fn hear(&mut self, id: u64, heard: Heard) -> Result<(), Error> {
        match heard {
            Heard::Said(Message::Sample { memory, .. }) => {
                if let Some(running) = self.running.get_mut(&id) {
                    running.memory = memory;
                }
                Ok(())
            }
            Heard::Said(Message::Ended(record)) => {
                if let Some(running) = self.running.get_mut(&id) {
                    running.record = Some(*record);
                    return self.ended(id, String::new());
                }
                Ok(())
            }
            Heard::Note(text) => {
                self.tell(&Event::Note { text });
                Ok(())
            }
            Heard::Closed => {
                let helpers = self.around.observer.processes();
                let how = self.staff.dismiss(id, &helpers);
                self.staff.reap(&helpers);
                self.ended(id, how)
            }
        }
    }

    /// An attempt has ended: what follows from it.
    fn ended(&mut self, id: u64, how: String) -> Result<(), Error> {
        let Some(running) = self.running.remove(&id) else { return Ok(()) };
        self.claims.give_back(&running.need);
        let (index, at) = (running.set, running.stage);
        let record = match running.record {
            Some(record) => record,
            None => self.lost(&running, how)?,
        };
        let stage = &self.plan.stages[at];
        self.measured.learn(&record);
        self.summary.peak_memory = self.summary.peak_memory.max(record.peak_memory() + HEAD_MEMORY);
        let state = &mut self.sets[index];
        if running.is_found && record.class() != Some(Class::Stopped) {
            state.records.insert(stage.name.clone(), record.clone());
            state.phase = Phase::At(0);
            self.tell(&Event::Ended { record: Box::new(record) });
            return Ok(());
        }
        let Some(failure) = record.failure().cloned() else {
            state.records.insert(stage.name.clone(), record.clone());
            state.attempts.clear();
            state.phase = Phase::At(at + 1);
            self.tell(&Event::Ended { record: Box::new(record) });
            return Ok(());
        };
        if failure.class == Class::Stopped {
            // What was known of it stays. Another run may have it by now.
            state.phase = Phase::At(at);
            if !self.staff.are_here() {
                state.lock = None;
            }
            return Ok(());
        }
        state.records.insert(stage.name.clone(), record.clone());
        state.attempts.clone_from(&record.attempts);
        let of_class = record.attempts.iter().filter(|attempt| is_of(attempt, failure.class)).count() as u32;
        let extra = if failure.class == Class::Exit { stage.retries } else { 0 };
        let had_all = failure.class == Class::Memory
            && running.need.memory >= self.options.budget.memory - HEAD_MEMORY - crate::budget::WORKER_MEMORY;
        if of_class <= failure.class.retries() + extra && !had_all && (self.around.stop)().is_none() {
            state.phase = Phase::At(at);
            self.tell(&Event::TriedAgain { record: Box::new(record) });
            return Ok(());
        }
        self.tell(&Event::Ended { record: Box::new(record) });
        self.fail_set(index, stage, &failure);
        if failure.class == Class::Disk
            && crate::worker::is_full(self.layout.work(), self.options.budget.reserve.max(4 << 20))
        {
            self.halted = true;
            self.tell(&Event::Note { text: "the disk is full: nothing new is begun".to_owned() });
        }
        Ok(())
    }

    /// The record of an attempt whose worker ended without a word.
    fn lost(&self, running: &Running, how: String) -> Result<Record, Error> {
        let job = &running.job;
        let mut attempts = job.earlier.clone();
        attempts.push(Attempt {
            number: attempts.len() as u32 + 1,
            failure: Some(Failure::new(Class::Lost, format!("the worker process {how}, without a word"))),
            memory_limit: running.need.memory,
            cores: running.need.cores,
            peak_memory: running.memory,
            ..no_attempt()
        });
        let record = Record {
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
        };
        record.write(&self.layout.record(&job.set, &job.stage))?;
        Ok(record)
    }

    /// Writes the record of a stage that did not run.
    fn outcome(
        &mut self,
        index: usize,
        at: usize,
        state: State,
        failure: Option<Failure>,
        note: Option<String>,
    ) -> Result<Record, Error> {
        let stage = &self.plan.stages[at];
        let set = &self.sets[index];
        let concrete = set.stages[at].as_ref();
        let attempts = failure.map(|failure| Attempt { number: 1, failure: Some(failure), ..no_attempt() });
        let record = Record {
            format: FORMAT,
            set: set.set.name.clone(),
            stage: stage.name.clone(),
            state,
            run: self.options.run.clone(),
            key: concrete.map(|concrete| concrete.key.clone()).unwrap_or_default(),
            command: concrete.map(|concrete| concrete.command.clone()).unwrap_or_default(),
            inputs: Signatures::new(),
            outputs: Signatures::new(),
            attempts: attempts.into_iter().collect(),
            note,
        };
        record.write(&self.layout.record(&record.set, &record.stage))?;
        self.sets[index].records.insert(stage.name.clone(), record.clone());
        Ok(record)
    }

    fn fail_set(&mut self, index: usize, stage: &Stage, failure: &Failure) {
        let set = self.sets[index].set.name.clone();
        self.summary.failed.push((set, stage.name.clone(), failure.class));
        self.stop_set(index, stage, failure.to_string());
    }

    fn stop_set(&mut self, index: usize, stage: &Stage, reason: String) {
        self.sets[index].failed = true;
        self.over(index);
        let set = self.sets[index].set.name.clone();
        self.tell(&Event::SetStopped { set, stage: stage.name.clone(), reason });
    }

    fn over(&mut self, index: usize) {
        let state = &mut self.sets[index];
        state.phase = Phase::Over;
        state.lock = None;
        // What it was made concrete with is not needed any more; sets may be many.
        state.stages = Vec::new();
        state.records.clear();
    }

    /// What the work folder takes on the disk, looked at every ten seconds.
    fn disk_taken(&mut self) -> u64 {
        if self.disk.0.is_none_or(|at| at.elapsed() > Duration::from_secs(10)) {
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

/// How often the memory was doubled for these attempts.
fn doublings(attempts: &[Attempt]) -> u32 {
    u32::try_from(attempts.iter().filter(|attempt| is_of(attempt, Class::Memory)).count()).unwrap_or(u32::MAX)
}

fn is_of(attempt: &Attempt, class: Class) -> bool {
    attempt.failure.as_ref().is_some_and(|failure| failure.class == class)
}

fn no_attempt() -> Attempt {
    Attempt {
        number: 1,
        started_unix_s: std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64(),
        seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory: 0,
        memory_limit: 0,
        cores: 0,
        output_bytes: 0,
        failure: None,
    }
}

/// Whether a program can be found, as the system finds it.
pub(crate) fn is_installed(program: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let is_executable = |path: PathBuf| {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return is_executable(program.into());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| is_executable(folder.join(program)))
}
