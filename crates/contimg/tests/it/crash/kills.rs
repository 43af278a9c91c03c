//! `kill -9`: of the program and of its worker.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fixtures::{GroupSpec, Layout, Storage};
use publish::{Liveness, StageOptions, Staged};
use rustix::process::Signal;

use super::signals::worker_at_work;
use crate::program::{Ended, Work, run_for, send, start, tagged, wait_for, workers};
use crate::random::Random;
use crate::set;
use crate::tally::{Tally, repetitions};

/// 60 kB a subband in many chunks, so that the bulk of the time goes into reading and writing.
fn group() -> GroupSpec {
    let storage = Storage::Chunks { rows: 32, channels: 4, correlations: 1 };
    GroupSpec {
        antennas: 8,
        times: 12,
        channels: 12,
        layout: Layout { storage, ..Layout::default() },
        ..GroupSpec::default()
    }
}

const OTHER: [&str; 2] = ["--windows", "subband"];

/// A group, the set that an undisturbed run makes of it, one of other options, and how long a run takes.
struct Scene {
    work: Work,
    whole: BTreeMap<String, Vec<u8>>,
    other: BTreeMap<String, Vec<u8>>,
    usual: Duration,
}

impl Scene {
    fn new() -> Self {
        let work = Work::with(&group());
        work.convert(&OTHER).expect(0);
        let other = set::bytes(&work.set());
        let begun = Instant::now();
        work.convert(&["--overwrite"]).expect(0);
        let usual = begun.elapsed();
        let whole = set::bytes(&work.set());
        work.clear();
        Self { work, whole, other, usual }
    }

    /// Which of the two sets has the name, if any.
    fn present(&self) -> Result<&'static str, String> {
        if !self.work.set().exists() {
            return Ok("no set");
        }
        set::check(&self.work.set())?;
        let found = set::bytes(&self.work.set());
        match (set::differences(&found, &self.whole).as_slice(), set::differences(&found, &self.other).as_slice()) {
            ([], _) => Ok("the new set"),
            (_, []) => Ok("the old set"),
            (new, old) => Err(format!("neither: differs from the new one in {new:?}, from the old one in {old:?}")),
        }
    }

    /// Runs the same command again: the set must be as if nothing had happened, and nothing be left.
    fn run_again(&self, args: &[&str]) -> Result<(), String> {
        let ended = self.work.convert(args);
        if ended.orderly()? != 0 {
            return Err(format!("the next run: {ended:?}"));
        }
        match (self.present()?, self.work.names().len()) {
            ("the new set", 1) => Ok(()),
            (other, _) => Err(format!("after the next run: {other}, {:?}", self.work.names())),
        }
    }

    /// Removes what was left, and asserts that nothing else was.
    fn clean(&self) -> Result<(), String> {
        let before = self.present()?;
        let ended = self.work.run(&["clean", "out", "--remove"]);
        if ended.orderly()? != 0 {
            return Err(format!("clean: {ended:?}"));
        }
        let after = self.present()?;
        match self.work.names().iter().find(|name| name.starts_with('.')) {
            Some(name) => Err(format!("clean left {name}")),
            None if before != after => Err(format!("clean made {after} of {before}")),
            None => Ok(()),
        }
    }
}

#[test]
fn of_the_program_at_random_moments() {
    let scene = Scene::new();
    let work = &scene.work;
    let mut random = Random::of("kills of the program");
    let mut tally = Tally::new("kills-of-the-program");
    for i in 0..repetitions("KILLS", 10) {
        work.clear();
        let replacing = i % 3 == 2;
        let args: &[&str] = if replacing { &["--overwrite"] } else { &[] };
        if replacing {
            work.convert(&OTHER).expect(0);
        }
        let tag = format!("CONTIMG_TEST_TAG=kills-{}-{i}.", std::process::id());
        let (key, value) = tag.split_once('=').expect("a variable");
        let mut command = work.contimg(["convert", "input", "--out", "out"]);
        let mut child = start(command.args(args).env(key, value));
        let moment = scene.usual.mul_f64(1.1 * random.fraction());
        run_for(&mut child, moment);
        send(child.id(), Signal::KILL);
        let ended = Ended::of(child.wait_with_output().expect("wait"));
        // A worker that is being ended by its parent's death takes a moment.
        wait_for("end of the worker", || tagged(&tag).is_empty().then_some(()));

        let left = work.names().iter().any(|name| name.starts_with('.'));
        let judge = || {
            if ended.stderr.contains("panicked") {
                return Err(format!("a panic: {ended:?}"));
            }
            let found = scene.present()?;
            if replacing && found == "no set" {
                return Err("the old set is gone".to_owned());
            }
            if i % 2 == 0 && work.out().exists() {
                scene.clean()?;
            }
            scene.run_again(args)?;
            Ok(format!("{found}{}", if left { ", and a leftover" } else { "" }))
        };
        tally.count(&format!("number {i}, killed after {moment:?}"), judge());
    }
    tally.finish();
}

