//! Outliers, flags, damage, and arrays that cannot be solved.

use gain_solve::{
    Averages, Bands, Complex32, Error, Failed, Mode, Options, Reweight, Row, Shape, Weights, refer, solve,
};

use crate::observation::{Observation, Setup};

/// Greatest relative error of amplitude and greatest error of phase (radians), root mean square over antennas.
fn errors(observation: &Observation, solutions: &gain_solve::Solutions, reference: usize) -> (f64, f64) {
    let (mut amplitude, mut phase, mut count) = (0.0, 0.0, 0.0);
    for ((receptor, group, antenna), gain) in solutions.gains.indexed_iter() {
        let channel = observation.bands.groups[group].start;
        let turn = observation.gain(receptor, channel, reference);
        let want = observation.gain(receptor, channel, antenna) * turn.conj() / turn.norm();
        let ratio = gain / want;
        amplitude += (ratio.norm() - 1.0).powi(2);
        phase += ratio.arg().powi(2);
        count += 1.0;
    }
    ((amplitude / count).sqrt(), (phase / count).sqrt())
}

#[test]
fn a_tenth_of_outliers_costs_nothing_with_two_rounds_of_reweighting() {
    let setup = Setup {
        antennas: 24,
        times: 6,
        channels: 96,
        group: 48,
        noise: 0.07,
        outliers: 0.1,
        flagged: 0.03,
        ..Setup::default()
    };
    let observation = Observation::new(&setup);
    let mut solutions = [solve(&observation.averages(50, None), &Options::default()).expect("solutions")];
    refer(&mut solutions, &[3]);
    let plain = errors(&observation, &solutions[0], 3);
    for _ in 0..2 {
        let sigma = observation.residuals(&solutions[0]).sigma().expect("residuals");
        let how = Reweight::new(sigma, 5.0).expect("a scale");
        let again = observation.averages(50, Some((&solutions[0], how)));
        solutions = [solve(&again, &Options::default()).expect("solutions")];
        refer(&mut solutions, &[3]);
    }
    let (amplitude, phase) = errors(&observation, &solutions[0], 3);
    assert!(plain.0 > 0.02, "outliers do harm: {plain:?}");
    assert!(amplitude < 0.002 && phase.to_degrees() < 0.1, "{amplitude} {}", phase.to_degrees());
    // The scale is the noise that was put in.
    let residual = solutions[0].cells[[0, 0]].residual;
    assert!((residual / 0.07 - 1.0).abs() < 0.15, "{residual}");
}

#[test]
fn errors_are_as_large_as_they_are_said_to_be() {
    let observation =
        Observation::new(&Setup { antennas: 16, times: 1, channels: 128, noise: 0.1, ..Setup::default() });
    let mut solutions = [solve(&observation.averages(50, None), &Options::default()).expect("solutions")];
    refer(&mut solutions, &[0]);
    let (mut square, mut count) = (0.0_f64, 0.0);
    for ((receptor, group, antenna), gain) in solutions[0].gains.indexed_iter() {
        // The amplitude, which no reference touches.
        let error = gain.norm() - observation.gain(receptor, group, antenna).norm();
        square += (error / solutions[0].sigma[[receptor, group, antenna]]).powi(2);
        count += 1.0;
    }
    let ratio = (square / count).sqrt();
    assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
}

#[test]
fn values_that_are_no_numbers_count_as_flagged() {
    let setup = Setup { antennas: 10, ..Setup::default() };
    let bad = [Complex32::new(f32::NAN, 0.0), Complex32::new(2.66e36, 0.0), Complex32::new(0.0, f32::INFINITY)];
    let mut damaged = Observation::new(&setup);
    let hit =
        |[a, b]: [usize; 2], channel: usize, correlation: usize| (a + 2 * b + channel + correlation).is_multiple_of(7);
    damaged.set(|antennas, channel, correlation| hit(antennas, channel, correlation).then_some(bad[channel % 3]));
    let mut flagged = Observation::new(&setup);
    flagged.flag(hit);
    let [a, b] = [damaged, flagged].map(|o| solve(&o.averages(9, None), &Options::default()).expect("solutions"));
    assert!(a.gains.iter().zip(&b.gains).all(|(a, b)| a == b && a.norm().is_finite()));
}

