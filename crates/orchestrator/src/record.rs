//! What is known of one stage of one set: kept beside the products, one small file each, written whole or not at all.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::failure::{Class, Failure};
use crate::resource::Signatures;

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its product was verified.
    Done,
    /// Its last attempt failed.
    Failed,
    /// It was passed over, visibly: its program is not there.
    Skipped,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Number, from 1.
    pub number: u32,
    /// When it started, seconds since 1970-01-01 UTC.
    pub started_unix_s: f64,
    /// Wall time, seconds.
    pub seconds: f64,
    /// Processor time of all its processes, seconds.
    pub cpu_seconds: f64,
    /// Largest memory of all its processes together that was seen, bytes.
    pub peak_memory: u64,
    /// What it was given, bytes.
    pub memory_limit: u64,
    /// Cores that it was given.
    pub cores: u32,
    /// Bytes that it printed.
    pub output_bytes: u64,
    /// What went wrong; nothing when it was good.
    pub failure: Option<Failure>,
}

impl Attempt {
    /// One that begins now, with nothing to tell yet.
    pub(crate) fn begun() -> Self {
        Self {
            number: 1,
            started_unix_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            seconds: 0.0,
            cpu_seconds: 0.0,
            peak_memory: 0,
            memory_limit: 0,
            cores: 0,
            output_bytes: 0,
            failure: None,
        }
    }
}

/// What is known of one stage of one set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The record's format, 1.
    pub format: u32,
    /// The set.
    pub set: String,
    /// The stage.
    pub stage: String,
    /// How it ended.
    pub state: State,
    /// The run that did it.
    pub run: String,
    /// A checksum of everything about the stage's settings that decides its product.
    pub key: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Signatures of what it read, as it was before.
    pub inputs: Signatures,
    /// Signatures of what it wrote, as it was after.
    pub outputs: Signatures,
    /// The attempts of that run.
    pub attempts: Vec<Attempt>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Somebody asked for it to be done again, also where its product is there and made from the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

pub(crate) const FORMAT: u32 = 1;

impl Record {
    /// The last attempt's failure.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.attempts.last().and_then(|attempt| attempt.failure.as_ref())
    }

    /// The class of the last attempt's failure.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        self.failure().map(|failure| failure.class)
    }

    /// Wall time of all attempts, seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.attempts.iter().map(|attempt| attempt.seconds).sum()
    }

    /// Largest memory of an attempt, bytes.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.attempts.iter().map(|attempt| attempt.peak_memory).max().unwrap_or(0)
    }

    /// Has the next run do the stage again, whatever came of it. Until then what it made stays.
    ///
    /// # Errors
    ///
    /// When it cannot be written down.
    pub fn ask_again(mut self, layout: &crate::Layout) -> Result<(), Error> {
        self.again = true;
        self.write(&layout.record(&self.set, &self.stage))
    }

    /// Reads the record at `path`; `None` when there is none, or none that can be believed: then the stage is done again.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        match fs::read(path) {
            Ok(text) => Ok(serde_json::from_slice::<Self>(&text).ok().filter(|record| record.format == FORMAT)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::io(path, "read the stage's record", source)),
        }
    }

    /// Writes it at `path`, whole or not at all.
    ///
    /// It is not forced to disk: products are, and a record that a power cut took is made again from them.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec(self).map_err(|source| Error::State { path: path.to_owned(), source })?;
        write_state(path, &text)
    }
}

/// Writes a file of a night's state through a temporary name, so that it is there whole or as it was before.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_state(path: &Path, text: &[u8]) -> Result<(), Error> {
    write_through(path, text, false)
}

/// The same, forced to disk before it has its name.
pub(crate) fn write_durably(path: &Path, text: &[u8]) -> Result<(), Error> {
    write_through(path, text, true)
}

fn write_through(path: &Path, text: &[u8], durably: bool) -> Result<(), Error> {
    // Processes of two nodes or containers may have the same number, and threads of one process have: the random part,
    // from the standard library's seeds, tells them apart.
    let random = std::hash::RandomState::new().build_hasher().finish();
    let temporary = path.with_extension(format!("tmp-{}-{random:016x}", std::process::id()));
    let create = || File::options().write(true).create_new(true).open(&temporary);
    let file = create().or_else(|error| match (error.kind(), path.parent()) {
        (std::io::ErrorKind::NotFound, Some(folder)) => fs::create_dir_all(folder).and_then(|()| create()),
        _ => Err(error),
    });
    let written = file.and_then(|mut file| {
        file.write_all(text)?;
        if durably { file.sync_all() } else { Ok(()) }
    });
    written.and_then(|()| fs::rename(&temporary, path)).map_err(|source| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        Error::io(path, "write the state", source)
    })
}

/// All records of a work folder, by set and stage.
///
/// # Errors
///
/// When the folder cannot be listed or a record cannot be read.
pub fn read_all(layout: &crate::Layout) -> Result<Vec<Record>, Error> {
    let folder = layout.records();
    let mut records = Vec::new();
    for set in list(&folder)? {
        for file in list(&set)? {
            if file.extension().is_some_and(|extension| extension == "json") {
                records.extend(Record::read(&file)?);
            }
        }
    }
    records.sort_by(|a, b| (&a.set, &a.stage).cmp(&(&b.set, &b.stage)));
    Ok(records)
}

fn list(folder: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let failed = |source| Error::io(folder, "list the folder", source);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect(),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(source) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_of_one_name_do_not_meet_on_the_way() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("state/a.json");
        // Threads share the process's number, as processes of two nodes may.
        std::thread::scope(|scope| {
            for writer in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        write_state(path, &[writer; 4096]).expect("write");
                        let text = fs::read(path).expect("read");
                        assert_eq!((text.len(), text.iter().all(|byte| *byte == text[0])), (4096, true), "whole");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.path().join("state")).expect("list").count(), 1, "and nothing is left");
    }
}
