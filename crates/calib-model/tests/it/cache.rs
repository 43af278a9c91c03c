//! What is kept, what is counted, and that keeping changes nothing.

use std::sync::Arc;

use calib_model::{
    Beam, Caching, Complex32, Component, Correlation, Counts, Direction, Field, Mode, Options, Predictor, Rows,
    SkyModel, Spectrum, Window,
};

const ROWS: usize = 40;

fn model() -> SkyModel {
    let at = |k: usize| Direction::icrs(0.002 * k as f64, 0.3 + 0.003 * k as f64);
    let components = (0..5).map(|k| {
        Component::point(at(k), if k < 2 { Spectrum::flat(1.0) } else { Spectrum::power_law(1.0, 1.4e9, -0.7) })
    });
    SkyModel::new(components.collect()).expect("valid")
}

fn fields() -> Vec<Field> {
    (0..4).map(|k| Field::new(Direction::icrs(0.001 * f64::from(k), 0.3))).collect()
}

/// Predicts "a set": rows of four fields.
fn predict(predictor: &Predictor, fields: &[Field], freq_hz: &[f64]) -> Vec<Complex32> {
    let uvw_m: Vec<[f64; 3]> = (0..ROWS).map(|r| r as f64).map(|r| [900.0 * r.sin(), 700.0 * r.cos(), r]).collect();
    let field: Vec<u32> = (0..ROWS as u32).map(|r| r / 10).collect();
    let mut vis = vec![Complex32::ZERO; ROWS * freq_hz.len()];
    let rows = Rows { field: &field, ..Rows::new(&uvw_m) };
    predictor
        .predict(fields, &rows, &[Correlation::I], &mut [Window { freq_hz, vis: &mut vis }], Mode::Replace)
        .expect("valid");
    vis
}

fn frequencies() -> Vec<f64> {
    (0..48).map(|c| 1.3e9 + 244_140.625 * f64::from(c)).collect()
}

fn with(beam: Beam, caching: Caching) -> Predictor {
    Predictor::new(model(), beam, Options { caching, ..Options::default() }).expect("valid")
}

const KEPT: Caching = Caching::Bytes(1 << 20);

#[test]
fn the_second_set_computes_nothing_but_its_rows() {
    let predictor = with(Beam::Airy { dish_m: 4.65 }, KEPT);
    let first = predict(&predictor, &fields(), &frequencies());
    let after_one = predictor.counts();
    let rows = Counts { delays: 40 * 5, visibilities: 40 * 48, ..Counts::default() };
    // Four fields: directions and beams of each, the three spectra once for all.
    let expected = Counts { directions: 4 * 5, fluxes: 3 * 48, beams: 4 * 5 * 48, hits: 3, misses: 4 + 4 + 1, ..rows };
    assert_eq!(after_one, expected);
    let second = predict(&predictor, &fields(), &frequencies());
    let expected = Counts { delays: 2 * rows.delays, visibilities: 2 * rows.visibilities, hits: 3 + 8, ..after_one };
    assert_eq!(predictor.counts(), expected);
    assert!(first == second);
    predictor.invalidate();
    predict(&predictor, &fields(), &frequencies());
    assert_eq!(predictor.counts().beams, 2 * after_one.beams);
}

#[test]
fn without_cache_the_bits_are_the_same_and_everything_is_computed_again() {
    for beam in [Beam::None, Beam::Airy { dish_m: 4.65 }] {
        let (on, off, tiny) =
            (with(beam.clone(), KEPT), with(beam.clone(), Caching::Off), with(beam, Caching::Bytes(100)));
        let expected = predict(&on, &fields(), &frequencies());
        for predictor in [&on, &off, &tiny] {
            for _ in 0..2 {
                assert!(predict(predictor, &fields(), &frequencies()) == expected);
            }
        }
        assert_eq!((off.counts().directions, off.counts().hits), (2 * 4 * 5, 0));
        assert_eq!(on.counts().directions, 4 * 5);
    }
}

#[test]
fn every_input_is_part_of_the_key() {
    let predictor = with(Beam::Airy { dish_m: 4.65 }, KEPT);
    let base = predict(&predictor, &fields(), &frequencies());
    let mut moved = fields();
    moved[3].phase_centre.lat_rad += 1e-7;
    let mut pointed = fields();
    pointed[3].pointing = Some(Direction::icrs(0.003, 0.305));
    let mut shifted = frequencies();
    shifted[47] += 1e3;
    for (fields, freq_hz) in [(&moved, frequencies()), (&pointed, frequencies()), (&fields(), shifted)] {
        let fresh = with(Beam::Airy { dish_m: 4.65 }, KEPT);
        let got = predict(&predictor, fields, &freq_hz);
        assert!(got == predict(&fresh, fields, &freq_hz), "a kept value was used for other inputs");
        assert!(got != base);
    }
    assert!(predict(&predictor, &fields(), &frequencies()) == base);
}

#[test]
fn a_users_beam_is_asked_for_each_component_and_channel() {
    let beam = Beam::Function(Arc::new(|p| 0.5 + 0.1 * p.component as f64 + p.l + p.freq_hz * 1e-10));
    let predictor = with(beam.clone(), KEPT);
    let fields = fields();
    let got = predict(&predictor, &fields, &frequencies());
    assert_eq!(predictor.counts().beams, 4 * 5 * 48);
    let mut plain = vec![Complex32::ZERO; 48];
    let window = Window { freq_hz: &frequencies(), vis: &mut plain };
    calib_model::reference::predict(
        &model(),
        &beam,
        &fields,
        &Rows::new(&[[0.0, 700.0, 0.0]]),
        &[Correlation::I],
        &mut [window],
        Mode::Replace,
    )
    .expect("valid");
    assert!(got[..48].iter().zip(&plain).all(|(a, b)| (a - b).norm() < 1e-6));
}

#[test]
fn a_predictor_may_be_shared_by_threads() {
    let predictor = with(Beam::Airy { dish_m: 4.65 }, KEPT);
    let expected = predict(&with(Beam::Airy { dish_m: 4.65 }, Caching::Off), &fields(), &frequencies());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(predict(&predictor, &fields(), &frequencies()) == expected));
        }
    });
    assert_eq!(predictor.counts().beams, 4 * 5 * 48, "concurrent misses on one key compute once");
}
