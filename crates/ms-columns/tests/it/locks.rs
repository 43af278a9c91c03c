use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use casacore::{Lock, LockMode, OpenOptions};
use ms_columns::{ColumnEdit, EditOptions, Error, Target};

use crate::set::{Make, messages, set};

/// The child's part: holds casacore's lock until its input ends.
#[test]
fn holder() {
    let Some(path) = std::env::var_os("COLUMNS_TEST_HOLD") else { return };
    let table = OpenOptions::new().write(true).lock(LockMode::Permanent).open(path).expect("open");
    println!("held");
    std::io::stdout().flush().expect("flush");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("wait");
    drop(table);
}

/// A child that holds the lock of the table at `path`, and what else it will print.
fn hold(path: &std::path::Path) -> (Child, impl Iterator<Item = std::io::Result<String>> + use<>) {
    let mut child = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "locks::holder", "--nocapture"])
        .env("COLUMNS_TEST_HOLD", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("child");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.ends_with("held")));
    (child, lines)
}

#[test]
fn a_holder_of_history_is_named_before_anything_is_computed() {
    let (_folder, path) = set(Make::Tiled);
    let (mut child, lines) = hold(&path.join("HISTORY"));
    let options = EditOptions { command: Some("it".into()), ..EditOptions::new("it") };
    let refused = ColumnEdit::begin(&path, &options, &[Target::existing("FLAG")]);
    let Err(Error::Locked { path: locked, holders, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((locked, holders[0].pid), (path.join("HISTORY"), child.id()));
    assert!(!path.join(".product.edit").exists());
    drop(child.stdin.take());
    lines.for_each(drop);
    child.wait().expect("child");
    ColumnEdit::begin(&path, &options, &[Target::existing("FLAG")]).expect("begin").commit().expect("commit");
    assert_eq!(messages(&path), ["made", "FLAG changed"]);
}

#[test]
fn a_holder_is_named_and_waited_for() {
    let (_folder, path) = set(Make::Tiled);
    let (mut child, lines) = hold(&path);

    let refused = ColumnEdit::begin(&path, &EditOptions::new("it"), &[Target::existing("FLAG")]);
    let Err(Error::Locked { holders, waited, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((holders.len(), holders[0].pid, waited), (1, child.id(), Duration::ZERO));
    assert!(holders[0].program.is_some());
    assert!(!path.join(".product.edit").exists());

    // With patience, it is ours when the child lets go.
    let input = child.stdin.take().expect("piped");
    let waiter = std::thread::spawn({
        let path = path.clone();
        move || {
            let options = EditOptions { wait: Duration::from_secs(30), ..EditOptions::new("it") };
            ColumnEdit::begin(&path, &options, &[Target::existing("FLAG")]).map(|edit| edit.commit())
        }
    });
    drop(input);
    lines.for_each(drop);
    child.wait().expect("child");
    waiter.join().expect("thread").expect("begin").expect("commit");
}

#[test]
fn one_edit_at_a_time() {
    let (_folder, path) = set(Make::Tiled);
    let first = ColumnEdit::begin(&path, &EditOptions::new("it"), &[Target::existing("FLAG")]).expect("begin");
    let second = ColumnEdit::begin(&path, &EditOptions::new("it"), &[Target::existing("FLAG")]);
    let Err(Error::Locked { holders, .. }) = second else { panic!("{second:?}") };
    assert_eq!(holders[0].pid, std::process::id());
    first.commit().expect("commit");
    drop(ColumnEdit::begin(&path, &EditOptions::new("it"), &[]).expect("free again"));
}

/// The child's part: has the set open for writing, without its lock, while the parent adds a column; then wants to write.
#[test]
fn late_writer() {
    let Some(path) = std::env::var_os("COLUMNS_TEST_LATE") else { return };
    let mut table = OpenOptions::new().write(true).lock(LockMode::User).open(path).expect("open");
    println!("open");
    std::io::stdout().flush().expect("flush");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("wait");
    let refused = table.lock(Lock::Write, Duration::from_secs(5)).expect_err("the description has changed");
    assert!(matches!(refused, casacore::Error::Casacore { .. }), "{refused:?}");
    // As a program that crashes on the error.
    std::process::exit(0);
}

#[test]
fn a_program_with_the_old_description_is_refused_before_it_writes_it_again() {
    let (_folder, path) = set(Make::Foreign);
    let mut table = OpenOptions::new().write(true).lock(LockMode::Auto).open(&path).expect("open");
    table.put_keyword("NOTE", "so that the lock file has counters").expect("keyword");
    table.close().expect("close");
    let mut child = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "locks::late_writer", "--nocapture"])
        .env("COLUMNS_TEST_LATE", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("child");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.ends_with("open")));
    let edit = ColumnEdit::begin(&path, &EditOptions::new("it"), &[Target::model()]).expect("begin");
    edit.commit().expect("commit");
    drop(child.stdin.take());
    lines.for_each(drop);
    assert!(child.wait().expect("child").success());
    assert!(casacore::Table::open(&path).expect("open").column("MODEL_DATA").is_ok());
}
