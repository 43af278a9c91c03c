//! Source lists of DP3, WSClean and LSMTool.

use std::path::Path;

use sky_model::{Component, Format, Frame, Options, Position, Shape, SourceList, Spectrum, parse};

fn read(text: &str) -> SourceList {
    parse(text, Path::new("list.txt"), &Options::default()).expect("a valid list")
}

fn sky_deg(component: &Component) -> (f64, f64, Frame) {
    let Position::Sky(d) = component.position else { panic!("not on the sky") };
    (d.lon_rad.to_degrees(), d.lat_rad.to_degrees(), d.frame)
}

/// Written by WSClean 3.1's `-save-source-list` (its manual, "Component list").
#[test]
fn wscleans_list() {
    let list = read(
        "Format = Name, Type, Ra, Dec, I, SpectralIndex, LogarithmicSI, ReferenceFrequency='125584411.621094', MajorAxis, MinorAxis, Orientation\n\
         s0c0,POINT,08:28:05.152,39.35.08.511,0.000748810650400475,[-0.00695379313004673,-0.0849693907803257],false,125584411.621094,,,\n\
         s1c2,GAUSSIAN,-08:28:05.152,-00.35.08.511,-1e-3,[-0.7,0.1],true,125584411.621094,83.6144111272856,41.2,27.5\n",
    );
    assert_eq!(list.format, Format::Bbs);
    let [a, b] = &list.sources[..] else { panic!("two sources") };
    let (ra, dec, frame) = sky_deg(&a.component);
    assert!((ra - 127.021_466_666_667).abs() < 1e-10 && (dec - 39.585_697_5).abs() < 1e-10 && frame == Frame::Fk5);
    // 0.000748… + c0·(x − 1) + c1·(x − 1)², worked out by hand for x = 1.1.
    let at = a.component.spectrum.at(1.1 * 125_584_411.621_094).expect("a value");
    assert!(
        (at[0] - (0.000_748_810_650_400_475 - 0.000_695_379_313_004_673 - 0.000_849_693_907_803_257)).abs() < 1e-15
    );
    assert_eq!(a.component.shape, Shape::Point);
    let (ra, dec, _) = sky_deg(&b.component);
    assert!((ra + 127.021_466_666_667).abs() < 1e-10 && (dec + 0.585_697_5).abs() < 1e-10);
    let Shape::Gaussian { major_rad, minor_rad, angle_rad } = b.component.shape else { panic!("a Gaussian") };
    let arcsec = |rad: f64| rad.to_degrees() * 3600.0;
    assert!((arcsec(major_rad) - 83.614_411_127_285_6).abs() < 1e-9 && (arcsec(minor_rad) - 41.2).abs() < 1e-9);
    assert!((angle_rad.to_degrees() - 27.5).abs() < 1e-12);
    assert!(
        matches!(&b.component.spectrum, Spectrum::PowerLaw { terms, stokes_jy, .. } if **terms == [-0.7, 0.1] && stokes_jy[0] == -1e-3)
    );
}

/// The older form, patches, defaults for absent values, quotes, and lines that end early.
#[test]
fn a_list_with_patches_and_defaults() {
    let list = read(
        "# made by hand\n\
         # (Name, Type, Patch, Ra, Dec, I, Q, U, V, ReferenceFrequency='55.468e6', SpectralIndex='[0.0]') = format\n\
         , , CygA, 19:59:26, +40.44.00\n\n\
         CygA_4_2, POINT, CygA, 19:59:30.691, +40.43.54.226, 4.263e+03, 1, 2, -3, 73.8e6, [-0.8]\n\
         \"a, b\", , CygA, 300.1deg, 0.7rad, 1\n",
    );
    let [a, polarised, b] = &list.sources[..] else { panic!("two sources, one of them polarised, and a patch") };
    assert_eq!((a.line, a.patch.as_deref()), (5, Some("CygA")));
    assert!(
        matches!(&a.component.spectrum, Spectrum::PowerLaw { stokes_jy: [4263.0, 0.0, 0.0, 0.0], reference_hz, .. } if *reference_hz == 73.8e6)
    );
    // DP3 6.6 scales I alone: |XY| of U = 0.25, V = 0.125 was 0.2795 from 1.31 to 1.5 GHz with a spectral index of -2.
    assert_eq!(polarised.component.spectrum, Spectrum::Flat { stokes_jy: [0.0, 1.0, 2.0, -3.0] });
    assert_eq!((polarised.line, polarised.component.name.as_str()), (5, "CygA_4_2 (Q, U, V)"));
    assert_eq!(b.component.name, "a, b");
    assert_eq!(b.component.spectrum, Spectrum::flat(1.0));
    let (ra, dec, _) = sky_deg(&b.component);
    assert!((ra - 300.1).abs() < 1e-12 && (dec.to_radians() - 0.7).abs() < 1e-12);
}

#[test]
fn other_separators_fixed_values_and_frames() {
    let list = read(
        "format = Name Type Ra Dec I RefType\nsrc1 POINT  01:02:03.5 -4.5.6.7   2.5 B1950\nsrc2 point 1h2m3.5s -4d5m6.7s 1\n",
    );
    assert_eq!(sky_deg(&list.sources[0].component).2, Frame::Fk4);
    let (a, b) = (sky_deg(&list.sources[0].component), sky_deg(&list.sources[1].component));
    assert!((a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12);
    let fixed = read(
        "FORMAT = Name; Ra; Dec; I=fixed'3.5'; LogarithmicSI='false'; SpectralIndex; ReferenceFrequency=\"1e9\"; Dummy\nx;0deg;0deg;;[1.0;2.0];;7\n",
    );
    assert_eq!(fixed.sources[0].component.spectrum.at(2e9), Some([3.5 + 1.0 + 2.0, 0.0, 0.0, 0.0]));
}

#[test]
fn longer_minor_axes_are_turned() {
    let list = read(
        "Format = Name, Type, Ra, Dec, I, MajorAxis, MinorAxis, Orientation\ng, GAUSSIAN, 0deg, 0deg, 1, 10, 20, 30\np, GAUSSIAN, 0deg, 0deg, 1, 0, 0, 0\n",
    );
    let Shape::Gaussian { major_rad, minor_rad, angle_rad } = list.sources[0].component.shape else {
        panic!("a Gaussian")
    };
    assert!(major_rad > minor_rad && (angle_rad.to_degrees() - 120.0).abs() < 1e-9);
    assert_eq!(list.sources[1].component.shape, Shape::Point);
}
