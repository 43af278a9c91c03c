//! `cargo xtask setup`: what the build needs and a bare machine lacks.
//!
//! HDF5 is built from source with cmake. `.cargo/config.toml` tells cargo to look for it at `target/tools/bin/cmake`; this
//! puts it there: a link to the machine's own cmake if that is recent enough, else PyPI's wheel in a virtual environment.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::problem::{Outcome, Problem};
use crate::workspace::{self, root};

const HELP: &str = "\
Fetches what the build needs and the machine lacks: cmake, into target/tools.

Usage: cargo xtask setup

A compiler for C and C++, make and python3 must be installed. Nothing is fetched when target/tools has a working cmake,
when CMAKE names one, or when the machine's own is recent enough; otherwise it comes from PyPI with pip.
";

/// HDF5's CMakeLists.txt asks for this version at least.
const CMAKE_AT_LEAST: (u32, u32) = (3, 26);
/// What pip is asked for.
const CMAKE_WHEEL: &str = "cmake>=3.26,<5";

pub(crate) fn run(args: &[String]) -> Outcome {
    match args.first().map(String::as_str) {
        None => {
            ensure()?;
            println!("setup: everything that the build needs is here");
            Ok(ExitCode::SUCCESS)
        }
        Some("--help" | "-h") => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => Err(Problem::usage(format!("setup takes no argument, not `{other}`"))),
    }
}

/// Makes sure that the workspace can be built. Says nothing when it can.
pub(crate) fn ensure() -> Result<(), Problem> {
    require("CC", "cc", "C compiler", "gcc")?;
    require("CXX", "c++", "C++ compiler", "g++")?;
    require("MAKE", "make", "make", "make")?;
    if let Some(chosen) = std::env::var_os("CMAKE") {
        // Cargo's configuration does not replace a variable that is set.
        let chosen = PathBuf::from(chosen);
        let here = chosen.ends_with("target/tools/bin/cmake");
        if !here {
            return match version(&chosen) {
                Some(version) if version >= CMAKE_AT_LEAST => Ok(()),
                _ => Err(Problem::new(
                    format!("CMAKE is {}, which is not a cmake of version 3.26 or later", chosen.display()),
                    "unset CMAKE, or point it to a newer one",
                )),
            };
        }
    }
    let tools = root().join("target/tools");
    let cmake = tools.join("bin/cmake");
    if version(&cmake).is_some_and(|version| version >= CMAKE_AT_LEAST) {
        return Ok(());
    }
    if let Some(own) = cmake_on_path() {
        eprintln!("setup: HDF5 is built with this machine's {}; linking it from target/tools/bin", own.display());
        return link(&own, &cmake);
    }
    install(&tools, &cmake)
}

/// Fails with the remedy when a program does not start.
fn require(variable: &str, program: &str, what: &str, package: &str) -> Result<(), Problem> {
    // A variable may hold a launcher and options ("ccache gcc"); whoever sets it knows.
    if std::env::var_os(variable).is_some() {
        return Ok(());
    }
    let started = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match started {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Problem::new(
            format!("there is no {what}: `{program}` does not start"),
            format!("install it (Debian and Ubuntu: apt install {package})"),
        )),
    }
}

/// The version that `cmake --version` prints; `None` when it does not run.
fn version(cmake: &Path) -> Option<(u32, u32)> {
    let output = Command::new(cmake).arg("--version").stderr(Stdio::null()).output().ok()?;
    parse_version(&String::from_utf8(output.stdout).ok()?)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix("cmake version ")?.split(['.', '-', '\n']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn cmake_on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join("cmake")).find(|file| file.is_file())?;
    version(&found).filter(|version| *version >= CMAKE_AT_LEAST).map(|_| found)
}

fn link(own: &Path, cmake: &Path) -> Result<(), Problem> {
    let failed = |error: io::Error| {
        Problem::new(format!("cannot make {}: {error}", cmake.display()), "is the target folder writable?")
    };
    fs::create_dir_all(cmake.parent().expect("because it is in a folder")).map_err(failed)?;
    match fs::remove_file(cmake) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => symlink(own, cmake).map_err(failed),
    }
}

fn install(tools: &Path, cmake: &Path) -> Result<(), Problem> {
    eprintln!("setup: HDF5 is built from source and needs cmake 3.26 or later, which this machine does not have.");
    eprintln!("setup: installing `{CMAKE_WHEEL}` from PyPI (about 30 MB) into target/tools; nothing else is changed.");
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(tools).stdin(Stdio::null());
    let made = make.output().map_err(|error| {
        Problem::new(
            format!("python3 does not start: {error}"),
            "install it (Debian and Ubuntu: apt install python3 python3-venv), or install cmake 3.26 or later",
        )
    })?;
    if !made.status.success() {
        // Debian's python3 without python3-venv says so on stdout.
        let said = [made.stdout, made.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned()).join("\n");
        return Err(Problem::new(
            format!("this python3 cannot make virtual environments (module `venv`); it says:\n{}", said.trim()),
            "install the module (Debian and Ubuntu: apt install python3-venv), or install cmake 3.26 or later",
        ));
    }
    let mut pip = Command::new(tools.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", CMAKE_WHEEL]);
    let installed = workspace::run(pip.stdin(Stdio::null()))?;
    if installed.success() && version(cmake).is_some() {
        return Ok(());
    }
    Err(Problem::new(
        "pip could not install cmake (its message is above)",
        "is PyPI reachable? Otherwise install cmake 3.26 or later (Debian and Ubuntu: apt install cmake) and try again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("cmake version 3.26.4\n\nCMake suite"), Some((3, 26)));
        assert_eq!(parse_version("cmake version 4.4.0-rc1\n"), Some((4, 4)));
        assert_eq!(parse_version("cmake3: not found"), None);
    }
}
