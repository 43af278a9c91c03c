//! Where a night keeps its state: all below its work folder, so that it moves as a whole.

use std::path::{Path, PathBuf};

/// The paths of a work folder.
#[derive(Clone, Debug)]
pub struct Layout {
    work: PathBuf,
}

impl Layout {
    /// Of the work folder at `work`, which should be absolute: stages run in folders of their own.
    #[must_use]
    pub fn new(work: impl Into<PathBuf>) -> Self {
        Self { work: work.into() }
    }

    /// The work folder.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }

    fn hidden(&self) -> PathBuf {
        self.work.join(".night")
    }

    /// What `contimg run` was last asked for.
    #[must_use]
    pub fn request(&self) -> PathBuf {
        self.hidden().join("request.json")
    }

    /// The folder with one folder of records for every set.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.hidden().join("state")
    }

    /// The record of a set's stage.
    #[must_use]
    pub fn record(&self, set: &str, stage: &str) -> PathBuf {
        self.records().join(set).join(format!("{stage}.json"))
    }

    /// What a set's stage printed.
    #[must_use]
    pub fn log(&self, set: &str, stage: &str) -> PathBuf {
        self.hidden().join("logs").join(set).join(format!("{stage}.log"))
    }

    /// The set's lock.
    #[must_use]
    pub fn lock(&self, set: &str) -> PathBuf {
        self.hidden().join("locks").join(set)
    }

    /// What was removed of a set to make room.
    #[must_use]
    pub fn retired(&self, set: &str) -> PathBuf {
        self.hidden().join("retired").join(format!("{set}.json"))
    }

    /// Where a set's stage works; emptied before and after.
    #[must_use]
    pub fn scratch(&self, set: &str, stage: &str) -> PathBuf {
        self.hidden().join("scratch").join(set).join(stage)
    }

    /// Where head and workers of a cluster meet.
    #[must_use]
    pub(crate) fn slurm(&self) -> PathBuf {
        self.hidden().join("slurm")
    }

    /// Where programs keep what they want to remember of the night besides.
    #[must_use]
    pub fn place(&self, name: &str) -> PathBuf {
        self.hidden().join(name)
    }

    /// One event a line, for every run.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.hidden().join("journal.jsonl")
    }
}
