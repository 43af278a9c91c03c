//! `cargo xtask stale`: look-ups mixed with changes by others, and no answer may be stale.

use std::process::ExitCode;

use crate::compare;
use crate::problem::{Outcome, Problem};
use crate::setup;
use crate::workspace::{self, cargo};

const HELP: &str = "\
Looks for stale answers: random look-ups mixed with changes by others, against a model that knows the truth; in memory, and
with an on-disk store whose files are damaged at random. 0 stale answers and 0 failures kept, or it fails.

Usage: cargo xtask stale [--steps N] [--seed S] [--only files|sets]

  --steps N   steps of each round (default 10,000; half an hour for 100,000)
  --seed S    of everything random (default 1)
  --only W    one world:
    files       plain files through stamped-cache (needs nothing)
    sets        metadata and flag statistics of Measurement Sets that python-casacore, cp -p, rsync -t, renames, truncations,
                times put back and our own crates change; needs rsync, and PyPI once (target/compare)

With --tiles it is about FITS tiles: see `cargo xtask stale --tiles --help`.

Exit codes: 0 nothing stale, 1 something was, 2 wrong usage.
";

/// The worlds, each with the package and the kind and name of its program.
const WORLDS: [(&str, &str, &str); 2] = [("files", "stamped-cache", "--example"), ("sets", "benches", "--bin")];

pub(crate) fn run(args: &[String]) -> Outcome {
    use lexopt::prelude::*;
    let (mut steps, mut seed, mut only) = (10_000_u64, 1_u64, None);
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("steps") => steps = parser.value()?.parse()?,
            Long("seed") => seed = parser.value()?.parse()?,
            Long("only") => only = Some(parser.value()?.string()?),
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    if let Some(name) = only.as_deref().filter(|name| WORLDS.iter().all(|(world, ..)| world != name)) {
        return Err(Problem::usage(format!("there is no world `{name}`: files or sets")));
    }
    setup::ensure()?;
    let mut stale = Vec::new();
    for (world, package, kind) in WORLDS.into_iter().filter(|(world, ..)| only.as_deref().is_none_or(|w| w == *world)) {
        println!("{world}, {steps} steps, seed {seed}:");
        let mut command = cargo(["run", "--release", "--quiet", "--package", package, kind, "stale", "--"]);
        command.args(["--steps", &steps.to_string(), "--seed", &seed.to_string()]);
        if world == "sets" {
            command.arg("--python").arg(compare::environment()?);
        }
        if !workspace::run(&mut command)?.success() {
            stale.push(world);
        }
    }
    match stale[..] {
        [] => {
            println!("nothing was stale");
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(Problem::new(
            format!("stale answers, or a program that could not go on, with {}", stale.join(" and ")),
            format!("the cases are above; the same seed ({seed}) takes the same steps"),
        )),
    }
}
