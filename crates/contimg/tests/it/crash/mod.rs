//! What must hold whatever happens: no panic, no half-made set under its name, a next run that needs no flag.

mod columns;
mod damage;
mod faults;
mod kills;
mod model;
mod nights;
mod places;
mod signals;
mod tables;
