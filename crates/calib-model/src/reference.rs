//! The plain way: one sine and cosine for every row, channel and component, from the textbook's formulas. For tests.
//!
//! It shares no code with the fast way but the checks of its arguments, the values of spectra and beams, and the table of
//! correlations; it is some hundred times slower.

use std::f64::consts::{LN_2, PI, TAU};

use num_complex::{Complex32, Complex64};
use vis_types::{Correlation, Direction, Position, SPEED_OF_LIGHT_M_PER_S};

use crate::beam::{Beam, BeamPoint};
use crate::predictor::{Selection, check, check_field};
use crate::{Component, Error, Field, Mode, Rows, Shape, SkyModel, Window};

/// l, m and n of a direction: Thompson, Moran & Swenson, 3rd edition, equations 4.2 and 3.9 in terms of right ascension and declination.
#[must_use]
pub fn cosines(direction: Direction, centre: Direction) -> [f64; 3] {
    let da = direction.lon_rad - centre.lon_rad;
    let (sd, cd) = direction.lat_rad.sin_cos();
    let (sd0, cd0) = centre.lat_rad.sin_cos();
    [cd * da.sin(), sd * cd0 - cd * sd0 * da.cos(), sd * sd0 + cd * cd0 * da.cos()]
}

/// The direction with cosines l and m.
fn direction_of(l: f64, m: f64, centre: Direction) -> Direction {
    let n = (1.0 - l * l - m * m).sqrt();
    let (sd0, cd0) = centre.lat_rad.sin_cos();
    Direction {
        lon_rad: centre.lon_rad + l.atan2(n * cd0 - m * sd0),
        lat_rad: (m * cd0 + n * sd0).clamp(-1.0, 1.0).asin(),
        frame: centre.frame,
    }
}

/// The same as [`Predictor::predict`](crate::Predictor::predict), on one thread and without keeping anything.
///
/// # Errors
/// The same.
pub fn predict(
    model: &SkyModel,
    beam: &Beam,
    fields: &[Field],
    rows: &Rows<'_>,
    correlations: &[Correlation],
    windows: &mut [Window<'_>],
    mode: Mode,
) -> Result<(), Error> {
    crate::stokes::mixes(correlations)?;
    let used = check(fields, rows, correlations.len(), windows)?;
    for (index, field) in fields.iter().enumerate().filter(|(index, _)| used[*index]) {
        check_field(index, field, beam)?;
        crate::geometry::directions(model, field.phase_centre, index)?;
    }
    for (row, &uvw_m) in rows.uvw_m.iter().enumerate() {
        if matches!(rows.selection, Selection::Where(which) if !which[row]) {
            continue;
        }
        let field = rows.field.get(row).map_or(0, |&f| f as usize);
        for window in &mut *windows {
            let n_channels = window.freq_hz.len();
            for (channel, &freq_hz) in window.freq_hz.iter().enumerate() {
                let stokes = stokes(model, beam, field, &fields[field], uvw_m, freq_hz)?;
                for (k, &correlation) in correlations.iter().enumerate() {
                    let value = &mut window.vis[(row * n_channels + channel) * correlations.len() + k];
                    let old = Complex64::new(value.re.into(), value.im.into());
                    let model = from_stokes(stokes, correlation);
                    let new = match mode {
                        Mode::Replace => model,
                        Mode::Add => old + model,
                        Mode::Subtract => old - model,
                    };
                    *value = Complex32::new(new.re as f32, new.im as f32);
                }
            }
        }
    }
    Ok(())
}

/// The visibilities of Stokes I, Q, U and V: V = Σ S·B·G·exp(+2πi(ul + vm + w(n − 1))ν/c).
fn stokes(
    model: &SkyModel,
    beam: &Beam,
    index: usize,
    field: &Field,
    uvw_m: [f64; 3],
    freq_hz: f64,
) -> Result<[Complex64; 4], Error> {
    let mut sum = [Complex64::ZERO; 4];
    for (number, component) in model.components().iter().enumerate() {
        let direction = match component.position {
            Position::Sky(d) => d,
            Position::Cosines { l, m } => direction_of(l, m, field.phase_centre),
        };
        let [l, m, n] = cosines(direction, field.phase_centre);
        let turns = (uvw_m[0] * l + uvw_m[1] * m + uvw_m[2] * (n - 1.0)) * freq_hz / SPEED_OF_LIGHT_M_PER_S;
        let problem =
            |problem| Error::Spectrum { component: model.label(number), freq_hz, problem, hint: "check the spectrum" };
        let jy = component.spectrum.at(freq_hz).ok_or_else(|| problem("the table of fluxes ends before"))?;
        if jy.iter().any(|s| !s.is_finite()) {
            return Err(problem("the flux is not finite"));
        }
        let [bl, bm, bn] = cosines(direction, field.pointing.unwrap_or(field.phase_centre));
        let angle_rad = bl.hypot(bm).atan2(bn);
        let power = beam.power(&BeamPoint { component: number, l: bl, m: bm, angle_rad, freq_hz });
        if !power.is_finite() {
            return Err(Error::Beam { component: model.label(number), field: index, freq_hz, value: power });
        }
        let factor = power * envelope(component, direction, field.phase_centre, uvw_m, freq_hz);
        let phasor = Complex64::cis(TAU * (turns - turns.round()));
        for (sum, jy) in sum.iter_mut().zip(jy) {
            *sum += phasor * (jy * factor);
        }
    }
    Ok(sum)
}

/// The envelope of a Gaussian: its Fourier transform at the baseline, seen from the Gaussian's own direction.
fn envelope(component: &Component, direction: Direction, centre: Direction, uvw_m: [f64; 3], freq_hz: f64) -> f64 {
    let Shape::Gaussian { major_rad, minor_rad, angle_rad } = component.shape else { return 1.0 };
    // The baseline in equatorial axes, and from there in the tangent plane of the Gaussian.
    let axes = |d: Direction| {
        let ((sa, ca), (sd, cd)) = (d.lon_rad.sin_cos(), d.lat_rad.sin_cos());
        [[-sa, ca, 0.0], [-sd * ca, -sd * sa, cd], [cd * ca, cd * sa, sd]]
    };
    let from = axes(centre);
    let baseline: [f64; 3] = std::array::from_fn(|k| (0..3).map(|a| uvw_m[a] * from[a][k]).sum());
    let to = axes(direction);
    let along = |a: usize| (0..3).map(|k| baseline[k] * to[a][k]).sum::<f64>() * freq_hz / SPEED_OF_LIGHT_M_PER_S;
    let (u, v) = (along(0), along(1));
    let (sin, cos) = angle_rad.sin_cos();
    let (p, q) = (u * sin + v * cos, u * cos - v * sin);
    (-(PI * PI) / (4.0 * LN_2) * ((major_rad * p).powi(2) + (minor_rad * q).powi(2))).exp()
}

fn from_stokes([i, q, u, v]: [Complex64; 4], correlation: Correlation) -> Complex64 {
    use Correlation as C;
    let j = Complex64::I;
    match correlation {
        C::I => i,
        C::Q => q,
        C::U => u,
        C::V => v,
        C::XX => i + q,
        C::XY => u + j * v,
        C::YX => u - j * v,
        C::YY => i - q,
        C::RR => i + v,
        C::RL => q + j * u,
        C::LR => q - j * u,
        C::LL => i - v,
    }
}
