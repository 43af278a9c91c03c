//! All tiles together. What each is compared with is a median, or what most tiles have: neither depends on their order.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use crate::{
    Facts, Grid, Known, PrimaryBeam, Rule, Rules, Tile,
    footprint::{Footprint, parts},
    primary_beam::corrected_by_name,
    single::Raw,
};

/// Findings about tiles, by their places in `all`.
pub(crate) fn judge(all: &[Facts], rules: &Rules) -> Vec<(usize, Raw)> {
    let mut found = Vec::new();
    grid(all, rules, &mut found);
    noise(all, rules, &mut found);
    beam(all, rules, &mut found);
    primary_beam(all, rules, &mut found);
    frequency(all, rules, &mut found);
    if rules.calibration {
        calibration(all, &mut found);
    }
    let twice = duplicates(all, &mut found);
    if rules.check_order {
        order(all, &mut found);
    }
    if rules.check_gaps {
        gaps(all, &twice, &mut found);
    }
    found
}

fn tiles(all: &[Facts]) -> impl Iterator<Item = (usize, &Tile)> {
    all.iter().enumerate().filter_map(|(i, facts)| Some((i, facts.tile.as_deref().ok()?)))
}

fn grids(all: &[Facts]) -> impl Iterator<Item = (usize, &Grid)> {
    tiles(all).filter_map(|(i, tile)| Some((i, tile.grid.as_ref()?)))
}

/// The median of finite values; the mean of the middle two of an even number.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (n, half) = (values.len(), values.len() / 2);
    match n {
        0 => None,
        n if n % 2 == 1 => Some(values[half]),
        _ => Some(0.5 * (values[half - 1] + values[half])),
    }
}

/// What most have; of several, the least.
fn commonest<T: Ord + Clone>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    // `max_by_key` takes the last of equals: backwards, that is the first.
    counts.into_iter().rev().max_by_key(|(_, n)| *n).map(|(value, _)| value)
}

fn grid(all: &[Facts], rules: &Rules, found: &mut Vec<(usize, Raw)>) {
    if let Some(most) = commonest(grids(all).map(|(_, g)| g.size)) {
        for (i, grid) in grids(all).filter(|(_, g)| g.size != most) {
            let text =
                format!("{} × {} pixels, where most tiles have {} × {}", grid.size[0], grid.size[1], most[0], most[1]);
            found.push((i, (Rule::GridShape, Some(grid.size[0] as f64), Some(most[0] as f64), text)));
        }
    }
    for axis in [0, 1] {
        let Some(middle) = median(grids(all).map(|(_, g)| g.cell_deg[axis])) else { continue };
        for (i, grid) in grids(all) {
            let difference = (grid.cell_deg[axis] - middle).abs();
            let limit = (rules.max_scale_difference * middle).max(1e-12);
            if difference > limit {
                let arcsec = |deg: f64| deg * 3600.0;
                let text = format!(
                    "pixels of {:.6}\" along {}, where the median is {:.6}\"",
                    arcsec(grid.cell_deg[axis]),
                    ["x", "y"][axis],
                    arcsec(middle)
                );
                found.push((i, (Rule::PixelScale, Some(grid.cell_deg[axis]), Some(middle), text)));
            }
        }
    }
    let frame = |g: &Grid| (g.frame.clone(), g.projection.clone());
    if let Some(most) = commonest(grids(all).map(|(_, g)| frame(g))) {
        for (i, grid) in grids(all).filter(|(_, g)| frame(g) != most) {
            let text = format!(
                "{} in projection {}, where most tiles have {} in {}",
                grid.frame, grid.projection, most.0, most.1
            );
            found.push((i, (Rule::Frame, None, None, text)));
        }
    }
    if let Some(most) = commonest(tiles(all).map(|(_, t)| t.unit.clone())) {
        let name = |unit: &Option<String>| unit.clone().unwrap_or_else(|| "none".to_owned());
        for (i, tile) in tiles(all).filter(|(_, t)| t.unit != most) {
            let text = format!("unit {}, where most tiles have {}", name(&tile.unit), name(&most));
            found.push((i, (Rule::Unit, None, None, text)));
        }
    }
}

