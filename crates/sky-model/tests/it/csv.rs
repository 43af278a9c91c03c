//! Comma-separated values.

use std::path::Path;

use sky_model::{Format, Frame, Options, Position, Shape, SourceList, Spectrum, parse};

fn read(text: &str) -> SourceList {
    parse(text, Path::new("sky.csv"), &Options::default()).expect("a valid table")
}

#[test]
fn units_are_those_of_the_column_names() {
    let list = read(
        "\u{feff}# a comment\nName, RA (deg), Dec [rad], I_mJy, q_jy, major_arcmin, minor_arcsec, pa_deg, note on it\n\
         \"one, two\", 10.5, -0.25, 1500, 0.1, 1, 30, 45, anything\r\n\n,0,0,1,,,,,\n",
    );
    assert_eq!(list.format, Format::Csv);
    let [a, b] = &list.sources[..] else { panic!("two sources") };
    let Position::Sky(d) = a.component.position else { panic!("on the sky") };
    assert!((d.lon_rad.to_degrees() - 10.5).abs() < 1e-12 && d.lat_rad == -0.25 && d.frame == Frame::Icrs);
    assert_eq!(a.component.spectrum, Spectrum::Flat { stokes_jy: [1.5, 0.1, 0.0, 0.0] });
    let Shape::Gaussian { major_rad, minor_rad, .. } = a.component.shape else { panic!("a Gaussian") };
    assert!((major_rad / minor_rad - 2.0).abs() < 1e-12 && (major_rad.to_degrees() * 60.0 - 1.0).abs() < 1e-12);
    assert_eq!((b.component.name.as_str(), b.component.shape), ("line 5", Shape::Point));
}

#[test]
fn spectra_are_laws_or_tables() {
    let law = read("ra_hours,dec_deg,flux_jy,alpha,curvature,freq_ghz\n6,0,2,-1,0.5,1\n6,0,2,,,\n");
    // S = 2·10^(−1 + 0.5) at ten times the reference frequency.
    let at = law.sources[0].component.spectrum.at(1e10).expect("a value");
    assert!((at[0] - 2.0 * 10_f64.powf(-0.5)).abs() < 1e-12);
    assert_eq!(law.sources[1].component.spectrum, Spectrum::flat(2.0));
    let table = read("ra_deg,dec_deg,i_jy@2GHz,i_mjy@1000MHz,v_jy@2ghz\n0,0,3,1000,0.5\n0,0,,7,\n");
    let at = |row: usize, hz| table.sources[row].component.spectrum.at(hz);
    assert_eq!((at(0, 1e9), at(0, 1.5e9)), (Some([1.0, 0.0, 0.0, 0.0]), Some([2.0, 0.0, 0.0, 0.25])));
    assert_eq!((at(1, 1e9), at(1, 1.5e9)), (Some([0.007, 0.0, 0.0, 0.0]), None));
}

#[test]
fn the_frame_is_the_callers() {
    let options = Options { csv_frame: Frame::Fk5, ..Options::default() };
    let list = parse("ra,dec,i_jy\n1:2:3,-4:5:6,1\n", Path::new("a"), &options).expect("valid");
    let Position::Sky(d) = list.sources[0].component.position else { panic!("on the sky") };
    assert!(d.frame == Frame::Fk5 && (d.lat_rad.to_degrees() + 4.085).abs() < 1e-12);
}
