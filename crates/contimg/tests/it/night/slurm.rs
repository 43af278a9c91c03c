//! `contimg run --executor slurm`, against a cluster of shell scripts. `cargo xtask slurm` runs it on a real one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use super::{Night, set};
use crate::program::{Ended, send, start, tagged, wait_for};

/// Two stages with a product each; the first one runs the set's own script.
const STAGES: &str = r#"
[[stage]]
name = "work"
command = ["sh", "-c", "echo {set} >> {work}/ran; {do} # {out}/"]
product = "{work}/p/{set}"
memory = "128MiB"
[[stage]]
name = "next"
command = ["cp", "{work}/p/{set}/x", "{out}/"]
reads = ["{work}/p/{set}"]
product = "{work}/q/{set}"
memory = "128MiB"
"#;
const GOOD: &str = "echo {set} > {out}/x";
/// Runs once the test says so.
const WAITS: &str = "while ! test -e {work}/go; do sleep 0.01; done; echo {set} > {out}/x";

struct Cluster {
    night: Night,
    tag: String,
}

impl Cluster {
    /// With these sets' scripts.
    fn new(name: &str, scripts: &[(&str, &str)]) -> Self {
        let sets: String = scripts.iter().map(|(name, script)| set(name, script)).collect();
        let night = Night::new(&(sets + STAGES));
        let cluster = Self { night, tag: format!("CONTIMG_TEST_TAG=slurm-{name}-{}.", std::process::id()) };
        let bin = cluster.folder().join("bin");
        fs::create_dir_all(&bin).expect("mkdir");
        let task = bin.join("task");
        fs::write(&task, include_str!("fake-slurm.sh")).expect("write");
        fs::set_permissions(&task, fs::Permissions::from_mode(0o755)).expect("chmod");
        for name in ["sbatch", "squeue", "scancel", "scontrol", "sinfo"] {
            symlink("task", bin.join(name)).expect("link");
        }
        cluster
    }

    fn folder(&self) -> PathBuf {
        self.night.work.path().join("slurm")
    }

    /// Asks for a fault.
    fn ask(&self, fault: &str) {
        fs::write(self.folder().join(fault), "").expect("write");
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = self.night.work.contimg(Night::ARGUMENTS);
        command.args(["--executor", "slurm", "--slurm-poll", "0.1"]).args(more).envs(self.environment());
        command
    }

    /// In which this cluster is the one that there is.
    fn environment(&self) -> [(String, String); 3] {
        let path = std::env::var("PATH").unwrap_or_default();
        let (key, value) = self.tag.split_once('=').expect("a variable");
        [
            ("PATH".into(), format!("{}:{path}", self.folder().join("bin").display())),
            ("FAKE_SLURM".into(), self.folder().display().to_string()),
            (key.into(), value.into()),
        ]
    }

    #[track_caller]
    fn summary(&self, code: i32) -> serde_json::Value {
        let ended = self.run(&["--json"]);
        assert_eq!(ended.orderly(), Ok(code), "{ended:?}");
        ended.json()
    }

    fn run(&self, more: &[&str]) -> Ended {
        Ended::of(start(&mut self.command(more)).wait_with_output().expect("wait"))
    }

    /// The sets whose first stage ran, as often as it did.
    fn ran(&self) -> Vec<String> {
        let text = fs::read_to_string(self.night.folder().join("ran")).unwrap_or_default();
        let mut ran: Vec<String> = text.lines().map(str::to_owned).collect();
        ran.sort();
        ran
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.folder().join("calls")).unwrap_or_default()
    }

    /// Every set has its product, once, and nothing is left of how it came about.
    #[track_caller]
    fn is_whole(&self, sets: &[&str]) {
        for folder in ["p", "q"] {
            let mut names: Vec<String> = fs::read_dir(self.night.folder().join(folder))
                .expect("list")
                .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            assert_eq!(names, sets, "{folder}: products and nothing else");
        }
        for name in sets {
            assert_eq!(self.night.product(name), Some(format!("{name}\n")));
        }
        for folder in ["sets", "waves"] {
            let left = fs::read_dir(self.night.folder().join(".night/slurm").join(folder)).expect("list").count();
            assert_eq!(left, 0, "{folder}");
        }
        self.is_quiet();
    }

    #[track_caller]
    fn is_quiet(&self) {
        wait_for("end of all tasks", || tagged(&self.tag).is_empty().then_some(()));
    }
}

