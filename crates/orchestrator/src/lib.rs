//! The stages of a night's data sets: in parallel, isolated from each other, and resumed by running them again.
//!
//! A [`Plan`] names stages: programs with argument templates, what they read and write, what they may use. [`run`] takes
//! every data set through them. Each attempt happens in a worker process, which is the caller's own program started again
//! and calling [`work`]; whatever happens in it costs one attempt of one set.
//!
//! # The data's way
//!
//! [`Plan::parse`] → [`run`] with a [`Feed`] of [`DataSet`]s → per attempt a worker process ([`work`]) → a [`Record`] beside
//! the products → the next stage. [`read_all`] gives the records of a work folder to whoever shows them.
//!
//! # What decides that a stage runs again
//!
//! The signatures of what it reads (generations of columns, manifests of products, stamps of files) and a checksum of its
//! settings. Nothing else: no clock, no flag file. A record that was lost is made again from the product's manifest.
//!
//! # Cost
//!
//! A worker process for each attempt, a few milliseconds; memory is looked at every 40 ms, in the worker.
//!
//! # What it refuses
//!
//! To start what does not fit the budget; to count a product that is missing; to end any process that it did not start; to
//! take a set that another run works on, however old its lock is. Linux only.
//!
//! ```
//! use orchestrator::Plan;
//!
//! let plan = Plan::parse("night.toml", r#"
//!     [vars]
//!     ms = "{work}/ms/{set}.ms"
//!
//!     [[stage]]
//!     preset = "aoflagger"
//!     memory = "1GiB"
//!
//!     [[stage]]
//!     preset = "wsclean-image"
//! "#)?;
//! assert_eq!(plan.stages[1].command[0], "wsclean");
//! # Ok::<(), orchestrator::Error>(())
//! ```

mod engine;
mod plan;
mod resource;
mod worker;

mod budget;
mod cgroup;
mod checksum;
mod decide;
mod error;
mod event;
mod expand;
mod failure;
mod hands;
mod held;
mod job;
mod layout;
mod lock;
mod program;
mod record;
mod retire;
mod size;
mod slurm;
mod staff;
mod template;
mod tree;

pub use budget::Budget;
pub use engine::{Feed, RunOptions, Surroundings, run};
pub use error::Error;
pub use event::{Event, Summary};
pub use failure::{Class, Failure};
pub use hands::Executor;
pub use held::{Held, holders};
pub use layout::Layout;
pub use plan::{AllCores, Cores, DataSet, NIGHT, Plan, RunLimits, Scope, Stage, is_plain_name};
pub use program::disk_bytes;
pub use record::{Attempt, Record, State, read_all, write_state};
pub use resource::{FilesOnly, Observe, Resource, Signatures, of_path};
pub use retire::{Retired, finish_retiring, is_retiring, recall, retire, retired};
pub use size::{Bytes, Seconds};
pub use slurm::{NODE_VARIABLE, SlurmOptions, reserved_argument, smallest_node, work_on_node};
pub use worker::{free_disk, work};

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect();
    parts.dedup();
    parts.join(": ")
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
