//! Everything through the public interface.

mod cache;
mod celestial;
mod file;
mod mutated;
mod pixels;
mod tile;
