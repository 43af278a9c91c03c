//! Integration tests of `subband-io`.

mod damaged;
mod grouping;
mod oracle;
mod real_files;
mod refused;
mod zoo;
