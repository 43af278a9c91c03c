//! `contimg model` that is killed, or whose disk is full or read-only: MODEL_DATA is the old one or the new one.

use std::fs;
use std::path::Path;
use std::time::Instant;

use casacore::Table;
use fixtures::GroupSpec;
use rustix::process::Signal;

use crate::program::{Ended, Work, run_for, send, start, tagged, wait_for};
use crate::random::Random;
use crate::set;
use crate::tally::{Tally, repetitions};

const OLD: [&str; 2] = ["--source", "8,54,7"];
const NEW: [&str; 2] = ["--source", "7.5,54.5,3,-0.7,1400"];

fn model(work: &Work, args: &[&str]) -> Ended {
    work.run(&[&["model", &work.set().to_string_lossy(), "--quiet"], args].concat())
}

/// The bits of MODEL_DATA; nothing when there is no such column.
fn column(set: &Path) -> Result<Option<Vec<[u32; 2]>>, String> {
    ms_columns::recover(set).map_err(|e| e.to_string())?;
    let table = Table::open(set).map_err(|e| e.to_string())?;
    if table.column("MODEL_DATA").is_err() {
        return Ok(None);
    }
    let rows = table.rows().map_err(|e| e.to_string())?;
    let values = table.read_vec::<casacore::Complex32>("MODEL_DATA", 0..rows).map_err(|e| e.to_string())?;
    Ok(Some(values.iter().map(|v| [v.re.to_bits(), v.im.to_bits()]).collect()))
}

#[test]
fn killed_at_random_moments() {
    let spec = GroupSpec { antennas: 12, times: 8, channels: 24, ..GroupSpec::default() };
    let work = Work::with(&spec);
    work.convert(&["--windows", "subband", "--centres", "meridian"]).expect(0);
    let bare = work.path().join("bare.ms");
    set::copy(&work.set(), &bare);
    model(&work, &OLD).expect(0);
    let old = column(&work.set()).expect("old");
    let begun = Instant::now();
    model(&work, &NEW).expect(0);
    let usual = begun.elapsed();
    let new = column(&work.set()).expect("new");
    let mut random = Random::of("kills of a model");
    let mut tally = Tally::new("kills-of-a-model");
    for i in 0..repetitions("KILLS", 10) {
        // Every second time the column is made, which takes more files.
        let creating = i % 2 == 1;
        if creating {
            fs::remove_dir_all(work.set()).expect("remove");
            set::copy(&bare, &work.set());
        } else {
            model(&work, &OLD).expect(0);
        }
        let before = if creating { &None } else { &old };
        let tag = format!("CONTIMG_TEST_TAG=model-{}-{i}.", std::process::id());
        let (key, value) = tag.split_once('=').expect("a variable");
        let set = work.set();
        let mut command = work.contimg(["model", &set.to_string_lossy()]);
        let mut child = start(command.args(NEW).env(key, value));
        let moment = usual.mul_f64(1.2 * random.fraction());
        run_for(&mut child, moment);
        // The program, or the process that it has opened the set in.
        let victim = if i % 4 < 2 { Some(child.id()) } else { tagged(&tag).into_iter().find(|&pid| pid != child.id()) };
        if let Some(victim) = victim {
            send(victim, Signal::KILL);
        }
        let ended = Ended::of(child.wait_with_output().expect("wait"));
        wait_for("end of the process", || tagged(&tag).is_empty().then_some(()));
        let judge = || {
            if ended.stderr.contains("panicked") {
                return Err(format!("a panic: {ended:?}"));
            }
            let found = match column(&set)? {
                found if found == *before => "the old column",
                found if found == new => "the new column",
                _ => return Err("neither the old nor the new column".to_owned()),
            };
            set::check(&set)?;
            let next = model(&work, &NEW);
            match (next.orderly()?, column(&set)? == new) {
                (0, true) => Ok(found.to_owned()),
                _ => Err(format!("the next run: {next:?}")),
            }
        };
        tally.count(&format!("number {i}, killed after {moment:?}"), judge());
    }
    tally.finish();
}

/// A disk without room for a new column, at several sizes; in the mounts of `places::child`, at `folder`.
pub(super) fn full_disks(folder: &Path, mount: impl Fn(&str)) {
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&["--windows", "subband"]).expect(0);
    let bytes: u64 = set::bytes(&work.set()).values().map(|b| b.len().next_multiple_of(4096) as u64).sum();
    for spare in [8_u64, 64, 128, 256] {
        mount(&format!("size={}", bytes + (400 << 10) + (spare << 10)));
        let set = folder.join("a.ms");
        set::copy(&work.set(), &set);
        let before = set::bytes(&set);
        let stat = rustix::fs::statvfs(folder).expect("statvfs");
        let taken = (stat.f_bavail * stat.f_frsize).saturating_sub(spare << 10);
        fs::write(folder.join("ballast"), vec![1; usize::try_from(taken).expect("fits")]).expect("write");
        let ended = work.run(&["model", &set.to_string_lossy(), "--source", "8,54,1"]);
        let code = ended.orderly().expect("an orderly end");
        assert!(matches!(code, 0 | 3), "{spare} KiB: {ended:?}");
        if code == 3 {
            assert!(ended.stderr.contains("hint:"), "{ended:?}");
            assert_eq!(set::differences(&before, &set::bytes(&set)), [""; 0], "{spare} KiB");
        } else {
            assert!(spare >= 128, "{spare} KiB were enough");
        }
        fs::remove_file(folder.join("ballast")).expect("remove");
        work.run(&["model", &set.to_string_lossy(), "--source", "8,54,1"]).expect(0);
        set::check(&set).expect("a whole set");
    }
}

/// A set on a file system that is mounted read-only.
pub(super) fn read_only(folder: &Path, mount: impl Fn(&str)) {
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&[]).expect(0);
    mount("size=64m");
    let set = folder.join("a.ms");
    set::copy(&work.set(), &set);
    mount("remount,ro");
    let before = set::bytes(&set);
    work.run(&["model", &set.to_string_lossy(), "--source", "8,54,1"]).expect(3).says("a.ms").says("hint:");
    assert_eq!(set::differences(&before, &set::bytes(&set)), [""; 0]);
}
