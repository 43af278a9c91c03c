use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use publish::{Error, Holds, Liveness, Overwrite, StageOptions, Staged, leftovers, remove_leftover};

use crate::product::{Shape, build, generation, names, publish};

/// A temporary as another process would have left it: ours, with the owner record edited.
fn forged(folder: &Path, name: &str, change: impl Fn(&str) -> String) -> PathBuf {
    let staged = Staged::create(&folder.join(name), &StageOptions::default()).expect("create");
    build(staged.path(), Shape::Directory, "half").expect("build");
    let temporary = staged.path().parent().expect("the temporary").to_owned();
    let record = temporary.join("owner.json");
    let text = fs::read_to_string(&record).expect("read");
    std::mem::forget(staged); // As if killed.
    fs::write(&record, change(&text)).expect("write");
    temporary
}

/// The record of a process with our id that started at another time: certainly dead.
fn dead(text: &str) -> String {
    text.replace("\"start_ticks\": ", "\"start_ticks\": 1")
}

#[test]
fn only_the_dead_are_removed() {
    let work = tempfile::tempdir().expect("temporary folder");
    let gone = forged(work.path(), "gone.ms", dead);
    let alive = forged(work.path(), "alive.ms", str::to_owned);
    let elsewhere = forged(work.path(), "elsewhere.ms", |text| {
        text.replace("\"boot_id\": \"", "\"boot_id\": \"x").replace("\"host\": \"", "\"host\": \"x")
    });
    let torn = forged(work.path(), "torn.ms", |text| text[..text.len() / 2].to_owned());

    let found = leftovers(work.path()).expect("list");
    let of = |path: &Path| found.iter().find(|leftover| leftover.path == path).expect("listed");
    assert_eq!(found.len(), 4);
    assert_eq!(of(&gone).liveness, Liveness::Dead);
    assert_eq!(of(&gone).holds, Holds::Unfinished);
    assert!(of(&gone).disk_bytes >= 5000);
    assert!(of(&gone).target.ends_with("gone.ms"));
    assert_eq!(of(&alive).liveness, Liveness::Alive);
    assert_eq!(of(&elsewhere).liveness, Liveness::Unknown);
    assert_eq!(of(&torn).liveness, Liveness::Unknown, "it holds something, and nobody says whose it is");

    remove_leftover(of(&gone)).expect("remove");
    assert!(!gone.exists());
    for kept in [&alive, &elsewhere, &torn] {
        assert!(matches!(remove_leftover(of(kept)), Err(Error::OwnerMayLive { .. })));
        assert!(kept.join("owner.json").exists());
    }
}

#[test]
fn nothing_else_is_listed_touched_or_followed() {
    let work = tempfile::tempdir().expect("temporary folder");
    let precious = work.path().join("precious");
    build(&precious, Shape::Directory, "precious").expect("build");
    // A file, a link to a folder, and a folder with a similar name.
    fs::write(work.path().join(".a.ms.tmp-0123456789abcdef-1"), "a file").expect("write");
    symlink(&precious, work.path().join(".b.ms.tmp-0123456789abcdef-1")).expect("link");
    fs::create_dir(work.path().join(".c.ms.tmp-mine")).expect("mkdir");
    assert_eq!(leftovers(work.path()).expect("list"), []);

    // A link inside a dead temporary is removed, not what it points to.
    let gone = forged(work.path(), "gone.ms", dead);
    symlink(&precious, gone.join("gone.ms/link")).expect("link");
    symlink(&precious, gone.join("link")).expect("link");
    let found = leftovers(work.path()).expect("list");
    assert_eq!(found.len(), 1);
    remove_leftover(&found[0]).expect("remove");
    assert_eq!(generation(&precious, Shape::Directory).as_deref(), Some("precious"));
    assert!(matches!(remove_leftover(&found[0]), Err(Error::NotALeftover { .. })), "it is gone already");
}

#[test]
fn the_next_run_of_a_target_sweeps_its_dead_and_no_others() {
    let work = tempfile::tempdir().expect("temporary folder");
    forged(work.path(), "a.ms", dead);
    forged(work.path(), "a.ms", dead);
    let other = forged(work.path(), "b.ms", dead);
    let alive = forged(work.path(), "a.ms", str::to_owned);
    publish(&work.path().join("a.ms"), Shape::Directory, "one", Overwrite::Refuse).expect("publish");
    let mut expected = vec!["a.ms".to_owned()];
    for kept in [&other, &alive] {
        expected.push(kept.file_name().expect("name").to_string_lossy().into_owned());
    }
    expected.sort();
    assert_eq!(names(work.path()), expected);
}
