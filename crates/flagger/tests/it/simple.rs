use crate::planes;
use flagger::{ArrayMask, ArraySurvey, Block, Error, Scratch, Search, Settings, flag_baseline, flag_simple};
use num_complex::Complex32;

fn values(amplitudes: &[f32]) -> Vec<Complex32> {
    amplitudes.iter().map(|&amplitude| Complex32::new(0.0, amplitude)).collect()
}

#[test]
fn each_visibility_has_one_reason_and_old_flags_none() {
    let visibilities = values(&[0.0, 1.0, f32::NAN, 9.0, 0.01, f32::INFINITY, 0.0, 2.0]);
    let mut flags = vec![false, false, false, false, false, false, true, true];
    let settings = Settings { clip_above: Some(5.0), clip_below: Some(0.1), ..Settings::default() };
    let mut block = Block::new([2, 2, 2], &visibilities, &mut flags).expect("shape");
    let reasons = flag_simple(&mut block, false, &settings);
    assert_eq!((reasons.zero, reasons.not_finite, reasons.clipped, reasons.total()), (1, 2, 2, 5));
    assert_eq!(flags, [true, false, true, true, true, true, true, true]);
    let mut block = Block::new([2, 2, 2], &visibilities, &mut flags).expect("shape");
    assert_eq!(flag_simple(&mut block, false, &settings).total(), 0, "flagging twice counts once");
    assert_eq!(flag_simple(&mut block, true, &settings).autocorrelation, 1);
}

#[test]
fn nothing_is_flagged_when_nothing_is_asked() {
    let visibilities = values(&[0.0, 1.0, f32::NAN, 9e9]);
    let mut flags = vec![false; 4];
    let mut block = Block::new([1, 4, 1], &visibilities, &mut flags).expect("shape");
    let settings = Settings::nothing();
    let mut total = flag_simple(&mut block, true, &settings);
    total +=
        flag_baseline(&mut block, &ArrayMask::empty([1, 4, 1]), &settings, &mut Scratch::default()).expect("shape");
    assert_eq!(total.total(), 0);
}

#[test]
fn shapes_and_settings_that_cannot_be_meant_are_refused() {
    let visibilities = values(&[1.0; 8]);
    let mut flags = vec![false; 8];
    let refused = Block::new([2, 2, 3], &visibilities, &mut flags).map(|block| block.shape());
    assert!(matches!(refused, Err(Error::Shape { found: 8, needed: 12, .. })), "{refused:?}");
    let mut block = Block::new([2, 2, 2], &visibilities, &mut flags).expect("shape");
    let mut scratch = Scratch::default();
    assert!(ArraySurvey::new([2, 2, 1]).add(&block, &mut scratch).is_err());
    assert!(ArraySurvey::new([2, 2, 1]).merge(&ArraySurvey::new([2, 1, 1])).is_err());
    let mask = ArrayMask::empty([1, 2, 2]);
    assert!(flag_baseline(&mut block, &mask, &Settings::default(), &mut scratch).is_err());
    for bad in [
        Settings { fill: 1.5, ..Settings::default() },
        Settings { dead_antenna: f32::NAN, ..Settings::default() },
        Settings { clip_above: Some(-1.0), ..Settings::default() },
        Settings { baseline: Some(Search { sigmas: 0.0, floor: 0.0, longest: 8, rounds: 1 }), ..Settings::default() },
        Settings { array: Some(Search { sigmas: 6.0, floor: 0.0, longest: 3, rounds: 1 }), ..Settings::default() },
    ] {
        assert!(matches!(bad.check(), Err(Error::Setting { .. })), "{bad:?}");
    }
    assert_eq!(Settings::default().check(), Ok(()));
}

#[test]
fn what_is_flagged_before_is_neither_counted_nor_extended() {
    // A baseline that is flagged but for one channel: the rest is not "mostly interference".
    let shape = [4, 16, 1];
    let visibilities = values(&[1.0; 64]);
    let mut flags: Vec<bool> = (0..64).map(|i| i % 16 != 3).collect();
    let before = flags.clone();
    let settings = Settings { extend_times: 1, extend_channels: 1, ..Settings::default() };
    let mut block = Block::new(shape, &visibilities, &mut flags).expect("shape");
    let reasons =
        flag_baseline(&mut block, &ArrayMask::empty(shape), &settings, &mut Scratch::default()).expect("shape");
    assert_eq!((reasons.total(), flags), (0, before));
}

#[test]
fn an_amplitude_beyond_all_numbers_is_not_finite() {
    // Both parts are numbers; their modulus is none, so that no search can see it.
    let visibilities = [Complex32::new(3e38, -3e38), Complex32::new(1.0, 0.0)];
    let mut flags = [false; 2];
    let mut block = Block::new([1, 2, 1], &visibilities, &mut flags).expect("shape");
    assert_eq!(flag_simple(&mut block, false, &Settings::default()).not_finite, 1);
    assert_eq!(flags, [true, false]);
}

#[test]
fn surveys_come_together_in_any_order() {
    let mut scratch = Scratch::default();
    let surveys: Vec<ArraySurvey> = (0..planes::BASELINES)
        .map(|number| {
            let mut survey = ArraySurvey::new(planes::SHAPE);
            let mut visibilities = planes::baseline(number, 3);
            // Amplitudes so small that a sum of `f64` rounds, by its order.
            visibilities.iter_mut().step_by(1 + number % 3).for_each(|visibility| *visibility *= 1e-8);
            let mut flags = vec![false; visibilities.len()];
            let block = Block::new(planes::SHAPE, &visibilities, &mut flags).expect("shape");
            survey.add(&block, &mut scratch).expect("shape");
            survey
        })
        .collect();
    let merged = |surveys: &mut dyn Iterator<Item = &ArraySurvey>| {
        let mut all = ArraySurvey::new(planes::SHAPE);
        surveys.for_each(|survey| all.merge(survey).expect("shape"));
        all
    };
    assert!(merged(&mut surveys.iter()) == merged(&mut surveys.iter().rev()), "the order of threads decides");
}
