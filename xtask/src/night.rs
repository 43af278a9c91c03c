//! `cargo xtask night`: what running a night costs beside the work itself.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::build;
use crate::problem::{Outcome, Problem};
use crate::process_tree;
use crate::workspace;

const HELP: &str = "\
What `contimg run` costs beside the work itself.

Usage: cargo xtask night [--noops] [--scaling] [--memory]     (all of them when none is named)

  --noops     40 stages that do nothing, isolated, two at a time: at most 0.3 s; xargs beside it
  --scaling   stages that only compute, on two cores: at least 0.95 of two pinned, independent processes
  --memory    peak memory of the whole tree under three budgets, with stages that take more than they may: budget + 5 %

Exit codes: 0 every bar is met, 1 one is not, 2 wrong usage.
";

pub(crate) fn run(args: &[String]) -> Outcome {
    use lexopt::prelude::*;
    let mut wanted = Vec::new();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            Long(name @ ("noops" | "scaling" | "memory")) => wanted.push(name.to_owned()),
            _ => return Err(arg.unexpected().into()),
        }
    }
    build::build(&["contimg"])?;
    let folder = workspace::target_folder()?.join("night-bars");
    let scene = Scene { program: workspace::target_folder()?.join("release/contimg"), folder };
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|other| other == name);
    let mut failed = Vec::new();
    for (name, bar) in [
        ("noops", Scene::noops as fn(&Scene) -> Result<bool, Problem>),
        ("scaling", Scene::scaling),
        ("memory", Scene::memory),
    ] {
        if is_wanted(name) && !bar(&scene)? {
            failed.push(name);
        }
    }
    // Nothing in it is worth keeping.
    let _ = fs::remove_dir_all(&scene.folder);
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Problem::new(
        format!("not met: {}", failed.join(", ")),
        "a busy machine measures its neighbours: try when it is idle",
    ))
}

struct Scene {
    program: PathBuf,
    folder: PathBuf,
}

const NOOPS: usize = 40;
/// Iterations of the spinning shell: about a second.
const SPIN: u64 = 500_000;
const SPINNERS: u64 = 8;

