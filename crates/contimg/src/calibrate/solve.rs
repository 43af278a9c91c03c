//! `contimg solve`: bandpasses and gains from DATA and MODEL_DATA, published as CASA tables.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cal_tables::CalTable;
use gain_solve::Shape;
use publish::{ManifestDraft, Overwrite, StageOptions, Staged};
use serde_json::json;

use crate::calibrate::args::{Interval, SolveArgs};
use crate::calibrate::block::{Columns, column_failure};
use crate::calibrate::known::{self, Loaded};
use crate::calibrate::route::{RUN_BYTES, Route};
use crate::calibrate::set::View;
use crate::calibrate::stages::{BATCH_BYTES, Solved, Work, stages};
use crate::calibrate::{plot, register};
use crate::failure::{Class, Failure};
use crate::isolate;
use crate::output::{errln, outln};
use crate::progress;
use crate::size::Bytes;

/// The exit code where a table fails its checks.
const NOT_GOOD: u8 = 5;

/// The reference antennas of the original pipeline: outriggers, the first that has solutions.
const CHAIN: std::ops::RangeInclusive<u32> = 103..=117;

pub(crate) fn run(args: &SolveArgs) -> Result<ExitCode, Failure> {
    check(args)?;
    args.db.as_deref().map_or(Ok(()), crate::db::may_write)?;
    ms_columns::recover(&args.set).map_err(|error| column_failure(Class::Input, &error))?;
    let view = View::open(&args.set)?;
    if !view.has_column("MODEL_DATA") {
        let text = format!("{}: the set has no MODEL_DATA", view.path.display());
        return Err(Failure::new(Class::Input, text).hint("make a model of the sky first: `contimg model`"));
    }
    let chain = references(args, &view)?;
    let names = Names::new(args, &view)?;
    let known: Vec<Loaded> = args.known.iter().map(|path| Loaded::read(path)).collect::<Result<_, _>>()?;
    let columns = Columns::open(&view, args.uvrange.is_some())?;
    let route = Route::new(&view);
    check_memory(args, &view)?;
    // Names are taken before the work is done, not after.
    let options = StageOptions {
        overwrite: if args.overwrite { Overwrite::Replace } else { Overwrite::Refuse },
        ..StageOptions::default()
    };
    let todo = stages(args);
    let staged: Vec<Staged> = todo
        .iter()
        .map(|stage| Staged::create(&names.of(stage.suffix), &options).map_err(|error| publish_failure(&error)))
        .collect::<Result<_, _>>()?;
    let bar = progress::bar(1, "solving", args.quiet || args.json);
    let work = Work { args, view: &view, columns: &columns, route: &route, chain: &chain, bar: &bar };
    let mut applied = known;
    let mut solved: Vec<Solved> = Vec::new();
    for stage in todo {
        let next = work.solve(stage, &applied)?;
        if next.report.verdict.is_some() {
            // What comes after would build on it.
            solved.push(next);
            break;
        }
        if stage.suffix == "_bpcal" {
            applied.retain(|loaded| loaded.name != "the phases before the bandpass");
        }
        let name = format!("the {}", stage.title);
        applied.push(Loaded { name, path: None, table: next.table.clone() });
        solved.push(next);
    }
    bar.finish_and_clear();
    if let Some(path) = &args.plot {
        plot::draw(&view.name(), &solved, path)?;
    }
    let failed = solved.iter().find_map(|s| Some((s, s.report.verdict.as_ref()?)));
    if let Some((stage, verdict)) = failed {
        errln!("error: {}: no table is published: the {}: {verdict}", view.path.display(), stage.stage.title);
        errln!("  hint: see `contimg flags` and, with --plot, the solutions; are model, field and --uvrange right?");
        show(args, &view, &solved, &[]);
        return Ok(ExitCode::from(NOT_GOOD));
    }
    let paths = publish_all(&view, &solved, staged)?;
    if let Some(db) = &args.db {
        let tables: Vec<_> = solved.iter().zip(paths.iter().cloned()).collect();
        register::solved(db, &view, &tables, args.valid_hours, &isolate::command_line()).map_err(|mut failure| {
            failure.chain.insert(0, format!("{}: the tables are published but not registered", db.display()));
            failure
        })?;
    }
    show(args, &view, &solved, &paths);
    Ok(ExitCode::SUCCESS)
}

fn check(args: &SolveArgs) -> Result<(), Failure> {
    let usage = |text: String| Err(Failure::new(Class::Usage, text));
    if !(0.0..=1.0).contains(&args.max_flagged) {
        return usage(format!("--max-flagged is {}, not a fraction from 0 to 1", args.max_flagged));
    }
    if args.min_baselines == 0 || args.min_snr.is_nan() || args.min_snr < 0.0 {
        return usage("--min-baselines is at least 1 and --min-snr at least 0".into());
    }
    let all = [args.bandpass, args.long, args.short];
    if all.iter().all(|interval| *interval == Interval::None) && !args.delay {
        return usage("nothing is left to solve for: --bandpass, --long and --short are all none".into());
    }
    Ok(())
}

/// Reference antennas by number in the set.
fn references(args: &SolveArgs, view: &View) -> Result<Vec<usize>, Failure> {
    let place = |name: &str| view.subtables.antennas.iter().position(|antenna| antenna.name == name);
    if args.refant.is_empty() {
        return Ok(CHAIN.filter_map(|number| place(&number.to_string())).collect());
    }
    let each = args.refant.iter().map(|name| {
        place(name).ok_or_else(|| {
            let text = format!("--refant: the set has no antenna `{name}`");
            Failure::new(Class::Usage, text).hint("`contimg meta` lists the antennas")
        })
    });
    each.collect()
}

