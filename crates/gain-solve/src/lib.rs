//! Complex gains and bandpasses of antennas against a model; arrays in, arrays out.
//!
//! Each visibility is taken for V = g₁ g₂* M, with one gain g for an antenna, receptor, channel group and time. [`Averages`]
//! take rows in as they stream by and keep what a solver needs; [`solve`] finds the gains by alternating least squares
//! (StEFCal); [`refer`] gives them a reference antenna; [`normalise`] makes bandpasses of them and [`delays`] fits delays.
//!
//! - **Data:** rows as in a Measurement Set, `[channel, correlation]`; gains out as `[receptor, group, antenna]`.
//! - **Sign:** CASA's: V = g₁ g₂* M where antenna 1 and 2 are those of the row. A corrected visibility is V / (g₁ g₂*).
//! - **Flags and weights** are honoured; values that are not finite count as flagged. Outliers: solve, take the scale of the
//!   [`Residuals`] of some rows, and average again with [`Reweight`]; two rounds bear one outlier in ten.
//! - **Cost:** one pass over the rows in the caller's threads ([`Averages::parts`]); 20 bytes a baseline, receptor and channel
//!   group ([`Shape::bytes`]), whatever the number of rows. Sums that stay in the cache are added to several times as fast: give
//!   the sums an [`Order`], and add the rows of a part at all times before the next part's. Solving takes some tens of
//!   updates of antennas² operations each, on all cores of the caller's pool.
//! - **Sameness:** the results do not depend on the number of threads.
//! - **Refuses:** data without usable visibilities, models that are zero. Antennas that nothing connects to the others,
//!   amplitudes that no loop of baselines determines, and solutions of low signal to noise have no solution, and the
//!   [`CellReport`] says why.
//!
//! ```
//! use gain_solve::{Averages, Bands, Complex32, Options, Row, Shape, Weights, refer, solve};
//!
//! // Six antennas, one receptor, four channels that share a gain.
//! let truth: Vec<Complex32> = (0..6).map(|i| Complex32::from_polar(1.0 + 0.1 * i as f32, 0.3 * i as f32)).collect();
//! let mut averages = Averages::new(Shape { antennas: 6, receptors: 1, groups: 1 });
//! let bands = Bands { correlations: 1, hands: vec![0], groups: vec![0..4], first_group: 0 };
//! let model = [Complex32::new(2.5, 0.0); 4];
//! let mut part = averages.parts(usize::MAX).next().expect("one part");
//! for j in 1..6 {
//!     for i in 0..j {
//!         let vis = [truth[i] * truth[j].conj() * model[0]; 4];
//!         let row = Row {
//!             antennas: [i, j], vis: &vis, model: &model, flags: &[false; 4],
//!             weights: Weights::Correlation(&[96.0]), known: None, solved: None,
//!         };
//!         part.add(&row, &bands, None);
//!     }
//! }
//! let mut solutions = [solve(&averages, &Options::default())?];
//! assert_eq!(refer(&mut solutions, &[0]), [Some(0)]);
//! let gain = solutions[0].gains[[0, 0, 4]];
//! assert!((gain.norm() - 1.4).abs() < 1e-5 && (gain.arg() - 1.2).abs() < 1e-5);
//! # Ok::<(), gain_solve::Error>(())
//! ```

mod averages;
mod row;
mod solution;

mod matrix;
mod stefcal;

mod bandpass;
mod reference;
mod robust;

pub mod dense;
mod error;

pub use averages::{Averages, Order, Part, Shape};
pub use bandpass::{Delays, delays, normalise};
pub use error::{Error, Result};
pub use reference::refer;
pub use robust::{Residuals, Reweight};
pub use row::{Bands, Row, Weights};
pub use solution::{CellReport, Failed, Mode, Options, Solutions, solve};

pub use ndarray::{Array2, Array3};
pub use num_complex::{Complex32, Complex64};

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
