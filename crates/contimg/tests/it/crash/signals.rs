//! A person or the system asks the program to stop.

use std::process::Child;

use fixtures::GroupSpec;
use rustix::process::Signal;

use crate::program::{Ended, GROUP, Work, run_for, send, start, tagged, wait_for, workers};
use crate::random::Random;
use crate::set;
use crate::tally::{Tally, repetitions};

/// The worker of a conversion that has begun to write its set.
pub(super) fn worker_at_work(work: &Work, child: &Child) -> u32 {
    // From then on the worker has been told its job and is tied to its parent.
    let begun = || work.names().into_iter().find(|name| work.out().join(name).join(format!("{GROUP}.ms")).is_dir());
    wait_for("set in the making", begun);
    wait_for("worker", || workers(child.id(), "__convert").first().copied())
}

#[test]
fn a_signal_ends_the_worker_and_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let work = Work::with(&GroupSpec::tiny());
        let child = start(&mut work.contimg(["convert", "input", "--out", "out"]));
        // Held, so that it cannot finish first.
        let worker = worker_at_work(&work, &child);
        send(worker, Signal::STOP);
        send(child.id(), signal);
        let ended = Ended::of(child.wait_with_output().expect("wait"));
        ended.expect(130).says("stopped by signal").says("hint:");
        assert_eq!(work.names(), [""; 0]);
        assert!(!std::path::Path::new(&format!("/proc/{worker}")).exists(), "the worker is gone");
        work.convert(&[]).expect(0);
        set::check(&work.set()).expect("a whole set");
    }
}

#[test]
fn groups_after_a_signal_are_not_attempted() {
    let work = Work::with(&GroupSpec::tiny());
    let later = GroupSpec { start: vis_types::JulianDate(GroupSpec::tiny().start.0 + 0.5), ..GroupSpec::tiny() };
    work.add(&later);
    let child = start(&mut work.contimg(["convert", "input", "--out", "out", "--json"]));
    let worker = worker_at_work(&work, &child);
    send(worker, Signal::STOP);
    send(child.id(), Signal::INT);
    let ended = Ended::of(child.wait_with_output().expect("wait")).expect(130);
    let report = ended.json();
    assert_eq!([report["failed"].as_u64(), report["not_attempted"].as_u64()], [Some(1), Some(1)], "{report:#}");
    let report = work.convert(&["--json"]).expect(0).json();
    assert_eq!(report["converted"], 2);
}

#[test]
fn at_random_moments() {
    let work = Work::with(&GroupSpec::tiny());
    let begun = std::time::Instant::now();
    work.convert(&["--no-cache"]).expect(0);
    let usual = begun.elapsed();
    let mut random = Random::of("signals");
    let mut tally = Tally::new("signals");
    for i in 0..repetitions("SIGNALS", 6) {
        work.clear();
        let tag = format!("CONTIMG_TEST_TAG=signals-{}-{i}.", std::process::id());
        let (key, value) = tag.split_once('=').expect("a variable");
        let mut child = start(work.contimg(["convert", "input", "--out", "out", "--no-cache"]).env(key, value));
        let signal = if i % 2 == 0 { Signal::INT } else { Signal::TERM };
        let moment = usual.mul_f64(1.1 * random.fraction());
        run_for(&mut child, moment);
        send(child.id(), signal);
        let ended = Ended::of(child.wait_with_output().expect("wait"));
        let outcome = match (ended.code, ended.signal) {
            // Before the program has begun anything it dies as any other.
            (None, Some(s)) if s == signal.as_raw() && work.names().is_empty() => Ok("before it began".to_owned()),
            _ => ended.orderly().and_then(|code| match code {
                0 => set::check(&work.set()).map(|()| "finished first".to_owned()),
                130 if work.names().is_empty() => Ok("stopped, nothing left".to_owned()),
                _ => Err(format!("left {:?}: {ended:?}", work.names())),
            }),
        };
        // A process that is being ended by its parent's death takes a moment; one that lives on fails the wait.
        wait_for("end of all processes", || tagged(&tag).is_empty().then_some(()));
        let next = work.convert(&[]);
        let outcome = match next.orderly() {
            Ok(0) => set::check(&work.set()).and(outcome),
            _ => Err(format!("the next run: {next:?}")),
        };
        tally.count(&format!("number {i}, {signal:?} after {moment:?}"), outcome);
    }
    tally.finish();
}
