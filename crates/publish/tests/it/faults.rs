//! Full, read-only and forbidden folders, in a child that has a mount of its own or is another user.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use publish::{Error, Overwrite, StageOptions, Staged};

use crate::product::{Shape, build, draft, names, publish};

/// The child's part: tries to publish, and expects the error that the parent named.
#[test]
fn child() {
    let Some(folder) = std::env::var_os("PUBLISH_TEST_FOLDER") else { return };
    let folder = Path::new(&folder);
    let target = folder.join("a.ms");
    match std::env::var("PUBLISH_TEST_FAULT").as_deref() {
        Ok("full") => {
            let staged = Staged::create(&target, &StageOptions::default()).expect("room for the owner");
            build(staged.path(), Shape::Directory, "one").expect("room for the product");
            // Leave no room for the manifest.
            let fill = std::fs::write(folder.join("fill"), vec![1; 1 << 20]);
            assert!(fill.is_err(), "the disk is full now");
            let error = staged.commit(draft()).expect_err("no room");
            assert!(matches!(error, Error::NoSpace { .. }), "{error:?}");
            assert_eq!(names(folder), ["fill"]);
        }
        Ok("read-only") => {
            let error = publish(&target, Shape::Directory, "one", Overwrite::Refuse).expect_err("read-only");
            assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
        }
        Ok("denied") => {
            let error = publish(&target, Shape::Directory, "one", Overwrite::Refuse).expect_err("denied");
            assert!(matches!(error, Error::Denied { .. }), "{error:?}");
        }
        other => panic!("unknown fault {other:?}"),
    }
    println!("the child has checked");
}

/// Runs the child under `sh -c "SETUP && exec …"`, with the folder as `$1`. `false` when this machine does not allow
/// the set-up.
fn run_child(wrapper: &[&str], setup: &str, folder: &Path, fault: &str) -> bool {
    let script = format!(r#"{setup} || exit 77; shift; exec "$@""#);
    let status = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .args(["sh", "-c", &script, "sh"])
        .arg(folder)
        .arg(std::env::current_exe().expect("own path"))
        .args(["--exact", "faults::child", "--nocapture"])
        .env("PUBLISH_TEST_FOLDER", folder)
        .env("PUBLISH_TEST_FAULT", fault)
        .output();
    match status {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("the child has checked") => {
            assert!(output.status.success());
            true
        }
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
            panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
        _ => {
            eprintln!("skipped: this machine does not allow `{}` ({setup})", wrapper.join(" "));
            false
        }
    }
}

#[test]
fn a_full_disk_is_named_and_nothing_is_left() {
    let work = tempfile::tempdir().expect("temporary folder");
    run_child(&["unshare", "--mount"], r#"mount -t tmpfs -o size=128k none "$1""#, work.path(), "full");
}

#[test]
fn a_read_only_file_system_is_named() {
    let work = tempfile::tempdir().expect("temporary folder");
    run_child(&["unshare", "--mount"], r#"mount -t tmpfs -o ro none "$1""#, work.path(), "read-only");
}

#[test]
fn a_folder_of_somebody_else_is_named() {
    let work = tempfile::tempdir().expect("temporary folder");
    std::fs::set_permissions(work.path(), std::fs::Permissions::from_mode(0o555)).expect("chmod");
    if rustix::process::geteuid().is_root() {
        run_child(&["setpriv", "--reuid=65534", "--clear-groups"], "true", work.path(), "denied");
    } else {
        run_child(&["env"], "true", work.path(), "denied");
    }
}
