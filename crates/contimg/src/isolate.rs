//! Commands that open tables run in a process of their own, with limits.
//!
//! casacore crashes on some damaged tables, loops on others, aborts when the disk fills, and a damaged length makes it ask
//! for any amount of memory. So the program starts itself again, with the same arguments behind `__isolated PARENT`, and
//! only waits: output goes straight through, signals are passed on, and an end that is not the command's own becomes a
//! failure that says what happened. A command takes part by a line in [`Command::limits`](crate::args::Command::limits).

use std::{
    ffi::OsString,
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitCode, ExitStatus},
};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::{consts, iterator::Signals, low_level};

use crate::{
    failure::{Class, Failure},
    size::Bytes,
};

/// The hidden first argument of a process that was started by [`run`]; the second is the id of its parent.
const MARK: &str = "__isolated";

/// Options of every command that opens tables.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LimitArgs {
    /// Memory that the process which opens the tables may allocate; damaged tables ask for any amount.
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub limit_memory: Option<Bytes>,
    /// CPU time that it may use; damaged tables can keep the library busy for ever.
    #[arg(long, value_name = "SECONDS", help_heading = "Limits", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit_cpu: Option<u64>,
}

impl LimitArgs {
    /// The limits asked for, with a command's own where none is.
    pub(crate) fn or(self, memory: Bytes, cpu_s: u64) -> Limits {
        Limits { memory: self.limit_memory.unwrap_or(memory), cpu_s: Some(self.limit_cpu.unwrap_or(cpu_s)) }
    }
}

/// What a process may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Private memory; the stacks of as many threads as the machine has cores come on top.
    pub memory: Bytes,
    /// CPU time of all threads, seconds.
    pub cpu_s: Option<u64>,
}

/// The arguments of this process as a user would write them, and, in a process that [`run`] started, its parent's id.
pub(crate) fn arguments() -> (Vec<OsString>, Option<u32>) {
    split(std::env::args_os().collect())
}

fn split(mut arguments: Vec<OsString>) -> (Vec<OsString>, Option<u32>) {
    let parent = match arguments.get(1..3) {
        Some([mark, parent]) if mark == MARK => parent.to_str().and_then(|text| text.parse().ok()),
        _ => None,
    };
    if parent.is_some() {
        arguments.drain(1..3);
    }
    (arguments, parent)
}

/// The command line as a user wrote it, for provenance.
pub(crate) fn command_line() -> String {
    let words: Vec<_> = arguments().0.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

/// Dies with the parent, leaves no core file, and stays within `limits`.
pub(crate) fn confine(parent: u32, limits: Limits) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getppid, set_parent_process_death_signal, setrlimit};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().is_none_or(|p| p.as_raw_nonzero().get() as u32 != parent) {
        return Err(io::Error::other("the parent process is gone"));
    }
    let limit = |resource, soft, hard| {
        // What a shell allows may be less already.
        let most = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        setrlimit(resource, Rlimit { current: Some(most.min(soft)), maximum: Some(most.min(hard)) })
    };
    limit(Resource::Core, 0, 0)?;
    // Private memory and not the address space, in which the allocator reserves far more than it uses. An allocation
    // beyond the limit fails instead of taking the machine with it.
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let memory = limits.memory.0.saturating_add(cores << 22);
    limit(Resource::Data, memory, memory)?;
    if let Some(cpu_s) = limits.cpu_s {
        // SIGXCPU first, which tells the limit from other ends.
        limit(Resource::Cpu, cpu_s, cpu_s.saturating_add(5))?;
    }
    Ok(())
}

