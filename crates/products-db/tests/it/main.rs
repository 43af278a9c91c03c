//! The crate through its public interface.

mod hostile;
mod jobs;
mod layouts;
mod locks;
mod lookups;
mod migrate;
mod stale;
mod survive;
mod write;
