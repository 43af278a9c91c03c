//! Who makes a temporary, and whether that process still lives.

use std::fmt;
use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The name of the owner record inside a temporary directory.
pub(crate) const OWNER_NAME: &str = "owner.json";

/// The process that owns a temporary.
///
/// A process id comes back after a while, so it counts only together with the process's start time, the boot and the
/// process-id namespace (containers of one host share the boot and have process ids of their own).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Owner {
    /// The host's name.
    pub host: String,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// The process-id namespace, as `/proc/self/ns/pid` names it.
    pub pid_namespace: String,
    /// The process id.
    pub pid: u32,
    /// When the process started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start_ticks: u64,
}

/// Whether an owner still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It runs on this host.
    Alive,
    /// It has ended, or this host has been restarted since.
    Dead,
    /// It ran on another host or in another container: this process cannot tell.
    Unknown,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    ///
    /// When `/proc` cannot be read.
    pub fn current() -> Result<Self, Error> {
        let pid = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
        let stat = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&stat).map_err(|source| Error::io(&stat, "read own process's state", source))?;
        let (_, start_ticks) = parse_stat(&text).ok_or_else(|| Error::Io {
            path: stat.into(),
            action: "understand own process's state",
            source: std::io::ErrorKind::InvalidData.into(),
        })?;
        Ok(Self { host: host_name(), boot_id: boot_id()?, pid_namespace: pid_namespace(), pid, start_ticks })
    }

    /// Whether this owner still runs, as far as this process can tell.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        let Ok(boot_now) = boot_id() else { return Liveness::Unknown };
        if self.boot_id == boot_now {
            if self.pid_namespace == pid_namespace() {
                liveness_of_pid(self.pid, Some(self.start_ticks))
            } else {
                Liveness::Unknown
            }
        } else if self.host == host_name() && tells_hosts_apart(&self.host) {
            Liveness::Dead
        } else {
            Liveness::Unknown
        }
    }
}

/// Whether process `pid` of this host runs and, where `start_ticks` is given, is the one that started then.
pub(crate) fn liveness_of_pid(pid: u32, start_ticks: Option<u64>) -> Liveness {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Liveness::Dead };
    if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        return match parse_stat(&text) {
            // A zombie runs no more; its record waits for its parent.
            Some(('Z' | 'X', _)) => Liveness::Dead,
            Some((_, started)) if start_ticks.is_some_and(|ticks| ticks != started) => Liveness::Dead,
            Some(_) => Liveness::Alive,
            None => Liveness::Unknown,
        };
    }
    // `/proc` may hide the processes of other users (hidepid); the kernel still says whether the id is taken.
    match rustix::process::test_kill_process(raw) {
        Err(Errno::SRCH) => Liveness::Dead,
        _ => Liveness::Unknown,
    }
}

/// State letter and start time from the text of `/proc/PID/stat`. The program's name, in parentheses, may hold anything.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 3 was the state; the start time is field 22.
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Whether a host's name is its own. Machines of one image, nodes without a disk and containers often all have the same one,
/// and then another boot may just be another machine.
fn tells_hosts_apart(host: &str) -> bool {
    !matches!(host.split('.').next().unwrap_or_default(), "" | "localhost" | "(none)")
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

fn boot_id() -> Result<String, Error> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = fs::read_to_string(path).map_err(|source| Error::io(path, "read this boot's id", source))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_namesakes_are_not() {
        let me = Owner::current().expect("own record");
        assert_eq!(me.liveness(), Liveness::Alive);
        let earlier = Owner { start_ticks: me.start_ticks.wrapping_sub(1), ..me.clone() };
        assert_eq!(earlier.liveness(), Liveness::Dead, "the same pid, started at another time");
        let before_reboot = Owner { boot_id: "another".into(), ..me.clone() };
        let expected = if tells_hosts_apart(&me.host) { Liveness::Dead } else { Liveness::Unknown };
        assert_eq!(before_reboot.liveness(), expected);
        assert!(tells_hosts_apart("node-3.local") && !tells_hosts_apart("localhost.localdomain"));
        let container = Owner { pid_namespace: "pid:[1]".into(), ..me.clone() };
        assert_eq!(container.liveness(), Liveness::Unknown);
        let elsewhere = Owner { boot_id: "another".into(), host: "elsewhere".into(), ..me };
        assert_eq!(elsewhere.liveness(), Liveness::Unknown);
    }

    #[test]
    fn a_program_name_may_hold_parentheses_and_spaces() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(parse_stat(stat), Some(('R', 4242)));
        assert_eq!(parse_stat("7 (a"), None);
    }
}
