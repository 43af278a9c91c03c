//! Safe casacore tables, with bulk column ranges and parallel access to tiles.
