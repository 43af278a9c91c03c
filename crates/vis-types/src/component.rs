//! What the sky is made of: components, their shapes and their spectra.

use std::borrow::Cow;

use crate::Direction;

/// Where a component is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Position {
    /// A direction on the sky, in the same frame as the phase centres.
    Sky(Direction),
    /// Direction cosines relative to the phase centre of whichever field is predicted: l towards the east, m towards the
    /// north. A component that moves with the field.
    Cosines {
        /// East.
        l: f64,
        /// North.
        m: f64,
    },
}

/// What a component looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Shape {
    /// A point.
    #[default]
    Point,
    /// An elliptical Gaussian in the tangent plane of the component itself.
    ///
    /// Its visibility is that of a point times exp(−π²/(4 ln 2) · (θ₁²p² + θ₂²q²)), where p and q are the baseline along the
    /// major and minor axis in wavelengths, and θ₁ and θ₂ the full widths at half maximum (Thompson, Moran & Swenson,
    /// *Interferometry and Synthesis in Radio Astronomy*, 3rd edition, table A2.1).
    Gaussian {
        /// Full width at half maximum of the major axis, radians.
        major_rad: f64,
        /// Full width at half maximum of the minor axis, radians; not more than the major axis.
        minor_rad: f64,
        /// Position angle of the major axis, radians, from north through east.
        angle_rad: f64,
    },
}

/// The flux density of a component against frequency.
#[derive(Clone, Debug, PartialEq)]
pub enum Spectrum {
    /// The same at all frequencies.
    Flat {
        /// Stokes I, Q, U, V, jansky.
        stokes_jy: [f64; 4],
    },
    /// A power law with curvature and higher terms, S = S₀ · x^(c₀ + c₁ lg x + c₂ lg² x + …) with x = ν/ν₀, where lg is the
    /// logarithm to base 10: "logarithmic spectral index" of the source lists of WSClean and DP3. c₀ is the spectral index.
    /// Q, U and V keep their ratio to I.
    PowerLaw {
        /// Stokes I, Q, U, V at the reference frequency, jansky.
        stokes_jy: [f64; 4],
        /// The reference frequency ν₀, hertz.
        reference_hz: f64,
        /// c₀, c₁ …
        terms: Cow<'static, [f64]>,
    },
    /// An ordinary polynomial, S_I = S₀ + c₀ (x − 1) + c₁ (x − 1)² + … with x = ν/ν₀: the source lists of WSClean and DP3
    /// without the logarithm. Q, U and V are constant.
    Polynomial {
        /// Stokes I, Q, U, V at the reference frequency, jansky.
        stokes_jy: [f64; 4],
        /// The reference frequency ν₀, hertz.
        reference_hz: f64,
        /// c₀, c₁ …, jansky.
        terms: Cow<'static, [f64]>,
    },
    /// Fluxes at some frequencies, linear between them; nothing is extrapolated.
    Table {
        /// Frequencies, hertz, ascending; at least one.
        freq_hz: Vec<f64>,
        /// Stokes I, Q, U, V at each, jansky.
        stokes_jy: Vec<[f64; 4]>,
    },
}

impl Spectrum {
    /// A flat, unpolarised spectrum.
    #[must_use]
    pub const fn flat(jy: f64) -> Self {
        Self::Flat { stokes_jy: [jy, 0.0, 0.0, 0.0] }
    }

    /// An unpolarised power law of flux density `jy` at `reference_hz`.
    #[must_use]
    pub fn power_law(jy: f64, reference_hz: f64, index: f64) -> Self {
        Self::PowerLaw { stokes_jy: [jy, 0.0, 0.0, 0.0], reference_hz, terms: Cow::Owned(vec![index]) }
    }

    /// Stokes I, Q, U, V at `freq_hz`, jansky. `None` outside of a table. The values are not checked for being finite.
    #[must_use]
    pub fn at(&self, freq_hz: f64) -> Option<[f64; 4]> {
        match self {
            Self::Flat { stokes_jy } => Some(*stokes_jy),
            Self::PowerLaw { stokes_jy, reference_hz, terms } => {
                let ratio = freq_hz / reference_hz;
                let lg = ratio.log10();
                let exponent = terms.iter().rev().fold(0.0, |sum, c| sum * lg + c);
                let scale = ratio.powf(exponent);
                Some(stokes_jy.map(|s| s * scale))
            }
            Self::Polynomial { stokes_jy, reference_hz, terms } => {
                let x = freq_hz / reference_hz - 1.0;
                let [i, q, u, v] = *stokes_jy;
                Some([i + x * terms.iter().rev().fold(0.0, |sum, c| sum * x + c), q, u, v])
            }
            Self::Table { freq_hz: at, stokes_jy } => {
                let above = at.partition_point(|&f| f < freq_hz);
                if at.get(above) == Some(&freq_hz) {
                    return stokes_jy.get(above).copied();
                }
                let below = above.checked_sub(1)?;
                let (f0, f1) = (*at.get(below)?, *at.get(above)?);
                let (s0, s1) = (stokes_jy.get(below)?, stokes_jy.get(above)?);
                let t = (freq_hz - f0) / (f1 - f0);
                Some(std::array::from_fn(|k| s0[k] + t * (s1[k] - s0[k])))
            }
        }
    }

    /// Whether it is the same at all frequencies.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        match self {
            Self::Flat { .. } => true,
            Self::PowerLaw { terms, .. } | Self::Polynomial { terms, .. } => terms.iter().all(|&c| c == 0.0),
            Self::Table { .. } => false,
        }
    }
}

/// One component of the sky.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its name, for messages; may be empty.
    pub name: String,
    /// Where it is.
    pub position: Position,
    /// What it looks like.
    pub shape: Shape,
    /// How bright it is.
    pub spectrum: Spectrum,
}

impl Component {
    /// A point source without a name.
    #[must_use]
    pub fn point(direction: Direction, spectrum: Spectrum) -> Self {
        Self { name: String::new(), position: Position::Sky(direction), shape: Shape::Point, spectrum }
    }

    /// An elliptical Gaussian without a name: full widths at half maximum of its axes, and the position angle of the major one
    /// from north through east, radians.
    #[must_use]
    pub fn gaussian(direction: Direction, spectrum: Spectrum, major_rad: f64, minor_rad: f64, angle_rad: f64) -> Self {
        Self { shape: Shape::Gaussian { major_rad, minor_rad, angle_rad }, ..Self::point(direction, spectrum) }
    }
}
