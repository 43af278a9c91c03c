//! python-casacore in a process of its own, which takes jobs one after another.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// The program that it runs.
const PROGRAM: &str = include_str!("writer.py");

/// A running helper. It ends with its standard input.
pub(crate) struct Writer {
    child: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Writer {
    pub(crate) fn start(python: &OsStr) -> io::Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(jobs), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes to the writer"));
        };
        Ok(Self { child, jobs, answers: BufReader::new(answers) })
    }

    /// Sends a job that may run beside another one: what to do to one table, which is opened and closed for it. The table is
    /// locked from the start, since two casacores that lock when they first write can each wait for the other.
    pub(crate) fn send(&mut self, table: &Path, work: &[Value]) -> io::Result<()> {
        self.send_with(table, work, "permanentwait")
    }

    fn send_with(&mut self, table: &Path, work: &[Value], lock: &str) -> io::Result<()> {
        writeln!(self.jobs, "{}", json!({ "table": table.to_string_lossy(), "do": work, "lock": lock }))?;
        self.jobs.flush()
    }

    /// Waits until the job that was sent is done.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.trim() {
            "ok" => Ok(()),
            "" => Err(io::Error::other("python-casacore died")),
            error => Err(io::Error::other(format!("python-casacore: {error}"))),
        }
    }

    pub(crate) fn job(&mut self, table: &Path, work: &[Value]) -> io::Result<()> {
        self.send_with(table, work, "default")?;
        self.wait()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It has nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
