//! Files that lost their end, and files with wrong bytes.

use std::fs;

use fixtures::GroupSpec;

use crate::program::{Ended, Work};
use crate::random::Random;
use crate::set;
use crate::tally::{Tally, repetitions};

/// What must hold of a conversion of a group with the damaged file `name`: an error that names the file (or its subband, as
/// missing), or a whole set.
fn judge(work: &Work, ended: &Ended, name: &str) -> Result<String, String> {
    let code = ended.orderly()?;
    let whole = set::check_all(&work.out())?;
    if let Some(hidden) = work.names().iter().find(|n| n.starts_with('.')) {
        return Err(format!("{hidden} is left: {ended:?}"));
    }
    if code == 0 {
        let noted = ended.stderr.contains(name);
        return match whole {
            0 => Err(format!("success without a set: {ended:?}")),
            _ => Ok(if noted { "converted without the file" } else { "converted" }.to_owned()),
        };
    }
    let subband = &name[name.len() - "sb00.hdf5".len()..name.len() - ".hdf5".len()];
    if !ended.stderr.contains(name) && !ended.stderr.contains(subband) {
        return Err(format!("{name} is not named: {ended:?}"));
    }
    if !ended.stderr.contains("hint:") {
        return Err(format!("no remedy: {ended:?}"));
    }
    Ok(match code {
        1 => "named",
        4 => "the worker crashed, the program did not",
        _ => return Err(format!("{ended:?}")),
    }
    .to_owned())
}

#[test]
fn files_cut_short() {
    let work = Work::with(&GroupSpec::tiny());
    let files = files(&work);
    let victim = &files[7];
    let whole = fs::read(victim).expect("read");
    let name = victim.file_name().expect("name").to_string_lossy().into_owned();
    let mut tally = Tally::new("truncations");
    let n = repetitions("TRUNCATIONS", 24);
    for i in 0..n {
        // From nothing to all but one byte; short lengths are where the superblock is.
        let length = match i {
            0..8 => [0, 1, 7, 8, 44, 96, 512, 2048][i],
            _ => (whole.len() - 1) * (i - 7) / (n - 8).max(1),
        };
        fs::write(victim, &whole[..length]).expect("write");
        let policy = if i % 2 == 0 { "refuse" } else { "flag" };
        let ended = work.convert(&["--no-cache", "--missing", policy]);
        let outcome = judge(&work, &ended, &name).and_then(|outcome| match (policy, outcome.as_str()) {
            ("refuse", "named") | ("flag", "converted without the file" | "named") => Ok(outcome),
            _ => Err(format!("{outcome}, of a file that is not whole: {ended:?}")),
        });
        tally.count(&format!("{length} of {} bytes, {policy}", whole.len()), outcome);
        work.clear();
    }
    fs::write(victim, whole).expect("write");
    work.convert(&["--no-cache"]).expect(0);
    tally.finish();
}

#[test]
fn files_with_wrong_bytes() {
    let work = Work::with(&GroupSpec::tiny());
    let files = files(&work);
    let mut random = Random::of("mutations");
    let mut tally = Tally::new("mutations");
    for _ in 0..repetitions("MUTATIONS", 48) {
        let victim = &files[random.below(files.len())];
        let whole = fs::read(victim).expect("read");
        let mut damaged = whole.clone();
        let mut places = Vec::new();
        for _ in 0..[1, 1, 2, 8][random.below(4)] {
            let place = random.below(damaged.len());
            let byte = match random.below(4) {
                0 => 0,
                1 => 255,
                2 => damaged[place] ^ (1 << random.below(8)),
                _ => random.below(256) as u8,
            };
            damaged[place] = byte;
            places.push((place, byte));
        }
        fs::write(victim, damaged).expect("write");
        let name = victim.file_name().expect("name").to_string_lossy().into_owned();
        let ended = work.convert(&["--no-cache", "--threads", "1"]);
        tally.count(&format!("{name}, (place, byte) {places:?}"), judge(&work, &ended, &name));
        work.clear();
        fs::write(victim, whole).expect("write");
    }
    work.convert(&["--no-cache"]).expect(0);
    tally.finish();
}

/// The group's files by subband.
fn files(work: &Work) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(work.input()).expect("list").flatten().map(|e| e.path()).collect();
    files.sort_by_key(|path| path.to_string_lossy().split("_sb").nth(1).map(str::to_owned));
    files
}
