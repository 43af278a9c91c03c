//! Before a set is read or changed.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use ms_columns::EditOptions;

use crate::failure::{Class, Failure};
use crate::isolate::command_line;

/// An error where there is no set at `path`, before anything is done about it.
pub(crate) fn require(path: &Path) -> Result<(), Failure> {
    match path.join("table.dat").metadata() {
        Ok(found) if found.is_file() => Ok(()),
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(Failure::io(Class::Input, format!("cannot look at {}", path.display()), &error))
        }
        _ => Err(Failure::new(Class::Input, format!("{}: no Measurement Set is there", path.display()))
            .hint("a Measurement Set is a folder that holds a file `table.dat`")),
    }
}

/// Makes the set at `path` whole, if a change of it was interrupted. A change that another process is making is no reason
/// not to read: the set holds the old values until it is decided.
pub(crate) fn heal(path: &Path) -> Result<(), Failure> {
    require(path)?;
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
