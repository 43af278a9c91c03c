//! Where fields lie on the sky.

use std::fmt::Write as _;

use crate::axis::{Axis, Scale};
use crate::frame::{self, Grid, LEFT, RIGHT, TOP, WIDTH};
use crate::markup::{Escaped, Status};

/// Outlines of fields and places of sources on the sky, east to the left. Right ascension may pass 0 h. The map is as large as
/// the fields need; without a field, as the sources.
#[derive(Clone, Debug)]
pub struct SkyMap {
    pub(crate) title: String,
    fields: Vec<Field>,
    sources: Vec<(String, f64, f64)>,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    outline: Vec<(f64, f64)>,
    status: Status,
}

impl SkyMap {
    /// An empty one.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), fields: Vec::new(), sources: Vec::new() }
    }

    /// Adds a field by its outline: right ascension and declination, degrees, going round.
    #[must_use]
    pub fn field(
        mut self,
        name: impl Into<String>,
        outline: impl IntoIterator<Item = (f64, f64)>,
        status: Status,
    ) -> Self {
        self.fields.push(Field { name: name.into(), outline: outline.into_iter().collect(), status });
        self
    }

    /// Adds a source: right ascension and declination, degrees.
    #[must_use]
    pub fn source(mut self, name: impl Into<String>, ra_deg: f64, dec_deg: f64) -> Self {
        self.sources.push((name.into(), ra_deg, dec_deg));
        self
    }

    pub(crate) fn svg(&self) -> String {
        let mut all: Vec<(f64, f64)> = self.fields.iter().flat_map(|field| field.outline.iter().copied()).collect();
        if all.is_empty() {
            all = self.sources.iter().map(|&(_, ra, dec)| (ra, dec)).collect();
        }
        let usable = |&&(ra, dec): &&(f64, f64)| ra.is_finite() && dec.is_finite();
        // The middle of the directions, so that fields on both sides of 0 h stay together.
        let (x, y) = all.iter().filter(usable).fold((0.0, 0.0), |(x, y), &(ra, _)| {
            let (s, c) = ra.to_radians().sin_cos();
            (x + c, y + s)
        });
        let middle = y.atan2(x).to_degrees();
        let near = |ra: f64| middle + (ra - middle + 180.0).rem_euclid(360.0) - 180.0;
        let (mut west, mut east) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut south, mut north) = (f64::INFINITY, f64::NEG_INFINITY);
        for &(ra, dec) in all.iter().filter(usable) {
            (west, east) = (west.min(near(ra)), east.max(near(ra)));
            (south, north) = (south.min(dec), north.max(dec));
        }
        if west > east {
            (west, east, south, north) = (-1.0, 1.0, -1.0, 1.0);
        }
        let margin = ((east - west).max(north - south) * 0.04).max(0.05);
        let right = WIDTH - RIGHT;
        // True to angles at the middle, as far as that leaves a picture.
        let shrink = ((south + north) / 2.0).to_radians().cos().max(0.05);
        let per_degree = (right - LEFT) / ((east - west + 2.0 * margin) * shrink);
        let height = ((north - south + 2.0 * margin) * per_degree).clamp(140.0, 460.0);
        let bottom = TOP + height;
        let ra_axis = Axis::new("right ascension", "degrees").range(east + margin, west - margin);
        let dec_axis = Axis::new("declination", "degrees").range(south - margin, north + margin);
        let ra_scale = Scale::new(&ra_axis, std::iter::empty(), LEFT, right);
        let dec_scale = Scale::new(&dec_axis, std::iter::empty(), bottom, TOP);
        let bad = self.fields.iter().filter(|field| field.status == Status::Bad).count();
        let told = format!("{} fields, {bad} of them wrong, and {} sources", self.fields.len(), self.sources.len());
        let mut svg = frame::open(bottom + frame::BOTTOM, &self.title, &told);
        self.axes(&mut svg, (&ra_axis, &ra_scale), (&dec_axis, &dec_scale), right, bottom);
        for field in &self.fields {
            let mut path = String::new();
            let mut before: Option<f64> = None;
            for &(ra, dec) in &field.outline {
                let ra = near(ra);
                let (Some(px), Some(py)) = (ra_scale.place(ra), dec_scale.place(dec)) else { continue };
                // An outline about the pole passes the map's edge.
                let jump = before.is_none_or(|last| (last - ra).abs() > 180.0);
                let _ = write!(path, "{}{px:.1} {py:.1}", if jump { 'M' } else { 'L' });
                before = Some(ra);
            }
            let told = format!("{}{}", field.status.mark(), field.name);
            let class = field.status.class();
            let _ =
                writeln!(svg, "<path class=\"field {class}\" d=\"{path}Z\"><title>{}</title></path>", Escaped(&told));
        }
        for (name, ra, dec) in &self.sources {
            let (Some(px), Some(py)) = (ra_scale.place(near(*ra)), dec_scale.place(*dec)) else { continue };
            if ra_scale.holds(near(*ra)) && dec_scale.holds(*dec) {
                let _ = writeln!(
                    svg,
                    "<circle class=\"source\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"2\"><title>{}</title></circle>",
                    Escaped(name)
                );
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Axes whose right ascensions lie within 0 to 360.
    fn axes(&self, svg: &mut String, ra: (&Axis, &Scale), dec: (&Axis, &Scale), right: f64, bottom: f64) {
        let bare = (&Axis { range: None, ..ra.0.clone() }, &ra.1.without_ticks());
        frame::axes(svg, bare, dec, (right, bottom), Grid::Shown);
        for (value, _) in ra.1.ticks(ra.0, 7) {
            let Some(at) = ra.1.place(value).filter(|_| ra.1.holds(value)) else { continue };
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom:.1}\"/>");
            let within = (value.rem_euclid(360.0) * 1e6).round() / 1e6;
            frame::text(
                svg,
                "middle",
                at,
                bottom + 16.0,
                &crate::markup::number(if within >= 360.0 { 0.0 } else { within }),
            );
        }
    }
}
