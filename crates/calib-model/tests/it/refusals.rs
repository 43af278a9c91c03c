//! What is refused, by name, and that nothing is written then.

use calib_model::{
    Beam, Complex32, Component, Correlation, Direction, Error, Field, Frame, Mode, Options, Position, Predictor, Rows,
    Selection, Shape, SkyModel, Spectrum, Window,
};

const OLD: Complex32 = Complex32::new(5.0, 6.0);

fn named(position: Position, spectrum: Spectrum) -> Component {
    Component { name: "3C 0".to_owned(), position, shape: Shape::Point, spectrum }
}

fn sky(lon: f64, lat: f64) -> Position {
    Position::Sky(Direction::icrs(lon, lat))
}

struct Request<'a> {
    fields: &'a [Field],
    rows: Rows<'a>,
    correlations: &'a [Correlation],
    freq_hz: &'a [f64],
}

impl Default for Request<'_> {
    fn default() -> Self {
        const FIELD: Field = Field::new(Direction::icrs(0.0, 0.3));
        Self {
            fields: &[FIELD],
            rows: Rows::new(&[[1.0, 2.0, 3.0]; 2]),
            correlations: &[Correlation::XX],
            freq_hz: &[1e9, 2e9],
        }
    }
}

/// The error of a request; the array must be as it was.
fn refused(component: Component, beam: Beam, request: &Request<'_>) -> Error {
    let model = SkyModel::new(vec![component]).expect("valid");
    let predictor = Predictor::new(model.clone(), beam.clone(), Options::default()).expect("valid");
    let mut vis = vec![OLD; 4];
    let result = predictor.predict(
        request.fields,
        &request.rows,
        request.correlations,
        &mut [Window { freq_hz: request.freq_hz, vis: &mut vis }],
        Mode::Replace,
    );
    assert!(vis.iter().all(|v| *v == OLD), "something was written");
    result.expect_err("must be refused")
}

fn good() -> Component {
    named(sky(0.01, 0.3), Spectrum::flat(1.0))
}

#[test]
fn numbers_that_make_no_sky() {
    let refuse =
        |component: Component| SkyModel::new(vec![good(), component]).expect_err("must be refused").to_string();
    let message = refuse(named(sky(0.0, 0.3), Spectrum::flat(f64::NAN)));
    assert_eq!(message, "component 3C 0: a flux is NaN");
    assert!(
        refuse(Component { name: String::new(), ..named(sky(0.0, 90.0), Spectrum::flat(1.0)) })
            .starts_with("component #1: the latitude is 90")
    );
    assert!(refuse(named(Position::Cosines { l: 0.8, m: 0.7 }, Spectrum::flat(1.0))).contains("l² + m² is 1.13"));
    let gaussian = |major_rad, minor_rad, angle_rad| Component {
        shape: Shape::Gaussian { major_rad, minor_rad, angle_rad },
        ..good()
    };
    for bad in [
        gaussian(-1e-5, 0.0, 0.0),
        gaussian(1e-5, 2e-5, 0.0),
        gaussian(1e-5, f64::NAN, 0.0),
        gaussian(1e-5, 1e-5, f64::INFINITY),
    ] {
        assert!(matches!(SkyModel::new(vec![bad]), Err(Error::Component { .. })));
    }
    let table = |freq_hz: &[f64], n: usize| {
        named(sky(0.0, 0.3), Spectrum::Table { freq_hz: freq_hz.to_vec(), stokes_jy: vec![[1.0; 4]; n] })
    };
    for bad in [
        table(&[], 0),
        table(&[1e9], 2),
        table(&[2e9, 1e9], 2),
        table(&[1e9, 1e9], 2),
        table(&[f64::NAN, 1e9], 2),
        table(&[-1.0, 1e9], 2),
    ] {
        assert!(matches!(SkyModel::new(vec![bad]), Err(Error::Component { .. })));
    }
    let law = |reference_hz, term| Spectrum::power_law(1.0, reference_hz, term);
    for bad in [law(0.0, -0.7), law(f64::NAN, -0.7), law(1e9, f64::NAN)] {
        assert!(matches!(SkyModel::new(vec![named(sky(0.0, 0.3), bad)]), Err(Error::Component { .. })));
    }
}

