//! `contimg tiles`: verdicts, exit codes, rules from a file, the page.

use std::{fs, path::Path};

use crate::program::{Ended, Work};

/// Writes a tile of 48 × 48 pixels of 72″ at `ra`, with noise and a source, and its primary beam.
pub(crate) fn write_tile(folder: &Path, name: &str, ra: f64, cards: &[(&str, &str)]) {
    const SIDE: usize = 48;
    let own = [
        ("SIMPLE", "T".to_owned()),
        ("BITPIX", "-32".to_owned()),
        ("NAXIS", "2".to_owned()),
        ("NAXIS1", SIDE.to_string()),
        ("NAXIS2", SIDE.to_string()),
        ("CTYPE1", "'RA---SIN'".to_owned()),
        ("CTYPE2", "'DEC--SIN'".to_owned()),
        ("CRVAL1", format!("{ra:.9}")),
        ("CRVAL2", "37.0".to_owned()),
        ("CRPIX1", "25.0".to_owned()),
        ("CRPIX2", "25.0".to_owned()),
        ("CDELT1", "-0.02".to_owned()),
        ("CDELT2", "0.02".to_owned()),
        ("BMAJ", "0.06".to_owned()),
        ("BMIN", "0.05".to_owned()),
        ("BPA", "0.0".to_owned()),
        ("BUNIT", "'JY/BEAM'".to_owned()),
        ("RESTFRQ", "1.4E9".to_owned()),
        ("DATE-OBS", format!("'2026-01-25T00:{:02}:00'", (ra * 10.0) as u64 % 60)),
    ];
    let mut header = String::new();
    for (keyword, value) in own {
        let value = cards.iter().find(|(k, _)| *k == keyword).map_or(value, |(_, v)| (*v).to_owned());
        if !value.is_empty() {
            header += &format!("{:<80}", format!("{keyword:<8}= {value}"));
        }
    }
    header += &format!("{:<80}", "END");
    let write = |name: String, value: &mut dyn FnMut(f64, f64) -> f32| {
        let mut bytes = header.clone().into_bytes();
        bytes.resize(bytes.len().div_ceil(2880) * 2880, b' ');
        for i in 0..SIDE * SIDE {
            let (x, y) = ((i % SIDE) as f64 - 24.0, (i / SIDE) as f64 - 24.0);
            bytes.extend(value(x, y).to_be_bytes());
        }
        bytes.resize(bytes.len().div_ceil(2880) * 2880, 0);
        fs::write(folder.join(name), bytes).expect("room");
    };
    let mut state = 0x9e37_79b9_u64 ^ ra.to_bits();
    write(format!("{name}-image.fits"), &mut |x, y| {
        let mut sum = 0.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 40) as f64 / (1u64 << 24) as f64;
        }
        ((sum - 6.0) * 1e-3 + 0.2 * (-(x * x + y * y) / 3.0).exp()) as f32
    });
    write(format!("{name}-beam-0.fits"), &mut |x, y| (1.0 - (x * x + y * y) / 2000.0) as f32);
}

fn six(work: &Work) {
    for i in 0..6 {
        write_tile(&work.input(), &format!("t{i}"), 10.0 + 0.7 * f64::from(i), &[]);
    }
    fs::write(work.path().join("rules.toml"), "max_beam_arcsec = 1000.0\n").expect("room");
}

fn judge(work: &Work, args: &[&str]) -> Ended {
    work.run(&[&["tiles", "input", "--rules", "rules.toml"], args].concat())
}

#[test]
fn clean_tiles_pass_and_the_second_run_reads_no_pixels() {
    let work = Work::new();
    six(&work);
    let text = judge(&work, &[]).expect(0).stdout;
    assert!(text.contains("6 pass, 0 with warnings, 0 fail"), "{text}");
    let report = judge(&work, &["--json"]).expect(0).json();
    assert_eq!(report["passes"], true, "{report:#}");
    assert_eq!(report["tiles"].as_array().map(Vec::len), Some(6));
    // Without a database nothing is asked.
    assert_eq!(report["queries"], 0);
}

#[test]
fn exit_codes_tell_the_kind() {
    let work = Work::new();
    six(&work);
    let spoil = |cards: &[(&str, &str)]| write_tile(&work.input(), "t5", 13.5, cards);
    spoil(&[("BMAJ", "")]);
    let ended = judge(&work, &[]);
    assert_eq!(ended.code, Some(13), "{ended:?}");
    assert!(ended.stdout.contains("error: t5-image.fits: beam: "), "{ended:?}");
    spoil(&[("CDELT1", "-0.021")]);
    assert_eq!(judge(&work, &[]).code, Some(16));
    spoil(&[]);
    fs::remove_file(work.input().join("t5-beam-0.fits")).expect("a file");
    assert_eq!(judge(&work, &[]).code, Some(14));
    fs::write(work.input().join("t5-image.fits"), b"SIMPLE").expect("room");
    assert_eq!(judge(&work, &[]).code, Some(11));
    write_tile(&work.input(), "t5", 33.0, &[("BMAJ", "")]);
    let ended = judge(&work, &["--json"]);
    assert_eq!(ended.code, Some(5), "several kinds: {ended:?}");
    assert_eq!(ended.json()["failed_kinds"], serde_json::json!(["beam", "coverage"]));
}

#[test]
fn the_page_holds_everything_and_loads_nothing() {
    let work = Work::new();
    six(&work);
    write_tile(&work.input(), "t2<b>", 11.4, &[("BMAJ", "")]);
    let ended = judge(&work, &["--report", "page.html"]);
    assert_ne!(ended.code, Some(0));
    let page = fs::read_to_string(work.path().join("page.html")).expect("a page");
    assert_eq!(page.matches("<path class=\"field ").count(), 7);
    assert!(page.contains("data:image/png;base64,") && page.contains("t2&lt;b&gt;-image.fits"));
    for foreign in ["http://", "https://", "src=\"/", "<script", "t2<b>"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn the_database_tells_of_calibration() {
    let work = Work::new();
    six(&work);
    work.run(&["db", "init", "night"]).expect(0);
    work.run(&["db", "import", "night", "input", "--noise"]).expect(0);
    let report = judge(&work, &["--db", "night", "--json"]).json();
    assert!(report["queries"].as_u64() <= Some(2), "{report:#}");
    // The images are registered, and nobody knows their sets.
    assert_eq!(report["failed_kinds"], serde_json::json!(["calibration"]));
    let ended = judge(&work, &["--db", "absent.sqlite3"]).expect(1);
    ended.says("no products database").says("hint:");
}

#[test]
fn wrong_input_is_told() {
    let work = Work::new();
    work.run(&["tiles", "input"]).expect(1).says("no tile is there").says("hint:");
    fs::write(work.path().join("rules.toml"), "max_noize_jy = 1.0\n").expect("room");
    six(&work);
    fs::write(work.path().join("rules.toml"), "max_noize_jy = 1.0\n").expect("room");
    judge(&work, &[]).expect(1).says("rules.toml").says("max_noize_jy").says("--print-rules");
    let rules = work.run(&["tiles", "--print-rules"]).expect(0).stdout;
    fs::write(work.path().join("rules.toml"), rules.replace("max_beam_arcsec = 300.0", "max_beam_arcsec = 999.0"))
        .expect("room");
    judge(&work, &[]).expect(0);
}
