use astrometry::{Direction, EarthOrientation, Error, Frame, JulianDate, Site, SkyAt};

use crate::reference::{self, STATION_M};

const MAS: f64 = std::f64::consts::PI / (180.0 * 3600.0 * 1000.0);

/// Angle between two directions, radians, exact for small ones.
fn separation(a: [f64; 2], b: [f64; 2]) -> f64 {
    let x = ((a[0] - b[0]) / 2.0).sin() * (a[1].cos() * b[1].cos()).sqrt();
    let y = ((a[1] - b[1]) / 2.0).sin();
    2.0 * x.hypot(y).asin()
}

fn sky(r: &reference::Reference, orientation: &EarthOrientation) -> SkyAt {
    SkyAt::new(&r.site, r.time, orientation).expect("a time of this era")
}

#[test]
fn every_value_of_the_table_agrees() {
    let orientation = EarthOrientation::bundled();
    let mut worst = [0.0_f64; 5];
    for r in reference::all() {
        let sky = sky(&r, &orientation);
        let icrs = Direction::icrs(r.icrs[0], r.icrs[1]);
        let app = sky.to_apparent(icrs).expect("ICRS");
        let pa = sky.frame_position_angle(app, Frame::Icrs).expect("ICRS");
        let uvw = sky.uvw_axes(icrs).expect("ICRS").uvw(STATION_M);
        let ha0 = sky.meridian(r.icrs[1]);
        let differences = [
            ((sky.last_rad() - r.lst + 1.0).rem_euclid(std::f64::consts::TAU) - 1.0).abs() / MAS,
            separation([app.lon_rad, app.lat_rad], r.app) / MAS,
            (pa - r.frame_pa).abs() / MAS,
            (0..3).map(|i| (uvw[i] - r.uvw[i]).abs()).fold(0.0, f64::max),
            separation([ha0.lon_rad, ha0.lat_rad], r.ha0) / MAS,
        ];
        for (w, d) in worst.iter_mut().zip(differences) {
            *w = w.max(d);
        }
    }
    let [lst_mas, app_mas, pa_mas, uvw_m, ha0_mas] = worst;
    assert!(lst_mas < 0.01, "sidereal time: {lst_mas} mas");
    assert!(app_mas < 0.01, "apparent places: {app_mas} mas");
    assert!(pa_mas < 0.01, "position angles: {pa_mas} mas");
    assert!(uvw_m < 1e-6, "UVW: {uvw_m} m");
    assert!(ha0_mas < 0.01, "hour angle 0 in ICRS: {ha0_mas} mas");
}

#[test]
fn there_and_back_is_the_same_direction() {
    let orientation = EarthOrientation::bundled();
    for r in reference::all() {
        let sky = sky(&r, &orientation);
        let icrs = Direction::icrs(r.icrs[0], r.icrs[1]);
        for way in [sky.to_apparent(icrs), sky.to_altaz(icrs)] {
            let back = sky.to_icrs(way.expect("ICRS")).expect("a known frame");
            assert!(separation([back.lon_rad, back.lat_rad], r.icrs) < 1e-3 * MAS, "{:?} {:?}", r.time, r.icrs);
        }
    }
}

#[test]
fn old_frames_are_those_of_astropy() {
    // astropy 8: SkyCoord(83.633°, 22.0145°, frame='fk5' and 'fk4').icrs
    let site = Site { latitude_rad: 0.65, longitude_rad: -2.06, height_m: 1222.0 };
    let sky = SkyAt::new(&site, JulianDate(2_461_065.5), &EarthOrientation::bundled()).expect("a time of this era");
    for (frame, ra_deg, dec_deg, tolerance_mas) in [
        (Frame::Fk5, 83.632_992_375_306_61, 22.014_505_213_360_344, 0.01),
        (Frame::Fk4, 84.385_596_086_986_37, 22.043_558_394_578_785, 10.0),
    ] {
        let d = Direction { lon_rad: 83.633_f64.to_radians(), lat_rad: 22.0145_f64.to_radians(), frame };
        let icrs = sky.to_icrs(d).expect("a known frame");
        let off = separation([icrs.lon_rad, icrs.lat_rad], [f64::to_radians(ra_deg), f64::to_radians(dec_deg)]) / MAS;
        assert!(off < tolerance_mas, "{frame:?}: {off} mas");
        assert!(sky.uvw_axes(d).is_ok());
    }
}

#[test]
fn times_outside_the_models_are_refused() {
    let site = Site { latitude_rad: 0.65, longitude_rad: -2.06, height_m: 1222.0 };
    for jd in [0.0, -1.0, f64::NAN, f64::INFINITY, 2_400_000.0, 2_500_000.0, 1e300] {
        assert!(
            matches!(SkyAt::new(&site, JulianDate(jd), &EarthOrientation::bundled()), Err(Error::Time { .. })),
            "{jd}"
        );
    }
}

#[test]
fn the_sky_turns_once_in_a_sidereal_day_also_over_a_leap_second() {
    let site = Site { latitude_rad: 0.65, longitude_rad: -2.06, height_m: 1222.0 };
    let orientation = EarthOrientation::bundled();
    let last = |jd: f64| SkyAt::new(&site, JulianDate(jd), &orientation).expect("a time of this era").last_rad();
    // The UTC day 2016-12-31 has 86,401 seconds; the sky turns 86,401/86,164.1 of a circle in it.
    for (jd, seconds) in [(2_457_753.5, 86_401.0), (2_457_754.5, 86_400.0)] {
        let turned = (last(jd + 1.0) - last(jd)).rem_euclid(std::f64::consts::TAU);
        let expected = std::f64::consts::TAU * (seconds / 86_164.090_5 - 1.0);
        assert!((turned - expected).abs() < 1e-6, "{turned} {expected}");
    }
}

/// What casacore 3.8 makes of (J2000, 85.65°, 49.85°) in ICRS, from CASA's `measures` tool, and back.
#[test]
fn j2000_is_casacores() {
    let j2000 = Direction { lon_rad: 1.494_874_504_333_143_3, lat_rad: 0.870_046_632_119_173_4, frame: Frame::Fk5 };
    let icrs = astrometry::convert(j2000, Frame::Icrs).expect("celestial");
    assert!((icrs.lon_rad - 1.494_874_525_804_027).abs() < 1e-15, "{icrs:?}");
    assert!((icrs.lat_rad - 0.870_046_671_194_900_5).abs() < 1e-15, "{icrs:?}");
    for through in [Frame::Fk5, Frame::Fk4, Frame::Icrs] {
        let back =
            astrometry::convert(icrs, through).and_then(|d| astrometry::convert(d, Frame::Fk5)).expect("celestial");
        // The way to B1950 and back, with zero proper motion each time, is good to some milliarcseconds.
        let tolerance = if through == Frame::Fk4 { 1e-7 } else { 1e-14 };
        assert!((back.lon_rad - j2000.lon_rad).abs() < tolerance && (back.lat_rad - j2000.lat_rad).abs() < tolerance);
    }
    assert!(astrometry::convert(j2000, Frame::AltAz).is_err());
}
