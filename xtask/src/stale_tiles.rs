//! `cargo xtask stale --tiles`: look-ups of FITS headers and statistics mixed with changes by others.

use crate::problem::{Outcome, Problem};
use crate::setup;
use crate::workspace::{self, cargo};

const HELP: &str = "\
Looks for stale answers about FITS tiles: headers and pixel statistics looked up in between random changes (in place, renames,
cp -p, rsync -t, times put back, truncations, links, two writers at once), in memory and with a damaged on-disk store.

Usage: cargo xtask stale --tiles [--steps N] [--seed S]

  --steps N   steps (default 100,000)
  --seed S    of everything random (default 1)

Exit codes: 0 nothing stale, 1 something was, 2 wrong usage.
";

pub(crate) fn run(args: &[String]) -> Outcome {
    use lexopt::prelude::*;
    let (mut steps, mut seed) = (100_000_u64, 1_u64);
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("tiles") => {}
            Long("steps") => steps = parser.value()?.parse()?,
            Long("seed") => seed = parser.value()?.parse()?,
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(std::process::ExitCode::SUCCESS);
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    setup::ensure()?;
    let mut command =
        cargo(["run", "--release", "--quiet", "--package", "fits-header-cache", "--example", "stale_tiles"]);
    command.args(["--", &steps.to_string(), &seed.to_string()]);
    let status = workspace::run(&mut command)?;
    if status.success() {
        return Ok(std::process::ExitCode::SUCCESS);
    }
    Err(Problem::new(
        "an answer about a tile was stale, or the program could not go on",
        format!("the cases are above; the same seed ({seed}) takes the same steps"),
    ))
}
