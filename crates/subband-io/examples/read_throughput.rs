//! Measures reading a group against plain `pread` of the same bytes: `read_throughput FILE… [--threads N]`.
//!
//! Run it on files that are in the page cache; quote the ratios, not the seconds.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use subband_io::vis_types::VisBlock;
use subband_io::{MissingSubbands, OpenOptions, Scratch, SubbandGroup, summarise};

/// Best of three, in seconds.
fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    (0..3)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(run());
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

/// A line of `/proc/self/status`, bytes.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = Vec::new();
    let mut threads = 1;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--threads" => threads = args.next().and_then(|n| n.parse().ok()).unwrap_or(1),
            _ => paths.push(PathBuf::from(arg)),
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let options = OpenOptions { missing: MissingSubbands::Split, ..OpenOptions::default() };

    let summary_s = best(|| paths.iter().map(|p| summarise(p).map(|s| s.n_rows)).collect::<Result<Vec<_>, _>>())
        / paths.len() as f64;
    println!("summary            {:8.3} ms a file", summary_s * 1e3);
    let open_s = best(|| pool.install(|| SubbandGroup::open(&paths, &options)));
    let group = pool.install(|| SubbandGroup::open(&paths, &options))?;
    println!("open               {:8.3} ms, index {} bytes", open_s * 1e3, group.index_bytes());

    let files = paths.iter().map(File::open).collect::<Result<Vec<_>, _>>()?;
    let bytes = group.input_bytes() as f64;
    let rate = |name: &str, seconds: f64| println!("{name:18} {:8.3} s  {:6.2} GB/s", seconds, bytes / seconds / 1e9);

    const PART: usize = 1 << 20;
    let parts: Vec<(usize, u64, usize)> = files
        .iter()
        .enumerate()
        .flat_map(|(i, f)| {
            let n = f.metadata().map_or(0, |m| m.len());
            (0..n.div_ceil(PART as u64)).map(move |k| (i, k * PART as u64, PART.min((n - k * PART as u64) as usize)))
        })
        .collect();
    // Into one buffer a thread, which stays in the cache: the least that reading can take.
    rate(
        "pread, one buffer",
        best(|| {
            pool.install(|| {
                parts.par_iter().for_each_init(
                    || vec![0_u8; PART],
                    |buffer, &(i, at, n)| {
                        files[i].read_exact_at(&mut buffer[..n], at).expect("reads");
                    },
                )
            });
        }),
    );
    rate(
        "pread, fresh memory",
        best(|| {
            let mut all = vec![0_u8; parts.len() * PART];
            pool.install(|| {
                all.par_chunks_mut(PART).zip(&parts).for_each(|(part, &(i, at, n))| {
                    files[i].read_exact_at(&mut part[..n], at).expect("reads");
                })
            });
            all
        }),
    );
    for factor in [1, 4] {
        let rows = factor * group.row_alignment();
        let starts: Vec<usize> = (0..group.n_rows()).step_by(rows).collect();
        let seconds = best(|| {
            pool.install(|| {
                starts.par_iter().for_each_init(
                    Default::default,
                    |(block, scratch): &mut (VisBlock, Scratch), &start| {
                        group.read_rows(start..(start + rows).min(group.n_rows()), block, scratch).expect("reads");
                    },
                )
            });
        });
        rate(&format!("read_rows of {rows}"), seconds);
    }
    let rows = 2 * group.row_alignment();
    let tasks: Vec<(usize, usize)> = (0..group.n_rows())
        .step_by(rows)
        .flat_map(|r| (0..group.header().windows.len()).map(move |w| (r, w)))
        .collect();
    rate(
        &format!("read_window of {rows}"),
        best(|| {
            pool.install(|| {
                tasks.par_iter().for_each_init(
                    Default::default,
                    |(slab, scratch): &mut (subband_io::vis_types::Slab, Scratch), &(start, w)| {
                        group.read_window(w, start..(start + rows).min(group.n_rows()), slab, scratch).expect("reads");
                    },
                )
            });
        }),
    );
    let mut scratch = Scratch::default();
    group.read_rows(0..group.row_alignment().min(group.n_rows()), &mut VisBlock::default(), &mut scratch)?;
    println!("mean read          {:8.0} bytes", scratch.bytes_read() as f64 / scratch.reads() as f64);
    rate("merge", best(|| pool.install(|| group.merge()).map(|m| m.bytes())));
    let before = memory("VmRSS:");
    // The peak counts from now.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let merged = pool.install(|| group.merge())?;
    let taken = memory("VmHWM:").saturating_sub(before);
    println!("merge takes {taken} bytes for arrays of {}", merged.bytes());
    Ok(())
}
