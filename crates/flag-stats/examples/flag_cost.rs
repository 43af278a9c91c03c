//! Times a set's counts: `cost SET.ms [ROUNDS]` prints one JSON document of seconds (medians) and bytes.
//!
//! `cold`: opened, rows read, flags counted. `flags`: the same when FLAG alone has changed, so that the rows are known; one
//! flag of the set is inverted for it, and put back. `cached`: nothing has changed. `bits`: the tiles of FLAG read and their bits
//! counted, by one thread and nothing else. `peak_bytes` is of the process. Files are in the page cache.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use casacore::tiles::TiledColumn;
use flag_stats::stamped_cache::Options;
use flag_stats::{CountOptions, FlagCache};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("usage: cost SET.ms [ROUNDS]")?);
    let rounds = arguments.next().and_then(|n| n.to_str()?.parse().ok()).unwrap_or(5);
    // The set rests; what this program changes is a file's time only.
    let options = Options { settle: Duration::ZERO, ..Options::default() };
    let (mut cold, mut flags, mut cached, mut bits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut stats = None;
    for _ in 0..rounds {
        let cache = FlagCache::new(CountOptions::default(), options.clone());
        let start = Instant::now();
        cache.stats(&path)?;
        cold.push(start.elapsed());

        let column = TiledColumn::open(&path, "FLAG")?;
        invert_first_bit(column.path())?;
        let start = Instant::now();
        cache.stats(&path)?;
        flags.push(start.elapsed());

        let start = Instant::now();
        for _ in 0..100 {
            stats = Some(cache.stats(&path)?);
        }
        cached.push(start.elapsed() / 100);
        let done = (cache.cache_stats().reads, cache.row_stats().reads, cache.cache_stats().hits);
        if done != (2, 1, 100) {
            return Err(format!("{done:?}: the set changed meanwhile").into());
        }

        invert_first_bit(column.path())?;
        let start = Instant::now();
        let mut tile = vec![0; column.tile_bytes()];
        let mut set = 0_u64;
        for number in 0..column.grid().iter().product() {
            column.read_tile_bytes(number, &mut tile)?;
            set += tile
                .chunks(8)
                .map(|c| c.iter().fold(0, |w, &b| w << 8 | u64::from(b)).count_ones() as u64)
                .sum::<u64>();
        }
        std::hint::black_box(set);
        bits.push(start.elapsed());
    }
    let stats = stats.ok_or("no rounds")?;
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    };
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let document = serde_json::json!({
        "cold": median(&mut cold), "flags": median(&mut flags), "cached": median(&mut cached), "bits": median(&mut bits),
        "peak_bytes": peak.map(|kib| kib * 1024), "rows": stats.rows, "total": stats.total.all().total,
        "flag": stats.total.all().flag, "threads": std::thread::available_parallelism()?.get(),
    });
    println!("{document}");
    Ok(())
}

/// The first flag of the first tile.
fn invert_first_bit(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0)?;
    file.write_all_at(&[byte[0] ^ 1], 0)
}
