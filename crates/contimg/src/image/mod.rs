//! FITS images after their imager: where they come from goes into their headers, and a primary beam beside them.

mod beam;
mod header;
mod provenance;

pub(crate) use beam::{BeamArgs, run as beam};
pub(crate) use provenance::{ProvenanceArgs, run as provenance};
