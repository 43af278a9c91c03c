//! The program as a user starts it: what it prints, writes and refuses; bad input, full disks, signals, kills.
//!
//! `cargo xtask crash` runs the modules below `crash` with larger counts.

mod program;
mod random;
mod set;
mod tally;

mod calibrate;
mod command;
mod db;
mod demo;
mod flag;
mod meta;
mod missing;
mod model;
mod night;
mod plan;
mod readme;
mod tiles;

mod crash;
