//! The sets of a run: where they come from, who holds them, and when they go no further.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::Engine;
use crate::error::Error;
use crate::event::Event;
use crate::expand::{Concrete, concrete};
use crate::failure::Failure;
use crate::hands::Before;
use crate::lock::{Asked, SetLock};
use crate::plan::{DataSet, NIGHT, Scope, Stage};
use crate::record::{Attempt, Record};

/// How far a set is.
#[derive(Debug, PartialEq)]
pub(super) enum Phase {
    /// Its next stage has this number.
    At(usize),
    /// A worker does the stage of this number.
    Running(usize),
    /// It goes no further in this run.
    Over,
}

pub(super) struct SetState {
    pub(super) set: DataSet,
    pub(super) stages: Vec<Option<Concrete>>,
    pub(super) records: BTreeMap<String, Record>,
    pub(super) phase: Phase,
    pub(super) lock: Option<SetLock>,
    /// It is held by another run, and was told to be.
    pub(super) taken: bool,
    pub(super) asked: Option<Instant>,
    /// Attempts of the present stage in this run.
    pub(super) attempts: Vec<Attempt>,
    /// What skipped stages would have written.
    pub(super) skipped: HashSet<String>,
    pub(super) failed: bool,
    /// Some of its products were removed to make room; it counts as done.
    pub(super) retired: bool,
}

/// A set that another run holds is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// New sets are looked for this often while there may be more.
const FEED: Duration = Duration::from_millis(250);

impl Engine<'_> {
    /// Asks for new sets, unless enough are waiting.
    pub(super) fn feed(&mut self) -> Result<(), Error> {
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
            retired: false,
        });
        Ok(())
    }

    /// Adds the stages of the whole night, once. `false` when there is nothing (more) of that.
    pub(super) fn begin_night(&mut self) -> Result<bool, Error> {
        let has = self.plan.stages.iter().any(|stage| stage.scope == Scope::Night);
        let any_done = self.sets.iter().any(|state| state.phase == Phase::Over && !state.failed);
        if !has || self.night_begun || !any_done {
            return Ok(false);
        }
        self.night_begun = true;
        let done = self.sets.iter().filter(|state| state.phase == Phase::Over && !state.failed);
        // What no set has, since its stage was skipped, the night cannot have either.
        let skipped = done.clone().flat_map(|state| state.skipped.iter().cloned()).collect();
        let sets = done.map(|state| state.set.name.clone()).collect();
        let night = DataSet { name: NIGHT.to_owned(), files: Vec::new(), vars: BTreeMap::new() };
        self.add(night, Scope::Night)?;
        if let Some(state) = self.sets.last_mut() {
            state.skipped = skipped;
        }
        if self.sets.last().is_some_and(|state| state.stages.iter().any(Option::is_some)) {
            self.tell(&Event::NightBegins { sets });
        }
        Ok(true)
    }

    /// Asks for the set's lock, not too often, and with it reads what is known of the set.
    pub(super) fn lock(&mut self, index: usize) -> Result<bool, Error> {
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
                state.retired = self.layout.retired(&state.set.name).exists();
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

    pub(super) fn fail_set(&mut self, index: usize, stage: &Stage, failure: &Failure) {
        let set = self.sets[index].set.name.clone();
        self.summary.failed.push((set, stage.name.clone(), failure.class));
        self.stop_set(index, stage, failure.to_string());
    }

    pub(super) fn stop_set(&mut self, index: usize, stage: &Stage, reason: String) {
        self.sets[index].failed = true;
        self.over(index);
        let set = self.sets[index].set.name.clone();
        self.tell(&Event::SetStopped { set, stage: stage.name.clone(), reason });
    }

    pub(super) fn over(&mut self, index: usize) {
        let state = &mut self.sets[index];
        state.phase = Phase::Over;
        state.lock = None;
        // What it was made concrete with is not needed any more; sets may be many.
        state.stages = Vec::new();
        state.records.clear();
        state.attempts.clear();
    }
}
