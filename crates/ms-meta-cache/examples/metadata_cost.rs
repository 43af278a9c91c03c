//! What look-ups cost, and how that compares with python-casacore reading the same columns:
//! `cargo run --release --example metadata_cost -- [PYTHON] [FOLDER]`.
//!
//! A set of the original pipeline's shape (16 windows × 24 fields, 117 antennas, 1,787,904 rows) is made in FOLDER. In
//! turns, five rounds of: PYTHON with python-casacore reading the columns of the six subtables, our cold reading, our
//! validated hit. All in the page cache. Medians of the rounds are printed, and their ratios.

#[path = "../tests/it/set.rs"]
mod set;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ms_meta_cache::{MsMetaCache, MsSet, Options};

/// Prints the seconds of one reading of the six subtables, and of the eight columns of MAIN.
const PYTHON: &str = r#"
import sys, time
import casacore.tables as ct
path = sys.argv[1]
columns = {
    "SPECTRAL_WINDOW": "NAME CHAN_FREQ* CHAN_WIDTH* EFFECTIVE_BW* RESOLUTION* NUM_CHAN REF_FREQUENCY TOTAL_BANDWIDTH MEAS_FREQ_REF FLAG_ROW",
    "DATA_DESCRIPTION": "SPECTRAL_WINDOW_ID POLARIZATION_ID FLAG_ROW",
    "FIELD": "NAME CODE TIME NUM_POLY SOURCE_ID FLAG_ROW PHASE_DIR* DELAY_DIR* REFERENCE_DIR*",
    "ANTENNA": "NAME STATION TYPE MOUNT POSITION OFFSET DISH_DIAMETER FLAG_ROW",
    "POLARIZATION": "CORR_TYPE* CORR_PRODUCT* NUM_CORR FLAG_ROW",
    "OBSERVATION": "TELESCOPE_NAME OBSERVER PROJECT TIME_RANGE FLAG_ROW",
}
def read():
    for name, wanted in columns.items():
        t = ct.table(path + "/" + name, ack=False)
        for column in wanted.split():
            t.getvarcol(column[:-1]) if column.endswith("*") else t.getcol(column)
        for column in set("CHAN_FREQ POSITION PHASE_DIR DELAY_DIR REFERENCE_DIR".split()) & set(t.colnames()):
            t.getcolkeywords(column)  # frames
        t.close()
def main():
    t = ct.table(path, ack=False)
    for column in "OBSERVATION_ID ARRAY_ID SCAN_NUMBER FIELD_ID DATA_DESC_ID TIME INTERVAL EXPOSURE".split():
        t.getcol(column)
    t.close()
def clock(f, n):
    f()
    times = []
    for _ in range(n):
        start = time.perf_counter(); f(); times.append(time.perf_counter() - start)
    return sorted(times)[n // 2]
print(clock(read, 40), clock(main, 2))
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let python = arguments.next().filter(|python| !python.is_empty());
    let folder = tempfile::tempdir_in(arguments.next().map_or_else(std::env::temp_dir, PathBuf::from))?;
    let path = folder.path().join("original.ms");
    set::make(&path, &set::Shape { rows: 4656, ..set::ORIGINAL })?;
    let set = MsSet::new(&path)?;

    let mut rounds = [(); 7].map(|()| Vec::new());
    for _ in 0..5 {
        let theirs = python.as_ref().map(|python| ask(python, &path)).transpose()?;
        // Files that were written a moment ago count as settled: nobody writes here.
        let options = || Options { settle: Duration::ZERO, ..Options::default() };
        let cold = median(40, || MsMetaCache::new(options()).subtables(&set).map(|_| ()))?;
        let rows = median(2, || MsMetaCache::new(options()).rows(&set).map(|_| ()))?;
        let cache = MsMetaCache::new(options());
        cache.metadata(&set)?;
        let hit = median(1000, || cache.subtables(&set).map(|_| ()))?;
        let named = median(1000, || MsSet::new(&path).and_then(|set| cache.subtables(&set)).map(|_| ()))?;
        let all = median(1000, || cache.metadata(&set).map(|_| ()))?;
        let (their_tables, their_rows) = theirs.unwrap_or_default();
        for (list, value) in rounds.iter_mut().zip([hit, named, all, cold, rows, their_tables, their_rows]) {
            list.push(value);
        }
    }
    let [hit, named, all, cold, rows, their_tables, their_rows] = rounds.map(|mut list| {
        list.sort_by(f64::total_cmp);
        list[list.len() / 2]
    });
    let us = |seconds: f64| format!("{:9.1} µs", seconds * 1e6);
    println!("six subtables, validated hit       {}", us(hit));
    println!("  with the path resolved each time {}", us(named));
    println!("all three parts, validated hit     {}", us(all));
    println!("six subtables, cold                {}", us(cold));
    println!("rows of MAIN, cold                 {}", us(rows));
    if python.is_some() {
        println!("python-casacore, six subtables     {}", us(their_tables));
        println!("python-casacore, columns of MAIN   {}", us(their_rows));
        println!(
            "hit: {:.0} times faster (bar 100); cold: {:.2} times (bar 3); rows: {:.2} times",
            their_tables / hit,
            their_tables / cold,
            their_rows / rows
        );
    }
    Ok(())
}

fn median<E>(n: usize, mut f: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    f()?;
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let start = Instant::now();
        f()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[n / 2])
}

fn ask(python: &std::ffi::OsStr, path: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    let output = Command::new(python).args(["-c", PYTHON]).arg(path).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    match (words.next(), words.next()) {
        (Some(Ok(tables)), Some(Ok(rows))) => Ok((tables, rows)),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}
