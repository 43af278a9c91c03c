//! Before a set is read or changed.

use std::path::Path;
use std::time::Duration;

use ms_columns::EditOptions;

use crate::failure::Failure;
use crate::isolate::command_line;

/// Makes the set at `path` whole, if a change of it was interrupted. A change that another process is making is no reason
/// not to read: the set holds the old values until it is decided.
pub(crate) fn heal(path: &Path) -> Result<(), Failure> {
    match ms_columns::recover(path) {
        Ok(_) | Err(ms_columns::Error::Publish(publish::Error::EditInProgress { .. })) => Ok(()),
        Err(error) => Err(Failure::of_columns(&error)),
    }
}

/// How the set that `contimg COMMAND` changes is locked, waited for (seconds), and told who changed it.
pub(crate) fn edit_options(command: &str, wait: f64) -> EditOptions {
    EditOptions {
        wait: Duration::try_from_secs_f64(wait.max(0.0)).unwrap_or(Duration::MAX),
        command: Some(command_line()),
        ..EditOptions::new(format!("contimg {command} {}", env!("CARGO_PKG_VERSION")))
    }
}
