use ms_writer::vis_types::*;
use ms_writer::{Centre, MsOptions, SpectralWindows, WeightSpectrum};

use crate::made;

#[test]
fn the_whole_band_is_one_window_with_the_files_frequencies() {
    let header = made::header(1);
    let made = made::write(&header, &made::small_tiles(), |_| {});
    let s = made.subtable("SPECTRAL_WINDOW");
    assert_eq!(s.rows().expect("rows"), 1);
    assert_eq!(s.read_strings("NAME", 0..1).expect("a column"), ["sb15-sb13"]);
    let freq: Vec<f64> = s.read_cell("CHAN_FREQ", 0).expect("a cell").1;
    assert_eq!(freq, header.windows.iter().flat_map(|w| w.freq_hz.clone()).collect::<Vec<_>>());
    let width: Vec<f64> = s.read_cell("CHAN_WIDTH", 0).expect("a cell").1;
    assert_eq!(width, [244_140.625; 48]);
}

/// Every row of every window against the same rows of a set of one window with the same centre.
fn check_windows(header: &VisHeader, options: &MsOptions, expected: &[std::ops::Range<usize>]) {
    let towards = made::source(header);
    let options = MsOptions { centre: Centre::At(towards), ..options.clone() };
    let flag = |b: &mut VisBlock| {
        let rows = b.rows.clone();
        for (w, slab) in b.slabs.iter_mut().enumerate() {
            for (i, f) in slab.flags_mut().iter_mut().enumerate() {
                *f = (rows.start * 32 + i + w).is_multiple_of(11);
            }
            for (i, x) in slab.weights_mut().iter_mut().enumerate() {
                *x = (rows.start + i / 32 + w * 16 + i / 2 % 16) as f32;
            }
        }
    };
    let made = made::write(header, &options, flag);
    let rows = header.rows.len();
    assert_eq!(made.table().rows().expect("rows"), (rows * expected.len()) as u64);
    let ids: Vec<i32> = made.column("DATA_DESC_ID");
    let d = made.subtable("DATA_DESCRIPTION");
    assert_eq!(
        d.read_vec::<i32>("SPECTRAL_WINDOW_ID", 0..expected.len() as u64).expect("ids"),
        (0..expected.len() as i32).collect::<Vec<_>>()
    );
    let mut block = made::block(header, 0..rows, towards);
    flag(&mut block);
    let table = made.table();
    let uvw = made.uvw();
    for (window, slabs) in expected.iter().enumerate() {
        let first: usize = header.windows[..slabs.start].iter().map(ChannelWindow::len).sum();
        for row in 0..rows {
            let ms_row = window * rows + row;
            assert_eq!(ids[ms_row], window as i32);
            assert_eq!(uvw[ms_row], uvw[row]);
            let (shape, data): (_, Vec<Complex32>) = table.read_cell("DATA", ms_row as u64).expect("a cell");
            assert_eq!(shape, [slabs.len() * 16, 2]);
            for (i, v) in data.iter().enumerate() {
                let expected = Complex32::from_polar(1.0, -[9.0, 12.0][i % 2] / 10.0);
                assert!((v - expected).norm() < 2e-6, "window {window}, row {row}, value {i}");
            }
            let flags: Vec<bool> = table.read_cell("FLAG", ms_row as u64).expect("a cell").1;
            let weights: Vec<f32> = table.read_cell("WEIGHT_SPECTRUM", ms_row as u64).expect("a cell").1;
            for i in 0..flags.len() {
                let (w, within) = (slabs.start + i / 32, i % 32);
                assert_eq!(flags[i], (row * 32 + within + w) % 11 == 0);
                assert_eq!(weights[i], (row + first + i / 2) as f32);
            }
        }
    }
}

#[test]
fn a_window_for_each_subband_repeats_the_rows() {
    let header = made::header(2);
    // 42 rows: no tile ends where a window does.
    check_windows(
        &header,
        &MsOptions { windows: SpectralWindows::PerSubband, ..made::small_tiles() },
        &[0..1, 1..2, 2..3],
    );
    // Odd channels: the bits of FLAG of two rows share a byte.
    let mut header = made::header(1);
    header.windows = made::windows(&[3, 2], 5);
    header.correlations.truncate(1);
    let made = made::write(&header, &MsOptions { windows: SpectralWindows::PerSubband, ..made::small_tiles() }, |b| {
        let start = b.rows.start;
        for (w, slab) in b.slabs.iter_mut().enumerate() {
            slab.flags_mut().iter_mut().enumerate().for_each(|(i, f)| *f = (start * 5 + i + w) % 3 == 0);
        }
    });
    let flags: Vec<bool> = made.column("FLAG");
    assert!(flags.iter().enumerate().all(|(i, &f)| f == ((i % 105 + i / 105) % 3 == 0)));
}

#[test]
fn a_gap_splits_the_band_also_into_unequal_windows() {
    let mut header = made::header(2);
    header.windows = made::windows(&[15, 14, 12], 16);
    check_windows(&header, &made::small_tiles(), &[0..2, 2..3]);
    header.windows = made::windows(&[15, 14, 12, 11], 16);
    check_windows(&header, &made::small_tiles(), &[0..2, 2..4]);
}

#[test]
fn unequal_windows_have_whole_columns_whatever_the_options() {
    let mut header = made::header(1);
    header.windows = made::windows(&[15, 14, 12], 16);
    for weight_spectrum in [WeightSpectrum::WhenNeeded, WeightSpectrum::Always, WeightSpectrum::Never] {
        let options = MsOptions { weight_spectrum, model_column: true, corrected_column: true, ..made::small_tiles() };
        let made = made::write(&header, &options, |_| {});
        let table = made.table();
        for row in 0..table.rows().expect("rows") {
            let expected = Some(vec![if row < 21 { 32 } else { 16 }, 2]);
            for column in ["DATA", "FLAG", "MODEL_DATA", "CORRECTED_DATA"] {
                assert_eq!(table.cell_shape(column, row).expect("a column"), expected, "{column}, row {row}");
            }
            match weight_spectrum {
                WeightSpectrum::Always => {
                    assert_eq!(table.cell_shape("WEIGHT_SPECTRUM", row).expect("a column"), expected)
                }
                _ => assert!(table.cell_shape("WEIGHT_SPECTRUM", row).is_err()),
            }
        }
    }
}

#[test]
fn a_filled_gap_keeps_its_true_frequencies() {
    let mut header = made::header(1);
    header.windows[1].present = false;
    let made = made::write(&header, &made::small_tiles(), |_| {});
    let freq: Vec<f64> = made.subtable("SPECTRAL_WINDOW").read_cell("CHAN_FREQ", 0).expect("a cell").1;
    assert_eq!(freq[16..32], header.windows[1].freq_hz);
    assert!(made.column::<f32>("WEIGHT").iter().all(|&w| w == 96.0));
    assert_eq!(made.summary.flagged, 21 * 32);
}
