//! Integration tests of `subband-io`.

mod oracle;
mod real_files;
