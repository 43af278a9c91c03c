//! How long a run will still take: from what its stages took, in this run and before.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator::{Event, Plan, Record, Scope, State};

/// Follows a run. Times are seconds on any clock that does not jump.
pub(super) struct Estimate {
    stages: Vec<String>,
    /// Sum of seconds, and how many, of the attempts that made each stage's product.
    took: BTreeMap<String, (f64, u32)>,
    pending: BTreeSet<(String, String)>,
    running: BTreeMap<(String, String), f64>,
    /// Of this run.
    started: f64,
    worked: f64,
    any_set_done: bool,
}

impl Estimate {
    /// Of a run of `plan` that starts at `now`; `before` is what earlier runs left.
    pub(super) fn new(plan: &Plan, before: &[Record], now: f64) -> Self {
        let of_sets = plan.stages.iter().filter(|stage| stage.scope == Scope::Set);
        let mut estimate = Self {
            stages: of_sets.map(|stage| stage.name.clone()).collect(),
            took: BTreeMap::new(),
            pending: BTreeSet::new(),
            running: BTreeMap::new(),
            started: now,
            worked: 0.0,
            any_set_done: false,
        };
        before.iter().for_each(|record| estimate.learn(record));
        estimate
    }

    fn learn(&mut self, record: &Record) {
        if let Some(attempt) = record.attempts.last().filter(|_| record.state == State::Done) {
            let (sum, count) = self.took.entry(record.stage.clone()).or_default();
            (*sum, *count) = (*sum + attempt.seconds, *count + 1);
        }
    }

    pub(super) fn note(&mut self, event: &Event, now: f64) {
        let key = |set: &String, stage: &String| (set.clone(), stage.clone());
        match event {
            Event::SetsFound { sets } => {
                for set in sets {
                    self.pending.extend(self.stages.iter().map(|stage| key(set, stage)));
                }
            }
            Event::Started { set, stage, .. } => {
                self.running.insert(key(set, stage), now);
            }
            Event::Ended { record } | Event::TriedAgain { record } => {
                let key = key(&record.set, &record.stage);
                self.running.remove(&key);
                self.worked += record.attempts.last().map_or(0.0, |attempt| attempt.seconds);
                self.learn(record);
                if matches!(event, Event::Ended { .. }) {
                    self.pending.remove(&key);
                }
            }
            Event::UpToDate { set, stage } => {
                self.pending.remove(&key(set, stage));
            }
            Event::SetDone { set } | Event::SetStopped { set, .. } => {
                self.any_set_done = true;
                self.pending.retain(|(pending, _)| pending != set);
            }
            _ => {}
        }
    }

    fn usual(&self, stage: &str) -> Option<f64> {
        self.took.get(stage).map(|(sum, count)| sum / f64::from(*count))
    }

    /// Seconds that are left; `None` while there is a stage of which nothing is known yet.
    pub(super) fn left(&self, now: f64) -> Option<f64> {
        // Once a set went all the way, stages that were never seen are none that sets get.
        if !self.any_set_done && self.stages.iter().any(|stage| self.usual(stage).is_none()) {
            return None;
        }
        let all: f64 = self.pending.iter().filter_map(|(_, stage)| self.usual(stage)).sum();
        let under_way: f64 = self.running.values().map(|started| now - started).sum();
        let spent: f64 =
            self.running.iter().filter_map(|((_, stage), started)| Some(self.usual(stage)?.min(now - started))).sum();
        // So much of the stages' time passes in a second.
        let at_once = ((self.worked + under_way) / (now - self.started).max(0.1)).max(1.0);
        Some((all - spent).max(0.0) / at_once)
    }
}

/// For a person: a unit or two.
pub(super) fn words(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let stage = |name: &str| format!("[[stage]]\nname = \"{name}\"\ncommand = [\"true\"]\n");
        Plan::parse("test", &(stage("first") + &stage("second"))).expect("a plan")
    }

    fn ended(set: &str, stage: &str, seconds: f64) -> Event {
        let record = serde_json::json!({
            "format": 1, "set": set, "stage": stage, "state": "done", "run": "r", "key": "k", "command": [], "inputs": {},
            "outputs": {}, "attempts": [{ "number": 1, "started_unix_s": 0.0, "seconds": seconds, "cpu_seconds": 0.0,
                "peak_memory": 0, "memory_limit": 0, "cores": 1, "output_bytes": 0, "failure": null }],
        });
        Event::Ended { record: serde_json::from_value(record).expect("a record") }
    }

    fn started(set: &str, stage: &str) -> Event {
        let (set, stage, why) = (set.to_owned(), stage.to_owned(), String::new());
        Event::Started { set, stage, attempt: 1, why, memory: 0, cores: 1 }
    }

    #[test]
    fn what_is_left_follows_from_what_stages_took() {
        let mut estimate = Estimate::new(&plan(), &[], 0.0);
        estimate.note(&Event::SetsFound { sets: vec!["a".into(), "b".into()] }, 0.0);
        assert_eq!(estimate.left(0.0), None, "nothing is known yet");
        estimate.note(&started("a", "first"), 0.0);
        estimate.note(&ended("a", "first", 10.0), 10.0);
        assert_eq!(estimate.left(10.0), None, "nothing is known of the second stage");
        estimate.note(&started("a", "second"), 10.0);
        estimate.note(&ended("a", "second", 4.0), 14.0);
        assert_eq!(estimate.left(14.0), Some(14.0), "the other set");
        estimate.note(&Event::SetDone { set: "a".into() }, 14.0);
        estimate.note(&started("b", "first"), 14.0);
        assert_eq!(estimate.left(20.0), Some(8.0), "six seconds of ten are over");
        estimate.note(&ended("b", "first", 10.0), 24.0);
        estimate.note(&Event::SetDone { set: "b".into() }, 24.0);
        assert_eq!(estimate.left(24.0), Some(0.0));
    }

    #[test]
    fn two_at_once_take_half_as_long() {
        let Event::Ended { record: first } = ended("x", "first", 10.0) else { panic!("it is one") };
        let Event::Ended { record: second } = ended("x", "second", 10.0) else { panic!("it is one") };
        let mut estimate = Estimate::new(&plan(), &[*first, *second], 0.0);
        estimate.note(&Event::SetsFound { sets: ["a", "b", "c", "d"].map(str::to_owned).to_vec() }, 0.0);
        for set in ["a", "b"] {
            estimate.note(&started(set, "first"), 0.0);
        }
        // Eight stages of ten seconds, ten of them spent, two at a time.
        assert_eq!(estimate.left(5.0), Some(35.0));
        assert_eq!([words(35.2), words(125.0), words(7260.0)], ["35 s", "2 min 05 s", "2 h 01 min"]);
    }
}
