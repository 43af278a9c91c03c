//! What runs next: every set goes on as far as its inputs and the budget let it.

use std::path::PathBuf;

use super::attempt::doublings;
use super::set::{Phase, SetState};
use super::{DISK, Engine};
use crate::decide::{Decision, Known};
use crate::error::Error;
use crate::event::Event;
use crate::expand::Concrete;
use crate::failure::{Class, Failure};
use crate::plan::{NIGHT, Stage};
use crate::record::State;

impl Engine<'_> {
    /// Lets every set go on as far as it can, those that are further first: a set that ends gives its place back.
    pub(super) fn advance_all(&mut self) -> Result<(), Error> {
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
                // What waits for room on the disk waits until the disk is looked at again.
                let waits = self.low_on_disk && self.disk.0.is_some_and(|at| at.elapsed() < DISK);
                (self.running.is_empty() && !waits) || { self.claims }.take(&need, &admission, self.disk.1)
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

    /// Does what stage `at` of a set needs; `true` when the set can go on at once.
    fn step(&mut self, index: usize, at: usize) -> Result<bool, Error> {
        let plan = self.plan;
        let stage = &plan.stages[at];
        let state = &self.sets[index];
        let Some(concrete) = &state.stages[at] else {
            self.sets[index].phase = Phase::At(at + 1);
            return Ok(true);
        };
        if state.retired && state.records.get(&stage.name).is_some_and(|record| record.state != State::Failed) {
            return Ok(self.is_up_to_date(index, at));
        }
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
            Decision::UpToDate => Ok(self.is_up_to_date(index, at)),
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
            Decision::Missing { what } if state.retired => {
                let set = state.set.name.clone();
                let reason = format!("{what} was retired before this stage; `contimg retry {set}` makes it again");
                self.summary.retired.push((set, stage.name.clone()));
                self.stop_set(index, stage, reason);
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

    /// Stage `at` of a set needs nothing; the set goes on at once.
    fn is_up_to_date(&mut self, index: usize, at: usize) -> bool {
        let (set, stage) = (self.sets[index].set.name.clone(), self.plan.stages[at].name.clone());
        self.sets[index].phase = Phase::At(at + 1);
        self.summary.up_to_date += 1;
        self.tell(&Event::UpToDate { set, stage });
        true
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
