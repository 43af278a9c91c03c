use flagger::{Search, Settings};
use num_complex::Complex32;

use crate::planes::{BASELINES, SHAPE, baseline, flag, fractions, random};

/// A sky of `sources`, with interference of this amplitude and any phase where `truth` says.
fn contaminated(sources: usize, amplitude: f32, truth: impl Fn(usize, usize, usize) -> bool) -> Vec<Vec<Complex32>> {
    let [_, channels, correlations] = SHAPE;
    (0..BASELINES)
        .map(|number| {
            let mut visibilities = baseline(number, sources);
            for (place, value) in visibilities.iter_mut().enumerate() {
                if truth(number, place / (channels * correlations), place / correlations % channels) {
                    let turns = random((7 << 50) | (number * 5000 + place) as u64);
                    *value += Complex32::from_polar(amplitude, std::f32::consts::TAU * turns);
                }
            }
            visibilities
        })
        .collect()
}

#[test]
fn clean_data_are_left_alone() {
    for sources in [0, 1, 3, 10] {
        let found = flag(&contaminated(sources, 0.0, |_, _, _| false), &Settings::default());
        let (_, wrong) = fractions(&found, |_, _, _| false);
        assert!(wrong < 0.002, "{sources} sources: {wrong}");
    }
}

/// Whether there is interference at a baseline, integration and channel.
type Truth<'a> = &'a dyn Fn(usize, usize, usize) -> bool;

/// Kinds of strong interference that all baselines see, alone and together.
#[test]
fn interference_of_every_kind_is_found() {
    let narrow = |_: usize, _: usize, channel: usize| channel == 11 || channel == 30;
    let burst = |_: usize, time: usize, _: usize| time == 5 || time == 17;
    let broad = |_: usize, time: usize, channel: usize| (8..14).contains(&time) && (16..36).contains(&channel);
    let intermittent = |_: usize, time: usize, channel: usize| channel == 40 && time.is_multiple_of(3);
    let together =
        |n: usize, t: usize, c: usize| narrow(n, t, c) || burst(n, t, c) || broad(n, t, c) || intermittent(n, t, c);
    let kinds: [(&str, Truth<'_>); 5] = [
        ("narrow", &narrow),
        ("burst", &burst),
        ("broad", &broad),
        ("intermittent", &intermittent),
        ("together", &together),
    ];
    for sources in [0, 3, 10] {
        for (name, truth) in kinds {
            let found = flag(&contaminated(sources, 50.0, truth), &Settings::default());
            let (hit, wrong) = fractions(&found, truth);
            assert!(hit >= 0.95 && wrong <= 0.02, "{name}, {sources} sources: found {hit}, wrong {wrong}");
        }
    }
}

#[test]
fn what_only_one_baseline_sees_is_found_there() {
    let truth = |number: usize, time: usize, channel: usize| number == 20 && ((3..6).contains(&time) || channel == 33);
    let found = flag(&contaminated(3, 60.0, truth), &Settings::default());
    let (hit, wrong) = fractions(&found, truth);
    assert!(hit >= 0.95 && wrong < 0.002, "found {hit}, wrong {wrong}");
    assert!(found.reasons.outlier > 0 && found.reasons.array < found.reasons.outlier);
}

#[test]
fn weak_interference_shows_in_the_mean_of_all_baselines_only() {
    let truth = |_: usize, _: usize, channel: usize| channel == 11;
    let visibilities = contaminated(0, 2.0, truth);
    let alone = flag(&visibilities, &Settings { array: None, ..Settings::default() });
    assert!(fractions(&alone, truth).0 < 0.5, "no baseline by itself can tell");
    let (hit, wrong) = fractions(&flag(&visibilities, &Settings::default()), truth);
    assert!(hit > 0.95 && wrong < 0.002, "found {hit}, wrong {wrong}");
}

#[test]
fn a_permutation_of_the_baselines_gives_the_same_flags() {
    let truth = |_: usize, time: usize, channel: usize| channel == 11 || time == 3;
    let mut visibilities = contaminated(3, 40.0, truth);
    let forwards = flag(&visibilities, &Settings::default());
    visibilities.reverse();
    let mut backwards = flag(&visibilities, &Settings::default()).flags;
    backwards.reverse();
    assert_eq!(forwards.flags, backwards);
}

#[test]
fn extension_reaches_the_real_neighbours() {
    let truth = |number: usize, time: usize, channel: usize| number == 4 && time == 10 && channel == 20;
    let visibilities = contaminated(0, 100.0, truth);
    let settings = Settings { extend_times: 2, extend_channels: 1, ..Settings::default() };
    let plain = flag(&visibilities, &Settings::default());
    let extended = flag(&visibilities, &settings);
    let [_, channels, correlations] = SHAPE;
    let added: Vec<[usize; 2]> = (0..plain.flags[4].len())
        .filter(|&place| extended.flags[4][place] && !plain.flags[4][place] && place % correlations == 0)
        .map(|place| [place / (channels * correlations), place / correlations % channels])
        .collect();
    assert_eq!(added, [[8, 20], [9, 20], [10, 19], [10, 21], [11, 20], [12, 20]]);
}

#[test]
fn short_and_narrow_blocks_are_searched_or_left_alone() {
    use flagger::{Scratch, search};
    let how = Search { sigmas: 6.0, floor: 0.01, longest: 32, rounds: 3 };
    for (times, channels) in [(0, 0), (1, 1), (1, 7), (7, 1), (1, 400), (400, 1), (2, 3)] {
        let mut amplitudes: Vec<f32> = (0..times * channels).map(|i| 1.0 + 0.1 * random(i as u64)).collect();
        let mut mask = vec![false; amplitudes.len()];
        search(&amplitudes, &mut mask, [times, channels], &how, &mut Scratch::default());
        assert!(mask.iter().all(|&masked| !masked), "{times} × {channels}: clean");
        if let Some(last) = amplitudes.last_mut() {
            *last = 100.0;
        }
        search(&amplitudes, &mut mask, [times, channels], &how, &mut Scratch::default());
        assert_eq!(mask.last().copied().unwrap_or(false), times * channels >= 8, "{times} × {channels}");
    }
}

#[test]
fn one_enormous_value_takes_no_neighbour_with_it() {
    // Beside 1e9 the noise of its whole row is less than a digit of an `f32` sum.
    for enormous in [1e6, 1e9, 1e14] {
        let truth = |number: usize, time: usize, channel: usize| (number, time, channel) == (7, 4, 5);
        let found = flag(&contaminated(1, enormous, truth), &Settings { fill: 1.0, ..Settings::default() });
        let (hit, wrong) = fractions(&found, truth);
        assert!(hit == 1.0 && wrong < 0.002, "{enormous}: found {hit}, wrong {wrong}");
        let beside = found.flags[7].iter().filter(|&&flag| flag).count();
        assert!(beside < 12, "{enormous}: {beside} of that baseline");
    }
}
