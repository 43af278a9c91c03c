//! Where a run's attempts go: this machine, or a Slurm cluster.

use clap::{Args, ValueEnum};
use orchestrator::{Executor, Plan, SlurmOptions};
use serde::{Deserialize, Serialize};

use super::of;
use crate::budget::available_memory;
use crate::failure::{Class, Failure};

/// A place for attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// Worker processes on this machine.
    #[default]
    Local,
    /// Job arrays of the Slurm cluster that this machine submits to. The work folder, the data and this program must be on
    /// file systems of all nodes.
    Slurm,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ExecutorArgs {
    /// Where stages run [default: local]. With slurm, --memory and --cores say what one job may take at most [default: the
    /// smallest node].
    #[arg(long, value_enum, value_name = "PLACE")]
    pub executor: Option<Place>,
    /// With `--executor slurm`: an argument for `sbatch`, such as --slurm-arg=--partition=fast; may be repeated. The plan can
    /// say it, too: `slurm = ["--account=x"]`, for all stages or for one.
    #[arg(long = "slurm-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub slurm: Vec<String>,
    /// With `--executor slurm`: ask for the queue every so many seconds [default: 2].
    #[arg(long, value_name = "SECONDS")]
    pub slurm_poll: Option<f64>,
}

/// What was chosen, kept with the request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Chosen {
    place: Place,
    slurm: Vec<String>,
    poll_s: Option<f64>,
}

impl Chosen {
    /// Takes over what the command line says.
    pub(super) fn choose(&mut self, args: &ExecutorArgs) -> Result<(), Failure> {
        self.place = args.executor.unwrap_or(self.place);
        if !args.slurm.is_empty() {
            self.slurm = args.slurm.clone();
        }
        self.poll_s = args.slurm_poll.or(self.poll_s);
        if let Some(argument) = orchestrator::reserved_argument(&self.slurm) {
            return Err(Failure::new(Class::Usage, format!("--slurm-arg={argument}: the executor says that itself"))
                .hint("give partition, account, constraints and the like"));
        }
        if self.poll_s.is_some_and(|seconds| !(0.01..=3600.0).contains(&seconds)) {
            return Err(Failure::new(Class::Usage, "--slurm-poll is out of range").hint("0.01 to 3600 seconds"));
        }
        if self.place == Place::Local && !(args.slurm.is_empty() && args.slurm_poll.is_none()) {
            return Err(Failure::new(
                Class::Usage,
                "--slurm-arg and --slurm-poll say something of --executor slurm only",
            )
            .hint("add --executor slurm"));
        }
        Ok(())
    }

    fn options(&self) -> SlurmOptions {
        let poll_seconds = self.poll_s.unwrap_or(SlurmOptions::default().poll_seconds);
        SlurmOptions { arguments: self.slurm.clone(), poll_seconds }
    }

    pub(super) fn executor(&self) -> Executor {
        match self.place {
            Place::Local => Executor::Here,
            Place::Slurm => Executor::Slurm(self.options()),
        }
    }

    /// Bytes of memory and cores that there are: on this machine for all, or for one job.
    pub(super) fn means(&self, plan: &Plan) -> Result<(u64, u32), Failure> {
        match self.place {
            Place::Local => {
                let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
                Ok((available_memory() / 10 * 8, cores))
            }
            Place::Slurm => {
                let arguments = [plan.slurm.clone(), self.slurm.clone()].concat();
                orchestrator::smallest_node(&arguments).map_err(|e| of(&e))
            }
        }
    }
}
