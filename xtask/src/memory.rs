//! `cargo xtask memory`: peak memory of conversions and models against `benches/budgets.toml`.
//!
//! Generated groups are converted by the release program as a user would, and the sum of PSS over its process tree is
//! sampled. For 2 and for 4 polarisations: default settings, `--memory 64MiB`, and a group with twice the integrations.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crate::problem::{Outcome, Problem};
use crate::process_tree::{Watched, watch};
use crate::{build, workspace};

const HELP: &str = "\
Peak memory of conversions (sum of PSS over the process tree) against benches/budgets.toml.

Usage: cargo xtask memory [--size small|full] [--pols 2,4] [--interval MS] [--budget-scale X] [--scratch DIR] [--keep]

  --size SIZE        small: 24 antennas, seconds (default); full: 96 antennas, the budgets that count; it needs some
                     20 GB of disk for a while
  --pols LIST        polarisations (default 2,4)
  --interval MS      time between two looks (default 2)
  --budget-scale X   multiply the limits in MiB by X, to see the check fail
  --scratch DIR      where groups and sets are put and removed again (default target/memory)
  --keep             keep the groups for the next run

Exit codes: 0 all budgets hold, 1 one is broken or a conversion failed, 2 wrong usage.
";

/// The integrations of a generated group, and twice as many.
const TIMES: u32 = 24;

struct Options {
    size: String,
    pols: Vec<u32>,
    interval: Duration,
    scale: f64,
    scratch: PathBuf,
    keep: bool,
}

pub(crate) fn run(args: &[String]) -> Outcome {
    let Some(options) = parse(args)? else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    let budget = Budget::read(&workspace::root().join("benches/budgets.toml"), &options.size)?;
    build::build(&["contimg", "fixtures"])?;
    let mut rows = Vec::new();
    for &pols in &options.pols {
        measure(&options, &budget, pols, &mut rows)?;
    }
    let broken = rows.iter().filter(|row| !row.holds()).count();
    print!("{}", table(&rows, &options));
    if broken == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Problem::new(
        format!("{broken} of {} budgets are broken", rows.len()),
        "find what grew, or raise the limit in benches/budgets.toml and say there why",
    ))
}

