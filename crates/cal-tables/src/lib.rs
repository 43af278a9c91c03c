//! CASA calibration tables, read and written, and their solutions at any time and frequency.
//!
//! [`CalTable`] holds the solutions of a B, G, T or K Jones table with what they belong to. [`CalTable::write`] makes a table
//! that CASA's `applycal` and pyuvdata's `UVCal.read_ms_cal` accept, complete with its subtables and keywords;
//! [`CalTable::read`] reads theirs. An [`Interpolator`] gives gains on the channels of a set at any time, as `applycal` does.
//!
//! - **Sign:** V = g₁ g₂* M; a corrected visibility is V / (g₁ g₂*). A delay τ is a gain exp(2πi τ (ν − ν₀)) where ν₀ is the
//!   first frequency of the table's window.
//! - **Units:** times in MJD seconds, delays in nanoseconds as CASA has them, frequencies in hertz.
//! - **Cost:** a table is held in memory: 21 bytes a solution. An interpolator holds 16 bytes a solution and channel.
//! - **Refuses:** other kinds of tables; tables whose antennas, frequencies, receptors or times do not fit the data
//!   ([`Error::DoesNotFit`] says which).
//!
//! ```
//! use cal_tables::{CalRow, CalTable, Complex32, Interpolator, InterpolateOptions, Kind, Target, Values};
//! # use vis_types::{MsSubtables, SpectralWindow, MsAntenna};
//! # let window = SpectralWindow { name: "W".into(), freq_hz: vec![1.4e9, 1.41e9], width_hz: vec![1e7; 2], effective_bw_hz: None,
//! #     resolution_hz: None, ref_freq_hz: 1.4e9, total_bandwidth_hz: 2e7, frame: Some("TOPO".into()), flagged: false };
//! # let antenna = MsAntenna { name: "7".into(), station: "7".into(), kind: String::new(), mount: String::new(),
//! #     position_m: [1.0, 2.0, 3.0], offset_m: [0.0; 3], diameter_m: 4.65, flagged: false };
//! # let subtables = MsSubtables { windows: vec![window], antennas: vec![antenna], ..MsSubtables::default() };
//! # let folder = tempfile::tempdir()?;
//! let mut table = CalTable::new(Kind::Gain, "night.ms", &subtables);
//! table.rows.push(CalRow {
//!     time_s: 5.2e9, interval_s: 60.0, field: 0, window: 0, antenna: 0, reference: 0, scan: 1, observation: 0,
//!     channels: 1, receptors: 2,
//!     values: Values::Gains(vec![Complex32::new(0.5, 0.0), Complex32::new(0.0, 2.0)]),
//!     errors: vec![0.01; 2], flags: vec![false; 2], snr: vec![50.0, 200.0],
//! });
//! let path = folder.path().join("night.gcal");
//! table.write(&path)?;
//!
//! let table = CalTable::read(&path)?;
//! let target = Target { antennas: &subtables.antennas, with_data: &[true], number: 0, window: &subtables.windows[0],
//!     receptors: 2, time_range: (5.2e9, 5.2e9 + 300.0) };
//! let gains = Interpolator::new(&table, "night.gcal", &target, InterpolateOptions::default())?;
//! let (mut now, mut powers) = (vec![Complex32::ONE; 4], vec![1.0; 2]);
//! gains.multiply(5.2e9 + 30.0, &mut now, &mut powers);
//! assert_eq!(now[2], Complex32::new(0.0, 2.0)); // antenna 0, receptor 1, channel 0
//! assert_eq!(powers, [0.25, 4.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod table;

mod read;
mod schema;
mod write;

mod interpolate;
mod matching;

mod error;

pub use error::{Error, Result};
pub use interpolate::{FlaggedChannels, InTime, InterpolateOptions, Interpolator, Target};
pub use table::{CalRow, CalTable, Kind, Values, one_channel};

pub use num_complex::Complex32;
pub use vis_types::{Field, MsAntenna, MsSubtables, Observation, SpectralWindow};

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
