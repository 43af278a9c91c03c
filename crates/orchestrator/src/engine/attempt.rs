//! Attempts: started, heard, and what follows from their end.

use super::Engine;
use super::set::Phase;
use crate::budget::{HEAD_MEMORY, Need};
use crate::error::Error;
use crate::event::Event;
use crate::expand::finish;
use crate::failure::{Class, Failure};
use crate::job::{Job, Limits, Message};
use crate::record::{Attempt, FORMAT, Record, State};
use crate::resource::Signatures;
use crate::staff::Heard;

pub(super) struct Running {
    pub(super) set: usize,
    pub(super) stage: usize,
    pub(super) need: Need,
    pub(super) memory: u64,
    pub(super) job: Job,
    pub(super) record: Option<Record>,
    /// An earlier head began it: what follows from its end is decided anew.
    pub(super) is_found: bool,
}

impl Engine<'_> {
    /// Starts an attempt if the budget has room for it. Always `false`: the set waits.
    pub(super) fn start(&mut self, index: usize, at: usize, why: String, inputs: Signatures) -> Result<bool, Error> {
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
        let ready = |arguments: &Vec<String>| -> Vec<String> {
            arguments.iter().map(|argument| finish(argument, need.cores, need.memory)).collect()
        };
        let job = Job {
            run: self.options.run.clone(),
            set: state.set.name.clone(),
            stage: stage.name.clone(),
            work: self.layout.work().to_owned(),
            earlier: state.attempts.clone(),
            command: ready(&concrete.command),
            check_before: concrete.check_before.iter().map(ready).collect(),
            then: concrete.then.iter().map(ready).collect(),
            check_after: concrete.check_after.iter().map(ready).collect(),
            env: concrete
                .env
                .iter()
                .map(|(name, value)| (name.clone(), finish(value, need.cores, need.memory)))
                .collect(),
            product: concrete.product.clone(),
            writes: concrete.writes.clone(),
            key: concrete.key.clone(),
            inputs,
            anew: state.records.get(&stage.name).is_some_and(|record| record.again),
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

    /// Waits for what an earlier head began.
    pub(super) fn go_on(&mut self, index: usize, id: u64, job: Job) {
        let stage = self.plan.stages.iter().position(|stage| stage.name == job.stage).unwrap_or(0);
        let need = Need { memory: job.limits.memory, cores: job.limits.cores, disk: job.limits.disk.unwrap_or(0) };
        self.claims.add(&need);
        self.running.insert(id, Running { set: index, stage, need, memory: 0, job, record: None, is_found: true });
        self.sets[index].phase = Phase::Running(stage);
    }

    pub(super) fn hear(&mut self, id: u64, heard: Heard) -> Result<(), Error> {
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
                let spared = self.spared();
                let how = self.staff.dismiss(id, &spared);
                self.staff.reap(&spared);
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
        let attempt = Attempt {
            failure: Some(Failure::new(Class::Lost, format!("the worker process {how}, without a word"))),
            memory_limit: running.need.memory,
            cores: running.need.cores,
            peak_memory: running.memory,
            ..Attempt::begun()
        };
        let record = job.record(attempt, Signatures::new());
        record.write(&self.layout.record(&job.set, &job.stage))?;
        Ok(record)
    }

    /// Writes the record of a stage that did not run.
    pub(super) fn outcome(
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
        let attempts = failure.map(|failure| Attempt { failure: Some(failure), ..Attempt::begun() });
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
            again: false,
        };
        record.write(&self.layout.record(&record.set, &record.stage))?;
        self.sets[index].records.insert(stage.name.clone(), record.clone());
        Ok(record)
    }
}

/// How often the memory was doubled for these attempts.
pub(super) fn doublings(attempts: &[Attempt]) -> u32 {
    u32::try_from(attempts.iter().filter(|attempt| is_of(attempt, Class::Memory)).count()).unwrap_or(u32::MAX)
}

fn is_of(attempt: &Attempt, class: Class) -> bool {
    attempt.failure.as_ref().is_some_and(|failure| failure.class == class)
}
