//! The result of a benchmark: how many times as long as ours the other ways take.

use std::time::{Duration, Instant};

use crate::Result;

/// The shortest time of each way: other work on the machine only ever adds to it.
#[derive(Clone, Debug, Default)]
pub struct Ratios {
    shortest: Vec<(&'static str, Duration)>,
}

impl Ratios {
    /// Notes one run of a way.
    pub fn add(&mut self, way: &'static str, took: Duration) {
        match self.shortest.iter_mut().find(|(name, _)| *name == way) {
            Some((_, shortest)) => *shortest = took.min(*shortest),
            None => self.shortest.push((way, took)),
        }
    }

    /// The shortest time of `way` over that of `other`, when both ran.
    #[must_use]
    pub fn of(&self, way: &str, other: &str) -> Option<f64> {
        let seconds = |way: &str| self.shortest.iter().find(|(name, _)| *name == way).map(|(_, t)| t.as_secs_f64());
        Some(seconds(way)? / seconds(other)?)
    }

    /// A line for each way but `ours`: how many times as long it takes.
    #[must_use]
    pub fn report(&self, title: &str, ours: &str) -> String {
        let line = |(way, _): &(&'static str, Duration)| {
            let ratio = self.of(way, ours).filter(|_| *way != ours)?;
            Some(format!("{title}: {way} takes {ratio:.2} times as long as {ours}\n"))
        };
        self.shortest.iter().filter_map(line).collect()
    }
}

/// Runs something; its result and how long it took.
///
/// # Errors
/// What it says.
pub fn time<T>(run: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let result = std::hint::black_box(run()?);
    Ok((result, start.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_shortest_times() {
        let mut ratios = Ratios::default();
        for (way, ms) in [("ours", 30), ("plain", 100), ("ours", 20), ("plain", 110)] {
            ratios.add(way, Duration::from_millis(ms));
        }
        assert_eq!(ratios.of("plain", "ours"), Some(5.0));
        assert_eq!(ratios.of("batched", "ours"), None);
        assert_eq!(ratios.report("merge", "ours"), "merge: plain takes 5.00 times as long as ours\n");
    }
}
