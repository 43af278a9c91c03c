//! Where a source is.

use super::{Area, Pixels};
use crate::error::Error;

/// The top of the brightest pixel of an area and its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Peak {
    /// Where it is along the first axis, pixels from 0: the top of the parabola through the brightest pixel and those beside it.
    pub x: f64,
    /// Along the second axis.
    pub y: f64,
    /// The brightest pixel itself, as it is.
    pub value: f64,
}

impl Pixels {
    /// The peak of an area, in its first plane; `None` where no pixel is finite or the brightest one lies at the area's edge, so
    /// that it may be the flank of something outside.
    ///
    /// # Errors
    /// Those of [`Pixels::moments`].
    pub fn peak(&self, area: &Area) -> Result<Option<Peak>, Error> {
        let values = self.values(area)?;
        // It has been found to be within the image.
        let Some((x, y)) = area.within(&self.image) else { return Ok(None) };
        let (width, height) = ((x.end - x.start) as usize, (y.end - y.start) as usize);
        Ok(peak(&values[..width * height], width).map(|(u, v, value)| Peak {
            x: x.start as f64 + u,
            y: y.start as f64 + v,
            value,
        }))
    }
}

/// The place of the brightest value, if that is not at the edge, to a fraction of a pixel, and the value.
fn peak(values: &[f64], width: usize) -> Option<(f64, f64, f64)> {
    let finite = values.iter().enumerate().filter(|(_, v)| v.is_finite());
    let (at, &brightest) = finite.max_by(|a, b| a.1.total_cmp(b.1))?;
    let (x, y) = (at % width, at / width);
    if x == 0 || y == 0 || x + 1 >= width || y + 1 >= values.len() / width {
        return None;
    }
    let top = |before: f64, after: f64| {
        let bend = before - 2.0 * brightest + after;
        if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 }
    };
    let (dx, dy) = (top(values[at - 1], values[at + 1]), top(values[at - width], values[at + width]));
    Some((x as f64 + dx, y as f64 + dy, brightest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_a_parabola() {
        // 5 − (x − 1.25)² − 2 (y − 2.125)².
        let value = |i: usize| 5.0 - ((i % 4) as f64 - 1.25).powi(2) - 2.0 * ((i / 4) as f64 - 2.125).powi(2);
        let values: Vec<f64> = (0..20).map(value).collect();
        let (x, y, value) = peak(&values, 4).expect("because it is not at the edge");
        assert!((x - 1.25).abs() < 1e-12 && (y - 2.125).abs() < 1e-12 && value == values[9], "{x} {y} {value}");
        assert_eq!(peak(&values[..12], 4), None, "it is at the upper edge");
        assert_eq!(peak(&[f64::NAN; 9], 3), None);
    }
}
