//! Heat maps as SVG: text and axes as such, the cells as an embedded image of one pixel each.

use std::{fmt::Write, path::Path};

use crate::picture::{HEIGHT, HeatMap, MAP, WIDTH, colour, label, ticks};

impl HeatMap<'_> {
    /// Writes maps below each other as one SVG of 1200 units in width and 620 for each map. Colours go from the first to the
    /// second value of `colours`.
    pub(crate) fn write_svgs(maps: &[Self], colours: (f32, f32), path: &Path) -> std::io::Result<()> {
        let height = HEIGHT * maps.len();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"15\" fill=\"#1e1e22\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fcfcfa\"/>\n{}",
            gradient()
        );
        for (number, map) in maps.iter().enumerate() {
            let _ = writeln!(svg, "<g transform=\"translate(0 {})\">", number * HEIGHT);
            map.draw_svg(colours, &mut svg)?;
            svg.push_str("</g>\n");
        }
        svg.push_str("</svg>\n");
        std::fs::write(path, svg)
    }

    fn draw_svg(&self, (low, high): (f32, f32), svg: &mut String) -> std::io::Result<()> {
        let [left, top, right, bottom] = MAP;
        let (width, height) = (right - left, bottom - top);
        let frame = "fill=\"none\" stroke=\"#1e1e22\"";
        let image = base64(&self.cells(low, high)?);
        let _ = writeln!(
            svg,
            "<image x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{image}\"/>\n\
             <rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" {frame}/>"
        );
        let mut text = |x: usize, y: usize, anchor: &str, words: &str| {
            let words = escaped(words);
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>");
        };
        text(usize::midpoint(left, right), 30, "middle", self.title);
        text(usize::midpoint(left, right), bottom + 60, "middle", self.x_label);
        text(8, top - 12, "start", self.y_label);
        text(right + 48, top - 12, "middle", self.value_label);
        let place = |value: f64, (from, to): (f64, f64), start: usize, length: usize| {
            start + ((value - from) / (to - from) * length as f64) as usize
        };
        let mut marks = String::new();
        let mut mark = |x1: usize, y1: usize, x2: usize, y2: usize| {
            let _ = write!(marks, "M{x1} {y1}L{x2} {y2}");
        };
        for value in ticks(self.x_range) {
            let x = place(value, self.x_range, left, width);
            mark(x, bottom, x, bottom + 6);
            text(x, bottom + 24, "middle", &label(value));
        }
        for value in ticks(self.y_range) {
            let y = place(value, self.y_range, top, height);
            mark(left - 6, y, left, y);
            text(left - 10, y + 5, "end", &label(value));
        }
        let values = (f64::from(high), f64::from(low));
        for value in ticks(values) {
            let y = place(value, values, top, height);
            mark(right + 48, y, right + 53, y);
            text(right + 58, y + 5, "start", &label(value));
        }
        let _ = writeln!(
            svg,
            "<rect x=\"{}\" y=\"{top}\" width=\"24\" height=\"{height}\" stroke=\"#1e1e22\" \
             style=\"fill:url(#viridis)\"/>\n<path d=\"{marks}\" {frame}/>",
            right + 24
        );
        Ok(())
    }

    /// The cells as a PNG, one pixel each.
    fn cells(&self, low: f32, high: f32) -> std::io::Result<Vec<u8>> {
        let width = self.values.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let mut pixels: Vec<u8> = Vec::with_capacity(self.values.len().max(1) * width * 3);
        for row in self.values {
            let cell = |i: usize| colour(row.get(i).copied().unwrap_or(f32::NAN), low, high);
            pixels.extend((0..width).flat_map(cell));
        }
        if pixels.is_empty() {
            pixels.extend((0..width).flat_map(|_| colour(f32::NAN, low, high)));
        }
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, width as u32, (pixels.len() / (3 * width)) as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&pixels)?;
        Ok(png)
    }
}

/// The colour scale from bottom to top.
fn gradient() -> String {
    let stops = (0..=16).map(|i| {
        let [r, g, b] = colour(i as f32, 0.0, 16.0);
        format!("<stop offset=\"{}%\" stop-color=\"#{r:02x}{g:02x}{b:02x}\"/>", f64::from(i) * 6.25)
    });
    let stops: String = stops.collect();
    format!(
        "<defs><linearGradient id=\"viridis\" x1=\"0\" y1=\"1\" x2=\"0\" y2=\"0\">{stops}</linearGradient></defs>\n"
    )
}

/// Text of XML; characters that XML does not have become spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            match digit <= three.len() {
                true => text.push(char::from(DIGITS[(word >> (18 - 6 * digit)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let examples =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in examples {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn names_cannot_break_the_document() {
        assert_eq!(escaped("a<b>&\u{7}\"c\""), "a&lt;b&gt;&amp; \"c\"");
    }
}
