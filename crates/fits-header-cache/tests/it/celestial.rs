//! Directions, against values that astropy 7.1 (wcslib 8.4) gave for the same cards; `cargo xtask compare --fits` has many more.

use fits_header_cache::{Celestial, Error, FitsFile, Frame, Sky};

use crate::tile::{folder, image_f32, put, tile};

/// Of an image of 200 × 160 pixels with further axes.
fn celestial(axes: &[u64], cards: &[&str]) -> Result<Celestial, Error> {
    let folder = folder();
    let count: u64 = axes.iter().product();
    let path = put(folder.path(), "x.fits", &image_f32(axes, cards, &vec![0.0; count as usize]));
    FitsFile::read(path)?.image()?.celestial().cloned()
}

/// One thousandth of an arc second.
const MAS_DEG: f64 = 1.0 / 3.6e6;

fn assert_at(celestial: &Celestial, x: f64, y: f64, lon_deg: f64, lat_deg: f64) {
    let sky = celestial.sky(x, y).expect("because the place is on the sky");
    let off = sky.separation_deg(&Sky { lon_deg, lat_deg });
    assert!(off < MAS_DEG, "({x}, {y}) is {sky:?}, {} mas off", off / MAS_DEG);
    let (bx, by) = celestial.pixel(sky).expect("because the direction is in the plane");
    assert!((bx - x).hypot(by - y) < 1e-6, "({x}, {y}) comes back as ({bx}, {by})");
}

const BASE: [&str; 8] = [
    "CTYPE1  = 'RA---SIN'",
    "CRVAL1  = 150.0",
    "CDELT1  = -0.02",
    "CRPIX1  = 101.0",
    "CTYPE2  = 'DEC--SIN'",
    "CRVAL2  = 54.6",
    "CDELT2  = 0.02",
    "CRPIX2  = 80.5",
];

/// The base with other cards behind it; a keyword of these replaces that of the base.
fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let replaced = |card: &&&str| !more.iter().any(|new| new[..8] == card[..8]);
    BASE.iter().filter(replaced).copied().chain(more.iter().copied()).collect()
}

#[test]
fn the_forms_of_the_matrix_and_of_the_projections() {
    let cases: &[(&[&str], [f64; 4])] = &[
        (&[], [153.32225836579903, 52.96249918941901, 146.51441951160976, 55.360914920868886]),
        (
            &["CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'"],
            [153.31908476384172, 52.9641705134675, 146.51689317348865, 55.36041990596245],
        ),
        (
            &["PV2_1   = 0.1", "PV2_2   = -0.2"],
            [153.31375147663655, 52.97405558261824, 146.5066409935124, 55.36874700799698],
        ),
        (
            &["CTYPE1  = 'RA---NCP'", "CTYPE2  = 'DEC--NCP'"],
            [153.31908476384163, 52.92119503316034, 146.51689317348854, 55.33283315488038],
        ),
        (
            &["CTYPE1  = 'RA---GLS'", "CTYPE2  = 'DEC--GLS'"],
            [153.32405022616277, 53.01, 146.51224282392525, 55.410000000000004],
        ),
        (
            &["CTYPE1  = 'RA---AIT'", "CTYPE2  = 'DEC--AIT'"],
            [153.3213232240215, 52.96273976983239, 146.515160564783, 55.360885287773534],
        ),
        (
            &["CTYPE1  = 'RA---CAR'", "CTYPE2  = 'DEC--CAR'"],
            [153.32032259202407, 52.962758711542435, 146.5154625430605, 55.36091731984137],
        ),
        (
            &["CTYPE1  = 'RA---ZEA'", "CTYPE2  = 'DEC--ZEA'"],
            [153.32146370586395, 52.96291770375662, 146.51503863357405, 55.36079103161006],
        ),
        (
            &["CTYPE1  = 'RA---STG'", "CTYPE2  = 'DEC--STG'"],
            [153.3206700181485, 52.96333569268953, 146.5156572122544, 55.360667247165914],
        ),
        (
            &["CROTA2  = 33.0", "CDELT2  = 0.03"],
            [155.01988227869367, 53.58264910014493, 146.00011964089407, 54.47449719724708],
        ),
        (&["CROTA1  = 33.0"], [153.32225836579903, 52.96249918941901, 146.51441951160976, 55.360914920868886]),
        (&["PC1_2   = 0.1"], [153.586061491535, 52.95468229873716, 146.37201661877918, 55.356815898901914]),
        (
            &["PC001001= 0.9", "PC001002= 0.1", "PC002001= -0.2"],
            [153.2847044016238, 53.36411921228906, 146.7525695250677, 54.97095567239418],
        ),
        (
            &["CD1_1   = -0.018", "CD1_2   = 0.003", "CD2_1   = 0.004", "CD2_2   = 0.0195"],
            [152.57298035285524, 52.62077229089633, 147.04822166450617, 55.750954207694406],
        ),
        (&["LONPOLE = 150.0"], [154.31844134676476, 54.1453508399718, 146.36885545119503, 54.256708539101815]),
        (&["LONPOLE = 0.0"], [146.40813718788453, 56.139068113960704, 153.34983167490518, 53.74277421561457]),
        (
            &["CUNIT1  = 'arcsec'", "CRVAL1  = 540000.0", "CDELT1  = -72.0"],
            [153.32225836579903, 52.96249918941901, 146.51441951160976, 55.360914920868886],
        ),
        (&["CRVAL2  = 90.0"], [21.51530055129598, 87.44413775874546, 217.75097634278762, 87.86022705547195]),
        (
            &["CTYPE1  = 'GLON-TAN'", "CTYPE2  = 'GLAT-TAN'"],
            [153.31908476384172, 52.9641705134675, 146.51689317348865, 55.36041990596245],
        ),
        (
            &["PV1_3   = 150.0", "PV1_4   = 20.0"],
            [154.31844134676476, 54.1453508399718, 146.36885545119503, 54.256708539101815],
        ),
    ];
    for (more, [lon0, lat0, lon1, lat1]) in cases {
        let celestial = celestial(&[200, 160], &with(more)).expect("because it is celestial");
        println!("{more:?}");
        assert_at(&celestial, 0.0, 0.0, *lon0, *lat0);
        assert_at(&celestial, 199.0, 120.0, *lon1, *lat1);
    }
}

