use cal_tables::{CalTable, Complex32, Error, Kind, Values};

use crate::{row, subtables, table};

#[test]
fn every_kind_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = subtables(3, &[(1.4e9, 4), (1.5e9, 4)]);
    for kind in [Kind::Bandpass, Kind::Gain, Kind::Delay] {
        let mut written = table(kind, &set);
        let channels = if kind == Kind::Bandpass { 4 } else { 1 };
        for antenna in 0..3 {
            let mut solutions =
                row(5.2e9, antenna, channels, |c, p| Complex32::new(1.0 + c as f32, (antenna * 2 + p) as f32));
            if kind == Kind::Delay {
                solutions.values = Values::Delays(vec![1.5 * antenna as f32, -2.0]);
            }
            solutions.flags[1] = antenna == 1;
            solutions.window = 1;
            written.rows.push(solutions);
        }
        written.history.push("contimg solve night.ms".into());
        let path = folder.path().join(kind.name());
        written.write(&path).expect("written");
        let read = CalTable::read(&path).expect("read");
        assert_eq!((read.kind, &read.rows), (kind, &written.rows));
        assert_eq!((read.set.as_str(), read.antennas.len()), ("night.ms", 3));
        assert_eq!(read.antennas[2].position_m, written.antennas[2].position_m);
        assert_eq!(read.windows[1].len(), channels);
        assert_eq!(read.flagged(), (3 * 2 * channels, 1));
        if kind != Kind::Bandpass {
            assert_eq!(read.windows[1].freq_hz, [1.5e9 + 1.5 * 244_140.625], "the middle of the window");
        }
    }
}

#[test]
fn rows_that_contradict_themselves_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = subtables(1, &[(1.4e9, 4)]);
    let mut short = table(Kind::Gain, &set);
    short.rows.push(row(5.2e9, 0, 1, |_, _| Complex32::ONE));
    short.rows[0].flags.pop();
    let path = folder.path().join("short");
    assert!(matches!(short.write(&path), Err(Error::Row { row: 0, .. })));
    assert!(!path.exists());
    // An antenna that the table does not have, written all the same.
    let mut lost = table(Kind::Gain, &set);
    lost.rows.push(row(5.2e9, 7, 1, |_, _| Complex32::ONE));
    lost.write(&path).expect("written");
    assert!(matches!(CalTable::read(&path), Err(Error::Row { row: 0, .. })));
}

#[test]
fn other_tables_are_no_calibration() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small.tab");
    let column = casacore::ColumnDesc::scalar("N", casacore::DataType::I32);
    casacore::Layout::new().column(column).create(&path, 1).expect("made").close().expect("closed");
    assert!(matches!(CalTable::read(&path), Err(Error::NotCalibration { .. })));
    assert!(matches!(CalTable::read(&folder.path().join("none")), Err(Error::Table { .. })));
}
