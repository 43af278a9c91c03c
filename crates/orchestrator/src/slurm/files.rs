//! The files through which head and workers meet, all below `.night/slurm` of the work folder.
//!
//! ```text
//! sets/SET.json            the lease: which attempt has the set
//! waves/WAVE/script        what each task of an array runs
//! waves/WAVE/array         the array's job number, once it is known
//! waves/WAVE/N.json        the job of task N
//! waves/WAVE/N.claim.json  the process that works on it
//! waves/WAVE/N.result.json how it ended
//! waves/WAVE/N.out         what it and Slurm itself said
//! ```

use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use publish::Owner;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::Error;
use crate::job::Job;
use crate::record::{Record, write_durably};

use super::commands::Listed;

/// One attempt, by where its job lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Attempted {
    pub(crate) wave: String,
    pub(crate) task: u32,
}

/// Who has a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) attempt: Attempted,
    /// How often the same attempt was submitted again because its job vanished.
    pub(crate) resubmitted: u32,
}

/// The process that works on an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// How often Slurm restarted the job.
    pub(crate) restart: u32,
    pub(crate) node: String,
    pub(crate) owner: Owner,
}

/// What a worker leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) record: Record,
}

/// The paths, and how they are read and written.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(crate) fn new(layout: &crate::Layout) -> Self {
        Self { folder: layout.slurm() }
    }

    pub(crate) fn waves(&self) -> PathBuf {
        self.folder.join("waves")
    }

    pub(crate) fn wave(&self, wave: &str) -> PathBuf {
        self.waves().join(wave)
    }

    pub(crate) fn script(&self, wave: &str) -> PathBuf {
        self.wave(wave).join("script")
    }

    fn lease_path(&self, set: &str) -> PathBuf {
        self.folder.join("sets").join(format!("{set}.json"))
    }

    /// One of an attempt's files; `end` is `json`, `claim.json`, `result.json` or `out`.
    pub(crate) fn of(&self, attempt: &Attempted, end: &str) -> PathBuf {
        self.wave(&attempt.wave).join(format!("{}.{end}", attempt.task))
    }

    /// The lease of a set, if somebody has it.
    pub(crate) fn lease(&self, set: &str) -> Result<Option<Lease>, Error> {
        read(&self.lease_path(set))
    }

    /// Gives a free set to an attempt; `false` when somebody has it.
    pub(crate) fn take(&self, set: &str, lease: &Lease) -> Result<bool, Error> {
        let path = self.lease_path(set);
        // Written beside it under a name of its own and linked: there whole, or not at all, and only once.
        let temporary = path.with_extension(format!("{}-{}", lease.attempt.wave, lease.attempt.task));
        // Durably, since nobody could tell whose a set with half a lease is.
        write_durably(&temporary, &text(&path, lease)?)?;
        let linked = fs::hard_link(&temporary, &path);
        let _ = fs::remove_file(&temporary);
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // The answer to a link that was made may be lost on its way from a file server, and be asked again.
                Ok(self.lease(set)?.as_ref() == Some(lease))
            }
            Err(source) => Err(Error::io(path, "take the set's lease", source)),
        }
    }

    /// Gives a set that is ours to another attempt.
    pub(crate) fn pass_on(&self, set: &str, lease: &Lease) -> Result<(), Error> {
        let path = self.lease_path(set);
        write_durably(&path, &text(&path, lease)?)
    }

    /// Frees a set, if this attempt has it.
    pub(crate) fn free(&self, set: &str, attempt: &Attempted) -> Result<(), Error> {
        if self.lease(set)?.is_some_and(|lease| lease.attempt == *attempt) {
            remove(&self.lease_path(set))?;
        }
        Ok(())
    }

    /// All sets that have a lease.
    pub(crate) fn leased(&self) -> Result<Vec<(String, Lease)>, Error> {
        let mut all = Vec::new();
        for name in names(&self.folder.join("sets"))? {
            if let Some(set) = name.strip_suffix(".json")
                && let Some(lease) = self.lease(set)?
            {
                all.push((set.to_owned(), lease));
            }
        }
        Ok(all)
    }

    pub(crate) fn write<T: Serialize>(&self, path: &Path, value: &T) -> Result<(), Error> {
        write_durably(path, &text(path, value)?)
    }

    pub(crate) fn job(&self, attempt: &Attempted) -> Result<Option<Job>, Error> {
        read(&self.of(attempt, "json"))
    }

    pub(crate) fn claim(&self, attempt: &Attempted) -> Result<Option<Claim>, Error> {
        read(&self.of(attempt, "claim.json"))
    }

    pub(crate) fn outcome(&self, attempt: &Attempted) -> Result<Option<Outcome>, Error> {
        read(&self.of(attempt, "result.json"))
    }

    /// The array's job number, if it was submitted.
    pub(crate) fn array(&self, wave: &str) -> Option<u64> {
        fs::read_to_string(self.wave(wave).join("array")).ok()?.trim().parse().ok()
    }

    pub(crate) fn write_array(&self, wave: &str, array: u64) -> Result<(), Error> {
        write_durably(&self.wave(wave).join("array"), array.to_string().as_bytes())
    }

    /// Whether a queue has the attempt's job, waiting or at work. The script says what is ours: a controller that lost its
    /// state gives the same numbers again.
    pub(crate) fn is_listed(&self, attempt: &Attempted, listed: &[Listed]) -> bool {
        let script = self.script(&attempt.wave);
        listed.iter().any(|task| task.is_open() && task.task == attempt.task && task.script == script)
    }

    /// Makes what other machines wrote visible here: a file server's clients remember for a while that a name is not there,
    /// and forget it when the folder is opened.
    pub(crate) fn look_again(&self, wave: &str) {
        // A folder that is gone has nothing to show.
        let _ = names(&self.wave(wave));
    }

    /// The end of what an attempt's job printed, and Slurm about it.
    pub(crate) fn said(&self, attempt: &Attempted) -> String {
        const MOST: u64 = 16 << 10;
        let read = || -> std::io::Result<String> {
            let mut file = fs::File::open(self.of(attempt, "out"))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(MOST)))?;
            let mut bytes = Vec::new();
            file.take(MOST).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        // A job that never began has none.
        read().unwrap_or_default()
    }

    /// Removes an attempt's files, and with the last of them its wave.
    pub(crate) fn forget(&self, attempt: &Attempted) {
        for end in ["json", "claim.json", "result.json", "out"] {
            // What cannot be removed is removed by `sweep`.
            let _ = fs::remove_file(self.of(attempt, end));
        }
        let folder = self.wave(&attempt.wave);
        let rest = names(&folder).unwrap_or_default();
        if rest.iter().all(|name| name == "script" || name == "array") {
            let _ = fs::remove_dir_all(&folder);
        }
    }

    /// Removes waves that were submitted and that no set's lease names any more.
    pub(crate) fn sweep(&self) -> Result<(), Error> {
        let waves = names(&self.waves())?;
        let named: Vec<String> = self.leased()?.into_iter().map(|(_, lease)| lease.attempt.wave).collect();
        for wave in waves {
            // Leases are there before an array is submitted, so one without any is done.
            if self.array(&wave).is_some() && !named.contains(&wave) {
                let _ = fs::remove_dir_all(self.wave(&wave));
            }
        }
        Ok(())
    }
}

