//! A process that publishes is killed at every named step; the name must hold a whole product or nothing, and the next
//! run must succeed by itself.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use publish::{Level, Liveness, Overwrite, Status, inspect, leftovers, verify};

use crate::product::{Shape, generation, names, publish, quick_folder};

const STEPS: [&str; 11] = [
    "temporary-made",
    "owner-written",
    "product-durable",
    "manifest-written",
    "manifest-durable",
    "old-retired",
    "renamed",
    "folder-synced",
    "temporary-emptied",
    "owner-removed",
    "none",
];

/// The child's part: publishes the generation "new". Does nothing when the test run itself calls it.
#[test]
fn child() {
    let Some(target) = std::env::var_os("PUBLISH_TEST_TARGET") else { return };
    let shape = if std::env::var_os("PUBLISH_TEST_FILE").is_some() { Shape::File } else { Shape::Directory };
    publish(Path::new(&target), shape, "new", Overwrite::Replace).expect("publish");
}

fn run_child(target: &Path, shape: Shape, step: &str, plain_renames: bool) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.args(["--exact", "kills::child", "--quiet"]).env("PUBLISH_TEST_TARGET", target);
    command.env("PUBLISH_KILL_POINT", step).stdout(std::process::Stdio::null());
    if shape == Shape::File {
        command.env("PUBLISH_TEST_FILE", "1");
    }
    if plain_renames {
        command.env("PUBLISH_PLAIN_RENAMES", "1");
    }
    command.status().expect("run the child")
}

#[test]
fn killed_at_any_step_the_name_holds_all_or_nothing_and_the_next_run_heals() {
    let mut killed = 0;
    for shape in [Shape::Directory, Shape::File] {
        for replacing in [false, true] {
            for plain_renames in [false, true] {
                for step in STEPS {
                    let what = format!("{shape:?}, replacing {replacing}, plain {plain_renames}, {step}");
                    let work = quick_folder();
                    let target = work.path().join("a.ms");
                    if replacing {
                        publish(&target, shape, "old", Overwrite::Refuse).expect("publish");
                    }
                    let status = run_child(&target, shape, step, plain_renames);
                    let retires = shape == Shape::Directory && replacing && plain_renames;
                    if step == "none" || (step == "old-retired" && !retires) {
                        assert!(status.success(), "{what}");
                    } else {
                        assert_eq!(status.signal(), Some(9), "{what}: killed");
                        killed += 1;
                    }
                    check(&target, shape, replacing, step, &what);

                    // The same command again, and nothing of the dead run is left.
                    assert!(run_child(&target, shape, "none", plain_renames).success(), "{what}: the next run");
                    assert_eq!(generation(&target, shape).as_deref(), Some("new"), "{what}");
                    verify(&target, Level::Checksums).expect(&what);
                    let expected: &[&str] =
                        if shape == Shape::File { &[".a.ms.product.json", "a.ms"] } else { &["a.ms"] };
                    assert_eq!(names(work.path()), expected, "{what}");
                }
            }
        }
    }
    assert_eq!(killed, 8 * 9 + 1);
}

fn check(target: &Path, shape: Shape, replacing: bool, step: &str, what: &str) {
    let status = inspect(target).expect(what);
    match generation(target, shape).as_deref() {
        None => {
            assert_eq!(status, Status::Absent, "{what}");
            assert!(!replacing || step == "old-retired", "{what}: the old product is gone");
        }
        Some("old" | "new") => {
            assert!(matches!(status, Status::Complete(_)), "{what}: {status:?}");
            verify(target, Level::Checksums).expect(what);
        }
        Some(other) => panic!("{what}: generation {other}"),
    }
    for leftover in leftovers(target.parent().expect("folder")).expect(what) {
        assert_eq!(leftover.liveness, Liveness::Dead, "{what}");
    }
}

#[test]
fn the_old_product_of_an_interrupted_replacement_gets_its_name_back() {
    let work = quick_folder();
    let target = work.path().join("a.ms");
    publish(&target, Shape::Directory, "old", Overwrite::Refuse).expect("publish");
    assert_eq!(run_child(&target, Shape::Directory, "old-retired", true).signal(), Some(9));
    assert_eq!(inspect(&target).expect("inspect"), Status::Absent);
    let found = leftovers(work.path()).expect("list");
    assert_eq!(found[0].holds, publish::Holds::Retired);
    publish::remove_leftover(&found[0]).expect("remove");
    assert_eq!(generation(&target, Shape::Directory).as_deref(), Some("old"));
    assert_eq!(fs::read_dir(work.path()).expect("list").count(), 1);
}
