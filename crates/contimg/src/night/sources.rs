//! Whether the sources of a sky model are where they should be in an image, and as bright.

use std::{fmt, fs, path::Path};

use fits_header_cache::{Area, FitsFile, Pixels, Sky};
use serde::Serialize;
use vis_types::{Position, Spectrum};

use crate::failure::{Class, Failure};

/// A source of the model as it is in the image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Found {
    pub name: String,
    /// How far it is from its place, arcseconds, and in beams (the geometric mean of its axes).
    pub arcsec: f64,
    pub beams: f64,
    /// Its flux over the model's.
    pub flux_ratio: f64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, arcsec, beams, flux_ratio } = self;
        write!(f, "{name}: {arcsec:.2} arcsec = {beams:.3} beams off, flux {:+.2} %", 100.0 * (flux_ratio - 1.0))
    }
}

/// Measures every source of `sky` in `image`. A point source's flux is the height of its peak, a parabola through three
/// pixels along each axis.
pub(crate) fn find(image: &Path, sky: &Path) -> Result<Vec<Found>, Failure> {
    let text =
        fs::read_to_string(sky).map_err(|e| Failure::io(Class::Input, format!("cannot read {}", sky.display()), &e))?;
    let list =
        sky_model::parse(&text, sky, &sky_model::Options::default()).map_err(|e| Failure::of(Class::Input, &e))?;
    let failed = |e: fits_header_cache::Error| Failure::of(Class::Input, &e);
    let file = FitsFile::read(image).map_err(failed)?;
    let hdu = file.image().map_err(failed)?;
    let celestial = hdu.celestial().map_err(failed)?;
    let header = hdu.header();
    let axis = |name: &str| header.real(name).map_err(failed)?.ok_or_else(|| failed(header.missing(name)));
    let beam_deg = (axis("BMAJ")? * axis("BMIN")?).sqrt();
    let pixels = Pixels::of(&file, hdu).map_err(failed)?;
    let [cell, _] = celestial.cell_deg().map(f64::abs);
    let reach = (1.5 * beam_deg / cell).ceil().max(3.0) as i64;
    let size = celestial.size().map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let mut found = Vec::new();
    for component in list.into_components() {
        let (Position::Sky(direction), Spectrum::Flat { stokes_jy }) = (&component.position, &component.spectrum)
        else {
            continue;
        };
        let place =
            Sky { lon_deg: direction.lon_rad.to_degrees().rem_euclid(360.0), lat_deg: direction.lat_rad.to_degrees() };
        let Some((x, y)) = celestial.pixel(place) else { continue };
        let (x, y) = (x.round() as i64, y.round() as i64);
        let (x0, y0) = (x - reach, y - reach);
        if x0 < 1 || y0 < 1 || x + reach + 2 > size[0] || y + reach + 2 > size[1] {
            continue;
        }
        let side = (2 * reach + 1) as usize;
        let range = |from: i64| from as u64..(from + side as i64) as u64;
        let values = pixels.values(&Area::Box { x: range(x0), y: range(y0) }).map_err(failed)?;
        let at = |i: usize, j: usize| values[j * side + i];
        let inner = (1..side - 1).flat_map(|j| (1..side - 1).map(move |i| (i, j)));
        let Some((i, j)) = inner.max_by(|&(a, b), &(c, d)| at(a, b).total_cmp(&at(c, d))) else { continue };
        let peak = at(i, j);
        let (dx, up_x) = vertex(at(i - 1, j), peak, at(i + 1, j));
        let (dy, up_y) = vertex(at(i, j - 1), peak, at(i, j + 1));
        let seen = celestial.sky(x0 as f64 + i as f64 + dx, y0 as f64 + j as f64 + dy);
        let off_deg = seen.map_or(f64::INFINITY, |seen| seen.separation_deg(&place));
        found.push(Found {
            name: component.name.clone(),
            arcsec: 3600.0 * off_deg,
            beams: off_deg / beam_deg,
            flux_ratio: (peak + up_x + up_y) / stokes_jy[0],
        });
    }
    Ok(found)
}

/// Where a parabola through values at −1, 0 and 1 is highest, and how much higher than the middle value.
fn vertex(before: f64, middle: f64, after: f64) -> (f64, f64) {
    let curvature = before - 2.0 * middle + after;
    if curvature >= 0.0 {
        return (0.0, 0.0);
    }
    let at = (before - after) / (2.0 * curvature);
    (at.clamp(-1.0, 1.0), (before - after) * (before - after) / (-8.0 * curvature))
}

#[cfg(test)]
mod tests {
    use super::vertex;

    #[test]
    fn a_parabola_gives_its_vertex() {
        let parabola = |x: f64| 5.0 - 2.0 * (x - 0.3) * (x - 0.3);
        let (at, up) = vertex(parabola(-1.0), parabola(0.0), parabola(1.0));
        assert!((at - 0.3).abs() < 1e-12 && (parabola(0.0) + up - 5.0).abs() < 1e-12);
    }
}
