//! `cargo xtask ci`: what must be clean before a change is merged, besides the tests.

use std::process::ExitCode;

use crate::problem::{Outcome, Problem};
use crate::workspace::{self, cargo};
use crate::{setup, tidy};

const HELP: &str = "\
Checks that need no test run: tidy, rustfmt, clippy and rustdoc with warnings as errors.

Usage: cargo xtask ci
";

pub(crate) fn run(args: &[String]) -> Outcome {
    match args.first().map(String::as_str) {
        None => {}
        Some("--help" | "-h") => {
            print!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        Some(other) => return Err(Problem::usage(format!("ci takes no argument, not `{other}`"))),
    }
    setup::ensure()?;
    let mut failed = Vec::new();
    if tidy::run(&[])? != ExitCode::SUCCESS {
        failed.push("tidy");
    }
    let steps = [
        ("rustfmt", cargo(["fmt", "--all", "--check"])),
        ("clippy", cargo(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])),
        ("rustdoc", cargo(["doc", "--release", "--workspace", "--no-deps"])),
    ];
    for (name, mut command) in steps {
        command.env("RUSTDOCFLAGS", "-D warnings");
        if !workspace::run(&mut command)?.success() {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        eprintln!("ci: tidy, rustfmt, clippy and rustdoc are clean");
        return Ok(ExitCode::SUCCESS);
    }
    Err(Problem::new(format!("not clean: {}", failed.join(", ")), "the messages are above; `cargo fmt --all` formats"))
}
