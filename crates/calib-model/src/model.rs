//! A sky whose numbers were checked.

use vis_types::{Component, Position, Shape, Spectrum};

use crate::Error;

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
