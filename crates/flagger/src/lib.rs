//! Flags for visibilities before they are calibrated; arrays in, arrays out.
//!
//! What is plainly wrong (zeros, what is not finite, autocorrelations, clips, dead antennas), interference that all
//! baselines see, and outliers of each baseline. Flags are only added. The crate opens no file and starts no thread: blocks
//! of any number of baselines can be worked on at once.
//!
//! # The data's way
//!
//! Twice over the visibilities, one [`Block`] for each baseline and spectral window:
//! 1. [`flag_simple`], [`AntennaTally::add`], [`ArraySurvey::add`]; then [`AntennaTally::dead`] and [`ArraySurvey::find`].
//! 2. [`flag_simple`] again, and [`flag_baseline`] with what the first pass found.
//!
//! # Cost
//!
//! Some ten passes over a block that stays in cache, about 100 ns a visibility on one core; memory is six times a
//! block's amplitudes for each thread, and 12 bytes for each time, channel and correlation of a window.
//!
//! # How sure it is
//!
//! Interference is found by its power relative to the scatter of its surroundings, so weak interference on a strong sky
//! stays. Of pure noise far less than one sample in a thousand is flagged. [`Settings`] has the limits.
//!
//! # Example
//!
//! ```
//! use flagger::{ArrayMask, ArraySurvey, Block, Scratch, Settings, flag_baseline, flag_simple};
//! use num_complex::Complex32;
//!
//! // Noise-like visibilities of 24 integrations, 48 channels and 2 correlations, with interference in channel 7.
//! let shape = [24, 48, 2];
//! let visibilities: Vec<Complex32> = (0..24 * 48 * 2)
//!     .map(|i| {
//!         let strength = if i / 2 % 48 == 7 { 50.0 } else { 1.0 };
//!         Complex32::from_polar(strength * (1.0 + 0.1 * ((i * 37 % 101) as f32 / 101.0)), i as f32)
//!     })
//!     .collect();
//! let mut flags = vec![false; visibilities.len()];
//! let settings = Settings::default();
//! let mut scratch = Scratch::default();
//!
//! let mut block = Block::new(shape, &visibilities, &mut flags)?;
//! flag_simple(&mut block, false, &settings);
//! let mut survey = ArraySurvey::new(shape);
//! survey.add(&block, &mut scratch)?;
//! let array = settings.array.as_ref().map_or_else(|| ArrayMask::empty(shape), |how| survey.find(how));
//! let reasons = flag_baseline(&mut block, &array, &settings, &mut scratch)?;
//! assert_eq!(reasons.total(), 24 * 2);
//! assert!(flags[2 * 7] && !flags[2 * 6]);
//! # Ok::<(), flagger::Error>(())
//! ```

mod settings;

mod antenna;
mod array;
mod baseline;
mod block;
mod search;

mod error;

pub use antenna::AntennaTally;
pub use array::{ArrayMask, ArraySurvey};
pub use baseline::flag_baseline;
pub use block::{Block, Reasons, flag_simple};
pub use error::Error;
pub use search::{Scratch, search};
pub use settings::{Search, Settings};

pub use num_complex::Complex32;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
