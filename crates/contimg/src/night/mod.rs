//! A night's data sets through all stages: `contimg run` and what looks at it.

mod check;
mod estimate;
mod executor;
mod follow;
mod journal;
mod ledger;
mod observe;
mod published;
mod register;
mod report;
mod request;
mod retire;
mod retry;
mod run;
mod show;
mod sources;
mod status;
mod verify;
mod why;

use std::path::{Path, PathBuf};

use clap::Args;
use orchestrator::Layout;

use crate::{
    args::Missing,
    failure::{Class, Failure},
    size::Bytes,
};

pub(crate) use check::{CheckArgs, run as check};
pub(crate) use observe::answer as observe;
pub(crate) use published::database_copy;
pub(crate) use register::run as register;
pub(crate) use report::{ReportArgs, run as report};
pub(crate) use retire::{RetireArgs, run as retire};
pub(crate) use retry::{RetryArgs, run as retry};
pub(crate) use run::{run, run_quietly};
pub(crate) use status::{StatusArgs, run as status};
pub(crate) use verify::{VerifyArgs, run as verify};
pub(crate) use why::{WhyArgs, run as why};

pub(crate) use sources::find as find_sources;

/// The end of a run, to stdout.
pub(crate) fn summarise(summary: &orchestrator::Summary, work: &Path) {
    show::Show::summary(summary, &Layout::new(work));
}

/// The first argument of a worker process of a run.
const WORKER: &str = "__stage";

/// Whether this process was started as a worker of a run.
pub(crate) fn is_worker() -> bool {
    std::env::args_os().nth(1).is_some_and(|argument| argument == WORKER)
}

/// Does the job of a worker.
pub(crate) fn work() -> std::process::ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().skip(2).collect();
    match arguments.as_slice() {
        [option, wave] if option == "--slurm" => orchestrator::work_on_node(&observe::Columns, Path::new(wave)),
        _ => orchestrator::work(&observe::Columns),
    }
}

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:
  contimg run /data/incoming --work /data/night  # complete groups, all stages
  contimg run --work /data/night  # go on, with the same inputs
  contimg run /data/ms/*.ms --work /data/night --until apply
  contimg run /data/incoming --work /data/night --plan night.toml --memory 16GiB
  contimg run --print-plan > night.toml  # the plan, to be changed
  contimg run /data/incoming --work /data/night --follow  # as groups arrive
  contimg run /data/incoming --work /shared/night --executor slurm

Running it again resumes: only what is missing, or whose inputs or settings changed, is done. Nothing needs to \
    be cleaned up first, whatever ended the run before. Without inputs, the plan, names, budgets and executor are as the \
    last time, too, where nothing else is said; which part of the night to do (--only, --until) is not. Exit codes: 0 every set is done, 1 sets failed for their \
    input, 3 the disk is full, 4 sets failed otherwise, 129, 130 and 143 stopped by SIGHUP, SIGINT and SIGTERM.")]
pub(crate) struct RunArgs {
    /// Folders of UVH5 subbands, subband files, or Measurement Sets.
    #[arg(value_name = "DIR|FILE|MS")]
    pub input: Vec<PathBuf>,
    /// Folder of all products and of the run's state; made when absent.
    #[arg(long, short, value_name = "DIR", required_unless_present = "print_plan")]
    pub work: Option<PathBuf>,
    /// The stages, as a TOML file [default: convert, flag, model, solve, apply, image, sources, validate].
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Print the plan that would be used.
    #[arg(long)]
    pub print_plan: bool,
    /// Give a name of the plan another value. A relative path is meant from this folder, where the plan says that the value
    /// is a path: stages read or write it, or it is listed under `paths`.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// Only these sets, also in stages of the whole night; this time.
    #[arg(long = "only", value_name = "SET")]
    pub only: Vec<String>,
    /// The last stage to do, this time.
    #[arg(long, value_name = "STAGE")]
    pub until: Option<String>,
    /// Memory of the whole process tree [default: 80 % of what is available].
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Cores [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub cores: Option<u32>,
    /// Disk that the work folder may take [default: what is free].
    #[arg(long, value_name = "SIZE")]
    pub disk: Option<Bytes>,
    /// Disk that stays free; what fails with less is a full disk [default: 64 MiB].
    #[arg(long, value_name = "SIZE")]
    pub reserve: Option<Bytes>,
    /// At most so many sets are begun and not finished [default: 64].
    #[arg(long, value_name = "N")]
    pub open_sets: Option<usize>,
    #[command(flatten)]
    pub executor: executor::ExecutorArgs,
    #[command(flatten)]
    pub follow: follow::FollowArgs,
    /// What to do with a group that lacks subbands.
    #[arg(long, value_enum, value_name = "POLICY")]
    pub missing: Option<Missing>,
    /// With `--missing flag` or `split`: refuse groups with fewer subbands than this.
    #[arg(long, value_name = "N")]
    pub min_subbands: Option<u8>,
    /// How many subbands a complete group has.
    #[arg(long, value_name = "N")]
    pub subbands: Option<u8>,
    /// Write what ran when, and its memory, as Chrome's trace events at the end.
    #[arg(long, value_name = "FILE.json")]
    pub trace: Option<PathBuf>,
    /// Do not make report.html and report.json at the end.
    #[arg(long)]
    pub no_report: bool,
    /// Print one JSON document instead of a summary for people.
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
}

/// The work folder that a command looks at.
#[derive(Args, Clone, Debug)]
pub(crate) struct WorkArgs {
    /// The run's work folder.
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub work: PathBuf,
}

impl WorkArgs {
    fn layout(&self) -> Result<Layout, Failure> {
        open(&self.work)
    }
}

/// The layout of a work folder that is there.
fn open(work: &Path) -> Result<Layout, Failure> {
    let failed = |error: &std::io::Error| {
        Failure::io(Class::Input, format!("cannot open the work folder {}", work.display()), error)
    };
    let layout = Layout::new(work.canonicalize().map_err(|error| failed(&error))?);
    if !layout.records().exists() && !layout.request().exists() {
        return Err(Failure::new(Class::Input, format!("{} is no work folder of a run", work.display()))
            .hint("name the folder that `contimg run --work` was given"));
    }
    Ok(layout)
}

/// A failure of the orchestrator with its hint.
fn of(error: &orchestrator::Error) -> Failure {
    use orchestrator::Error as E;
    match error {
        E::PlanSyntax { .. } | E::Plan { .. } => Failure::of(Class::Usage, error)
            .hint("`contimg run --print-plan` prints a plan that works; the pages of crate `orchestrator` tell what a stage can say"),
        E::Template { .. } => Failure::of(Class::Usage, error).hint(
            "give it a value with --var NAME=VALUE or under [vars] in the plan; literal braces are written twice",
        ),
        E::RelativePath { .. } => Failure::of(Class::Usage, error).hint(
            "write it whole, or with a name in front such as {work}; the values of names listed under `paths` in the plan \
             begin at the plan's folder, or where --var gives them",
        ),
        E::OverBudget { .. } => {
            Failure::of(Class::Usage, error).hint("give the run more, or the stage less in the plan")
        }
        E::Worker { .. } => Failure::of(Class::Worker, error),
        E::NoSlurm { .. } => Failure::of(Class::Usage, error).hint(
            "run it on a machine from which jobs are submitted (Debian and Ubuntu: apt-get install slurm-client and the \
             cluster's slurm.conf), or without --executor slurm",
        ),
        E::Slurm { .. } => Failure::of(Class::Worker, error)
            .hint("does `sinfo` work here? --memory and --cores say what one job may take where it does not"),
        _ => Failure::of(Class::Output, error),
    }
}
