//! What `cargo xtask compare --fits` asks of this crate, as lines of JSON.
//!
//!     cargo run --release --example fits_compare -- sky FILES…        directions of corners and middle of every image
//!     cargo run --release --example fits_compare -- cards FILES…      every card with a value, by HDU
//!     cargo run --release --example fits_compare -- headers RUNS KEYWORDS FILES…    times, beside the crate fitsio
//!     cargo run --release --example fits_compare -- pixels RUNS FILE  statistics, times, peak memory, beside plain reading

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fits_header_cache::{Area, FitsCache, FitsFile, Options, Pixels, Value};
use rayon::prelude::*;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    match (task.as_str(), rest.as_slice()) {
        ("sky", files) => files.iter().for_each(|file| println!("{}", sky(file))),
        ("cards", files) => files.iter().for_each(|file| println!("{}", cards(file))),
        ("headers", [runs, keywords, files @ ..]) => headers(runs.parse()?, keywords, files)?,
        ("pixels", [runs, file]) => pixels(runs.parse()?, file)?,
        _ => return Err("usage: fits_compare sky|cards FILES…, headers RUNS K,K,… FILES…, pixels RUNS FILE".into()),
    }
    Ok(())
}

fn sky(path: &str) -> serde_json::Value {
    let file = match FitsFile::read(path) {
        Ok(file) => file,
        Err(error) => return json!({ "file": path, "error": error.to_string() }),
    };
    let images = file.hdus().iter().filter(|hdu| hdu.image().is_some()).map(|hdu| {
        let number = hdu.header().hdu();
        let celestial = match hdu.celestial() {
            Ok(celestial) => celestial,
            Err(error) => return json!({ "hdu": number, "error": error.to_string() }),
        };
        let [w, h] = celestial.size().map(|n| n as f64 - 1.0);
        let places = [(0.0, 0.0), (w, 0.0), (0.0, h), (w, h), (w / 2.0, h / 2.0)].map(|(x, y)| {
            let sky = celestial.sky(x, y);
            let back = sky.and_then(|sky| celestial.pixel(sky)).map(|(bx, by)| (bx - x).hypot(by - y));
            json!({ "pixel": [x, y], "sky": sky.map(|s| [s.lon_deg, s.lat_deg]), "back": back })
        });
        json!({ "hdu": number, "axes": celestial.axes(), "places": places })
    });
    json!({ "file": path, "images": images.collect::<Vec<_>>() })
}

fn cards(path: &str) -> serde_json::Value {
    let file = match FitsFile::read(path) {
        Ok(file) => file,
        Err(error) => return json!({ "file": path, "error": error.to_string() }),
    };
    let hdus = file.hdus().iter().map(|hdu| {
        let cards = hdu.header().cards().map(|card| {
            let value = match card.value() {
                Ok(Value::Text(text)) => json!({ "text": text }),
                Ok(Value::Integer(whole)) => json!({ "integer": whole }),
                Ok(Value::Real(real)) => json!({ "real": real }),
                Ok(Value::Logical(truth)) => json!({ "logical": truth }),
                Ok(Value::Complex(re, im)) => json!({ "complex": [re, im] }),
                Ok(Value::Undefined) => json!(null),
                Err(problem) => json!({ "problem": problem }),
            };
            json!([card.keyword(), card.has_value(), value, card.comment()])
        });
        cards.collect::<Vec<_>>()
    });
    json!({ "file": path, "hdus": hdus.collect::<Vec<_>>() })
}

/// Microseconds a file: the best of several rounds.
fn best(
    runs: usize,
    files: usize,
    mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut best = Duration::MAX;
    for _ in 0..runs {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed());
    }
    Ok(best.as_secs_f64() * 1e6 / files as f64)
}

