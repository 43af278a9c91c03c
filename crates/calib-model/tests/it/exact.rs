//! The fast way against the plain one, over random geometry, skies and channel axes.

use calib_model::{
    Beam, Complex32, Component, Correlation, Direction, Field, Instructions, Mode, Options, Position, Predictor, Rows,
    Shape, SkyModel, Spectrum, Window, reference,
};
use proptest::prelude::*;

/// The bar: error over summed flux.
const BAR: f64 = 2e-7;

const LINEAR: [Correlation; 4] = [Correlation::XX, Correlation::XY, Correlation::YX, Correlation::YY];

#[derive(Clone, Debug)]
struct Case {
    centre: Direction,
    components: Vec<Component>,
    uvw_m: Vec<[f64; 3]>,
    freq_hz: Vec<f64>,
    beam: Option<f64>,
}

/// Within 5° of the centre.
fn component(centre: Direction) -> impl Strategy<Value = Component> {
    let place = (0.0..5.0_f64, 0.0..360.0_f64);
    let shape = prop_oneof![3 => Just(None), 2 => (1e-7..3e-3_f64, 0.0..=1.0_f64, -4.0..4.0_f64).prop_map(Some)];
    let flux = (1e-3..10.0_f64, prop_oneof![3 => Just([0.0; 3]), 1 => prop::array::uniform3(-0.3..0.3_f64)]);
    let spectrum = (flux, prop_oneof![Just(None), (-2.0..2.0_f64, -1.0..1.0_f64).prop_map(Some)]);
    (place, shape, spectrum).prop_map(move |((radius, angle), shape, ((jy, [q, u, v]), terms))| {
        let (radius, angle) = (radius.to_radians(), angle.to_radians());
        let stokes_jy = [jy, jy * q, jy * u, jy * v];
        Component {
            name: String::new(),
            position: Position::Sky(around(centre, radius, angle)),
            shape: shape.map_or(Shape::Point, |(major_rad, ratio, angle_rad)| Shape::Gaussian {
                major_rad,
                minor_rad: major_rad * ratio,
                angle_rad,
            }),
            spectrum: match terms {
                None => Spectrum::Flat { stokes_jy },
                Some((index, curvature)) => {
                    Spectrum::PowerLaw { stokes_jy, reference_hz: 1.4e9, terms: vec![index, curvature].into() }
                }
            },
        }
    })
}

/// The direction at a distance and position angle from `centre`.
fn around(centre: Direction, radius: f64, angle: f64) -> Direction {
    let lat_rad = (centre.lat_rad.sin() * radius.cos() + centre.lat_rad.cos() * radius.sin() * angle.cos())
        .clamp(-1.0, 1.0)
        .asin();
    let east = angle.sin() * radius.sin() * centre.lat_rad.cos();
    let lon_rad = centre.lon_rad + east.atan2(radius.cos() - centre.lat_rad.sin() * lat_rad.sin());
    Direction::icrs(lon_rad, lat_rad)
}

/// Ascending, descending, with gaps, with jitter, in windows that overlap; 1 to 4000 channels.
fn channels() -> impl Strategy<Value = Vec<f64>> {
    let length = prop_oneof![4 => 1..100_usize, 2 => 100..800_usize, 1 => 800..4000_usize];
    let step = prop_oneof![
        Just(244_140.625_f64),
        Just(-244_140.625),
        Just(30_517.578_125),
        Just(-1e5),
        1e3..2e5_f64,
        -2e5..-1e3_f64,
        Just(0.0)
    ];
    (length, step, 1.0e9..1.6e9_f64, 0..5_usize, 1..200_usize).prop_map(|(n, step, first, kind, period)| {
        let at = |c: usize| {
            let even = first + step * c as f64;
            match kind {
                0 | 1 => even,
                2 => even + 7.77e5 * (c / period) as f64,
                3 => even + 1e3 * ((c * 7919) % 101) as f64,
                _ => first + step * (c % period) as f64,
            }
        };
        (0..n).map(at).collect()
    })
}

fn case() -> impl Strategy<Value = Case> {
    let centre = (-7.0..7.0_f64, -1.57..1.57_f64).prop_map(|(lon, lat)| Direction::icrs(lon, lat));
    let baseline = prop::array::uniform3(-1500.0..1500.0_f64);
    (centre, channels(), prop_oneof![2 => Just(None), 1 => (2.0..30.0_f64).prop_map(Some)]).prop_flat_map(
        move |(centre, freq_hz, beam)| {
            let (most_components, most_rows) = if freq_hz.len() > 500 { (4, 3) } else { (40, 12) };
            let components = prop::collection::vec(component(centre), 1..most_components);
            (components, prop::collection::vec(baseline.clone(), 1..most_rows))
                .prop_map(move |(components, uvw_m)| Case { centre, components, uvw_m, freq_hz: freq_hz.clone(), beam })
        },
    )
}

