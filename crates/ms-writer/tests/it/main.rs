//! Sets written from made-up visibilities and read back through `casacore`.

mod blocks;
mod centres;
mod dates;
mod flags;
mod made;
mod phases;
mod rows;
mod structure;
mod weights;
mod windows;