#[test]
fn a_wave_is_one_array_and_what_is_done_stays_done() {
    let cluster = Cluster::new("plain", &[("a", GOOD), ("b", GOOD), ("c", GOOD)]);
    let summary = cluster.summary(0);
    assert_eq!((summary["done"].as_array().map(Vec::len), &summary["attempts"]), (Some(3), &6.into()), "{summary:#}");
    cluster.is_whole(&["a", "b", "c"]);
    let calls = cluster.calls();
    let first = calls.lines().find(|call| call.starts_with("sbatch")).expect("an array");
    for word in
        ["--array=0,1,2", "--mem=160M", "--cpus-per-task=1", "--time=", "--no-requeue", "--job-name=contimg-work"]
    {
        assert!(first.contains(word), "{word}: {first}");
    }
    let again = cluster.summary(0);
    assert_eq!((&again["attempts"], &again["up_to_date"]), (&0.into(), &6.into()));
    // On this machine it is the same night.
    let here = cluster.night.summary(&["--executor", "local"], 0);
    assert_eq!((&here["attempts"], &here["up_to_date"]), (&0.into(), &6.into()));
}

#[test]
fn lost_and_requeued_jobs_cost_nothing_but_time() {
    for (fault, ran) in [("lose", 2), ("requeue", 3)] {
        let cluster = Cluster::new(fault, &[("a", &format!("sleep 0.2; {GOOD}")), ("b", GOOD)]);
        cluster.ask(fault);
        let summary = cluster.summary(0);
        assert_eq!(cluster.calls().contains("killed"), fault == "requeue");
        assert_eq!(summary["done"].as_array().map(Vec::len), Some(2), "{fault}: {summary:#}");
        assert_eq!(summary["attempts"], 4, "{fault}: no attempt of a set was spent");
        cluster.is_whole(&["a", "b"]);
        assert!((2..=ran).contains(&cluster.ran().len()), "{fault}: {:?}", cluster.ran());
    }
}

#[test]
fn a_worker_on_a_node_that_was_cut_off_publishes_nothing() {
    // The first to run waits until the other one's product is there, and would replace it.
    let script = "if mkdir {work}/first; then while ! test -e {work}/q/{set}; do sleep 0.01; done; echo old > {out}/x; \
        else echo {set} > {out}/x; fi";
    let cluster = Cluster::new("cut", &[("a", script)]);
    cluster.ask("cut");
    let summary = cluster.summary(0);
    assert_eq!(summary["done"][0], "a", "{summary:#}");
    cluster.is_quiet();
    cluster.is_whole(&["a"]);
    assert_eq!(cluster.ran(), ["a", "a"], "both ran");
    assert_eq!(cluster.summary(0)["attempts"], 0, "nor did it touch the record");
}

#[test]
fn a_worker_that_was_cut_off_takes_nothing_from_the_one_in_its_place() {
    // The first to run ends while the second one works; then the second one needs what it has put aside.
    let script = "case $PWD in *-0-0-0) echo $PPID > {work}/worker; \
        while ! test -e {work}/second; do sleep 0.01; done; echo old > {out}/x ;; \
        *) touch aside; touch {work}/second; worker=$(cat {work}/worker); \
        while grep -q '^State:.[^Z]' /proc/$worker/status 2> /dev/null; do sleep 0.01; done; \
        test -e aside && echo {set} > {out}/x ;; esac";
    let cluster = Cluster::new("scratch", &[("a", script)]);
    cluster.ask("cut");
    let summary = cluster.summary(0);
    assert_eq!((&summary["done"][0], &summary["attempts"]), (&"a".into(), &2.into()), "{summary:#}");
    cluster.is_quiet();
    cluster.is_whole(&["a"]);
    let left = fs::read_dir(cluster.night.folder().join(".night/scratch")).expect("list").count();
    assert_eq!(left, 0, "no scratch folder is left");
}

#[test]
fn a_worker_that_was_cut_off_ends_what_it_runs() {
    // The second one waits for the end of the first one's worker, which nobody tells that its node is given up.
    let script = "case $PWD in *-0-0-0) echo $PPID > {work}/worker; sleep 1000 ;; \
        *) n=0; while test $n -lt 3000 && grep -q '^State:.[^Z]' /proc/$(cat {work}/worker)/status; do sleep 0.01; n=$((n + 1)); done; \
        test $n -lt 3000 && echo {set} > {out}/x ;; esac";
    let cluster = Cluster::new("ends", &[("a", script)]);
    cluster.ask("cut");
    let summary = cluster.summary(0);
    assert_eq!(summary["attempts"], 2, "{summary:#}");
    cluster.is_quiet();
    cluster.is_whole(&["a"]);
}

