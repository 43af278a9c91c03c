//! `cargo xtask compare`: the product against independent programs.
//!
//! The comparisons themselves are Python, in `xtask/compare`, because the programs to compare with are. This module makes
//! their virtual environment, builds what is compared and starts them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use crate::build;
use crate::problem::{Outcome, Problem};
use crate::workspace::{self, root};

const HELP: &str = "\
Compares contimg with independent programs, which are first installed into target/compare (pinned, from PyPI).

Usage: cargo xtask compare [--only NAME] [--list] [--prove] [--json]
       cargo xtask compare --speed [--size full|small] [--pols 2,4] [--runs N] [--json]
       cargo xtask compare --image [--antennas N] [--keep] [--json]
       cargo xtask compare --flags [--speed] [--repeats N]
       cargo xtask compare --model [--only NAME] [--again] [--kernel] [--all] [--repeats N]
       cargo xtask compare --model --column [--size full|small] [--against numpy,ft,wsclean|none] [--repeats N]
       cargo xtask compare --gains [--only WHAT,…] [--antennas N] [--runs N] [--keep] [--json]
       cargo xtask compare --rfi [--size small|full] [--made] [--real]
       cargo xtask compare --tables [--content] [--speed] [--size full|small] [--mutations N] [--json FILE]
       cargo xtask compare --fits [--content] [--speed] [--tiles N] [--size N] [--runs N] [--json]
       cargo xtask compare --tiles [--keep]

  (neither)   content: the Measurement Sets of contimg and of pyuvdata from the same files, value by value, for every
              fixture and every real file beside the workspace
    --only      only the cases whose name contains NAME
    --list      the names of the cases
    --prove     disturb one set in many small ways and show that each is noticed
  --speed     a full group (2.3 and 4.6 GB) converted by contimg and by pyuvdata, and copied; 16 GB of memory and of disk
  --image     a simulated sky through WSClean, and CASA's listobs and msmetadata; needs Debian's `wsclean`
    --keep      leave the set and the images in <target>/compare-scratch
  --flags     flag counts against CASA's flagdata and numpy, to the last count, for made sets and every real one
    --speed     time the three on a full-size set, too
  --model     MODEL_DATA against CASA's ft, DP3 and wsclean -predict, for made sets and every real one
    --again     a second set costs less by the kept terms; without them not a bit differs
    --kernel    one core against numpy, numba and DP3, for each instruction set; two cores against spinning processes
    --column    a whole set against a plain file, numpy, CASA and WSClean; `--size full` takes 6 GB of disk
    --against   only some of the three, or none: the plain file alone
    --all       all four
  --gains     contimg solve and apply against known gains, CASA's gaincal, bandpass and applycal (both ways, and on a VLA
              set), pyuvdata's UVCal, and WSClean's images of what was calibrated
    --only      some of truth, casa, vla, delay, read, speed, image
    --antennas  of the sets; 96 is the instrument's size: 9 GB of disk, some minutes
  --rfi       interference with a known truth: what `contimg flag` finds, what it flags of clean samples, what it restores
    --made, --real       only made groups, or only every real set beside the workspace
  --tables    every table beside the workspace and of every storage manager, cell by cell, against python-casacore; and
              DATA of full-size sets read and written, beside python-casacore, arcae and plain reads and writes
    --content, --speed   only one of them; `--size small` takes a minute and is not judged
    --mutations N        N damaged sets: what contimg answers, python-casacore must not contradict
  --fits      cards, directions and pixel statistics of FITS files against astropy, wcslib and numpy; 1,000 headers and a
              tile of 6300 x 6300 pixels timed beside astropy, fitsio and numpy; 1 GB of disk
    --content, --speed   only one of them
  --tiles     tiles of WSClean judged by contimg: clean ones pass, figures are astropy's and numpy's, each fault is found

Exit codes: 0 all within the bars, 1 not, 2 wrong usage.
";

