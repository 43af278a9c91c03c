use cal_tables::{Complex32, FlaggedChannels, InTime, InterpolateOptions, Interpolator, Kind, MsSubtables, Values};

use crate::{row, subtables, table, target};

/// Gains of antenna 0, `[receptor, channel]`, and its powers.
fn at(interpolator: &Interpolator, set: &MsSubtables, time_s: f64) -> (Vec<Complex32>, Vec<f32>) {
    let channels = set.windows[0].len();
    let antennas = set.antennas.len();
    let (mut gains, mut powers) = (vec![Complex32::ONE; antennas * 2 * channels], vec![1.0; antennas * 2]);
    interpolator.multiply(time_s, &mut gains, &mut powers);
    (gains[..2 * channels].to_vec(), powers[..2].to_vec())
}

fn near(a: Complex32, b: Complex32) {
    assert!((a - b).norm() < 1e-5, "{a} {b}");
}

#[test]
fn phases_go_the_short_way_and_ends_hold() {
    let set = subtables(1, &[(1.4e9, 2)]);
    let mut gains = table(Kind::Gain, &set);
    for (time, phase) in [(0.0, 3.0_f32), (100.0, -3.0)] {
        gains
            .rows
            .push(row(5.2e9 + time, 0, 1, |_, p| Complex32::from_polar(1.0 + p as f32 + time as f32 / 100.0, phase)));
    }
    let linear = Interpolator::new(&gains, "g", &target(&set), InterpolateOptions::default()).expect("it fits");
    let half = (std::f32::consts::TAU - 6.0) / 2.0;
    near(at(&linear, &set, 5.2e9 + 50.0).0[0], Complex32::from_polar(1.5, 3.0 + half));
    near(at(&linear, &set, 5.2e9 - 50.0).0[3], Complex32::from_polar(2.0, 3.0));
    near(at(&linear, &set, 5.2e9 + 500.0).0[3], Complex32::from_polar(3.0, -3.0));
    assert!((at(&linear, &set, 5.2e9 + 50.0).1[0] - 2.25).abs() < 1e-5);
    let nearest = InterpolateOptions { time: InTime::Nearest, ..InterpolateOptions::default() };
    let nearest = Interpolator::new(&gains, "g", &target(&set), nearest).expect("it fits");
    near(at(&nearest, &set, 5.2e9 + 49.0).0[0], Complex32::from_polar(1.0, 3.0));
    near(at(&nearest, &set, 5.2e9 + 51.0).0[0], Complex32::from_polar(2.0, -3.0));
}

#[test]
fn flagged_times_are_passed_over_and_antennas_without_solution_have_none() {
    let set = subtables(2, &[(1.4e9, 2)]);
    let mut gains = table(Kind::Gain, &set);
    for (k, amplitude) in [1.0, 9.0, 3.0].into_iter().enumerate() {
        let mut solution = row(5.2e9 + 50.0 * k as f64, 0, 1, |_, _| Complex32::new(amplitude, 0.0));
        solution.flags[0] = k == 1;
        gains.rows.push(solution);
    }
    let linear = Interpolator::new(&gains, "g", &target(&set), InterpolateOptions::default()).expect("it fits");
    let (now, _) = at(&linear, &set, 5.2e9 + 50.0);
    near(now[0], Complex32::new(2.0, 0.0));
    near(now[2], Complex32::new(9.0, 0.0));
    let (mut all, mut powers) = (vec![Complex32::ONE; 8], vec![1.0; 4]);
    linear.multiply(5.2e9, &mut all, &mut powers);
    assert_eq!(all[4..], [Complex32::ZERO; 4], "antenna 1");
    assert_eq!(powers[2..], [1.0; 2]);
}

#[test]
fn flagged_channels_are_filled_or_left_out_and_do_not_count_for_the_weight() {
    let set = subtables(1, &[(1.4e9, 5)]);
    let mut bandpass = table(Kind::Bandpass, &set);
    let mut solution = row(5.2e9, 0, 5, |c, _| Complex32::from_polar(1.0 + c as f32, 0.1 * c as f32));
    for channel in [0, 2] {
        solution.flags[2 * channel] = true;
    }
    bandpass.rows.push(solution);
    let filled = Interpolator::new(&bandpass, "b", &target(&set), InterpolateOptions::default()).expect("it fits");
    let (gains, powers) = at(&filled, &set, 5.2e9);
    near(gains[0], Complex32::from_polar(2.0, 0.1));
    near(gains[2], Complex32::from_polar(3.0, 0.2));
    assert!((powers[0] - (4.0 + 16.0 + 25.0) / 3.0).abs() < 1e-5, "CASA's calwt: {}", powers[0]);
    let left = InterpolateOptions { flagged_channels: FlaggedChannels::Flag, ..InterpolateOptions::default() };
    let left = Interpolator::new(&bandpass, "b", &target(&set), left).expect("it fits");
    let (gains, _) = at(&left, &set, 5.2e9);
    assert_eq!([gains[0], gains[2]], [Complex32::ZERO; 2]);
    near(gains[7], Complex32::from_polar(3.0, 0.2));
}

#[test]
fn delays_turn_about_the_first_frequency_of_the_table() {
    let set = subtables(1, &[(1.4e9, 5)]);
    let mut delays = table(Kind::Delay, &set);
    let mut solution = row(5.2e9, 0, 1, |_, _| Complex32::ONE);
    solution.values = Values::Delays(vec![10.0, 0.0]);
    delays.rows.push(solution);
    let gains = Interpolator::new(&delays, "k", &target(&set), InterpolateOptions::default()).expect("it fits");
    let (now, powers) = at(&gains, &set, 5.2e9);
    // The table's one channel is the middle of the window: its third channel.
    near(now[2], Complex32::ONE);
    near(now[4], Complex32::from_polar(1.0, std::f32::consts::TAU * 10e-9 * 2.0 * 244_140.6));
    near(now[9], Complex32::ONE);
    assert_eq!(powers, [1.0; 2]);
}

#[test]
fn bandpasses_are_interpolated_onto_other_channels() {
    let solved = subtables(1, &[(1.4e9, 5)]);
    let mut bandpass = table(Kind::Bandpass, &solved);
    bandpass.rows.push(row(5.2e9, 0, 5, |c, _| Complex32::new(1.0 + c as f32, 0.0)));
    let set = subtables(1, &[(1.4e9 + 0.5 * 244_140.625, 4)]);
    let gains = Interpolator::new(&bandpass, "b", &target(&set), InterpolateOptions::default()).expect("it fits");
    near(at(&gains, &set, 5.2e9).0[1], Complex32::new(2.5, 0.0));
}

#[test]
fn a_delay_that_is_no_number_is_no_solution() {
    let set = subtables(1, &[(1.4e9, 5)]);
    let mut delays = table(Kind::Delay, &set);
    for (time, nanoseconds) in [(0.0, 10.0), (50.0, f32::NAN), (100.0, 10.0)] {
        let mut solution = row(5.2e9 + time, 0, 1, |_, _| Complex32::ONE);
        solution.values = Values::Delays(vec![nanoseconds, f32::INFINITY]);
        delays.rows.push(solution);
    }
    let gains = Interpolator::new(&delays, "k", &target(&set), InterpolateOptions::default()).expect("it fits");
    let (now, _) = at(&gains, &set, 5.2e9 + 40.0);
    near(now[4], Complex32::from_polar(1.0, std::f32::consts::TAU * 10e-9 * 2.0 * 244_140.6));
    assert_eq!(now[5..], [Complex32::ZERO; 5], "the other receptor has no delay at all");
}
