//! The table of all ways, and the bars.

use std::fmt;

use benches::{Kind, Size, Way};
use serde::Serialize;

use crate::{LARGE_PAGES, Run};

/// Most memory of ours, in sizes of the arrays that it returns.
const PEAK: f64 = 1.05;
/// Least throughput of ours, in that of `pread`.
const OF_PREAD: f64 = 0.40;
/// How many times as long pyuvdata takes at least.
const PYUVDATA: f64 = 8.0;

/// All runs.
#[derive(Debug)]
pub(crate) struct Table {
    kind: Kind,
    input_bytes: u64,
    runs: Vec<Run>,
}

/// Something that ours must keep.
#[derive(Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) what: &'static str,
    found: f64,
    limit: f64,
    /// The limit is the most that is allowed, not the least.
    is_most: bool,
    pub(crate) kept: bool,
}

/// The table for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    group: String,
    judged: bool,
    bars: Vec<Bar>,
    runs: &'a [Run],
}

impl Table {
    pub(crate) fn new(kind: Kind, input_bytes: u64) -> Self {
        Self { kind, input_bytes, runs: Vec::new() }
    }

    pub(crate) fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Only a group of the instrument's size is judged: in a small one, starting threads and opening files is all there is.
    pub(crate) fn is_judged(&self) -> bool {
        self.kind.size == Size::Full
    }

    fn of<'a>(&'a self, way: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().filter(move |run| run.way == way)
    }

    /// Seconds of the shortest run: other work on the machine only ever adds.
    fn seconds(&self, way: &str) -> Option<f64> {
        self.of(way).map(|run| run.seconds).min_by(f64::total_cmp)
    }

    /// Processor seconds of the cheapest run.
    fn cpu_seconds(&self, way: &str) -> Option<f64> {
        self.of(way).map(|run| run.cpu_seconds).min_by(f64::total_cmp)
    }

    /// The highest of the peaks.
    fn peak_bytes(&self, way: &str) -> Option<u64> {
        self.of(way).map(|run| run.peak_bytes).max()
    }

    /// How many times as long as ours a way takes.
    fn slower(&self, way: &str) -> Option<f64> {
        Some(self.seconds(way)? / self.seconds(Way::Ours.name())?)
    }

    /// How many times as much processor time as ours a way takes.
    fn dearer(&self, way: &str) -> Option<f64> {
        Some(self.cpu_seconds(way)? / self.cpu_seconds(Way::Ours.name())?)
    }

    pub(crate) fn bars(&self) -> Vec<Bar> {
        let at_most = |what, found, limit| Bar { what, found, limit, is_most: true, kept: found <= limit };
        let at_least = |what, found, limit| Bar { what, found, limit, is_most: false, kept: found >= limit };
        let ours = Way::Ours.name();
        let arrays = self.of(ours).next().map(|run| run.array_bytes as f64);
        let peak = self.peak_bytes(ours).zip(arrays).map(|(peak, arrays)| peak as f64 / arrays);
        let mut bars = Vec::new();
        bars.extend(peak.map(|found| at_most("peak of ours over its arrays", found, PEAK)));
        let of_pread = self.slower(Way::Pread.name());
        bars.extend(of_pread.map(|found| at_least("throughput of ours over that of pread", found, OF_PREAD)));
        bars.extend(
            self.slower("pyuvdata").map(|found| at_least("time of pyuvdata over that of ours", found, PYUVDATA)),
        );
        bars
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report { group: self.kind.name(), judged: self.is_judged(), bars: self.bars(), runs: &self.runs }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "group {}, {:.2} GB in files, page cache warm", self.kind.name(), self.input_bytes as f64 / 1e9)?;
        writeln!(
            f,
            "{:<10}{:>9}{:>8}{:>8}{:>10}{:>10}{:>13}",
            "way", "seconds", "÷ ours", "cpu/s", "÷ ours", "peak/GB", "peak/result"
        )?;
        for way in Way::ALL.map(Way::name).into_iter().chain([LARGE_PAGES, "pyuvdata"]) {
            let (Some(seconds), Some(cpu), Some(peak)) =
                (self.seconds(way), self.cpu_seconds(way), self.peak_bytes(way))
            else {
                continue;
            };
            let result = self.of(way).next().map_or(f64::NAN, |run| peak as f64 / run.array_bytes as f64);
            let [slower, dearer] = [self.slower(way), self.dearer(way)].map(|ratio| ratio.unwrap_or(f64::NAN));
            let peak = peak as f64 / 1e9;
            writeln!(f, "{way:<10}{seconds:>9.3}{slower:>8.2}{cpu:>8.2}{dearer:>10.2}{peak:>10.3}{result:>13.3}")?;
        }
        for bar in self.bars() {
            let sign = if bar.is_most { '≤' } else { '≥' };
            let verdict = match (self.is_judged(), bar.kept) {
                (false, _) => "not judged at this size",
                (true, true) => "kept",
                (true, false) => "MISSED",
            };
            writeln!(f, "{}: {:.2} (bar {sign} {}): {verdict}", bar.what, bar.found, bar.limit)?;
        }
        Ok(())
    }
}
