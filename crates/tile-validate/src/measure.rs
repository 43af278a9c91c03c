//! From files to facts: one pass over headers, pixels where they changed.

use std::path::{Path, PathBuf};

use fits_header_cache::{Area, Error, FitsCache, Hdu};

use crate::{
    Beam, Facts, Grid, Known, PrimaryBeam, Rule, Rules, Source, Tile, astrometry, primary_beam::primary_beam_names,
};

/// Measures one tile.
pub(crate) fn measure(
    path: &Path,
    known: Known,
    rules: &Rules,
    cache: &FitsCache,
    sources: Option<&[Source]>,
) -> Facts {
    let tile = tile(path, cache).map(Box::new);
    let primary_beam = match (&tile, rules.primary_beam) {
        (Ok(_), true) => primary_beam(path, rules, cache),
        _ => PrimaryBeam::NotAsked,
    };
    let offsets = match (&tile, sources) {
        (Ok(tile), Some(sources)) => astrometry::offsets(path, tile, rules, cache, sources),
        _ => None,
    };
    Facts { path: path.to_path_buf(), tile, primary_beam, known, offsets }
}

fn tile(path: &Path, cache: &FitsCache) -> Result<Tile, (Rule, String)> {
    let failed = |error: Error| (rule_of(&error), chain(&error));
    let file = cache.file(path).map_err(failed)?;
    if file.missing_bytes() > 0 {
        return Err((Rule::Truncated, format!("{} bytes of pixels are missing", file.missing_bytes())));
    }
    let hdu = file.image().map_err(failed)?;
    let header = hdu.header();
    let statistics = cache.statistics(path, &Area::All).map_err(failed)?;
    let (grid, grid_problem) = match grid(hdu) {
        Ok(grid) => (Some(grid), None),
        Err(problem) => (None, Some(problem)),
    };
    let beam = match (header.real("BMAJ").map_err(failed)?, header.real("BMIN").map_err(failed)?) {
        (Some(major), Some(minor)) => Some(Beam {
            major_arcsec: major * 3600.0,
            minor_arcsec: minor * 3600.0,
            pa_deg: header.real("BPA").map_err(failed)?.unwrap_or(0.0),
        }),
        _ => None,
    };
    let date = header.text("DATE-OBS").map_err(failed)?;
    let extent = statistics.moments.extent;
    Ok(Tile {
        axes: hdu.image().map(|i| i.axes.clone()).unwrap_or_default(),
        grid,
        grid_problem,
        beam,
        unit: header.text("BUNIT").map_err(failed)?.map(|unit| unit.trim().to_uppercase()),
        freq_hz: frequency_hz(hdu).map_err(failed)?,
        mjd: date.as_deref().and_then(mjd_of),
        finite_fraction: statistics.finite_fraction().unwrap_or(0.0),
        noise_jy: statistics.noise(),
        max_jy: extent.map(|e| e.max),
        min_jy: extent.map(|e| e.min),
    })
}

fn grid(hdu: &Hdu) -> Result<Grid, String> {
    let celestial = hdu.celestial().map_err(|e| chain(&e))?;
    if let Some(image) = hdu.image() {
        let others = (0..image.axes.len()).filter(|axis| !celestial.axes().contains(axis));
        if let Some(axis) = others.into_iter().find(|axis| image.axes[*axis] != 1) {
            return Err(format!("axis {} has {} planes, and a tile has one", axis + 1, image.axes[axis]));
        }
    }
    let centre = celestial.centre().ok_or("its middle is not on the sky")?;
    let corners = celestial.corners();
    if corners.iter().any(Option::is_none) {
        return Err("a corner is not on the sky".to_owned());
    }
    Ok(Grid {
        size: celestial.size(),
        centre_deg: [centre.lon_deg, centre.lat_deg],
        cell_deg: celestial.cell_deg(),
        projection: celestial.projection().to_owned(),
        frame: celestial.frame().to_string(),
        corners_deg: corners.iter().flatten().map(|c| [c.lon_deg, c.lat_deg]).collect(),
    })
}

