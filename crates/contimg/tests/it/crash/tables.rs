//! Measurement Sets with wrong bytes, cut short, or without one of their files, under the commands that open tables.

use std::fs;
use std::path::{Path, PathBuf};

use fixtures::GroupSpec;
use serde_json::Value;

use crate::program::{Ended, GROUP, Work};
use crate::random::Random;
use crate::tally::{Tally, repetitions};

/// What a command does with a damaged set: an answer, or why there is none.
enum Answer {
    Given(Box<Value>),
    /// An error that says so, or the process that opened the tables crashed and the program did not.
    Refused(&'static str),
}

/// Runs a command on the set; the invariants of its end.
fn ask(work: &Work, set: &str, command: &[&str]) -> Result<Answer, String> {
    let limits = ["--json", "--limit-cpu", "10", "--limit-memory", "256MiB"];
    let ended = work.run(&[&command[..1], &[set], &command[1..], &limits].concat());
    for text in [&ended.stdout, &ended.stderr] {
        if text.contains("panicked") {
            return Err(format!("a panic: {ended:?}"));
        }
    }
    let says = |words: &[&str]| match words.iter().all(|word| ended.stderr.contains(word)) {
        true => Ok(()),
        false => Err(format!("no {words:?}: {ended:?}")),
    };
    match ended.code {
        // 5: too little is left unflagged.
        Some(0 | 5) => {
            let document = serde_json::from_str(&ended.stdout).map_err(|e| format!("no JSON: {e}: {ended:?}"))?;
            Ok(Answer::Given(Box::new(document)))
        }
        Some(1) => says(&["error:", GROUP]).map(|()| Answer::Refused("an error that names the set")),
        Some(4) => {
            says(&["error:", "ended by signal", "because:", "hint:"])?;
            match ended.stderr.contains("CPU time") {
                true => Ok(Answer::Refused("the CPU limit ended the child, named")),
                false => Ok(Answer::Refused("the child crashed, named")),
            }
        }
        _ => Err(format!("{ended:?}")),
    }
}

/// Of a document of `contimg flags`, what does not depend on the way.
fn counts(document: &Value) -> Value {
    let mut counts = document["counts"].clone();
    if let Some(map) = counts.as_object_mut() {
        map.remove("way");
    }
    counts
}

/// The three questions; answers must agree with each other and, where no value that they use was damaged, with `sound`.
fn judge(work: &Work, set: &str, sound: Option<&[Value; 3]>) -> Result<String, String> {
    let asked = [
        ask(work, set, &["meta", "--no-cache"])?,
        ask(work, set, &["flags", "--no-cache"])?,
        ask(work, set, &["flags", "--no-cache", "--through-casacore"])?,
    ];
    if let [_, Answer::Given(tiles), Answer::Given(rows)] = &asked
        && counts(tiles) != counts(rows)
    {
        return Err("the tiles tell other counts than casacore".into());
    }
    for (answer, sound) in asked.iter().zip(sound.into_iter().flatten()) {
        if let Answer::Given(document) = answer
            && **document != *sound
        {
            return Err("another answer than of the sound set, and nothing was damaged that it uses".into());
        }
    }
    let mut outcome: Vec<&str> = asked
        .iter()
        .map(|answer| match answer {
            Answer::Given(_) => "answers",
            Answer::Refused(how) => how,
        })
        .collect();
    outcome.sort_unstable();
    outcome.dedup();
    Ok(outcome.join("; "))
}

/// All files below `folder` but the lock files, which any opening rewrites.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("list").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if entry.file_name() == "table.lock" => {}
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// `whole` with something wrong, and what.
fn damage(whole: &[u8], random: &mut Random) -> (Vec<u8>, String) {
    let mut damaged = whole.to_vec();
    if whole.is_empty() {
        damaged.resize(1 + random.below(64), 0xff);
        return (damaged, "bytes where there were none".into());
    }
    match random.below(8) {
        0 => {
            let length = random.below(whole.len());
            damaged.truncate(length);
            (damaged, format!("cut to {length} bytes"))
        }
        1 => {
            let (start, length) = (random.below(whole.len()), 1 + random.below(64));
            let end = whole.len().min(start + length);
            damaged[start..end].fill(0);
            (damaged, format!("bytes {start}..{end} zero"))
        }
        2 => {
            // A length or an offset of casacore's files: big endian, and large.
            let start = random.below(whole.len());
            let word = [0x7fff_fff0_u32, 0xffff_ffff, 0x0100_0000, 1 << 20][random.below(4)];
            for (byte, new) in damaged[start..].iter_mut().zip(word.to_be_bytes()) {
                *byte = new;
            }
            (damaged, format!("word {word:#x} at {start}"))
        }
        _ => {
            let mut places = Vec::new();
            for _ in 0..[1, 1, 2, 8][random.below(4)] {
                let place = random.below(whole.len());
                damaged[place] ^= 1 << random.below(8);
                places.push((place, damaged[place]));
            }
            (damaged, format!("(place, byte) {places:?}"))
        }
    }
}

#[test]
fn sets_with_wrong_bytes() {
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&["--windows", "subband"]).expect(0);
    let set = format!("out/{GROUP}.ms");
    let all = files(&work.set());
    let sound = [&["meta", "--no-cache"][..], &["flags", "--no-cache"], &["flags", "--no-cache", "--through-casacore"]]
        .map(|command| match ask(&work, &set, command).expect("an orderly end") {
            Answer::Given(document) => *document,
            Answer::Refused(how) => panic!("a sound set: {how}"),
        });
    // Only the visibilities are that long, and neither command reads them.
    let size = |path: &PathBuf| path.metadata().map_or(0, |m| m.len());
    let visibilities = all.iter().max_by_key(|path| size(path)).expect("files").clone();
    let main = work.set();
    let mut random = Random::of("tables");
    let mut tally = Tally::new("damaged tables");
    for _ in 0..repetitions("TABLES", 24) {
        let number = loop {
            let number = random.below(all.len());
            // The files of MAIN, and of them the structure, are what the commands read most.
            if all[number].parent() == Some(&main) || random.below(3) == 0 {
                break number;
            }
        };
        let victim = &all[number];
        let whole = fs::read(victim).expect("read");
        let (damaged, what) = damage(&whole, &mut random);
        let removed = random.below(64) == 0;
        match removed {
            true => fs::remove_file(victim).expect("remove"),
            false => fs::write(victim, &damaged).expect("write"),
        }
        let place = format!(
            "{}: {}",
            victim.strip_prefix(&main).expect("inside").display(),
            if removed { "gone" } else { &what }
        );
        let unread = *victim == visibilities && damaged.len() == whole.len() && !removed;
        let mut outcome = judge(&work, &set, unread.then_some(&sound));
        if !removed && fs::read(victim).ok().as_deref() != Some(&damaged) {
            outcome = Err(format!("the file was changed; {outcome:?}"));
        }
        tally.count(&place, outcome);
        fs::write(victim, whole).expect("write");
    }
    assert_eq!(judge(&work, &set, Some(&sound)).as_deref(), Ok("answers"));
    tally.finish();
}

