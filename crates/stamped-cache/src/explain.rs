//! Why a look-up hit or missed.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Mutex;

use crate::key::Key;
use crate::stamp::Change;

/// What the last look-up of a key did, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// It was answered from memory.
    Hit {
        /// How many files were compared.
        files: usize,
        /// How many look-ups the value has answered.
        hits: u64,
        /// Why the value had been read, or fetched from disk, before that.
        because: Reason,
    },
    /// It was answered from the on-disk store.
    DiskHit {
        /// How many files were compared.
        files: usize,
        /// Why memory could not answer.
        because: Reason,
    },
    /// The value was read.
    Read {
        /// Why nothing that was held could answer.
        because: Reason,
        /// How many files the value was computed from.
        files: usize,
        /// Whether the next look-up will have to read again in any case, as a file changed just before the reading.
        provisional: bool,
    },
    /// Nothing is held since.
    NotHeld(Reason),
}

/// Why nothing that was held could answer a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The key was not known: never looked up, or too long ago.
    Unknown,
    /// A file is not as it was.
    Changed(Box<Change>),
    /// The value had been read too soon after a change of one of its files to be trusted again.
    Provisional,
    /// The value had been dropped to stay within the bound.
    Evicted,
    /// The value was heavier than the whole cache.
    TooHeavy,
    /// The value had been dropped by `invalidate`.
    Invalidated,
    /// The reading before failed, and failures are not kept.
    Failed,
    /// A file kept changing during the reading before.
    Unsettled(Box<Change>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("it was not known"),
            Self::Changed(change) => write!(f, "a file had changed: {change}"),
            Self::Provisional => f.write_str("it had been read within moments of a change of its files"),
            Self::Evicted => f.write_str("it had been dropped to stay within the bound"),
            Self::TooHeavy => f.write_str("it was heavier than the whole cache"),
            Self::Invalidated => f.write_str("it had been invalidated"),
            Self::Failed => f.write_str("the reading before had failed"),
            Self::Unsettled(change) => write!(f, "a file kept changing during the reading before: {change}"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit { files, hits, because } => {
                write!(f, "hit number {hits}: {files} files unchanged; fetched because {because}")
            }
            Self::DiskHit { files, because } => {
                write!(f, "taken from disk, {files} files unchanged, because {because}")
            }
            Self::Read { because, files, provisional } => {
                write!(f, "read from {files} files because {because}")?;
                f.write_str(if *provisional { "; provisional, since a file changed moments before" } else { "" })
            }
            Self::NotHeld(reason) => write!(f, "not held: {reason}"),
        }
    }
}

/// Why keys that are not held are not held; the last [`Journal::LENGTH`] of them.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    reasons: HashMap<Key, Reason>,
    order: VecDeque<Key>,
}

impl Journal {
    const LENGTH: usize = 1024;

    pub(crate) fn note(&self, key: &Key, reason: Reason) {
        let mut notes = self.lock();
        if notes.reasons.insert(key.clone(), reason).is_some() {
            return;
        }
        notes.order.push_back(key.clone());
        if notes.order.len() > Self::LENGTH
            && let Some(oldest) = notes.order.pop_front()
        {
            notes.reasons.remove(&oldest);
        }
    }

    pub(crate) fn reason(&self, key: &Key) -> Reason {
        self.lock().reasons.get(key).cloned().unwrap_or(Reason::Unknown)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        // Notes are whole between any two statements, so a panic elsewhere cannot have spoiled them.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