/// The largest error over the summed flux.
fn error(case: &Case, instructions: Instructions) -> f64 {
    let model = SkyModel::new(case.components.clone()).expect("valid");
    let beam = case.beam.map_or(Beam::None, |dish_m| Beam::Airy { dish_m });
    let fields = [Field { phase_centre: case.centre, pointing: Some(around(case.centre, 0.02, 1.0)) }];
    let rows = Rows::new(&case.uvw_m);
    let mut plain = vec![Complex32::ZERO; case.uvw_m.len() * case.freq_hz.len() * 4];
    let mut fast = vec![Complex32::new(f32::NAN, 0.0); plain.len()];
    let window = Window { freq_hz: &case.freq_hz, vis: &mut plain };
    reference::predict(&model, &beam, &fields, &rows, &LINEAR, &mut [window], Mode::Replace).expect("valid");
    let predictor =
        Predictor::new(model, beam.clone(), Options { instructions, ..Options::default() }).expect("available");
    let window = Window { freq_hz: &case.freq_hz, vis: &mut fast };
    predictor.predict(&fields, &rows, &LINEAR, &mut [window], Mode::Replace).expect("valid");
    // The flux that counts in each channel, the beam included: the bar must hold where all sources are faint, too.
    let zero = Rows::new(&[[0.0; 3]]);
    let mut total = vec![Complex32::ZERO; case.freq_hz.len()];
    let window = Window { freq_hz: &case.freq_hz, vis: &mut total };
    reference::predict(predictor.model(), &beam, &fields, &zero, &[Correlation::I], &mut [window], Mode::Replace)
        .expect("valid");
    let errors = fast.chunks(4).zip(plain.chunks(4)).enumerate().map(|(k, (fast, plain))| {
        let total = f64::from(total[k % case.freq_hz.len()].re);
        fast.iter()
            .zip(plain)
            .map(|(a, b)| if a.is_finite() { f64::from((a - b).norm()) / total } else { f64::INFINITY })
            .fold(0.0, f64::max)
    });
    errors.fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_way_is_the_plain_way(case in case()) {
        for instructions in [Instructions::Best, Instructions::Avx2, Instructions::Scalar] {
            if instructions.is_available() {
                let error = error(&case, instructions);
                prop_assert!(error <= BAR, "{instructions:?}: {error}");
            }
        }
    }
}

#[test]
fn vector_widths_give_the_same_bits() {
    let centre = Direction::icrs(6.281, 0.28);
    let components: Vec<Component> = (0..40)
        .map(|k| {
            let k = f64::from(k);
            let shape = if k > 30.0 {
                Shape::Gaussian { major_rad: 1e-4, minor_rad: 2e-5, angle_rad: k }
            } else {
                Shape::Point
            };
            let spectrum = if k > 20.0 { Spectrum::power_law(1.0, 1.4e9, -0.8) } else { Spectrum::flat(k + 0.1) };
            Component { name: String::new(), position: Position::Sky(around(centre, 0.002 * k, k)), shape, spectrum }
        })
        .collect();
    let uvw_m: Vec<[f64; 3]> =
        (0..13).map(|r| [1900.0 * f64::from(r).sin(), 1700.0 * f64::from(r).cos(), 30.0 * f64::from(r)]).collect();
    let freq_hz: Vec<f64> = (0..300)
        .map(|c| 1.3e9 + 244_140.625 * f64::from(c))
        .chain((0..7).map(|c| 1.5e9 + 1e6 * f64::from(c * c)))
        .collect();
    let predict = |instructions| {
        let model = SkyModel::new(components.clone()).expect("valid");
        let predictor =
            Predictor::new(model, Beam::None, Options { instructions, ..Options::default() }).expect("available");
        let mut vis = vec![Complex32::ZERO; uvw_m.len() * freq_hz.len()];
        let window = Window { freq_hz: &freq_hz, vis: &mut vis };
        predictor
            .predict(&[Field::new(centre)], &Rows::new(&uvw_m), &[Correlation::I], &mut [window], Mode::Replace)
            .expect("valid");
        vis
    };
    if !(Instructions::Avx512.is_available() && Instructions::Avx2.is_available()) {
        eprintln!("skipped: the machine lacks AVX-512");
        return;
    }
    assert!(predict(Instructions::Avx512) == predict(Instructions::Avx2));
}
