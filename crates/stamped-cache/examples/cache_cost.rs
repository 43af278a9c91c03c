//! What look-ups cost: `cargo run --release --example cache_cost -- [ENTRIES] [FOLDER]`.
//!
//! 1. A validated hit of a value that was computed from 6, 12 and 24 files, as the subtables of a Measurement Set are.
//! 2. ENTRIES (60,000) small values, each of its own file: stored, then found again by a fresh cache over the reopened
//!    store, every file compared.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stamped_cache::{Cache, Key, Options, Store, StoreOptions};

/// About what a subband file's header comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Summary {
    name: String,
    times_jd: Vec<f64>,
    channel_width_hz: f64,
    first_channel_hz: f64,
    antennas: u32,
    channels: u32,
    polarisations: Vec<i32>,
    bytes: u64,
    digest: [u64; 8],
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let entries: usize = arguments.next().map_or(Ok(60_000), |text| text.parse())?;
    let root = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(root)?;
    hits(folder.path())?;
    warm_start(folder.path(), entries)?;
    Ok(())
}

fn hits(root: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let set = root.join("2025-10-02T00:12:00.ms");
    let mut paths = Vec::new();
    for subtable in ["SPECTRAL_WINDOW", "DATA_DESCRIPTION", "FIELD", "ANTENNA", "POLARIZATION", "OBSERVATION"] {
        fs::create_dir_all(set.join(subtable))?;
        for file in ["table.dat", "table.f0", "table.f0i", "table.lock"] {
            let path = set.join(subtable).join(file);
            fs::write(&path, subtable)?;
            paths.push(path);
        }
    }
    // The files have just been made; here nobody writes, so they count as settled.
    let cache: Cache<String> = Cache::new(settled(), |value| value.len() as u64);
    for count in [6, 12, 24] {
        let key = Key::new(&set)?.part(&count.to_string());
        let look_up = || {
            cache.get_or_read(&key, |files| {
                for path in paths.iter().step_by(24 / count) {
                    files.file(path);
                }
                Ok::<_, Infallible>("metadata".to_owned())
            })
        };
        look_up()?;
        // The median of many short runs, since other work shares the machine.
        let mut times = Vec::new();
        for _ in 0..200 {
            let start = Instant::now();
            for _ in 0..50 {
                look_up()?;
            }
            times.push(start.elapsed() / 50);
        }
        times.sort();
        println!("validated hit, {count:2} files: {:6.2} us (best {:.2})", micros(times[100]), micros(times[0]));
    }
    let stats = cache.stats();
    assert_eq!((stats.reads, stats.hits), (3, 3 * 200 * 50), "every look-up but the first was a hit");
    Ok(())
}

fn warm_start(root: &Path, entries: usize) -> Result<(), Box<dyn std::error::Error>> {
    let folder = root.join("incoming");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let names: Vec<PathBuf> =
        (0..entries).map(|i| folder.join(format!("2025-10-02T{:06}_sb{:02}.hdf5", i / 16, i % 16))).collect();
    for name in &names {
        fs::write(name, b"x")?;
    }
    let open = || -> Result<Cache<Summary>, stamped_cache::Error> {
        let store = Store::open(root.join("cache"), "headers", 1, StoreOptions::default())?;
        Ok(Cache::new(settled(), |_: &Summary| 300).with_store(store))
    };

    let start = Instant::now();
    let cache = open()?;
    for (i, name) in names.iter().enumerate() {
        cache.get_or_read(&Key::canonical(name)?, |files| {
            files.file(name);
            Ok::<_, Infallible>(summary(i))
        })?;
    }
    let stored = start.elapsed();
    let stats = cache.stats();
    assert_eq!(stats.reads, entries as u64);
    println!("{entries} entries: stored in {:.3} s, {:.1} MB", stored.as_secs_f64(), stats.disk_bytes as f64 / 1e6);
    drop(cache);

    let start = Instant::now();
    let cache = open()?;
    let opened = start.elapsed();
    for (i, name) in names.iter().enumerate() {
        let found = cache.get_or_read(&Key::canonical(name)?, |_| Err(io::Error::other("not found")))?;
        debug_assert_eq!(*found, summary(i));
    }
    let total = start.elapsed();
    assert_eq!(cache.stats().disk_hits, entries as u64);
    println!(
        "{entries} entries: opened in {:.3} s, opened and looked up in {:.3} s",
        opened.as_secs_f64(),
        total.as_secs_f64()
    );

    let start = Instant::now();
    for name in &names {
        fs::metadata(name)?;
    }
    println!("{entries} files: stat alone {:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn summary(i: usize) -> Summary {
    Summary {
        name: format!("subband {i}"),
        times_jd: vec![2_460_950.5 + i as f64 / 7.0; 2],
        channel_width_hz: -244_140.625,
        first_channel_hz: 1.5e9 - i as f64,
        antennas: 96,
        channels: 48,
        polarisations: vec![-5, -6],
        bytes: 145_000_000 + i as u64,
        digest: [i as u64; 8],
    }
}

fn settled() -> Options {
    Options { settle: Duration::ZERO, ..Options::default() }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
