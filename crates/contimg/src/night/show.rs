//! A run for people: a status line on a terminal, plain lines for everything that happens, and a summary.

use std::{collections::BTreeSet, time::Instant};

use indicatif::ProgressBar;
use orchestrator::{Class, Event, Layout, NIGHT, Plan, Record, State, Summary};

use super::estimate::{Estimate, words};
use crate::{
    notation::count,
    output::{errln, outln},
    progress,
    size::Bytes,
};

pub(super) struct Show {
    quiet: bool,
    bar: ProgressBar,
    budget: u64,
    sets: BTreeSet<String>,
    ended: usize,
    started: Instant,
    estimate: Estimate,
}

impl Show {
    pub(super) fn new(quiet: bool, plan: &Plan, before: &[Record]) -> Self {
        Self {
            quiet,
            bar: progress::bar(0, "looking for data sets", quiet),
            budget: 0,
            sets: BTreeSet::new(),
            ended: 0,
            started: Instant::now(),
            estimate: Estimate::new(plan, before, 0.0),
        }
    }

    /// What is left, where that can be told.
    fn time_left(&self) -> String {
        let left = self.estimate.left(self.started.elapsed().as_secs_f64());
        left.map_or_else(String::new, |seconds| format!(", {} left", words(seconds)))
    }

    pub(super) fn line(&self, text: &str) {
        if !self.quiet {
            let clock = jiff::Timestamp::now().strftime("%H:%M:%S");
            self.bar.suspend(|| errln!("{clock} {text}"));
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.estimate.note(event, self.started.elapsed().as_secs_f64());
        match event {
            Event::RunStarted { run, budget } => {
                self.budget = budget.memory;
                self.line(&format!("run {run}: {} of memory, {}", Bytes(budget.memory), cores_of(budget.cores)));
            }
            Event::SetsFound { sets } => {
                self.sets.extend(sets.iter().cloned());
                self.bar.set_length(self.sets.len() as u64);
                self.line(&count(self.sets.len(), "data set"));
            }
            Event::Started { set, stage, attempt, why, memory, cores } => {
                let again = if *attempt > 1 { format!("attempt {attempt}, ") } else { String::new() };
                self.line(&format!(
                    "{set} {stage}: started ({again}{why}; up to {}, {})",
                    Bytes(*memory),
                    cores_of(*cores)
                ));
            }
            Event::Ended { record } | Event::TriedAgain { record } => {
                let (set, stage) = (&record.set, &record.stage);
                let last = record.attempts.last();
                let seconds = last.map_or(0.0, |attempt| attempt.seconds);
                match (record.state, record.failure()) {
                    (State::Skipped, _) => {
                        self.line(&format!("{set}: {}", record.note.as_deref().unwrap_or("skipped")));
                    }
                    (_, Some(failure)) => {
                        let next = if matches!(event, Event::TriedAgain { .. }) { "; it is tried again" } else { "" };
                        self.line(&format!("{set} {stage}: FAILED after {seconds:.1} s: {failure}{next}"));
                    }
                    _ => {
                        let peak = Bytes(record.peak_memory());
                        self.line(&format!("{set} {stage}: done in {seconds:.1} s, {peak}"));
                    }
                }
            }
            Event::SetDone { set } => self.ended(set),
            Event::SetStopped { set, stage, reason } => {
                self.ended(set);
                self.line(&format!("{set}: stopped at {stage}: {reason}"));
            }
            Event::SetTaken { set, holder } => self.line(&format!("{set}: {holder} works on it; waiting")),
            Event::Note { text } => self.line(&format!("note: {text}")),
            Event::Usage { memory, running, .. } => {
                let now: Vec<String> = running.iter().map(|(set, stage)| format!("{set} {stage}")).collect();
                self.bar.set_message(format!(
                    "{} of {} sets{}, {} of {}; {}",
                    self.ended,
                    self.sets.len(),
                    self.time_left(),
                    Bytes(*memory),
                    Bytes(self.budget),
                    now.join(", ")
                ));
            }
            _ => {}
        }
    }

    fn ended(&mut self, set: &str) {
        if self.sets.contains(set) {
            self.ended += 1;
            self.bar.set_position(self.ended as u64);
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
        tracing::debug!(seconds = self.started.elapsed().as_secs_f64(), "the run ended");
    }

    /// The end of a run, to stdout.
    pub(super) fn summary(summary: &Summary, layout: &Layout) {
        // What is done for the whole night is no set.
        let of_sets = |list: &[(String, String, Class)]| list.iter().filter(|(set, ..)| set != NIGHT).count();
        let unfinished = summary.unfinished.iter().filter(|set| *set != NIGHT).count();
        outln!(
            "{} sets done, {} failed, {} passed over, {unfinished} unfinished; {} attempts, {} stages were up to date; {:.1} s; peak memory {} of {}",
            summary.done.len(),
            of_sets(&summary.failed),
            of_sets(&summary.passed_over),
            summary.attempts,
            summary.up_to_date,
            summary.seconds,
            Bytes(summary.peak_memory),
            Bytes(summary.memory_budget),
        );
        for note in once_a_stage(summary.skipped.iter().map(|(stage, note)| (stage.as_str(), note.as_str()))) {
            outln!("{note}");
        }
        for (title, list) in [("failed", &summary.failed), ("passed over", &summary.passed_over)] {
            for (set, stage, class) in list {
                outln!("{title}: {set} at {stage} ({class}); contimg why {set} --work {}", layout.work().display());
            }
        }
        for (set, stage) in &summary.retired {
            outln!(
                "retired before its stage {stage}: {set}; `contimg retry {set} --work {}` makes it again",
                layout.work().display()
            );
        }
        if summary.unfinished.iter().any(|set| set == NIGHT) {
            outln!("the stages of the whole night are unfinished");
        }
        if let Some(signal) = summary.stopped_by {
            outln!("stopped by signal {signal}; the same command goes on");
        }
    }
}

/// `1 core`, `2 cores`.
fn cores_of(cores: u32) -> String {
    count(cores as usize, "core")
}

/// The first note of each stage, and how many others it has: sets may be many.
pub(super) fn once_a_stage<'a>(notes: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut stages: Vec<(&str, Vec<&str>)> = Vec::new();
    for (stage, note) in notes {
        match stages.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, notes)) if notes.contains(&note) => {}
            Some((_, notes)) => notes.push(note),
            None => stages.push((stage, vec![note])),
        }
    }
    let told = |(_, notes): &(&str, Vec<&str>)| match notes.len() {
        1 => notes[0].to_owned(),
        n => format!("{}; and so for {} more", notes[0], n - 1),
    };
    stages.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::once_a_stage;

    #[test]
    fn notes_are_told_once_a_stage() {
        let notes = [("image", "get it"), ("look", "no a"), ("image", "get it"), ("look", "no b"), ("look", "no c")];
        assert_eq!(once_a_stage(notes.into_iter()), ["get it", "no a; and so for 2 more"]);
    }
}
