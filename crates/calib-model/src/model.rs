//! The sky: components, their shapes and their spectra.

use std::borrow::Cow;

use vis_types::Direction;

use crate::Error;

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

    pub(crate) fn is_flat(&self) -> bool {
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
}

/// Components that were checked: every number is finite, every axis sensible.
#[derive(Clone, Debug, PartialEq)]
pub struct SkyModel {
    components: Vec<Component>,
}

impl SkyModel {
    /// Checks and keeps the components.
    ///
    /// # Errors
    /// [`Error::Component`] for a number that is not finite or not sensible (a NaN flux, a negative width, a minor axis longer
    /// than the major one, a reference frequency that is not positive, a table that does not ascend), [`Error::Cosines`] for
    /// l² + m² > 1.
    pub fn new(components: Vec<Component>) -> Result<Self, Error> {
        for (index, component) in components.iter().enumerate() {
            check(component, index)?;
        }
        Ok(Self { components })
    }

    /// The components, in the order in which they were given.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// The name of a component for messages: its own, or `#` and its position.
    pub(crate) fn label(&self, index: usize) -> String {
        label(self.components.get(index).map_or("", |c| c.name.as_str()), index)
    }
}

fn label(name: &str, index: usize) -> String {
    if name.is_empty() { format!("#{index}") } else { name.to_owned() }
}

fn check(component: &Component, index: usize) -> Result<(), Error> {
    let label = || label(&component.name, index);
    let refuse = |what, value, hint| Err(Error::Component { component: label(), what, value, hint });
    match component.position {
        Position::Sky(d) if !d.lon_rad.is_finite() => {
            return refuse("the longitude", d.lon_rad, "it must be finite, in radians");
        }
        Position::Sky(d) if d.lat_rad.is_nan() || d.lat_rad.abs() > std::f64::consts::FRAC_PI_2 => {
            return refuse("the latitude", d.lat_rad, "it must be within ±π/2 radians");
        }
        Position::Cosines { l, m } => {
            let sum = l * l + m * m;
            if sum.is_nan() || sum > 1.0 {
                return Err(Error::Cosines { component: label(), sum });
            }
        }
        Position::Sky(_) => {}
    }
    if let Shape::Gaussian { major_rad, minor_rad, angle_rad } = component.shape {
        if !(major_rad.is_finite() && major_rad >= 0.0) {
            return refuse("the major axis", major_rad, "it must be finite and not negative, in radians");
        }
        if !(minor_rad >= 0.0 && minor_rad <= major_rad) {
            return refuse("the minor axis", minor_rad, "it must be between 0 and the major axis, in radians");
        }
        if !angle_rad.is_finite() {
            return refuse("the position angle", angle_rad, "it must be finite, in radians");
        }
    }
    let stokes = |values: &[f64; 4]| match values.iter().find(|s| !s.is_finite()) {
        Some(&bad) => refuse("a flux", bad, "fluxes must be finite, in jansky"),
        None => Ok(()),
    };
    match &component.spectrum {
        Spectrum::Flat { stokes_jy } => stokes(stokes_jy),
        Spectrum::PowerLaw { stokes_jy, reference_hz, terms }
        | Spectrum::Polynomial { stokes_jy, reference_hz, terms } => {
            stokes(stokes_jy)?;
            if !(reference_hz.is_finite() && *reference_hz > 0.0) {
                return refuse("the reference frequency", *reference_hz, "it must be positive, in hertz");
            }
            match terms.iter().find(|c| !c.is_finite()) {
                Some(&bad) => refuse("a spectral term", bad, "spectral terms must be finite"),
                None => Ok(()),
            }
        }
        Spectrum::Table { freq_hz, stokes_jy } => {
            if freq_hz.is_empty() || freq_hz.len() != stokes_jy.len() {
                return refuse(
                    "the number of tabulated fluxes",
                    stokes_jy.len() as f64,
                    "a table has one flux a frequency, and at least one",
                );
            }
            let descending = freq_hz.windows(2).find(|w| !w[0].lt(&w[1])).map(|w| w[1]);
            if let Some(bad) = freq_hz.iter().copied().find(|f| !(f.is_finite() && *f > 0.0)).or(descending) {
                return refuse("a tabulated frequency", bad, "frequencies must be positive and ascend, in hertz");
            }
            stokes_jy.iter().try_for_each(stokes)
        }
    }
}
