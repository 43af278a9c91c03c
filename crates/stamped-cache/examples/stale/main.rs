//! Looks for stale answers: `cargo run --release --example stale -- [--steps N] [--seed S] [--folder DIR]`.
//!
//! Takes N random steps (10,000 if not said), look-ups mixed with changes of the files, once in memory alone and once
//! with an on-disk store whose files are damaged at random. Ends with status 1 when an answer was stale or a failure was
//! kept.

mod world;

use std::process::ExitCode;

use world::{Damage, World};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (mut steps, mut seed, mut root) = (10_000, 1, std::env::temp_dir());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--steps" => steps = value.parse()?,
            "--seed" => seed = value.parse()?,
            "--folder" => root = value.into(),
            _ => return Err(format!("unknown option {name}; there are --steps, --seed and --folder").into()),
        }
    }
    let mut good = true;
    for (name, damage) in [("memory", Damage::NoStore), ("memory and a damaged store", Damage::Random)] {
        let folder = tempfile::tempdir_in(&root)?;
        let mut world = World::new(folder.path(), seed, damage);
        world.run(steps);
        let report = world.report();
        println!("{name}: {report}");
        good &= report.stale == 0 && report.failures_kept == 0;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
