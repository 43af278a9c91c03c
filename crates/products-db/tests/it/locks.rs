//! That opening a database again leaves the locks of this process's other connections alone. POSIX ends them all when any
//! descriptor of the file is closed; another program that closes the database then takes itself for the last one and removes
//! the log that we go on writing to.
//!
//! `/proc/locks` tells which locks a process has, not which of its files they are for: a process of its own looks.

use std::process::Command;

use products_db::{Reader, Writer};

const FOLDER: &str = "CONTIMG_LOCKS_FOLDER";

/// The first of the bytes that SQLite locks for as long as a database is open (<https://sqlite.org/fileformat.html>, 1.3: the
/// page at 1 GiB; two bytes on are those of readers).
const SHARED: &str = " 1073741826 ";

fn shared_locks() -> usize {
    let of_us = format!(" {} ", std::process::id());
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().filter(|line| line.contains(&of_us) && line.contains(SHARED)).count()
}

#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let path = std::path::Path::new(&folder).join("products.sqlite3");
    let _writer = Writer::create(&path).expect("a database");
    if shared_locks() == 0 {
        return println!("skipped: this system does not tell of locks");
    }
    drop(Reader::open(&path).expect("a reader"));
    assert_eq!(shared_locks(), 1, "the writer's");
}

#[test]
fn a_second_connection_leaves_the_locks_of_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "locks::child", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    eprintln!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
