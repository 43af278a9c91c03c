use ms_writer::vis_types::*;
use ms_writer::{MsOptions, WeightSpectrum};

use crate::made;

fn columns(made: &made::Made) -> Vec<String> {
    made.table().columns().expect("columns").into_iter().map(|c| c.name).collect()
}

#[test]
fn one_weight_for_all_channels_needs_no_spectrum() {
    let header = made::header(2);
    let made = made::write(&header, &made::small_tiles(), |_| {});
    assert!(!made.summary.weight_spectrum && !columns(&made).contains(&"WEIGHT_SPECTRUM".to_owned()));
    assert!(made.column::<f32>("WEIGHT").iter().all(|&w| w == 96.0));
    assert!(made.column::<f32>("SIGMA").iter().all(|&s| s == 96.0_f32.sqrt().recip()));
    let left = std::fs::read_dir(&made.path).expect("a folder").filter_map(|e| e.ok()?.file_name().into_string().ok());
    let orphans: Vec<_> = left.filter(|n| n.contains("_TSM")).collect();
    assert_eq!(orphans.len(), 5, "DATA, FLAG, WEIGHT, SIGMA and UVW: {orphans:?}");
}

/// A weight that depends on channel and correlation from row 20 on.
fn vary(header: &VisHeader, block: &mut VisBlock) {
    let rows = block.rows.clone();
    for (w, slab) in block.slabs.iter_mut().enumerate() {
        if rows.end > 20 {
            for (i, x) in slab.weights_mut().iter_mut().enumerate() {
                *x = weight(rows.start + i / 32, w * 16 + i / 2 % 16, header.correlations[i % 2]);
            }
        }
    }
}

fn weight(row: usize, channel: usize, c: Correlation) -> f32 {
    if row < 20 { 96.0 } else { (channel % 7) as f32 + if c == Correlation::XX { 10.0 } else { 0.0 } }
}

#[test]
fn weights_by_channel_make_a_spectrum_of_all_rows() {
    for correlations in [[Correlation::XX, Correlation::YY], [Correlation::YY, Correlation::XX]] {
        let header = VisHeader { correlations: correlations.to_vec(), ..made::header(2) };
        for weight_spectrum in [WeightSpectrum::WhenNeeded, WeightSpectrum::Always] {
            let made =
                made::write(&header, &MsOptions { weight_spectrum, ..made::small_tiles() }, |b| vary(&header, b));
            assert!(made.summary.weight_spectrum);
            let spectrum: Vec<f32> = made.column("WEIGHT_SPECTRUM");
            for (i, &w) in spectrum.iter().enumerate() {
                let c = [Correlation::XX, Correlation::YY][i % 2];
                assert_eq!(w, weight(i / 96, i / 2 % 48, c), "value {i}");
            }
            let median = |row: usize, c: Correlation| {
                let mut all: Vec<f32> = (0..48).map(|channel| weight(row, channel, c)).collect();
                all.sort_by(f32::total_cmp);
                (all[23] + all[24]) / 2.0
            };
            let (weights, sigma): (Vec<f32>, Vec<f32>) = (made.column("WEIGHT"), made.column("SIGMA"));
            for (i, &w) in weights.iter().enumerate() {
                assert_eq!(w, median(i / 2, [Correlation::XX, Correlation::YY][i % 2]));
                assert_eq!(sigma[i], w.sqrt().recip());
            }
        }
        let never = MsOptions { weight_spectrum: WeightSpectrum::Never, ..made::small_tiles() };
        let made = made::write(&header, &never, |b| vary(&header, b));
        assert!(!columns(&made).contains(&"WEIGHT_SPECTRUM".to_owned()));
    }
}

#[test]
fn no_samples_have_weight_zero_and_no_sigma() {
    let header = made::header(1);
    let made =
        made::write(&header, &made::small_tiles(), |b| b.slabs.iter_mut().for_each(|s| s.set_uniform_weight(0.0)));
    assert!(made.column::<f32>("WEIGHT").iter().chain(&made.column::<f32>("SIGMA")).all(|&x| x == 0.0));
}

#[test]
fn weights_that_are_no_numbers_are_flagged_and_zero() {
    let header = made::header(2);
    let made = made::write(&header, &made::small_tiles(), |block| {
        if block.rows.contains(&5) {
            let row = 5 - block.rows.start;
            let weights = &mut block.slabs[1].weights_mut()[row * 32..(row + 1) * 32];
            weights[4..7].copy_from_slice(&[f32::NAN, f32::INFINITY, -1.0]);
        }
    });
    assert_eq!((made.summary.repaired, made.summary.flagged), (3, 3));
    let (spectrum, flags) = (made.column::<f32>("WEIGHT_SPECTRUM"), made.column::<bool>("FLAG"));
    let bad: Vec<usize> = (0..flags.len()).filter(|&i| flags[i]).collect();
    assert_eq!(bad, [4, 5, 6].map(|i| 5 * 96 + 32 + i));
    for (i, (&weight, &flag)) in spectrum.iter().zip(&flags).enumerate() {
        assert_eq!(weight, if flag { 0.0 } else { 96.0 }, "value {i}");
    }
    assert!(made.column::<f32>("WEIGHT").iter().all(|&w| w == 96.0));
}
