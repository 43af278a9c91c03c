//! Random look-ups and changes against a model. The same steps as `cargo run --release --example stale -- --steps N`.

#[path = "../../examples/stale/world.rs"]
mod world;

use world::{Damage, World};

#[test]
fn no_look_up_is_stale_in_memory() {
    let folder = tempfile::tempdir().expect("because a temporary folder can be made");
    let mut world = World::new(folder.path(), 1, Damage::NoStore);
    world.run(10_000);
    let report = world.report();
    assert_eq!((report.stale, report.failures_kept), (0, 0), "{report}");
    assert!(report.hits > 1000 && report.changes > 1000 && report.failures > 50, "{report}");
}

#[test]
fn no_look_up_is_stale_with_a_store_that_is_damaged() {
    let folder = tempfile::tempdir().expect("because a temporary folder can be made");
    let mut world = World::new(folder.path(), 2, Damage::Random);
    world.run(10_000);
    let report = world.report();
    assert_eq!((report.stale, report.failures_kept), (0, 0), "{report}");
    assert!(report.disk_hits > 100 && report.damaged > 10 && report.reopened > 10, "{report}");
}
