//! One budget of memory and cores for the whole process tree, and what stages are expected to need of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{Cores, Stage};
use crate::record::{Record, State};

/// What a run may use in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Bytes of memory of the whole process tree.
    pub memory: u64,
    /// Cores.
    pub cores: u32,
    /// Bytes of disk that the work folder may take, if limited.
    pub disk: Option<u64>,
    /// Bytes that stay free on its disk.
    pub reserve: u64,
}

/// What the head and each worker take themselves: their own heaps, beside program pages that they share.
pub(crate) const HEAD_MEMORY: u64 = 24 << 20;
pub(crate) const WORKER_MEMORY: u64 = 8 << 20;

/// What one attempt claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) memory: u64,
    pub(crate) cores: u32,
    pub(crate) disk: u64,
}

/// Largest memory that each stage was seen to take, and how often it was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured(BTreeMap<String, (u64, u32)>);

impl Measured {
    pub(crate) fn learn(&mut self, record: &Record) {
        if record.state == State::Done && record.peak_memory() > 0 {
            let entry = self.0.entry(record.stage.clone()).or_default();
            *entry = (entry.0.max(record.peak_memory()), entry.1 + 1);
        }
    }

    /// What `stage` is expected to need: what the plan says, corrected by what was measured. `doublings` counts the
    /// attempts that ran out of memory.
    ///
    /// The correction goes up at once. It goes down after three sets, to half more than the largest seen, and not for a
    /// program that is told how much it may take.
    pub(crate) fn need(&self, stage: &Stage, budget: &Budget, doublings: u32) -> Need {
        let planned = stage.memory.0;
        let is_told = stage.command.iter().any(|argument| argument.contains("{memory"));
        let expected = match self.0.get(&stage.name) {
            Some(&(peak, _)) if peak / 10 * 11 > planned => peak / 4 * 5,
            Some(&(peak, seen)) if seen >= 3 && !is_told => (peak / 2 * 3 + (64 << 20)).min(planned),
            _ => planned,
        };
        let most = budget.memory.saturating_sub(HEAD_MEMORY + WORKER_MEMORY);
        let memory = match doublings {
            0 => expected,
            n => expected.max(planned).saturating_mul(1 << n.min(20)),
        };
        let cores = match stage.cores {
            Cores::Number(n) => n.min(budget.cores),
            Cores::Word(_) => budget.cores,
        };
        Need { memory: memory.min(most), cores, disk: stage.disk.map_or(0, |disk| disk.0) }
    }
}

/// What is claimed of a budget now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claims {
    memory: u64,
    cores: u32,
    disk: u64,
}

impl Claims {
    pub(crate) fn new() -> Self {
        Self { memory: HEAD_MEMORY, cores: 0, disk: 0 }
    }

    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// Claims `need` if it fits; `disk_taken` is what the work folder has already.
    pub(crate) fn take(&mut self, need: &Need, budget: &Budget, disk_taken: u64) -> bool {
        let memory = self.memory + need.memory + WORKER_MEMORY;
        let disk = self.disk + need.disk;
        let fits = memory <= budget.memory
            && self.cores + need.cores <= budget.cores
            && budget.disk.is_none_or(|limit| need.disk == 0 || disk_taken + disk <= limit);
        if fits {
            *self = Self { memory, cores: self.cores + need.cores, disk };
        }
        fits
    }

    /// Claims what is in use already.
    pub(crate) fn add(&mut self, need: &Need) {
        self.memory += need.memory + WORKER_MEMORY;
        self.cores += need.cores;
        self.disk += need.disk;
    }

    pub(crate) fn give_back(&mut self, need: &Need) {
        self.memory -= need.memory + WORKER_MEMORY;
        self.cores -= need.cores;
        self.disk -= need.disk;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    const GB: u64 = 1 << 30;
    const BUDGET: Budget = Budget { memory: 4 * GB, cores: 2, disk: None, reserve: 0 };

    fn stage(text: &str) -> Stage {
        let text = format!("[[stage]]\nname = \"s\"\ncommand = [\"x\"]\n{text}");
        Plan::parse("test", &text).expect("a plan").stages.remove(0)
    }

    #[test]
    fn claims_never_exceed_the_budget() {
        let need = Measured::default().need(&stage("memory = \"1900MiB\""), &BUDGET, 0);
        let mut claims = Claims::new();
        assert!(claims.take(&need, &BUDGET, 0) && claims.take(&need, &BUDGET, 0));
        assert!(!claims.take(&need, &BUDGET, 0), "the cores are taken");
        claims.give_back(&need);
        assert!(!claims.take(&Need { memory: 3 * GB, cores: 1, disk: 0 }, &BUDGET, 0), "the memory is taken");
        assert!(claims.memory() <= BUDGET.memory);
    }

    #[test]
    fn predictions_follow_what_was_measured() {
        let mut measured = Measured(BTreeMap::from([("s".to_owned(), (GB, 1))]));
        let small = stage("memory = \"256MiB\"");
        assert_eq!(measured.need(&small, &BUDGET, 0).memory, GB / 4 * 5, "up at once");
        let large = stage("memory = \"3GiB\"");
        assert_eq!(measured.need(&large, &BUDGET, 0).memory, 3 * GB, "not down after one");
        measured.0.insert("s".to_owned(), (GB, 3));
        assert_eq!(measured.need(&large, &BUDGET, 0).memory, GB / 2 * 3 + (64 << 20));
        assert_eq!(measured.need(&small, &BUDGET, 5).memory, BUDGET.memory - HEAD_MEMORY - WORKER_MEMORY);
    }
}
