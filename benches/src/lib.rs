//! What the benchmarks share: groups of test data, the ways of merging one, and the memory that a way takes.
//!
//! Each file of `benches/` is one optimisation: the plain way and ours on the same data, and the ratio of their times as the
//! result. `cargo xtask bench` runs them. Memory is measured in a process for each way, by the program `merge`.

mod cost;
mod group;
mod limit;
mod plain;
mod ratios;
mod way;

pub use cost::{PeakMemory, cpu_seconds, high_water};
pub use group::{Group, Kind, Size};
pub use ratios::{Ratios, time};
pub use way::{Held, Way};

/// Anything that stops a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
