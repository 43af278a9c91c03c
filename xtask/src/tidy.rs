//! `cargo xtask tidy`: what ARCHITECTURE.md and CONVENTIONS say and a compiler does not check.

mod arrows;
mod files;
mod packages;

use std::process::ExitCode;

use crate::problem::{Outcome, Problem};

const HELP: &str = "\
Checks what the compiler does not:

  arrows    packages depend on lower levels only; each C library has one door; some packages reach no C at all
            (the table is xtask/src/levels.rs)
  names     no utils, common, helpers or misc
  unsafe    only in the binding crates
  paths     no absolute path of one machine and no package registry of one site in tracked files
  lengths   files of over 600 lines of code are listed, of over 900 lines refused
  packages  every package takes the workspace's lints and names its dependencies in its code; those of crates/ have a
            README, and what is published the licences' texts

Usage: cargo xtask tidy
";

pub(crate) fn run(args: &[String]) -> Outcome {
    match args.first().map(String::as_str) {
        None => {}
        Some("--help" | "-h") => {
            print!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        Some(other) => return Err(Problem::usage(format!("tidy takes no argument, not `{other}`"))),
    }
    let findings = findings()?;
    for remark in &findings.remarks {
        println!("remark: {remark}");
    }
    for fault in &findings.faults {
        println!("fault: {fault}");
    }
    println!("tidy: {}; {} faults, {} remarks", findings.looked_at, findings.faults.len(), findings.remarks.len());
    Ok(if findings.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was found.
#[derive(Debug, Default)]
struct Findings {
    /// What must be mended.
    faults: Vec<String>,
    /// What is worth a look.
    remarks: Vec<String>,
    /// How much was looked at, for people.
    looked_at: String,
}

fn findings() -> Result<Findings, Problem> {
    let mut findings = Findings::default();
    let packages = arrows::check(&arrows::metadata()?, &mut findings)?;
    let files = files::check(&mut findings)?;
    findings.looked_at = format!("{packages} packages, {files} files");
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::levels::{NOT_IN_THE_PURE_JOB, WITHOUT_C};

    #[test]
    fn crates_without_c_are_tested_where_there_is_no_c() {
        let path = crate::workspace::root().join(".github/workflows/ci.yml");
        let text = std::fs::read_to_string(path).expect("the workflow of every push");
        let mut words = text.split_whitespace();
        let mut tested = BTreeSet::new();
        while let Some(word) = words.next() {
            if word == "-p" {
                tested.extend(words.next());
            }
        }
        let meant = WITHOUT_C.iter().copied().filter(|package| !NOT_IN_THE_PURE_JOB.contains(package));
        assert_eq!(tested, meant.collect());
    }

    #[test]
    fn the_workspace_is_tidy() {
        // A source archive has no git to list its files.
        if !crate::workspace::root().join(".git").exists() {
            eprintln!("skipped: not a git checkout");
            return;
        }
        let findings = super::findings().unwrap_or_else(|problem| panic!("{problem}"));
        assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
    }
}
