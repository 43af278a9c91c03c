//! The `contimg` program.
fn main() {}