fn noise(all: &[Facts], rules: &Rules, found: &mut Vec<(usize, Raw)>) {
    let noises = || tiles(all).filter_map(|(i, t)| Some((i, t.noise_jy.filter(|n| *n > 0.0)?)));
    let Some(middle) = median(noises().map(|(_, n)| n)) else { return };
    for (i, noise) in noises() {
        let ratio = noise / middle;
        let limit = rules.max_noise_ratio;
        if ratio > limit || ratio < 1.0 / limit {
            let limit = if ratio > limit { limit } else { 1.0 / limit };
            let text = format!("the noise is {ratio:.3} times the median of all tiles, {middle:.3e} Jy/beam");
            found.push((i, (Rule::NoiseOutlier, Some(ratio), Some(limit), text)));
        }
    }
}

fn beam(all: &[Facts], rules: &Rules, found: &mut Vec<(usize, Raw)>) {
    for axis in ["major", "minor"] {
        let value = |t: &Tile| {
            let value = t.beam.map(|b| if axis == "major" { b.major_arcsec } else { b.minor_arcsec });
            value.filter(|v| *v > 0.0 && v.is_finite())
        };
        let values = || tiles(all).filter_map(|(i, t)| Some((i, value(t)?)));
        let Some(middle) = median(values().map(|(_, v)| v)) else { continue };
        for (i, value) in values() {
            let difference = (value - middle).abs() / middle;
            if difference > rules.max_beam_difference {
                let text = format!("the beam's {axis} axis is {value:.2}\", the median {middle:.2}\"");
                found.push((i, (Rule::BeamOutlier, Some(difference), Some(rules.max_beam_difference), text)));
            }
        }
    }
}

fn primary_beam(all: &[Facts], rules: &Rules, found: &mut Vec<(usize, Raw)>) {
    let range = |facts: &Facts| match &facts.primary_beam {
        PrimaryBeam::Read { min, max, .. } => Some(((*min)?, (*max)?)),
        _ => None,
    };
    let ranges = || all.iter().enumerate().filter_map(|(i, facts)| Some((i, range(facts)?)));
    if let (Some(low), Some(high)) = (median(ranges().map(|(_, r)| r.0)), median(ranges().map(|(_, r)| r.1))) {
        for (i, (min, max)) in ranges() {
            let (least, most) = (rules.min_primary_beam_ratio * low, rules.max_primary_beam_ratio * high);
            if min < least {
                let text = format!("its primary beam falls to {min:.3} in the used region, the median to {low:.3}");
                found.push((i, (Rule::PrimaryBeamOutlier, Some(min), Some(least), text)));
            }
            if max > most {
                let text = format!("its primary beam rises to {max:.3}, the median to {high:.3}");
                found.push((i, (Rule::PrimaryBeamOutlier, Some(max), Some(most), text)));
            }
        }
    }
    let corrected = |facts: &Facts| {
        let registered = match &facts.known {
            Known::Known(calibration) => calibration.pbcor.filter(|pbcor| *pbcor),
            _ => None,
        };
        // The database's "no" is a default that nobody set; a name tells more.
        registered.or_else(|| corrected_by_name(&facts.path))
    };
    let known = || all.iter().enumerate().filter_map(|(i, facts)| Some((i, corrected(facts)?)));
    let most = commonest(known().map(|(_, c)| c));
    for (i, corrected) in known().filter(|(_, c)| Some(*c) != most) {
        let text = match corrected {
            true => "it is corrected for the primary beam, most tiles are not",
            false => "it is not corrected for the primary beam, most tiles are",
        };
        found.push((i, (Rule::PrimaryBeamCorrection, None, None, text.to_owned())));
    }
}

fn frequency(all: &[Facts], rules: &Rules, found: &mut Vec<(usize, Raw)>) {
    let values = || tiles(all).filter_map(|(i, t)| Some((i, t.freq_hz?)));
    let Some(middle) = median(values().map(|(_, f)| f)) else { return };
    let limit = 0.5 * rules.max_frequency_spread_mhz;
    for (i, frequency) in values() {
        let difference = (frequency - middle).abs() / 1e6;
        if difference > limit {
            let text = format!("its frequency, {:.3} MHz, is {difference:.1} MHz from the median", frequency / 1e6);
            found.push((i, (Rule::FrequencySpread, Some(difference), Some(limit), text)));
        }
    }
}

