//! A stage's programs: started, watched, ended when they take too much, and their end told apart.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{PipeReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::cgroup::AttemptGroup;
use crate::failure::{Class, Failure, signal_name};
use crate::job::{Job, Message};
use crate::tree;
use crate::worker::{is_full, pauses, tell};

/// The processes are looked at so often.
const LOOK: Duration = Duration::from_millis(40);
/// Most programs that end before this cannot have taken much.
const FIRST_LOOK: Duration = Duration::from_millis(15);
/// The head hears of it so often.
const TELL: Duration = Duration::from_millis(200);
/// Whether the set is still this worker's is asked so often.
const ASK: Duration = Duration::from_secs(2);
/// What is kept of a program's output: its beginning in the log, and its end in the log and the record.
const LOG_BYTES: u64 = 8 << 20;
const TAIL_BYTES: usize = 64 << 10;
/// The log of earlier attempts makes room for the next one's when it is larger. With what an attempt adds it stays below the
/// least limit of a file's size that a worker has, which holds for the log, too.
const LOG_KEPT: u64 = 4 << 20;
/// Once none of its processes runs, a program's output gets so long to end: somebody else may hold the pipe, such as a service
/// to which it was handed.
const OUTPUT_ENDS: Duration = Duration::from_secs(1);

/// What an attempt used, over all its programs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) peak_memory: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) output_bytes: u64,
}

/// Runs an attempt's programs one after the other under its limits.
pub(crate) struct Programs<'a> {
    job: &'a Job,
    scratch: &'a Path,
    out: Option<&'a Path>,
    log: &'a Path,
    stop: &'a Arc<AtomicBool>,
    is_lost: &'a dyn Fn() -> bool,
    asked: Instant,
    used: &'a mut Used,
    deadline: Instant,
    told: Instant,
    group: Option<AttemptGroup>,
}

/// Why the watch ended a program.
enum Ended {
    ByItself(ExitStatus),
    Because(Class, String),
}

impl<'a> Programs<'a> {
    pub(crate) fn new(
        job: &'a Job,
        scratch: &'a Path,
        out: Option<&'a Path>,
        log: &'a Path,
        (stop, is_lost): (&'a Arc<AtomicBool>, &'a dyn Fn() -> bool),
        used: &'a mut Used,
    ) -> Self {
        let now = Instant::now();
        let deadline = now + Duration::try_from_secs_f64(job.limits.seconds).unwrap_or(Duration::from_secs(1 << 30));
        Self { job, scratch, out, log, stop, is_lost, asked: now, used, deadline, told: now, group: None }
    }

