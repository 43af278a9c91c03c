//! `contimg meta`: what a set says about itself, and whether it was read for that.

use fixtures::GroupSpec;
use serde_json::json;

use crate::program::{GROUP, Work};

#[test]
fn a_converted_set_tells_what_went_into_it() {
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&["--windows", "subband"]).expect(0);
    let set = format!("out/{GROUP}.ms");
    let document = work.run(&["meta", &set, "--json", "--explain"]).expect(0).json();
    let (tables, rows) = (&document["metadata"]["subtables"], &document["metadata"]["rows"]);
    let windows = tables["windows"].as_array().expect("windows");
    assert_eq!(windows.len(), 16);
    let frequencies: Vec<f64> = windows.iter().map(|w| w["freq_hz"][0].as_f64().expect("a number")).collect();
    assert!(frequencies.is_sorted(), "{frequencies:?}");
    assert_eq!(tables["polarizations"][0]["codes"], json!([9, 12]));
    let groups = rows["groups"].as_array().expect("groups");
    assert_eq!(
        groups.iter().map(|g| g["rows"].as_u64().expect("a number")).sum::<u64>(),
        rows["rows"].as_u64().expect("rows")
    );
    assert_eq!(document["metadata"]["layout"]["rows"], rows["rows"]);
    assert!(
        document["cache"]["subtables"].as_str().expect("a reason").starts_with("read from "),
        "{}",
        document["cache"]
    );

    let text = work.run(&["meta", &set]).expect(0).stdout;
    for part in [
        "1 scan\n",
        "0~15",
        "wavelengths",
        "16 spectral windows",
        "2026-01-25T00:05:1",
        "XX YY",
        "ICRS",
        "DATA (complex32[",
        "TiledColumnStMan",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let antennas = work.run(&["meta", &set, "--antennas"]).expect(0).stdout;
    assert_eq!(antennas.lines().count(), text.lines().count() + 1 + tables["antennas"].as_array().map_or(0, Vec::len));
}

#[test]
fn what_is_not_a_set_is_an_error_with_a_hint() {
    let work = Work::new();
    let ended = work.run(&["meta", "input"]).expect(1);
    let message = ended.stderr;
    assert!(message.contains("no Measurement Set is there") && message.contains("hint: "), "{message}");
}