fn parse(args: &[String]) -> Result<Option<Options>, Problem> {
    use lexopt::prelude::*;
    let mut options = Options {
        size: "small".into(),
        pols: vec![2, 4],
        interval: Duration::from_millis(2),
        scale: 1.0,
        scratch: workspace::target_folder()?.join("memory"),
        keep: false,
    };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("size") => options.size = parser.value()?.string()?,
            Long("pols") => {
                let list = parser.value()?.string()?;
                let parsed: Result<_, _> = list.split(',').map(str::parse).collect();
                options.pols = parsed.map_err(|_| Problem::usage(format!("--pols {list}: numbers such as 2,4")))?;
            }
            Long("interval") => options.interval = Duration::from_millis(parser.value()?.parse()?),
            Long("budget-scale") => options.scale = parser.value()?.parse()?,
            Long("scratch") => options.scratch = parser.value()?.into(),
            Long("keep") => options.keep = true,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(arg.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// The limits for one size of group.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Budget {
    peak_mib: f64,
    memory_option_mib: u32,
    memory_option_tolerance: f64,
    growth: f64,
    model_peak_mib: f64,
    model_growth: f64,
}

impl Budget {
    fn read(path: &Path, size: &str) -> Result<Self, Problem> {
        let text = fs::read_to_string(path)
            .map_err(|error| Problem::new(format!("{}: {error}", path.display()), "is the checkout complete?"))?;
        Self::parse(&text, size).map_err(|what| {
            Problem::new(
                format!("{}: {what}", path.display()),
                "every size has a table [convert.SIZE] with four numbers and a table [model.SIZE] with two",
            )
        })
    }

    fn parse(text: &str, size: &str) -> Result<Self, String> {
        let all: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let table = |of: &str| {
            let table = all.get(of).and_then(|sizes| sizes.get(size));
            table.ok_or_else(|| format!("there is no budget [{of}.{size}]"))
        };
        let number_of = |of: &str, name: &str| {
            let value = table(of)?.get(name).ok_or_else(|| format!("[{of}.{size}] lacks `{name}`"))?;
            let integer = value.as_integer().and_then(|value| i32::try_from(value).ok()).map(f64::from);
            value.as_float().or(integer).ok_or_else(|| format!("[{of}.{size}] `{name}` is not a number"))
        };
        let number = |name: &str| number_of("convert", name);
        let memory_option = table("convert")?.get("memory_option_mib").and_then(toml::Value::as_integer);
        Ok(Self {
            peak_mib: number("peak_mib")?,
            memory_option_mib: memory_option
                .and_then(|mib| u32::try_from(mib).ok())
                .ok_or_else(|| format!("[convert.{size}] lacks a whole `memory_option_mib`"))?,
            memory_option_tolerance: number("memory_option_tolerance")?,
            growth: number("growth")?,
            model_peak_mib: number_of("model", "peak_mib")?,
            model_growth: number_of("model", "growth")?,
        })
    }
}

/// One conversion, or the comparison of two.
struct Row {
    what: String,
    found: Found,
    /// Bytes for a peak, a fraction for a growth.
    limit: f64,
}

enum Found {
    Peak(Watched),
    Growth(f64),
}

impl Row {
    fn holds(&self) -> bool {
        match &self.found {
            // Exact enough: a peak is far below 2^53 bytes.
            Found::Peak(watched) => watched.peak_pss_bytes as f64 <= self.limit,
            Found::Growth(growth) => growth.abs() <= self.limit,
        }
    }
}

fn measure(options: &Options, budget: &Budget, pols: u32, rows: &mut Vec<Row>) -> Result<(), Problem> {
    let group = make_group(options, pols, TIMES)?;
    let limit = |mib: f64| mib * f64::from(1 << 20) * options.scale;
    let memory = format!("{}MiB", budget.memory_option_mib);

    let default = convert(options, &group, &[])?;
    let model_default = model(options)?;
    let small = convert(options, &group, &["--memory", &memory])?;
    discard(options, &group);
    let group = make_group(options, pols, 2 * TIMES)?;
    let double = convert(options, &group, &[])?;
    discard(options, &group);
    let model_double = model(options)?;
    remove(&options.scratch.join("out"))?;

    let growth_of =
        |double: &Watched, single: &Watched| double.peak_pss_bytes as f64 / single.peak_pss_bytes as f64 - 1.0;
    let (growth, model_growth) = (growth_of(&double, &default), growth_of(&model_double, &model_default));
    let peak = |what: &str, watched, mib| Row {
        what: format!("{pols} polarisations, {what}"),
        found: Found::Peak(watched),
        limit: limit(mib),
    };
    let option_mib = f64::from(budget.memory_option_mib) * (1.0 + budget.memory_option_tolerance);
    rows.push(peak("default settings", default, budget.peak_mib));
    rows.push(peak(&format!("--memory {memory}"), small, option_mib));
    rows.push(peak("twice the integrations", double, budget.peak_mib));
    rows.push(Row {
        what: format!("{pols} polarisations, growth with twice the integrations"),
        found: Found::Growth(growth),
        limit: budget.growth,
    });
    rows.push(peak("a model in the set", model_default, budget.model_peak_mib));
    rows.push(peak("a model in the set of twice the integrations", model_double, budget.model_peak_mib));
    rows.push(Row {
        what: format!("{pols} polarisations, growth of the model's with twice the integrations"),
        found: Found::Growth(model_growth),
        limit: budget.model_growth,
    });
    Ok(())
}

fn failed_in(path: &Path) -> impl Fn(std::io::Error) -> Problem {
    let path = path.display().to_string();
    move |error| Problem::new(format!("{path}: {error}"), "choose another folder with --scratch")
}

/// Makes a group unless a whole one was kept: its folder gets its name at the end.
fn make_group(options: &Options, pols: u32, times: u32) -> Result<PathBuf, Problem> {
    let folder = options.scratch.join(format!("{}-{pols}pol-{times}", options.size));
    if folder.is_dir() {
        return Ok(folder);
    }
    let making = folder.with_extension("making");
    remove(&making)?;
    fs::create_dir_all(&options.scratch).map_err(failed_in(&options.scratch))?;
    let mut command = Command::new(workspace::target_folder()?.join("release/contimg-fixtures"));
    command.args(["group", "--size", &options.size, "--pols", &pols.to_string(), "--times", &times.to_string()]);
    command.arg("--out").arg(&making).stdout(Stdio::null());
    if !workspace::run(&mut command)?.success() {
        return Err(Problem::new("the group could not be made", "the message of contimg-fixtures is above"));
    }
    fs::rename(&making, &folder).map_err(failed_in(&folder))?;
    Ok(folder)
}

/// Predicts a source into the Measurement Set that is there, and compares the data with it.
fn model(options: &Options) -> Result<Watched, Problem> {
    let out = options.scratch.join("out");
    let mut sets = fs::read_dir(&out).map_err(failed_in(&out))?.flatten().map(|entry| entry.path());
    let set = sets.find(|path| path.extension().is_some_and(|e| e == "ms")).ok_or_else(|| {
        Problem::new(format!("{}: no Measurement Set", out.display()), "the conversion's message is above")
    })?;
    let mut command = Command::new(workspace::target_folder()?.join("release/contimg"));
    // Where the meridian is at the fixtures' time.
    command.arg("model").arg(set).args(["--source", "8,54.5,2.5,-0.7,1400", "--check", "--quiet"]);
    measured(options, command)
}

/// Converts the group; the Measurement Set stays until the next conversion.
fn convert(options: &Options, group: &Path, extra: &[&str]) -> Result<Watched, Problem> {
    let out = options.scratch.join("out");
    remove(&out)?;
    let mut command = Command::new(workspace::target_folder()?.join("release/contimg"));
    command.arg("convert").arg(group).arg("--out").arg(&out).args(extra).args(["--quiet", "--no-cache"]);
    measured(options, command)
}

/// Runs a command to its end and samples its memory.
fn measured(options: &Options, mut command: Command) -> Result<Watched, Problem> {
    let log = options.scratch.join("measured.log");
    let log_file = File::create(&log).map_err(failed_in(&log))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
    eprintln!("$ {}", workspace::shown(&command));
    let watched = watch(&mut command, options.interval).map_err(|error| workspace::cannot_start(&command, &error))?;
    if !watched.status.success() {
        let said = fs::read_to_string(&log).unwrap_or_default();
        return Err(Problem::new(
            format!("the command failed ({}); it says:\n{}", watched.status, said.trim()),
            "a budget can be measured only when the command works",
        ));
    }
    Ok(watched)
}

fn discard(options: &Options, group: &Path) {
    if !options.keep {
        // What stays is found, and used, by the next run.
        let _ = remove(group);
    }
}

fn remove(folder: &Path) -> Result<(), Problem> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed_in(folder)(error)),
        _ => Ok(()),
    }
}