    /// Runs one program to its end.
    pub(crate) fn run(&mut self, command: &[String]) -> Result<(), Failure> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Failure::new(Class::Stopped, "the run was asked to stop"));
        }
        let arguments: Vec<String> = command.iter().map(|argument| self.placed(argument)).collect();
        let cannot = |error: &std::io::Error| {
            Failure::new(Class::CannotStart, format!("{} cannot be started: {error}", arguments[0]))
        };
        let (reader, writer) = std::io::pipe().map_err(|error| cannot(&error))?;
        let mut program = Command::new(&arguments[0]);
        let threads = self.job.limits.cores.to_string();
        for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"] {
            program.env(name, &threads);
        }
        let child = program
            .args(&arguments[1..])
            // So that what it makes can say where it comes from.
            .env("CONTIMG_RUN", &self.job.run)
            .env("CONTIMG_SET", &self.job.set)
            .env("CONTIMG_STAGE", &self.job.stage)
            .env("CONTIMG_SETTINGS", &self.job.key)
            .current_dir(self.scratch)
            // A library's plugins and files come from its installation, not from whoever set these for himself.
            .env_remove("HDF5_PLUGIN_PATH")
            .envs(self.job.env.iter().map(|(name, value)| (name, self.placed(value))))
            .stdin(Stdio::null())
            .stdout(writer.try_clone().map_err(|error| cannot(&error))?)
            .stderr(writer)
            .spawn()
            .map_err(|error| cannot(&error))?;
        // The command holds our copies of the pipe's end.
        drop(program);
        let output = Output::follow(reader, self.log.to_owned(), arguments.join(" "), self.used.output_bytes);
        let main = child.id();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut child = child;
            // The receiver waits for it.
            let _ = sender.send(child.wait());
        });
        let ended = self.watch(&receiver, &output.bytes)?;
        let left = match ended {
            Ended::ByItself(_) => self.end_what_is_left(main),
            Ended::Because(Class::Stopped | Class::Time, _) => {
                tree::end_all(
                    &BTreeSet::new(),
                    Duration::from_secs_f64(self.job.limits.grace_seconds.clamp(0.0, 600.0)),
                );
                Vec::new()
            }
            Ended::Because(..) => {
                tree::end_all(&BTreeSet::new(), Duration::ZERO);
                Vec::new()
            }
        };
        self.used.output_bytes = output.bytes.load(Ordering::Relaxed);
        let tail = output.finish();
        self.used.cpu_seconds = cpu_of_ended_children().max(self.used.cpu_seconds);
        let failure = match ended {
            Ended::ByItself(status) if !status.success() && self.was_stopped_too(status) => {
                Failure::new(Class::Stopped, "the run was asked to stop")
            }
            Ended::ByItself(status) => match self.of_status(status, &arguments[0], &tail) {
                None if left.is_empty() => return Ok(()),
                None => Failure::new(
                    Class::LeftProcesses,
                    format!("{} ended and left {} running, which were ended", arguments[0], left.join(", ")),
                ),
                Some(failure) => failure,
            },
            Ended::Because(class, message) => Failure::new(class, message),
        };
        Err(Failure { output_tail: tail, ..failure })
    }

    /// Replaces what only the worker knows.
    fn placed(&self, argument: &str) -> String {
        let argument = argument.replace("{scratch}", &self.scratch.display().to_string());
        match self.out {
            Some(out) => argument.replace("{out}", &out.display().to_string()),
            None => argument,
        }
    }

    /// Waits for the program's end, or for a reason to end it.
    fn watch(
        &mut self,
        receiver: &mpsc::Receiver<std::io::Result<ExitStatus>>,
        printed: &AtomicU64,
    ) -> Result<Ended, Failure> {
        let limits = self.job.limits;
        let mut looks = 0_u32;
        loop {
            match receiver.recv_timeout(if looks == 0 { FIRST_LOOK } else { LOOK }) {
                Ok(Ok(status)) => return Ok(Ended::ByItself(status)),
                Ok(Err(error)) => {
                    return Err(Failure::new(Class::Lost, format!("its end cannot be waited for: {error}")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(Class::Lost, "the thread that waits for its end is gone"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            looks += 1;
            let pids = tree::descendants();
            self.put_into_group(&pids);
            let usage = tree::usage(&pids, limits.memory / 10 * 8);
            self.used.peak_memory = self.used.peak_memory.max(usage.memory);
            if self.told.elapsed() >= TELL {
                self.told = Instant::now();
                tell(&Message::Sample { memory: usage.memory, cpu_seconds: usage.cpu_seconds });
            }
            let reason = if self.stop.load(Ordering::Relaxed) {
                (Class::Stopped, "the run was asked to stop".to_owned())
            } else if self.has_lost_the_set() {
                (Class::Stopped, "another attempt took this one's place".to_owned())
            } else if usage.memory > limits.memory {
                let (took, given) = (crate::Bytes(usage.memory), crate::Bytes(limits.memory));
                (Class::Memory, format!("its processes took {took} of memory and were given {given}"))
            } else if Instant::now() >= self.deadline {
                (Class::Time, format!("it was still running after {} s", limits.seconds))
            } else if printed.load(Ordering::Relaxed) > limits.output {
                (Class::Flood, format!("it printed more than {}", crate::Bytes(limits.output)))
            } else if let Some(message) = looks.is_multiple_of(5).then(|| self.disk_excess()).flatten() {
                (Class::Disk, message)
            } else {
                continue;
            };
            return Ok(Ended::Because(reason.0, reason.1));
        }
    }

    fn has_lost_the_set(&mut self) -> bool {
        if self.asked.elapsed() < ASK {
            return false;
        }
        self.asked = Instant::now();
        (self.is_lost)()
    }

    /// Whether the program ended because of the signal that asks this worker to stop: Slurm sends it to both at once, and
    /// either may be faster.
    fn was_stopped_too(&self, status: ExitStatus) -> bool {
        const TERM: i32 = 15;
        let by_term = status.signal() == Some(TERM) || status.code() == Some(128 + TERM);
        for pause in pauses().take_while(|_| by_term) {
            if self.stop.load(Ordering::Relaxed) {
                return true;
            }
            thread::sleep(pause);
        }
        self.stop.load(Ordering::Relaxed)
    }

    /// Puts processes into the attempt's control group, where there can be one. It is made at the first look, since that takes
    /// the kernel longer than many a program runs; without one, the watch alone keeps the limit.
    fn put_into_group(&mut self, pids: &BTreeSet<u32>) {
        let Some(run) = self.job.cgroup.as_deref() else { return };
        if self.group.is_none() {
            self.group = AttemptGroup::make(run, self.job.limits.memory).ok();
        }
        if let Some(group) = &mut self.group {
            group.take_in(pids);
        }
    }

    /// What is wrong with the disk that this stage takes, if anything.
    fn disk_excess(&self) -> Option<String> {
        let limit = self.job.limits.disk?;
        let taken = disk_bytes(self.scratch) + self.out.map_or(0, disk_bytes);
        if taken >= limit {
            return Some(format!("it took {} of disk and was given {}", crate::Bytes(taken), crate::Bytes(limit)));
        }
        None
    }

    /// Ends what the program left running, and gives their names.
    fn end_what_is_left(&self, main: u32) -> Vec<String> {
        let mut left = BTreeSet::new();
        // Helpers often end a moment after the program that they helped.
        for pause in pauses() {
            thread::sleep(pause);
            left = tree::running(&BTreeSet::from([main]));
            if left.is_empty() {
                return Vec::new();
            }
        }
        let names = left.iter().map(|pid| format!("`{}` (process {pid})", tree::name(*pid))).collect();
        tree::end_all(&BTreeSet::new(), Duration::from_millis(500));
        names
    }

    /// What a program's own end means.
    fn of_status(&self, status: ExitStatus, program: &str, tail: &str) -> Option<Failure> {
        if status.success() {
            return None;
        }
        if self.group.as_ref().is_some_and(|group| group.ended() > 0) {
            let given = crate::Bytes(self.job.limits.memory);
            let message = format!("its processes took more memory than the {given} that they were given");
            return Some(Failure::new(Class::Memory, message));
        }
        let full = match self.disk_excess() {
            Some(message) => Some(message),
            None if is_full(&self.job.work, self.job.limits.reserve) => {
                let least = crate::Bytes(self.job.limits.reserve);
                Some(format!("{program} failed while less than {least} was free on the disk"))
            }
            None => None,
        };
        let full = full.map(|message| Failure::new(Class::Disk, message));
        let failure = match (status.signal(), status.code()) {
            (Some(25), _) => Failure::new(
                Class::Disk,
                format!(
                    "{program} wrote a file larger than the {} of disk that it was given",
                    crate::Bytes(self.job.limits.disk.unwrap_or(0))
                ),
            ),
            (Some(signal), _) => full.unwrap_or_else(|| {
                Failure::new(Class::Signal, format!("{program} was ended by {}", signal_name(signal)))
            }),
            (None, code) => {
                let code = code.unwrap_or(-1);
                // A shell or a supervisor reports a signal as 128 and its number.
                let meaning = self.job.exit_codes.get(&code.to_string()).copied();
                let as_signal = (meaning.is_none() && code > 128 && code < 160).then(|| signal_name(code - 128));
                match (full, as_signal) {
                    (Some(full), _) if meaning.is_none() => full,
                    (_, Some(signal)) => {
                        Failure::new(Class::Signal, format!("{program} reported the end by {signal} of what it ran"))
                    }
                    _ => {
                        let said = crate::worker::said(tail).map_or_else(String::new, |said| format!(": {said}"));
                        let program =
                            Path::new(program).file_name().map_or(program.into(), |name| name.to_string_lossy());
                        let message = format!("{program} ended with exit code {code}{said}");
                        Failure::new(meaning.unwrap_or(Class::Exit), message)
                    }
                }
            }
        };
        Some(failure)
    }
}

/// Processor time of children that have ended, seconds.
fn cpu_of_ended_children() -> f64 {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rfind(')').and_then(|at| text.get(at + 1..)).unwrap_or_default();
    after.split_ascii_whitespace().skip(13).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / ticks
}

/// Bytes of disk that `path` and what is below it take, as far as it can be seen.
#[must_use]
pub fn disk_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let below = if metadata.is_dir() {
        fs::read_dir(path).map_or(0, |entries| entries.flatten().map(|entry| disk_bytes(&entry.path())).sum())
    } else {
        0
    };
    metadata.blocks() * 512 + below
}

/// What a program prints, followed to its end by a thread.
struct Output {
    /// Over all programs of the attempt.
    bytes: Arc<AtomicU64>,
    tail: Arc<Mutex<VecDeque<u8>>>,
    /// Its other end goes with the thread.
    end: mpsc::Receiver<()>,
}

impl Output {
    fn follow(mut reader: PipeReader, log: PathBuf, title: String, before: u64) -> Self {
        let bytes = Arc::new(AtomicU64::new(before));
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (counted, kept) = (Arc::clone(&bytes), Arc::clone(&tail));
        let (sender, end) = mpsc::channel();
        thread::spawn(move || {
            let _goes_with_the_thread: mpsc::Sender<()> = sender;
            let mut file = None;
            let mut buffer = vec![0; 64 << 10];
            let mut left_out = 0_u64;
            while let Ok(n) = reader.read(&mut buffer) {
                if n == 0 {
                    break;
                }
                let total = counted.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
                if let Ok(mut kept) = kept.lock() {
                    kept.extend(&buffer[..n]);
                    let excess = kept.len().saturating_sub(TAIL_BYTES);
                    kept.drain(..excess);
                }
                if total > LOG_BYTES {
                    left_out += n as u64;
                    continue;
                }
                let file = file.get_or_insert_with(|| open_log(&log, &title, before == 0));
                // A log that cannot be written does not stop the stage; the record keeps the end of it.
                if let Some(file) = file {
                    let _ = file.write_all(&buffer[..n]);
                }
            }
            if left_out > 0
                && let (Some(file), Ok(kept)) =
                    (file.get_or_insert_with(|| open_log(&log, &title, before == 0)), kept.lock())
            {
                let end: Vec<u8> = kept.iter().copied().collect();
                let _ = write!(file, "\n[… {left_out} bytes are left out; these are the last {}: …]\n", end.len());
                let _ = file.write_all(&end);
            }
        });
        Self { bytes, tail, end }
    }

    /// The end of the output, once nobody writes any more.
    fn finish(self) -> String {
        // It ends with the last process that could write.
        let _ = self.end.recv_timeout(OUTPUT_ENDS);
        let tail: Vec<u8> = self.tail.lock().map(|tail| tail.iter().copied().collect()).unwrap_or_default();
        String::from_utf8_lossy(&tail).into_owned()
    }
}

/// The log to write on in; `is_first` output of an attempt may begin it anew.
fn open_log(path: &Path, title: &str, is_first: bool) -> Option<File> {
    path.parent().and_then(|folder| fs::create_dir_all(folder).ok())?;
    let mut file = File::options().create(true).append(true).open(path).ok()?;
    if is_first && file.metadata().is_ok_and(|metadata| metadata.len() > LOG_KEPT) {
        file.set_len(0).ok()?;
    }
    writeln!(file, "$ {title}").ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_somebody_else_holds_open_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (reader, mut writer) = std::io::pipe().expect("pipe");
        let output = Output::follow(reader, dir.path().join("log"), "x".to_owned(), 0);
        writer.write_all(b"the end").expect("write");
        let (sender, said) = mpsc::channel();
        thread::spawn(move || sender.send(output.finish()));
        let said = said.recv_timeout(Duration::from_secs(60)).expect("because it does not wait for the other end");
        assert_eq!(said, "the end");
        drop(writer);
    }
}