#[test]
fn an_end_by_a_signal_is_named_and_ends_nothing_else() {
    use crate::program::{send, start, wait_for, workers};
    use rustix::process::Signal;
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&[]).expect(0);
    let set = format!("out/{GROUP}.ms");
    hold(&work);
    for (signal, words) in [(Signal::SEGV, "SIGSEGV"), (Signal::XCPU, "CPU time"), (Signal::KILL, "somebody killed it")]
    {
        let child = start(&mut work.contimg(["meta", &set, "--no-cache"]));
        let worker = wait_for("worker", || workers(child.id(), "__isolated").first().copied());
        send(worker, signal);
        Ended::of(child.wait_with_output().expect("wait")).expect(4).says(words).says("hint:");
    }
    // What is sent to the program reaches the child; what kills the program kills the child.
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let child = start(&mut work.contimg(["meta", &set, "--no-cache"]));
        let worker = wait_for("worker", || workers(child.id(), "__isolated").first().copied());
        // From then on the parent waits with its handlers, and the child is bound to it.
        wait_for("child at work", || {
            fs::read_to_string(format!("/proc/{worker}/limits"))
                .ok()?
                .contains("Max core file size        0 ")
                .then_some(())
        });
        send(child.id(), signal);
        let ended = Ended::of(child.wait_with_output().expect("wait"));
        match signal {
            Signal::KILL => assert_eq!(ended.signal, Some(signal.as_raw())),
            _ => drop(ended.expect(130).says("stopped by signal")),
        }
        wait_for("end of the child", || (!Path::new(&format!("/proc/{worker}")).exists()).then_some(()));
    }
}

#[test]
fn limits_are_those_that_were_asked_for() {
    use crate::program::{send, start, wait_for, workers};
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&[]).expect(0);
    let set = format!("out/{GROUP}.ms");
    hold(&work);
    let asked = ["meta", &set, "--no-cache", "--limit-memory", "100MiB", "--limit-cpu", "17"];
    let child = start(&mut work.contimg(asked));
    let worker = wait_for("worker", || workers(child.id(), "__isolated").first().copied());
    // CPU time is the last limit to be set.
    let limits = wait_for("limits", || {
        let limits = fs::read_to_string(format!("/proc/{worker}/limits")).ok()?;
        let soft =
            |name: &str| limits.lines().find_map(|l| l.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
        let (memory, cpu): (u64, u64) = (soft("Max data size")?, soft("Max cpu time")?);
        (cpu == 17).then_some((memory, soft("Max core file size")))
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    assert_eq!(limits, ((100 << 20) + cores * (4 << 20), Some(0)));
    send(child.id(), rustix::process::Signal::KILL);
    let _ = child.wait_with_output();
    work.run(&["flags", &set, "--limit-cpu", "0"]).expect(2);
}

/// Makes whoever reads the antennas of the set wait: a pipe that nobody writes.
fn hold(work: &Work) {
    let pipe = work.set().join("ANTENNA/table.f0");
    fs::remove_file(&pipe).expect("remove");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
}
