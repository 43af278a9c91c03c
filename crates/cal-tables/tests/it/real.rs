//! Tables that CASA wrote.

use std::path::{Path, PathBuf};

use cal_tables::{CalTable, Error, Kind, Values};

/// The shared folder of real files, where it is present.
fn data(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(path);
    let there = path.exists();
    if !there {
        eprintln!("skipped: {} is absent", path.display());
    }
    there.then_some(path)
}

#[test]
fn the_sma_gains_are_read() {
    let Some(archive) = data("rasg-datasets/calibration_solutions/SMA/sma.ms.pha.gcal.tar.gz") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let status = std::process::Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(folder.path()).status();
    assert!(status.expect("tar runs").success());
    let table = CalTable::read(&folder.path().join("sma.ms.pha.gcal")).expect("read");
    assert_eq!((table.kind, table.rows.len(), table.antennas.len(), table.windows.len()), (Kind::Gain, 1080, 9, 12));
    assert_eq!(table.set, "210928_07:02:58_bin4.ms");
    let first = &table.rows[0];
    assert_eq!((first.time_s, first.antenna, first.reference, first.scan), (5_139_529_601.728_6, 0, 1, 2));
    assert_eq!(first.flags, [true, true]);
    // Phases only: every gain is 1 in amplitude.
    for row in &table.rows {
        let Values::Gains(gains) = &row.values else { panic!("gains") };
        assert!(gains.iter().all(|gain| (gain.norm() - 1.0).abs() < 1e-5));
    }
}

#[test]
fn a_kind_that_is_not_understood_is_named() {
    let Some(path) = data("dsa110-calib/dsacalib/data/template_gcal_ant") else { return };
    let error = CalTable::read(&path).expect_err("a Mueller table");
    assert!(matches!(&error, Error::Kind { kind, .. } if kind == "M Mueller"), "{error}");
}
