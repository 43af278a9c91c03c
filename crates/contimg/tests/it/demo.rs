use std::fs;

use crate::program::Work;
use crate::set;

#[test]
fn the_demo_makes_a_set_and_a_picture() {
    let work = Work::new();
    let demo =
        ["demo", "--out", "here", "--antennas", "4", "--integrations", "3", "--groups", "2", "--until", "convert"];
    let report = work.run(&[&demo[..], &["--json"]].concat()).expect(0).json();
    let path = |name: &str| work.path().join(report["made"][name].as_str().expect("a path"));
    set::check(&path("set")).expect("a whole set");
    assert_eq!(report["night"]["done"].as_array().map(Vec::len), Some(2), "{report:#}");
    let picture = fs::read_to_string(path("picture")).expect("the picture");
    assert!(picture.contains("mean amplitude of 6 cross-correlations") && picture.contains("data:image/png;base64,"));
    assert!(path("subbands").join("group-1/truth.json").is_file());

    // For people, and a second time in the same folder: there the subbands are made anew, and so the sets.
    let ended = work.run(&demo).expect(0);
    assert!(ended.stdout.contains("picture of DATA:") && ended.stdout.contains("read back: 30 rows"), "{ended:?}");
}
