//! Time and memory of merging sixteen subbands in memory, each way in a process of its own.

mod table;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use benches::{Group, Kind, PeakMemory, Result, Way, cpu_seconds, time};
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};

use table::Table;

const EXAMPLES: &str = "\
Examples:
  merge all                                      a group of 10 MB a subband, made at first use
  merge all --size full --python PYTHON          the instrument's, with pyuvdata; the bars are judged
  merge once ours FILE…                          one way, as JSON";

/// Merges sixteen subbands in memory: ours, load all and concatenate, the design document's batches, and the limit.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// One way; prints JSON: way, seconds, cpu_seconds, input_bytes, array_bytes, peak_bytes.
    Once {
        #[arg(value_enum)]
        way: Way,
        /// Runs one after the other; the shortest time and the highest peak count. In virtual machines, memory that was free
        /// for seconds may have gone back to the host, and costs several times the merge to get again: a second run has it.
        #[arg(long, default_value_t = 1)]
        runs: usize,
        /// Threads; all cores by default.
        #[arg(long, default_value_t = 0)]
        threads: usize,
        /// The files of one group.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Every way in turn, several times; prints a table of the shortest times, and fails when a full group misses a bar.
    All {
        #[command(flatten)]
        kind: Kind,
        /// Processes for each way, each of which runs it twice; pyuvdata has one.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Threads; all cores by default.
        #[arg(long, default_value_t = 0)]
        threads: usize,
        /// A Python that has pyuvdata, to compare with.
        #[arg(long)]
        python: Option<PathBuf>,
        /// JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
}

/// `pread` into pages of 2 MiB.
const LARGE_PAGES: &str = "pread-2M";
/// Runs of a way in one process.
const RUNS: &str = "2";

/// What a way took in one process.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Run {
    way: String,
    seconds: f64,
    /// Processor time of all threads.
    cpu_seconds: f64,
    /// Bytes of the files.
    input_bytes: u64,
    /// Bytes of what is returned.
    array_bytes: u64,
    /// Highest resident set above what the process had before.
    peak_bytes: u64,
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Task::Once { way, runs, threads, files } => once(way, runs.max(1), threads, &files),
        Task::All { kind, rounds, threads, python, json } => all(kind, rounds.max(1), threads, python, json),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn once(way: Way, runs: usize, threads: usize, files: &[PathBuf]) -> Result<ExitCode> {
    let input_bytes = files.iter().map(|file| Ok(file.metadata()?.len())).sum::<std::io::Result<u64>>()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let peak = PeakMemory::start()?;
    let (mut seconds, mut cpu, mut array_bytes) = (f64::INFINITY, f64::INFINITY, 0);
    for _ in 0..runs {
        let cpu_before = cpu_seconds()?;
        let (held, took) = time(|| pool.install(|| way.run(files)))?;
        seconds = seconds.min(took.as_secs_f64());
        cpu = cpu.min(cpu_seconds()? - cpu_before);
        array_bytes = held.bytes();
    }
    let way = way.name().to_owned();
    let run = Run { way, seconds, cpu_seconds: cpu, input_bytes, array_bytes, peak_bytes: peak.bytes()? };
    println!("{}", serde_json::to_string(&run)?);
    Ok(ExitCode::SUCCESS)
}

fn all(kind: Kind, rounds: usize, threads: usize, python: Option<PathBuf>, json: bool) -> Result<ExitCode> {
    let group = Group::make(kind)?;
    let own = std::env::current_exe()?;
    let mut table = Table::new(kind, group.bytes);
    // In turn, so that a slow moment of the machine meets all of them.
    for round in 1..=rounds {
        for way in Way::ALL {
            let mut command = Command::new(&own);
            command.args(["once", way.name(), "--runs", RUNS, "--threads", &threads.to_string()]).args(&group.files);
            group.warm()?;
            let run = measure(&mut command)?;
            eprintln!("round {round}: {} {:.2} s", run.way, run.seconds);
            table.add(run);
        }
        // The strictest limit: glibc asks for large pages, as our merge does for its own arrays.
        let mut command = Command::new(&own);
        command.args(["once", Way::Pread.name(), "--runs", RUNS, "--threads", &threads.to_string()]).args(&group.files);
        command.env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
        group.warm()?;
        let run = Run { way: LARGE_PAGES.to_owned(), ..measure(&mut command)? };
        eprintln!("round {round}: {} {:.2} s", run.way, run.seconds);
        table.add(run);
    }
    if let Some(python) = python {
        let mut command = Command::new(python);
        command.args(["-c", include_str!("pyuvdata.py"), RUNS]).args(&group.files);
        group.warm()?;
        let run = measure(&mut command)?;
        eprintln!("{} {:.2} s", run.way, run.seconds);
        table.add(run);
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&table.report())?);
    } else {
        print!("{table}");
    }
    Ok(if table.is_judged() && table.bars().iter().any(|bar| !bar.kept) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Runs a process that prints a [`Run`] as its last line.
fn measure(command: &mut Command) -> Result<Run> {
    let program = command.get_program().to_owned();
    let failed = |what: String| format!("{}: {what}", program.display());
    let output = command.stderr(std::process::Stdio::inherit()).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("it failed ({})", output.status)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().last().ok_or_else(|| failed("it printed nothing".to_owned()))?;
    Ok(serde_json::from_str(line).map_err(|e| failed(format!("{e} in `{line}`")))?)
}
