//! Numbers from `tests/data/make_truth.py`: the textbook's formulas in 60 digits, and the sign that CASA's `ft` has.

use calib_model::{
    Beam, BeamPoint, Complex32, Component, Correlation, Direction, Field, Mode, Options, Position, Predictor, Rows,
    Shape, SkyModel, Spectrum, Window,
};

fn one(
    component: Component,
    centre: Direction,
    uvw_m: [f64; 3],
    freq_hz: f64,
    correlations: &[Correlation],
) -> Vec<Complex32> {
    let model = SkyModel::new(vec![component]).expect("valid");
    let predictor = Predictor::new(model, Beam::None, Options::default()).expect("valid");
    let mut vis = vec![Complex32::ZERO; correlations.len()];
    let window = Window { freq_hz: &[freq_hz], vis: &mut vis };
    predictor
        .predict(&[Field::new(centre)], &Rows::new(&[uvw_m]), correlations, &mut [window], Mode::Replace)
        .expect("valid");
    vis
}

fn degrees((ra, dec): (f64, f64)) -> Direction {
    Direction::icrs(ra.to_radians(), dec.to_radians())
}

#[test]
#[expect(clippy::type_complexity, reason = "a table")]
fn points_are_right_to_the_last_digit_of_the_output() {
    // Source, phase centre (degrees), UVW (m), frequency (Hz), visibility; over the wrap of right ascension and over the pole.
    let table: [((f64, f64), (f64, f64), [f64; 3], f64, (f64, f64)); 4] = [
        (
            (359.9, 16.15),
            (0.1, 16.0),
            [2100.25, -1300.5, 777.125],
            1498750000.0,
            (-0.133_901_386_268_039_13, -0.990_994_661_315_335_9),
        ),
        (
            (111.0, 58.5),
            (108.25, 54.6),
            [-1999.5, 1500.75, -650.25],
            1311250000.0,
            (0.994_498_468_795_044_1, 0.104_751_112_472_911_77),
        ),
        (
            (200.0, 89.0),
            (20.0, 88.0),
            [300.0, 2500.0, -100.0],
            1405000000.0,
            (0.499_870_544_494_760_26, -0.866_100_132_055_475_4),
        ),
        (
            (83.633, -22.0145),
            (83.633, -22.5145),
            [0.0, 2600.0, 1.0],
            1400000000.0,
            (0.960_445_681_624_853_8, -0.278_467_399_614_694_5),
        ),
    ];
    for (source, centre, uvw_m, freq_hz, (re, im)) in table {
        let got = one(
            Component::point(degrees(source), Spectrum::flat(1.0)),
            degrees(centre),
            uvw_m,
            freq_hz,
            &[Correlation::I],
        )[0];
        assert!((f64::from(got.re) - re).hypot(f64::from(got.im) - im) < 6e-8, "{source:?}: {got} is not {re} + {im}i");
    }
}

#[test]
fn a_source_in_the_east_turns_forwards_along_u() {
    // V = exp(+2πi u l): a quarter turn at u·l = λ/4, worked out by hand; a source in the north alike along v.
    let freq_hz = 299_792_458.0;
    let centre = Direction::icrs(1.0, 0.0);
    let l = 1e-3_f64;
    let east = Component::point(Direction::icrs(1.0 + l.asin(), 0.0), Spectrum::flat(2.0));
    let north = Component::point(Direction::icrs(1.0, l.asin()), Spectrum::flat(2.0));
    for (component, uvw_m) in [(east, [250.0, 0.0, 0.0]), (north, [0.0, 250.0, 0.0])] {
        let got = one(component, centre, uvw_m, freq_hz, &[Correlation::XX])[0];
        assert!(got.re.abs() < 1e-6 && (got.im - 2.0).abs() < 1e-6, "{got}");
    }
}

#[test]
fn gaussian_airy_and_curved_spectrum_have_their_values() {
    let arcsec = |x: f64| (x / 3600.0).to_radians();
    let centre = Direction::icrs(2.0, 0.7);
    let shape = Shape::Gaussian { major_rad: arcsec(30.0), minor_rad: arcsec(10.0), angle_rad: 40_f64.to_radians() };
    let gaussian =
        Component { name: String::new(), position: Position::Sky(centre), shape, spectrum: Spectrum::flat(1.0) };
    let got = one(gaussian, centre, [1500.0, 800.0, 0.0], 1.4e9, &[Correlation::I])[0];
    assert!((f64::from(got.re) - 0.015_644_848_941_588_692).abs() < 1e-9 && got.im.abs() < 1e-9, "{got}");

    let point = BeamPoint { component: 0, l: 0.0, m: 0.0, angle_rad: 1_f64.to_radians(), freq_hz: 1.4e9 };
    assert!((Beam::Airy { dish_m: 4.65 }.power(&point) - 0.693_840_930_345_639_4).abs() < 1e-14);

    let curved =
        Spectrum::PowerLaw { stokes_jy: [2.5, 0.25, 0.0, 0.0], reference_hz: 1.4e9, terms: vec![-0.7, -0.12].into() };
    let [i, q, ..] = curved.at(1.5e9).expect("no table");
    assert!((i - 2.381_540_749_519_097).abs() < 1e-14 && (q - i / 10.0).abs() < 1e-14);
    let table =
        Spectrum::Table { freq_hz: vec![1e9, 2e9], stokes_jy: vec![[1.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 1.0]] };
    assert_eq!(table.at(1.25e9), Some([1.5, 0.0, 0.0, 0.25]));
    assert_eq!((table.at(2e9), table.at(0.9e9), table.at(2.1e9)), (Some([3.0, 0.0, 0.0, 1.0]), None, None));
    let ordinary =
        Spectrum::Polynomial { stokes_jy: [2.0, 0.0, 0.0, 0.0], reference_hz: 1e9, terms: vec![0.5, -1.0].into() };
    assert_eq!(ordinary.at(1.5e9), Some([2.0, 0.0, 0.0, 0.0]));
}

#[test]
fn correlations_are_those_of_the_iau_convention() {
    use Correlation::{I, LL, LR, Q, RL, RR, U, V, XX, XY, YX, YY};
    let centre = Direction::icrs(2.0, 0.7);
    let component = Component::point(centre, Spectrum::Flat { stokes_jy: [8.0, 4.0, 2.0, 1.0] });
    let at = |correlations: &[Correlation]| one(component.clone(), centre, [10.0, 20.0, 30.0], 1.4e9, correlations);
    let c = Complex32::new;
    assert_eq!(at(&[XX, XY, YX, YY]), [c(12.0, 0.0), c(2.0, 1.0), c(2.0, -1.0), c(4.0, 0.0)]);
    assert_eq!(at(&[RR, RL, LR, LL]), [c(9.0, 0.0), c(4.0, 2.0), c(4.0, -2.0), c(7.0, 0.0)]);
    assert_eq!(at(&[V, I, U, Q]), [c(1.0, 0.0), c(8.0, 0.0), c(2.0, 0.0), c(4.0, 0.0)]);
    // In the order that was asked for, as 2-polarisation files have them.
    assert_eq!(at(&[YY, XX]), [c(4.0, 0.0), c(12.0, 0.0)]);
}
