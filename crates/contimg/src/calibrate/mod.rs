//! Calibration: `contimg solve` finds gains and bandpasses against MODEL_DATA, `contimg apply` writes CORRECTED_DATA.
//!
//! Both read the set in blocks of rows with all cores ([`block`]), know what each row is ([`set`]), and multiply the solutions
//! of tables onto its channels ([`known`]). `solve` averages rows into solution intervals ([`intervals`], [`pass`]), some
//! baselines at a time ([`route`]), one stage after another ([`stages`]), and publishes what passes its checks ([`tables`]).

mod apply;
pub(crate) mod args;
mod block;
mod factors;
mod intervals;
mod kept;
mod known;
mod pass;
mod plot;
mod register;
mod route;
mod set;
mod solve;
mod stages;
mod tables;

pub(crate) use apply::run as apply;
pub(crate) use solve::run as solve;
