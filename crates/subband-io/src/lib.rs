//! UVH5 subbands read as blocks of visibilities in bounded memory.
//!
//! A correlator writes one file a subband; sixteen of them are one observation. This crate finds the files of a folder
//! ([`find()`]), reads their headers ([`summarise`]), puts together those whose times agree ([`form_groups`]), opens a group
//! and checks that its files describe one observation ([`SubbandGroup::open`]), and gives its visibilities, flags and
//! weights: any rows of all subbands ([`SubbandGroup::read_rows`]), of one subband ([`SubbandGroup::read_window`]), or
//! everything in three arrays ([`SubbandGroup::merge`]).
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use subband_io::{FindOptions, GroupOptions, OpenOptions, Scratch, SubbandGroup, find, form_groups, summarise};
//! use subband_io::vis_types::VisBlock;
//!
//! # let dir = tempfile::tempdir()?;
//! # fixtures::tiny(dir.path())?;
//! let files: Vec<_> = find(dir.path(), &FindOptions::default())?
//!     .into_iter()
//!     .map(|file| { let summary = summarise(&file.path); (file, summary) })
//!     .collect();
//! let grouping = form_groups(&files, &GroupOptions::default());
//!
//! let group = SubbandGroup::open(&grouping.groups[0].paths(), &OpenOptions::default())?;
//! assert_eq!(group.header().windows.len(), 16);
//! assert!(group.header().windows.windows(2).all(|w| w[0].freq_hz[0] < w[1].freq_hz[0]));
//!
//! // A block at a time; other threads may read others with a block and a scratch of their own.
//! let rows = group.row_alignment();
//! let (mut block, mut scratch) = (VisBlock::default(), Scratch::default());
//! for start in (0..group.n_rows()).step_by(rows) {
//!     group.read_rows(start..(start + rows).min(group.n_rows()), &mut block, &mut scratch)?;
//!     let _first = block.slabs[0].vis()[[0, 0, 0]]; // [row, channel, correlation]
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Cost
//!
//! Opening asks the HDF5 library, under its global lock, where every chunk is; from then on the library is not used. A
//! group's index takes four bytes a chunk (0.8 MB for DSA-110's sixteen files of 145 MB), its rows some kilobytes when they
//! are a grid. Reading is `pread` and one pass over the bytes, on the caller's threads, without locks; chunks that are
//! neighbours in the file are fetched together. Memory is the caller's blocks and, for each thread, the chunks of one row of
//! chunks of one dataset: [`SubbandGroup::block_bytes`]. The crate starts no threads but for [`SubbandGroup::open`] and
//! [`SubbandGroup::merge`], which use the caller's rayon pool.
//!
//! # What is read, what is refused
//!
//! - `visdata` of `f32`, `f64` or integers (wider ones are rounded to `f32`), as compounds or as HDF5 2's complex numbers;
//!   `nsamples` of any number type; `flags` of one byte; every byte order; `(rows, 1, channels, correlations)` or without
//!   the 1; contiguous, compact or chunked; unfiltered or through deflate, LZF, shuffle and Fletcher-32.
//! - Channels come out ascending and correlations in the order of a Measurement Set, whatever the file's orders are.
//! - Rows may be any list; those that are a grid of times and baselines, which is usual, are kept as one.
//! - A chunk of visibilities that was never written is an unfinished file, not zeros. Flags and weights may rely on a fill
//!   value if their dataset defines one.
//! - Links, external storage and virtual datasets are refused: a subband file holds its own data. So are declared sizes
//!   that the file cannot hold, and filtered chunks above [`OpenOptions::max_chunk_bytes`].
//! - Missing subbands are an error unless [`OpenOptions::missing`] says otherwise; a gap then keeps its true frequencies.
//! - Non-finite visibilities and weights are given as they are; [`Slab::repair_non_finite`](vis_types::Slab::repair_non_finite) zeroes and flags
//!   them.
//!
//! The time in a file's name is some host's clock: it is reported, never used for grouping.
//!
//! # Phase centres
//!
//! What is equal to pyuvdata's reading, and what is refused:
//!
//! - `phase_center_catalog` (UVH5 1.0 and later): centres of the type `sidereal` in the frames `icrs`, `fk5` (J2000) and
//!   `fk4` (B1950) without proper motion, and of the type `driftscan` (azimuth and elevation), are read as they are, with
//!   the row's centre from `phase_center_id_array`. `unprojected` is no phase centre. Refused when a row uses them:
//!   `ephem`, `near_field`, other frames and equinoxes, proper motions, and a mixture of projected and unprojected rows.
//! - Before that, `phase_type` says `phased`, with `phase_center_ra`, `phase_center_dec` and `phase_center_frame`: read in
//!   `icrs` (the default) and `fk5`. Those files may come from pyuvdata's old phasing, whose `w` differs a little from today's;
//!   pyuvdata then recomputes UVW from the antenna positions and turns the visibilities by the difference in `w`. A
//!   writer that does the same with [`VisBlock::file_uvw_m`](vis_types::VisBlock::file_uvw_m) gets the same result. The
//!   frame `gcrs` is refused: it needs re-phasing.
//! - Anything else (`drift`, `unknown`, nothing) is unprojected, as pyuvdata assumes.
//! - A phased file's `w` belongs to its UVW: [`SubbandGroup::read_rows`](crate::SubbandGroup::read_rows) gives them with the rows.
//! - Unprojected files whose extra keywords say `phase_center_epoch = HADEC` and `ha_phase_center = 0` are fringe-stopped
//!   on the meridian, whatever their `phase_type` claims; that is the DSA-110 writer, and pyuvdata does not know it.

// A folder's files, and which of them belong together.
mod find;
mod grouping;
mod summary;

// A group: its files' headers, compared and put in order.
mod channels;
mod error;
mod group;
mod header;
mod phasing;
mod rows;

// Its values.
mod merge;
mod read;

// Where the bytes are, and how they become rows.
mod filter;
mod scatter;
mod source;
mod storage;

#[expect(unsafe_code, reason = "calls the HDF5 library")]
mod hdf5;

pub use error::{Construct, Error, Hdf5Failure};
pub use find::{FileKind, FindOptions, FoundFile, find};
pub use group::{MissingSubbands, OpenOptions, SubbandGroup};
pub use grouping::{Group, GroupOptions, Grouping, Member, Ungrouped, form_groups};
pub use merge::Merged;
pub use read::Scratch;
pub use summary::{FileSummary, Unfinished, summarise};

pub use ndarray;
pub use vis_types;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
