//! The public interface against reference values of pyuvdata and astropy.

mod orientation;
mod reference;
mod site;
mod sky;
