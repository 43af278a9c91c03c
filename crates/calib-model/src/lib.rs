//! Visibilities of a sky model for given UVW, frequencies and phase centres: exact, and close to what the processor can do.

mod model;
mod beam;
mod predictor;
mod error;
pub mod reference;
mod channels;
mod geometry;
mod kernel;
mod stokes;
mod terms;

pub use beam::{Beam, BeamFunction, BeamPoint};
pub use error::Error;
pub use model::{Component, Position, Shape, SkyModel, Spectrum};
pub use predictor::{Caching, Counts, Field, Instructions, Mode, Options, Predictor, Rows, Selection, Window};

pub use vis_types::{Complex32, Correlation, Direction, Frame};
