//! `contimg run` and what looks at it: stages of sets in parallel, isolated, resumed.

mod checks;
mod faults;
mod follow;
mod plans;
mod reports;
mod requests;
mod resume;
mod retire;
mod slurm;
mod stops;

use std::path::PathBuf;

use fixtures::GroupSpec;
use serde_json::Value;
use vis_types::JulianDate;

use crate::program::{Ended, Work};

/// A work folder with a plan.
pub(crate) struct Night {
    pub work: Work,
}

impl Night {
    pub(crate) fn new(plan: &str) -> Self {
        let night = Self { work: Work::new() };
        night.plan(plan);
        night
    }

    /// Gives it another plan.
    pub(crate) fn plan(&self, text: &str) {
        std::fs::write(self.work.path().join("plan.toml"), text).expect("write the plan");
    }

    /// The run's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.work.path().join("night")
    }

    pub(crate) const ARGUMENTS: [&str; 7] = ["run", "--plan", "plan.toml", "--work", "night", "--reserve", "1MiB"];

    /// `contimg run` with the plan and more arguments.
    pub(crate) fn run(&self, more: &[&str]) -> Ended {
        self.work.run(&[&Self::ARGUMENTS, more].concat())
    }

    /// The summary of a run that must end with `code`.
    #[track_caller]
    pub(crate) fn summary(&self, more: &[&str], code: i32) -> Value {
        let ended = self.run(&[more, &["--json"]].concat());
        assert_eq!(ended.orderly(), Ok(code), "{ended:?}");
        ended.json()
    }

    /// What a product's file holds.
    pub(crate) fn product(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder().join("p").join(name).join("x")).ok()
    }

    /// `contimg status --json`: the sets by name.
    #[track_caller]
    pub(crate) fn state(&self, set: &str) -> Value {
        let status = self.work.run(&["status", "--work", "night", "--json"]).expect(0).json();
        let sets = status["sets"].as_array().expect("a list").clone();
        sets.into_iter().find(|found| found["set"] == set).unwrap_or_else(|| panic!("no {set} in {status:#}"))
    }
}

/// One stage that runs the set's own shell script; its product is `p/SET`.
pub(crate) const SCRIPT_STAGE: &str = r#"
[[stage]]
name = "work"
command = ["sh", "-c", "{do} # {out}/"]
product = "{work}/p/{set}"
memory = "128MiB"
timeout = "60s"
disk = "32MiB"
max_output = "32MiB"
"#;

/// A set whose script is `script`.
pub(crate) fn set(name: &str, script: &str) -> String {
    format!("[[set]]\nname = \"{name}\"\nvars = {{ do = {script:?} }}\n")
}

/// Convert, then two stages that note that they ran: one with a product, one without.
pub(crate) const SUMS: &str = r#"
[vars]
ms = "{work}/ms/{set}.ms"
[[stage]]
preset = "convert"
[[stage]]
name = "sum"
command = ["sh", "-c", "echo {set} sum >> {work}/ran; mkdir {out}; cksum < {ms}/table.f0 > {out}/sum; sleep 0.05"]
reads = ["{ms}::DATA"]
product = "{work}/p/{set}"
memory = "64MiB"
[[stage]]
name = "look"
command = ["sh", "-c", "echo {set} look >> {work}/ran; test -s {work}/p/{set}/sum; sleep 0.05"]
reads = ["{work}/p/{set}"]
memory = "64MiB"
[[stage]]
name = "count"
scope = "night"
command = ["sh", "-c", "echo night count >> {work}/ran; mkdir {out}; cat \"$@\" > {out}/sum", "{out}", "{work}/p/{set}/sum"]
reads = ["{work}/p/{set}"]
product = "{work}/p/night"
memory = "64MiB"
"#;

/// A tiny group so many days after the first.
pub(crate) fn group_of(day: u32) -> GroupSpec {
    GroupSpec { start: JulianDate(GroupSpec::tiny().start.0 + f64::from(day)), ..GroupSpec::tiny() }
}

/// Three groups in `input`, and [`SUMS`] as `plan.toml`.
pub(crate) fn three_days() -> Work {
    let work = Work::new();
    for day in 0..3 {
        work.add(&group_of(day));
    }
    std::fs::write(work.path().join("plan.toml"), SUMS).expect("write");
    work
}