#[test]
fn of_the_worker_at_random_moments() {
    let scene = Scene::new();
    let work = &scene.work;
    let mut random = Random::of("kills of the worker");
    let mut tally = Tally::new("kills-of-the-worker");
    for i in 0..repetitions("KILLS", 10) {
        work.clear();
        let mut child = start(&mut work.contimg(["convert", "input", "--out", "out"]));
        let worker = wait_for("worker", || match workers(child.id(), "__convert").first() {
            None if child.try_wait().expect("wait").is_some() => Some(None),
            found => found.copied().map(Some),
        });
        let moment = scene.usual.mul_f64(random.fraction());
        run_for(&mut child, moment);
        if let Some(worker) = worker.filter(|&worker| workers(child.id(), "__convert").contains(&worker)) {
            send(worker, Signal::KILL);
        }
        let ended = Ended::of(child.wait_with_output().expect("wait"));
        let judge = || {
            let found = match ended.orderly()? {
                0 if scene.present()? == "the new set" => "it had finished",
                4 if !work.names().is_empty() => return Err(format!("left {:?}", work.names())),
                4 if ended.stderr.contains("signal 9") && ended.stderr.contains("hint:") => "reported, nothing left",
                _ => return Err(format!("{ended:?}")),
            };
            scene.run_again(&[])?;
            Ok(found.to_owned())
        };
        tally.count(&format!("number {i}, {moment:?} after it began"), judge());
    }
    tally.finish();
}

#[test]
fn a_reader_of_headers_that_is_killed_is_replaced() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.work.clear();
        let mut child = start(&mut scene.work.contimg(["convert", "input", "--out", "out"]));
        let reader = wait_for("reader", || match workers(child.id(), "__headers").first() {
            None if child.try_wait().expect("wait").is_some() => Some(None),
            found => found.copied().map(Some),
        });
        if let Some(reader) = reader {
            send(reader, Signal::KILL);
        }
        assert_eq!(Ended::of(child.wait_with_output().expect("wait")).orderly(), Ok(0));
        assert_eq!(scene.present(), Ok("the new set"));
    }
}

#[test]
fn the_worker_dies_with_the_program() {
    let work = Work::with(&GroupSpec::tiny());
    let mut child = start(&mut work.contimg(["convert", "input", "--out", "out"]));
    let worker = worker_at_work(&work, &child);
    send(worker, Signal::STOP);
    send(child.id(), Signal::KILL);
    child.wait().expect("wait");
    let state = || std::fs::read_to_string(format!("/proc/{worker}/stat")).ok();
    wait_for("end of the worker", || state().is_none_or(|s| s.contains(") Z ")).then_some(()));
    assert_eq!(work.names().len(), 1, "a leftover: {:?}", work.names());

    // `clean` lists it with its size, and removes it only when told to.
    let listed = work.run(&["clean", "out", "--json"]).expect(0).json();
    assert_eq!(listed["leftovers"][0]["state"], "left by a dead run", "{listed:#}");
    assert!(listed["leftovers"][0]["disk_bytes"].as_u64() > Some(0));
    assert_eq!(work.names().len(), 1);
    let removed = work.run(&["clean", "out", "--remove", "--json"]).expect(0).json();
    assert_eq!(removed["removed_bytes"], listed["leftovers"][0]["disk_bytes"]);
    assert_eq!(work.names(), [""; 0]);
}

#[test]
fn clean_touches_nothing_else() {
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&[]).expect(0);
    let before = set::bytes(&work.set());
    let out = work.out();
    // One that a living process makes (this one), and what only looks like a leftover.
    let staged = Staged::create(&out.join("mine.ms"), &StageOptions::default()).expect("stage");
    std::fs::create_dir(out.join(".other.tmp-1")).expect("mkdir");
    std::fs::write(out.join(".a.ms.tmp-0123456789abcdef-1"), "a file").expect("write");
    let names = work.names();
    let listed = work.run(&["clean", "out", "--remove", "--json"]).expect(0).json();
    assert_eq!(listed["leftovers"].as_array().map(Vec::len), Some(1), "{listed:#}");
    assert_eq!(listed["leftovers"][0]["state"], "in use by a running process");
    assert_eq!(work.names(), names);
    assert_eq!(set::differences(&before, &set::bytes(&work.set())), [""; 0]);
    let found = publish::leftovers(&out).expect("list");
    assert_eq!(found.iter().map(|l| l.liveness).collect::<Vec<_>>(), [Liveness::Alive]);
    staged.discard().expect("discard");
    work.run(&["clean", "nowhere"]).expect(3).says("nowhere").says("hint:");
}
