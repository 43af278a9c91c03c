use std::fs;

use crate::program::Work;
use crate::set;

#[test]
fn the_demo_makes_a_set_and_a_picture() {
    let work = Work::new();
    let ended = work.run(&["demo", "--out", "here", "--antennas", "4", "--integrations", "3", "--json"]).expect(0);
    let report = ended.json();
    let path = |name: &str| work.path().join(report[name].as_str().expect("a path"));
    set::check(&path("set")).expect("a whole set");
    let picture = fs::read(path("picture")).expect("the picture");
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n") && picture.ends_with(b"IEND\xaeB`\x82"));
    assert!(path("subbands").join("truth.json").is_file());

    // For people, and a second time in the same folder.
    let ended = work.run(&["demo", "--out", "here", "--antennas", "4", "--integrations", "3"]).expect(0);
    assert!(ended.stdout.contains("picture:") && ended.stdout.contains("read back: 30 rows"), "{ended:?}");
}
