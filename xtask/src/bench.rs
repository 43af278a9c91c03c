//! `cargo xtask bench`: the benchmarks of the package `benches`.

use std::process::ExitCode;

use crate::problem::{Outcome, Problem};
use crate::setup;
use crate::workspace::{self, cargo, exit_code};

const HELP: &str = "\
Benchmarks: the plain way beside ours, on the same data.

Usage: cargo xtask bench [--size tiny|small|full] [--once] [BENCH] [FILTER]

  --size SIZE   size of the generated group (default small: 10 MB a subband; full: 145 MB, 2.3 GB in all)
  --once        run each benchmark once, to see that it works, without measuring
  BENCH         one file of benches/ (default: all)
  FILTER        only benchmarks whose name contains this

Reports are in target/criterion.
";

pub(crate) fn run(args: &[String]) -> Outcome {
    use lexopt::prelude::*;
    let (mut size, mut once, mut names) = ("small".to_owned(), false, Vec::new());
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("size") => size = parser.value()?.string()?,
            Long("once") => once = true,
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            Value(name) if names.len() < 2 => names.push(name.string()?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    if !["tiny", "small", "full"].contains(&size.as_str()) {
        return Err(Problem::usage(format!("there is no size `{size}`: tiny, small or full")));
    }
    setup::ensure()?;
    // The release profile, so that HDF5 and casacore are not built a second time for `bench`.
    let mut command = cargo(["bench", "--profile", "release", "--package", "benches"]);
    match names.first() {
        Some(name) => command.args(["--bench", name]),
        None => command.arg("--benches"),
    };
    command.arg("--").args(names.get(1));
    if once {
        command.arg("--test");
    }
    command.env("CONTIMG_BENCH_SIZE", size);
    Ok(exit_code(workspace::run(&mut command)?))
}
