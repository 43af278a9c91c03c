//! Lists as programs write them, and lists that nobody can mean.

mod bbs;
mod csv;
mod refusals;
