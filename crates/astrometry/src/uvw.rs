//! The axes u, v, w of a direction, on the Earth.

/// The unit vectors u, v, w of a phase centre at one instant, in ITRF axes.
///
/// w points to the phase centre, v to the north of its frame, u to the east; a baseline's UVW is the difference of its
/// antennas' vectors (antenna 2 minus antenna 1 in UVH5, antenna 1 minus antenna 2 in a Measurement Set as pyuvdata and
/// this workspace write it). The formulas are those of Thompson, Moran & Swenson, *Interferometry and Synthesis in Radio Astronomy*,
/// eq. 4.1, turned about w by the position angle of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UvwAxes([[f64; 3]; 3]);

impl UvwAxes {
    /// The axes of the point at an hour angle and an apparent declination, seen from a longitude (east positive).
    ///
    /// `frame_pa_rad` turns v from the apparent north to that of another frame ([`crate::SkyAt::frame_position_angle`]); 0
    /// keeps the apparent north.
    #[must_use]
    pub fn new(longitude_rad: f64, hour_angle_rad: f64, app_dec_rad: f64, frame_pa_rad: f64) -> Self {
        // Greenwich hour angle: ITRF's x axis is on the meridian of Greenwich.
        let (sin_h, cos_h) = (hour_angle_rad - longitude_rad).sin_cos();
        let (sin_d, cos_d) = app_dec_rad.sin_cos();
        let (sin_p, cos_p) = frame_pa_rad.sin_cos();
        let u = [sin_h, cos_h, 0.0];
        let v = [-sin_d * cos_h, sin_d * sin_h, cos_d];
        let w = [cos_d * cos_h, -cos_d * sin_h, sin_d];
        let turn = |a: f64, b: f64, i: usize| a * u[i] + b * v[i];
        Self([std::array::from_fn(|i| turn(cos_p, -sin_p, i)), std::array::from_fn(|i| turn(sin_p, cos_p, i)), w])
    }

    /// u, v and w of a position relative to the array's centre, ITRF axes; all in metres.
    #[must_use]
    pub fn uvw(&self, position_m: [f64; 3]) -> [f64; 3] {
        self.0.map(|axis| axis[0] * position_m[0] + axis[1] * position_m[1] + axis[2] * position_m[2])
    }

    /// [`uvw`](Self::uvw) of many positions.
    #[must_use]
    pub fn uvw_of_all(&self, positions_m: &[[f64; 3]]) -> Vec<[f64; 3]> {
        positions_m.iter().map(|&p| self.uvw(p)).collect()
    }

    /// The unit vector towards the phase centre, ITRF axes.
    #[must_use]
    pub fn towards(&self) -> [f64; 3] {
        self.0[2]
    }
}