impl Scene {
    /// An empty work folder with a plan, and the command that runs it.
    fn night(&self, plan: &str) -> Result<Command, Problem> {
        let cannot =
            |error: std::io::Error| Problem::new(format!("{}: {error}", self.folder.display()), "is the disk full?");
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => fs::create_dir_all(&self.folder).map_err(cannot)?,
        }
        let file = self.folder.join("plan.toml");
        fs::write(&file, plan).map_err(cannot)?;
        let mut command = Command::new(&self.program);
        command.args(["run", "--quiet", "--json", "--cores", "2", "--plan"]).arg(file);
        command.arg("--work").arg(self.folder.join("work")).stdout(Stdio::null());
        Ok(command)
    }

    fn noops(&self) -> Result<bool, Problem> {
        let mut plan = "[[stage]]\nname = \"nothing\"\ncommand = [\"true\"]\nmemory = \"16MiB\"\n".to_owned();
        for i in 0..NOOPS {
            let _ = write!(plan, "[[set]]\nname = \"s{i}\"\n");
        }
        let mut ours = Duration::MAX;
        let mut theirs = Duration::MAX;
        for _ in 0..5 {
            ours = ours.min(timed(&mut self.night(&plan)?)?);
            let list: Vec<String> = (0..NOOPS).map(|i| i.to_string()).collect();
            let file = self.folder.join("list");
            fs::write(&file, list.join("\n")).map_err(|error| Problem::new(error.to_string(), "is the disk full?"))?;
            theirs = theirs.min(timed(Command::new("xargs").args(["-P2", "-n1", "-a"]).arg(file).arg("true"))?);
        }
        let met = ours <= Duration::from_millis(300);
        println!(
            "{NOOPS} empty stages, isolated, two at a time: {:.3} s (at most 0.3: {}); xargs -P2, not isolated: {:.3} s",
            ours.as_secs_f64(),
            word(met),
            theirs.as_secs_f64()
        );
        Ok(met)
    }

    fn scaling(&self) -> Result<bool, Problem> {
        let script = |times: u64| format!("i=0; while [ $i -lt {} ]; do i=$((i+1)); done", SPIN * times);
        let mut plan =
            format!("[[stage]]\nname = \"spin\"\ncommand = [\"sh\", \"-c\", \"{}\"]\nmemory = \"16MiB\"\n", script(1));
        for i in 0..SPINNERS {
            let _ = write!(plan, "[[set]]\nname = \"s{i}\"\n");
        }
        let mut best = 0.0_f64;
        for _ in 0..3 {
            let ours = timed(&mut self.night(&plan)?)?;
            let started = Instant::now();
            let pinned = ["0", "1"].map(|core| {
                let mut command = Command::new("taskset");
                command.args(["-c", core, "sh", "-c", &script(SPINNERS / 2)]);
                command.spawn().map_err(|error| workspace::cannot_start(&command, &error))
            });
            for child in pinned {
                child?.wait().map_err(|error| Problem::new(error.to_string(), "is taskset installed?"))?;
            }
            let theirs = started.elapsed();
            let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
            println!(
                "  {SPINNERS} stages: {:.2} s; the same in two pinned processes: {:.2} s; ratio {ratio:.3}",
                ours.as_secs_f64(),
                theirs.as_secs_f64()
            );
            best = best.max(ratio);
        }
        let met = best >= 0.95;
        println!(
            "two cores: {best:.3} of the speed-up of two pinned, independent processes (at least 0.95: {})",
            word(met)
        );
        Ok(met)
    }

    fn memory(&self) -> Result<bool, Problem> {
        let mut all = true;
        for budget_mib in [320_u64, 640, 1280] {
            // The planned stages take what they may; the greedy ones ask for twice the whole budget.
            let each = (budget_mib - 60) / 2;
            let fill =
                |mib: u64| format!("import time; x = [bytearray(1 << 20) for _ in range({mib})]; time.sleep(0.5)");
            let mut plan = format!(
                "[run]\nmemory = \"{budget_mib}MiB\"\n[[stage]]\nname = \"fill\"\ncommand = [\"python3\", \"-c\", \"{{do}}\"]\nmemory = \"{each}MiB\"\n"
            );
            for i in 0..6 {
                let takes = if i % 3 == 2 { 2 * budget_mib } else { each - 20 };
                let _ = write!(plan, "[[set]]\nname = \"s{i}\"\nvars = {{ do = \"{}\" }}\n", fill(takes));
            }
            let mut command = self.night(&plan)?;
            let seen = process_tree::watch(&mut command, Duration::from_millis(5))
                .map_err(|error| workspace::cannot_start(&command, &error))?;
            let peak_mib = seen.peak_pss_bytes as f64 / f64::from(1 << 20);
            let met = peak_mib <= 1.05 * budget_mib as f64 && seen.status.code() == Some(4);
            println!(
                "budget {budget_mib} MiB: peak of the tree {peak_mib:.0} MiB (PSS, {} looks), 4 stages within it and 2 that ask for {} MiB: {}",
                seen.samples,
                2 * budget_mib,
                word(met)
            );
            all &= met && self.has_named_memory();
        }
        Ok(all)
    }

    /// Whether exactly the greedy sets failed, for memory.
    fn has_named_memory(&self) -> bool {
        let status =
            Command::new(&self.program).args(["status", "--json", "--work"]).arg(self.folder.join("work")).output();
        let Ok(status) = status else { return false };
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(&status.stdout) else { return false };
        let Some(sets) = json["sets"].as_array() else { return false };
        let named = |set: &serde_json::Value| set["stages"][0]["attempts"].as_array().and_then(|a| a.last().cloned());
        let failed: Vec<_> = sets.iter().filter(|set| set["state"] == "failed").collect();
        failed.len() == 2
            && failed.iter().all(|set| named(set).is_some_and(|last| last["failure"]["class"] == "memory"))
    }
}

fn timed(command: &mut Command) -> Result<Duration, Problem> {
    let started = Instant::now();
    let status = command.status().map_err(|error| workspace::cannot_start(command, &error))?;
    let took = started.elapsed();
    if status.success() {
        return Ok(took);
    }
    Err(Problem::new(format!("{:?} ended with {status}", Path::new(command.get_program())), "its message is above"))
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "NOT MET" }
}
