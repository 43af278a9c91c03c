//! One worker process: started, followed, stopped, and its end understood.
//!
//! casacore aborts its process when the disk is full, and C libraries crash on damaged files: a worker takes that with it and
//! the program goes on.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use crate::{
    failure::{Class, Failure},
    protocol::{Job, Message, Outcome},
};

/// Which signal, if any, asked us to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Listens for SIGINT, SIGTERM and SIGHUP. A second one ends the program at once.
    pub(crate) fn listen() -> std::io::Result<Self> {
        use signal_hook::{consts, flag};
        let stop = Self::default();
        let again = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for signal in [consts::SIGINT, consts::SIGTERM, consts::SIGHUP] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
            flag::register_usize(signal, Arc::clone(&stop.0), signal as usize)?;
        }
        Ok(stop)
    }

    /// The signal that asked us to stop.
    pub(crate) fn signal(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&s| s != 0)
    }

    /// The failure to report once stopped.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.signal().map(|signal| {
            Failure::new(Class::Interrupted, format!("stopped by signal {signal}"))
                .hint("nothing half-written was left; run the same command again to go on")
        })
    }
}

const STDERR_TAIL: usize = 64 * 1024;

/// Runs `job` in a worker process. `on_message` sees its warnings and progress.
pub(crate) fn run(job: &Job, stop: &Stop, mut on_message: impl FnMut(&Message)) -> Result<Outcome, Failure> {
    let program =
        std::env::current_exe().map_err(|e| Failure::io(Class::Worker, "cannot find our own program file", &e))?;
    let mut child = Command::new(program)
        .arg("__convert")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Its own group: a terminal's Ctrl-C reaches us only, and we end the worker.
        .process_group(0)
        .spawn()
        .map_err(|e| Failure::io(Class::Worker, "cannot start a worker process", &e))?;

    let mut stdin = child.stdin.take().expect("because stdin is piped");
    let stdout = child.stdout.take().expect("because stdout is piped");
    let stderr = child.stderr.take().expect("because stderr is piped");
    let tail = thread::spawn(move || keep_tail(stderr));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { break };
            let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    // A worker that died before it read its job shows in its exit status.
    let _ = serde_json::to_writer(&mut stdin, job).map_err(std::io::Error::from).and_then(|()| stdin.flush());
    drop(stdin);

    let mut end = None;
    loop {
        if let Some(failure) = stop.failure() {
            kill(&mut child);
            return Err(failure);
        }
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(Message::Done(outcome)) => end = Some(Ok(*outcome)),
            Ok(Message::Failed(failure)) => end = Some(Err(failure)),
            Ok(message) => on_message(&message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().map_err(|e| Failure::io(Class::Worker, "cannot wait for a worker process", &e))?;
    let tail = tail.join().unwrap_or_default();
    match end {
        Some(Ok(outcome)) if status.success() => Ok(outcome),
        Some(Err(failure)) => Err(failure),
        _ => Err(crashed(status, &tail)),
    }
}

/// Reads to the end and keeps the last 64 KiB as text.
fn keep_tail(mut from: impl Read) -> String {
    let mut tail = VecDeque::new();
    let mut buffer = [0; 4096];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        tail.extend(&buffer[..n]);
        let excess = tail.len().saturating_sub(STDERR_TAIL);
        tail.drain(..excess);
    }
    String::from_utf8_lossy(&Vec::from(tail)).into_owned()
}

/// Ends the worker and its group.
fn kill(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn crashed(status: ExitStatus, tail: &str) -> Failure {
    let how = match (status.signal(), status.code()) {
        (Some(signal), _) => format!("the worker process was ended by signal {signal}"),
        (None, Some(code)) => format!("the worker process ended with code {code} and no result"),
        (None, None) => "the worker process ended without a result".to_owned(),
    };
    let mut failure = Failure::new(Class::Worker, how);
    failure.chain.extend(tail.lines().rev().filter(|l| !l.trim().is_empty()).take(4).map(ToOwned::to_owned));
    failure.chain[1..].reverse();
    failure.hint("only this group is affected; if it happens again with the same files, they are damaged in a way that should be reported")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_of_much_output_is_kept() {
        let text = "x".repeat(3 * STDERR_TAIL) + "end";
        let tail = keep_tail(text.as_bytes());
        assert_eq!(tail.len(), STDERR_TAIL);
        assert!(tail.ends_with("xend"));
    }

    #[test]
    fn a_crash_tells_its_signal_and_last_words() {
        let failure = crashed(ExitStatus::from_raw(6), "noise\n\nterminate called\n  what(): boom\n");
        assert_eq!(failure.class, Class::Worker);
        assert_eq!(
            failure.chain,
            ["the worker process was ended by signal 6", "noise", "terminate called", "  what(): boom"]
        );
    }
}
