//! Slurm's programs, called and understood.
//!
//! Their plain output with a format of ours is the same in all versions; `--json` needs plugins that many clusters lack.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::Error;

/// One task of an array, as the queue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The array's job number.
    pub(crate) array: u64,
    /// The task's index in it.
    pub(crate) task: u32,
    /// Slurm's word, such as `PENDING`.
    pub(crate) state: String,
    /// Why it waits.
    pub(crate) reason: String,
    /// The script that it runs.
    pub(crate) script: PathBuf,
}

impl Listed {
    /// Whether it may still run, or runs.
    pub(crate) fn is_open(&self) -> bool {
        is_open(&self.state)
    }
}

/// Whether a job in this state may still run, or runs.
pub(crate) fn is_open(state: &str) -> bool {
    const ENDED: [&str; 10] = [
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    ];
    !ENDED.contains(&state)
}

/// What is known of a job that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) state: String,
    pub(crate) reason: String,
    /// Exit code and signal, as `0:9`.
    pub(crate) exit: String,
    pub(crate) nodes: String,
}

/// Slurm's programs on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Commands;

impl Commands {
    /// # Errors
    ///
    /// When one of the programs is not installed.
    pub(crate) fn find() -> Result<Self, Error> {
        for program in ["sbatch", "squeue", "scancel", "scontrol"] {
            if !crate::engine::is_installed(program) {
                return Err(Error::NoSlurm { program });
            }
        }
        Ok(Self)
    }

    fn ask(&self, program: &'static str, arguments: &[String]) -> Result<String, Error> {
        let output = Self::command(program, arguments).output();
        Self::answer(program, output)
    }

    fn command(program: &'static str, arguments: &[String]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        // A head that is itself a job has the settings of its own job in its environment.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if (text.starts_with("SLURM_") && text != "SLURM_CONF") || text == "SBATCH_WAIT" {
                command.env_remove(&name);
            }
        }
        command
    }

    fn answer(program: &'static str, output: std::io::Result<Output>) -> Result<String, Error> {
        let failed = |reason: String| Error::Slurm { program, reason };
        let output = output.map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        Err(failed(if said.is_empty() { output.status.to_string() } else { said }))
    }

    /// Submits an array and gives its job number.
    pub(crate) fn submit(&self, arguments: &[String]) -> Result<u64, Error> {
        let text = self.ask("sbatch", arguments)?;
        // `--parsable` prints the number, and behind a semicolon the cluster's name where there are several.
        let number = text.trim().split(';').next().unwrap_or_default().parse();
        number.map_err(|_| Error::Slurm {
            program: "sbatch",
            reason: format!("it printed {text:?}, which is no job number"),
        })
    }

    /// Everything that this user has in the queue, one entry for each task of an array, also what has ended lately.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, Error> {
        Ok(self.ask("squeue", &queue())?.lines().filter_map(listed).collect())
    }

    /// The same for somebody who would rather not know than wait: a controller that is away lets `squeue` try for long.
    pub(crate) fn list_soon(&self) -> Result<Vec<Listed>, Error> {
        const SOON: Duration = Duration::from_secs(4);
        let failed = |error: std::io::Error| Error::Slurm { program: "squeue", reason: error.to_string() };
        let mut command = Self::command("squeue", &queue());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).spawn().map_err(failed)?;
        let group = child.id();
        let (done, waits) = mpsc::channel::<()>();
        let watch = thread::spawn(move || {
            // The sender is dropped when the answer is there, before the process can be reaped and its number given away.
            if waits.recv_timeout(SOON) == Err(RecvTimeoutError::Timeout)
                && let Some(pid) = i32::try_from(group).ok().and_then(Pid::from_raw)
            {
                // It may have ended by itself in this moment.
                let _ = kill_process_group(pid, Signal::KILL);
            }
        });
        let mut text = Vec::new();
        let read = child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut text));
        drop(done);
        // A panic there has printed its own message.
        let _ = watch.join();
        let status = child.wait().map_err(failed)?;
        read.map_err(failed)?;
        let text = Self::answer("squeue", Ok(Output { status, stdout: text, stderr: Vec::new() }))?;
        Ok(text.lines().filter_map(listed).collect())
    }

    /// How the task that runs `script` ended; `None` when Slurm does not know it any more.
    pub(crate) fn fate(&self, array: u64, task: u32, script: &Path) -> Option<Fate> {
        let arguments = ["--oneliner", "show", "job"].map(str::to_owned);
        let text = self.ask("scontrol", &[&arguments[..], &[format!("{array}_{task}")]].concat()).ok()?;
        if !text.contains(&format!("Command={}", script.display())) {
            return None;
        }
        let field = |name: &str| {
            let found = text.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default().to_owned()
        };
        let fate = Fate {
            state: field("JobState"),
            reason: field("Reason"),
            exit: field("ExitCode"),
            nodes: field("NodeList"),
        };
        (!fate.state.is_empty()).then_some(fate)
    }

    /// Cancels tasks.
    pub(crate) fn cancel(&self, tasks: &[(u64, u32)]) -> Result<(), Error> {
        if tasks.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = tasks.iter().map(|(array, task)| format!("{array}_{task}")).collect();
        self.ask("scancel", &names).map(|_| ())
    }

    /// Bytes of memory and cores of the smallest node.
    pub(crate) fn smallest_node(&self, arguments: &[String]) -> Result<(u64, u32), Error> {
        let mut asked = vec!["--noheader".to_owned(), "--Node".to_owned(), "--format=%c|%m".to_owned()];
        asked.extend(arguments.iter().filter(|argument| argument.starts_with("--partition=")).cloned());
        let text = self.ask("sinfo", &asked)?;
        let nodes: Vec<(u32, u64)> = text
            .lines()
            .filter_map(|line| {
                let (cores, megabytes) = line.trim().split_once('|')?;
                Some((cores.parse().ok()?, megabytes.parse().ok()?))
            })
            .collect();
        match (nodes.iter().map(|node| node.1).min(), nodes.iter().map(|node| node.0).min()) {
            (Some(megabytes), Some(cores)) => Ok((megabytes << 20, cores)),
            _ => Err(Error::Slurm {
                program: "sinfo",
                reason: "it lists no node; is the partition's name right?".to_owned(),
            }),
        }
    }
}

/// What `squeue` is asked.
fn queue() -> [String; 5] {
    [
        "--noheader".to_owned(),
        "--array".to_owned(),
        "--states=all".to_owned(),
        format!("--user={}", rustix::process::getuid().as_raw()),
        "--format=%F|%K|%T|%r|%o".to_owned(),
    ]
}

/// One line of the queue; nothing for a job that is no task of an array.
fn listed(line: &str) -> Option<Listed> {
    let mut fields = line.trim().splitn(5, '|');
    Some(Listed {
        array: fields.next()?.parse().ok()?,
        task: fields.next()?.parse().ok()?,
        state: fields.next()?.to_owned(),
        reason: fields.next()?.to_owned(),
        script: Path::new(fields.next()?).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_queue_are_understood() {
        let line = "17|3|PENDING|ReqNodeNotAvail, UnavailableNodes:n2|/w/.night/slurm/waves/a b|c/script";
        let task = listed(line).expect("a task");
        assert_eq!((task.array, task.task, task.is_open()), (17, 3, true));
        assert_eq!(task.script, Path::new("/w/.night/slurm/waves/a b|c/script"));
        assert_eq!(listed("18|N/A|RUNNING|None|/bin/x"), None, "no array");
        assert!(!is_open("NODE_FAIL") && is_open("COMPLETING") && is_open("REQUEUED"));
    }
}
