//! Flags written one way, counted the other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod cache;
mod counts;
mod estimate;
mod plain;
#[expect(unreachable_pub, reason = "the doctest includes it too")]
mod set;
mod threads;
mod verdict;
