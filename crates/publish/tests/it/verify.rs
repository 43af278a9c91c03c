use std::fs;
use std::path::Path;

use publish::{Difference, Error, Level, Overwrite, Status, inspect, verify};

use crate::product::{Shape, build, publish};

fn published(work: &Path) -> std::path::PathBuf {
    let target = work.join("a.ms");
    publish(&target, Shape::Directory, "one", Overwrite::Refuse).expect("publish");
    target
}

fn difference(target: &Path, level: Level) -> Difference {
    match verify(target, level) {
        Err(Error::Differs { mut differences, .. }) if differences.len() == 1 => differences.remove(0),
        other => panic!("expected one difference, found {other:?}"),
    }
}

#[test]
fn a_moved_product_still_verifies() {
    let work = tempfile::tempdir().expect("temporary folder");
    let target = published(work.path());
    let moved = work.path().join("b.ms");
    fs::rename(&target, &moved).expect("rename");
    verify(&moved, Level::Checksums).expect("paths are relative");
    assert_eq!(inspect(&target).expect("inspect"), Status::Absent);
}

#[test]
fn volatile_files_may_change_and_vanish() {
    let work = tempfile::tempdir().expect("temporary folder");
    let target = published(work.path());
    fs::write(target.join("table.lock"), "a reader was here").expect("write");
    fs::write(target.join("FIELD/table.lock"), "and here").expect("write");
    verify(&target, Level::Checksums).expect("lock files do not count");
}

#[test]
fn losses_are_damage() {
    let work = tempfile::tempdir().expect("temporary folder");
    let target = published(work.path());
    fs::write(target.join("FIELD/table.f0"), vec![7; 4999]).expect("write");
    assert!(matches!(inspect(&target).expect("inspect"), Status::Damaged { .. }));
    assert_eq!(
        difference(&target, Level::Sizes),
        Difference::Size { path: "FIELD/table.f0".into(), published: 5000, found: 4999 }
    );
    fs::remove_file(target.join("FIELD/table.f0")).expect("remove");
    assert!(matches!(inspect(&target).expect("inspect"), Status::Damaged { .. }));
    assert_eq!(difference(&target, Level::Sizes), Difference::Missing { path: "FIELD/table.f0".into() });
}

#[test]
fn additions_and_growth_are_changes() {
    let work = tempfile::tempdir().expect("temporary folder");
    let target = published(work.path());
    fs::write(target.join("table.f9"), "a new column").expect("write");
    assert!(matches!(inspect(&target).expect("inspect"), Status::Changed { .. }));
    assert_eq!(difference(&target, Level::Sizes), Difference::Added { path: "table.f9".into() });
}

#[test]
fn a_changed_byte_shows_in_the_checksum_only() {
    let work = tempfile::tempdir().expect("temporary folder");
    let target = published(work.path());
    fs::write(target.join("FIELD/table.f0"), vec![8; 5000]).expect("write");
    verify(&target, Level::Sizes).expect("sizes are equal");
    assert_eq!(difference(&target, Level::Checksums), Difference::Content { path: "FIELD/table.f0".into() });
}

#[test]
fn an_edited_manifest_is_not_believed() {
    let work = tempfile::tempdir().expect("temporary folder");
    let target = published(work.path());
    let path = target.join(publish::MANIFEST_NAME);
    let text = fs::read_to_string(&path).expect("read").replace("5000", "4000");
    fs::write(&path, text).expect("write");
    let Status::Damaged { differences } = inspect(&target).expect("inspect") else { panic!("believed") };
    assert!(matches!(differences[..], [Difference::Manifest { .. }]));
}

#[test]
fn what_somebody_else_made_is_foreign() {
    let work = tempfile::tempdir().expect("temporary folder");
    for shape in [Shape::Directory, Shape::File] {
        let target = work.path().join(format!("{shape:?}"));
        build(&target, shape, "one").expect("build");
        assert_eq!(inspect(&target).expect("inspect"), Status::Foreign);
        assert!(matches!(verify(&target, Level::Sizes), Err(Error::NotAProduct { .. })));
    }
}