fn calibration(all: &[Facts], found: &mut Vec<(usize, Raw)>) {
    let sets = || {
        all.iter().enumerate().filter_map(|(i, facts)| match &facts.known {
            Known::Known(c) if !c.table_sets.is_empty() => Some((i, c.table_sets.clone())),
            _ => None,
        })
    };
    let Some(most) = commonest(sets().map(|(_, s)| s)) else { return };
    for (i, sets) in sets().filter(|(_, s)| *s != most) {
        let text = format!("calibrated with {}, most tiles with {}", sets.join(", "), most.join(", "));
        found.push((i, (Rule::CalibrationSet, None, None, text)));
    }
}

/// Tiles that are there twice: the same file, or the same place and time. The first by name is none. Which ones are.
fn duplicates(all: &[Facts], found: &mut Vec<(usize, Raw)>) -> Vec<bool> {
    let mut twice = vec![false; all.len()];
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*a].path.cmp(&all[*b].path));
    let mut files: HashMap<PathBuf, usize> = HashMap::new();
    let mut places: HashMap<[i64; 3], usize> = HashMap::new();
    for i in order {
        let file = all[i].path.canonicalize().unwrap_or_else(|_| all[i].path.clone());
        let place = all[i].tile.as_deref().ok().and_then(|t| {
            let (grid, mjd) = (t.grid.as_ref()?, t.mjd?);
            let round = |value: f64, step: f64| (value / step).round() as i64;
            // Within an arcsecond and a second.
            Some([
                round(grid.centre_deg[0], 1.0 / 3600.0),
                round(grid.centre_deg[1], 1.0 / 3600.0),
                round(mjd, 1.0 / 86_400.0),
            ])
        });
        let first = files.get(&file).or_else(|| places.get(&place?)).copied();
        match first {
            Some(first) => {
                twice[i] = true;
                let name = all[first].path.file_name().unwrap_or_default().to_string_lossy();
                found.push((i, (Rule::Duplicate, None, None, format!("the same tile as {name}"))));
            }
            None => {
                files.insert(file, i);
                if let Some(place) = place {
                    places.insert(place, i);
                }
            }
        }
    }
    twice
}

/// The time of a tile: the database's, which is the middle, else the header's.
pub(crate) fn time_of(facts: &Facts) -> Option<f64> {
    let known = match &facts.known {
        Known::Known(calibration) => calibration.mid_mjd,
        _ => None,
    };
    known.or_else(|| facts.tile.as_deref().ok()?.mjd)
}

fn order(all: &[Facts], found: &mut Vec<(usize, Raw)>) {
    let timed: Vec<(usize, f64)> = all.iter().enumerate().filter_map(|(i, f)| Some((i, time_of(f)?))).collect();
    for pair in timed.windows(2) {
        let [(before, earlier), (i, time)] = *pair else { continue };
        if time < earlier {
            let name = name(&all[before].path);
            let text = format!("it was given after {name}, which is {:.1} s later", (earlier - time) * 86_400.0);
            found.push((i, (Rule::Order, Some(time), Some(earlier), text)));
        }
    }
}

fn gaps(all: &[Facts], twice: &[bool], found: &mut Vec<(usize, Raw)>) {
    let placed: Vec<(usize, &Grid)> = grids(all).filter(|(i, _)| !twice[*i]).collect();
    if placed.len() < 2 {
        return;
    }
    let footprints: Vec<Footprint> = placed.iter().map(|(_, g)| Footprint::new(g.centre_deg, &g.corners_deg)).collect();
    let parts = parts(&footprints);
    // The largest part; of several, the one with the first name.
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for ((i, _), part) in placed.iter().zip(&parts) {
        members.entry(*part).or_default().push(*i);
    }
    let first = |list: &[usize]| list.iter().map(|i| &all[*i].path).min();
    let main = members.values().max_by(|a, b| a.len().cmp(&b.len()).then_with(|| first(b).cmp(&first(a))));
    let Some(main) = main.cloned() else { return };
    for part in members.values().filter(|part| **part != main) {
        for i in part {
            let text = format!(
                "it overlaps none of the {} tiles that hang together{}",
                main.len(),
                if part.len() > 1 { format!(", with {} others", part.len() - 1) } else { String::new() }
            );
            found.push((*i, (Rule::Gap, Some(part.len() as f64), Some(main.len() as f64), text)));
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_majorities() {
        assert_eq!(median([3.0, 1.0, f64::NAN, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
        assert_eq!(commonest([2, 1, 2, 1, 3].into_iter()), Some(1));
        assert_eq!(commonest([2, 1, 2].into_iter()), Some(2));
    }
}