#[test]
fn the_next_head_finds_the_jobs_of_one_that_was_killed() {
    let cluster = Cluster::new("killed", &[("a", WAITS), ("b", WAITS), ("c", WAITS)]);
    let mut head = start(&mut cluster.command(&[]));
    wait_for("three jobs at work", || (cluster.ran().len() == 3).then_some(()));
    send(head.id(), Signal::KILL);
    head.wait().expect("wait");
    // A run on this machine leaves the sets to them.
    let mut here =
        start(cluster.night.work.contimg(Night::ARGUMENTS).args(["--executor", "local"]).envs(cluster.environment()));
    let next = start(&mut cluster.command(&["--json"]));
    wait_for("the next head's question", || cluster.calls().contains("squeue").then_some(()));
    fs::write(cluster.night.folder().join("go"), "").expect("write");
    let next = Ended::of(next.wait_with_output().expect("wait"));
    assert_eq!(next.orderly(), Ok(0), "{next:?}");
    assert!(here.wait().expect("wait").success());
    assert_eq!(cluster.ran(), ["a", "b", "c"], "none was submitted twice, none ran here: {next:?}");
    cluster.is_whole(&["a", "b", "c"]);
}

#[test]
fn jobs_that_outlive_their_head_are_seen_and_nothing_is_taken_from_them() {
    let cluster = Cluster::new("seen", &[("a", WAITS)]);
    let look = |command: &[&str]| {
        let mut command = cluster.night.work.contimg(command);
        Ended::of(start(command.envs(cluster.environment())).wait_with_output().expect("wait")).expect(0)
    };
    let status = ["status", "--work", "night"];
    let mut head = start(&mut cluster.command(&[]));
    wait_for("a job at work", || (cluster.ran().len() == 1).then_some(()));
    look(&status).says_stdout("a: running").says_stdout("works on it: Slurm job 1_0 does its `work` on fake");
    send(head.id(), Signal::KILL);
    head.wait().expect("wait");
    look(&status)
        .says_stdout("a: running")
        .says_stdout("Slurm job 1_0 does its `work` on fake, for a run that has ended");
    // A controller that does not answer says nothing against it.
    cluster.ask("silent");
    look(&status).says_stdout("a: running");
    fs::remove_file(cluster.folder().join("silent")).expect("remove");
    let state = cluster.folder().join("1_0.state");
    fs::write(&state, "NODE_FAIL\n").expect("write");
    look(&status).says_stdout("is not in the queue any more");
    fs::write(&state, "RUNNING\n").expect("write");
    fs::write(cluster.night.folder().join("go"), "").expect("write");
    cluster.summary(0);
    cluster.is_whole(&["a"]);
    look(&status).says_stdout("1 set: 1 done");
}

#[test]
fn nodes_read_a_copy_of_the_database_and_write_none() {
    let plan = r#"
[vars]
ms = "{work}/ms/{set}.ms"
[[stage]]
preset = "convert"
[[stage]]
name = "census"
scope = "night"
command = ["sh", "-c", "\"$1\" db query \"$2\" sets --json > {out}/sets && ! \"$1\" db import \"$2\" \"$2\" 2> {out}/refused", "{out}/", "{contimg}", "{work}"]
reads = ["{ms}::DATA"]
product = "{work}/census"
memory = "128MiB"
"#;
    let cluster = Cluster::new("database", &[]);
    cluster.night.work.add(&fixtures::GroupSpec::tiny());
    cluster.night.plan(plan);
    let summary = cluster.run(&["input", "--json"]).expect(0).json();
    assert_eq!(summary["attempts"], 2, "{summary:#}");
    let read = |name: &str| fs::read_to_string(cluster.night.folder().join("census").join(name)).expect("read");
    assert!(read("sets").contains("2026-01-25T00:05:19.ms"), "{}", read("sets"));
    assert!(read("refused").contains("not written on fake"), "{}", read("refused"));

    // What is written after the copy was made, a node does not see; nor does it open the database, or leave anything.
    let look = |node: bool| {
        let mut command = cluster.night.work.contimg(["db", "query", "night", "groups", "--json"]);
        if node {
            command.env("CONTIMG_NODE", "n1");
        }
        Ended::of(start(&mut command).wait_with_output().expect("wait")).expect(0).json()["rows"]
            .as_array()
            .map(Vec::len)
    };
    cluster.night.work.run(&["db", "import", "night", "input"]).expect(0);
    assert_eq!((look(false), look(true)), (Some(1), Some(0)));
    let hidden = fs::read_dir(cluster.night.folder().join(".night")).expect("list");
    let names = hidden.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.contains("database")).collect();
    names.sort();
    assert_eq!(names, ["database.lock", "database.sqlite3"]);
}

