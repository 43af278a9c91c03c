//! AOFlagger, on a copy of the set in which only the flags are its own.
//!
//! It writes flags in place. So it gets a set beside ours whose small files are copies and whose tiles of visibilities are
//! links to ours; its FLAG column is read from there, and our set changes in one step like after any other flagging.

use std::{
    fs, io,
    os::unix::{fs::symlink, process::CommandExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use publish::{StageOptions, Staged};
use rustix::process::{Pid, Signal, kill_process_group};

use super::FlagArgs;
use crate::failure::{Class, Failure};

const PROGRAM: &str = "aoflagger";
/// Larger tile files of columns that are not flags are linked.
const COPIED_BYTES: u64 = 1 << 20;

/// The copy, removed when this is dropped.
pub(super) struct Shadow {
    staged: Staged,
}

impl Shadow {
    pub(super) fn set(&self) -> &Path {
        self.staged.path()
    }
}

/// Runs AOFlagger and gives the set that it flagged.
pub(super) fn run(args: &FlagArgs) -> Result<Shadow, Failure> {
    let set = args.set.canonicalize().map_err(|error| cannot(&args.set, "find the set", &error))?;
    if args.column != "DATA" {
        return Err(Failure::new(Class::Usage, "--preset aoflagger judges DATA only"));
    }
    let name = set.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let target = set.with_file_name(format!("{name}.aoflagger"));
    let staged = Staged::create(&target, &StageOptions::default()).map_err(|error| {
        Failure::of(Class::Output, &error).hint("the copy of the flags is made beside the set, which must be writable")
    })?;
    copy(&set, staged.path())?;
    start(args, staged.path())?;
    Ok(Shadow { staged })
}

fn cannot(path: &Path, action: &str, error: &io::Error) -> Failure {
    Failure::io(Class::Output, format!("{}: cannot {action}", path.display()), error)
}

fn copy(set: &Path, to: &Path) -> Result<(), Failure> {
    let flags = casacore::column_files(set, &["FLAG"])
        .map_err(|error| Failure::of(Class::Input, &error))?
        .ok_or_else(|| Failure::new(Class::Input, format!("{}: not a plain table", set.display())))?;
    copy_folder(set, to, &flags)
}

fn copy_folder(from: &Path, to: &Path, flags: &[PathBuf]) -> Result<(), Failure> {
    let failed = |error| cannot(to, "copy the set's small files", &error);
    fs::create_dir(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        let metadata = fs::metadata(&path).map_err(failed)?;
        let text = name.to_string_lossy();
        // Records and versions of ours; casacore makes its lock file again.
        if text.starts_with('.') || text == "table.lock" {
            continue;
        }
        let target = to.join(&name);
        if metadata.is_dir() {
            copy_folder(&path, &target, flags)?;
        } else if text.contains("_TSM") && metadata.len() > COPIED_BYTES && !flags.contains(&path) {
            symlink(&path, &target).map_err(failed)?;
        } else {
            fs::copy(&path, &target).map_err(failed)?;
        }
    }
    Ok(())
}

fn start(args: &FlagArgs, set: &Path) -> Result<(), Failure> {
    let own = std::env::current_exe().map_err(|error| cannot(set, "find the own program", &error))?;
    let mut command = Command::new(own);
    command.arg("__exec").arg(std::process::id().to_string()).arg(PROGRAM);
    if let Some(strategy) = &args.strategy {
        let strategy = strategy
            .canonicalize()
            .map_err(|error| Failure::io(Class::Usage, format!("--strategy {}", strategy.display()), &error))?;
        command.arg("-strategy").arg(strategy);
    }
    // What it prints is progress.
    let output = if args.quiet || args.json { Stdio::null() } else { Stdio::from(io::stderr()) };
    let mut child = command
        .arg(set)
        .stdin(Stdio::null())
        .stdout(output)
        .process_group(0)
        .spawn()
        .map_err(|error| cannot(set, "start aoflagger", &error))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let status = child.wait();
    // Whatever it left running.
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = status.map_err(|error| cannot(set, "wait for aoflagger", &error))?;
    if status.success() {
        return Ok(());
    }
    if status.code() == Some(i32::from(NOT_FOUND)) {
        return Err(Failure::new(Class::Worker, "the program `aoflagger` is not installed")
            .hint("install it (Debian: `apt install aoflagger`), or use `--preset standard`"));
    }
    let how = match status.signal() {
        Some(signal) => format!("was ended by signal {signal}"),
        None => format!("ended with {status}"),
    };
    Err(Failure::new(Class::Worker, format!("aoflagger {how}; the set is as it was"))
        .hint("its messages are above; where memory was too little (bad_alloc), --limit-memory gives it more"))
}

/// What a shell says of a program that it cannot find.
const NOT_FOUND: u8 = 127;

/// `contimg __exec PARENT PROGRAM …`: becomes the program, which dies with the parent.
pub(crate) fn exec(parent: u32, command: &[std::ffi::OsString]) -> Result<ExitCode, Failure> {
    let failed = |error| Failure::io(Class::Worker, "cannot tie a program to this one", &error);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|errno| failed(errno.into()))?;
    if rustix::process::getppid().is_none_or(|id| id.as_raw_nonzero().get().unsigned_abs() != parent) {
        return Err(failed(io::Error::other("the parent process is gone")));
    }
    let [program, arguments @ ..] = command else { return Err(failed(io::ErrorKind::InvalidInput.into())) };
    let error = Command::new(program).args(arguments).exec();
    if error.kind() == io::ErrorKind::NotFound { Ok(ExitCode::from(NOT_FOUND)) } else { Err(failed(error)) }
}