fn headers(runs: usize, keywords: &str, files: &[String]) -> Result<(), Box<dyn Error>> {
    let keywords: Vec<&str> = keywords.split(',').collect();
    let ask = |file: &FitsFile| -> Result<(), Box<dyn Error>> {
        let header = file.primary().header();
        for keyword in &keywords {
            black_box(header.value(keyword)?);
        }
        Ok(())
    };
    let cold = best(runs, files.len(), || {
        let cache = FitsCache::default();
        for path in files {
            let file = cache.file(path)?;
            ask(&file)?;
        }
        Ok(())
    })?;
    let cold_threads = best(runs, files.len(), || {
        let cache = FitsCache::default();
        // Each thread asks for the cards of what it has read, as the checks of tiles do.
        let asked = files.par_iter().with_min_len(16).map(|path| {
            let file = cache.file(path)?;
            keywords
                .iter()
                .try_for_each(|keyword| file.primary().header().value(keyword).map(|value| drop(black_box(value))))
        });
        asked.collect::<Result<(), fits_header_cache::Error>>()?;
        Ok(())
    })?;
    let plain = best(runs, files.len(), || {
        for path in files {
            ask(&FitsFile::read(path)?)?;
        }
        Ok(())
    })?;
    let cache = FitsCache::new(Options { settle: Duration::ZERO, ..Options::default() });
    for path in files {
        cache.file(path)?;
    }
    let bare = best(runs, files.len(), || {
        for path in files {
            black_box(cache.file(path)?);
        }
        Ok(())
    })?;
    let hit = best(runs, files.len(), || {
        for path in files {
            let file = cache.file(path)?;
            ask(&file)?;
        }
        Ok(())
    })?;
    let hits = cache.file_stats().hits;
    let read_key = best(runs, files.len(), || {
        for path in files {
            let mut file = fitsio::FitsFile::open(path)?;
            let hdu = file.primary_hdu()?;
            for keyword in &keywords {
                black_box(hdu.read_key::<String>(&mut file, keyword)?);
            }
        }
        Ok(())
    })?;
    let report = json!({
        "files": files.len(), "keywords": keywords.len(), "cold_us": cold, "cold_all_threads_us": cold_threads,
        "without_cache_us": plain, "hit_us": bare, "hit_and_cards_us": hit, "hits": hits, "fitsio_us": read_key,
    });
    println!("{report}");
    Ok(())
}

fn pixels(runs: usize, path: &str) -> Result<(), Box<dyn Error>> {
    let before = high_water_kib()?;
    let file = FitsFile::read(path)?;
    let pixels = Pixels::of(&file, file.image()?)?;
    let mut found = None;
    let all = best(runs, 1, || {
        found = Some(pixels.statistics(&Area::All)?);
        Ok(())
    })?;
    let peak = high_water_kib()?;
    let moments = best(runs, 1, || {
        black_box(pixels.moments(&Area::All)?);
        Ok(())
    })?;
    let statistics = found.ok_or("no run")?;
    let hdu = file.image()?;
    let read = best(runs, 1, || {
        black_box(plain_read(path, hdu.data_at(), hdu.data_bytes())?);
        Ok(())
    })?;
    let report = json!({
        "statistics": statistics, "noise": statistics.noise(), "bytes": hdu.data_bytes(),
        "all_ms": all / 1e3, "moments_ms": moments / 1e3, "pread_ms": read / 1e3,
        "peak_kib": peak, "before_kib": before,
    });
    println!("{report}");
    Ok(())
}

/// The same bytes by `pread` on all threads, into a buffer of each, and nothing done with them.
fn plain_read(path: &str, data_at: u64, bytes: u64) -> Result<u64, Box<dyn Error>> {
    const PIECE: u64 = 256 << 10;
    let file = File::open(path)?;
    let next = AtomicU64::new(0);
    let read = (0..rayon::current_num_threads())
        .into_par_iter()
        .with_max_len(1)
        .map(|_| {
            let mut buffer = vec![0; PIECE as usize];
            let mut total = 0;
            loop {
                let at = next.fetch_add(PIECE, Ordering::Relaxed);
                if at >= bytes {
                    return Ok(total);
                }
                let piece = &mut buffer[..PIECE.min(bytes - at) as usize];
                file.read_exact_at(piece, data_at + at)?;
                total += piece.len() as u64 + u64::from(black_box(piece[0]) & 1);
            }
        })
        .sum::<std::io::Result<u64>>()?;
    Ok(read)
}

/// The most memory that this process has held, KiB.
fn high_water_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.split_whitespace().nth(1).ok_or("VmHWM without a number")?.parse()?)
}
