//! What went wrong, in a form that crosses a process boundary and tells a person what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of failure it was; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// The command line asked for something impossible.
    Usage,
    /// The input is missing, damaged, unfinished or contradicts itself.
    Input,
    /// The output could not be written: exists already, no space, no permission.
    Output,
    /// A worker process crashed, ran out of memory or was killed.
    Worker,
    /// A person or the system asked us to stop.
    Interrupted,
}

impl Class {
    /// The exit code of the program, as README.md documents it.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Input => 1,
            Self::Usage => 2,
            Self::Output => 3,
            Self::Worker => 4,
            Self::Interrupted => 130,
        }
    }
}

/// A failure: what was being done, its causes from the outermost to the innermost, and what to try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub class: Class,
    /// The message, then one cause each.
    pub chain: Vec<String>,
    /// What to try.
    pub hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, chain: vec![message.into()], hint: None }
    }

    /// From an error with its sources. An I/O error among these gives the hint.
    pub(crate) fn of(class: Class, error: &(dyn std::error::Error + 'static)) -> Self {
        let causes = || std::iter::successors(Some(error), |e| e.source());
        let io = causes().find_map(|e| e.downcast_ref::<std::io::Error>());
        let hint = io.and_then(hint_of).map(ToOwned::to_owned);
        Self { class, chain: causes().map(ToString::to_string).collect(), hint }
    }

    /// From an error while columns of a set are read or changed.
    pub(crate) fn of_columns(error: &ms_columns::Error) -> Self {
        use ms_columns::Error as E;
        let class = match error {
            E::Locked { .. } | E::Io { .. } | E::Publish(_) => Class::Output,
            E::Table(casacore::Error::ReadOnly { .. } | casacore::Error::Locked { .. }) => Class::Output,
            E::Table(casacore::Error::Io { source, .. }) if source.kind() != std::io::ErrorKind::NotFound => {
                Class::Output
            }
            E::VersionName { .. } | E::VersionExists { .. } | E::NoVersion { .. } | E::Measured { .. } => Class::Usage,
            _ => Class::Input,
        };
        let mut failure = Self::of(class, error);
        let is_missing = matches!(error, E::Table(casacore::Error::NoColumn { .. }));
        let own = is_missing.then_some("`contimg meta` lists the columns that there are").or(error.hint());
        failure.hint = own.map(ToOwned::to_owned).or(failure.hint);
        failure
    }

    /// From an I/O error while doing something to a path.
    pub(crate) fn io(class: Class, doing: impl fmt::Display, error: &std::io::Error) -> Self {
        let mut failure = Self::of(class, error);
        failure.chain.insert(0, doing.to_string());
        failure
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What to try after an I/O error.
fn hint_of(error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("free some space there, or choose another place"),
        ErrorKind::PermissionDenied => Some("check who owns it and its permissions, or choose another place"),
        ErrorKind::ReadOnlyFilesystem => Some("the file system is mounted read-only; choose another place"),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            Some("something else has that name; choose another place")
        }
        ErrorKind::NotFound => Some("check the path"),
        _ => None,
    }
}

impl fmt::Display for Failure {
    /// The whole chain, one cause a line, then the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.chain.iter();
        write!(f, "error: {}", lines.next().map_or("unknown", String::as_str))?;
        for cause in lines {
            write!(f, "\n  because: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}
