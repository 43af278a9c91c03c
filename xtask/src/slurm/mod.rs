//! `cargo xtask slurm`: nights on a real Slurm, which loses a node, its controller and the head on the way.

mod cluster;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use self::cluster::{Cluster, wait};
use crate::build;
use crate::problem::{Outcome, Problem};
use crate::workspace;

const HELP: &str = "\
A Slurm cluster on this machine, below target/, and a night on it that loses what a cluster can lose.

Usage: cargo xtask slurm [--sets N] [--nodes N] [--size SIZE] [--pause SECONDS] [--keep] [--install]

  --sets N         groups of subbands, each converted, flagged and summed (default 12)
  --nodes N        nodes, at least 2 (default 3)
  --size SIZE      of a group: tiny, small or full (default tiny)
  --pause SECONDS  how long the last stage takes, so that there is something to kill (default 5)
  --keep           leave the cluster's logs and both nights in target/slurm
  --install        install what is missing with apt-get first, as root

Two nights: in the first one node is killed with everything on it, and the controller is ended and started again; in the
second the head is killed, too, which is started again with the same command. Each must end with every product once, equal to those of
an undisturbed night on this machine. All daemons end with this program, also at Ctrl-C.

Exit codes: 0 met, 1 not met or no Slurm, 2 wrong usage.
";

struct Options {
    sets: u32,
    nodes: u32,
    size: String,
    pause: u32,
    keep: bool,
    install: bool,
}

pub(crate) fn run(args: &[String]) -> Outcome {
    let Some(options) = parse(args)? else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    ensure(options.install)?;
    build::build(&["contimg", "fixtures"])?;
    let folder = workspace::target_folder()?.join("slurm");
    let scene = Scene { folder: folder.clone(), programs: workspace::target_folder()?.join("release"), options };
    scene.clear()?;
    let met = scene.play();
    if !scene.options.keep {
        // Nothing in it is worth keeping.
        let _ = fs::remove_dir_all(&folder);
    }
    if met? {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Problem::new("a night on Slurm is not as an undisturbed one", "the differences are above; --keep leaves both"))
}

fn parse(args: &[String]) -> Result<Option<Options>, Problem> {
    use lexopt::prelude::*;
    let mut options = Options { sets: 12, nodes: 3, size: "tiny".to_owned(), pause: 5, keep: false, install: false };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => return Ok(None),
            Long("sets") => options.sets = parser.value()?.parse()?,
            Long("nodes") => options.nodes = parser.value()?.parse()?,
            Long("size") => options.size = parser.value()?.string()?,
            Long("pause") => options.pause = parser.value()?.parse()?,
            Long("keep") => options.keep = true,
            Long("install") => options.install = true,
            _ => return Err(arg.unexpected().into()),
        }
    }
    if !(1..=200).contains(&options.sets) || !(2..=9).contains(&options.nodes) {
        return Err(Problem::usage("1 to 200 sets and 2 to 9 nodes"));
    }
    Ok(Some(options))
}

/// Makes sure that Slurm is here; installs it only when told to.
fn ensure(install: bool) -> Result<(), Problem> {
    let missing = cluster::missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !install {
        return Err(Problem::new(
            format!("Slurm is not installed here: {packages} missing"),
            format!("`cargo xtask slurm --install` as root, or: apt-get install --no-install-recommends {packages}"),
        ));
    }
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--yes", "--no-install-recommends"]).args(&missing).env("DEBIAN_FRONTEND", "noninteractive");
    if workspace::run(&mut apt)?.success() && cluster::missing().is_empty() {
        return Ok(());
    }
    Err(Problem::new(format!("apt-get could not install {packages}"), "its message is above; are you root?"))
}

/// Convert, flag in place, and a product of its own that takes long enough to be killed; then the sets that the database
/// knows, as a stage of the whole night on a node sees them.
const PLAN: &str = r#"
[vars]
ms = "{work}/ms/{set}.ms"
[[stage]]
preset = "convert"
memory = "256MiB"
[[stage]]
name = "flag"
command = ["{contimg}", "flag", "{ms}", "--memory", "{memory}", "--wait", "10", "--quiet"]
reads = ["{ms}::DATA"]
writes = ["{ms}::FLAG"]
memory = "512MiB"
[[stage]]
name = "sum"
command = ["sh", "-c", "echo {set} >> {work}/ran; sleep {pause}; cat {ms}/table.f* | cksum > {out}/sum", "{out}/"]
reads = ["{ms}::DATA", "{ms}::FLAG"]
product = "{work}/sums/{set}"
memory = "64MiB"
[[stage]]
name = "census"
scope = "night"
command = ["sh", "-c", "\"$1\" db query \"$2\" sets --json > {scratch}/sets && grep -o '\"path\": *\"[^\"]*\"' {scratch}/sets > {out}/sets",
    "{out}/", "{contimg}", "{work}/products.sqlite3"]
reads = ["{work}/sums/{set}"]
product = "{work}/census/all"
memory = "128MiB"
"#;

struct Scene {
    folder: PathBuf,
    programs: PathBuf,
    options: Options,
}

