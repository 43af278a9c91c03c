//! Sets written from made-up visibilities and read back through `casacore`.

mod centres;
mod made;
mod phases;
