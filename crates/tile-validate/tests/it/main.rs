//! The crate through its public interface.

mod order;
mod passes;
mod rules;
mod tile;
