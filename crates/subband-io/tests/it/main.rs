//! Integration tests of `subband-io`.

mod damaged;
mod grouping;
mod oracle;
mod phasing;
mod real_files;
mod refused;
mod zoo;
