//! Eight sets, of which seven fail in seven ways: the others finish, nothing stays, and each failure has its name.

use super::{Night, SCRIPT_STAGE, set};
use crate::program::{PROGRAM, tagged};

const GOOD: &str = "echo good > {out}/x";
/// What is wrong with each set, and the name that its failure must get.
const FAULTS: [(&str, &str, &str); 8] = [
    ("segfault", "kill -SEGV $$", "signal"),
    ("abort", "echo what: boom >&2; kill -ABRT $$", "signal"),
    ("hang", "sleep 1000 & sleep 1000", "time"),
    ("memory", "exec python3 -c 'x = []\nwhile True: x.append(bytearray(10**7))'", "memory"),
    ("flood", "yes; true", "flood"),
    ("grandchild", "echo x > {out}/x; setsid sleep 1000 & exit 0", "left-processes"),
    ("disk", "cat /dev/zero > {out}/zero", "disk"),
    ("exit", "exit 7", "exit"),
];

fn plan() -> String {
    let faults = FAULTS.map(|(name, script, _)| set(name, script)).concat();
    // Only what must be ended for its time has little of it, so that a slow machine ends nothing else for that.
    let faults = faults.replace("vars = { do = \"sleep", "vars = { hangs = \"sleep");
    let hang = SCRIPT_STAGE.replace("\"work\"", "\"hang\"").replace("{do}", "{hangs}").replace("60s", "2s");
    let hang = format!("{hang}only_with = \"hangs\"\n");
    let work = format!("{SCRIPT_STAGE}only_with = \"do\"\n");
    format!("[run]\nmemory = \"500MiB\"\n{}{faults}{}{hang}{work}", set("first", GOOD), set("last", GOOD))
}

#[test]
fn one_set_of_each_costs_the_others_nothing() {
    let night = Night::new(&plan());
    let tag = format!("CONTIMG_TEST_TAG=faults-{}.", std::process::id());
    let (key, value) = tag.split_once('=').expect("a variable");
    // Somebody else's process of the same names, which nobody may end.
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
    let mut command = night.work.contimg(Night::ARGUMENTS);
    let output = command.args(["--json", "--cores", "2"]).env(key, value).output().expect("run");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a summary");
    assert_eq!(output.status.code(), Some(4), "{summary:#}");
    assert_eq!(summary["done"].as_array().map(Vec::len), Some(2), "{summary:#}");
    for (name, _, class) in FAULTS {
        let failed = summary["failed"].as_array().expect("a list");
        let found = failed.iter().find(|entry| entry[0] == name).unwrap_or_else(|| panic!("{name}: {summary:#}"));
        assert_eq!(found[2], class, "{name}: {:#}", night.state(name));
        assert_eq!(night.product(name), None, "no product of {name} counts");
        let why = night.work.run(&["why", name, "--work", "night"]).expect(0);
        assert!(why.stdout.contains(class) && why.stdout.contains("remedy:"), "{why:?}");
    }
    assert_eq!((night.product("first"), night.product("last")), (Some("good\n".into()), Some("good\n".into())));
    assert_eq!(tagged(&tag), [0_u32; 0], "no process is left");
    assert!(bystander.try_wait().expect("wait").is_none(), "somebody else's process still runs");
    bystander.kill().and_then(|()| bystander.wait()).expect("kill");
    let names = std::fs::read_dir(night.folder().join("p")).expect("list").flatten();
    let left: Vec<_> =
        names.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "no temporary is left: {left:?}");
    let abort = night.work.run(&["why", "abort", "--work", "night"]).expect(0);
    assert!(abort.stdout.contains("what: boom"), "the end of its output is told: {abort:?}");
}

#[test]
fn a_full_disk_is_named_and_stops_the_run() {
    let night = Night::new(&format!("{}{}", set("a", "exit 1"), SCRIPT_STAGE.replace("disk = \"32MiB\"\n", "")));
    // More must stay free than there is.
    let ended = night.work.run(&["run", "--plan", "plan.toml", "--work", "night", "--json", "--reserve", "900TiB"]);
    assert_eq!(ended.orderly(), Ok(3), "{ended:?}");
    let summary = ended.json();
    assert_eq!(summary["failed"][0][2], "disk", "{summary:#}");
}

