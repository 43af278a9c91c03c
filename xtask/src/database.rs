//! `cargo xtask crash --database`: the products database under kills, damage and changes.
//!
//! The tests are those of `products-db`, with larger counts.

use std::process::ExitCode;

use crate::problem::{Outcome, Problem};
use crate::setup;
use crate::workspace::{self, cargo};

/// The defaults: those of issue 5.
const SECONDS: u64 = 60;
const MUTATIONS: u64 = 1000;
const STEPS: u64 = 100_000;

pub(crate) fn run(args: &[String]) -> Outcome {
    use lexopt::prelude::*;
    let (mut seconds, mut mutations, mut steps) = (SECONDS, MUTATIONS, STEPS);
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("database") => {}
            Long("mutations") => mutations = parser.value()?.parse()?,
            Long("steps") => steps = parser.value()?.parse()?,
            Value(value) => seconds = value.parse()?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    setup::ensure()?;
    let mut command = cargo(["test", "--release", "--package", "products-db", "--test", "it", "--"]);
    command
        .args(["survive::eight", "hostile::", "stale::", "--nocapture", "--test-threads", "1"])
        .env("CONTIMG_DATABASE_SECONDS", seconds.to_string())
        .env("CONTIMG_DATABASE_MUTATIONS", mutations.to_string())
        .env("CONTIMG_STALE_STEPS", steps.to_string());
    if workspace::run(&mut command)?.success() {
        println!("every invariant held");
        return Ok(ExitCode::SUCCESS);
    }
    Err(Problem::new("an invariant of the database broke", "the case is above; all but the kills repeats exactly"))
}
