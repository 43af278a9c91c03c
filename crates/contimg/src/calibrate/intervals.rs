//! Solution intervals: which rows share a solution.

use std::collections::BTreeMap;

use crate::calibrate::args::Interval;
use crate::calibrate::set::{RowKey, View};

/// What separates intervals beside time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// Nothing: scans and fields go on.
    Nowhere,
    /// Scan and field.
    Scans,
}

/// A solution interval.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// Mean time of its rows, MJD seconds.
    pub centre_s: f64,
    /// From the start of its first to the end of its last integration, seconds.
    pub length_s: f64,
    /// Of its first row.
    pub field: i32,
    pub scan: i32,
    pub observation: i32,
    /// The number of the time after which it is complete.
    pub last_time: usize,
}

/// The solution intervals of the selected rows, in order of time.
#[derive(Clone, Debug)]
pub(crate) struct Intervals {
    pub spans: Vec<Span>,
    /// `[context, time]`, one more than the interval's number; 0 for none.
    of: Vec<u32>,
    times: usize,
}

impl Intervals {
    /// Divides the rows that `select` chooses (by field and scan).
    pub(crate) fn new(view: &View, interval: Interval, split: Split, select: impl Fn(i32, i32) -> bool) -> Self {
        let times = view.times.len();
        // Rows of each context and time.
        let mut counts = vec![0_u64; view.contexts.len() * times];
        for row in view.rows.iter().filter(|row| row.antennas[0] != row.antennas[1]) {
            counts[usize::from(row.context) * times + row.time as usize] += 1;
        }
        // By what separates them: the times that they have.
        let mut parts: BTreeMap<(i32, i32, i32), Vec<(u32, u32)>> = BTreeMap::new();
        for (number, context) in view.contexts.iter().enumerate() {
            if !select(context.field, context.scan) {
                continue;
            }
            let key = match split {
                Split::Nowhere => (context.observation, 0, 0),
                Split::Scans => (context.observation, context.scan, context.field),
            };
            let own = (0..times).filter(|time| counts[number * times + time] > 0);
            parts.entry(key).or_default().extend(own.map(|time| (time as u32, number as u32)));
        }
        let mut found: Vec<(Span, Vec<(u32, u32)>)> = Vec::new();
        for places in parts.values_mut() {
            places.sort_unstable();
            let mut start: Option<f64> = None;
            for &(time, context) in places.iter() {
                let centre = view.times[time as usize];
                let is_new = match (interval, start) {
                    (_, None) => true,
                    (Interval::Integration, Some(start)) => centre != start,
                    // The interval is full when its integrations cover the time asked for.
                    (Interval::Seconds(seconds), Some(start)) => centre - start >= seconds - 1e-3 * view.integration_s,
                    (Interval::All | Interval::None, Some(_)) => false,
                };
                if is_new {
                    start = Some(centre);
                    let first = &view.contexts[context as usize];
                    let span = Span {
                        centre_s: 0.0,
                        length_s: 0.0,
                        field: first.field,
                        scan: first.scan,
                        observation: first.observation,
                        last_time: 0,
                    };
                    found.push((span, Vec::new()));
                }
                if let Some((_, places)) = found.last_mut() {
                    places.push((time, context));
                }
            }
        }
        for (span, places) in &mut found {
            let (mut weight, mut sum) = (0.0, 0.0);
            let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
            for &(time, context) in places.iter() {
                let rows = counts[context as usize * times + time as usize];
                let centre = view.times[time as usize];
                // About the first time: seconds of MJD would lose digits in the sum.
                sum += rows as f64 * (centre - view.times[0]);
                weight += rows as f64;
                (first, last) = (first.min(centre), last.max(centre));
                span.last_time = span.last_time.max(time as usize);
            }
            span.centre_s = view.times[0] + sum / weight;
            span.length_s = last - first + view.integration_s;
        }
        found.sort_by(|a, b| a.0.centre_s.total_cmp(&b.0.centre_s));
        let mut of = vec![0; view.contexts.len() * times];
        for (number, (_, places)) in found.iter().enumerate() {
            for &(time, context) in places {
                of[context as usize * times + time as usize] = number as u32 + 1;
            }
        }
        Self { spans: found.into_iter().map(|(span, _)| span).collect(), of, times }
    }

    /// The intervals that rows of time number `time` belong to, each once.
    pub(crate) fn at(&self, time: usize) -> Vec<usize> {
        let all = self.of.iter().skip(time).step_by(self.times.max(1));
        let mut found: Vec<usize> = all.filter_map(|&number| (number as usize).checked_sub(1)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The interval of a row.
    pub(crate) fn of(&self, row: &RowKey) -> Option<usize> {
        let place = usize::from(row.context) * self.times + row.time as usize;
        (self.of[place] as usize).checked_sub(1)
    }
}
