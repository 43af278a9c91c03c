//! What went wrong with one attempt of one stage, told apart, and what follows from it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of failure an attempt ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Class {
    /// What the stage reads is missing, empty or damaged.
    Input,
    /// The command was called wrongly.
    Usage,
    /// The program could not be started.
    CannotStart,
    /// The program ended with an exit code that means a failure.
    Exit,
    /// A signal ended the program; nobody of ours sent it.
    Signal,
    /// It took more memory than it was given, and was ended.
    Memory,
    /// It took longer than it may, and was ended.
    Time,
    /// The disk is full, or the stage took more of it than it may.
    Disk,
    /// It printed more than it may, and was ended.
    Flood,
    /// It ended and left processes running, which were ended.
    LeftProcesses,
    /// It ended well, and what it should have made is missing, empty or wrong.
    Product,
    /// The worker process itself ended without a word.
    Lost,
    /// The run was asked to stop.
    Stopped,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 13] = [
        Self::Input,
        Self::Usage,
        Self::CannotStart,
        Self::Exit,
        Self::Signal,
        Self::Memory,
        Self::Time,
        Self::Disk,
        Self::Flood,
        Self::LeftProcesses,
        Self::Product,
        Self::Lost,
        Self::Stopped,
    ];

    /// Its name in JSON, in the plan and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Usage => "usage",
            Self::CannotStart => "cannot-start",
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Memory => "memory",
            Self::Time => "time",
            Self::Disk => "disk",
            Self::Flood => "flood",
            Self::LeftProcesses => "left-processes",
            Self::Product => "product",
            Self::Lost => "lost",
            Self::Stopped => "stopped",
        }
    }

    /// How many further attempts in the same run a failure of this class is worth. Memory gets them with more memory;
    /// a crash is tried once more, since it may have been the machine; damaged data never.
    pub(crate) fn retries(self) -> u32 {
        match self {
            Self::Memory => 3,
            Self::Signal | Self::Lost => 1,
            _ => 0,
        }
    }

    /// Whether the same command, run again, tries again with unchanged inputs and settings. Otherwise the same would
    /// happen again, and only a change or `retry` gives the set another chance.
    pub(crate) fn is_tried_by_next_run(self) -> bool {
        match self {
            Self::Input | Self::Usage | Self::Signal | Self::Product | Self::LeftProcesses | Self::Flood => false,
            Self::CannotStart | Self::Exit | Self::Memory | Self::Time | Self::Disk | Self::Lost | Self::Stopped => {
                true
            }
        }
    }

    /// What to try.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Input => {
                "look at the data: the same input fails again, so the next run passes the set over until its input changes \
                 or `contimg retry` names it"
            }
            Self::Usage => {
                "the stage's command line in the plan does not suit its program; `contimg why` shows it whole"
            }
            Self::CannotStart => "install the program, or name it with its path in the plan",
            Self::Exit => "read the end of its output; the next run tries again",
            Self::Signal => {
                "the program crashed twice on this set; `contimg retry` tries again after its data or the program changed"
            }
            Self::Memory => {
                "it did not fit the whole memory budget: give the run more with --memory, or make the stage smaller; the \
                 next run tries again"
            }
            Self::Time => "raise the stage's `timeout` in the plan if it was working; the next run tries again",
            Self::Disk => "free some space, or raise the stage's `disk` or the run's --disk; the next run tries again",
            Self::Flood => "raise the stage's `max_output` if so much output is meant; then `contimg retry`",
            Self::LeftProcesses => {
                "a stage must not end before its helpers do: have the program wait for them; then `contimg retry`"
            }
            Self::Product => {
                "what it made, or looked at, is not good, and would be no better the next time: see its output and what comes \
                 before it; then `contimg retry`"
            }
            Self::Lost => "the worker process was ended from outside; the next run tries again",
            Self::Stopped => "run the same command again to go on",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One attempt's failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its kind.
    pub class: Class,
    /// What happened, in one line.
    pub message: String,
    /// The end of what the program printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output_tail: String,
}

impl Failure {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), output_tail: String::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

/// A signal's name.
pub(crate) fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL (illegal instruction)",
        6 => "SIGABRT (abort)",
        7 => "SIGBUS (bus error)",
        8 => "SIGFPE (arithmetic)",
        9 => "SIGKILL (killed)",
        11 => "SIGSEGV (segmentation fault)",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU (CPU limit)",
        25 => "SIGXFSZ (file size limit)",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
