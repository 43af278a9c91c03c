//! A small C interface over the casacore table system.
