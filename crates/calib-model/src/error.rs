//! What can go wrong, and what to do about it.

use vis_types::{Correlation, Frame};

/// Why a model was refused or visibilities were not predicted. Nothing was written to the caller's arrays.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number of a component is not usable.
    #[error("component {component}: {what} is {value}")]
    Component {
        /// The component's name, or `#` and its position in the model.
        component: String,
        /// Which number.
        what: &'static str,
        /// What it is.
        value: f64,
        /// What it must be.
        hint: &'static str,
    },
    /// A spectrum has no finite value at a frequency, or its table does not reach it.
    #[error("component {component}: {problem} at {freq_hz} Hz")]
    Spectrum {
        /// The component's name, or `#` and its position in the model.
        component: String,
        /// The frequency, hertz.
        freq_hz: f64,
        /// What is wrong there.
        problem: &'static str,
        /// What to try.
        hint: &'static str,
    },
    /// The beam gave a value that is not a finite number.
    #[error("component {component}: the beam is {value} at {freq_hz} Hz in field {field}")]
    Beam {
        /// The component's name, or `#` and its position in the model.
        component: String,
        /// Position of the field in the request.
        field: usize,
        /// The frequency, hertz.
        freq_hz: f64,
        /// What the beam gave.
        value: f64,
    },
    /// A component is on or behind the horizon of a field's tangent plane (n ≤ 0).
    #[error(
        "component {component} is {angle_deg:.3}° from the phase centre of field {field}: below the horizon of its tangent plane"
    )]
    BelowHorizon {
        /// The component's name, or `#` and its position in the model.
        component: String,
        /// Position of the field in the request.
        field: usize,
        /// Angle between both, degrees.
        angle_deg: f64,
    },
    /// Direction cosines with l² + m² > 1 are no direction.
    #[error("component {component}: l² + m² is {sum}, more than 1")]
    Cosines {
        /// The component's name, or `#` and its position in the model.
        component: String,
        /// l² + m².
        sum: f64,
    },
    /// Two directions that must be compared are given in different frames.
    #[error("{what} is in frame {found:?}, the phase centre of field {field} in {expected:?}")]
    Frame {
        /// Which direction: a component by its name, or the pointing centre.
        what: String,
        /// Position of the field in the request.
        field: usize,
        /// The frame of the direction.
        found: Frame,
        /// The frame of the phase centre.
        expected: Frame,
    },
    /// A direction of a field is not a pair of finite angles with a latitude within ±90°.
    #[error("field {field}: the {what} is ({lon_rad}, {lat_rad}) rad")]
    Field {
        /// Position of the field in the request.
        field: usize,
        /// Which direction.
        what: &'static str,
        /// Its longitude.
        lon_rad: f64,
        /// Its latitude.
        lat_rad: f64,
    },
    /// A channel's frequency is not a positive finite number.
    #[error("window {window}, channel {channel}: the frequency is {freq_hz} Hz")]
    Frequency {
        /// Position of the window in the request.
        window: usize,
        /// Channel in the window.
        channel: usize,
        /// What it is.
        freq_hz: f64,
    },
    /// A selected row's UVW is not finite.
    #[error("row {row}: UVW is {uvw_m:?} m")]
    Uvw {
        /// The row.
        row: usize,
        /// What it is.
        uvw_m: [f64; 3],
    },
    /// A selected row names a field that the request does not have.
    #[error("row {row} belongs to field {field}, but there are {n_fields}")]
    RowField {
        /// The row.
        row: usize,
        /// The field that it names.
        field: u32,
        /// Number of fields in the request.
        n_fields: usize,
    },
    /// An array of the request has the wrong length.
    #[error("{what} has {found} values instead of {expected}")]
    Length {
        /// Which array.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that the others ask for.
        expected: usize,
    },
    /// Correlations of linear and circular feeds were asked for at once, or none, or one twice.
    #[error("cannot predict the correlations {0:?} together")]
    Correlations(Vec<Correlation>),
    /// The processor lacks the vector instructions that the options name.
    #[error("this processor has no {0}")]
    Instructions(&'static str),
}

impl Error {
    /// What to try.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Component { hint, .. } | Self::Spectrum { hint, .. } => hint,
            Self::Beam { .. } => "the beam's function must give finite values for every component and channel",
            Self::BelowHorizon { .. } => "leave it out of this field, or select other fields",
            Self::Cosines { .. } => "l and m are direction cosines, not degrees or arcseconds",
            Self::Frame { .. } => "convert directions first (crate `astrometry`)",
            Self::Field { .. } => "directions are radians, latitudes within ±π/2",
            Self::Frequency { .. } => "frequencies are positive, in hertz",
            Self::Uvw { .. } => "leave the row out of the selection",
            Self::Correlations(..) => {
                "ask for linear (XX, XY, YX, YY), circular (RR, RL, LR, LL) or Stokes (I, Q, U, V) ones, each once"
            }
            Self::Instructions(..) => "use Instructions::Best",
            Self::RowField { .. } | Self::Length { .. } => return None,
        })
    }
}
