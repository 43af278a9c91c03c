//! Visibilities of a sky of fringes with noise, for a small array, and interference with its truth.

use flagger::{ArrayMask, ArraySurvey, Block, Reasons, Scratch, Settings, flag_baseline, flag_simple};
use num_complex::Complex32;

pub(crate) const SHAPE: [usize; 3] = [24, 48, 2];
pub(crate) const BASELINES: usize = 66;

/// A number from 0 to 1 for each place (splitmix64: Steele, Lea & Flood 2014).
pub(crate) fn random(place: u64) -> f32 {
    let mut x = place.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0x2545_f491_4f6c_dd1d);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
}

fn noise(place: u64) -> Complex32 {
    let r = (-2.0 * (1.0 - random(2 * place)).ln()).sqrt();
    Complex32::from_polar(r, std::f32::consts::TAU * random(2 * place + 1))
}

/// What one baseline sees: `sources` point sources whose fringes turn up to three times over the channels, and noise of
/// standard deviation 1 in each part.
pub(crate) fn baseline(number: usize, sources: usize) -> Vec<Complex32> {
    let [times, channels, correlations] = SHAPE;
    let mut all = Vec::with_capacity(times * channels * correlations);
    for time in 0..times {
        for channel in 0..channels {
            let mut sky = Complex32::default();
            for source in 0..sources {
                let draw = |k: u64| random((1 << 40) | ((number * 64 + source) as u64 * 8 + k));
                let turns = 3.0 * (draw(0) - 0.5) * channel as f32 / channels as f32
                    + (draw(1) - 0.5) * time as f32 / times as f32
                    + draw(2);
                sky += Complex32::from_polar(1.0 + 4.0 * draw(3), std::f32::consts::TAU * turns);
            }
            for correlation in 0..correlations {
                let place = (((number * times + time) * channels + channel) * correlations + correlation) as u64;
                all.push(sky + noise(place));
            }
        }
    }
    all
}

pub(crate) struct Found {
    pub(crate) flags: Vec<Vec<bool>>,
    pub(crate) reasons: Reasons,
}

/// Both passes over all baselines.
pub(crate) fn flag(visibilities: &[Vec<Complex32>], settings: &Settings) -> Found {
    let mut flags = vec![vec![false; visibilities[0].len()]; visibilities.len()];
    let mut scratch = Scratch::default();
    let mut survey = ArraySurvey::new(SHAPE);
    for (visibilities, flags) in visibilities.iter().zip(&flags) {
        let mut copy = flags.clone();
        let mut block = Block::new(SHAPE, visibilities, &mut copy).expect("shape");
        flag_simple(&mut block, false, settings);
        survey.add(&block, &mut scratch).expect("shape");
    }
    let array = settings.array.as_ref().map_or_else(|| ArrayMask::empty(SHAPE), |how| survey.find(how));
    let mut reasons = Reasons::default();
    for (visibilities, flags) in visibilities.iter().zip(&mut flags) {
        let mut block = Block::new(SHAPE, visibilities, flags).expect("shape");
        reasons += flag_simple(&mut block, false, settings);
        reasons += flag_baseline(&mut block, &array, settings, &mut scratch).expect("shape");
    }
    Found { flags, reasons }
}

/// The fractions of what is in `truth` and of what is not that are flagged.
pub(crate) fn fractions(found: &Found, truth: impl Fn(usize, usize, usize) -> bool) -> (f64, f64) {
    let [_, channels, correlations] = SHAPE;
    let (mut hit, mut bad, mut wrong, mut clean) = (0_u32, 0_u32, 0_u32, 0_u32);
    for (number, flags) in found.flags.iter().enumerate() {
        for (place, &flag) in flags.iter().enumerate() {
            let (time, channel) = (place / (channels * correlations), place / correlations % channels);
            if truth(number, time, channel) {
                bad += 1;
                hit += u32::from(flag);
            } else {
                clean += 1;
                wrong += u32::from(flag);
            }
        }
    }
    (f64::from(hit) / f64::from(bad.max(1)), f64::from(wrong) / f64::from(clean.max(1)))
}
