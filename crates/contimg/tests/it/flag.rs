//! `contimg flag`: what it flags, saves, lists and restores, and what it refuses.

use casacore::Table;
use fixtures::{Content, GroupSpec, Rfi, RfiKind, SkySpec};
use publish::{Level, verify};

use crate::program::{GROUP, Work};

/// A converted sky with interference, and the path of its set as the program is given it.
fn sky(convert: &[&str]) -> (Work, String) {
    let interference = Rfi { kinds: vec![RfiKind::Narrow, RfiKind::Burst], jansky: 80.0 };
    let content = Content::Sky(SkySpec { noise_jy: 1.0, interference, dead_antennas: 1, ..SkySpec::default() });
    let work = Work::with(&GroupSpec { antennas: 6, times: 12, channels: 16, content, ..GroupSpec::default() });
    work.convert(convert).expect(0);
    (work, format!("out/{GROUP}.ms"))
}

fn flags(work: &Work) -> (Vec<bool>, Vec<bool>) {
    let table = Table::open(work.set()).expect("open");
    let rows = table.rows().expect("rows");
    (table.read_vec("FLAG", 0..rows).expect("FLAG"), table.read_vec("FLAG_ROW", 0..rows).expect("FLAG_ROW"))
}

#[test]
fn interference_is_flagged_and_the_old_flags_come_back() {
    for convert in [&[][..], &["--windows", "subband"]] {
        let (work, set) = sky(convert);
        let before = flags(&work);
        let dry = work.run(&["flag", &set, "--dry-run", "--json"]).expect(0).json();
        assert_eq!(flags(&work), before, "a dry run writes nothing");
        let said = work.run(&["flag", &set, "--json"]).expect(0).json();
        assert_eq!((&said["after"], &said["new"]), (&dry["after"], &dry["new"]), "a dry run says what would be");
        for reason in ["zero", "autocorrelation", "interference_in_all_baselines"] {
            assert!(said["new"][reason].as_u64().is_some_and(|count| count > 0), "{reason}: {said}");
        }
        assert_eq!(said["dead_antennas"].as_array().map(Vec::len), Some(1));
        let after = flags(&work);
        assert_eq!(after.0.iter().filter(|&&flag| flag).count() as u64, said["after"]["flag"].as_u64().expect("count"));
        // Rows of which all is flagged have FLAG_ROW.
        let each = after.0.len() / after.1.len();
        for (row, whole) in after.0.chunks_exact(each).zip(&after.1) {
            assert_eq!(row.iter().all(|&flag| flag), *whole);
        }
        verify(&work.set(), Level::Checksums).expect("its manifest knows");

        let listed = work.run(&["flag", &set, "--list", "--json"]).expect(0).json();
        assert_eq!(listed["versions"][0]["name"], "before-flag-1");
        work.run(&["flag", &set, "--restore", "before-flag-1"]).expect(0);
        assert_eq!(flags(&work), before);
        // The same command flags the same again.
        work.run(&["flag", &set, "--memory", "1MiB", "--quiet"]).expect(0);
        assert_eq!(flags(&work), after, "whatever the memory");
        verify(&work.set(), Level::Checksums).expect("its manifest knows");
    }
}

#[test]
fn a_selection_leaves_the_rest() {
    let (work, set) = sky(&["--windows", "subband"]);
    let said = work.run(&["flag", &set, "--window", "3~4", "--json"]).expect(0).json();
    assert_eq!(said["selected_rows"].as_u64().map(|rows| rows * 8), said["rows"].as_u64());
    let table = Table::open(work.set()).expect("open");
    let rows = table.rows().expect("rows");
    let windows: Vec<i32> = table.read_vec("DATA_DESC_ID", 0..rows).expect("windows");
    let (flags, _) = flags(&work);
    let each = flags.len() / windows.len();
    for (row, window) in flags.chunks_exact(each).zip(windows) {
        assert!((3..=4).contains(&window) || row.iter().all(|&flag| !flag), "window {window}");
    }
    work.run(&["flag", &set, "--window", "99"]).expect(1).says("no spectral window 99").says("hint:");
    work.run(&["flag", &set, "--scan", "99"]).expect(1).says("no rows").says("hint:");
}