#[test]
fn one_value_that_would_overflow_the_sums_costs_only_itself() {
    let observation = Observation::new(&Setup { antennas: 6, ..Setup::default() });
    // Neither the visibility nor its weight is out of the way; their product is no `f32`.
    let all = |odd: Option<f32>| {
        let mut averages = Averages::new(Shape { antennas: 6, receptors: 1, groups: 1 });
        let bands = Bands { correlations: 1, hands: vec![0], groups: std::iter::once(0..4).collect(), first_group: 0 };
        let mut part = averages.parts(usize::MAX).next().expect("one part");
        for j in 1..6 {
            for i in 0..j {
                let g = observation.gain(0, 0, i) * observation.gain(0, 0, j).conj();
                let mut vis = [Complex32::new(g.re as f32, g.im as f32); 4];
                let mut flags = [false; 4];
                if (i, j) == (1, 3) {
                    match odd {
                        Some(odd) => vis[2].re = odd,
                        None => flags[2] = true,
                    }
                }
                let (model, weights) = ([Complex32::ONE; 4], [1e12]);
                let weights = Weights::Correlation(&weights);
                let row = Row {
                    antennas: [i, j],
                    vis: &vis,
                    model: &model,
                    flags: &flags,
                    weights,
                    known: None,
                    solved: None,
                };
                part.add(&row, &bands, None);
            }
        }
        drop(part);
        solve(&averages, &Options::default()).map(|solutions| solutions.gains)
    };
    assert_eq!(all(Some(9e14)), all(None));
}

#[test]
fn dead_antennas_have_no_solution_and_harm_no_other() {
    let mut observation = Observation::new(&Setup { noise: 0.01, ..Setup::default() });
    observation.flag(|antennas, channel, _| antennas.contains(&1) || (antennas.contains(&6) && channel == 3));
    let mut solutions = [solve(&observation.averages(9, None), &Options::default()).expect("solutions")];
    refer(&mut solutions, &[0]);
    let usable = |group, antenna| solutions[0].usable[[0, group, antenna]];
    assert!(!usable(0, 1) && usable(2, 6) && !usable(3, 6) && usable(3, 7));
    let turn = observation.gain(0, 3, 0);
    let want = observation.gain(0, 3, 7) * turn.conj() / turn.norm();
    assert!((solutions[0].gains[[0, 3, 7]] - want).norm() < 0.03);
}

#[test]
fn what_cannot_be_solved_is_said() {
    let options = Options::default();
    let all = |o: &Observation| o.averages(9, None);
    let mut flagged = Observation::new(&Setup::default());
    flagged.flag(|_, _, _| true);
    assert_eq!(solve(&all(&flagged), &options).err(), Some(Error::NoData));
    let mut zero = Observation::new(&Setup::default());
    zero.set_model(Complex32::ZERO);
    assert_eq!(solve(&all(&zero), &options).err(), Some(Error::ZeroModel));
    let one = Observation::new(&Setup { antennas: 1, ..Setup::default() });
    assert_eq!(solve(&all(&one), &options).err(), Some(Error::TooFewAntennas { antennas: 1, needed: 2 }));
    // Three antennas have two baselines each.
    let three = solve(&all(&Observation::new(&Setup { antennas: 3, ..Setup::default() })), &options).expect("cells");
    assert_eq!(three.cells[[0, 0]].failed, Some(Failed::TooFewBaselines));
    assert_eq!(three.good(), (0, 2 * 8 * 3));
    let three = Observation::new(&Setup { antennas: 3, ..Setup::default() });
    let loose = Options { min_baselines: 2, ..options };
    assert!(solve(&all(&three), &loose).expect("cells").good().0 > 0, "three make a loop");
    // Two antennas: phases only.
    let two = Observation::new(&Setup { antennas: 2, ..Setup::default() });
    let loose = Options { min_baselines: 1, ..options };
    assert_eq!(solve(&all(&two), &loose).expect("cells").cells[[0, 0]].failed, Some(Failed::NoLoop));
    let phases = solve(&all(&two), &Options { mode: Mode::Phase, ..loose }).expect("cells");
    assert_eq!(phases.cells[[0, 0]].failed, None);
}

#[test]
fn the_larger_of_two_arrays_that_nothing_connects_is_solved() {
    let mut observation = Observation::new(&Setup { antennas: 11, ..Setup::default() });
    observation.flag(|[a, b], _, _| (a < 5) != (b < 5));
    let solutions = solve(&observation.averages(9, None), &Options::default()).expect("solutions");
    for antenna in 0..11 {
        assert_eq!(solutions.usable[[0, 0, antenna]], antenna >= 5, "{antenna}");
    }
}

#[test]
fn weak_solutions_are_flagged() {
    let observation = Observation::new(&Setup { noise: 3.0, times: 1, ..Setup::default() });
    let solutions =
        solve(&observation.averages(9, None), &Options { min_snr: 1e3, ..Options::default() }).expect("cells");
    assert_eq!(solutions.good().0, 0);
}
