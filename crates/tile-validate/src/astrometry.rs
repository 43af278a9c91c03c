//! Where a tile's sources are, against a catalogue.

use std::path::Path;

use fits_header_cache::{Area, FitsCache};
use serde::{Deserialize, Serialize};

use crate::{Offsets, Rules, Tile, measure::chain, together::median};

/// A source of the catalogue, in the tiles' frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Right ascension, degrees.
    pub ra_deg: f64,
    /// Declination, degrees.
    pub dec_deg: f64,
    /// Flux density, Jy.
    pub flux_jy: f64,
}

/// The median offset of the tile's sources: the brightest pixel near each, moved to the top of the parabola through its
/// neighbours. `None` when the tile has no grid or noise.
pub(crate) fn offsets(
    path: &Path,
    tile: &Tile,
    rules: &Rules,
    cache: &FitsCache,
    sources: &[Source],
) -> Option<Offsets> {
    let (grid, noise) = (tile.grid.as_ref()?, tile.noise_jy.filter(|noise| *noise > 0.0)?);
    let reach = grid.corners_deg.iter().map(|c| products_db::separation_deg(grid.centre_deg, *c)).fold(0.0, f64::max);
    let near: Vec<&Source> = sources
        .iter()
        .filter(|s| s.flux_jy >= rules.min_source_jy)
        .filter(|s| products_db::separation_deg(grid.centre_deg, [s.ra_deg, s.dec_deg]) <= reach)
        .collect();
    let measured = measured(path, cache, &near, grid.cell_deg, rules, rules.min_source_snr * noise);
    Some(match measured {
        Err(problem) => Offsets { problem: Some(problem), ..Offsets::default() },
        Ok(offsets) => {
            let of = |i: usize| median(offsets.iter().map(|o| o[i])).unwrap_or(0.0);
            Offsets { sources: offsets.len(), east_arcsec: of(0), north_arcsec: of(1), problem: None }
        }
    })
}

fn measured(
    path: &Path,
    cache: &FitsCache,
    sources: &[&Source],
    cell_deg: [f64; 2],
    rules: &Rules,
    threshold: f64,
) -> Result<Vec<[f64; 2]>, String> {
    let text = |e: fits_header_cache::Error| chain(&e);
    let file = cache.file(path).map_err(text)?;
    let hdu = file.image().map_err(text)?;
    let celestial = hdu.celestial().map_err(text)?;
    let half = cell_deg.map(|cell| (rules.source_box_arcsec / 3600.0 / cell).ceil().clamp(2.0, 64.0) as i64);
    let mut alone: Vec<&Source> = Vec::new();
    let mut boxes = Vec::new();
    let places: Vec<_> = sources.iter().map(|source| celestial.pixel(sky(source))).collect();
    for (source, place) in sources.iter().zip(&places) {
        let &Some((x, y)) = place else { continue };
        let (cx, cy) = (x.round() as i64, y.round() as i64);
        let [width, height] = celestial.size().map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        if cx < half[0] || cy < half[1] || cx + half[0] >= width || cy + half[1] >= height {
            continue;
        }
        // A neighbour in the box would be taken for the source.
        let near = places
            .iter()
            .flatten()
            .filter(|(u, v)| (u - x).abs() <= 2.0 * half[0] as f64 && (v - y).abs() <= 2.0 * half[1] as f64);
        if near.count() > 1 {
            continue;
        }
        let range = |c: i64, h: i64| (c - h).max(0) as u64..(c + h + 1).max(0) as u64;
        alone.push(source);
        boxes.push(Area::Box { x: range(cx, half[0]), y: range(cy, half[1]) });
    }
    let peaks = cache.peaks(path, &boxes).map_err(text)?;
    let bright = alone.into_iter().zip(peaks.iter()).filter_map(|(source, peak)| {
        let peak = peak.as_ref().filter(|peak| peak.value >= threshold)?;
        Some(offset(source, &celestial.sky(peak.x, peak.y)?))
    });
    Ok(bright.collect())
}

fn sky(source: &Source) -> fits_header_cache::Sky {
    fits_header_cache::Sky { lon_deg: source.ra_deg, lat_deg: source.dec_deg }
}

/// East and north, arcseconds.
fn offset(source: &Source, found: &fits_header_cache::Sky) -> [f64; 2] {
    let ra = (found.lon_deg - source.ra_deg + 540.0).rem_euclid(360.0) - 180.0;
    [ra * source.dec_deg.to_radians().cos() * 3600.0, (found.lat_deg - source.dec_deg) * 3600.0]
}
