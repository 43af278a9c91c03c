//! What can be wrong with what is to be solved.

/// Why nothing can be solved.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No visibility with a weight, a model and without a flag.
    #[error("no visibility can be used: all are flagged, without weight, or without a model")]
    NoData,
    /// Visibilities are there; their model is zero everywhere.
    #[error("the model is zero in every visibility that is not flagged")]
    ZeroModel,
    /// Fewer antennas than a gain can be solved for.
    #[error("{antennas} antennas; at least {needed} are needed")]
    TooFewAntennas {
        /// With data.
        antennas: usize,
        /// At least.
        needed: usize,
    },
}

/// The result of solving.
pub type Result<T> = std::result::Result<T, Error>;
