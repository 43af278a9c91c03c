//! Columns of a set under `kill -9` and on full disks: the old ones or the new ones.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use casacore::Table;
use fixtures::{Content, GroupSpec, Rfi, RfiKind, SkySpec};
use publish::{Level, verify};
use rustix::process::Signal;

use super::places::mount;
use crate::program::{Ended, GROUP, Work, run_for, send, start, tagged, wait_for};
use crate::random::Random;
use crate::set;
use crate::tally::{Tally, repetitions};

/// A set with interference, its flags before and after, and how long flagging takes.
struct Scene {
    work: Work,
    old: Vec<bool>,
    new: Vec<bool>,
    usual: Duration,
}

impl Scene {
    fn new() -> Self {
        let interference = Rfi { kinds: vec![RfiKind::Narrow], jansky: 80.0 };
        let content = Content::Sky(SkySpec { noise_jy: 1.0, interference, ..SkySpec::default() });
        let work = Work::with(&GroupSpec { antennas: 8, times: 12, channels: 12, content, ..GroupSpec::default() });
        work.convert(&[]).expect(0);
        fs::rename(work.set(), work.path().join("old.ms")).expect("rename");
        let old = flags(&work.path().join("old.ms"));
        set::copy(&work.path().join("old.ms"), &work.set());
        let begun = Instant::now();
        work.run(&["flag", &set_name()]).expect(0);
        let usual = begun.elapsed();
        let new = flags(&work.set());
        assert!(new != old);
        Self { work, old, new, usual }
    }

    /// The set as it was, in the output folder.
    fn reset(&self) {
        let _ = fs::remove_dir_all(self.work.set());
        set::copy(&self.work.path().join("old.ms"), &self.work.set());
    }

    /// Which flags the set has once any command has opened it, and that all of it is whole.
    fn present(&self) -> Result<&'static str, String> {
        let listed = self.work.run(&["flag", &set_name(), "--list"]);
        if listed.orderly()? != 0 {
            return Err(format!("--list: {listed:?}"));
        }
        verify(&self.work.set(), Level::Checksums).map_err(|error| error.to_string())?;
        if self.work.set().join(".product.edit").exists() {
            return Err("the change is not cleaned up".to_owned());
        }
        let found = flags(&self.work.set());
        match () {
            () if found == self.old => Ok("the old flags"),
            () if found == self.new => Ok("the new flags"),
            () => Err("flags that are neither".to_owned()),
        }
    }
}

fn set_name() -> String {
    format!("out/{GROUP}.ms")
}

fn flags(set: &Path) -> Vec<bool> {
    let table = Table::open(set).expect("open");
    let rows = table.rows().expect("rows");
    let mut all: Vec<bool> = table.read_vec("FLAG", 0..rows).expect("FLAG");
    all.extend(table.read_vec::<bool>("FLAG_ROW", 0..rows).expect("FLAG_ROW"));
    all
}

#[test]
fn flags_under_kill_9_at_random_moments() {
    let scene = Scene::new();
    let mut random = Random::of("kills of the flagger");
    let mut tally = Tally::new("kills-of-the-flagger");
    for i in 0..repetitions("COLUMNS", 10) {
        scene.reset();
        let tag = format!("CONTIMG_TEST_TAG=columns-{}-{i}.", std::process::id());
        let (key, value) = tag.split_once('=').expect("a variable");
        let mut command = scene.work.contimg(["flag", &set_name()]);
        let mut child = start(command.env(key, value));
        // Most of the time goes into starting and searching; half of the kills fall into the last third.
        let fraction = if i % 2 == 0 { random.fraction() } else { 0.66 + 0.4 * random.fraction() };
        run_for(&mut child, scene.usual.mul_f64(fraction));
        // The process that does the work, or the one that waits for it.
        let worker = tagged(&tag).into_iter().find(|&pid| pid != child.id());
        send(if i % 3 == 0 { child.id() } else { worker.unwrap_or(child.id()) }, Signal::KILL);
        let ended = Ended::of(child.wait_with_output().expect("wait"));
        wait_for("end of the worker", || tagged(&tag).is_empty().then_some(()));
        let judged =
            if ended.stderr.contains("panicked") { Err(format!("a panic: {ended:?}")) } else { scene.present() };
        let again = judged.and_then(|found| {
            let ended = scene.work.run(&["flag", &set_name()]);
            match ended.orderly()? {
                0 => Ok(format!("{found}, and the next run succeeds")),
                _ => Err(format!("the next run: {ended:?}")),
            }
        });
        tally.count(&format!("kill {i}"), again);
    }
    tally.finish();
}

/// The part of [`super::places`]'s child: disks with ever more room beside the set.
pub(super) fn full_disks() {
    let scene = Scene::new();
    let out = scene.work.out();
    let mut tally = Tally::new("full-disks-of-columns");
    let bytes = Command::new("du").arg("-sk").arg(scene.work.path().join("old.ms")).output().expect("du").stdout;
    let kib: u64 =
        String::from_utf8_lossy(&bytes).split_whitespace().next().and_then(|n| n.parse().ok()).expect("size");
    scene.work.clear();
    fs::create_dir_all(&out).expect("mkdir");
    let n = repetitions("DISKS", 6) as u64;
    for i in 0..n {
        let room = i * 1200 / n;
        let mounted = mount(&out, &format!("size={}k", kib + 64 + room));
        scene.reset();
        let ended = scene.work.run(&["flag", &set_name()]);
        let judged = match ended.orderly() {
            Ok(0) => scene.present().and_then(|found| match found {
                "the new flags" => Ok("flagged".to_owned()),
                other => Err(format!("success and {other}")),
            }),
            // casacore aborts its process when it cannot write; and where a table has no lock file yet it makes one.
            Ok(1 | 3 | 4) if ["hint:", "No space left"].iter().any(|text| ended.stderr.contains(text)) => {
                // Whoever looks afterwards has room to do so.
                mount_options(&out, &format!("remount,size={}k", kib + 8192));
                scene.present().and_then(|found| match found {
                    "the old flags" => Ok("told".to_owned()),
                    other => Err(format!("a failure and {other}")),
                })
            }
            _ => Err(format!("{ended:?}")),
        };
        tally.count(&format!("{room} KiB beside the set"), judged);
        drop(mounted);
    }
    tally.finish();
}

fn mount_options(folder: &Path, options: &str) {
    let status = Command::new("mount").args(["-o", options]).arg(folder).status().expect("mount");
    assert!(status.success(), "mount {options}");
}

#[test]
fn flags_on_a_disk_that_is_full() {
    super::places::in_own_mounts("full-columns");
}