#[test]
fn stopping_cancels_its_own_jobs_and_no_other() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let cluster = Cluster::new(&format!("stop{code}"), &[("a", WAITS), ("b", WAITS)]);
        let other = cluster.folder().join("other");
        fs::write(&other, "while ! test -e \"$FAKE_SLURM/done\"; do sleep 0.01; done").expect("write");
        let sbatch = cluster.folder().join("bin/sbatch");
        let mut submit = Command::new(sbatch);
        submit.args(["--array=0", "--output=/dev/null"]).arg(&other).env("FAKE_SLURM", cluster.folder());
        assert!(submit.output().expect("sbatch").status.success());
        let head = start(&mut cluster.command(&[]));
        wait_for("two jobs at work", || (cluster.ran().len() == 2).then_some(()));
        send(head.id(), signal);
        let ended = Ended::of(head.wait_with_output().expect("wait"));
        assert_eq!(ended.orderly(), Ok(code), "{ended:?}");
        cluster.is_quiet();
        assert_eq!(fs::read_to_string(cluster.folder().join("1_0.state")).expect("read"), "RUNNING\n", "{ended:?}");
        fs::write(cluster.folder().join("done"), "").expect("write");
        fs::write(cluster.night.folder().join("go"), "").expect("write");
        let summary = cluster.summary(0);
        assert_eq!(summary["done"].as_array().map(Vec::len), Some(2), "{summary:#}");
        cluster.is_whole(&["a", "b"]);
    }
}

#[test]
fn a_controller_that_does_not_answer_is_waited_for() {
    // Slurm falls silent while the job runs, and answers again when it was asked twice in vain.
    let script = "touch $FAKE_SLURM/silent; while ! test $(grep -c 'silent squeue' $FAKE_SLURM/calls) -ge 2; do sleep 0.01; done; \
        rm $FAKE_SLURM/silent; echo {set} > {out}/x";
    let cluster = Cluster::new("silent", &[("a", script)]);
    let ended = cluster.run(&[]).expect(0).says("Slurm does not answer").says("Slurm answers again");
    assert_eq!(cluster.ran(), ["a"], "{ended:?}");
    cluster.is_whole(&["a"]);
}

#[test]
fn what_slurm_ends_or_refuses_has_its_name() {
    let cluster = Cluster::new("oom", &[("a", &format!("sleep 0.2; {GOOD}"))]);
    cluster.ask("oom");
    assert_eq!(cluster.summary(0)["attempts"], 3, "one more than there are stages");
    let stages = cluster.night.state("a")["stages"].as_array().expect("a list").clone();
    let attempts = &stages.iter().find(|stage| stage["stage"] == "work").expect("the stage")["attempts"];
    assert_eq!(attempts[0]["failure"]["class"], "memory", "{attempts:#}");
    assert!(attempts[0]["failure"]["output_tail"].as_str().expect("text").contains("oom-kill"), "{attempts:#}");
    assert_eq!(attempts[1]["memory_limit"].as_u64(), Some(256 << 20), "and it got more");
    assert!(cluster.calls().contains("--mem=288M"));

    let cluster = Cluster::new("refused", &[("a", GOOD)]);
    cluster.ask("refuse");
    let summary = cluster.summary(4);
    assert_eq!(summary["failed"][0][2], "cannot-start", "{summary:#}");
    let why = cluster.night.work.run(&["why", "a", "--work", "night"]).expect(0);
    assert!(why.stdout.contains("Invalid account"), "{why:?}");
    fs::remove_file(cluster.folder().join("refuse")).expect("remove");
    assert_eq!(cluster.summary(0)["done"][0], "a");

    let cluster = Cluster::new("absent", &[("a", GOOD)]);
    let mut command = cluster.command(&["--memory", "1GiB", "--cores", "1"]);
    let ended = Ended::of(start(command.env("PATH", "/nowhere")).wait_with_output().expect("wait"));
    ended.expect(2).says("sbatch").says("hint:");
    cluster.run(&["--slurm-arg=--array=1"]).expect(2).says("--array=1");
}