fn table(rows: &[Row], options: &Options) -> String {
    let mib = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    let mut lines = vec![[
        format!("{} group", options.size),
        "peak of PSS".into(),
        "limit".into(),
        "sum of VmHWM".into(),
        "samples".into(),
        "time".into(),
        String::new(),
    ]];
    for row in rows {
        let verdict = if row.holds() { "ok" } else { "BROKEN" };
        let [found, limit, peaks, samples, time] = match &row.found {
            Found::Peak(watched) => [
                mib(watched.peak_pss_bytes as f64),
                mib(row.limit),
                format!("{} ({} processes)", mib(watched.sum_of_peaks_bytes as f64), watched.processes),
                watched.samples.to_string(),
                format!("{:.1} s", watched.wall.as_secs_f64()),
            ],
            Found::Growth(growth) => [
                format!("{:+.1} %", growth * 100.0),
                format!("±{:.1} %", row.limit * 100.0),
                String::new(),
                String::new(),
                String::new(),
            ],
        };
        lines.push([row.what.clone(), found, limit, peaks, samples, time, verdict.into()]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(column, (cell, &width))| {
                    if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budgets_of_the_workspace_are_understood() {
        let path = workspace::root().join("benches/budgets.toml");
        for size in ["small", "full"] {
            assert!(Budget::read(&path, size).is_ok(), "{size}");
        }
        assert!(Budget::read(&path, "huge").is_err());
    }

    #[test]
    fn a_budget_is_broken_by_one_byte_too_many() {
        let watched = |bytes| Watched {
            status: std::os::unix::process::ExitStatusExt::from_raw(0),
            wall: Duration::ZERO,
            peak_pss_bytes: bytes,
            sum_of_peaks_bytes: bytes,
            samples: 1,
            processes: 1,
        };
        let row = |bytes| Row { what: String::new(), found: Found::Peak(watched(bytes)), limit: 1000.0 };
        assert!(row(1000).holds());
        assert!(!row(1001).holds());
        let growth = |fraction| Row { what: String::new(), found: Found::Growth(fraction), limit: 0.05 };
        assert!(growth(-0.04).holds() && !growth(0.06).holds() && !growth(-0.06).holds());
    }

    #[test]
    fn a_budget_lacking_a_number_is_named() {
        let text = "[convert.full]\npeak_mib = 128\nmemory_option_mib = 64\ngrowth = 0.05\n";
        let error = Budget::parse(text, "full").expect_err("one is missing");
        assert!(error.contains("memory_option_tolerance"), "{error}");
    }
}
