use astrometry::{Error, Site};

#[test]
fn geodetic_and_itrf_are_inverse_and_agree_with_astropy() {
    // astropy 8: EarthLocation.from_geodetic(-118.2825, 37.2339, 1222).geocentric
    let site =
        Site { latitude_rad: 37.2339_f64.to_radians(), longitude_rad: (-118.2825_f64).to_radians(), height_m: 1222.0 };
    let expected = [-2409513.910648669, -4478229.1729309475, 3838831.7386003085];
    let itrf = site.itrf_m();
    for i in 0..3 {
        assert!((itrf[i] - expected[i]).abs() < 1e-6, "{itrf:?}");
    }
    let back = Site::from_itrf(itrf).expect("on the Earth");
    assert!((back.latitude_rad - site.latitude_rad).abs() < 1e-14);
    assert!((back.longitude_rad - site.longitude_rad).abs() < 1e-14);
    assert!((back.height_m - site.height_m).abs() < 1e-6);
}

#[test]
fn what_is_not_a_place_is_refused() {
    for position_m in [[0.0; 3], [f64::NAN, 0.0, 6.4e6], [1.0e9, 0.0, 0.0], [37.0, -118.0, 1222.0]] {
        assert!(matches!(Site::from_itrf(position_m), Err(Error::Position { .. })), "{position_m:?}");
    }
}
