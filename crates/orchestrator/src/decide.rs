//! Whether a stage has to run: from what it read and wrote the last time, and what is there now.
//!
//! Several stages may write one column (flags, above all). What a stage reads is therefore not what is there now, but what
//! the nearest stage before it left there. Only when what is there is not what the last of them left, somebody else changed
//! it, and the stages after the last writer see that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::checksum;
use crate::error::Error;
use crate::expand::Concrete;
use crate::failure::Class;
use crate::record::{Record, State};
use crate::resource::{self, Observe, Signatures};

/// What to do about a stage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Its product is there, made from the same with the same settings.
    UpToDate,
    /// It runs, because of `why`, on what has these signatures.
    Run { why: String, inputs: Signatures },
    /// It failed in an earlier run, and would again.
    PassOver { class: Class },
    /// Something that it reads is not there.
    Missing { what: String },
}

/// All that is known of a set: its stages in order, and their records.
pub(crate) struct Known<'a> {
    pub(crate) work: &'a Path,
    pub(crate) stages: &'a [(&'a str, &'a Concrete)],
    pub(crate) records: &'a BTreeMap<String, Record>,
    pub(crate) observer: &'a dyn Observe,
}

impl Known<'_> {
    /// Decides about stage number `index` in `run`.
    pub(crate) fn decide(&self, index: usize, run: &str) -> Result<Decision, Error> {
        let (name, stage) = self.stages[index];
        let record = self.records.get(name);
        let mut inputs = Signatures::new();
        for read in &stage.reads {
            let key = read.key(self.work);
            match self.as_seen_by(index, &key, resource::signature(read, self.observer)?) {
                Some(signature) => inputs.insert(key, signature),
                None => return Ok(Decision::Missing { what: read.to_string() }),
            };
        }
        let Some(record) = record else {
            return Ok(Decision::Run { why: "it was not done yet".to_owned(), inputs });
        };
        if record.key != stage.key {
            return Ok(Decision::Run { why: "its settings changed".to_owned(), inputs });
        }
        if let Some(changed) = self.first_difference(&record.inputs, &inputs) {
            return Ok(Decision::Run { why: format!("{changed} changed"), inputs });
        }
        match record.state {
            State::Skipped => return Ok(Decision::Run { why: "it was skipped before".to_owned(), inputs }),
            State::Failed => {
                let class = record.class().unwrap_or(Class::Lost);
                return Ok(if record.run == run || class.is_tried_by_next_run() {
                    Decision::Run { why: format!("it failed before: {class}"), inputs }
                } else {
                    Decision::PassOver { class }
                });
            }
            State::Done if record.again => {
                return Ok(Decision::Run { why: "it was asked for again".to_owned(), inputs });
            }
            State::Done => {}
        }
        for (key, output) in stage.outputs(self.work) {
            let found = resource::signature(&output, self.observer)?;
            let Some(found) = found else {
                return Ok(Decision::Run { why: format!("{key} is not there any more"), inputs });
            };
            // A column that somebody else changed is his; a product of ours that is not what it was is damaged.
            let is_product = matches!(output, resource::Resource::Path(_));
            let is_same = |before: &String| checksum::is_unchanged(before, &found, &self.path_of(&key));
            if !is_product && !record.outputs.get(&key).is_some_and(is_same) {
                // Unless it is what a stage before this one left: the set was made anew, without what this stage did to it.
                let before = self.left_before(index, &key);
                if before.is_some_and(|before| checksum::is_unchanged(before, &found, &self.path_of(&key))) {
                    return Ok(Decision::Run { why: format!("{key} is as it was before this stage"), inputs });
                }
            }
            if is_product && !record.outputs.get(&key).is_some_and(is_same) && self.last_writer(&key) == Some(index) {
                return Ok(Decision::Run { why: format!("{key} is not what it was"), inputs });
            }
        }
        Ok(Decision::UpToDate)
    }

    /// The signature of what stage `index` reads under `key`, where `actual` is there now.
    fn as_seen_by(&self, index: usize, key: &str, actual: Option<String>) -> Option<String> {
        let actual = actual?;
        let before = self.left_before(index, key).cloned();
        let has_later_writer = (index..self.stages.len()).any(|at| self.left_by(at, key).is_some());
        if !has_later_writer {
            return Some(actual);
        }
        let read_before = || self.records.get(self.stages[index].0).and_then(|record| record.inputs.get(key)).cloned();
        Some(before.or_else(read_before).unwrap_or(actual))
    }

    /// What stage `at` left under `key`.
    fn left_by(&self, at: usize, key: &str) -> Option<&String> {
        self.records.get(self.stages[at].0).and_then(|record| record.outputs.get(key))
    }

    /// What the nearest stage before `index` left under `key`.
    fn left_before(&self, index: usize, key: &str) -> Option<&String> {
        (0..index).rev().find_map(|at| self.left_by(at, key))
    }

    /// Where the file of a key is.
    fn path_of(&self, key: &str) -> PathBuf {
        self.work.join(key)
    }

    /// The first name whose signatures differ.
    fn first_difference(&self, before: &Signatures, now: &Signatures) -> Option<String> {
        let names = before.keys().chain(now.keys());
        let differs = |name: &&String| match (before.get(*name), now.get(*name)) {
            (Some(before), Some(now)) => !checksum::is_unchanged(before, now, &self.path_of(name)),
            (before, now) => before != now,
        };
        names.into_iter().find(differs).cloned()
    }

    fn last_writer(&self, key: &str) -> Option<usize> {
        (0..self.stages.len()).rev().find(|&at| self.stages[at].1.outputs(self.work).iter().any(|(k, _)| k == key))
    }
}
