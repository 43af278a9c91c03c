//! Interference put into noise and into a sky of fringes is found, and clean data are left alone.

mod planes;

mod found;
mod simple;
