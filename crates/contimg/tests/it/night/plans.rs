//! Plans that cannot be, and work folders that are none.

use super::{Night, SCRIPT_STAGE, set};
use crate::program::{Ended, start};

#[test]
fn mistakes_are_named_with_what_to_do() {
    let good = format!("{}{SCRIPT_STAGE}", set("a", "true"));
    for (plan, arguments, words) in [
        ("[[stage", &[][..], ["plan.toml", "line 1"]),
        ("colour = 1", &[], ["colour", "--print-plan"]),
        (good.replace("{do}", "{did}").as_str(), &[], ["{did}", "--var"]),
        (good.replace("128MiB", "900TiB").as_str(), &[], ["900.0 TiB", "give the run more"]),
        (&good, &["--until", "nowhere"], ["nowhere", "work"]),
        (&good, &["--var", "x"], ["--var x", "="]),
    ] {
        let night = Night::new(plan);
        let ended = night.run(arguments).expect(2);
        for word in words {
            assert!(ended.stderr.contains(word), "`{word}` is not in {ended:?}");
        }
    }
}

#[test]
fn a_folder_without_a_run_is_told() {
    let night = Night::new("");
    for command in ["status", "verify", "retry"] {
        night.work.run(&[command, "--work", "input"]).expect(1).says("is no work folder");
    }
    night.work.run(&["why", "a", "--work", "nowhere"]).expect(1).says("nowhere");
    night.work.run(&["run", "nowhere", "--work", "night"]).expect(1).says("nowhere");
    assert!(!night.folder().exists(), "a mistake leaves nothing");
    night.work.run(&["run", "input", "--work", "night"]).expect(1).says("no data set");
    let plan = night.work.run(&["run", "--print-plan"]).expect(0).stdout;
    assert!(plan.contains("[[stage]]"), "{plan}");
}

#[test]
fn a_whole_night_is_a_stage_of_its_own() {
    let night_stage = "[[stage]]\nname = \"all\"\nscope = \"night\"\nreads = [\"{work}/p/{set}\"]\n\
        command = [\"sh\", \"-c\", \"cat \\\"$@\\\" > {out}/x\", \"sh\", \"{work}/p/{set}/x\", \"{out}/.\"]\nproduct = \"{work}/p/all\"\n";
    let night_stage = night_stage.replace(", \\\"{out}/.\\\"", "").replace(", \"{out}/.\"", "");
    let sets = set("a", "echo a > {out}/x") + &set("b", "echo b > {out}/x") + &set("bad", "exit 1");
    let night = Night::new(&format!("{sets}{SCRIPT_STAGE}{night_stage}"));
    night.summary(&[], 4);
    assert_eq!(night.product("all").as_deref(), Some("a\nb\n"), "the sets that are done");
    assert_eq!(night.summary(&[], 4)["up_to_date"], 3);
}

#[test]
fn paths_and_names_that_cannot_be_used_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let night = Night::new(&format!("{}{SCRIPT_STAGE}", set("a", "echo a > {out}/x")));
    for name in [&b"a\xff"[..], b"a\nb", b"{out}", b"{threads} x"] {
        let work = std::ffi::OsStr::from_bytes(name);
        let run = ["run", "--plan", "plan.toml", "--quiet", "--work"].map(std::ffi::OsStr::new);
        let mut command = night.work.contimg(run.iter().copied().chain([work]));
        let ended = Ended::of(start(&mut command).wait_with_output().expect("wait"));
        ended.expect(2).says("cannot be used").says("rename");
    }
    // Without a shell, all else is a name like others.
    night.plan("[[set]]\nname = \"a\"\n[[stage]]\nname = \"make\"\ncommand = [\"cp\", \"{work}/../plan.toml\", \"{out}\"]\nproduct = \"{work}/p/{set}\"\n");
    night.work.run(&["run", "--plan", "plan.toml", "--quiet", "--work", "a 'b\" | $(c) ü"]).expect(0);

    let stage = "[[stage]]\nname = \"one\"\ncommand = [\"test\", \"-d\", \"{ms}\"]\n";
    night.plan(stage);
    for set in ["x/a.ms", "y/a.ms", "x/night.ms"] {
        std::fs::create_dir_all(night.work.path().join(set)).expect("mkdir");
        std::fs::write(night.work.path().join(set).join("table.dat"), "").expect("write");
    }
    night.run(&["x/a.ms", "y/a.ms"]).expect(2).says("two sets would be called a").says("y/a.ms");
    night.run(&["x/night.ms"]).expect(2).says("cannot be called `night`");
    night.run(&["x/a.ms", "x/../x/a.ms"]).expect(0).says_stdout("1 sets done");
}

#[test]
fn the_environment_is_a_template_like_arguments() {
    let stage = SCRIPT_STAGE.to_owned() + "env = { N = \"{threads}\", S = \"{scratch}\" }\n";
    let night = Night::new(&format!("{}{stage}", set("a", "test $S = $PWD && echo $N > {out}/x")));
    night.summary(&[], 0);
    assert_eq!(night.product("a").as_deref(), Some("1\n"));
}
