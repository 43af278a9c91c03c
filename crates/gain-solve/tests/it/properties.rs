//! What must not change the gains.

use gain_solve::{Complex64, Mode, Options, Solutions, dense::gauss_newton, refer, solve};
use proptest::prelude::*;

use crate::observation::{Observation, Setup};

fn tight() -> Options {
    Options { min_snr: 0.0, tolerance: 1e-10, ..Options::default() }
}

fn solved(observation: &Observation, chain: &[usize]) -> Solutions {
    let mut solutions = [solve(&observation.averages(5, None), &tight()).expect("solutions")];
    refer(&mut solutions, chain);
    let [solutions] = solutions;
    solutions
}

fn same(a: Complex64, b: Complex64, tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert!((a - b).norm() <= tolerance, "{a} {b}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn gains_equal_those_of_dense_normal_equations(
        seed in any::<u64>(), antennas in 5_usize..12, missing in 0.0..0.2, group in 1_usize..4, reference in 0_usize..5,
    ) {
        let setup = Setup { antennas, missing, flagged: 0.05, group, channels: 6, seed, ..Setup::default() };
        let observation = Observation::new(&setup);
        let averages = observation.averages(usize::MAX, None);
        let solutions = solved(&observation, &[reference]);
        for ((receptor, group), report) in solutions.cells.indexed_iter() {
            if report.antennas < antennas || report.reference != Some(reference) {
                continue; // An antenna with fewer than four baselines: the dense way has no rule for it.
            }
            let dense = gauss_newton(&averages, receptor, group, reference).expect("regular equations");
            for (antenna, &want) in dense.iter().enumerate() {
                same(solutions.gains[[receptor, group, antenna]], want, 1e-6)?;
            }
        }
    }

    #[test]
    fn any_reference_antenna_gives_the_same_but_for_a_phase(seed in any::<u64>(), a in 0_usize..8, b in 0_usize..8) {
        let observation = Observation::new(&Setup { seed, ..Setup::default() });
        let (first, second) = (solved(&observation, &[a]), solved(&observation, &[b]));
        for ((receptor, group, antenna), &gain) in first.gains.indexed_iter() {
            let turn = second.gains[[receptor, group, a]];
            same(gain, second.gains[[receptor, group, antenna]] * turn.conj() / turn.norm(), 1e-9)?;
            prop_assert!(second.gains[[receptor, group, b]].im == 0.0);
        }
    }

    #[test]
    fn permuted_antennas_give_permuted_gains(seed in any::<u64>(), shift in 1_usize..8, stride in prop::sample::select(vec![1_usize, 3, 5, 7])) {
        let number: Vec<usize> = (0..8).map(|k| (k * stride + shift) % 8).collect();
        let setup = Setup { seed, ..Setup::default() };
        let plain = solved(&Observation::new(&setup), &[2]);
        let other = solved(&Observation::new(&setup).renumbered(&number), &[number[2]]);
        for ((receptor, group, antenna), &gain) in plain.gains.indexed_iter() {
            same(gain, other.gains[[receptor, group, number[antenna]]], 1e-6)?;
        }
    }

    #[test]
    fn one_window_or_sixteen_give_the_same(seed in any::<u64>()) {
        let observation = Observation::new(&Setup { channels: 32, group: 2, seed, ..Setup::default() });
        let whole = solved(&observation, &[0]);
        for window in 0..16 {
            let part = solved(&observation.window(window * 2..window * 2 + 2), &[0]);
            for ((receptor, _, antenna), &gain) in part.gains.indexed_iter() {
                same(gain, whole.gains[[receptor, window, antenna]], 1e-7)?;
            }
        }
    }

    #[test]
    fn the_number_of_parts_changes_no_bit(seed in any::<u64>(), part in 1_usize..40) {
        let observation = Observation::new(&Setup { seed, flagged: 0.1, ..Setup::default() });
        let (whole, parts) = (observation.averages(usize::MAX, None), observation.averages(part, None));
        let (a, b) = (solve(&whole, &tight()).expect("a"), solve(&parts, &tight()).expect("b"));
        prop_assert!(a.gains.iter().zip(&b.gains).all(|(a, b)| a == b));
    }
}

#[test]
fn threads_change_no_bit() {
    let averages = Observation::new(&Setup { channels: 64, ..Setup::default() }).averages(9, None);
    let with = |threads| {
        let pool = rayon_pool(threads);
        pool.install(|| solve(&averages, &Options::default())).expect("solutions")
    };
    let (one, three) = (with(1), with(3));
    assert!(one.gains.iter().zip(&three.gains).all(|(a, b)| a == b));
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool")
}

#[test]
fn phases_are_those_of_the_full_solution_and_amplitudes_are_one() {
    let averages = Observation::new(&Setup::default()).averages(9, None);
    let full = solve(&averages, &Options::default()).expect("solutions");
    let phase = solve(&averages, &Options { mode: Mode::Phase, ..Options::default() }).expect("phases");
    for (a, b) in full.gains.iter().zip(&phase.gains) {
        assert!((a / a.norm() - b).norm() < 1e-9 && (b.norm() - 1.0).abs() < 1e-12);
    }
}
