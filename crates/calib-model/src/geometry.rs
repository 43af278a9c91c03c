//! Directions relative to a phase centre, exactly.

use std::f64::consts::{LN_2, PI};

use vis_types::{Direction, Position, SPEED_OF_LIGHT_M_PER_S};

use crate::{Error, Shape, SkyModel};

/// The directions of east, north and the centre of a tangent plane as unit vectors of the sphere: the axes of u, v and w
/// (Thompson, Moran & Swenson, 3rd edition, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TangentFrame {
    pub(crate) east: [f64; 3],
    pub(crate) north: [f64; 3],
    pub(crate) centre: [f64; 3],
}

impl TangentFrame {
    pub(crate) fn at(lon_rad: f64, lat_rad: f64) -> Self {
        let (sa, ca) = lon_rad.sin_cos();
        let (sd, cd) = lat_rad.sin_cos();
        Self { east: [-sa, ca, 0.0], north: [-sd * ca, -sd * sa, cd], centre: [cd * ca, cd * sa, sd] }
    }

    /// The unit vector whose direction cosines are (l, m) on this side of the horizon.
    pub(crate) fn vector(&self, l: f64, m: f64) -> [f64; 3] {
        let n = (1.0 - l * l - m * m).max(0.0).sqrt();
        std::array::from_fn(|k| l * self.east[k] + m * self.north[k] + n * self.centre[k])
    }
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The angle between two unit vectors, radians; exact for small and large ones alike.
pub(crate) fn angle(a: [f64; 3], b: [f64; 3]) -> f64 {
    let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    dot(cross, cross).sqrt().atan2(dot(a, b))
}

/// What a baseline (u, v, w) in metres is multiplied with: three numbers a component.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Directions {
    /// (l, m, n − 1)/c of each component: with a baseline, the delay in seconds.
    pub(crate) delay: Vec<[f64; 3]>,
    /// Two linear forms of each Gaussian, in the order of the components that are Gaussians: the sum of both squares times ν²
    /// is the exponent of its envelope.
    pub(crate) widths: Vec<[[f64; 3]; 2]>,
    /// The unit vector of each component, for the beam.
    pub(crate) vectors: Vec<[f64; 3]>,
}

/// The directions of all components seen from `centre`, the phase centre of field number `field`.
pub(crate) fn directions(model: &SkyModel, centre: Direction, field: usize) -> Result<Directions, Error> {
    let frame = TangentFrame::at(centre.lon_rad, centre.lat_rad);
    let n = model.components().len();
    let mut out = Directions { delay: Vec::with_capacity(n), widths: Vec::new(), vectors: Vec::with_capacity(n) };
    for (index, component) in model.components().iter().enumerate() {
        let (vector, own_frame) = match component.position {
            Position::Sky(d) => {
                if d.frame != centre.frame {
                    return Err(Error::Frame {
                        what: format!("component {}", model.label(index)),
                        field,
                        found: d.frame,
                        expected: centre.frame,
                    });
                }
                let own = TangentFrame::at(d.lon_rad, d.lat_rad);
                (own.centre, own)
            }
            Position::Cosines { l, m } => {
                let vector = frame.vector(l, m);
                (vector, TangentFrame::at(vector[1].atan2(vector[0]), vector[2].clamp(-1.0, 1.0).asin()))
            }
        };
        let [l, m, n_less_1] = match component.position {
            Position::Sky(d) => cosines(d, centre),
            Position::Cosines { l, m } => {
                let sum = l * l + m * m;
                [l, m, -sum / (1.0 + (1.0 - sum).sqrt())]
            }
        };
        if n_less_1 <= -1.0 {
            return Err(Error::BelowHorizon {
                component: model.label(index),
                field,
                angle_deg: angle(vector, frame.centre).to_degrees(),
            });
        }
        out.delay.push([l, m, n_less_1].map(|x| x / SPEED_OF_LIGHT_M_PER_S));
        out.vectors.push(vector);
        if let Shape::Gaussian { major_rad, minor_rad, angle_rad } = component.shape {
            out.widths.push(widths(&frame, &own_frame, major_rad, minor_rad, angle_rad));
        }
    }
    Ok(out)
}

/// l, m and n − 1 of a direction (Thompson, Moran & Swenson, 3rd edition, section 3.1), with half angles instead of differences
/// of cosines: small separations keep all of their digits, a source at the centre has no phase at all, and a wrap of the
/// longitude is harmless.
fn cosines(d: Direction, centre: Direction) -> [f64; 3] {
    let (lon, lat) = (d.lon_rad - centre.lon_rad, d.lat_rad - centre.lat_rad);
    let (sin_lat, cos_lat) = centre.lat_rad.sin_cos();
    let haversine = |x: f64| (0.5 * x).sin().powi(2);
    let along = d.lat_rad.cos() * haversine(lon);
    [d.lat_rad.cos() * lon.sin(), lat.sin() + 2.0 * along * sin_lat, -2.0 * (haversine(lat) + along * cos_lat)]
}

/// The linear forms of a Gaussian: baseline components along its axes, in its own tangent plane, scaled to the exponent's root.
fn widths(centre: &TangentFrame, own: &TangentFrame, major_rad: f64, minor_rad: f64, angle_rad: f64) -> [[f64; 3]; 2] {
    let (sin, cos) = angle_rad.sin_cos();
    let scale = PI / (2.0 * LN_2.sqrt() * SPEED_OF_LIGHT_M_PER_S);
    let form = |east: f64, north: f64, width: f64| {
        let axis: [f64; 3] = std::array::from_fn(|k| east * own.east[k] + north * own.north[k]);
        [centre.east, centre.north, centre.centre].map(|e| scale * width * dot(axis, e))
    };
    [form(sin, cos, major_rad), form(cos, -sin, minor_rad)]
}
