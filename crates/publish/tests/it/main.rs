//! Products through the public interface: made, refused, replaced, verified, killed half-way, cleaned up.

mod product;

mod commit;
mod edits;
mod faults;
mod kills;
mod leftovers;
mod verify;
