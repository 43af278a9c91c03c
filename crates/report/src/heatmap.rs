//! A matrix as colours.

use std::fmt::Write as _;

use crate::Error;
use crate::axis::{Axis, Scale};
use crate::frame::{self, Grid, LEFT, TOP, WIDTH};
use crate::markup::Escaped;
use crate::picture::{png_of, uri};

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

    pub(crate) fn svg(&self) -> String {
        const BAR: f64 = 92.0;
        let (right, bottom) = (WIDTH - BAR, TOP + (self.height as f64 * 16.0).clamp(160.0, 420.0));
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
