//! Sixteen subbands into a Measurement Set (optimisation 1), beside copying the same bytes to the same disk: the limit.
//!
//! Neither is synced here: `cargo xtask compare --speed` compares durable products, and with pyuvdata.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use benches::{Group, Kind, Ratios, Result, time};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ms_writer::{MsOptions, MsWriter, VisBlock};
use rayon::prelude::*;
use subband_io::{OpenOptions, Scratch, SubbandGroup};

/// Makes something of a group in a folder.
type Convert = fn(&Group, &Path) -> Result<()>;

/// As the program does it: every thread reads a block of all subbands and writes it.
fn ours(group: &Group, folder: &Path) -> Result<()> {
    let subbands = SubbandGroup::open(&group.files, &OpenOptions::default())?;
    let options = MsOptions { input_chunk_rows: subbands.row_alignment(), ..MsOptions::default() };
    let writer = MsWriter::create(&folder.join("group.ms"), subbands.header(), &options)?;
    let (rows, step) = (subbands.n_rows(), writer.rows_per_block());
    let starts: Vec<usize> = (0..rows).step_by(step).collect();
    starts.into_par_iter().with_max_len(1).try_for_each_init(
        <(VisBlock, Scratch)>::default,
        |(block, scratch), start| -> Result<()> {
            subbands.read_rows(start..rows.min(start + step), block, scratch)?;
            Ok(writer.write_block(block)?)
        },
    )?;
    writer.finish()?;
    Ok(())
}

/// Through a buffer: `fs::copy` may let the file system share the bytes instead of copying them.
fn copy(group: &Group, folder: &Path) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    for path in &group.files {
        let mut from = File::open(path)?;
        let mut to = File::create_new(folder.join(path.file_name().unwrap_or_default()))?;
        loop {
            match from.read(&mut buffer)? {
                0 => break,
                n => to.write_all(&buffer[..n])?,
            }
        }
    }
    Ok(())
}

fn convert(criterion: &mut Criterion) {
    let kind = Kind::from_environment().expect("a size that there is");
    let group = Group::make(kind).expect("room for the group");
    let title = format!("convert/{}", kind.name());
    let ratios = RefCell::new(Ratios::default());
    let mut benchmark = criterion.benchmark_group(&title);
    benchmark.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Bytes(group.bytes));
    benchmark.warm_up_time(Duration::from_millis(500));
    let ways: [(&'static str, Convert); 2] = [("ours", ours), ("copy", copy)];
    for (name, way) in ways {
        benchmark.bench_function(name, |bencher| {
            bencher.iter_custom(|n| {
                let run = |_| {
                    let folder =
                        tempfile::tempdir_in(group.folder.parent().unwrap_or(&group.folder)).expect("a folder");
                    let ((), took) = time(|| way(&group, folder.path())).expect("a group that can be converted");
                    fs::remove_dir_all(folder.path()).expect("a folder of ours");
                    ratios.borrow_mut().add(name, took);
                    took
                };
                (0..n).map(run).sum()
            });
        });
    }
    benchmark.finish();
    print!("{}", ratios.borrow().report(&title, "ours"));
}

criterion_group!(benches, convert);
criterion_main!(benches);
