//! A heat map with axes as a PNG: amplitude over time and channel.

use std::{fs::File, io::BufWriter, path::Path};

use font8x8::{BASIC_FONTS, UnicodeFonts};

/// Values on a regular grid with named axes.
#[derive(Clone, Copy)]
pub(crate) struct HeatMap<'a> {
    pub title: &'a str,
    /// `[row][column]`; the first row is drawn at the top. A NaN is drawn in grey.
    pub values: &'a [Vec<f32>],
    pub x_label: &'a str,
    /// Value of the left and of the right edge.
    pub x_range: (f64, f64),
    pub y_label: &'a str,
    /// Value of the top and of the bottom edge.
    pub y_range: (f64, f64),
    pub value_label: &'a str,
}

pub(crate) const WIDTH: usize = 1200;
/// Of one map.
pub(crate) const HEIGHT: usize = 620;
/// Left, top, right and bottom edge of the map.
pub(crate) const MAP: [usize; 4] = [96, 56, 1050, 540];
const INK: [u8; 3] = [30, 30, 34];
const PAPER: [u8; 3] = [252, 252, 250];
const NO_DATA: [u8; 3] = [190, 190, 190];

struct Canvas(Vec<u8>);

impl Canvas {
    fn set(&mut self, x: usize, y: usize, rgb: [u8; 3]) {
        if x < WIDTH && y < HEIGHT {
            let at = (y * WIDTH + x) * 3;
            self.0[at..at + 3].copy_from_slice(&rgb);
        }
    }

    /// Text with its upper left corner at (x, y), characters of 8 × 16 pixels.
    fn text(&mut self, x: usize, y: usize, text: &str) {
        for (i, c) in text.chars().enumerate() {
            let glyph = BASIC_FONTS.get(c).or_else(|| BASIC_FONTS.get('?')).unwrap_or([0; 8]);
            for (row, bits) in glyph.iter().enumerate() {
                for bit in 0..8 {
                    if bits >> bit & 1 == 1 {
                        self.set(x + i * 8 + bit, y + 2 * row, INK);
                        self.set(x + i * 8 + bit, y + 2 * row + 1, INK);
                    }
                }
            }
        }
    }

    fn centred(&mut self, x: usize, y: usize, text: &str) {
        self.text(x.saturating_sub(text.chars().count() * 4), y, text);
    }

    fn frame(&mut self, [left, top, right, bottom]: [usize; 4]) {
        for x in left..=right {
            self.set(x, top, INK);
            self.set(x, bottom, INK);
        }
        for y in top..=bottom {
            self.set(left, y, INK);
            self.set(right, y, INK);
        }
    }
}

/// The value at which colours end: the given fraction of the finite values is below it.
fn quantile(sorted: &[f32], q: f64) -> f32 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

/// Round positions for four to eight marks within a range.
pub(crate) fn ticks((from, to): (f64, f64)) -> Vec<f64> {
    let (low, high) = (from.min(to), from.max(to));
    let raw = (high - low) / 6.0;
    if !(raw.is_finite() && raw > 0.0) {
        return vec![low];
    }
    let decade = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * decade).find(|s| *s >= raw).unwrap_or(decade);
    let first = (low / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|v| *v <= high + 1e-9 * step).collect()
}