/// Refuses what does not fit into the memory that was asked for, with what would.
fn check_memory(args: &SolveArgs, view: &View) -> Result<(), Failure> {
    let antennas = view.with_data.iter().filter(|has| **has).count();
    let channels: usize = view.descriptions.iter().map(|d| d.channels * d.hands.len().max(1)).sum();
    let averages = Shape { antennas, receptors: 1, groups: channels }.bytes();
    // Known gains; DATA, MODEL_DATA, flags and weights of a run of rows for each thread; what is known of each row, and its place.
    let of_rows = view.rows.len() * (size_of::<crate::calibrate::set::RowKey>() + size_of::<u32>());
    let need = averages + BATCH_BYTES + 3 * RUN_BYTES * rayon::current_num_threads() + of_rows;
    let wants_channels = args.bandpass != Interval::None || args.delay;
    if wants_channels && need as u64 > args.memory.0 {
        let text = format!(
            "a bandpass of {antennas} antennas and {channels} channels of all receptors needs {} of memory",
            Bytes(need as u64)
        );
        let mib = (need >> 20) + 1;
        return Err(Failure::new(Class::Usage, text).hint(format!("allow it: --memory {mib}MiB")));
    }
    Ok(())
}

/// Where the tables go.
struct Names {
    folder: PathBuf,
    prefix: String,
}

impl Names {
    fn new(args: &SolveArgs, view: &View) -> Result<Self, Failure> {
        let name = view.name();
        let prefix = args.prefix.clone().unwrap_or_else(|| name.strip_suffix(".ms").unwrap_or(&name).to_owned());
        if prefix.is_empty() || prefix.contains('/') {
            return Err(Failure::new(Class::Usage, format!("--prefix `{prefix}` is no name; the folder is --out")));
        }
        let own = || view.path.parent().unwrap_or(Path::new(".")).to_path_buf();
        let folder = args.out.clone().unwrap_or_else(own);
        if args.out.is_some() {
            std::fs::create_dir_all(&folder)
                .map_err(|error| Failure::io(Class::Output, format!("cannot make {}", folder.display()), &error))?;
        }
        Ok(Self { folder, prefix })
    }

    fn of(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}{suffix}", self.prefix))
    }
}

fn publish_failure(error: &publish::Error) -> Failure {
    let failure = Failure::of(Class::Output, error);
    if failure.hint.is_some() { failure } else { failure.hint(error.hint()) }
}

/// Writes all tables, reads them back, and gives them their names when all are well.
fn publish_all(view: &View, solved: &[Solved], staged: Vec<Staged>) -> Result<Vec<PathBuf>, Failure> {
    for (solved, staged) in solved.iter().zip(&staged) {
        let output = |error: cal_tables::Error| Failure::of(Class::Output, &error);
        solved.table.write(staged.path()).map_err(output)?;
        let back = CalTable::read(staged.path()).map_err(|error| known::failure(&error))?;
        if back.rows != solved.table.rows {
            let text = format!("{}: reads back otherwise than it was written", staged.target().display());
            return Err(Failure::new(Class::Output, text).hint("the disk or its memory is at fault"));
        }
    }
    let mut paths = Vec::new();
    for (solved, staged) in solved.iter().zip(staged) {
        let path = staged.target();
        let mut draft = ManifestDraft::new("calibration-table", "contimg", env!("CARGO_PKG_VERSION"));
        draft.options = json!({ "command": isolate::command_line(), "set": view.name() });
        draft.summary = serde_json::to_value(&solved.report).map_err(|error| Failure::of(Class::Output, &error))?;
        draft.volatile = vec!["table.lock".into()];
        staged.commit(draft).map_err(|error| publish_failure(&error))?;
        paths.push(path);
    }
    Ok(paths)
}

fn show(args: &SolveArgs, view: &View, solved: &[Solved], paths: &[PathBuf]) {
    if args.json {
        let tables: Vec<_> = solved
            .iter()
            .enumerate()
            .map(|(number, solved)| json!({ "path": paths.get(number), "report": solved.report }))
            .collect();
        outln!("{:#}", json!({ "set": view.path, "published": !paths.is_empty(), "tables": tables }));
        return;
    }
    outln!("{}", view.path.display());
    for (number, solved) in solved.iter().enumerate() {
        let report = &solved.report;
        let place = paths.get(number).map_or_else(|| "not published".into(), |path| path.display().to_string());
        outln!("  {:<26} {place}", report.title);
        outln!(
            "    {}, {} interval{}: {} solutions, {:.2} % flagged, median signal to noise {:.0}",
            report.kind,
            report.intervals,
            if report.intervals == 1 { "" } else { "s" },
            report.solutions,
            100.0 * report.flagged_fraction(),
            report.snr
        );
        let names: Vec<&str> = report.reference.iter().map(|name| name.as_deref().unwrap_or("none")).collect();
        outln!(
            "    reference {}, {} updates (at most {}), noise {:.3} SIGMA",
            names.join(" and "),
            report.iterations[0],
            report.iterations[1],
            report.residual
        );
        if !report.without_solution.is_empty() {
            outln!("    without solution: {}", report.without_solution.join(", "));
        }
        for (cells, reason) in &report.failed {
            outln!("    {cells} cells: {reason}");
        }
    }
}
