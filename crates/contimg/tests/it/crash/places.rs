//! Places that cannot be read or written, names that are taken, disks that fill up.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use fixtures::GroupSpec;

use crate::program::{Ended, Work, start, wait_for};
use crate::set;
use crate::tally::{Tally, repetitions};

#[test]
fn a_name_that_is_taken() {
    let work = Work::with(&GroupSpec::tiny());
    let result = |ended: &Ended| ended.json()["groups"][0]["outcome"]["result"].clone();
    assert_eq!(result(&work.convert(&["--json"]).expect(0)), "converted");
    let first = fs::metadata(work.set()).expect("the set").modified().expect("time");
    // Ours, of the same files and options.
    assert_eq!(result(&work.convert(&["--json"]).expect(0)), "up-to-date");
    assert_eq!(result(&work.convert(&["--json", "--overwrite", "--threads", "1"]).expect(0)), "up-to-date");
    assert_eq!(fs::metadata(work.set()).expect("the set").modified().expect("time"), first);
    // Ours, of other options.
    let before = set::bytes(&work.set());
    work.convert(&["--windows", "subband"])
        .expect(3)
        .says("other files or with other options")
        .says("hint: --overwrite");
    assert_eq!(set::differences(&before, &set::bytes(&work.set())), [""; 0]);
    work.convert(&["--windows", "subband", "--overwrite"]).expect(0);
    set::check(&work.set()).expect("a whole set");
    assert!(!set::differences(&before, &set::bytes(&work.set())).is_empty());
    // Ours, damaged since.
    fs::remove_file(work.set().join("FIELD/table.dat")).expect("remove");
    work.convert(&[]).expect(3).says("hint:");
    work.convert(&["--overwrite"]).expect(0);
    assert_eq!(set::differences(&before, &set::bytes(&work.set())), [""; 0]);
    assert_eq!(work.names().len(), 1);
}

#[test]
fn a_name_that_somebody_else_has() {
    let work = Work::with(&GroupSpec::tiny());
    fs::create_dir_all(work.set()).expect("mkdir");
    fs::write(work.set().join("precious"), "data").expect("write");
    work.convert(&[]).expect(3).says("is not a set that this program completed").says("hint:");
    // Not even a Measurement Set: never replaced.
    work.convert(&["--overwrite"]).expect(3).says("hint:");
    assert_eq!(fs::read_to_string(work.set().join("precious")).expect("read"), "data");
    fs::remove_dir_all(work.set()).expect("remove");

    // A Measurement Set of another program.
    work.convert(&[]).expect(0);
    fs::remove_file(work.set().join(publish::MANIFEST_NAME)).expect("remove");
    work.convert(&[]).expect(3).says("is not a set that this program completed").says("hint:");
    work.convert(&["--overwrite"]).expect(0);
    set::check(&work.set()).expect("a whole set");

    // A link is not followed, and what it points to stays.
    let elsewhere = work.path().join("elsewhere.ms");
    fs::rename(work.set(), &elsewhere).expect("rename");
    symlink(&elsewhere, work.set()).expect("link");
    fs::remove_file(elsewhere.join(publish::MANIFEST_NAME)).expect("remove");
    for args in [&[][..], &["--overwrite"]] {
        work.convert(args).expect(3).says("hint:");
    }
    assert!(elsewhere.join("table.dat").is_file());

    // The folder itself is a file.
    fs::write(work.path().join("file"), "").expect("write");
    work.run(&["convert", "input", "--out", "file"]).expect(3).says("file");
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn input_that_may_not_be_read() {
    let work = Work::new();
    let files = work.add(&GroupSpec::tiny());
    fs::create_dir(work.out()).expect("mkdir");
    chmod(&work.out(), 0o777);
    chmod(&files[7], 0o000);
    let Some(ended) = work.unprivileged(&["convert", "input", "--out", "out"]) else { return };
    ended.expect(1).says("_sb07.hdf5").says("ermission denied").says("hint:");
    assert_eq!(work.names(), [""; 0]);
    // Its headers cannot be remembered here either; that is no reason to fail.
    let plan = work.unprivileged(&["plan", "input", "--json"]).expect("as before").expect(0).json();
    assert_eq!(plan["unreadable"].as_array().map(Vec::len), Some(1), "{plan:#}");

    chmod(&work.input(), 0o000);
    let ended = work.unprivileged(&["convert", "input", "--out", "out"]).expect("as before");
    chmod(&work.input(), 0o755);
    ended.expect(1).says("input").says("hint:");
}

#[test]
fn output_that_may_not_be_written() {
    let work = Work::with(&GroupSpec::tiny());
    fs::create_dir(work.out()).expect("mkdir");
    let Some(ended) = work.unprivileged(&["convert", "input", "--out", "out"]) else { return };
    ended.expect(3).says("out").says("hint:");
    work.unprivileged(&["convert", "input", "--out", "out/new"])
        .expect("as before")
        .expect(3)
        .says("out/new")
        .says("hint:");
    assert_eq!(work.names(), [""; 0]);
    chmod(&work.out(), 0o777);
    work.unprivileged(&["convert", "input", "--out", "out"]).expect("as before").expect(0);
    set::check(&work.set()).expect("a whole set");
}

/// The child's part of the tests of full disks, in a mount namespace of its own.
#[test]
fn child() {
    let Ok(fault) = std::env::var("CONTIMG_TEST_FAULT") else { return };
    match fault.as_str() {
        "full" => full_disks(),
        "full-database" => full_disks_of_databases(),
        "full-columns" => super::columns::full_disks(),
        "read-only" => {
            let work = Work::with(&GroupSpec::tiny());
            fs::create_dir(work.out()).expect("mkdir");
            let out = work.out();
            let _mounted = mount(&out, "ro");
            work.convert(&[]).expect(3).says("out").says("hint:");
        }
        "model" => {
            let folder = tempfile::tempdir().expect("temporary folder");
            super::model::full_disks(folder.path(), |options| remount(folder.path(), options));
            super::model::read_only(folder.path(), |options| remount(folder.path(), options));
            let _ = Command::new("umount").arg("--lazy").arg(folder.path()).status();
        }
        other => panic!("unknown fault {other}"),
    }
    println!("the child has checked");
}

/// A new file system in memory in place of the one there, or other options for it.
fn remount(folder: &Path, options: &str) {
    if !options.starts_with("remount") {
        let _ = Command::new("umount").arg("--lazy").arg(folder).output();
    }
    std::mem::forget(mount(folder, options));
}

/// A file system in memory, gone with this.
pub(super) struct Mounted<'a>(&'a Path);

