//! Looks for stale answers about Measurement Sets: `stale --python PYTHON [--steps N] [--seed S] [--folder DIR]`.
//!
//! Takes N random steps (10,000 if not said), look-ups of metadata and of flag statistics mixed with changes of the sets by
//! python-casacore, `cp -p`, `rsync -t`, renames, truncations, times put back and our own crates; once in memory alone and
//! once with on-disk stores whose files are damaged at random. Ends with status 1 when an answer was stale or a failure was
//! kept. `cargo xtask stale` starts it.

mod change;
mod model;
#[path = "../../../../crates/ms-meta-cache/tests/it/set.rs"]
#[expect(dead_code, reason = "the sets of the tests are larger")]
mod set;
mod world;
mod writer;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use world::World;

/// Random look-ups and changes of Measurement Sets, against a model that knows the truth.
#[derive(Parser)]
struct Args {
    /// A Python that has python-casacore.
    #[arg(long)]
    python: OsString,
    /// Steps of each of the two rounds.
    #[arg(long, default_value_t = 10_000)]
    steps: u64,
    /// Of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the sets are made.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = Args::parse();
    let root = args.folder.unwrap_or_else(std::env::temp_dir);
    let mut good = true;
    for (name, store) in [("memory", false), ("memory and damaged stores", true)] {
        let folder = tempfile::tempdir_in(&root)?;
        let mut world = World::new(folder.path(), &args.python, args.seed, store)?;
        let start = std::time::Instant::now();
        world.run(args.steps)?;
        let report = world.report();
        println!("{name}: {report} in {:.0} s", start.elapsed().as_secs_f64());
        good &= report.stale == 0 && report.failures_kept == 0;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
