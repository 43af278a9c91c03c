//! Several threads, several handles.

use casacore::tiles::TiledColumn;
use casacore::{ColumnDesc, DataType, Endian, Error, Layout, Lock, LockMode, Manager, OpenOptions, Operations, Table};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
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

/// Different tables in different threads do not wait for each other and do not disturb each other.
#[test]
fn many_tables_in_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let folder = &folder;
            scope.spawn(move || {
                for turn in 0..25 {
                    let path = folder.path().join(format!("{thread}-{turn}.tab"));
                    let mut table = Layout::new()
                        .column(ColumnDesc::scalar("N", DataType::I32))
                        .column(ColumnDesc::fixed("X", DataType::F64, [2, 2]))
                        .manager(Manager::tiled_column("t", [4, 2, 2]).holding(["X"]))
                        .keyword("THREAD", thread)
                        .create(&path, 5)
                        .unwrap();
                    table.write("N", 0..5, &[turn; 5]).unwrap();
                    table.write("X", 0..5, &[f64::from(thread); 20]).unwrap();
                    table.close().unwrap();
                    let table = Table::open(&path).unwrap();
                    assert_eq!(table.read_vec::<i32>("N", 0..5).unwrap(), [turn; 5]);
                    assert_eq!(table.read_vec::<f64>("X", 0..5).unwrap(), [f64::from(thread); 20]);
                }
            });
        }
    });
}

const HELD: &str = "CASACORE_TEST_HELD_TABLE";

/// Not a test by itself: the other process of `another_process_is_named`, which runs this binary again.
#[test]
fn hold_a_lock_for_another_process() {
    let Some(path) = std::env::var_os(HELD) else { return };
    let table = OpenOptions::new().write(true).lock(LockMode::Permanent).open(PathBuf::from(path)).unwrap();
    println!("\nlocked");
    // Until the parent closes the pipe.
    std::io::stdin().read_line(&mut String::new()).unwrap();
    table.close().unwrap();
}

#[test]
fn another_process_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    Layout::new()
        .column(ColumnDesc::fixed("X", DataType::F64, [2, 2]))
        .manager(Manager::tiled_column("t", [4, 2, 2]).holding(["X"]))
        .create(&path, 1)
        .unwrap()
        .close()
        .unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "threads::hold_a_lock_for_another_process", "--nocapture"])
        .env(HELD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "locked"));

    let holder = |result: Result<(), Error>| match result {
        Err(Error::Locked { pids, .. }) => pids,
        other => panic!("{other:?}"),
    };
    let options = OpenOptions::new().write(true);
    assert_eq!(holder(options.clone().lock(LockMode::Permanent).open(&path).map(drop)), [child.id()]);
    let mut table = options.clone().lock(LockMode::UserNoRead).open(&path).unwrap();
    assert_eq!(holder(table.lock(Lock::Write, Duration::from_millis(30))), [child.id()]);
    drop(table);
    assert_eq!(holder(TiledColumn::open_rw(&path, "X").map(drop)), [child.id()]);

    drop(child.stdin.take());
    assert!(lines.count() > 0, "the child reports its success");
    assert!(child.wait().unwrap().success());
    drop(options.lock(LockMode::Permanent).open(&path).unwrap());
    drop(TiledColumn::open_rw(&path, "X").unwrap());
}

#[test]
fn tiled_columns_are_shared_by_threads() {
    fn shared<T: Sync + Send>() {}
    shared::<TiledColumn>();
}
