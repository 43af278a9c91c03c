//! Pictures as PNG within the page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Error;

/// Which brightness a value gets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Stretch {
    /// Between limits found as IRAF's `zscale` finds them: sources may be white, the noise is seen.
    #[default]
    Zscale,
    /// Between these two.
    Between(f32, f32),
}

/// A grey picture, such as a small image of the sky.
#[derive(Clone, Debug)]
pub struct Picture {
    pub(crate) title: String,
    pub(crate) caption: String,
    pub(crate) png: Vec<u8>,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Picture {
    /// Of values, x running fastest, the first row at the bottom as in a FITS file. What is not finite is blue.
    ///
    /// # Errors
    /// [`Error::Shape`] where there are not width × height values, or none.
    pub fn grey(
        title: impl Into<String>,
        width: usize,
        height: usize,
        values: &[f32],
        stretch: Stretch,
    ) -> Result<Self, Error> {
        let title = title.into();
        let (low, high) = match stretch {
            Stretch::Between(low, high) => (low, high),
            Stretch::Zscale => zscale(values),
        };
        let shade = |value: f32| {
            if !value.is_finite() {
                return [40, 60, 120];
            }
            let grey = ((value - low) / (high - low) * 255.0).clamp(0.0, 255.0);
            // Equal limits give no number.
            let grey = if grey.is_nan() { 128 } else { grey as u8 };
            [grey; 3]
        };
        let png = png_of(&title, width, height, values, shade)?;
        Ok(Self { title, caption: String::new(), png, width, height })
    }

    /// With a text below it.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// The PNG file.
    #[must_use]
    pub fn png(&self) -> &[u8] {
        &self.png
    }

    pub(crate) fn uri(&self) -> String {
        uri(&self.png)
    }
}

/// A PNG as the address of a picture.
pub(crate) fn uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

/// An RGB picture, the first row of `values` at the bottom.
pub(crate) fn png_of(
    title: &str,
    width: usize,
    height: usize,
    values: &[f32],
    colour: impl Fn(f32) -> [u8; 3],
) -> Result<Vec<u8>, Error> {
    let wrong = || Error::Shape { title: title.to_owned(), width, height, found: values.len() };
    let (Ok(w), Ok(h)) = (u32::try_from(width), u32::try_from(height)) else { return Err(wrong()) };
    if values.is_empty() || width.checked_mul(height) != Some(values.len()) {
        return Err(wrong());
    }
    let pixels: Vec<u8> = values.rchunks(width).flatten().flat_map(|&value| colour(value)).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, w, h);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    written.map_err(|_| wrong())?;
    Ok(bytes)
}

/// Limits for display after IRAF's `zscale` (contrast 0.25): a line through the sorted values of a sample, outliers left out,
/// its slope made four times as steep, about the median.
fn zscale(values: &[f32]) -> (f32, f32) {
    const SAMPLE: usize = 1000;
    const CONTRAST: f64 = 0.25;
    let step = values.len().div_ceil(SAMPLE).max(1);
    let mut sample: Vec<f64> = values.iter().copied().step_by(step).filter(|v| v.is_finite()).map(f64::from).collect();
    sample.sort_by(f64::total_cmp);
    let (Some(&first), Some(&last)) = (sample.first(), sample.last()) else { return (0.0, 1.0) };
    let count = sample.len();
    let median = (sample[(count - 1) / 2] + sample[count / 2]) / 2.0;
    let mut kept = vec![true; count];
    let mut slope = 0.0;
    for _ in 0..5 {
        let used = || (0..count).filter(|&i| kept[i]);
        let number = used().count() as f64;
        if number < (count as f64 * 0.5).max(5.0) {
            // Too few are left for a line: the whole range.
            return (first as f32, last as f32);
        }
        let mean_x = used().map(|i| i as f64).sum::<f64>() / number;
        let mean_y = used().map(|i| sample[i]).sum::<f64>() / number;
        let xy: f64 = used().map(|i| (i as f64 - mean_x) * (sample[i] - mean_y)).sum();
        let xx: f64 = used().map(|i| (i as f64 - mean_x).powi(2)).sum();
        slope = if xx > 0.0 { xy / xx } else { 0.0 };
        let off = |i: usize| sample[i] - mean_y - slope * (i as f64 - mean_x);
        let sigma = (used().map(|i| off(i).powi(2)).sum::<f64>() / number).sqrt();
        let next: Vec<bool> = (0..count).map(|i| off(i).abs() <= 2.5 * sigma).collect();
        if next == kept {
            break;
        }
        kept = next;
    }
    let middle = (count - 1) as f64 / 2.0;
    let reach = slope / CONTRAST * middle;
    ((median - reach).max(first) as f32, (median + reach).min(last) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zscale_shows_the_noise_beside_a_source() {
        let mut values: Vec<f32> = (0..10_000).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect();
        values[5000] = 1000.0;
        let (low, high) = zscale(&values);
        assert!((-1.1..=-0.4).contains(&low) && (0.4..3.0).contains(&high), "{low} {high}");
        assert_eq!(zscale(&[f32::NAN]), (0.0, 1.0));
        assert_eq!(zscale(&[2.0; 50]), (2.0, 2.0));
    }

    #[test]
    fn the_first_row_is_at_the_bottom() {
        let picture = Picture::grey("x", 2, 2, &[0.0, 1.0, f32::NAN, 0.5], Stretch::Between(0.0, 1.0));
        let picture = picture.expect("because there are four values");
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(&picture.png)).read_info().expect("because it is a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("because it is small")];
        reader.next_frame(&mut pixels).expect("because it is a PNG");
        assert_eq!(pixels, [40, 60, 120, 127, 127, 127, 0, 0, 0, 255, 255, 255]);
        assert!(Picture::grey("x", 2, 2, &[0.0; 3], Stretch::Zscale).is_err());
        assert!(Picture::grey("x", 0, 0, &[], Stretch::Zscale).is_err());
    }
}
