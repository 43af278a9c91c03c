//! Each tile by itself.

use crate::{Facts, Known, PrimaryBeam, Rule, Rules, Tile};

/// A finding before its severity and tile are known: rule, value, limit, words.
pub(crate) type Raw = (Rule, Option<f64>, Option<f64>, String);

pub(crate) fn judge(facts: &Facts, rules: &Rules) -> Vec<Raw> {
    let mut found = Vec::new();
    match &facts.tile {
        Err((rule, problem)) => found.push((*rule, None, None, problem.clone())),
        Ok(tile) => {
            header(tile, rules, &mut found);
            pixels(tile, rules, &mut found);
            primary_beam(&facts.primary_beam, tile, rules, &mut found);
        }
    }
    if rules.calibration {
        calibration(&facts.known, &mut found);
    }
    astrometry(facts, rules, &mut found);
    found
}

fn header(tile: &Tile, rules: &Rules, found: &mut Vec<Raw>) {
    if let Some(problem) = &tile.grid_problem {
        found.push((Rule::Axes, None, None, problem.clone()));
    }
    let cell = tile.grid.as_ref().map(|g| g.cell_deg[0].max(g.cell_deg[1]) * 3600.0);
    match tile.beam {
        None => found.push((Rule::Beam, None, None, "the header has no beam (BMAJ and BMIN)".to_owned())),
        Some(beam) => {
            let least = cell.map_or(0.0, |cell| rules.min_beam_pixels * cell);
            if !(beam.minor_arcsec > 0.0 && beam.major_arcsec.is_finite() && beam.major_arcsec >= beam.minor_arcsec) {
                let text = format!("no beam has axes of {:.3}\" and {:.3}\"", beam.major_arcsec, beam.minor_arcsec);
                found.push((Rule::Beam, Some(beam.minor_arcsec), Some(0.0), text));
            } else if beam.minor_arcsec < least {
                let text = format!(
                    "the beam's minor axis, {:.2}\", is below {} pixels",
                    beam.minor_arcsec, rules.min_beam_pixels
                );
                found.push((Rule::Beam, Some(beam.minor_arcsec), Some(least), text));
            } else if beam.major_arcsec > rules.max_beam_arcsec {
                let text = format!("the beam's major axis is {:.1}\"", beam.major_arcsec);
                found.push((Rule::Beam, Some(beam.major_arcsec), Some(rules.max_beam_arcsec), text));
            }
        }
    }
    if !tile.freq_hz.is_some_and(|f| f > 0.0 && f.is_finite()) {
        found.push((
            Rule::Frequency,
            tile.freq_hz,
            None,
            "the header has no frequency (FREQ axis, RESTFRQ)".to_owned(),
        ));
    }
    if tile.mjd.is_none() {
        found.push((Rule::Time, None, None, "the header has no DATE-OBS that is a date".to_owned()));
    }
}

fn pixels(tile: &Tile, rules: &Rules, found: &mut Vec<Raw>) {
    if tile.finite_fraction < rules.min_finite_fraction {
        let text = format!("{:.1} % of the pixels are finite", 100.0 * tile.finite_fraction);
        found.push((Rule::Finite, Some(tile.finite_fraction), Some(rules.min_finite_fraction), text));
    }
    // Without a finite pixel there is nothing else to say of them.
    let (Some(noise), Some(max), Some(min)) = (tile.noise_jy, tile.max_jy, tile.min_jy) else { return };
    if noise <= 0.0 {
        found.push((Rule::Noise, Some(noise), Some(0.0), "more than half of the pixels have one value".to_owned()));
        return;
    }
    if noise > rules.max_noise_jy {
        found.push((Rule::Noise, Some(noise), Some(rules.max_noise_jy), format!("the noise is {noise:.3e} Jy/beam")));
    }
    let range = max / noise;
    if range < rules.min_dynamic_range {
        let text = format!("the brightest pixel is {range:.2} times the noise");
        found.push((Rule::DynamicRange, Some(range), Some(rules.min_dynamic_range), text));
    }
    if min < 0.0 && max < rules.min_peak_to_trough * -min {
        let text = format!("the brightest pixel is {max:.3e}, the deepest {min:.3e} Jy/beam");
        found.push((Rule::Trough, Some(max / -min), Some(rules.min_peak_to_trough), text));
    }
}

