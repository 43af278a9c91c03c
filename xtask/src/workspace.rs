//! Where the workspace is, where it is built, and how its programs are run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use crate::problem::Problem;

/// The workspace's root, which holds this package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("because xtask is a folder of the workspace")
}

/// The folder that cargo builds into, which this very program is in: `<target>/<profile>/xtask`.
pub(crate) fn target_folder() -> Result<PathBuf, Problem> {
    let hint = "start it with `cargo xtask`";
    let own = std::env::current_exe().map_err(|e| Problem::new(format!("cannot tell where xtask is: {e}"), hint))?;
    let folder = own.parent().and_then(Path::parent).map(Path::to_owned);
    folder.ok_or_else(|| Problem::new(format!("{} is not in a target folder", own.display()), hint))
}

/// Cargo, in the workspace's root.
pub(crate) fn cargo<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let program: OsString = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let words = command.get_args().map(|arg| {
        let arg = arg.to_string_lossy();
        if arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || "\"'$\\`*?[](){}<>|&;#~".contains(c)) {
            format!("'{}'", arg.replace('\'', r"'\''"))
        } else {
            arg.into_owned()
        }
    });
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}

/// Says what it runs, runs it, and returns how it ended.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus, Problem> {
    eprintln!("$ {}", shown(command));
    command.status().map_err(|error| cannot_start(command, &error))
}

pub(crate) fn cannot_start(command: &Command, error: &std::io::Error) -> Problem {
    let program = command.get_program().to_string_lossy().into_owned();
    Problem::new(format!("cannot start `{program}`: {error}"), format!("is `{program}` installed and on PATH?"))
}

/// The exit code of a program; a death by a signal is a failure.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_so_that_a_shell_takes_them() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--", "a b", "it's", ""]);
        assert_eq!(shown(&command), r"cargo test -- 'a b' 'it'\''s' ''");
    }
}
