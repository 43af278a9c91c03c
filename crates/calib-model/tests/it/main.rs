//! Tests through the public interface, in modules named for what they hold the crate to.

mod cache;
mod exact;
mod refusals;
mod selection;
mod truth;
