//! Why a task could not be done, and what to do about it.

use std::fmt;
use std::process::ExitCode;

/// Why a task could not be done.
#[derive(Debug)]
pub(crate) struct Problem {
    what: String,
    hint: String,
    code: u8,
}

/// What a task returns: its exit code, or why it could not be done.
pub(crate) type Outcome = Result<ExitCode, Problem>;

impl Problem {
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into(), code: 1 }
    }

    /// A command line that makes no sense.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: "`cargo xtask help` lists the tasks; each has --help".into(), code: 2 }
    }

    /// Prints it and gives its exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nhint: {}", self.what, self.hint)
    }
}

impl From<lexopt::Error> for Problem {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(error.to_string())
    }
}
