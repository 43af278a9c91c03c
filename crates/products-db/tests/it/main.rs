//! The crate through its public interface.

mod hostile;
mod jobs;
mod layouts;
mod lookups;
mod migrate;
mod stale;
mod survive;
mod write;
