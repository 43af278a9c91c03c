//! A matrix as colours.

use std::fmt::Write as _;
use std::path::Path;

use crate::Error;
use crate::axis::{Axis, Scale};
use crate::frame::{self, Grid, LEFT, TOP, WIDTH};
use crate::markup::Escaped;
use crate::page::{STYLE, write_whole};
use crate::picture::{png_of, uri};

/// Units above a map for its title, where no page says it.
const HEADING: f64 = 28.0;

/// A matrix as colours, with its scale beside it.
#[derive(Clone, Debug)]
pub struct HeatMap {
    pub(crate) title: String,
    x: Axis,
    y: Axis,
    value: Axis,
    range: (f64, f64),
    png: Vec<u8>,
    width: usize,
    height: usize,
}

impl HeatMap {
    /// Of `width` × `height` values, x running fastest, the first row at the bottom. What is not finite is grey.
    ///
    /// The axes' ranges are those of the outer edges of the first and last cells; without one, cells are numbered from 0. The
    /// value's range is that of the colours; without one, that of the values.
    ///
    /// # Errors
    /// [`Error::Shape`] where there are not width × height values, or none.
    pub fn new(
        title: impl Into<String>,
        (x, y, value): (Axis, Axis, Axis),
        width: usize,
        height: usize,
        values: &[f32],
    ) -> Result<Self, Error> {
        let title = title.into();
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for &v in values.iter().filter(|v| v.is_finite()) {
            (low, high) = (low.min(v.into()), high.max(v.into()));
        }
        let range = value.range.unwrap_or(if low <= high { (low, high) } else { (0.0, 1.0) });
        let colour = |v: f32| {
            if !v.is_finite() {
                return [150, 150, 150];
            }
            let t = (f64::from(v) - range.0) / (range.1 - range.0);
            viridis(if t.is_nan() { 0.5 } else { t })
        };
        let png = png_of(&title, width, height, values, colour)?;
        let cells = |axis: Axis, count: usize| match axis.range {
            Some(_) => axis,
            None => axis.range(-0.5, count as f64 - 0.5),
        };
        let (x, y) = (cells(x, width), cells(y, height));
        Ok(Self { title, x, y, value: value.range(range.0, range.1), range, png, width, height })
    }

    /// Writes the cells alone as a PNG, a pixel each: whole, or not at all.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        write_whole(path.as_ref(), &self.png)
    }

    /// Writes maps, one below the other with their axes, as an SVG that needs no page: whole, or not at all.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_svg(maps: &[Self], path: impl AsRef<Path>) -> Result<(), Error> {
        let mut body = String::new();
        let mut at = 0.0;
        for map in maps {
            let (heading, height) = (at + HEADING, map.bottom() + frame::below(&map.x));
            frame::text(&mut body, "", LEFT, heading - 8.0, &map.title);
            let svg = map.svg();
            let rest = svg.strip_prefix("<svg").unwrap_or(&svg);
            let _ = write!(body, "<svg y=\"{heading:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\"{rest}");
            at = heading + height;
        }
        let file = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {at:.0}\" width=\"{WIDTH}\" height=\"{at:.0}\">\n\
             <style>\n{STYLE}</style>\n{body}</svg>\n"
        );
        write_whole(path.as_ref(), file.as_bytes())
    }

    /// Where the plot ends.
    fn bottom(&self) -> f64 {
        TOP + (self.height as f64 * 16.0).clamp(160.0, 420.0)
    }

    pub(crate) fn svg(&self) -> String {
        const BAR: f64 = 92.0;
        let (right, bottom) = (WIDTH - BAR, self.bottom());
        let none = std::iter::empty();
        let x = Scale::new(&self.x, none.clone(), LEFT, right);
        let y = Scale::new(&self.y, none.clone(), bottom, TOP);
        let value = Scale::new(&self.value, none, bottom, TOP);
        let (width, height) = (self.width, self.height);
        let told = format!(
            "{} by {} and {}: {width} × {height} cells, {} to {}",
            self.value.title(),
            self.x.title(),
            self.y.title(),
            crate::markup::number(self.range.0),
            crate::markup::number(self.range.1)
        );
        let mut svg = frame::open(bottom + frame::below(&self.x), &self.title, &told);
        let _ = writeln!(
            svg,
            "<image x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" preserveAspectRatio=\"none\" \
             class=\"cells\" href=\"{}\"/>",
            right - LEFT,
            bottom - TOP,
            uri(&self.png)
        );
        frame::axes(&mut svg, (&self.x, &x), (&self.y, &y), (right, bottom), Grid::Hidden);
        let bar = right + 14.0;
        let steps = 64;
        let step = (bottom - TOP) / f64::from(steps);
        for i in 0..steps {
            let [r, g, b] = viridis(1.0 - (f64::from(i) + 0.5) / f64::from(steps));
            let _ = writeln!(
                svg,
                "<rect x=\"{bar:.1}\" y=\"{:.2}\" width=\"12\" height=\"{:.2}\" fill=\"#{r:02x}{g:02x}{b:02x}\"/>",
                TOP + f64::from(i) * step,
                step + 0.3
            );
        }
        for (tick, name) in value.ticks(&self.value, 4) {
            if let Some(at) = value.place(tick).filter(|_| value.holds(tick)) {
                frame::text(&mut svg, "", bar + 16.0, at + 4.0, &name);
            }
        }
        let _ = writeln!(
            svg,
            "<text class=\"middle title\" transform=\"translate({:.1} {:.1}) rotate(90)\">{}</text>",
            WIDTH - 12.0,
            (TOP + bottom) / 2.0,
            Escaped(&self.value.title())
        );
        svg.push_str("</svg>\n");
        svg
    }
}

/// The colour of 0 to 1, which also the colour-blind can order.
fn viridis(t: f64) -> [u8; 3] {
    let colour = colorous::VIRIDIS.eval_continuous(t.clamp(0.0, 1.0));
    [colour.r, colour.g, colour.b]
}
