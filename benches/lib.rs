//! Benchmarks of the workspace; see the `benches` folder of targets.
