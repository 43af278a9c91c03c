//! Development tasks of the workspace: `cargo xtask TASK`.
//!
//! This program runs other programs. It links no C library and has few dependencies, so that it is there in seconds and
//! can make what the others need.

mod bench;
mod build;
mod check;
mod compare;
mod crash;
mod database;
mod levels;
mod memory;
mod night;
mod problem;
mod process_tree;
mod setup;
mod slurm;
mod stale;
mod stale_tiles;
mod tidy;
mod workspace;

use std::process::ExitCode;

use problem::Problem;

const HELP: &str = "\
Development tasks of contimg.

Usage: cargo xtask TASK [ARGUMENTS]

  demo [ARGS]       make a small night with a known sky, spoil it, take it through all stages, compare its sources
                    (ARGS go to `contimg demo`; see `cargo xtask demo --help`)
  test [ARGS]       run all tests; ARGS go to `cargo test`
  setup             fetch what the build needs and the machine lacks (cmake); demo and test do it first

  fixtures [ARGS]   make test data (see `cargo xtask fixtures --help`)
  bench [ARGS]      benchmarks, the plain way beside ours (see `cargo xtask bench --help`)
  memory [ARGS]     peak memory of conversions against benches/budgets.toml (see `cargo xtask memory --help`)
  compare [ARGS]    against pyuvdata, WSClean and CASA (see `cargo xtask compare --help`)
  night [ARGS]      what running a night costs: empty stages, two cores, memory budgets (see `cargo xtask night --help`)
  slurm [ARGS]      nights on a Slurm cluster of this machine that loses nodes, controller and head (see `cargo xtask slurm --help`)
  crash [ARGS]      bad input, full disks, signals and kills, many times (see `cargo xtask crash --help`)
  stale [ARGS]      look-ups mixed with changes by others: no answer may be stale (`--help`; with `--tiles`, about FITS tiles)

  tidy              check the arrows between crates, names, paths, file lengths
  ci                tidy, rustfmt, clippy and rustdoc with warnings as errors

Exit codes: 0 success, 1 a task or check failed, 2 wrong usage; demo and fixtures pass on their program's.
";

fn main() -> ExitCode {
    let mut args: Vec<String> = Vec::new();
    for arg in std::env::args_os().skip(1) {
        match arg.into_string() {
            Ok(arg) => args.push(arg),
            Err(arg) => return Problem::usage(format!("not UTF-8: {}", arg.to_string_lossy())).report(),
        }
    }
    let Some((task, args)) = args.split_first() else {
        print!("{HELP}");
        return ExitCode::from(2);
    };
    let result = match task.as_str() {
        "demo" => build::demo(args),
        "test" => build::test(args),
        "setup" => setup::run(args),
        "fixtures" => build::fixtures(args),
        "bench" => bench::run(args),
        "memory" => memory::run(args),
        "compare" => Ok(compare::run(args)),
        "crash" if args.iter().any(|a| a == "--database") => database::run(args),
        "crash" => crash::run(args),
        "stale" if args.iter().any(|a| a == "--tiles") => stale_tiles::run(args),
        "stale" => stale::run(args),
        "night" => night::run(args),
        "slurm" => slurm::run(args),
        "tidy" => tidy::run(args),
        "ci" => check::run(args),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => Err(Problem::usage(format!("there is no task `{other}`"))),
    };
    result.unwrap_or_else(|problem| problem.report())
}