pub(crate) fn label(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The colour of a value on the scale from `low` to `high`.
pub(crate) fn colour(value: f32, low: f32, high: f32) -> [u8; 3] {
    if !value.is_finite() {
        return NO_DATA;
    }
    let span = if high > low { high - low } else { 1.0 };
    let c = colorous::VIRIDIS.eval_continuous(f64::from(((value - low) / span).clamp(0.0, 1.0)));
    [c.r, c.g, c.b]
}

impl HeatMap<'_> {
    /// Writes the map as a PNG of 1200 × 620 pixels.
    pub(crate) fn write_png(&self, path: &Path) -> std::io::Result<()> {
        Self::write_pngs(&[*self], None, path)
    }

    /// Writes maps below each other as one PNG, each of 1200 × 620 pixels. Colours go from the first to the second value of
    /// `colours`, else over nearly all values of each map.
    pub(crate) fn write_pngs(maps: &[Self], colours: Option<(f32, f32)>, path: &Path) -> std::io::Result<()> {
        let pixels: Vec<u8> = maps.iter().flat_map(|map| map.draw(colours).0).collect();
        let height = (HEIGHT * maps.len()) as u32;
        let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), WIDTH as u32, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&pixels)?;
        Ok(())
    }

    fn draw(&self, colours: Option<(f32, f32)>) -> Canvas {
        let mut canvas = Canvas(PAPER.repeat(WIDTH * HEIGHT));
        let [left, top, right, bottom] = MAP;
        let mut sorted: Vec<f32> = self.values.iter().flatten().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f32::total_cmp);
        let (low, high) = match colours {
            Some(range) => range,
            None if sorted.is_empty() => (0.0, 1.0),
            None => (quantile(&sorted, 0.005), quantile(&sorted, 0.995)),
        };
        let span = if high > low { high - low } else { 1.0 };
        let colour = |v: f32| colour(v, low, high);
        let rows = self.values.len();
        for y in top..bottom {
            let Some(row) = self.values.get((y - top) * rows / (bottom - top)).filter(|r| !r.is_empty()) else {
                continue;
            };
            for x in left..right {
                canvas.set(x, y, colour(row[(x - left) * row.len() / (right - left)]));
            }
        }
        canvas.frame(MAP);
        canvas.centred((left + right) / 2, 18, self.title);
        canvas.centred((left + right) / 2, bottom + 48, self.x_label);
        canvas.text(8, top - 24, self.y_label);
        for v in ticks(self.x_range) {
            let t = (v - self.x_range.0) / (self.x_range.1 - self.x_range.0);
            let x = left + (t * (right - left) as f64) as usize;
            for y in bottom..bottom + 6 {
                canvas.set(x, y, INK);
            }
            canvas.centred(x, bottom + 12, &label(v));
        }
        for v in ticks(self.y_range) {
            let t = (v - self.y_range.0) / (self.y_range.1 - self.y_range.0);
            let y = top + (t * (bottom - top) as f64) as usize;
            for x in left - 6..left {
                canvas.set(x, y, INK);
            }
            let text = label(v);
            canvas.text((left - 12).saturating_sub(text.len() * 8), y.saturating_sub(7), &text);
        }
        let bar = [right + 24, top, right + 48, bottom];
        for y in bar[1]..bar[3] {
            let v = high - span * ((y - bar[1]) as f32 / (bar[3] - bar[1]) as f32);
            for x in bar[0]..bar[2] {
                canvas.set(x, y, colour(v));
            }
        }
        canvas.frame(bar);
        canvas.centred((bar[0] + bar[2]) / 2 + 20, top - 24, self.value_label);
        let bar_range = (f64::from(high), f64::from(high - span));
        for v in ticks(bar_range) {
            let t = (v - bar_range.0) / (bar_range.1 - bar_range.0);
            let y = bar[1] + (t * (bar[3] - bar[1]) as f64) as usize;
            for x in bar[2]..bar[2] + 5 {
                canvas.set(x, y, INK);
            }
            canvas.text(bar[2] + 9, y.saturating_sub(7), &label(v));
        }
        canvas
    }
}

#[cfg(test)]
mod tests {
    use super::{label, ticks};

    #[test]
    fn marks_stand_at_round_numbers() {
        assert_eq!(ticks((0.0, 300.0)), [0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0]);
        assert_eq!(ticks((1311.0, 1499.0)), [1350.0, 1400.0, 1450.0]);
        assert_eq!(ticks((2.0, 2.0)), [2.0]);
        assert_eq!((label(0.25), label(1350.0), label(0.0)), ("0.25".into(), "1350".into(), "0".into()));
    }
}