fn primary_beam(beam: &PrimaryBeam, tile: &Tile, rules: &Rules, found: &mut Vec<Raw>) {
    match beam {
        PrimaryBeam::NotAsked => {}
        PrimaryBeam::Absent { wanted } => {
            let name = wanted.file_name().unwrap_or_default().to_string_lossy();
            found.push((Rule::PrimaryBeam, None, None, format!("no file with its primary beam: {name} is not there")));
        }
        PrimaryBeam::Unreadable { problem, .. } => found.push((Rule::PrimaryBeam, None, None, problem.clone())),
        PrimaryBeam::Read { size, min, max, finite_fraction, .. } => {
            let own = [tile.axes.first(), tile.axes.get(1)].map(|n| n.copied().unwrap_or(1));
            if *size != own {
                let text =
                    format!("the primary beam has {} × {} pixels, the tile {} × {}", size[0], size[1], own[0], own[1]);
                found.push((Rule::PrimaryBeamGrid, Some(size[0] as f64), Some(own[0] as f64), text));
            }
            let (Some(min), Some(max)) = (min, max) else {
                let text = "the primary beam has no finite pixel in the used region".to_owned();
                found.push((Rule::PrimaryBeamRange, Some(0.0), Some(rules.min_primary_beam), text));
                return;
            };
            if *finite_fraction < 1.0 {
                let text = format!("{:.1} % of the primary beam's used region are finite", 100.0 * finite_fraction);
                found.push((Rule::PrimaryBeamRange, Some(*finite_fraction), Some(1.0), text));
            } else if *min < rules.min_primary_beam {
                let text = format!("the primary beam falls to {min:.3} in the used region");
                found.push((Rule::PrimaryBeamRange, Some(*min), Some(rules.min_primary_beam), text));
            }
            if *max > rules.max_primary_beam {
                let text = format!("the primary beam rises to {max:.3}");
                found.push((Rule::PrimaryBeamRange, Some(*max), Some(rules.max_primary_beam), text));
            }
        }
    }
}

fn calibration(known: &Known, found: &mut Vec<Raw>) {
    match known {
        Known::NotAsked => {}
        Known::Unknown => {
            found.push((Rule::Registered, None, None, "the database does not know it".to_owned()));
        }
        Known::Known(calibration) => {
            let set = calibration.set.as_deref().unwrap_or("?");
            match calibration.applied {
                Some(true) => {}
                Some(false) => {
                    found.push((Rule::Calibrated, Some(0.0), Some(1.0), format!("its set {set} is not calibrated")));
                }
                None => {
                    let text = format!("the database does not know its set {set}, nor whether that is calibrated");
                    found.push((Rule::Calibrated, None, None, text));
                }
            }
            for table in &calibration.failed {
                found.push((Rule::Calibrated, Some(0.0), Some(1.0), format!("the table {table} could not be applied")));
            }
            for (table, days) in &calibration.outside {
                let text = format!("the table {table} was not valid at its time, by {:.1} h", days * 24.0);
                found.push((Rule::CalibrationValidity, Some(*days), Some(0.0), text));
            }
        }
    }
}

fn astrometry(facts: &Facts, rules: &Rules, found: &mut Vec<Raw>) {
    let Some(offsets) = &facts.offsets else { return };
    if let Some(problem) = &offsets.problem {
        found.push((Rule::Astrometry, None, None, format!("its sources cannot be measured: {problem}")));
        return;
    }
    if offsets.sources < rules.min_sources {
        let text = format!("{} of the catalogue's sources were found", offsets.sources);
        found.push((Rule::Astrometry, Some(offsets.sources as f64), Some(rules.min_sources as f64), text));
        return;
    }
    let offset = offsets.east_arcsec.hypot(offsets.north_arcsec);
    if offset > rules.max_offset_arcsec {
        let text = format!(
            "its {} sources are {offset:.2}\" away ({:+.2}\" east, {:+.2}\" north)",
            offsets.sources, offsets.east_arcsec, offsets.north_arcsec
        );
        found.push((Rule::Astrometry, Some(offset), Some(rules.max_offset_arcsec), text));
    }
}
