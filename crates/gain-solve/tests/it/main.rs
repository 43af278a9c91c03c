//! Gains are solved for as the crate promises.

mod hard;
mod observation;
mod properties;
mod reference;
