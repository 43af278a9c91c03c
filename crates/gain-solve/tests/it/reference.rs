//! Reference antennas, normalisation and delays.

use gain_solve::{Complex64, Options, Solutions, delays, normalise, refer, solve};

use crate::observation::{Observation, Setup};

fn intervals(count: usize, dead_in: Option<(usize, usize)>) -> Vec<Solutions> {
    (0..count)
        .map(|interval| {
            // The same gains; other noise would need other seeds, so the flags differ only.
            let mut observation = Observation::new(&Setup { noise: 1e-4, ..Setup::default() });
            if let Some((antenna, when)) = dead_in.filter(|dead| dead.1 == interval) {
                assert!(when < count);
                observation.flag(|antennas, _, _| antennas.contains(&antenna));
            }
            solve(&observation.averages(9, None), &Options::default()).expect("solutions")
        })
        .collect()
}

#[test]
fn a_missing_reference_is_stood_in_for_without_a_jump() {
    let mut solutions = intervals(3, Some((2, 1)));
    assert_eq!(refer(&mut solutions, &[2, 5]), [Some(2), Some(2)]);
    let reports: Vec<_> = solutions.iter().map(|s| s.cells[[0, 0]].reference).collect();
    assert_eq!(reports, [Some(2), Some(5), Some(2)]);
    assert!(!solutions[1].usable[[0, 0, 2]]);
    for antenna in [0, 1, 3, 4, 5, 6, 7] {
        let [before, during, after] = [0, 1, 2].map(|k| solutions[k].gains[[0, 0, antenna]]);
        assert!((before - during).norm() < 1e-3 && (after - during).norm() < 1e-3, "{before} {during} {after}");
    }
}

#[test]
fn a_chain_without_solutions_falls_back_to_another_antenna() {
    let mut observation = Observation::new(&Setup::default());
    observation.flag(|antennas, _, _| antennas.contains(&2) || antennas.contains(&3));
    let mut solutions = [solve(&observation.averages(9, None), &Options::default()).expect("solutions")];
    let found = refer(&mut solutions, &[2, 3, 99]);
    assert!(found.iter().all(|r| r.is_some_and(|r| r != 2 && r != 3)), "{found:?}");
}

#[test]
fn a_normalised_bandpass_has_power_one_and_phase_zero_and_lost_nothing_else() {
    let observation = Observation::new(&Setup { channels: 32, noise: 0.001, ..Setup::default() });
    let mut solutions = solve(&observation.averages(9, None), &Options::default()).expect("solutions");
    let before = solutions.clone();
    normalise(&mut solutions, &[0..16, 16..32]);
    for antenna in 0..8 {
        let gains: Vec<Complex64> = (0..16).map(|group| solutions.gains[[1, group, antenna]]).collect();
        let power: f64 = gains.iter().map(Complex64::norm_sqr).sum::<f64>() / 16.0;
        let mean: Complex64 = gains.iter().map(|gain| gain / gain.norm()).sum();
        assert!((power - 1.0).abs() < 1e-12 && mean.im.abs() < 1e-9 && mean.re > 0.0);
        let factor = before.gains[[1, 3, antenna]] / gains[3];
        for (group, gain) in gains.iter().enumerate() {
            assert!((before.gains[[1, group, antenna]] / gain - factor).norm() < 1e-9);
        }
    }
}

#[test]
fn delays_are_found_to_a_thousandth_of_a_turn_over_the_band() {
    let mut solutions =
        solve(&Observation::new(&Setup { channels: 48, ..Setup::default() }).averages(9, None), &Options::default())
            .expect("solutions");
    let freq: Vec<f64> = (0..48).map(|k| 1.4e9 + 244_140.625 * f64::from(k)).collect();
    let band = 48.0 * 244_140.625;
    // Up to a turn over five channels, either way.
    let truth = |antenna: usize| (antenna as f64 - 3.5) * 2.3e-7;
    for ((_, group, antenna), gain) in solutions.gains.indexed_iter_mut() {
        *gain = Complex64::from_polar(1.3, 0.7 + std::f64::consts::TAU * freq[group] * truth(antenna));
    }
    let found = delays(&solutions, 0..48, &freq);
    for antenna in 0..8 {
        assert!(found.usable[[0, antenna]]);
        let error = (found.delay_s[[0, antenna]] - truth(antenna)) * band;
        assert!(error.abs() < 1e-6, "{antenna}: {error} turns");
    }
}
