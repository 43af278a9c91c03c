//! `kill -9` of the head of a run, again and again.

use std::collections::BTreeMap;
use std::time::Instant;

use rustix::process::Signal;

use crate::night::three_days;
use crate::program::{Ended, Work, run_for, send, start, tagged, wait_for};
use crate::random::Random;
use crate::set;
use crate::tally::{Tally, repetitions};

const ARGUMENTS: [&str; 9] = ["run", "input", "--plan", "plan.toml", "--work", "out", "--reserve", "1MiB", "--json"];
/// Stages of the whole night.
const STAGES: u64 = 3 * 3 + 1;

/// Every byte of all products, the manifests' among them, since all bear one time (`Work::contimg`).
fn products(work: &Work) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for folder in ["ms", "p"] {
        for entry in std::fs::read_dir(work.out().join(folder)).into_iter().flatten().flatten() {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let files = set::every_byte(&entry.path());
            all.extend(files.into_iter().map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        }
    }
    all
}

fn ran(work: &Work) -> usize {
    std::fs::read_to_string(work.out().join("ran")).map_or(0, |text| text.lines().count())
}

#[test]
fn of_the_head_at_random_moments() {
    let work = three_days();
    let begun = Instant::now();
    work.run(&ARGUMENTS).expect(0);
    let usual = begun.elapsed();
    let whole = products(&work);
    assert!(whole.len() > 100, "{} files", whole.len());
    let mut random = Random::of("kills of the head");
    let mut tally = Tally::new("kills-of-the-head");
    for i in 0..repetitions("NIGHT", 4) {
        work.clear();
        let mut kills = 0;
        // Every night is killed one to three times before it may end.
        for k in 0..1 + i % 3 {
            let tag = format!("CONTIMG_TEST_TAG=night-{}-{i}-{k}.", std::process::id());
            let (key, value) = tag.split_once('=').expect("a variable");
            let mut child = start(work.contimg(ARGUMENTS).env(key, value));
            run_for(&mut child, usual.mul_f64(1.1 * random.fraction()));
            send(child.id(), Signal::KILL);
            let ended = Ended::of(child.wait_with_output().expect("wait"));
            kills += usize::from(ended.signal.is_some());
            wait_for("end of what it started", || tagged(&tag).is_empty().then_some(()));
        }
        let judge = || {
            let ended = work.run(&ARGUMENTS);
            if ended.orderly()? != 0 {
                return Err(format!("the next run: {ended:?}"));
            }
            let found = products(&work);
            let wrong = set::differences(&found, &whole);
            if !wrong.is_empty() {
                return Err(format!("not as in an undisturbed run: {wrong:?}"));
            }
            // A kill costs at most the stages that ran at that moment, two at a time.
            let most = STAGES as usize - 3 + 2 * kills;
            if ran(&work) > most {
                return Err(format!("{} stages ran after {kills} kills", ran(&work)));
            }
            let again = work.run(&ARGUMENTS);
            match again.json()["attempts"].as_u64() {
                Some(0) => Ok(format!("as undisturbed after {kills} kills")),
                other => Err(format!("done again without need: {other:?}")),
            }
        };
        tally.count(&format!("night {i}"), judge());
    }
    tally.finish();
}