#[test]
fn memory_is_given_again_with_twice_as_much() {
    let fill = "exec python3 -c 'x = bytearray(200_000_000); import time; time.sleep(0.4); print(open(\\\"{out}/x\\\", \\\"w\\\").write(\\\"y\\\"))'";
    let night =
        Night::new(&format!("[run]\nmemory = \"2GiB\"\n{}{SCRIPT_STAGE}", set("a", &fill.replace("\\\"", "\""))));
    let summary = night.summary(&[], 0);
    assert_eq!((&summary["attempts"], &summary["done"][0]), (&2.into(), &"a".into()), "{summary:#}");
    let attempts = &night.state("a")["stages"][0]["attempts"];
    assert_eq!(attempts[0]["failure"]["class"], "memory");
    assert_eq!(attempts[1]["memory_limit"].as_u64(), Some(256 << 20));
}

#[test]
fn an_empty_or_missing_product_fails_the_next_stage() {
    for (script, at) in [("true", "work"), ("echo > {out}/x; rm {out}/x", "work")] {
        let next = "[[stage]]\nname = \"next\"\ncommand = [\"true\"]\nreads = [\"{work}/p/{set}\"]\n";
        let night = Night::new(&format!("{}{SCRIPT_STAGE}{next}", set("a", script)));
        let summary = night.summary(&[], 4);
        assert_eq!(
            (&summary["failed"][0][1], &summary["failed"][0][2]),
            (&at.into(), &"product".into()),
            "{summary:#}"
        );
    }
    let next = "[[stage]]\nname = \"next\"\ncommand = [\"true\"]\nreads = [\"{work}/p/{set}\"]\n";
    let night = Night::new(&format!("{}{next}", set("a", "")));
    let summary = night.summary(&[], 1);
    assert_eq!(summary["failed"][0][2], "input", "{summary:#}");
    // Made before the next run, it is no obstacle any more.
    std::fs::create_dir_all(night.folder().join("p/a")).expect("mkdir");
    std::fs::write(night.folder().join("p/a/x"), "y").expect("write");
    night.summary(&[], 0);
}

#[test]
fn what_a_stage_prints_again_and_again_does_not_end_its_worker() {
    // More than half of what a file may have, each time.
    let stage = SCRIPT_STAGE.replace("disk = \"32MiB\"", "disk = \"16MiB\"\nretries = 3");
    let night = Night::new(&(set("a", "head -c 9000000 /dev/zero; exit 7") + &stage));
    night.summary(&[], 4);
    let state = night.state("a");
    let attempts = state["stages"][0]["attempts"].as_array().expect("a list");
    let classes: Vec<_> = attempts.iter().map(|attempt| attempt["failure"]["class"].as_str()).collect();
    assert_eq!(classes, [Some("exit"); 4]);
    let log = std::fs::metadata(night.folder().join(".night/logs/a/work.log")).expect("a log").len();
    assert!(((8 << 20)..(16 << 20)).contains(&log), "{log}");
}

#[test]
fn limits_that_the_run_was_started_with_stay() {
    let night = Night::new(&(set("a", "ulimit -d > {out}/x") + SCRIPT_STAGE));
    let mut command = std::process::Command::new("sh");
    // Root may raise its limits, so somebody else runs it, where the program is not hidden from him.
    let run = "ulimit -d 1000000; other='setpriv --reuid 65534 --clear-groups'; \
        if test $(id -u) = 0 && $other test -x \"$1\"; then exec $other \"$@\"; else exec \"$@\"; fi";
    std::fs::create_dir(night.folder()).expect("mkdir");
    std::fs::set_permissions(night.folder(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("chmod");
    command.args(["-c", run, "sh", PROGRAM]).args(Night::ARGUMENTS).arg("--no-report").current_dir(night.work.path());
    let output = command.stdin(std::process::Stdio::null()).output().expect("run");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(night.product("a").as_deref(), Some("1000000\n"));
}