pub(super) fn mount<'a>(folder: &'a Path, options: &str) -> Mounted<'a> {
    let status =
        Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder).status().expect("mount");
    assert!(status.success(), "mount {options}");
    Mounted(folder)
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

/// Disks with too little room from the start, too few files, or filled up by somebody else meanwhile.
fn full_disks() {
    let work = Work::with(&GroupSpec::tiny());
    let out = work.out();
    fs::create_dir(&out).expect("mkdir");
    let mut tally = Tally::new("full-disks");
    let n = repetitions("DISKS", 6);
    for i in 0..n {
        // Every number of files from none to more than a set has: each step of the way fails once.
        let files = 1 + i * 130 / n;
        let mounted = mount(&out, &format!("size=16m,nr_inodes={files}"));
        tally.count(&format!("{files} files"), judge_full(&work, &work.convert(&[])));
        drop(mounted);
        let size = 128 + i * 4096 / n;
        let mounted = mount(&out, &format!("size={size}k"));
        tally.count(&format!("{size} KiB"), judge_full(&work, &work.convert(&[])));
        drop(mounted);
        // Enough when the conversion looks; then somebody else takes all but a little.
        let mounted = mount(&out, "size=4m");
        let child = start(&mut work.contimg(["convert", "input", "--out", "out"]));
        wait_for("set in the making", || (!work.names().is_empty()).then_some(()));
        let stat = rustix::fs::statvfs(&out).expect("statvfs");
        let kept = (i as u64) * 700 * 1024 / n as u64;
        let taken = (stat.f_bavail * stat.f_frsize).saturating_sub(kept);
        let _ = fs::write(out.join(".ballast"), vec![1; usize::try_from(taken).expect("fits")]);
        let ended = Ended::of(child.wait_with_output().expect("wait"));
        fs::remove_file(out.join(".ballast")).expect("remove");
        tally.count(&format!("all but {kept} bytes taken"), judge_full(&work, &ended));
        // The same command again, now that there is room.
        work.convert(&[]).expect(0);
        set::check(&work.set()).expect("a whole set");
        drop(mounted);
    }
    tally.finish();
}

/// A new products database where there is room for none, for a part and for all of it: whole, or not there.
fn full_disks_of_databases() {
    let work = Work::new();
    let out = work.out();
    fs::create_dir(&out).expect("mkdir");
    let mut tally = Tally::new("full-disks-of-databases");
    for size in (32..2048).step_by(96) {
        let mounted = mount(&out, &format!("size={size}k"));
        let ended = work.run(&["db", "init", "out"]);
        let verdict = match ended.orderly() {
            Ok(0) => match work.run(&["db", "check", "out"]) {
                checked if checked.orderly() == Ok(0) => Ok("made".to_owned()),
                checked => Err(format!("made and not whole: {checked:?}")),
            },
            Ok(3) if fs::read_dir(&out).expect("list").next().is_none() => Ok("told".to_owned()),
            _ => Err(format!("{:?}: {ended:?}", work.names())),
        };
        tally.count(&format!("{size} KiB"), verdict);
        drop(mounted);
    }
    tally.finish();
}

fn judge_full(work: &Work, ended: &Ended) -> Result<String, String> {
    let left: Vec<_> = work.names().into_iter().filter(|name| name.starts_with('.') && name != ".ballast").collect();
    let whole = set::check_all(&work.out())?;
    match ended.orderly()? {
        _ if !left.is_empty() => Err(format!("left {left:?}: {ended:?}")),
        0 if whole == 1 => Ok("converted".to_owned()),
        3 if whole == 0 && ended.stderr.contains("hint:") && ended.stderr.contains("out") => Ok("told".to_owned()),
        _ => Err(format!("{whole} sets: {ended:?}")),
    }
}

/// Runs the child under `unshare`; skips visibly where that is not allowed.
pub(super) fn in_own_mounts(fault: &str) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let probe = r#"mount -t tmpfs none "$1" && umount "$1" || exit 77; shift; exec "$@""#;
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", probe, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().expect("own path"))
        .args(["--exact", "crash::places::child", "--nocapture"])
        .env("CONTIMG_TEST_FAULT", fault)
        .output();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output {
        Ok(output) if text(&output.stdout).contains("the child has checked") => assert!(output.status.success()),
        Ok(output) if text(&output.stdout).contains("running 1 test") => {
            panic!("{}{}", text(&output.stdout), text(&output.stderr))
        }
        _ => eprintln!("skipped: this machine does not allow a mount namespace"),
    }
}

#[test]
fn a_disk_that_is_or_becomes_full() {
    in_own_mounts("full");
}

#[test]
fn a_database_on_a_disk_that_is_full() {
    in_own_mounts("full-database");
}

#[test]
fn a_disk_that_is_read_only() {
    in_own_mounts("read-only");
}

#[test]
fn a_model_for_a_disk_that_is_full_or_read_only() {
    in_own_mounts("model");
}
