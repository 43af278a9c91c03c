//! The search for what stands out of its surroundings, in a plane of amplitudes over time and channel.
//!
//! Runs of 1, 2, 4, … neighbouring samples are averaged along each axis, and a run whose mean is far above the others is
//! flagged as a whole: weak but long interference shows in the long runs, as in the SumThreshold method (Offringa et al.
//! 2010, MNRAS 405, 155). The scale that "far" is counted in is not assumed: it is the robust scatter of the means of just
//! that length, so that samples which are correlated, as the fringes of a sky are, raise it themselves.
//!
//! Each round subtracts a background first: the median in the first round, then a smooth surface through what the rounds
//! before left. Only what is too strong is flagged; interference adds power.

use crate::Search;

/// A median absolute deviation times this is the standard deviation of normal noise.
const MAD_TO_SIGMA: f32 = 1.4826;
/// As many values give a median and a deviation to a few per cent.
const ENOUGH: usize = 1024;
/// With fewer values nothing can be said.
const LEAST: usize = 8;
/// Half the widths of the smooth background, in integrations and channels: narrow against a fringe, wide against
/// interference of a few samples.
const SMOOTH: [usize; 2] = [3, 7];
/// Channels with so many integrations also have a scale of their own.
const OWN_SCALE: usize = 12;

/// Memory that searches of planes use again.
#[derive(Debug, Default)]
pub struct Scratch {
    residual: Vec<f32>,
    smooth: Vec<f32>,
    weight: Vec<f32>,
    line: Vec<f32>,
    means: Vec<(usize, f32)>,
    pub(crate) sample: Vec<f32>,
    before: Vec<bool>,
    pub(crate) found: Vec<bool>,
    pub(crate) amplitudes: Vec<f32>,
    pub(crate) mask: Vec<bool>,
}

/// Sets `mask` where `amplitudes`, `[time, channel]`, stand out. What is set before takes no part.
///
/// # Panics
///
/// Where the arrays are not as long as the shape says.
pub fn search(amplitudes: &[f32], mask: &mut [bool], shape: [usize; 2], how: &Search, scratch: &mut Scratch) {
    let [times, channels] = shape;
    assert!(amplitudes.len() == times * channels && mask.len() == amplitudes.len(), "because the caller made them so");
    let Some((median, _)) = robust(amplitudes.iter().zip(&*mask).filter(|(_, m)| !**m).map(|(v, _)| *v), scratch)
    else {
        return;
    };
    let floor = how.floor * median.abs();
    let mut before = std::mem::take(&mut scratch.before);
    before.clear();
    before.extend_from_slice(mask);
    for round in 0..how.rounds.max(1) {
        let mut residual = std::mem::take(&mut scratch.residual);
        residual.clear();
        residual.extend_from_slice(amplitudes);
        if round == 0 {
            residual.iter_mut().for_each(|value| *value -= median);
        } else {
            background(amplitudes, mask, shape, median, scratch);
            residual.iter_mut().zip(&scratch.smooth).for_each(|(value, smooth)| *value -= smooth);
            // What an earlier round found with a worse background has to be found again.
            mask.copy_from_slice(&before);
        }
        // Along channels first: narrow interference is the most frequent.
        for along_channels in [true, false] {
            let length = if along_channels { channels } else { times };
            let mut run = 1;
            while run <= how.longest && (run == 1 || 2 * run <= length) {
                if run > 1 || along_channels {
                    runs(&residual, mask, shape, run, along_channels, how.sigmas, floor, scratch);
                }
                run *= 2;
            }
        }
        if times >= OWN_SCALE {
            by_channel(&residual, mask, shape, how.sigmas, floor, scratch);
        }
        scratch.residual = residual;
    }
    scratch.before = before;
}

/// Median and robust standard deviation.
fn robust(values: impl Iterator<Item = f32> + Clone, scratch: &mut Scratch) -> Option<(f32, f32)> {
    let count = values.clone().count();
    if count < LEAST {
        return None;
    }
    let sample = &mut scratch.sample;
    sample.clear();
    // An odd step does not fall in with the rows.
    sample.extend(values.step_by((count / ENOUGH) | 1));
    let middle = sample.len() / 2;
    let median = *sample.select_nth_unstable_by(middle, f32::total_cmp).1;
    sample.iter_mut().for_each(|value| *value = (*value - median).abs());
    let deviation = *sample.select_nth_unstable_by(middle, f32::total_cmp).1;
    Some((median, MAD_TO_SIGMA * deviation))
}

