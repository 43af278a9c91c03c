use ms_writer::vis_types::*;
use ms_writer::{Centre, MsOptions};

use crate::made;
use crate::phases::assert_shows;

/// Writes two integrations around a time and checks times, phases and the mid-time centre.
fn check(jd: f64, covered: bool) {
    let mut header = made::header(2);
    let times = made::times_from(jd - made::INTERVAL_S / 172_800.0, 2);
    let baselines = header.rows.grid_baselines().expect("a grid").to_vec();
    header.rows = RowAxis::grid(times.clone(), vec![made::INTERVAL_S; 2], baselines.clone());
    let towards = made::source(&header);
    let made = made::write(&header, &MsOptions { centre: Centre::At(towards), ..made::small_tiles() }, |_| {});
    assert_shows(&made, &header, towards, 2e-6);
    assert_eq!(made.summary.earth_orientation_covers, covered);
    let seconds: Vec<f64> = made.column("TIME");
    for (r, &s) in seconds.iter().enumerate() {
        assert_eq!(s, (times[r / baselines.len()].0 - 2_400_000.5) * 86_400.0);
    }
    let made = made::write(&header, &made::small_tiles(), |_| {});
    let ha = made::at_middle(&header).hour_angle(made.summary.fields[0].direction).expect("ICRS");
    assert!(ha.abs() < 1e-9);
}

#[test]
fn leap_seconds_midnight_and_the_end_of_the_earths_known_turning() {
    check(2_456_109.5, true); // 2012-07-01T00:00, after a leap second
    check(2_457_754.5, true); // 2017-01-01T00:00, after a leap second
    check(2_461_065.5, true); // 0 h UT
    check(2_462_502.5, false); // 2030: beyond the snapshot
    check(2_452_000.5, false); // 2001: before it
}

#[test]
fn right_ascension_zero_is_crossed() {
    // Find a time when the sky turns through 0 h above the site.
    let day = 2_461_065.5;
    let last = |jd: f64| made::sky(JulianDate(jd)).last_rad();
    let (mut low, mut high) = (0.0, (std::f64::consts::TAU - last(day)) / std::f64::consts::TAU * 0.9973 + 1e-3);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if last(day + middle) < last(day) { high = middle } else { low = middle }
    }
    assert!(last(day + low) > 6.0 && last(day + high) < 1e-3);
    check(day + high, true);
    // The apparent place of ICRS right ascension 0 passes some minutes later in this century.
    check(day + high + 0.35 / 360.0 * 0.9973, true);
}