impl Scene {
    fn clear(&self) -> Result<(), Problem> {
        let cannot =
            |error: std::io::Error| Problem::new(format!("{}: {error}", self.folder.display()), "is the disk full?");
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => fs::create_dir_all(&self.folder).map_err(cannot)?,
        }
        fs::write(self.folder.join("plan.toml"), PLAN).map_err(cannot)
    }

    fn play(&self) -> Result<bool, Problem> {
        for number in 0..self.options.sets {
            let mut fixture = Command::new(self.programs.join("contimg-fixtures"));
            fixture.args(["group", "--size", &self.options.size, "--seed", &number.to_string(), "--start"]);
            fixture.arg(format!("2026-01-{:02}T{:02}:00:00", 1 + number / 24, number % 24));
            fixture.arg("--out").arg(self.folder.join("input")).stdout(Stdio::null());
            self.done(&mut fixture)?;
        }
        eprintln!("an undisturbed night on this machine:");
        let program = self.programs.join("contimg");
        self.done(self.night(&mut Command::new(&program)).args(["--var", "pause=0"]))?;
        self.keep_as("local")?;
        let began = Instant::now();
        let mut cluster = Cluster::start(&self.folder.join("cluster"), self.options.nodes)?;
        eprintln!("Slurm with {} nodes is up after {:.1} s", self.options.nodes, began.elapsed().as_secs_f64());
        let mut met = true;
        for (work, with_head) in [("first", false), ("second", true)] {
            met &= self.disturbed(&mut cluster, work, with_head)?;
            if with_head {
                break;
            }
            // The killed node comes back for the next night.
            drop(cluster);
            let _ = fs::remove_dir_all(self.folder.join("cluster"));
            cluster = Cluster::start(&self.folder.join("cluster"), self.options.nodes)?;
        }
        Ok(met)
    }

    /// Where every night happens: its place is in HISTORY.
    fn work(&self) -> PathBuf {
        self.folder.join("night")
    }

    /// Moves a night that has ended out of the way; it can be moved.
    fn keep_as(&self, name: &str) -> Result<(), Problem> {
        let cannot =
            |error| Problem::new(format!("cannot rename {}: {error}", self.work().display()), "is the disk full?");
        fs::rename(self.work(), self.folder.join(name)).map_err(cannot)
    }

    /// `contimg run` of all groups.
    fn night<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.arg("run").arg(self.folder.join("input")).arg("--plan").arg(self.folder.join("plan.toml"));
        command.arg("--work").arg(self.work());
        // Times in products are then the same, too.
        command.env("SOURCE_DATE_EPOCH", "1769299519")
    }

    fn done(&self, command: &mut Command) -> Result<(), Problem> {
        let status = command.status().map_err(|error| workspace::cannot_start(command, &error))?;
        if status.success() {
            return Ok(());
        }
        Err(Problem::new(format!("{} ended with {status}", workspace::shown(command)), "its message is above"))
    }

    /// One night on the cluster, with its losses.
    fn disturbed(&self, cluster: &mut Cluster, work: &str, with_head: bool) -> Result<bool, Problem> {
        let folder = self.work();
        let start = |cluster: &Cluster| -> Result<Head, Problem> {
            let mut command = cluster.command(&self.programs.join("contimg"));
            self.night(&mut command).args(["--executor", "slurm", "--slurm-poll", "1", "--var"]);
            command.arg(format!("pause={}", self.options.pause));
            eprintln!("$ {}", workspace::shown(&command));
            command.spawn().map(|child| Head(Some(child))).map_err(|error| workspace::cannot_start(&command, &error))
        };
        let began = Instant::now();
        let mut head = start(cluster)?;
        let log = self.folder.join("cluster/slurmctld.log");
        let is_at_work = || verdict::summing_on(&folder, "n2") > 0;
        wait("job on node n2", Duration::from_secs(300), &log, is_at_work)?;
        let killed = cluster.kill_node("n2");
        eprintln!("*** node n2 killed: {killed} processes of it");
        std::thread::sleep(Duration::from_secs(1));
        cluster.end_controller();
        eprintln!("*** slurmctld ended");
        std::thread::sleep(Duration::from_secs(3));
        if with_head {
            head.kill();
            eprintln!("*** the head killed");
        }
        cluster.start_controller()?;
        eprintln!("*** slurmctld started again");
        if with_head {
            head = start(cluster)?;
        }
        let status = head.wait()?;
        let seconds = began.elapsed().as_secs_f64();
        let losses = if with_head { "a node, the controller and the head" } else { "a node and the controller" };
        let found = verdict::judge(&folder, &self.folder.join("local"), &self.programs.join("contimg"));
        let left = cluster.ask("squeue", &["--noheader"]).lines().count();
        println!(
            "{} sets, {losses} lost: head ended with {status} after {seconds:.0} s; {} sets and {} sums, each once, {} files in all \
             equal to an undisturbed night's; the last stage ran {} times; {left} jobs left in the queue",
            self.options.sets, found.sets, found.sums, found.equal, found.ran
        );
        for wrong in found.wrong.iter().take(20) {
            println!("  {wrong}");
        }
        let sets = self.options.sets as usize;
        self.keep_as(work)?;
        let met = status.success() && found.wrong.is_empty() && found.sets == sets && found.sums == sets && left == 0;
        println!("  {}", if met { "met" } else { "NOT MET" });
        Ok(met)
    }
}

/// A run, which is ended with this program.
struct Head(Option<Child>);

impl Head {
    fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn wait(&mut self) -> Result<ExitStatus, Problem> {
        let failed = |error: std::io::Error| Problem::new(format!("cannot wait for the head: {error}"), "try again");
        let Some(child) = &mut self.0 else { return Err(Problem::new("there is no head", "try again")) };
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                self.0 = None;
                return Ok(status);
            }
            if began.elapsed() > Duration::from_secs(900) {
                return Err(Problem::new("the head did not end within 15 minutes", "its last lines are above"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        // At Ctrl-C the terminal told it, too, and it cancels its jobs.
        let Some(child) = &mut self.0 else { return };
        let _ = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.kill();
    }
}

/// Names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
