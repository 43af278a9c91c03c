//! Which tiles overlap, on the sphere: no seam at 0 h, no trouble near a pole.

/// A direction as a unit vector.
pub(crate) type Unit = [f64; 3];

pub(crate) fn unit([lon_deg, lat_deg]: [f64; 2]) -> Unit {
    let ((sin_lon, cos_lon), (sin_lat, cos_lat)) = (lon_deg.to_radians().sin_cos(), lat_deg.to_radians().sin_cos());
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

fn cross(a: Unit, b: Unit) -> Unit {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: Unit, b: Unit) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The outline of a tile: its corners, joined by great circles.
#[derive(Clone, Debug)]
pub(crate) struct Footprint {
    corners: Vec<Unit>,
    centre: Unit,
    /// Cosine of the distance from the centre to the farthest corner, and that distance.
    reach: f64,
}

impl Footprint {
    pub(crate) fn new(centre_deg: [f64; 2], corners_deg: &[[f64; 2]]) -> Self {
        let (centre, corners) = (unit(centre_deg), corners_deg.iter().map(|c| unit(*c)).collect::<Vec<_>>());
        let reach = corners.iter().map(|c| dot(*c, centre).clamp(-1.0, 1.0).acos()).fold(0.0, f64::max);
        Self { corners, centre, reach }
    }

    /// Whether the two have more than an edge in common. Convex outlines on a hemisphere are apart exactly when all of one
    /// lies beyond an edge of the other.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let apart = dot(self.centre, other.centre).clamp(-1.0, 1.0).acos();
        apart < self.reach + other.reach && !self.edge_parts(other) && !other.edge_parts(self)
    }

    fn edge_parts(&self, other: &Self) -> bool {
        let n = self.corners.len();
        (0..n).any(|i| {
            let normal = cross(self.corners[i], self.corners[(i + 1) % n]);
            let inside = dot(normal, self.centre).signum();
            // Some 10⁻⁴ arcseconds, so that tiles which share an edge do not overlap by rounding.
            let margin = 1e-9 * dot(normal, normal).sqrt();
            other.corners.iter().all(|corner| inside * dot(normal, *corner) <= margin)
        })
    }
}

/// The parts into which tiles fall that overlap each other directly or through others: for each tile the number of its part.
pub(crate) fn parts(footprints: &[Footprint]) -> Vec<usize> {
    let mut part: Vec<usize> = (0..footprints.len()).collect();
    fn root(part: &mut [usize], mut i: usize) -> usize {
        while part[i] != i {
            part[i] = part[part[i]];
            i = part[i];
        }
        i
    }
    for i in 0..footprints.len() {
        for j in 0..i {
            let (a, b) = (root(&mut part, i), root(&mut part, j));
            if a != b && footprints[i].overlaps(&footprints[j]) {
                part[a] = b;
            }
        }
    }
    (0..footprints.len()).map(|i| root(&mut part, i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(lon: f64, lat: f64, half: f64) -> Footprint {
        let w = half / lat.to_radians().cos();
        let corners = [[lon - w, lat - half], [lon + w, lat - half], [lon + w, lat + half], [lon - w, lat + half]];
        Footprint::new([lon, lat], &corners)
    }

    #[test]
    fn squares_overlap_across_0_h_and_at_the_pole() {
        assert!(square(359.5, 37.0, 0.6).overlaps(&square(0.5, 37.0, 0.6)));
        assert!(square(359.5, 37.0, 0.6).overlaps(&square(-0.5, 37.0, 0.6)));
        assert!(!square(359.0, 37.0, 0.3).overlaps(&square(1.0, 37.0, 0.3)));
        assert!(!square(10.0, 0.0, 0.5).overlaps(&square(11.1, 0.0, 0.5)));
        // Corners near each other, circles overlapping, squares not.
        assert!(!square(10.0, 0.0, 0.5).overlaps(&square(11.05, 1.05, 0.5)));
        assert!(square(10.0, 0.0, 0.5).overlaps(&square(10.95, 0.95, 0.5)));
        assert!(!square(10.0, 0.0, 0.5).overlaps(&square(190.0, 0.0, 0.5)));
        // One within the other.
        assert!(square(10.0, 0.0, 5.0).overlaps(&square(10.0, 0.0, 0.5)));
        let cap = Footprint::new([0.0, 90.0], &[[0.0, 89.0], [90.0, 89.0], [180.0, 89.0], [270.0, 89.0]]);
        assert!(cap.overlaps(&square(123.0, 89.0, 0.5)));
    }

    #[test]
    fn a_chain_is_one_part() {
        let chain: Vec<Footprint> = (0..8).map(|i| square(357.0 + f64::from(i) * 0.9, 37.0, 0.5)).collect();
        assert!(parts(&chain).windows(2).all(|p| p[0] == p[1]));
        let mut gap = chain;
        gap.remove(4);
        gap.remove(3);
        let parts = parts(&gap);
        assert_eq!(parts[0], parts[2]);
        assert_ne!(parts[2], parts[3]);
    }
}
