use std::path::Path;

use astrometry::{EarthOrientation, Error, JulianDate};

use crate::reference;

const ARCSEC: f64 = std::f64::consts::PI / (180.0 * 3600.0);

#[test]
fn the_snapshot_gives_the_values_of_astropy_inside_and_beyond_its_span() {
    let orientation = EarthOrientation::bundled();
    for r in reference::all() {
        let now = orientation.at(r.time);
        assert!((now.ut1_utc_s - r.ut1_utc_s).abs() < 1e-9, "{:?}: {} {}", r.time, now.ut1_utc_s, r.ut1_utc_s);
        assert!((now.pole_x_rad / ARCSEC - r.pole_arcsec[0]).abs() < 1e-8, "{:?}", r.time);
        assert!((now.pole_y_rad / ARCSEC - r.pole_arcsec[1]).abs() < 1e-8, "{:?}", r.time);
        assert_eq!(orientation.covers(r.time), r.time.0 < 2_461_707.5, "{:?}", r.time);
    }
}

#[test]
fn the_span_is_stated() {
    let orientation = EarthOrientation::bundled();
    let (first, last) = orientation.span();
    assert_eq!(first, JulianDate(2_453_371.5));
    assert!(orientation.covers(first) && !orientation.covers(last) && !orientation.covers(JulianDate(first.0 - 1e-6)));
    assert!(first.0 < orientation.first_prediction().0 && orientation.first_prediction().0 < last.0);
    assert_eq!(orientation.at(last), orientation.at(JulianDate(last.0 + 1000.0)));
    assert_eq!(orientation.at(first), orientation.at(JulianDate(first.0 - 1000.0)));
}

/// Three days around the leap second of 2017 and two predictions, as the IERS writes them.
const FINALS: &str = include_str!("../data/finals2000A-excerpt.txt");

fn write(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    file
}

#[test]
fn the_file_of_the_iers_is_read_by_columns() {
    let orientation = EarthOrientation::from_file(write(FINALS).path()).expect("a good file");
    assert_eq!(orientation.span(), (JulianDate(2_457_752.5), JulianDate(2_457_756.5)));
    assert_eq!(orientation.first_prediction(), JulianDate(2_457_755.5));
    // Bulletin B where it is present, halfway between two days.
    let now = orientation.at(JulianDate(2_457_753.0));
    assert!((now.ut1_utc_s + 0.407_335_3).abs() < 1e-9, "{now:?}");
    // Across the leap second: the difference without the jump.
    let now = orientation.at(JulianDate(2_457_754.25));
    assert!((now.ut1_utc_s + 0.408_466_875).abs() < 1e-9, "{now:?}");
}

#[test]
fn a_wrong_file_is_an_error_with_its_line() {
    let cases: [(&str, usize); 6] = [
        ("", 1),
        ("hello\nworld\n", 1),
        (&FINALS.replace("57753.00", "57753.50"), 2),
        (&FINALS.replace("57754.00", "57759.00"), 3),
        // A day without values is the file's end, not a hole in it.
        (&FINALS.replace("0.263145", "x.xxxxxx"), 4),
        (FINALS.lines().next().expect("a line"), 1),
    ];
    for (text, expected) in cases {
        match EarthOrientation::from_file(write(text).path()) {
            Err(Error::Format { line, .. }) => assert_eq!(line, expected),
            other => panic!("{other:?} for {text}"),
        }
    }
    assert!(matches!(EarthOrientation::from_file(Path::new("/nonexistent")), Err(Error::Read { .. })));
}
