//! The nouns that contimg's crates exchange: visibilities, axes, times, stations and directions.
//!
//! A reader (`subband-io`) fills them, a writer (`ms-writer`) and the work crates take them. Nothing here opens a file,
//! allocates behind your back or fails: there is no error type. A type lives here when the public interfaces of two
//! crates exchange it.
//!
//! # Conventions, stated once
//!
//! - Visibilities are `[row, channel, correlation]`, the last axis fastest, `Complex32`.
//! - A row is one baseline at one time. Baseline vectors are *antenna 2 minus antenna 1*, as in UVH5 (the UVH5 format
//!   memo, pyuvdata); a point source of flux S at direction cosines (l, m, n) gives
//!   `V = S·exp(+2πi (u·l + v·m + w·(n − 1))·ν/c)` in a UVH5 file. A Measurement Set holds the conjugate with the negated
//!   UVW, which is the same sky; `ms-writer` does that turn, and only it.
//! - Frequencies are hertz, ascending within a [`VisBlock`], whatever the file's order was.
//! - Times are Julian dates, UTC, the centre of the integration.
//! - Angles are radians, lengths are metres.
//!
//! ```
//! use vis_types::{Baseline, RowAxis, JulianDate};
//!
//! // Two integrations of three baselines: six rows, in 40 bytes a time and 8 a baseline.
//! let rows = RowAxis::grid(
//!     vec![JulianDate(2_461_065.5), JulianDate(2_461_065.500_149)],
//!     vec![12.884_901_888; 2],
//!     vec![Baseline::new(0, 0), Baseline::new(0, 1), Baseline::new(1, 1)],
//! );
//! assert_eq!(rows.len(), 6);
//! assert_eq!(rows.row(4).baseline, Baseline::new(0, 1));
//! assert_eq!(rows.row(4).time_index, 1);
//! ```

mod axes;
mod block;
mod component;
mod header;
mod metadata;
mod sky;
mod units;

pub use axes::{Baseline, ChannelWindow, Correlation, Row, RowAxis};
pub use block::{Flags, Slab, VisBlock, Weights};
pub use component::{Component, Position, Shape, Spectrum};
pub use header::{Antenna, FilePhasing, PhaseCentre, Telescope, VisHeader};
pub use metadata::{
    DataDescription, Field, FieldDirection, MsAntenna, MsColumn, MsLayout, MsManager, MsMetadata, MsRows, MsSubtables,
    Observation, Polarization, RowGroup, SpectralWindow,
};
pub use sky::{Direction, Frame};
pub use units::{Hertz, JulianDate, MjdSeconds, SPEED_OF_LIGHT_M_PER_S, SubbandIndex};

pub use ndarray;
pub use num_complex::Complex32;