/// Runs the program again with `arguments` within `limits`, and gives its exit code.
pub(crate) fn run(arguments: &[OsString], limits: Limits) -> Result<ExitCode, Failure> {
    let cannot = |error| Failure::io(Class::Worker, "cannot start the process that opens the tables", &error);
    let passed_on = [consts::SIGINT, consts::SIGTERM, consts::SIGHUP, consts::SIGQUIT];
    let waiting = [consts::SIGCHLD, consts::SIGTSTP, consts::SIGCONT];
    let mut signals = Signals::new(passed_on.iter().chain(&waiting)).map_err(cannot)?;
    let mut child = Command::new(std::env::current_exe().map_err(cannot)?)
        .arg(MARK)
        .arg(std::process::id().to_string())
        .args(&arguments[1..])
        // Its own group: what a terminal sends reaches us, and the child once, from us.
        .process_group(0)
        .spawn()
        .map_err(cannot)?;
    let mut asked = None;
    // Before the first wait a child that has ended already has sent its SIGCHLD: the handlers are older than it.
    let status = loop {
        for signal in signals.wait() {
            match signal {
                consts::SIGCHLD => {}
                consts::SIGTSTP => {
                    send_group(&child, Signal::STOP);
                    // The usual thing: we stop, too.
                    low_level::emulate_default_handler(signal).map_err(cannot)?;
                }
                consts::SIGCONT => send_group(&child, Signal::CONT),
                signal => {
                    asked = Some(signal);
                    if let (Some(pid), Some(signal)) = (pid(&child), Signal::from_named_raw(signal)) {
                        // It may have ended already.
                        let _ = kill_process(pid, signal);
                        let _ = kill_process(pid, Signal::CONT);
                    }
                }
            }
        }
        if let Some(status) = child.try_wait().map_err(cannot)? {
            break status;
        }
    };
    ended(status, asked, limits)
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

fn send_group(child: &Child, signal: Signal) {
    if let Some(pid) = pid(child) {
        let _ = kill_process_group(pid, signal);
    }
}

/// The child's exit code, or what its end means. `asked` is the last signal that was passed on to it.
fn ended(status: ExitStatus, asked: Option<i32>, limits: Limits) -> Result<ExitCode, Failure> {
    let of_worker = |how: String| Failure::new(Class::Worker, how);
    let Some(signal) = status.signal() else {
        return match status.code().and_then(|code| u8::try_from(code).ok()) {
            // A panic of the main thread.
            Some(101) => Err(of_worker(
                "the process that opened the tables failed in a way that it did not expect".into(),
            )
            .hint("this is a mistake in contimg: please report it with the lines above and, if you can, the set")),
            Some(code) => Ok(ExitCode::from(code)),
            None => Err(of_worker(format!("the process that opened the tables ended with {status}"))),
        };
    };
    let name = low_level::signal_name(signal).unwrap_or("an unknown signal");
    if asked == Some(signal) {
        return Err(Failure::new(Class::Interrupted, format!("stopped by signal {signal} ({name})")));
    }
    let Limits { memory, cpu_s } = limits;
    let how = format!("the process that opened the tables was ended by signal {signal} ({name})");
    let damaged = "the set is damaged, or its storage is; check its files against a copy. Nothing else is affected";
    Err(match (signal, cpu_s) {
        (consts::SIGXCPU, Some(cpu_s)) => {
            let mut failure =
                of_worker(how).hint(format!("{damaged}. For a sound set that takes longer, raise --limit-cpu"));
            failure.chain.push(format!("it used its {cpu_s} s of CPU time"));
            failure
        }
        (consts::SIGABRT, _) => {
            let mut failure = of_worker(how).hint(format!(
                "the lines above say what it gave up on. If it was memory: raise --limit-memory for a sound set; else {damaged}"
            ));
            failure.chain.push(format!("it ended itself; it could allocate {memory}"));
            failure
        }
        (consts::SIGKILL, _) => {
            of_worker(how).hint("somebody killed it, or the system did for want of memory: look at `dmesg`")
        }
        _ => {
            let mut failure = of_worker(how).hint(damaged);
            failure.chain.push("casacore crashes on some damaged tables".into());
            failure
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<OsString> {
        list.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_child_sees_the_arguments_of_its_parent() {
        let given = words(&["contimg", "meta", "a.ms"]);
        assert_eq!(split(given.clone()), (given.clone(), None));
        assert_eq!(split(words(&["contimg", MARK, "17", "meta", "a.ms"])), (given, Some(17)));
        let odd = words(&["contimg", MARK, "x"]);
        assert_eq!(split(odd.clone()), (odd, None));
    }

    #[test]
    fn ends_are_told_apart() {
        let limits = Limits { memory: Bytes(1 << 30), cpu_s: Some(60) };
        let end = |raw, asked| ended(ExitStatus::from_raw(raw), asked, limits);
        assert!(end(5 << 8, None).is_ok(), "an exit code is the command's own");
        let class = |raw, asked| end(raw, asked).expect_err("a failure").class;
        assert_eq!(class(101 << 8, None), Class::Worker);
        assert_eq!(class(2, Some(2)), Class::Interrupted);
        assert_eq!(class(2, None), Class::Worker);
        let text = |raw| end(raw, None).expect_err("a failure").to_string();
        assert!(text(11).contains("SIGSEGV"), "{}", text(11));
        assert!(text(24).contains("60 s of CPU time"), "{}", text(24));
        assert!(text(6).contains("1.00 GiB"), "{}", text(6));
    }
}
