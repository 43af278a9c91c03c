//! Columns are changed as a caller would change them, in sets of several makes; read back through casacore.

mod change;
mod create;
mod flags;
mod generations;
mod history;
mod kills;
mod locks;
mod set;