/// Masks the runs of `run` neighbours whose mean stands out among all such means.
#[expect(clippy::too_many_arguments, reason = "one step of `search`, which has them all at hand")]
fn runs(
    residual: &[f32],
    mask: &mut [bool],
    [times, channels]: [usize; 2],
    run: usize,
    along_channels: bool,
    sigmas: f32,
    floor: f32,
    scratch: &mut Scratch,
) {
    let (lines, length, between, along) =
        if along_channels { (times, channels, channels, 1) } else { (channels, times, 1, channels) };
    let mut means = std::mem::take(&mut scratch.means);
    means.clear();
    for line in 0..lines {
        let first = line * between;
        let (mut sum, mut count) = (0.0_f64, 0_usize);
        for place in 0..length {
            let here = first + place * along;
            if run == 1 {
                // Without a sum: an enormous value, which this finds, would leave its rounding in all that follow.
                if !mask[here] {
                    means.push((here, residual[here]));
                }
                continue;
            }
            if !mask[here] {
                sum += f64::from(residual[here]);
                count += 1;
            }
            if place >= run {
                let gone = first + (place - run) * along;
                if !mask[gone] {
                    sum -= f64::from(residual[gone]);
                    count -= 1;
                }
            }
            // Half of a run must be there, for its mean to be one of such a run.
            if place + 1 >= run && count > 0 && 2 * count >= run {
                means.push((first + (place + 1 - run) * along, (sum / count as f64) as f32));
            }
        }
    }
    if let Some((median, sigma)) = robust(means.iter().map(|mean| mean.1), scratch) {
        // The mean of a run varies less than a sample, and so does what is believed of it.
        let least = median + sigmas * sigma.max(floor / (run as f32).sqrt());
        for &(start, mean) in &means {
            if mean > least {
                for place in 0..run {
                    mask[start + place * along] = true;
                }
            }
        }
    }
    scratch.means = means;
}

/// Masks outliers of each channel by its own scatter over time, where that is less than the plane's.
fn by_channel(
    residual: &[f32],
    mask: &mut [bool],
    [times, channels]: [usize; 2],
    sigmas: f32,
    floor: f32,
    scratch: &mut Scratch,
) {
    for channel in 0..channels {
        let places = (0..times).map(|time| time * channels + channel);
        let mut line = std::mem::take(&mut scratch.line);
        line.clear();
        line.extend(places.clone().filter(|&place| !mask[place]).map(|place| residual[place]));
        if line.len() >= OWN_SCALE
            && let Some((median, sigma)) = robust(line.iter().copied(), scratch)
        {
            // Few values know their scatter to a quarter only.
            let least = median + 1.25 * sigmas * sigma.max(floor);
            places.for_each(|place| mask[place] |= residual[place] > least);
        }
        scratch.line = line;
    }
}

/// A smooth surface through what is not masked: the mean of two boxes one after the other, without masked samples. Where
/// nearly all is masked, the median.
fn background(amplitudes: &[f32], mask: &[bool], [times, channels]: [usize; 2], median: f32, scratch: &mut Scratch) {
    let Scratch { smooth, weight, line, .. } = scratch;
    smooth.clear();
    smooth.extend(amplitudes.iter().zip(mask).map(|(&value, &masked)| if masked { 0.0 } else { value }));
    weight.clear();
    weight.extend(mask.iter().map(|&masked| f32::from(u8::from(!masked))));
    for _ in 0..2 {
        for values in [&mut *smooth, &mut *weight] {
            for time in 0..times {
                box_mean(values, time * channels, channels, 1, SMOOTH[1], line);
            }
            for channel in 0..channels {
                box_mean(values, channel, times, channels, SMOOTH[0], line);
            }
        }
    }
    for (value, &weight) in smooth.iter_mut().zip(&*weight) {
        *value = if weight > 0.1 { *value / weight } else { median };
    }
}

/// The mean over a box of `2 · half + 1` values, shorter at the ends, along one line of a plane.
fn box_mean(values: &mut [f32], first: usize, length: usize, step: usize, half: usize, line: &mut Vec<f32>) {
    line.clear();
    line.extend((0..length).map(|place| values[first + place * step]));
    let mut sum: f32 = line.iter().take(half).sum();
    let mut count = half.min(length);
    for place in 0..length {
        if place + half < length {
            sum += line[place + half];
            count += 1;
        }
        if place > half {
            sum -= line[place - half - 1];
            count -= 1;
        }
        values[first + place * step] = sum / count as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_mean_is_the_mean_of_the_box() {
        let values: Vec<f32> = (0..9).map(|i| (i * i % 5) as f32).collect();
        for half in [1, 3, 20] {
            let mut smooth = values.clone();
            box_mean(&mut smooth, 0, 9, 1, half, &mut Vec::new());
            for place in 0..9_usize {
                let part = &values[place.saturating_sub(half)..9.min(place + half + 1)];
                let mean = part.iter().sum::<f32>() / part.len() as f32;
                assert!((smooth[place] - mean).abs() < 1e-5, "half {half}, place {place}");
            }
        }
    }

    #[test]
    fn the_background_follows_a_slope_and_ignores_what_is_masked() {
        let shape = [20, 40];
        let mut values: Vec<f32> = (0..800).map(|i| 10.0 + (i % 40) as f32 * 0.1).collect();
        let mut mask = vec![false; 800];
        values[405] = 1e6;
        mask[405] = true;
        let mut scratch = Scratch::default();
        background(&values, &mask, shape, 0.0, &mut scratch);
        for (i, smooth) in scratch.smooth.iter().enumerate().filter(|(i, _)| (14..26).contains(&(i % 40))) {
            assert!((smooth - (10.0 + (i % 40) as f32 * 0.1)).abs() < 0.05, "{i}: {smooth}");
        }
    }
}
