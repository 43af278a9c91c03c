use ms_writer::vis_types::*;
use ms_writer::{Centre, MsOptions};

use crate::made;
use crate::phases::assert_shows;

/// Rows in no order, of two lengths, some baselines turned round.
fn irregular() -> VisHeader {
    let times = made::times_from(made::JD, 3);
    let time_index = vec![0, 0, 1, 0, 2, 1, 2, 2, 1];
    let interval_s = vec![12.9, 25.8, 12.9, 12.9, 12.9, 25.8, 12.9, 12.9, 12.9];
    let baselines = [(0, 1), (2, 0), (3, 4), (5, 5), (4, 1), (0, 5), (1, 0), (2, 3), (5, 0)];
    let baselines = baselines.map(|(a, b)| Baseline::new(a, b)).to_vec();
    VisHeader { rows: RowAxis::list(times, time_index, interval_s, baselines), ..made::header(1) }
}

#[test]
fn rows_of_a_list_keep_their_order_and_times() {
    let header = irregular();
    let made = made::write(&header, &made::small_tiles(), |_| {});
    let (time, interval): (Vec<f64>, Vec<f64>) = (made.column("TIME"), made.column("INTERVAL"));
    let exposure: Vec<f64> = made.column("EXPOSURE");
    for (r, row) in header.rows.iter().enumerate() {
        assert_eq!((time[r], interval[r]), (MjdSeconds::from(row.time).0, row.interval_s));
    }
    assert_eq!(interval, exposure);
    assert_eq!(time, made.column::<f64>("TIME_CENTROID"));
    let o = made.subtable("OBSERVATION");
    let range: Vec<f64> = o.read_vec("TIME_RANGE", 0..1).expect("a column");
    let first = MjdSeconds::from(header.rows.times()[0]).0;
    assert_eq!(range[0], first - 12.9);
    assert!((range[1] - (first + 2.0 * made::INTERVAL_S + 6.45)).abs() < 1e-4);
}

#[test]
fn baselines_that_point_both_ways_are_turned_to_point_one_way() {
    use Correlation::{XX, XY, YX, YY};
    let header = VisHeader { correlations: vec![XX, YY, XY, YX], ..irregular() };
    let towards = made::source(&header);
    let made = made::write(&header, &MsOptions { centre: Centre::At(towards), ..made::small_tiles() }, |_| {});
    let (a, b): (Vec<i32>, Vec<i32>) = (made.column("ANTENNA1"), made.column("ANTENNA2"));
    let (uvw, data) = (made.uvw(), made.data());
    for (r, row) in header.rows.iter().enumerate() {
        let Baseline { ant1, ant2 } = row.baseline;
        assert_eq!((a[r], b[r]), (ant1.min(ant2) as i32, ant1.max(ant2) as i32));
        let turned = ant1 > ant2;
        let in_file = made::sky(row.time).uvw_axes(towards).expect("ICRS").uvw(made::baseline_m(&header, row.baseline));
        for i in 0..3 {
            assert!((uvw[r][i] - if turned { in_file[i] } else { -in_file[i] }).abs() < 1e-9);
        }
        // `made::block` gives correlation c the phase c/10; a turned baseline has the conjugate, with XY and YX exchanged.
        for (i, v) in data[r].iter().enumerate() {
            let code = [9.0, if turned { 11.0 } else { 10.0 }, if turned { 10.0 } else { 11.0 }, 12.0][i % 4] / 10.0;
            let expected = Complex32::from_polar(1.0, if turned { code } else { -code });
            assert!((v - expected).norm() < 2e-6, "row {r}, value {i}: {v} {expected}");
        }
    }
}

#[test]
fn baselines_that_all_point_one_way_stay() {
    let mut header = made::header(1);
    let turned = [(1, 0), (2, 0), (2, 2), (5, 3)].map(|(a, b)| Baseline::new(a, b)).to_vec();
    header.rows = RowAxis::grid(made::times_from(made::JD, 1), vec![12.9], turned);
    let towards = made::source(&header);
    let made = made::write(&header, &MsOptions { centre: Centre::At(towards), ..made::small_tiles() }, |_| {});
    assert_shows(&made, &header, towards, 2e-6);
    assert_eq!(made.column::<i32>("ANTENNA1"), [1, 2, 2, 5]);
}
