//! `cargo xtask crash`: the crash tests of the program with larger counts, and a table of what came of them.
//!
//! The tests themselves are `crates/contimg/tests/it/crash`; each reports its counts as JSON in a folder that this names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::problem::{Outcome, Problem};
use crate::setup;
use crate::workspace::{self, cargo};

const HELP: &str = "\
Bad input, full disks, signals and `kill -9`: the crash tests of contimg with larger counts.

Usage: cargo xtask crash [--kills N] [--mutations N] [--tables N] [--truncations N] [--signals N] [--disks N] [--columns N] [--night N] [--seed N]
       cargo xtask crash --database [SECONDS] [--mutations N] [--steps N]

  --kills N        of the program, and as many of its worker (default 100)
  --mutations N    UVH5 files with wrong bytes (default 1000)
  --tables N       Measurement Sets with a damaged file, under `meta` and `flags` (default 1000)
  --truncations N  lengths of a file cut short (default 100)
  --signals N      SIGINT and SIGTERM at random moments (default 50)
  --disks N        steps in the size of a disk, in its number of files, and in what is left of it (default 64)
  --columns N      of `contimg flag` while it changes a set's columns (default 100)
  --night N        nights whose head is killed, one to three times each (default 50)
  --seed N         of everything random (default 110)

  --database [S]   the products database: 8 readers and 2 writers for S seconds (60), killed one after the other; --mutations
                   damaged databases (1000); --steps look-ups and changes by several programs (100000)

Exit codes: 0 every invariant held, 1 one did not, 2 wrong usage.
";

struct Options {
    /// Variables that the tests read, and their values.
    counts: Vec<(&'static str, u64)>,
    seed: u64,
}

pub(crate) fn run(args: &[String]) -> Outcome {
    let Some(options) = parse(args)? else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    setup::ensure()?;
    let folder = workspace::target_folder()?.join("crash-reports");
    let cannot = |error: std::io::Error| Problem::new(format!("{}: {error}", folder.display()), "is the disk full?");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
        _ => fs::create_dir_all(&folder).map_err(cannot)?,
    }
    let mut command = cargo(["test", "--release", "--package", "contimg", "--test", "it", "--", "crash::"]);
    command.env("CONTIMG_CRASH_REPORT", &folder).env("CONTIMG_CRASH_SEED", options.seed.to_string());
    for (name, count) in &options.counts {
        command.env(format!("CONTIMG_CRASH_{name}"), count.to_string());
    }
    let status = workspace::run(&mut command)?;
    let reports = read(&folder).map_err(cannot)?;
    print!("{}", table(&reports));
    let broken: usize = reports.iter().map(|report| report.broken.len()).sum();
    if status.success() && broken == 0 && !reports.is_empty() {
        println!("every invariant held (seed {})", options.seed);
        return Ok(ExitCode::SUCCESS);
    }
    Err(Problem::new(
        format!("invariants broke in {broken} counted cases, or a test failed"),
        format!("the cases are above; the same seed ({}) repeats what does not depend on time", options.seed),
    ))
}

fn parse(args: &[String]) -> Result<Option<Options>, Problem> {
    use lexopt::prelude::*;
    let mut options = Options {
        counts: vec![
            ("KILLS", 100),
            ("MUTATIONS", 1000),
            ("TABLES", 1000),
            ("TRUNCATIONS", 100),
            ("SIGNALS", 50),
            ("DISKS", 64),
            ("COLUMNS", 100),
            ("NIGHT", 50),
        ],
        seed: 110,
    };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            Long(name) => {
                let Some(i) = options.counts.iter().position(|(count, _)| count.to_lowercase() == name) else {
                    return Err(arg.unexpected().into());
                };
                options.counts[i].1 = parser.value()?.parse()?;
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// What one test reported.
#[derive(Debug, PartialEq)]
struct Report {
    what: String,
    /// Outcomes and how often each came.
    counts: Vec<(String, u64)>,
    /// Invariants that broke, each with its case.
    broken: Vec<String>,
}

impl Report {
    fn parse(text: &str) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_str(text).ok()?;
        let counts = json["counts"].as_object()?.iter();
        Some(Self {
            what: json["what"].as_str()?.to_owned(),
            counts: counts.filter_map(|(outcome, n)| Some((outcome.clone(), n.as_u64()?))).collect(),
            broken: json["broken"].as_array()?.iter().filter_map(|b| Some(b.as_str()?.to_owned())).collect(),
        })
    }
}

fn read(folder: &Path) -> std::io::Result<Vec<Report>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let texts = paths.iter().map(fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(texts.iter().filter_map(|text| Report::parse(text)).collect())
}

fn table(reports: &[Report]) -> String {
    let mut text = format!("{:<22} {:>6}  outcome\n", "test", "cases");
    for report in reports {
        let broken = (report.broken.len() as u64, "BROKEN".to_owned());
        let rows = report.counts.iter().map(|(outcome, n)| (*n, outcome.clone())).chain([broken]);
        for (i, (n, outcome)) in rows.filter(|(n, outcome)| *n > 0 || outcome != "BROKEN").enumerate() {
            let what = if i == 0 { report.what.as_str() } else { "" };
            text += &format!("{what:<22} {n:>6}  {outcome}\n");
        }
        report.broken.iter().for_each(|case| text += &format!("{:<22} {:>6}  {case}\n", "", "!"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_a_table() {
        let text = r#"{"what":"signals","counts":{"finished first":2,"stopped, nothing left":48},"broken":["number 3: left"]}"#;
        let report = Report::parse(text).expect("a report");
        let lines: Vec<String> = table(&[report]).lines().map(str::to_owned).collect();
        assert_eq!(lines[1], "signals                     2  finished first");
        assert_eq!(lines[2], "                           48  stopped, nothing left");
        assert_eq!(lines[3], "                            1  BROKEN");
        assert!(lines[4].ends_with("number 3: left"));
    }

    #[test]
    fn counts_are_options() {
        let args = |list: &[&str]| list.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>();
        let options = parse(&args(&["--kills", "7", "--seed", "3"])).ok().flatten().expect("options");
        assert_eq!((options.counts[0], options.counts[1], options.seed), (("KILLS", 7), ("MUTATIONS", 1000), 3));
        assert!(parse(&args(&["--murders", "7"])).is_err());
    }
}
