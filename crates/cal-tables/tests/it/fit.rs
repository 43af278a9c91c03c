use cal_tables::{Complex32, Error, InterpolateOptions, Interpolator, Kind, Target};

use crate::{row, subtables, table, target};

fn refusal(table: &cal_tables::CalTable, target: &Target<'_>) -> String {
    match Interpolator::new(table, "night.gcal", target, InterpolateOptions::default()) {
        Err(error @ Error::DoesNotFit { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it fits"),
    }
}

#[test]
fn tables_that_do_not_fit_are_refused_with_what_does_not() {
    let set = subtables(2, &[(1.4e9, 4)]);
    let mut gains = table(Kind::Bandpass, &set);
    (0..2).for_each(|antenna| gains.rows.push(row(5.2e9, antenna, 4, |_, _| Complex32::ONE)));
    assert!(Interpolator::new(&gains, "g", &target(&set), InterpolateOptions::default()).is_ok());

    let more = subtables(3, &[(1.4e9, 4)]);
    assert!(refusal(&gains, &target(&more)).contains("antenna 2 `A2` is not among the 2 antennas"));
    // Without data it does not matter.
    let idle = Target { with_data: &[true, true, false], ..target(&more) };
    assert!(Interpolator::new(&gains, "g", &idle, InterpolateOptions::default()).is_ok());

    let mut moved = set.clone();
    moved.antennas[1].position_m[0] += 500.0;
    assert!(refusal(&gains, &target(&moved)).contains("500 m from where the table has it"));

    let other_band = subtables(2, &[(1.2e9, 4)]);
    assert!(refusal(&gains, &target(&other_band)).contains("1199.878 to 1200.854 MHz"));

    let late = Target { time_range: (5.2e9 + 86_400.0, 5.2e9 + 86_700.0), ..target(&set) };
    assert!(refusal(&gains, &late).contains("24.0 h before the data"));
}

#[test]
fn one_window_of_gains_serves_all_and_antennas_are_found_by_name() {
    let solved = subtables(2, &[(1.4e9, 4)]);
    let mut gains = table(Kind::Gain, &solved);
    (0..2).for_each(|a| gains.rows.push(row(5.2e9, a, 1, |_, _| Complex32::new(1.0 + a as f32, 0.0))));
    let mut set = subtables(2, &[(1.4e9, 4), (1.45e9, 4)]);
    set.antennas.swap(0, 1);
    let second = Target { number: 1, window: &set.windows[1], ..target(&set) };
    let found = Interpolator::new(&gains, "g", &second, InterpolateOptions::default()).expect("it fits");
    let (mut now, mut powers) = (vec![Complex32::ONE; 16], vec![1.0; 4]);
    found.multiply(5.2e9, &mut now, &mut powers);
    assert_eq!((now[0].re, now[8].re), (2.0, 1.0), "by name, not by number");
}
