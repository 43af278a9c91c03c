//! The primary beam.

use std::fmt;
use std::sync::Arc;

use vis_types::SPEED_OF_LIGHT_M_PER_S;

/// Where and at which frequency a beam is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamPoint {
    /// Position of the component in the model.
    pub component: usize,
    /// Direction cosine of the component relative to the pointing centre, towards the east.
    pub l: f64,
    /// Direction cosine of the component relative to the pointing centre, towards the north.
    pub m: f64,
    /// Angle between the component and the pointing centre, radians.
    pub angle_rad: f64,
    /// Frequency, hertz.
    pub freq_hz: f64,
}

/// A user's beam: the factor on the flux density, 1 at the pointing centre of an ideal dish.
pub type BeamFunction = dyn Fn(&BeamPoint) -> f64 + Send + Sync;

/// What the dishes make of the sky: a factor on the flux density of each component in each channel.
#[derive(Clone, Default)]
pub enum Beam {
    /// No beam: the model's fluxes are apparent ones.
    #[default]
    None,
    /// The power pattern of a uniformly lit, unblocked dish, (2J₁(x)/x)² with x = πD sin θ/λ (Born & Wolf, *Principles of
    /// Optics*, section 8.5.2).
    Airy {
        /// Diameter D, metres.
        dish_m: f64,
    },
    /// A function. It must give the same value for the same point at any time, since values are kept.
    Function(Arc<BeamFunction>),
}

impl Beam {
    /// The factor on the flux density at a point.
    #[must_use]
    pub fn power(&self, point: &BeamPoint) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Airy { dish_m } => {
                airy(dish_m * std::f64::consts::PI * point.angle_rad.sin() * point.freq_hz / SPEED_OF_LIGHT_M_PER_S)
            }
            Self::Function(function) => function(point),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl fmt::Debug for Beam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Airy { dish_m } => f.debug_struct("Airy").field("dish_m", dish_m).finish(),
            Self::Function(_) => f.write_str("Function(..)"),
        }
    }
}

/// (2J₁(x)/x)², by the series near 0, where the quotient loses its digits.
fn airy(x: f64) -> f64 {
    let amplitude = if x.abs() < 1e-3 { 1.0 - x * x / 8.0 } else { 2.0 * libm::j1(x) / x };
    amplitude * amplitude
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn airy_has_its_known_values() {
        // Zeros of J1 and the first side lobe, 0.0174978 (Born & Wolf, table 8.2); half power at x = 1.616340.
        assert!(airy(3.831_705_970_207_512).abs() < 1e-30);
        assert!((airy(5.135_622_301_840_683) - 0.017_497_8).abs() < 5e-7);
        assert!((airy(1.616_340) - 0.5).abs() < 1e-6);
        assert!((airy(0.999e-3) - airy(1.001e-3)).abs() < 1e-9 && airy(0.0) == 1.0);
    }
}
