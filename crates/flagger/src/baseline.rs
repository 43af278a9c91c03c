//! The flags of one baseline: the array's, its own outliers, and what lies beside them.

use crate::array::ArrayMask;
use crate::search::{Scratch, search};
use crate::{Block, Error, Reasons, Settings};

/// Flags what the array's mask says and what stands out in the baseline by itself, and extends both. Flags that were set
/// before stay, take no part, and are not extended.
///
/// # Errors
///
/// [`Error::Shape`] where the mask has another shape than the block.
pub fn flag_baseline(
    block: &mut Block<'_>,
    array: &ArrayMask,
    settings: &Settings,
    scratch: &mut Scratch,
) -> Result<Reasons, Error> {
    let shape = block.shape();
    if array.shape != shape {
        let (found, needed) = (array.mask.len(), shape.iter().product());
        return Err(Error::Shape { what: "the array's mask", found, shape, needed });
    }
    let [times, channels, correlations] = shape;
    let mut reasons = Reasons::default();
    // What is found, without what was flagged before.
    let mut found = std::mem::take(&mut scratch.found);
    found.clear();
    found.extend(array.mask.iter().zip(&*block.flags).map(|(&masked, &flag)| masked && !flag));
    reasons.array = count(&found);
    if let Some(how) = &settings.baseline {
        for correlation in 0..correlations {
            let (mut amplitudes, mut mask) =
                (std::mem::take(&mut scratch.amplitudes), std::mem::take(&mut scratch.mask));
            block.plane(correlation, &mut amplitudes, &mut mask);
            let places = (correlation..found.len()).step_by(correlations);
            for (mask, place) in mask.iter_mut().zip(places.clone()) {
                *mask |= found[place];
            }
            search(&amplitudes, &mut mask, [times, channels], how, scratch);
            for ((masked, amplitude), place) in mask.iter().zip(&amplitudes).zip(places) {
                if *masked && !block.flags[place] && !found[place] && amplitude.is_finite() {
                    found[place] = true;
                    reasons.outlier += 1;
                }
            }
            (scratch.amplitudes, scratch.mask) = (amplitudes, mask);
        }
    }
    if found.iter().any(|&flag| flag) {
        extend(&mut found, block.flags, shape, settings, scratch);
    }
    for (flag, found) in block.flags.iter_mut().zip(&found) {
        if *found && !*flag {
            *flag = true;
            reasons.extended += 1;
        }
    }
    reasons.extended -= reasons.array + reasons.outlier;
    scratch.found = found;
    Ok(reasons)
}

fn count(flags: &[bool]) -> u64 {
    flags.iter().filter(|&&flag| flag).count() as u64
}

/// Extends what was found to other correlations, to neighbours, and to the rest of what is mostly found.
fn extend(
    found: &mut [bool],
    before: &[bool],
    [times, channels, correlations]: [usize; 3],
    settings: &Settings,
    scratch: &mut Scratch,
) {
    if settings.all_correlations {
        for sample in found.chunks_exact_mut(correlations) {
            let any = sample.iter().any(|&flag| flag);
            sample.fill(any);
        }
    }
    let row = channels * correlations;
    if settings.extend_times > 0 || settings.extend_channels > 0 {
        let seeds = &mut scratch.mask;
        seeds.clear();
        seeds.extend_from_slice(found);
        for (place, _) in seeds.iter().enumerate().filter(|(_, seed)| **seed) {
            let (time, channel) = (place / row, place % row / correlations);
            let near = |at: usize, by: usize, end: usize| at.saturating_sub(by)..end.min(at + by + 1);
            for other in near(time, settings.extend_times, times) {
                found[other * row + place % row] = true;
            }
            for other in near(channel, settings.extend_channels, channels) {
                found[time * row + other * correlations + place % correlations] = true;
            }
        }
    }
    if settings.fill < 1.0 {
        // Channels by what the searches found, then integrations; each by what could be found.
        for at in 0..row {
            fill((0..times).map(|time| time * row + at), found, before, settings.fill);
        }
        for time in 0..times {
            for correlation in 0..correlations {
                let places = (0..channels).map(|channel| time * row + channel * correlations + correlation);
                fill(places, found, before, settings.fill);
            }
        }
    }
}

/// Sets all of `places` when more than the fraction `most` of what was not flagged before is found.
fn fill(places: impl Iterator<Item = usize> + Clone, found: &mut [bool], before: &[bool], most: f32) {
    let (mut all, mut set) = (0_usize, 0_usize);
    for place in places.clone().filter(|&place| !before[place]) {
        all += 1;
        set += usize::from(found[place]);
    }
    if set < all && set as f32 > most * all as f32 {
        places.for_each(|place| found[place] = true);
    }
}