#[test]
fn sources_that_cannot_be_seen() {
    let error = refused(named(sky(0.0, 0.3 - 1.6), Spectrum::flat(1.0)), Beam::None, &Request::default());
    assert!(
        matches!(&error, Error::BelowHorizon { component, field: 0, angle_deg } if component == "3C 0" && (angle_deg - 1.6_f64.to_degrees()).abs() < 1e-9),
        "{error}"
    );
    assert!(error.to_string().contains("below the horizon"));
    assert!(matches!(
        refused(named(Position::Cosines { l: 1.0, m: 0.0 }, Spectrum::flat(1.0)), Beam::None, &Request::default()),
        Error::BelowHorizon { .. }
    ));
    let fk5 = Position::Sky(Direction { frame: Frame::Fk5, ..Direction::icrs(0.0, 0.3) });
    assert!(matches!(
        refused(named(fk5, Spectrum::flat(1.0)), Beam::None, &Request::default()),
        Error::Frame { found: Frame::Fk5, expected: Frame::Icrs, .. }
    ));
}

#[test]
fn fluxes_and_beams_without_a_value() {
    let table = Spectrum::Table { freq_hz: vec![1e9, 1.5e9], stokes_jy: vec![[1.0; 4]; 2] };
    assert!(matches!(
        refused(named(sky(0.0, 0.3), table), Beam::None, &Request::default()),
        Error::Spectrum { freq_hz: 2e9, .. }
    ));
    let steep = Spectrum::power_law(1.0, 1.0, 400.0);
    assert!(matches!(refused(named(sky(0.0, 0.3), steep), Beam::None, &Request::default()), Error::Spectrum { .. }));
    let beam = Beam::Function(std::sync::Arc::new(|p| if p.freq_hz > 1.5e9 { f64::NAN } else { 1.0 }));
    assert!(matches!(refused(good(), beam, &Request::default()), Error::Beam { freq_hz: 2e9, .. }));
}

#[test]
fn requests_that_do_not_fit() {
    let none = Beam::None;
    let ask = |request: Request<'_>| refused(good(), none.clone(), &request);
    let field = |phase_centre| [Field::new(phase_centre)];
    assert!(matches!(
        ask(Request { fields: &field(Direction::icrs(f64::NAN, 0.3)), ..Request::default() }),
        Error::Field { field: 0, .. }
    ));
    assert!(matches!(
        ask(Request { fields: &field(Direction::icrs(0.0, 2.0)), ..Request::default() }),
        Error::Field { .. }
    ));
    assert!(matches!(
        ask(Request { fields: &[], ..Request::default() }),
        Error::RowField { row: 0, field: 0, n_fields: 0 }
    ));
    for freq_hz in [[1e9, 0.0], [1e9, -1.0], [1e9, f64::NAN], [1e9, f64::INFINITY]] {
        assert!(matches!(
            ask(Request { freq_hz: &freq_hz, ..Request::default() }),
            Error::Frequency { window: 0, channel: 1, .. }
        ));
    }
    for bad in [f64::NAN, f64::INFINITY, 1e12] {
        assert!(matches!(
            ask(Request { rows: Rows::new(&[[0.0; 3], [0.0, bad, 0.0]]), ..Request::default() }),
            Error::Uvw { row: 1, .. }
        ));
    }
    let rows = Request::default().rows;
    assert!(matches!(
        ask(Request { rows: Rows { field: &[0, 1], ..rows }, ..Request::default() }),
        Error::RowField { row: 1, field: 1, n_fields: 1 }
    ));
    assert!(matches!(
        ask(Request { rows: Rows { field: &[0], ..rows }, ..Request::default() }),
        Error::Length { found: 1, expected: 2, .. }
    ));
    assert!(matches!(
        ask(Request { rows: Rows { selection: Selection::Where(&[true; 3]), ..rows }, ..Request::default() }),
        Error::Length { found: 3, expected: 2, .. }
    ));
    assert!(matches!(
        ask(Request { freq_hz: &[1e9], ..Request::default() }),
        Error::Length { found: 4, expected: 2, .. }
    ));
    use Correlation::{I, LL, RR, XX, YY};
    for correlations in [&[][..], &[XX, RR], &[XX, XX], &[XX, YY, I], &[I, LL]] {
        assert!(matches!(ask(Request { correlations, ..Request::default() }), Error::Correlations(_)));
    }
}

#[test]
fn instructions_that_the_machine_lacks() {
    use calib_model::Instructions;
    let model = SkyModel::new(vec![good()]).expect("valid");
    for instructions in [Instructions::Best, Instructions::Avx512, Instructions::Avx2, Instructions::Scalar] {
        let made = Predictor::new(model.clone(), Beam::None, Options { instructions, ..Options::default() });
        assert_eq!(made.is_ok(), instructions.is_available());
    }
}
