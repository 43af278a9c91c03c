//! UVH5 subbands read as blocks of visibilities in bounded memory.

mod error;
mod find;
mod summary;
mod grouping;
mod group;
mod header;
mod phasing;
mod rows;
mod channels;
mod read;
mod merge;
mod storage;
mod scatter;
mod filter;
mod source;
#[expect(unsafe_code, reason = "calls the HDF5 library")]
mod hdf5;

pub use error::{Construct, Error, Hdf5Failure};
pub use find::{FileKind, FindOptions, FoundFile, find};
pub use group::{MissingSubbands, OpenOptions, SubbandGroup};
pub use grouping::{Group, GroupOptions, Grouping, Member, Ungrouped, form_groups};
pub use merge::Merged;
pub use read::Scratch;
pub use summary::{FileSummary, Unfinished, summarise};

pub use vis_types;
