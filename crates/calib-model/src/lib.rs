//! Visibilities of a sky model for given UVW, frequencies and phase centres: exact, and close to what the processor can do.
//!
//! A [`SkyModel`] of points and Gaussians with flat, curved or tabulated [`Spectrum`]s is seen through a [`Beam`] by a
//! [`Predictor`], which fills, adds to or subtracts from arrays of visibilities:
//!
//! V = Σ S(ν) · B(ν) · G(u, v, w, ν) · exp(+2πi (u·l + v·m + w·(n − 1)) ν/c)
//!
//! ```
//! use calib_model::{Beam, Complex32, Component, Correlation, Direction, Field, Mode, Options, Predictor, Rows, SkyModel, Spectrum, Window};
//!
//! let calibrator = Component::point(Direction::icrs(0.4, 0.3), Spectrum::power_law(2.5, 1.4e9, -0.7));
//! let predictor = Predictor::new(SkyModel::new(vec![calibrator])?, Beam::Airy { dish_m: 4.65 }, Options::default())?;
//!
//! // Two rows of one spectral window.
//! let uvw_m = [[0.0, 0.0, 0.0], [1200.0, -800.0, 55.0]];
//! let freq_hz: Vec<f64> = (0..48).map(|c| 1.4e9 + 244_140.625 * f64::from(c)).collect();
//! let correlations = [Correlation::XX, Correlation::YY];
//! let mut vis = vec![Complex32::ZERO; uvw_m.len() * freq_hz.len() * correlations.len()];
//! let fields = [Field::new(Direction::icrs(0.401, 0.3))];
//! predictor.predict(&fields, &Rows::new(&uvw_m), &correlations, &mut [Window { freq_hz: &freq_hz, vis: &mut vis }], Mode::Replace)?;
//!
//! // On the zero baseline there is the flux density, dimmed by the beam.
//! assert!((vis[0].re - 2.5 * 0.998).abs() < 0.005 && vis[0].im == 0.0);
//! assert!((vis[96].norm() - vis[0].norm()).abs() < 1e-6);
//! # Ok::<(), calib_model::Error>(())
//! ```
//!
//! - **Data:** slices in, slices out: `[row]` UVW in metres, `[channel]` hertz, `[row, channel, correlation]` jansky. No I/O.
//! - **Sign and order:** UVW and correlations as in a Measurement Set, the model as CASA's `ft` writes it. The UVW of UVH5
//!   are the negated ones and its visibilities the conjugates. The formula holds for both; only the i of cross-hands (V in XY
//!   and YX, U in RL and LR) has the other sign there: to have it right, negate the UVW and conjugate the result.
//! - **Exactness:** within 2·10⁻⁷ of the summed flux of the plain formula in f64 ([`mod@reference`]), of which 3·10⁻⁸ is the
//!   output's rounding; direction cosines without approximation, over the poles and the wrap of right ascension. Channels may
//!   ascend, descend or be irregular.
//! - **Sameness:** a row's bits do not depend on the other rows, on threads, on the cache, or on the width of the vectors.
//! - **Cost:** one delay a row and component for all windows; then, for points with one flux, two multiply-adds a channel and
//!   source, for others four, in vectors of rows. See the README for figures. Memory: what is kept between calls is bounded
//!   ([`Options`]); each thread has scratch of 64 bytes a component and 128 bytes a channel and Stokes parameter.
//! - **Refuses**, before it writes anything: fluxes and widths that are no numbers, l² + m² > 1, sources below the horizon of a
//!   field, tables of fluxes that do not reach a channel, directions in different frames, UVW that are no numbers.
//!
//! What is not modelled: rotation of linear feeds against the sky (parallactic angle), leakage, bandwidth and time smearing.

mod beam;
mod channels;
mod error;
mod geometry;
mod kernel;
mod model;
mod predictor;
pub mod reference;
mod stokes;
mod terms;

pub use beam::{Beam, BeamFunction, BeamPoint};
pub use error::Error;
pub use model::SkyModel;
pub use predictor::{Caching, Counts, Field, Instructions, Mode, Options, Predictor, Rows, Selection, Window};

pub use vis_types::{Complex32, Component, Correlation, Direction, Frame, Position, Shape, Spectrum};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
