//! Before a set is read: what a dead process left of a change of its columns is finished or undone.

use std::path::Path;

use crate::failure::Failure;

/// Makes the set at `path` whole, if a change of it was interrupted. A change that another process is making is no reason
/// not to read: the set holds the old values until it is decided.
pub(crate) fn heal(path: &Path) -> Result<(), Failure> {
    match ms_columns::recover(path) {
        Ok(_) | Err(ms_columns::Error::Publish(publish::Error::EditInProgress { .. })) => Ok(()),
        Err(error) => Err(Failure::of_columns(&error)),
    }
}