#[test]
fn fields_are_selected_by_number_or_name() {
    let (work, set) = sky(&["--centres", "meridian"]);
    let fields = Table::open(work.set()).and_then(|table| table.open_subtable("FIELD")).expect("FIELD");
    let names = fields.read_strings("NAME", 0..fields.rows().expect("rows")).expect("names");
    assert!(names.len() > 2 && names[1] != names[2], "{names:?}");
    let rows = |list: &str| {
        let said = work.run(&["flag", &set, "--field", list, "--dry-run", "--json"]).expect(0).json();
        said["selected_rows"].as_u64().expect("a number")
    };
    let one = rows("1");
    assert!(one > 0 && rows("1~2") == 2 * one);
    assert_eq!((rows(&names[1]), rows(&format!("0,{}", names[2]))), (one, 2 * one));
    work.run(&["flag", &set, "--field", "1,3C999"]).expect(1).says("no field `3C999`").says(&names[0]);
    work.run(&["flag", &set, "--list"]).expect(0);
    assert_eq!(work.names(), [format!("{GROUP}.ms")], "nothing was begun");
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_hint() {
    let (work, set) = sky(&[]);
    work.run(&["flag", "out/none.ms"]).expect(1).says("no Measurement Set").says("hint:");
    work.run(&["flag", "input"]).expect(1).says("hint:");
    work.run(&["flag", &set, "--restore", "other"]).expect(2).says("there are none").says("--list");
    work.run(&["flag", &set, "--sigmas=-1"]).expect(2).says("sigmas");
    work.run(&["flag", &set, "--fill", "2"]).expect(2).says("fill");
    work.run(&["flag", &set, "--save", "../x"]).expect(2).says("hint:");
    work.run(&["flag", &set, "--column", "CORRECTED_DATA"]).expect(1).says("CORRECTED_DATA").says("hint:");
    work.run(&["flag", &set, "--save", "mine"]).expect(0);
    work.run(&["flag", &set, "--save", "mine"]).expect(2).says("already");
    work.run(&["flag", &set, "--delete", "mine"]).expect(0);
    // Another program has the set locked.
    let held = casacore::OpenOptions::new().write(true).lock(casacore::LockMode::Permanent).open(work.set());
    let held = held.expect("open");
    let pid = std::process::id().to_string();
    work.run(&["flag", &set]).expect(3).says("locked by process").says(&pid).says("--wait");
    drop(held);
    work.run(&["flag", &set]).expect(0);
}

#[test]
fn aoflagger_works_on_a_copy() {
    let (work, set) = sky(&[]);
    let data = |work: &Work| std::fs::read(work.set().join("table.f0_TSM0")).expect("tiles of DATA");
    let before = data(&work);
    if std::process::Command::new("aoflagger").arg("--version").output().is_err() {
        work.run(&["flag", &set, "--preset", "aoflagger"]).expect(4).says("not installed").says("hint:");
        eprintln!("skipped: aoflagger is not installed");
        return;
    }
    let said = work.run(&["flag", &set, "--preset", "aoflagger", "--json"]).expect(0).json();
    assert!(said["new"]["aoflagger"].as_u64().is_some_and(|count| count > 0), "{said}");
    assert!(data(&work) == before, "DATA is as it was");
    verify(&work.set(), Level::Checksums).expect("its manifest knows");
    assert_eq!(work.names(), [format!("{GROUP}.ms")], "the copy is gone");
    // A strategy that fails leaves the set as it is.
    let flagged = flags(&work);
    std::fs::write(work.path().join("bad.lua"), "this is not Lua").expect("write");
    work.run(&["flag", &set, "--preset", "aoflagger", "--strategy", "bad.lua"]).expect(4).says("as it was");
    assert_eq!(flags(&work), flagged);
    assert_eq!(work.names(), [format!("{GROUP}.ms")]);
}

#[test]
fn flags_are_drawn_as_a_page_a_drawing_and_a_picture() {
    let (work, set) = sky(&[]);
    work.run(&["flag", &set, "--quiet"]).expect(0);
    let drawn = |name: &str| {
        work.run(&["flags", &set, "--no-cache", "--plot", name]).expect(0);
        std::fs::read(work.path().join(name)).expect("read")
    };
    let text = |name: &str| String::from_utf8(drawn(name)).expect("UTF-8");
    let svg = text("flags.svg");
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{}", &svg[..80]);
    for text in [&svg, &text("flags.html")] {
        assert!(["flagged by antenna and channel", "flagged by time and channel"].iter().all(|map| text.contains(map)));
    }
    assert_eq!(svg.matches("<svg").count(), 3, "two maps in one drawing");
    assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    let png = drawn("flags.png");
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    // 256 channels; of antennas and times one line each, and one between (or after) them.
    assert_eq!(png[16..20], 256_u32.to_be_bytes());
    work.run(&["flags", &set, "--plot", "flags.pdf"]).expect(2).says("flags.pdf");
}
