//! Every fault that the fixtures make, under every policy for missing subbands.

use fixtures::{FaultKind, Specimen, zoo};

use crate::program::Work;
use crate::set;
use crate::tally::Tally;

/// What becomes of the tiny group with a fault in subband 7 by default.
fn expected(kind: FaultKind) -> i32 {
    match kind {
        FaultKind::NonFinite | FaultKind::ZeroWeights | FaultKind::NonUtf8History => 0,
        _ => 1,
    }
}

#[test]
fn each_fault_is_repaired_or_named() {
    let mut tally = Tally::new("faults");
    for (name, kind) in FaultKind::ALL {
        let work = Work::with(&fixtures::GroupSpec {
            faults: vec![fixtures::Fault { subband: 7, kind }],
            ..fixtures::GroupSpec::tiny()
        });
        let ended = work.convert(&["--no-cache"]);
        let names_it = ended.stderr.contains("_sb07") || ended.stderr.contains("sb07 missing");
        let outcome = ended.orderly().and_then(|code| match (code, expected(kind)) {
            (0, 0) => set::check(&work.set()).map(|()| "converted".to_owned()),
            (1, 1) if !names_it => Err(format!("the file is not named: {ended:?}")),
            (1, 1) if !ended.stderr.contains("hint:") => Err(format!("no remedy: {ended:?}")),
            (1, 1) if !work.names().is_empty() => Err(format!("left {:?}", work.names())),
            (1, 1) => Ok("refused and named".to_owned()),
            _ => Err(format!("{ended:?}")),
        });
        tally.count(name, outcome);
    }
    tally.finish();
}

#[test]
fn what_is_not_finite_is_counted() {
    let work = Work::with(&fixtures::GroupSpec {
        faults: vec![fixtures::Fault { subband: 7, kind: FaultKind::NonFinite }],
        ..fixtures::GroupSpec::tiny()
    });
    let spec = fixtures::GroupSpec::tiny();
    let per_integration = spec.n_baselines() * spec.channels * spec.correlations.len();
    let bad = spec.times * (0..per_integration).filter(|&i| FaultKind::is_non_finite(i)).count();
    let report = work.convert(&["--json"]).expect(0).json();
    let outcome = &report["groups"][0]["outcome"];
    assert_eq!([outcome["repaired"].as_u64(), outcome["flagged"].as_u64()], [Some(bad as u64); 2], "{outcome:#}");
}

/// The zoo, converted with a policy that allows gaps: a set of what is sound, or an error that names a file.
#[test]
fn the_zoo_under_lenient_policies() {
    let mut tally = Tally::new("zoo");
    for Specimen { name, groups, .. } in zoo() {
        let work = Work::new();
        groups.iter().for_each(|spec| {
            work.add(spec);
        });
        for policy in ["flag", "split"] {
            let ended = work.convert(&["--missing", policy, "--no-cache"]);
            let outcome = ended.orderly().and_then(|code| match code {
                0 if set::check_all(&work.out())? != groups.len() => Err(format!("sets are missing: {ended:?}")),
                0 => Ok("converted".to_owned()),
                1 if ended.stderr.contains(".hdf5") && ended.stderr.contains("hint:") => {
                    set::check_all(&work.out()).map(|_| "named".to_owned())
                }
                _ => Err(format!("{ended:?}")),
            });
            let outcome = match outcome {
                Ok(what) if !name.starts_with("fault-") && what != "converted" => {
                    Err(format!("a good group: {ended:?}"))
                }
                other => other,
            };
            tally.count(&format!("{name}, {policy}"), outcome);
            work.clear();
        }
    }
    tally.finish();
}
