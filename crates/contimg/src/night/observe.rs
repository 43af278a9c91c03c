//! Generations of columns, for the orchestrator.

use std::path::Path;

use orchestrator::{Error, Observe};

/// Asks the set.
#[derive(Debug)]
pub(super) struct Columns;

impl Observe for Columns {
    fn column(&self, set: &Path, _column: &str) -> Result<Option<String>, Error> {
        orchestrator::of_path(set)
    }
}
