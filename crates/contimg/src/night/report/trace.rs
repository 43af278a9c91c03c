//! What ran when, as Chrome's trace events: <https://ui.perfetto.dev> and `chrome://tracing` show them.
//!
//! A run is a process, a set a thread, an attempt a complete event ("X"), memory a counter ("C"); times are microseconds since
//! 1970-01-01 UTC. The format is that of "Trace Event Format" (Google, 2016).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::history::Run;

/// The document of some runs.
pub(super) fn document(runs: &[Run]) -> Value {
    let micros = |unix_s: f64| (unix_s * 1e6).round() as i64;
    let mut events = Vec::new();
    for (process, run) in runs.iter().enumerate() {
        events.push(json!({ "ph": "M", "name": "process_name", "pid": process, "args": { "name": run.run } }));
        let mut threads: BTreeMap<&str, usize> = BTreeMap::new();
        for attempt in &run.attempts {
            let next = threads.len();
            let thread = *threads.entry(&attempt.set).or_insert_with(|| {
                events.push(json!({
                    "ph": "M", "name": "thread_name", "pid": process, "tid": next, "args": { "name": attempt.set },
                }));
                next
            });
            let end = attempt.to_unix_s.unwrap_or(run.to_unix_s).max(attempt.from_unix_s);
            events.push(json!({
                "ph": "X", "name": attempt.stage, "cat": attempt.failure.unwrap_or("stage"), "pid": process, "tid": thread,
                "ts": micros(attempt.from_unix_s), "dur": micros(end) - micros(attempt.from_unix_s),
                "args": {
                    "set": attempt.set, "failure": attempt.failure, "running": attempt.to_unix_s.is_none(),
                    "peak_memory": attempt.peak_memory, "memory_limit": attempt.memory_limit,
                },
            }));
        }
        events.extend(run.memory.iter().map(|sample| {
            json!({
                "ph": "C", "name": "memory", "pid": process, "ts": micros(sample.unix_s),
                "args": { "measured": sample.measured, "admitted": sample.admitted },
            })
        }));
    }
    json!({ "traceEvents": events, "displayTimeUnit": "ms" })
}
