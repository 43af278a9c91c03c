//! Blocks of visibilities written as a Measurement Set, tile by tile.
//!
//! [`MsWriter::create`] makes a complete Measurement Set (version 2.0) from a [`VisHeader`]: structure, thirteen subtables, and
//! every column that does not depend on the visibilities. [`MsWriter::write_block`] then takes [`VisBlock`]s (all subbands of a
//! range of rows), turns them to the set's phase centres and puts them in place; each subband has tiles of its own, so it is
//! written as it lies in memory. [`MsWriter::finish`] completes the set.
//!
//! - **Conventions:** DATA is the conjugate of the UVH5 visibility and UVW its negated baseline (the same sky, as pyuvdata
//!   writes it); correlations in casacore's order, frequencies ascending, TIME in MJD seconds UTC, WEIGHT the median of
//!   `nsamples` over the channels, SIGMA 1/√WEIGHT. Data are turned by exp(−2πi·Δw·ν/c) with c = 299,792,458 m/s, phasors in f64.
//! - **Cost:** memory is the caller's block and a tile a thread, whatever the group's size; visibilities are turned in place,
//!   read and written once. What is not flagged is a hole in FLAG's file. Blocks may be written from many threads.
//! - **Refuses:** headers that contradict themselves, blocks of other shapes, rows written twice or not at all. It does
//!   *not* make the set durable or appear under its name at once: write to a temporary name and use the crate `publish`.
//!
//! ```
//! use ms_writer::{MsOptions, MsWriter, vis_types::*};
//!
//! // Two antennas, one integration, one subband of four channels, XX and YY.
//! let antenna = |name: &str, y: f64| Antenna { name: name.into(), number: 0, position_m: [0.0, y, 0.0], diameter_m: Some(4.65) };
//! let site = astrometry::Site { latitude_rad: 0.65, longitude_rad: -2.06, height_m: 1222.0 };
//! let header = VisHeader {
//!     telescope: Telescope {
//!         name: "OVRO_MMA".into(), instrument: "DSA".into(), latitude_rad: 0.65, longitude_rad: -2.06, height_m: 1222.0,
//!         location_itrf_m: site.itrf_m(), antennas: vec![antenna("1", 0.0), antenna("2", 100.0)], mounts: vec![],
//!     },
//!     object_name: "search".into(),
//!     rows: RowAxis::grid(vec![JulianDate(2_461_065.5)], vec![12.9], vec![Baseline::new(0, 1)]),
//!     windows: vec![ChannelWindow {
//!         subband: Some(SubbandIndex(0)), freq_hz: vec![1.40e9, 1.41e9, 1.42e9, 1.43e9], width_hz: vec![1e7; 4], present: true,
//!     }],
//!     correlations: vec![Correlation::XX, Correlation::YY],
//!     phasing: FilePhasing::Meridian { app_dec_rad: 0.9 }, pointing_dec_rad: Some(0.9),
//!     vis_units: "uncalib".into(), history: String::new(), extra: vec![],
//! };
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("new.ms");
//! let writer = MsWriter::create(&path, &header, &MsOptions::default())?;
//! let mut block = VisBlock { rows: 0..1, ..VisBlock::default() };
//! block.slabs.resize_with(1, Slab::default);
//! block.slabs[0].reset([1, 4, 2]);
//! block.slabs[0].vis_slice_mut().fill(Complex32::new(1.0, 0.0));
//! writer.write_block(&mut block)?;
//! let summary = writer.finish()?;
//! assert_eq!((summary.rows, summary.visibilities, summary.flagged), (1, 8, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bulk;
mod centres;
mod error;
mod layout;
mod main_table;
mod options;
mod rotate;
mod runs;
mod schema;
mod stations;
mod subtables;
mod table;
mod weights;
mod writer;

pub use error::Error;
pub use options::{Centre, MsOptions, Provenance, SpectralWindows, WeightSpectrum};
pub use stations::{Station, read_stations};
pub use writer::{FieldSummary, MsSummary, MsWriter};

pub use astrometry::EarthOrientation;
pub use vis_types;
#[doc(no_inline)]
pub use vis_types::{VisBlock, VisHeader};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
