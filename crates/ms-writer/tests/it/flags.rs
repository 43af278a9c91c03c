use ms_writer::vis_types::*;

use crate::made;

#[test]
fn flags_follow_their_visibilities() {
    use Correlation::{XX, XY, YX, YY};
    let header = VisHeader { correlations: vec![XX, YY, XY, YX], ..made::header(2) };
    let options = made::small_tiles();
    // In window 1 the flag of a value depends on all of its places.
    let flagged =
        |row: usize, channel: usize, c: Correlation| (row * 7 + channel * 3 + c.casa() as usize).is_multiple_of(5);
    let made = made::write(&header, &options, |block| {
        let rows = block.rows.clone();
        let flags = block.slabs[1].flags_mut();
        for (i, flag) in flags.iter_mut().enumerate() {
            let (row, channel, c) = (rows.start + i / 64, i / 4 % 16, header.correlations[i % 4]);
            *flag = flagged(row, channel, c);
        }
    });
    let flags: Vec<bool> = made.column("FLAG");
    let mut count = 0;
    for (i, &flag) in flags.iter().enumerate() {
        let (row, channel, c) = (i / (48 * 4), i / 4 % 48, [XX, XY, YX, YY][i % 4]);
        assert_eq!(
            flag,
            (16..32).contains(&channel) && flagged(row, channel - 16, c),
            "row {row}, channel {channel}, {c}"
        );
        count += u64::from(flag);
    }
    assert_eq!(made.summary.flagged, count);
    assert_eq!(made.summary.flagged_rows, 0);
}

#[test]
fn a_gap_and_rows_that_are_wholly_flagged_are_told() {
    let mut header = made::header(2);
    header.windows[2].present = false;
    let made = made::write(&header, &made::small_tiles(), |block| {
        let rows = block.rows.clone();
        for slab in &mut block.slabs[..2] {
            if rows.contains(&20) {
                for r in [20, 21, 40].into_iter().filter(|r| rows.contains(r)) {
                    slab.flags_mut()[(r - rows.start) * 32..(r - rows.start + 1) * 32].fill(true);
                }
            }
        }
    });
    let flags: Vec<bool> = made.column("FLAG");
    for (row, flags) in flags.chunks_exact(48 * 2).enumerate() {
        let whole = row == 20 || row == 21;
        for (i, &f) in flags.iter().enumerate() {
            assert_eq!(f, whole || i >= 64, "row {row}, value {i}");
        }
    }
    let flag_row: Vec<bool> = made.column("FLAG_ROW");
    assert_eq!(flag_row.iter().enumerate().filter(|(_, f)| **f).map(|(r, _)| r).collect::<Vec<_>>(), [20, 21]);
    assert_eq!(made.summary.flagged_rows, 2);
    assert_eq!(made.summary.flagged, (42 * 32 + 2 * 64) as u64);
}

#[test]
fn what_is_not_finite_is_zeroed_flagged_and_counted() {
    let header = made::header(1);
    let made = made::write(&header, &made::small_tiles(), |block| {
        if block.rows.start == 0 {
            block.slabs[0].vis_slice_mut()[5] = Complex32::new(f32::NAN, 1.0);
            block.slabs[2].vis_slice_mut()[0] = Complex32::new(0.0, f32::INFINITY);
        }
    });
    assert_eq!((made.summary.repaired, made.summary.flagged), (2, 2));
    let (flags, data): (Vec<bool>, Vec<Complex32>) = (made.column("FLAG"), made.column("DATA"));
    for (i, (f, v)) in flags.iter().zip(&data).enumerate() {
        assert_eq!(*f, i == 5 || i == 64, "value {i}");
        assert_eq!(*v == Complex32::ZERO, *f);
    }
}
