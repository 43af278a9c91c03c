//! What a run is asked for, what of it stays for the next one, and where its paths begin.

use std::fs;

use super::{Night, SCRIPT_STAGE, set};
use crate::program::{Ended, start};

const GOOD: &str = "echo {set} > {out}/x";

/// Two sets with two stages each.
fn two() -> Night {
    let first = "[[stage]]\nname = \"first\"\ncommand = [\"true\"]\nmemory = \"32MiB\"\n";
    Night::new(&(set("a", GOOD) + &set("b", GOOD) + first + SCRIPT_STAGE))
}

#[test]
fn part_of_a_night_is_asked_for_once() {
    let night = two();
    let summary = night.summary(&["--only", "a", "--until", "first"], 0);
    assert_eq!((summary["done"].as_array().map(Vec::len), &summary["attempts"]), (Some(1), &1.into()), "{summary:#}");
    let status = ["status", "--work", "night"];
    night.work.run(&status).expect(0).says_stdout("a: done").says_stdout("--until first");
    // Plan and all else stay as they were; which part was done does not.
    let rest = night.work.run(&["run", "--work", "night", "--json"]).expect(0).json();
    assert_eq!((rest["done"].as_array().map(Vec::len), &rest["attempts"]), (Some(2), &3.into()), "{rest:#}");
    let status = night.work.run(&status).expect(0).says_stdout("2 sets: 2 done;");
    assert!(!status.stdout.contains("--until"), "{status:?}");
}

#[test]
fn a_set_that_is_not_there_is_a_mistake() {
    let night = two();
    night.run(&["--only", "a", "--only", "c"]).expect(2).says("--only c").says("there are a, b");
    assert_eq!(night.product("a"), None, "nothing was begun");
}

#[test]
fn a_mistake_takes_nothing_from_what_was_asked_for_before() {
    let night = two();
    night.summary(&["--until", "first", "--var", "x=1"], 0);
    let kept = || fs::read_to_string(night.folder().join(".night/request.json")).expect("read");
    let before = kept();
    fs::create_dir(night.work.path().join("empty")).expect("mkdir");
    night.work.run(&["run", "empty", "--work", "night"]).expect(1).says("no data set");
    night.run(&["--only", "c"]).expect(2);
    night.plan(&(set("a", GOOD) + SCRIPT_STAGE).replace("128MiB", "900TiB"));
    night.run(&[]).expect(2).says("900.0 TiB");
    assert_eq!(kept(), before);
    night.work.run(&["run", "--work", "night"]).expect(0).says_stdout("2 sets done");
}

#[test]
fn a_relative_path_is_meant_from_where_it_is_given() {
    let stage = "[[stage]]\nname = \"sum\"\ncommand = [\"cp\", \"{list}\", \"{out}/x\"]\nreads = [\"{list}\"]\n\
        product = \"{work}/p/{set}\"\nmemory = \"32MiB\"\n";
    let night = Night::new(&(set("a", GOOD) + stage));
    let write = |name: &str, text: &str| fs::write(night.work.path().join(name), text).expect("write");
    write("one.txt", "one");
    let first = night.summary(&["--var", "list=one.txt"], 0);
    assert_eq!((night.product("a").as_deref(), &first["attempts"]), (Some("one"), &1.into()));
    // The same file from another folder; and without the name, what it was stays.
    let below = night.work.path().join("below");
    fs::create_dir(&below).expect("mkdir");
    for more in [&["--var", "list=../one.txt"][..], &["--var", "list=./../one.txt"], &[]] {
        let arguments = ["run", "--work", "../night", "--json"];
        let mut command = night.work.contimg(arguments.iter().chain(more));
        let ended = Ended::of(start(command.current_dir(&below)).wait_with_output().expect("wait"));
        assert_eq!(ended.expect(0).json()["attempts"], 0, "{more:?}");
    }
    // One for each set.
    write("a.txt", "of a");
    night.summary(&["--var", "list={set}.txt"], 0);
    assert_eq!(night.product("a").as_deref(), Some("of a"));
    // A night moves with what lies in it.
    write("night/in.txt", "in it");
    assert_eq!(night.summary(&["--var", "list=night/in.txt"], 0)["attempts"], 1);
    fs::rename(night.folder(), night.work.path().join("moved")).expect("rename");
    let moved = night.work.run(&["run", "--work", "moved", "--json"]).expect(0).json();
    assert_eq!(moved["attempts"], 0, "{moved:#}");
}

#[test]
fn the_plan_s_own_paths_begin_at_the_plan() {
    let stage = "[[stage]]\nname = \"sum\"\ncommand = [\"sh\", \"-c\", \"cat {list} {other} {text} > {out}/x\", \"{out}/\"]\n\
        reads = [\"{list}\"]\nproduct = \"{work}/p/{set}\"\nmemory = \"32MiB\"\n";
    let night = Night::new("");
    let plans = night.work.path().join("plans");
    fs::create_dir(&plans).expect("mkdir");
    let write = |name: &str, text: &str| fs::write(night.work.path().join(name), text).expect("write");
    write("plans/list.txt", "one ");
    write("plans/other.txt", "two ");
    write("text.txt", "three ");
    let vars = "[vars]\nlist = \"list.txt\"\nother = \"other.txt\"\ntext = \"text.txt\"\n";
    let text = format!("paths = [\"other\"]\n{vars}{}{stage}", set("a", GOOD));
    write("plans/night.toml", &text);
    let run = ["run", "--plan", "plans/night.toml", "--work", "night"];
    // What the plan does not call a path is text; on the command line, a file of that name is worth a word.
    let ended = night.work.run(&[&run[..], &["--var", "text=text.txt"]].concat()).says("paths = [\"text\"]");
    assert_eq!(ended.orderly(), Ok(4), "{ended:?}");
    write("plans/night.toml", &text.replace("[\"other\"]", "[\"other\", \"text\"]"));
    night.work.run(&[&run[..], &["--var", "text=text.txt"]].concat()).expect(0);
    assert_eq!(night.product("a").as_deref(), Some("one two three "));
    // Without a folder to begin at, it is no place.
    write("plans/night.toml", &text.replace("{list}\"]", "./{list}\"]"));
    night.work.run(&run).expect(2).says("./list.txt").says("a relative path").says("hint:");
}