fn text<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|source| Error::State { path: path.to_owned(), source })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(text) => {
            serde_json::from_slice(&text).map(Some).map_err(|source| Error::State { path: path.to_owned(), source })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::io(path, "read the state", source)),
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path, "remove it", error)),
        _ => Ok(()),
    }
}

fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::io(folder, "list the folder", source);
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()).map_err(failed))
            .collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_given_once_and_freed_only_by_who_has_it() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let files = Files::new(&crate::Layout::new(dir.path()));
        let lease = |wave: &str| Lease { attempt: Attempted { wave: wave.into(), task: 0 }, resubmitted: 0 };
        assert!(files.take("s", &lease("a")).expect("take"));
        assert!(files.take("s", &lease("a")).expect("take"), "the same again is no harm");
        assert!(!files.take("s", &lease("b")).expect("take"));
        files.free("s", &lease("b").attempt).expect("free");
        assert_eq!(files.lease("s").expect("read"), Some(lease("a")));
        files.pass_on("s", &lease("c")).expect("pass on");
        files.free("s", &lease("a").attempt).expect("free");
        assert_eq!(files.leased().expect("list"), [("s".to_owned(), lease("c"))]);
        files.free("s", &lease("c").attempt).expect("free");
        assert_eq!(files.lease("s").expect("read"), None);
    }

    #[test]
    fn a_wave_goes_with_its_last_attempt_or_lease() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let files = Files::new(&crate::Layout::new(dir.path()));
        let [first, second] = [0, 1].map(|task| Attempted { wave: "w".into(), task });
        for attempt in [&first, &second] {
            write_durably(&files.of(attempt, "json"), b"{}").expect("write");
        }
        files.write_array("w", 17).expect("write");
        files.take("s", &Lease { attempt: second.clone(), resubmitted: 0 }).expect("take");
        files.forget(&first);
        files.sweep().expect("sweep");
        assert!(files.wave("w").exists(), "an attempt is left");
        files.free("s", &second).expect("free");
        files.sweep().expect("sweep");
        assert!(!files.wave("w").exists());
    }
}