/// The frequency of an image, Hz: from its frequency axis, wherever that is, else its rest frequency.
///
/// # Errors
/// When a card that says it cannot be read.
pub fn frequency_hz(hdu: &Hdu) -> Result<Option<f64>, Error> {
    let header = hdu.header();
    for axis in 1..=hdu.image().map_or(0, |i| i.axes.len()) {
        let kind = header.text(&format!("CTYPE{axis}"))?;
        if kind.is_some_and(|kind| kind.trim_end().eq_ignore_ascii_case("FREQ")) {
            let number = |name: &str| header.real(&format!("{name}{axis}"));
            let Some(value) = number("CRVAL")? else { continue };
            let (pixel, step) = (number("CRPIX")?.unwrap_or(0.0), number("CDELT")?.unwrap_or(1.0));
            // The one plane is pixel 1.
            return Ok(Some(value + (1.0 - pixel) * step));
        }
    }
    Ok(header.real("RESTFRQ")?.or(header.real("RESTFREQ")?))
}

fn primary_beam(tile: &Path, rules: &Rules, cache: &FitsCache) -> PrimaryBeam {
    let names = primary_beam_names(tile);
    let Some(path) = names.iter().find(|name| name.exists()).cloned() else {
        return PrimaryBeam::Absent { wanted: names.into_iter().next().unwrap_or_else(|| PathBuf::from("?.pb.fits")) };
    };
    let read = || -> Result<PrimaryBeam, Error> {
        let file = cache.file(&path)?;
        let hdu = file.image()?;
        let size = hdu.image().map_or([0, 0], |i| [i.width(), i.height()]);
        let used = cache.statistics(&path, &used_region(size, rules.used_fraction))?;
        let all = cache.statistics(&path, &Area::All)?;
        Ok(PrimaryBeam::Read {
            path: path.clone(),
            size,
            min: used.moments.extent.map(|e| e.min),
            finite_fraction: used.finite_fraction().unwrap_or(0.0),
            max: all.moments.extent.map(|e| e.max),
        })
    };
    read().unwrap_or_else(|error| PrimaryBeam::Unreadable { problem: chain(&error), path: path.clone() })
}

/// The middle of an image, `fraction` of each side, at least one pixel.
fn used_region(size: [u64; 2], fraction: f64) -> Area {
    let [x, y] = size.map(|pixels| {
        let width = ((pixels as f64 * fraction) as u64).clamp(1, pixels.max(1));
        let start = (pixels.saturating_sub(width)) / 2;
        start..start + width
    });
    Area::Box { x, y }
}

/// A date as FITS has it, such as `2026-01-25T00:05:19.25`, as a modified Julian date; `None` when it is no such date.
#[must_use]
pub fn mjd_of(date: &str) -> Option<f64> {
    let text = date.trim().trim_end_matches('Z');
    let civil: jiff::civil::DateTime = match text.parse() {
        Ok(civil) => civil,
        Err(_) => text.parse::<jiff::civil::Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
    };
    // MJD 51544 is 2000-01-01; counted from there, milliseconds keep their digits.
    let since = civil.duration_since(jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0));
    Some(51_544.0 + since.as_secs_f64() / 86_400.0)
}

/// The rule that a tile breaks which cannot be read.
fn rule_of(error: &Error) -> Rule {
    match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Rule::Exists,
        Error::Truncated { .. } => Rule::Truncated,
        _ => Rule::Header,
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect();
    parts.dedup();
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        // MJD 51544.5 is 2000-01-01T12:00.
        assert_eq!(mjd_of("2000-01-01T12:00:00.000"), Some(51_544.5));
        assert_eq!(mjd_of("2000-01-01"), Some(51_544.0));
        assert_eq!(mjd_of(" 2000-01-01T18:00:00Z "), Some(51_544.75));
        assert_eq!(mjd_of("01/01/99"), None);
    }

    #[test]
    fn the_used_region_is_the_middle() {
        assert_eq!(used_region([100, 50], 0.5), Area::Box { x: 25..75, y: 12..37 });
        assert_eq!(used_region([1, 3], 0.1), Area::Box { x: 0..1, y: 1..2 });
    }
}
