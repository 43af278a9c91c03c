//! The processes that a process started: found, measured and ended, and nobody else.
//!
//! A caller that is a "child subreaper" gets the orphans among its descendants as children, so that walking down from it
//! finds all of them, also those that left their process group or session.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

/// What a tree of processes uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Resident memory, bytes; a page that several share counts once when it was looked at closely.
    pub(crate) memory: u64,
    /// Processor time of the processes that live, seconds.
    pub(crate) cpu_seconds: f64,
    /// How many there are.
    pub(crate) processes: usize,
}

/// The descendants of this process, without it.
pub(crate) fn descendants() -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![std::process::id()];
    while let Some(pid) = waiting.pop() {
        for child in children(pid) {
            if found.insert(child) {
                waiting.push(child);
            }
        }
    }
    found
}

/// The children that any thread of a process has.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// Measures processes. Resident sizes are quick to read but count shared pages once for each process; near `limit` the
/// exact share of every process is read instead.
pub(crate) fn usage(pids: &BTreeSet<u32>, limit: u64) -> Usage {
    let page = rustix::param::page_size() as u64;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let mut usage = Usage::default();
    for pid in pids {
        // One that has ended since has nothing any more.
        let Ok(statm) = fs::read_to_string(format!("/proc/{pid}/statm")) else { continue };
        usage.memory += statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * page;
        usage.processes += 1;
        if let Some((_, times)) = fs::read_to_string(format!("/proc/{pid}/stat")).ok().as_deref().and_then(parse_stat) {
            usage.cpu_seconds += times as f64 / ticks;
        }
    }
    if usage.memory > limit {
        usage.memory = pids.iter().map(|pid| proportional(*pid)).sum();
    }
    usage
}

/// A process's share of the memory that it uses (PSS).
fn proportional(pid: u32) -> u64 {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}

/// State letter, and ticks of processor time of a process and its ended children, from `/proc/PID/stat`.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // utime, stime, cutime and cstime are fields 14 to 17; the state was field 3.
    let times = fields.skip(10).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
    Some((state, times))
}

/// Whether a process has ended and only waits for its parent to notice.
fn has_ended(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .as_deref()
        .and_then(parse_stat)
        .is_none_or(|(state, _)| matches!(state, 'Z' | 'X'))
}

/// Descendants that still run.
pub(crate) fn running(except: &BTreeSet<u32>) -> BTreeSet<u32> {
    descendants().into_iter().filter(|pid| !except.contains(pid) && !has_ended(*pid)).collect()
}

/// Waits until a child has ended, at most so long. It stays a zombie for who waits for it.
pub(crate) fn await_end(child: u32, most: Duration) {
    let Some(id) = to_pid(child) else { return };
    // A child that cannot be opened was waited for already.
    let Ok(descriptor) = rustix::process::pidfd_open(id, PidfdFlags::empty()) else { return };
    let deadline = Instant::now() + most;
    let mut ended = [PollFd::new(&descriptor, PollFlags::IN)];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        // A signal is no end.
        if rustix::event::poll(&mut ended, Some(&left)) != Err(Errno::INTR) {
            return;
        }
    }
}

/// A process's name, as the kernel keeps it.
pub(crate) fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Asks all descendants except `spared` and theirs to end, and after `grace` ends them. Returns when none runs.
///
/// A process is addressed through a descriptor that was opened while it was seen among the descendants, so a number that
/// came back for somebody else's process is not hit.
pub(crate) fn end_all(spared: &BTreeSet<u32>, grace: Duration) {
    let deadline = Instant::now() + grace;
    let mut asked = BTreeSet::new();
    let mut found_nothing = false;
    loop {
        let alive = running(&spared_with_theirs(spared));
        if alive.is_empty() {
            // A process whose parent ended while its siblings were looked at is seen the next time only.
            if std::mem::replace(&mut found_nothing, true) {
                return;
            }
            continue;
        }
        found_nothing = false;
        let is_over = Instant::now() >= deadline;
        for &pid in &alive {
            if is_over {
                signal(pid, Signal::KILL);
            } else if asked.insert(pid) {
                signal(pid, Signal::TERM);
                // One that a SIGSTOP holds could not hear it.
                signal(pid, Signal::CONT);
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn spared_with_theirs(spared: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut all = spared.clone();
    let mut waiting: Vec<u32> = spared.iter().copied().collect();
    while let Some(pid) = waiting.pop() {
        waiting.extend(children(pid).into_iter().filter(|child| all.insert(*child)));
    }
    all
}

/// Takes note of the end of orphans that fell to this process, so that they do not stay as zombies. Children that the
/// standard library started are `known` and waited for elsewhere.
pub(crate) fn reap_orphans(known: &BTreeSet<u32>) {
    for pid in children(std::process::id()) {
        if let Some(id) = to_pid(pid).filter(|_| !known.contains(&pid)) {
            // It has not ended yet.
            let _ = rustix::process::waitpid(Some(id), WaitOptions::NOHANG);
        }
    }
}

/// Signals one process that is a descendant now.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let Some(id) = to_pid(pid) else { return };
    // One that has ended needs no signal.
    let Ok(descriptor) = rustix::process::pidfd_open(id, PidfdFlags::empty()) else { return };
    // Between being seen and being opened, the number may have come back for another process: look once more.
    if descendants().contains(&pid) {
        let _ = rustix::process::pidfd_send_signal(&descriptor, signal);
    }
}

fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Makes this process the one that orphans among its descendants fall to.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_program_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 10 20 3 4 20 0 1 0 4242 1 1";
        assert_eq!(parse_stat(stat), Some(('S', 37)));
    }
}