#[test]
fn axes_in_any_order_among_degenerate_ones() {
    let cards = [
        "CTYPE1  = 'STOKES'",
        "CRVAL1  = 1.0",
        "CTYPE2  = 'DEC--SIN'",
        "CRVAL2  = 54.6",
        "CDELT2  = 0.02",
        "CRPIX2  = 80.5",
        "CTYPE3  = 'FREQ'",
        "CRVAL3  = 1.4E9",
        "CDELT3  = 1E6",
        "CTYPE4  = 'RA---SIN'",
        "CRVAL4  = 150.0",
        "CDELT4  = -0.02",
        "CRPIX4  = 101.0",
    ];
    let turned = celestial(&[1, 160, 1, 200], &cards).expect("because it is celestial");
    let usual = celestial(&[200, 160], &BASE).expect("because it is celestial");
    assert_eq!((turned.axes(), turned.x_is_longitude(), turned.size()), ([1, 3], false, [160, 200]));
    for (x, y) in [(0.0, 0.0), (199.0, 0.0), (50.0, 159.0)] {
        assert_eq!(turned.sky(y, x), usual.sky(x, y));
        let sky = usual.sky(x, y).expect("because it is on the sky");
        let (back_x, back_y) = turned.pixel(sky).expect("because it is in the plane");
        assert!((back_x - y).abs() < 1e-6 && (back_y - x).abs() < 1e-6);
    }
}

#[test]
fn a_tile_is_in_its_place() {
    let folder = folder();
    let path = put(folder.path(), "x.fits", &tile(64, 64, &[0.0; 4096]));
    let file = FitsFile::read(path).expect("because it is whole");
    let celestial = file.image().and_then(|hdu| hdu.celestial()).expect("because it is celestial");
    assert_at(celestial, 32.0, 32.0, 83.63, 22.01);
    let [w, h] = celestial.cell_deg();
    assert!((w - 0.0005555555555).abs() < 1e-15 && (h - 0.0005555555555).abs() < 1e-15);
    assert_eq!(celestial.frame(), &Frame::Equatorial("FK5".into(), Some(2000.0)));
    assert_eq!(celestial.projection(), "SIN");
    assert!(celestial.corners().iter().all(Option::is_some));
    assert_eq!(celestial.outline(5).len(), 20);
}

#[test]
fn right_ascension_goes_round() {
    let celestial =
        celestial(&[200, 160], &with(&["CRVAL1  = 0.5", "CRVAL2  = -10.0"])).expect("because it is celestial");
    let lon = |x: f64| celestial.sky(x, 80.0).expect("because it is on the sky").lon_deg;
    assert!(lon(0.0) < 5.0 && lon(199.0) > 355.0, "{} {}", lon(0.0), lon(199.0));
    assert!((0..200).all(|x| (0.0..360.0).contains(&lon(f64::from(x)))));
}

#[test]
fn beyond_the_edge_there_is_no_sky() {
    let celestial =
        celestial(&[200, 160], &with(&["CDELT1  = -1.5", "CDELT2  = 1.5"])).expect("because it is celestial");
    assert_eq!(celestial.sky(0.0, 0.0), None);
    assert_eq!(celestial.corners(), [None; 4]);
    assert!(celestial.centre().is_some());
    // The other side of the sphere is not in an orthographic picture.
    assert_eq!(celestial.pixel(Sky { lon_deg: 330.0, lat_deg: -54.6 }), None);
}

#[test]
fn what_is_not_celestial_is_named() {
    let problem = |cards: &[&str]| celestial(&[4, 4], cards).expect_err("because it is not celestial").to_string();
    assert!(problem(&[]).contains("no two axes"), "{}", problem(&[]));
    assert!(problem(&with(&["CTYPE2  = 'DEC--TAN'"])).contains("SIN and TAN"));
    assert!(problem(&with(&["CTYPE1  = 'RA---XYZ'", "CTYPE2  = 'DEC--XYZ'"])).contains("XYZ"));
    assert!(problem(&with(&["CRVAL1  = 'x'"])).contains("CRVAL1 is not a number"));
    assert!(problem(&with(&["CUNIT1  = 'pc'"])).contains("CUNIT1"));
    assert!(problem(&with(&["CDELT1  = 0.0"])).contains("celestial"), "a singular matrix");
}
