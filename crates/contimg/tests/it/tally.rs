//! How often a crash test is repeated, and what came of it.

use std::collections::BTreeMap;

/// `usual` repetitions, unless `cargo xtask crash` asks for another number in `CONTIMG_CRASH_<name>`.
pub(crate) fn repetitions(name: &str, usual: usize) -> usize {
    std::env::var(format!("CONTIMG_CRASH_{name}")).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// Counts of outcomes, and the invariants that broke.
#[must_use = "`finish` reports it"]
pub(crate) struct Tally {
    what: &'static str,
    counts: BTreeMap<String, u64>,
    broken: Vec<String>,
}

impl Tally {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, counts: BTreeMap::new(), broken: Vec::new() }
    }

    /// Counts an outcome, or an invariant that broke in the case `place`.
    pub(crate) fn count(&mut self, place: &str, outcome: Result<String, String>) {
        match outcome {
            Ok(outcome) => *self.counts.entry(outcome).or_default() += 1,
            Err(how) => self.broken.push(format!("{place}: {how}")),
        }
    }

    /// Reports to `cargo xtask crash` where that asks for it, and panics when an invariant broke.
    pub(crate) fn finish(self) {
        if let Some(folder) = std::env::var_os("CONTIMG_CRASH_REPORT") {
            let report = serde_json::json!({ "what": self.what, "counts": self.counts, "broken": self.broken });
            let path = std::path::Path::new(&folder).join(format!("{}.json", self.what));
            std::fs::write(path, report.to_string()).expect("write the report");
        }
        println!("{}: {:?}", self.what, self.counts);
        assert!(self.broken.is_empty(), "{}:\n{}", self.what, self.broken.join("\n"));
    }
}