/// What to compare; each has a Python program of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Content,
    Speed,
    Image,
    Flags,
    Model,
    Rfi,
    Tables,
    Gains,
    Fits,
    Tiles,
}

impl Comparison {
    fn program(self) -> &'static str {
        match self {
            Self::Content => "content.py",
            Self::Speed => "speed.py",
            Self::Image => "image.py",
            Self::Flags => "flags.py",
            Self::Model => "model.py",
            Self::Rfi => "rfi.py",
            Self::Tables => "tables.py",
            Self::Gains => "gains.py",
            Self::Fits => "fits.py",
            Self::Tiles => "tiles.py",
        }
    }
}

/// Runs the comparison that `args` (those after `compare`) name; its exit code is the comparison's.
pub(crate) fn run(args: &[String]) -> ExitCode {
    start(args).unwrap_or_else(|problem| problem.report())
}

fn start(args: &[String]) -> Outcome {
    if args.iter().any(|a| matches!(a.as_str(), "--help" | "-h")) {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let (comparison, rest) = choose(args)?;
    if matches!(comparison, Comparison::Image | Comparison::Gains | Comparison::Tiles) {
        require_wsclean()?;
    }
    let python = environment()?;
    build::build(&["contimg", "fixtures"])?;
    match comparison {
        Comparison::Fits => build::build_example("fits-header-cache", "fits_compare")?,
        Comparison::Tables => build::build(&["benches"])?,
        Comparison::Model => build::build_example("calib-model", "prediction_speed")?,
        _ => {}
    }
    let target = workspace::target_folder()?;
    let mut command = Command::new(python);
    command
        .arg(root().join("xtask/compare").join(comparison.program()))
        .args(rest)
        .env("CONTIMG_COMPARE_ROOT", root())
        .env("CONTIMG_COMPARE_SCRATCH", target.join("compare-scratch"))
        .env("CONTIMG_COMPARE_CONTIMG", target.join("release/contimg"))
        .env("CONTIMG_COMPARE_FIXTURES", target.join("release/contimg-fixtures"))
        .env("CONTIMG_COMPARE_TABLES", target.join("release/tables"))
        .env("CONTIMG_COMPARE_FITS", target.join("release/examples/fits_compare"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if comparison == Comparison::Flags && args.iter().any(|a| a == "--speed") {
        let mut cost = workspace::cargo(["build", "--release", "--package", "flag-stats", "--example", "flag_cost"]);
        if !workspace::run(&mut cost)?.success() {
            return Err(Problem::new("flag_cost cannot be built", "the compiler's message is above"));
        }
        command.env("CONTIMG_COMPARE_FLAG_COST", target.join("release/examples/flag_cost"));
    }
    let status = command.status().map_err(|error| workspace::cannot_start(&command, &error))?;
    Ok(workspace::exit_code(status))
}

/// Takes the name of the comparison out of the arguments; the others belong to the Python program.
fn choose(args: &[String]) -> Result<(Comparison, Vec<&String>), Problem> {
    // With these, `--speed` is the Python program's.
    const NAMES: [(&str, Comparison); 8] = [
        ("--fits", Comparison::Fits),
        ("--flags", Comparison::Flags),
        ("--gains", Comparison::Gains),
        ("--image", Comparison::Image),
        ("--model", Comparison::Model),
        ("--rfi", Comparison::Rfi),
        ("--tables", Comparison::Tables),
        ("--tiles", Comparison::Tiles),
    ];
    let is_given = |name: &str| args.iter().any(|a| a == name);
    let mut named: Vec<(&str, Comparison)> = NAMES.into_iter().filter(|(name, _)| is_given(name)).collect();
    // With `--fits` it is the number of tiles.
    if is_given("--fits") {
        named.retain(|(_, comparison)| *comparison != Comparison::Tiles);
    }
    if is_given("--speed") && named.iter().all(|(_, comparison)| *comparison == Comparison::Image) {
        named.push(("--speed", Comparison::Speed));
    }
    match named[..] {
        [] => Ok((Comparison::Content, args.iter().collect())),
        [(name, one)] => Ok((one, args.iter().filter(|a| *a != name).collect())),
        _ => Err(Problem::usage(
            "--speed, --image, --fits, --flags, --gains, --model, --rfi, --tables and --tiles are comparisons of their own: \
             run one after the other",
        )),
    }
}

/// The Python of `target/compare`, which is made when it is absent or its requirements have changed.
pub(crate) fn environment() -> Result<PathBuf, Problem> {
    let folder = root().join("target/compare");
    let python = folder.join("bin/python");
    let wanted = root().join("xtask/compare/requirements.txt");
    let text = fs::read_to_string(&wanted)
        .map_err(|e| Problem::new(format!("{}: {e}", wanted.display()), "is the checkout complete?"))?;
    // A copy of the requirements says what the environment was made for.
    let made_for = folder.join("requirements.txt");
    if python.exists() && fs::read_to_string(&made_for).is_ok_and(|t| t == text) {
        return Ok(python);
    }
    let packages: Vec<&str> = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
    eprintln!("compare: installing from PyPI into target/compare (about 2 GB): {}", packages.join(", "));
    if !python.exists() {
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&folder).stdin(Stdio::null());
        if !workspace::run(&mut make)?.success() {
            return Err(Problem::new(
                "python3 cannot make a virtual environment (its message is above)",
                "install its venv module (Debian and Ubuntu: apt install python3-venv), then try again",
            ));
        }
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&wanted);
    if !workspace::run(pip.stdin(Stdio::null()))?.success() {
        return Err(Problem::new(
            "pip could not install what the comparison needs (its message is above)",
            "is PyPI reachable, and is this Python 3.11 or later on x86-64 Linux, for which all of it has wheels?",
        ));
    }
    fs::write(&made_for, text)
        .map_err(|e| Problem::new(format!("{}: {e}", made_for.display()), "is target/compare writable?"))?;
    Ok(python)
}

fn require_wsclean() -> Result<(), Problem> {
    let found = Command::new("wsclean").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    // The exit code of `--version` differs between versions; that it starts is enough.
    found.map(drop).map_err(|error| {
        Problem::new(
            format!("cannot start WSClean: {error}"),
            "install it (Debian and Ubuntu: apt install wsclean) so that `wsclean` is on PATH",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comparison_is_chosen_and_the_rest_is_passed_on() {
        let args = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        let chosen = |text: &str| {
            let given = args(text);
            choose(&given).ok().map(|(c, rest)| (c, rest.into_iter().cloned().collect::<Vec<_>>()))
        };
        assert_eq!(chosen("--only small16"), Some((Comparison::Content, args("--only small16"))));
        assert_eq!(chosen("--size small --speed --pols 2"), Some((Comparison::Speed, args("--size small --pols 2"))));
        assert_eq!(chosen("--image"), Some((Comparison::Image, vec![])));
        assert_eq!(chosen("--image --speed"), None);
        assert_eq!(chosen("--fits --speed --runs 2"), Some((Comparison::Fits, args("--speed --runs 2"))));
        assert_eq!(chosen("--flags --image"), None);
        assert_eq!(chosen("--model --only VLA --again"), Some((Comparison::Model, args("--only VLA --again"))));
        assert_eq!(chosen("--model --flags"), None);
        assert_eq!(chosen("--tables --speed"), Some((Comparison::Tables, args("--speed"))));
        assert_eq!(chosen("--tables --flags"), None);
        assert_eq!(chosen("--rfi --made"), Some((Comparison::Rfi, args("--made"))));
        assert_eq!(chosen("--flags --speed --repeats 2"), Some((Comparison::Flags, args("--speed --repeats 2"))));
    }
}
