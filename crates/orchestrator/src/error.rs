use std::io;
use std::path::PathBuf;

/// What keeps a night from being planned, run or read. What happens to one data set is no error but a
/// [`Failure`](crate::Failure).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A plan cannot be understood.
    #[error("{origin}: the plan cannot be understood")]
    PlanSyntax {
        /// The plan's file, or what else it came from.
        origin: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A plan contradicts itself.
    #[error("{origin}: {place}: {reason}")]
    Plan {
        /// The plan's file, or what else it came from.
        origin: String,
        /// The stage or entry.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A template names something that there is not.
    #[error("{place}: `{{{name}}}` in `{template}` stands for nothing here")]
    Template {
        /// Whose template.
        place: String,
        /// The template as written.
        template: String,
        /// The name that is not known.
        name: String,
    },
    /// A stage reads or writes at a relative path, and no folder is the one that it is meant from.
    #[error("{place}: `{template}` is {path}, a relative path, and stages run in folders of their own")]
    RelativePath {
        /// Whose path.
        place: String,
        /// As the plan has it.
        template: String,
        /// What it stands for.
        path: PathBuf,
    },
    /// A stage needs more than the whole budget.
    #[error("{stage}: needs {need} of {what}, and the budget of the whole run is {budget}")]
    OverBudget {
        /// The stage.
        stage: String,
        /// Memory, cores or disk.
        what: &'static str,
        /// What it needs.
        need: String,
        /// What there is.
        budget: String,
    },
    /// A file of the run's state cannot be read or written.
    #[error("{path}: cannot {action}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A file of the run's state holds something else.
    #[error("{path}: cannot be understood", path = path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A worker process cannot be started, which no data set is to blame for.
    #[error("cannot start a worker process of {program}", program = program.display())]
    Worker {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A program of Slurm is not installed here.
    #[error("there is no `{program}` on this machine's PATH")]
    NoSlurm {
        /// The program.
        program: &'static str,
    },
    /// A program of Slurm failed.
    #[error("{program} failed: {reason}")]
    Slurm {
        /// The program.
        program: &'static str,
        /// What it said.
        reason: String,
    },
    /// A product cannot be looked at.
    #[error("cannot look at a product")]
    Product {
        /// The cause.
        source: Box<publish::Error>,
    },
    /// A set's columns cannot be looked at.
    #[error("{path}: cannot look at {what}", path = path.display())]
    Observe {
        /// The set.
        path: PathBuf,
        /// The column or file.
        what: String,
        /// The cause, in words.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.into(), action, source }
    }
}

impl From<publish::Error> for Error {
    fn from(source: publish::Error) -> Self {
        Self::Product { source: Box::new(source) }
    }
}
