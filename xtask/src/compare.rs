//! `cargo xtask compare`: the product against independent programs.
//!
//! - `compare`: the content of our Measurement Sets against pyuvdata's, for every fixture and every real file;
//! - `compare --speed`: against pyuvdata and against copying the same bytes;
//! - `compare --image`: a simulated sky through WSClean and CASA.
//!
//! The comparisons themselves are Python, in `xtask/compare`, because the programs to compare with are. This module makes
//! their virtual environment, builds what is compared and starts them.

use std::{
    ffi::{OsStr, OsString},
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

/// Why a comparison could not start.
#[derive(Debug)]
struct Problem {
    what: String,
    hint: String,
}

impl Problem {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nhint: {}", self.what, self.hint)
    }
}

/// What to compare; each has a Python program of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Content,
    Speed,
    Image,
}

impl Comparison {
    fn program(self) -> &'static str {
        match self {
            Self::Content => "content.py",
            Self::Speed => "speed.py",
            Self::Image => "image.py",
        }
    }
}

/// Runs the comparison that `args` (those after `compare`) name; its exit code is the comparison's.
pub(crate) fn run(args: &[String]) -> ExitCode {
    match start(args) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: &[String]) -> Result<ExitCode, Problem> {
    let (comparison, rest) = choose(args)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("because xtask is a folder of the workspace");
    let target = target_folder()?;
    let python = environment(root)?;
    if comparison == Comparison::Image {
        require_wsclean()?;
    }
    let asks_only = rest.iter().any(|a| matches!(a.as_str(), "--help" | "-h" | "--list"));
    if !asks_only {
        build(root)?;
    }
    let status = Command::new(python)
        .arg(root.join("xtask/compare").join(comparison.program()))
        .args(rest)
        .env("CONTIMG_COMPARE_ROOT", root)
        .env("CONTIMG_COMPARE_SCRATCH", target.join("compare-scratch"))
        .env("CONTIMG_COMPARE_CONTIMG", target.join("release/contimg"))
        .env("CONTIMG_COMPARE_FIXTURES", target.join("release/fixtures"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status()
        .map_err(|e| Problem::new(format!("cannot start the comparison's Python: {e}"), "remove target/compare and try again"))?;
    // A code outside 0..=255 is a death by a signal.
    Ok(status.code().and_then(|c| u8::try_from(c).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Takes `--speed` or `--image` out of the arguments; the others belong to the Python program.
fn choose(args: &[String]) -> Result<(Comparison, Vec<&String>), Problem> {
    let named: Vec<Comparison> = args
        .iter()
        .filter_map(|a| match a.as_str() {
            "--speed" => Some(Comparison::Speed),
            "--image" => Some(Comparison::Image),
            _ => None,
        })
        .collect();
    let rest = args.iter().filter(|a| !matches!(a.as_str(), "--speed" | "--image")).collect();
    match named[..] {
        [] => Ok((Comparison::Content, rest)),
        [one] => Ok((one, rest)),
        _ => Err(Problem::new("--speed and --image are two comparisons", "run them one after the other")),
    }
}

/// The folder that cargo builds into, which this very program is in: `<target>/<profile>/xtask`.
fn target_folder() -> Result<PathBuf, Problem> {
    let exe = std::env::current_exe().map_err(|e| Problem::new(format!("cannot tell where xtask is: {e}"), "start it with `cargo xtask`"))?;
    exe.parent()
        .and_then(Path::parent)
        .map(Path::to_path_buf)
        .ok_or_else(|| Problem::new(format!("{} is not in a target folder", exe.display()), "start it with `cargo xtask`"))
}

/// The Python of `target/compare`, which is made when it is absent or its requirements have changed.
fn environment(root: &Path) -> Result<PathBuf, Problem> {
    let folder = root.join("target/compare");
    let python = folder.join("bin/python");
    let wanted = root.join("xtask/compare/requirements.txt");
    // A copy of the requirements says what an environment was made for.
    let made_for = folder.join("requirements.txt");
    let read = |path: &Path| fs::read_to_string(path).map_err(|e| Problem::new(format!("{}: {e}", path.display()), "is the checkout complete?"));
    let text = read(&wanted)?;
    if python.exists() && fs::read_to_string(&made_for).is_ok_and(|t| t == text) {
        return Ok(python);
    }
    let packages: Vec<&str> = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
    eprintln!("installing into {} (about 2 GB, from PyPI): {}", folder.display(), packages.join(", "));
    if !python.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).stdout(Stdio::null()).status();
        if !made.is_ok_and(|s| s.success()) {
            return Err(Problem::new(
                "python3 cannot make a virtual environment",
                "install it with its venv module (Debian: apt install python3-venv), then try again",
            ));
        }
    }
    let installed = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&wanted)
        .status();
    if !installed.is_ok_and(|s| s.success()) {
        return Err(Problem::new(
            format!("pip could not install the packages of {}", wanted.display()),
            "is PyPI reachable, and is this Python 3.11 to 3.13 on x86-64 Linux, for which all of them have wheels?",
        ));
    }
    fs::write(&made_for, text).map_err(|e| Problem::new(format!("{}: {e}", made_for.display()), "is target/compare writable?"))?;
    Ok(python)
}

fn require_wsclean() -> Result<(), Problem> {
    let found = Command::new("wsclean").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    // Its exit code is 0 or 255 by version; that it starts is enough.
    found.map(|_| ()).map_err(|e| {
        Problem::new(format!("cannot start WSClean: {e}"), "install it (Debian and Ubuntu: apt install wsclean) and put it on PATH")
    })
}

/// Builds what is compared and what makes its data.
fn build(root: &Path) -> Result<(), Problem> {
    let cargo: OsString = std::env::var_os("CARGO").unwrap_or_else(|| OsStr::new("cargo").to_os_string());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--package", "contimg", "--package", "fixtures"])
        .current_dir(root)
        .status();
    if built.is_ok_and(|s| s.success()) {
        return Ok(());
    }
    Err(Problem::new("contimg and fixtures do not build", "the compiler's message is above; `cargo xtask setup` makes what the build needs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comparison_is_chosen_and_the_rest_is_passed_on() {
        let args = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        let chosen = |text: &str| choose(&args(text)).map(|(c, rest)| (c, rest.into_iter().cloned().collect::<Vec<_>>())).ok();
        assert_eq!(chosen("--only small16"), Some((Comparison::Content, args("--only small16"))));
        assert_eq!(chosen("--size small --speed --pols 2"), Some((Comparison::Speed, args("--size small --pols 2"))));
        assert_eq!(chosen("--image"), Some((Comparison::Image, vec![])));
        assert_eq!(chosen("--image --speed"), None);
    }
}
