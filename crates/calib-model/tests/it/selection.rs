//! Rows, fields, windows and modes.

use calib_model::{
    Beam, Complex32, Component, Correlation, Direction, Field, Mode, Options, Predictor, Rows, Selection, SkyModel,
    Spectrum, Window,
};

const CORRELATIONS: [Correlation; 2] = [Correlation::XX, Correlation::YY];

fn predictor() -> Predictor {
    let components = vec![
        Component::point(Direction::icrs(0.01, 0.3), Spectrum::Flat { stokes_jy: [3.0, 0.5, 0.0, 0.0] }),
        Component::point(Direction::icrs(-0.01, 0.29), Spectrum::power_law(1.0, 1.4e9, -0.7)),
    ];
    Predictor::new(SkyModel::new(components).expect("valid"), Beam::None, Options::default()).expect("valid")
}

fn uvw_m(rows: usize) -> Vec<[f64; 3]> {
    (0..rows).map(|r| r as f64).map(|r| [1900.0 * r.sin(), 1700.0 * (1.1 * r).cos(), 500.0 * (0.3 * r).sin()]).collect()
}

fn frequencies(channels: usize) -> Vec<f64> {
    (0..channels).map(|c| 1.3e9 + 244_140.625 * c as f64).collect()
}

/// A value that no model gives, of NaN bits that must survive.
const OLD: Complex32 = Complex32::new(f32::from_bits(0x7fc0_1234), 7.5);

fn bits(vis: &[Complex32]) -> Vec<[u32; 2]> {
    vis.iter().map(|v| [v.re.to_bits(), v.im.to_bits()]).collect()
}

#[test]
fn rows_that_are_not_selected_keep_their_bits_and_the_others_get_theirs() {
    let predictor = predictor();
    let (uvw_m, freq_hz) = (uvw_m(203), frequencies(50));
    // Three fields in turns, so that the rows of one register never lie side by side.
    let fields = [0.0, 0.004, -0.003].map(|x| Field::new(Direction::icrs(x, 0.3 - x)));
    let field: Vec<u32> = (0..203).map(|r| r % 3).collect();
    let row_len = 50 * 2;
    let predict = |rows: &Rows<'_>, fill| {
        let mut vis = vec![fill; rows.uvw_m.len() * row_len];
        let window = Window { freq_hz: &freq_hz, vis: &mut vis };
        predictor.predict(&fields, rows, &CORRELATIONS, &mut [window], Mode::Replace).expect("valid");
        bits(&vis)
    };
    let all = predict(&Rows { uvw_m: &uvw_m, field: &field, selection: Selection::All }, OLD);
    for pattern in [0b1_u32, 0b1010_0110, 0xffff_fff7, 0] {
        let which: Vec<bool> = (0..203).map(|r| pattern >> (r % 32) & 1 == 1).collect();
        let some = predict(&Rows { uvw_m: &uvw_m, field: &field, selection: Selection::Where(&which) }, OLD);
        for (row, &selected) in which.iter().enumerate() {
            let range = row * row_len..(row + 1) * row_len;
            let expected = if selected { all[range.clone()].to_vec() } else { bits(&vec![OLD; row_len]) };
            assert!(some[range] == expected[..], "row {row}, selected {selected}");
        }
    }
    // Each row alone, in a call of its own.
    for row in [0, 1, 64, 202] {
        let alone =
            predict(&Rows { uvw_m: &uvw_m[row..=row], field: &field[row..=row], selection: Selection::All }, OLD);
        assert!(alone[..] == all[row * row_len..(row + 1) * row_len]);
    }
}

#[test]
fn bad_rows_do_not_matter_where_they_are_not_selected() {
    let predictor = predictor();
    let freq_hz = frequencies(3);
    let uvw_m = [[1.0, 2.0, 3.0], [f64::NAN, 0.0, 0.0], [4.0, 5.0, 6.0]];
    let rows = Rows { uvw_m: &uvw_m, field: &[0, 99, 0], selection: Selection::Where(&[true, false, true]) };
    let mut vis = vec![OLD; 3 * 3 * 2];
    let fields = [Field::new(Direction::icrs(0.0, 0.3))];
    predictor
        .predict(&fields, &rows, &CORRELATIONS, &mut [Window { freq_hz: &freq_hz, vis: &mut vis }], Mode::Replace)
        .expect("valid");
    assert!(bits(&vis)[6..12].iter().all(|b| *b == bits(&[OLD])[0]));
    assert!(vis[..6].iter().chain(&vis[12..]).all(|v| v.is_finite()));
}

