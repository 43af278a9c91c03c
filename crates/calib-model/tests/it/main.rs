//! Tests through the public interface, in modules named like those of the crate.

mod exact;
