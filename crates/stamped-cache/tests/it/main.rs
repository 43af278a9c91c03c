//! What `stamped-cache` promises, through its public interface.

mod basics;
mod disk;
mod stale;
mod threads;