#[test]
fn a_field_that_no_selected_row_uses_may_be_below_the_horizon() {
    let predictor = predictor();
    let fields = [Field::new(Direction::icrs(0.0, 0.3)), Field::new(Direction::icrs(3.0, -0.3))];
    let mut vis = vec![OLD; 2];
    predictor
        .predict(
            &fields,
            &Rows::new(&[[1.0; 3]]),
            &CORRELATIONS,
            &mut [Window { freq_hz: &[1e9], vis: &mut vis }],
            Mode::Replace,
        )
        .expect("valid");
    assert!(vis[0].is_finite());
}

#[test]
fn windows_together_or_alone_are_the_same_model() {
    let predictor = predictor();
    let uvw_m = uvw_m(70);
    let fields = [Field::new(Direction::icrs(0.0, 0.3))];
    let freq_hz = frequencies(96);
    let mut together = [vec![OLD; 70 * 48 * 2], vec![OLD; 70 * 48 * 2]];
    {
        let mut windows: Vec<Window<'_>> =
            freq_hz.chunks(48).zip(&mut together).map(|(freq_hz, vis)| Window { freq_hz, vis }).collect();
        predictor.predict(&fields, &Rows::new(&uvw_m), &CORRELATIONS, &mut windows, Mode::Replace).expect("valid");
    }
    let delays = predictor.counts().delays;
    assert_eq!(delays, 70 * 2, "one delay a row and component for both windows");
    for (freq_hz, together) in freq_hz.chunks(48).zip(&together) {
        let mut alone = vec![OLD; 70 * 48 * 2];
        predictor
            .predict(
                &fields,
                &Rows::new(&uvw_m),
                &CORRELATIONS,
                &mut [Window { freq_hz, vis: &mut alone }],
                Mode::Replace,
            )
            .expect("valid");
        assert!(alone.iter().zip(together).all(|(a, b)| (a - b).norm() < 1e-6));
    }
}

#[test]
fn add_then_subtract_gives_back_the_data() {
    let predictor = predictor();
    let uvw_m = uvw_m(20);
    let freq_hz = frequencies(30);
    let fields = [Field::new(Direction::icrs(0.0, 0.3))];
    let data: Vec<Complex32> =
        (0..20 * 30 * 2).map(|k| Complex32::new((k % 13) as f32 - 6.0, (k % 7) as f32)).collect();
    let run = |vis: &mut Vec<Complex32>, mode| {
        predictor
            .predict(&fields, &Rows::new(&uvw_m), &CORRELATIONS, &mut [Window { freq_hz: &freq_hz, vis }], mode)
            .expect("valid");
    };
    let (mut model, mut sum) = (data.clone(), data.clone());
    run(&mut model, Mode::Replace);
    run(&mut sum, Mode::Add);
    assert!(sum.iter().zip(&data).zip(&model).all(|((s, d), m)| (s - (d + m)).norm() < 2e-6));
    assert!(sum.iter().zip(&data).any(|(s, d)| (s - d).norm() > 1.0));
    run(&mut sum, Mode::Subtract);
    assert!(sum.iter().zip(&data).all(|(s, d)| (s - d).norm() < 2e-6));
}

#[test]
fn an_empty_sky_is_dark_and_no_row_is_no_work() {
    let predictor =
        Predictor::new(SkyModel::new(vec![]).expect("valid"), Beam::None, Options::default()).expect("valid");
    let fields = [Field::new(Direction::icrs(0.0, 0.3))];
    let mut vis = vec![OLD; 2 * 3 * 2];
    predictor
        .predict(
            &fields,
            &Rows::new(&[[1.0; 3]; 2]),
            &CORRELATIONS,
            &mut [Window { freq_hz: &frequencies(3), vis: &mut vis }],
            Mode::Replace,
        )
        .expect("valid");
    assert!(vis.iter().all(|v| *v == Complex32::ZERO));
    predictor
        .predict(
            &[],
            &Rows::new(&[]),
            &CORRELATIONS,
            &mut [Window { freq_hz: &frequencies(3), vis: &mut [] }],
            Mode::Replace,
        )
        .expect("valid");
    predictor
        .predict(
            &fields,
            &Rows::new(&[[1.0; 3]]),
            &CORRELATIONS,
            &mut [Window { freq_hz: &[], vis: &mut [] }],
            Mode::Replace,
        )
        .expect("valid");
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let uvw_m = uvw_m(500);
    let freq_hz = frequencies(100);
    let fields = [Field::new(Direction::icrs(0.0, 0.3))];
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut vis = vec![OLD; 500 * 100 * 2];
        let window = Window { freq_hz: &freq_hz, vis: &mut vis };
        pool.install(|| predictor().predict(&fields, &Rows::new(&uvw_m), &CORRELATIONS, &mut [window], Mode::Replace))
            .expect("valid");
        bits(&vis)
    };
    assert!(run(1) == run(3));
}
