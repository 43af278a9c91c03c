//! `contimg db`: from an empty folder to a checked, queried, copied database.

use std::{fs, os::unix::fs::PermissionsExt};

use fixtures::GroupSpec;

use crate::{
    program::{GROUP, Work},
    tiles::write_tile,
};

#[test]
fn a_night_is_imported_queried_checked_and_copied() {
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&[]).expect(0);
    write_tile(&work.out(), GROUP, 10.0, &[]);
    work.run(&["db", "init", "night"]).expect(0);
    work.run(&["db", "init", "night"]).expect(3).says("exists already").says("hint:");

    let import = ["db", "import", "night", "input", "out", "--noise", "--json"];
    let first = work.run(&import).expect(0).json();
    assert_eq!(
        (&first["subbands"], &first["groups"], &first["sets"], &first["images"]),
        (&16.into(), &1.into(), &1.into(), &2.into()),
        "{first:#}"
    );
    assert_eq!(work.run(&import).expect(0).json(), first, "a second time changes nothing");

    let query = |args: &[&str]| work.run(&[&["db", "query", "night"], args, &["--json"]].concat()).expect(0).json();
    let sets = query(&["sets", &format!("out/{GROUP}.ms"), "out/none.ms"]);
    assert_eq!((&sets["missing"], &sets["queries"]), (&1.into(), &1.into()), "{sets:#}");
    assert!(sets["rows"][0]["n_rows"].as_i64() > Some(0) && sets["rows"][1].is_null());
    let mid = sets["rows"][0]["mid_mjd"].as_f64().expect("a time");
    let range = |a: f64, b: f64| query(&["sets", "--from", &(mid + a).to_string(), "--to", &(mid + b).to_string()]);
    assert_eq!(range(-0.1, 0.1)["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(range(0.1, 0.2)["rows"].as_array().map(Vec::len), Some(0));
    let near = query(&["images", "--near", "370.1,37.0,0.5"]);
    let images = near["rows"].as_array().expect("rows");
    assert_eq!(images.len(), 2, "{near:#}");
    assert!(images.iter().all(|i| i["ms_path"].as_str().is_some_and(|p| p.ends_with(".ms"))));
    let image = images.iter().find(|i| i["kind"] == "image").expect("an image");
    assert!((0.8e-3..1.2e-3).contains(&image["noise_jy"].as_f64().expect("noise")), "{image:#}");
    assert_eq!(query(&["groups", GROUP])["rows"][0]["state"], "pending");
    assert_eq!(query(&["subbands"])["rows"].as_array().map(Vec::len), Some(16));
    work.run(&["db", "query", "night", "quality", "--near", "1,2,3"]).expect(2).says("hint:");
    // As people write and read times and directions.
    let sets = ["db", "query", "night", "sets", "--from", "2026-01-25T00:00", "--to", "2026-01-26"];
    work.run(&sets)
        .expect(0)
        .says_stdout("first time (UTC)")
        .says_stdout("2026-01-25T00:05:2")
        .says_stdout("+54:27:06");
    work.run(&["db", "query", "night", "images", "--near", "00:40:24,+37:00:00,0.5"])
        .expect(0)
        .says_stdout("noise mJy");
    work.run(&["db", "query", "night", "sets", "--to", "2025-01-01"]).expect(0).says("nothing was found");
    work.run(&["db", "query", "night", "subbands", "--limit", "3"]).expect(0).says("more than these 3");
    work.run(&["db", "query", "night", "sets", "--from", "then"]).expect(2).says("2026-01-25T00:05:19");

    assert_eq!(work.run(&["db", "check", "night", "--json"]).expect(0).json()["whole"], true);
    work.run(&["db", "backup", "night", "copy.sqlite3"]).expect(0);
    work.run(&["db", "backup", "night", "copy.sqlite3"]).expect(3).says("exists already");
    fs::remove_file(work.out().join(format!("{GROUP}-image.fits"))).expect("a file");
    let ended = work.run(&["db", "check", "night"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.stdout.contains("-image.fits (images.path)"), "{ended:?}");
}

/// As the pipeline's user makes it and everybody else looks at it.
#[test]
fn a_database_in_somebody_elses_folder_can_be_looked_at() {
    let work = Work::with(&GroupSpec::tiny());
    work.run(&["db", "import", "night", "input"]).expect(0);
    fs::set_permissions(work.path().join("night"), fs::Permissions::from_mode(0o555)).expect("chmod");
    let look = ["db", "query", "night", "subbands", "--json"];
    let Some(ended) = work.unprivileged(&look) else { return };
    assert_eq!(ended.expect(0).json(), work.run(&look).expect(0).json());
    let check = work.unprivileged(&["db", "check", "night", "--json"]).expect("it ran before").expect(0);
    assert_eq!(check.json()["whole"], true);
    let import = work.unprivileged(&["db", "import", "night", "input"]).expect("it ran before");
    import.expect(3).says("cannot be written").says("write-protected");
    let names: Vec<_> =
        fs::read_dir(work.path().join("night")).expect("a folder").flatten().map(|e| e.file_name()).collect();
    // It is to be removed, also by a user who is not root.
    fs::set_permissions(work.path().join("night"), fs::Permissions::from_mode(0o755)).expect("chmod");
    assert_eq!(names, ["products.sqlite3"], "nothing was made there");
}

#[test]
fn what_cannot_be_read_is_passed_over_and_told() {
    let work = Work::with(&GroupSpec::tiny());
    fs::write(work.input().join("bad-image.fits"), b"no image").expect("room");
    fs::create_dir_all(work.input().join("bad.ms/ANTENNA")).expect("room");
    for part in ["FIELD", "DATA_DESCRIPTION"] {
        fs::create_dir_all(work.input().join("bad.ms").join(part)).expect("room");
    }
    fs::write(work.input().join("bad.ms/table.dat"), b"junk").expect("room");
    let ended = work.run(&["db", "import", "new.sqlite3", "input", "absent", "--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report = ended.json();
    assert_eq!(
        (&report["subbands"], &report["sets"], &report["images"]),
        (&16.into(), &0.into(), &0.into()),
        "{report:#}"
    );
    let unreadable = report["unreadable"].to_string();
    for name in ["bad-image.fits", "bad.ms", "absent"] {
        assert!(unreadable.contains(name), "{unreadable}");
    }
}

#[test]
fn an_old_or_foreign_file_is_named_for_what_it_is() {
    let work = Work::new();
    work.run(&["db", "check", "nowhere"]).expect(1).says("no products database").says("hint:");
    fs::write(work.path().join("text"), "not a database, although somebody says so").expect("room");
    work.run(&["db", "migrate", "text"]).expect(1).says("not an SQLite database").says("hint:");
    assert_eq!(
        fs::read_to_string(work.path().join("text")).expect("a file"),
        "not a database, although somebody says so"
    );
    fs::write(work.path().join("empty.sqlite3"), b"").expect("room");
    work.run(&["db", "query", "empty.sqlite3", "images"]).expect(1).says("contimg db migrate");
    work.run(&["db", "migrate", "empty.sqlite3"]).expect(0);
    work.run(&["db", "query", "empty.sqlite3", "images"]).expect(0);
}
