//! Several threads, several handles.

use casacore::{ColumnDesc, DataType, Endian, Error, Layout, Lock, LockMode, Manager, OpenOptions, Operations, Table};
use std::time::Duration;

/// Two handles of one path in two threads take turns: casacore alone crashes here.
#[test]
fn one_path_in_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let mut table = Layout::new()
        .column(ColumnDesc::fixed("DATA", DataType::F32, [16, 4]))
        .manager(Manager::tiled_column("t", [8, 16, 4]).holding(["DATA"]))
        .create(&path, 64)
        .unwrap();
    let all: Vec<f32> = (0..64 * 64).map(|i| i as f32).collect();
    table.write("DATA", 0..64, &all).unwrap();
    table.close().unwrap();
    // One of them by another name of the same folder.
    let link = folder.path().join("link.tab");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (path, all) = (if thread == 0 { &link } else { &path }, &all);
            scope.spawn(move || {
                for turn in 0..200 {
                    let table = Table::open(path).unwrap();
                    let row = (turn * 7 + thread) % 60;
                    let mut out = [0.0_f32; 4 * 64];
                    table.read("DATA", row..row + 4, &mut out).unwrap();
                    assert_eq!(out, all[row as usize * 64..][..256]);
                }
            });
        }
    });
}

/// A handle made in one thread works in another.
#[test]
fn handles_move_between_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let mut table = Layout::new().column(ColumnDesc::scalar("N", DataType::I32)).create(&path, 2).unwrap();
    let table = std::thread::spawn(move || {
        table.write("N", 0..2, &[4, 5]).unwrap();
        table
    })
    .join()
    .unwrap();
    assert_eq!(table.read_vec::<i32>("N", 0..2).unwrap(), [4, 5]);
}

#[test]
fn operations_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let operations = Operations::new();
    let options = OpenOptions::new().write(true).operations(&operations);
    let mut table = Layout::new()
        .column(ColumnDesc::scalar("N", DataType::I32))
        .endian(Endian::Big)
        .create_with(&path, 1000, &options)
        .unwrap();
    table.write("N", 0..1000, &[7; 1000]).unwrap();
    table.close().unwrap();
    let before = operations.counts();
    assert_eq!((before.opens, before.writes, before.bytes_written), (1, 1, 4000));

    let table = options.open(&path).unwrap();
    table.read("N", 0..1000, &mut [0; 1000]).unwrap();
    let counts = table.operations().counts();
    assert_eq!((counts.opens, counts.reads, counts.bytes_read), (2, 1, 4000));
}

#[test]
fn user_locks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    Layout::new().column(ColumnDesc::scalar("N", DataType::I32)).create(&path, 1).unwrap().close().unwrap();
    let mut table = OpenOptions::new().write(true).lock(LockMode::User).open(&path).unwrap();
    assert!(!table.has_lock(Lock::Write).unwrap());
    assert!(table.write("N", 0, &[1]).is_err(), "without a lock nothing is written");
    table.lock(Lock::Write, Duration::ZERO).unwrap();
    assert!(table.has_lock(Lock::Write).unwrap());
    table.write("N", 0, &[2]).unwrap();
    table.unlock().unwrap();
    table.close().unwrap();
    assert_eq!(Table::open(&path).unwrap().read_vec::<i32>("N", 0).unwrap(), [2]);
    // A second handle of the same process does not fight with the first.
    let first = OpenOptions::new().write(true).lock(LockMode::Permanent).open(&path).unwrap();
    let second = Table::open(&path).unwrap();
    assert_eq!(second.read_vec::<i32>("N", 0).unwrap(), [2]);
    first.close().unwrap();
    assert!(!matches!(second.rows(), Err(Error::Locked { .. })));
}
