//! Runs of the program in folders of their own.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fixtures::GroupSpec;
use rustix::process::{Pid, Signal, kill_process};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_contimg");

/// The name that the files of the usual group give its set.
pub(crate) const GROUP: &str = "2026-01-25T00:05:19";

/// Folders for input, output and remembered headers, removed at the end.
pub(crate) struct Work {
    folder: tempfile::TempDir,
}

impl Work {
    /// Empty, in memory where that is possible: hundreds of runs would wait for whatever else the machine writes.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("temporary folder");
        // For tests that run the program as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let work = Self { folder };
        fs::create_dir(work.input()).expect("mkdir");
        work
    }

    /// With a group in the input folder.
    pub(crate) fn with(spec: &GroupSpec) -> Self {
        let work = Self::new();
        work.add(spec);
        work
    }

    /// Adds a group to the input folder.
    pub(crate) fn add(&self, spec: &GroupSpec) -> Vec<PathBuf> {
        fixtures::write_group(&self.input(), spec).expect("fixtures")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn input(&self) -> PathBuf {
        self.path().join("input")
    }

    /// Where sets go; the program makes it.
    pub(crate) fn out(&self) -> PathBuf {
        self.path().join("out")
    }

    /// The set of the usual group.
    pub(crate) fn set(&self) -> PathBuf {
        self.out().join(format!("{GROUP}.ms"))
    }

    /// The program, which remembers headers in this folder only and works here. All that it makes bears one time, so that
    /// products of the same input are equal.
    pub(crate) fn contimg<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).current_dir(self.path()).env("XDG_CACHE_HOME", self.path().join("cache"));
        command.stdin(Stdio::null()).env_remove("CONTIMG_LOG").env("RUST_BACKTRACE", "0");
        command.env("SOURCE_DATE_EPOCH", "1769299519");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended::of(start(&mut self.contimg(args)).wait_with_output().expect("wait"))
    }

    /// The program as a user without rights; `None` when this machine does not allow it.
    pub(crate) fn unprivileged(&self, args: &[&str]) -> Option<Ended> {
        let mut command = self.contimg([""; 0]);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut wrapped = Command::new("setpriv");
            wrapped.args(["--reuid=65534", "--clear-groups", PROGRAM]).current_dir(self.path());
            wrapped.env("XDG_CACHE_HOME", self.path().join("cache")).env("RUST_BACKTRACE", "0");
            let probe =
                Command::new("setpriv").args(["--reuid=65534", "--clear-groups", PROGRAM, "--version"]).output();
            if !probe.is_ok_and(|p| p.status.success()) {
                eprintln!("skipped: this machine does not allow to run the program without root's rights");
                return None;
            }
            wrapped
        } else {
            command.stdin(Stdio::null());
            command
        };
        Some(Ended::of(start(command.args(args)).wait_with_output().expect("wait")))
    }

    /// `contimg convert input --out out` with more arguments.
    pub(crate) fn convert(&self, args: &[&str]) -> Ended {
        self.run(&[&["convert", "input", "--out", "out"], args].concat())
    }

    /// Removes all output.
    pub(crate) fn clear(&self) {
        let _ = fs::remove_dir_all(self.out());
    }

    /// Names in the output folder, hidden ones too.
    pub(crate) fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.out()) else { return Vec::new() };
        let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The exit code of a run that ended by itself, as documented, without a panic anywhere.
    pub(crate) fn orderly(&self) -> Result<i32, String> {
        for text in [&self.stdout, &self.stderr] {
            if text.contains("panicked") || text.contains("RUST_BACKTRACE") {
                return Err(format!("a panic: {self:?}"));
            }
        }
        match self.code {
            Some(code @ (0..=5 | 130 | 143)) => Ok(code),
            _ => Err(format!("ended by a signal or with a code that is not documented: {self:?}")),
        }
    }

    /// Asserts the exit code, and that a failure says what to do.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.orderly().expect("an orderly end"), code, "{self:?}");
        assert!(code == 0 || self.stderr.contains("error:"), "{self:?}");
        self
    }

    /// Asserts that stderr holds this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in {self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn says_stdout(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "`{text}` is not in {self:?}");
        self
    }

    /// Stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("stdout is not one JSON document: {e}: {self:?}"))
    }
}

/// The processes that `pid` has started and that run.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| text.split_ascii_whitespace().filter_map(|p| p.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// The children of a process that were started with this hidden command: `__convert` or `__headers`.
pub(crate) fn workers(pid: u32, command: &str) -> Vec<u32> {
    let has =
        |child: &u32| fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| contains(&line, command.as_bytes()));
    children(pid).into_iter().filter(has).collect()
}

/// Processes whose environment holds `tag`.
pub(crate) fn tagged(tag: &str) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has = |pid: &u32| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|env| contains(&env, tag.as_bytes()));
    pids.filter(has).collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    // It may have ended already.
    let _ = kill_process(pid, signal);
}

/// Looks until `seen` gives something; panics after a minute.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = seen() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no {what} after a minute");
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

/// Lets `child` run for `time`, or until it ends.
pub(crate) fn run_for(child: &mut Child, time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time && child.try_wait().expect("wait").is_none() {
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

/// Starts `command` with its output kept.
pub(crate) fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start contimg")
}
