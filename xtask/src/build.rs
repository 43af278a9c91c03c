//! Tasks that build and run the workspace's own programs: demo, test, fixtures.

use std::process::Command;

use crate::problem::{Outcome, Problem};
use crate::setup;
use crate::workspace::{self, cargo, exit_code};

/// `contimg demo`, built first if it must be.
pub(crate) fn demo(args: &[String]) -> Outcome {
    setup::ensure()?;
    announce_first_build()?;
    run_program("contimg", &["demo"], args)
}

/// All tests of the workspace, documentation examples included.
pub(crate) fn test(args: &[String]) -> Outcome {
    setup::ensure()?;
    announce_first_build()?;
    let mut command = cargo(["test", "--release", "--workspace"]);
    Ok(exit_code(workspace::run(command.args(args))?))
}

/// The maker of test data.
pub(crate) fn fixtures(args: &[String]) -> Outcome {
    setup::ensure()?;
    run_program("fixtures", &[], args)
}

/// Builds programs in the release profile.
pub(crate) fn build(packages: &[&str]) -> Result<(), Problem> {
    setup::ensure()?;
    let mut command = cargo(["build", "--release"]);
    for package in packages {
        command.args(["--package", package]);
    }
    if workspace::run(&mut command)?.success() {
        return Ok(());
    }
    Err(Problem::new(format!("{} cannot be built", packages.join(" and ")), "the compiler's message is above"))
}

/// Builds an example of a package in the release profile.
pub(crate) fn build_example(package: &str, example: &str) -> Result<(), Problem> {
    if workspace::run(&mut cargo(["build", "--release", "--package", package, "--example", example]))?.success() {
        return Ok(());
    }
    Err(Problem::new(format!("the example {example} of {package} cannot be built"), "the compiler's message is above"))
}

/// Runs a program of the workspace where the user is, so that relative paths mean what the user means.
fn run_program(package: &str, first: &[&str], args: &[String]) -> Outcome {
    let manifest = workspace::root().join("Cargo.toml");
    let mut command: Command = cargo(["run", "--release", "--package", package, "--manifest-path"]);
    command.arg(manifest).arg("--").args(first).args(args);
    if let Ok(here) = std::env::current_dir() {
        command.current_dir(here);
    }
    eprintln!("$ cargo run --release --package {package} -- {}", [first.join(" "), args.join(" ")].join(" ").trim());
    let status = command.status().map_err(|error| workspace::cannot_start(&command, &error))?;
    Ok(exit_code(status))
}

/// The first build takes minutes; say so before it starts.
fn announce_first_build() -> Result<(), Problem> {
    let built = workspace::target_folder()?.join("release/deps");
    let has_casacore = std::fs::read_dir(built).is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("librubbl_casatables_impl"))
        })
    });
    if !has_casacore {
        eprintln!("The first build compiles HDF5 and casacore from source: some 14 minutes of CPU time, once.");
    }
    Ok(())
}
