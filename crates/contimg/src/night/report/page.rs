//! The page.

use std::collections::BTreeMap;

use orchestrator::NIGHT;
use report::{Axis, Cell, HeatMap, Page, Plot, Point, Span, Status, Table, Timeline};

use super::{
    flags::Flags,
    history::Run,
    night::{Failed, Night},
};
use crate::{night::show::once_a_stage, notation::count, size::Bytes, tiles};

/// Sets in one timeline, and heat maps, at most: the JSON twin has all.
const LANES: usize = 300;
const MAPS: usize = 48;

pub(super) fn page(night: &Night) -> Page {
    let mut page = Page::new(format!("Night of {}", night.layout.work().display()));
    summary(&mut page, night);
    failures(&mut page, &night.failures);
    if let Some(run) = night.last_run() {
        timeline(&mut page, night, run);
        memory(&mut page, run);
    }
    stages(&mut page, night);
    flags(&mut page, &night.flags);
    images(&mut page, night);
    sets(&mut page, night);
    page
}

fn summary(page: &mut Page, night: &Night) {
    let states = ["done", "failed", "running", "queued", "unfinished", "waiting"];
    let counts = states.map(|state| (state, night.count(state)));
    let failed = night.count("failed") + night.failures.iter().filter(|failure| failure.set == NIGHT).count();
    let status = match (failed, night.count("done") == night.number()) {
        (0, true) => Status::Good,
        (0, false) => Status::Plain,
        _ => Status::Bad,
    };
    let words: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(state, count)| format!("{count} {state}")).collect();
    let whole =
        night.night_state().map_or_else(String::new, |state| format!("; the stages of the whole night: {state}"));
    page.note(status, &format!("{}: {}{whole}.", count(night.number(), "set"), words.join(", ")));
    for note in once_a_stage(night.skipped.iter().map(|(stage, note)| (stage.as_str(), note.as_str()))) {
        page.note(Status::Warning, &note);
    }
    let mut facts = vec![
        ("work folder", night.layout.work().display().to_string()),
        ("made", clock(night.made_unix_s)),
        ("by", concat!("contimg ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("runs", night.runs.len().to_string()),
    ];
    if let Some(run) = night.last_run() {
        facts.push(("last run", format!("{}, {}", run.run, how_it_ended(run))));
        facts.push(("its memory", format!("{} of {}", Bytes(run.peak_memory), Bytes(run.memory_budget))));
    }
    page.facts(facts);
}

fn how_it_ended(run: &Run) -> String {
    match (run.ended, run.stopped_by) {
        (true, None) => format!("ended after {:.1} s", run.to_unix_s - run.from_unix_s),
        (true, Some(signal)) => format!("stopped by signal {signal}"),
        (false, _) => format!("not ended; last heard of at {}", clock(run.to_unix_s)),
    }
}

fn clock(unix_s: f64) -> String {
    jiff::Timestamp::from_microsecond((unix_s * 1e6) as i64)
        .map_or_else(|_| "–".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn failures(page: &mut Page, failures: &[Failed]) {
    page.section("Failures");
    if failures.is_empty() {
        page.note(Status::Good, "Nothing failed.");
        return;
    }
    for failed in failures {
        let attempts = if failed.attempts == 1 { String::new() } else { format!(", {} attempts", failed.attempts) };
        let what = format!("{} at {}: {}: {}{attempts}", failed.set, failed.stage, failed.class, failed.message);
        page.note(Status::Bad, &what);
        page.text(&format!("Remedy: {}.", failed.remedy.trim_end_matches('.')));
        page.listing("command", &failed.command.join(" "));
        if !failed.output_tail.is_empty() {
            page.listing("the end of its output", &tail(&failed.output_tail));
        }
    }
}

/// The last lines, without what a terminal would obey.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(40)..].join("\n");
    shown.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

fn timeline(page: &mut Page, night: &Night, run: &Run) {
    page.section("What ran when");
    let now = if run.ended { run.to_unix_s } else { run.to_unix_s.max(night.made_unix_s.min(run.to_unix_s + 60.0)) };
    let mut lanes: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
    for attempt in &run.attempts {
        let status = match (attempt.failure, attempt.to_unix_s) {
            (Some("stopped"), _) | (None, None) => Status::Warning,
            (Some(_), _) => Status::Bad,
            (None, Some(_)) => Status::Good,
        };
        let end = match (attempt.failure, attempt.to_unix_s) {
            (Some(class), _) => format!("failed: {class}"),
            (None, None) => "running".to_owned(),
            (None, Some(_)) => format!("{} of {}", Bytes(attempt.peak_memory), Bytes(attempt.memory_limit)),
        };
        lanes.entry(&attempt.set).or_default().push(Span {
            from: attempt.from_unix_s - run.from_unix_s,
            to: attempt.to_unix_s.unwrap_or(now) - run.from_unix_s,
            kind: attempt.stage.clone(),
            status,
            note: end,
        });
    }
    let all = lanes.len();
    let axis = Axis::new(format!("time since {}", clock(run.from_unix_s)), "s");
    let mut timeline = Timeline::new(format!("Stages of run {}", run.run), axis);
    for (set, mut spans) in lanes.into_iter().take(LANES) {
        spans.sort_by(|a, b| a.from.total_cmp(&b.from));
        timeline = timeline.lane(set, spans);
    }
    page.timeline(&timeline);
    if all > LANES {
        page.text(&format!("and {} more sets", all - LANES));
    }
}

const GIB: f64 = (1_u64 << 30) as f64;

fn memory(page: &mut Page, run: &Run) {
    page.section("Memory");
    if run.memory.is_empty() {
        page.text("Nothing was measured yet.");
        return;
    }
    let line = |value: &dyn Fn(&super::history::Sample) -> u64| -> Vec<Point> {
        let point = |s: &super::history::Sample| (s.unix_s - run.from_unix_s, value(s) as f64 / GIB).into();
        run.memory.iter().map(point).collect()
    };
    let budget = run.memory_budget as f64 / GIB;
    let most = run.memory.iter().map(|s| s.measured.max(s.admitted)).max().unwrap_or(0) as f64 / GIB;
    let plot = Plot::new(
        "Memory of all processes of the run",
        Axis::new("time since its beginning", "s"),
        Axis::new("memory", "GiB").range(0.0, 1.05 * most.max(budget).max(0.001)),
    )
    .line("admitted", line(&|s| s.admitted))
    .line("measured", line(&|s| s.measured))
    .limit("budget", budget, Status::Bad);
    page.plot(&plot);
}

/// One line for every stage.
fn stages(page: &mut Page, night: &Night) {
    page.section("Stages");
    let columns =
        ["stage", "done", "failed", "skipped", "median (s)", "longest (s)", "largest memory (MiB)", "given (MiB)"];
    let mut table = Table::new("What each stage took", columns);
    let records = || night.sets.iter().flat_map(|set| &set.stages);
    for stage in &night.stages {
        let of_stage: Vec<_> = records().filter(|record| record.stage == *stage).collect();
        if of_stage.is_empty() {
            continue;
        }
        let count = |state| of_stage.iter().filter(|record| record.state == state).count();
        let mut seconds: Vec<f64> = of_stage.iter().flat_map(|record| &record.attempts).map(|a| a.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let mib = |bytes: Option<u64>| bytes.map(|bytes| (bytes >> 20) as f64);
        let failed = count(orchestrator::State::Failed);
        table.row([
            Cell::from(stage.as_str()),
            count(orchestrator::State::Done).into(),
            Cell::from(failed).status(if failed > 0 { Status::Bad } else { Status::Plain }),
            count(orchestrator::State::Skipped).into(),
            seconds.get(seconds.len() / 2).copied().into(),
            seconds.last().copied().into(),
            mib(of_stage.iter().map(|record| record.peak_memory()).max()).into(),
            mib(of_stage.iter().flat_map(|r| &r.attempts).map(|a| a.memory_limit).max()).into(),
        ]);
    }
    page.table(&table);
}

fn flags(page: &mut Page, flags: &[Flags]) {
    page.section("Flags");
    if flags.is_empty() {
        page.text("There is no set yet.");
        return;
    }
    let mut table = Table::new("Flagged cross-correlations", ["set", "flagged (%)", "remark"]);
    for set in flags {
        let remark = Cell::from(set.problem.as_deref().unwrap_or_default());
        let status = if set.problem.is_some() { Status::Warning } else { Status::Plain };
        table.row([Cell::from(set.set.as_str()), set.flagged.map(|part| 100.0 * part).into(), remark.status(status)]);
    }
    page.table(&table);
    for set in flags.iter().filter(|set| !set.matrix.is_empty()).take(MAPS) {
        let values: Vec<f32> = set.matrix.iter().map(|part| part.map_or(f32::NAN, |part| 100.0 * part)).collect();
        let last = set.channels.iter().map(|(_, last)| *last).max().unwrap_or(0);
        let is_one_window = set.channels.windows(2).all(|pair| pair[0].1 < pair[1].0);
        let x = match is_one_window {
            true => Axis::new("channel", "").range(-0.5, last as f64 + 0.5),
            false => Axis::new("channels of all windows, in columns", ""),
        };
        let axes = (x, Axis::of("antenna", &set.antennas), Axis::new("flagged", "%").range(0.0, 100.0));
        let title = format!("{}: flags by antenna and channel", set.set);
        match HeatMap::new(title, axes, set.channels.len(), set.antennas.len(), &values) {
            Ok(map) => page.heat_map(&map),
            Err(error) => page.note(Status::Warning, &error.to_string()),
        };
    }
    if flags.len() > MAPS {
        page.text(&format!("and {} more sets; the JSON twin has them", flags.len() - MAPS));
    }
}

fn images(page: &mut Page, night: &Night) {
    page.section("Images");
    let Some(images) = &night.images else {
        page.text("There is no image.");
        return;
    };
    page.gallery(&images.pictures);
    page.section("Tiles on the sky");
    tiles::footprints(page, &images.report);
    tiles::findings(page, &images.report);
}

/// One line for every set.
fn sets(page: &mut Page, night: &Night) {
    page.section("All sets");
    let mut table = Table::new("Sets by name", ["set", "state", "stages", "seconds"]);
    for set in &night.sets {
        let status = match set.state {
            "done" => Status::Good,
            "failed" => Status::Bad,
            _ => Status::Plain,
        };
        let stages: Vec<String> = set
            .stages
            .iter()
            .map(|record| match record.state {
                orchestrator::State::Done => record.stage.clone(),
                orchestrator::State::Skipped => format!("{} skipped", record.stage),
                orchestrator::State::Failed => format!("{} FAILED", record.stage),
            })
            .collect();
        table.row([
            Cell::from(set.set.as_str()),
            Cell::from(set.state).status(status),
            Cell::from(stages.join(", ")),
            set.stages.iter().map(orchestrator::Record::seconds).sum::<f64>().into(),
        ]);
    }
    page.table(&table);
}
