//! One column moved, whole or in chunks, several times: by our crates, and its bytes plainly.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use benches::Result;
use casacore::tiles::TiledColumn;
use casacore::{Column, ColumnOptions, Complex32, Selection};
use clap::ValueEnum;
use rayon::prelude::*;
use serde_json::json;

/// Bytes of one plain read or write; tiles of other sizes are no faster.
const BLOCK: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    /// Reads by [`Column`].
    Ours,
    /// Reads by [`Column`] through casacore.
    General,
    /// Reads the bytes of the tile file, in order, into the same memory.
    Pread,
    /// Writes by [`Column`], over what is there.
    Write,
    /// Writes by [`Column`], into a file that was made one hole.
    WriteNew,
    /// Writes as many bytes to a plain file beside the table, over what is there.
    Pwrite,
    /// The same into a new file.
    PwriteNew,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(value_enum)]
    how: How,
    /// The table.
    table: PathBuf,
    #[arg(long, default_value = "DATA")]
    column: String,
    /// Rows of a chunk; 0 for the whole column.
    #[arg(long, default_value_t = 0)]
    rows: usize,
    /// Threads; all cores by default.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Runs one after the other.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// Prints `{seconds: [one for each run], bytes, chunk_bytes, peak_bytes, way}`.
pub(crate) fn run(args: &Args) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let tiles = TiledColumn::open(&args.table, &args.column)?;
    let row = tiles.cell().iter().product::<usize>();
    let total = usize::try_from(tiles.rows())?;
    let chunk = if args.rows == 0 { total } else { args.rows.min(total) };
    let file = tiles.path().to_owned();
    drop(tiles);
    // Touched before, once for all runs: what is measured is moving the bytes.
    let mut memory = vec![Complex32::new(1.0, -1.0); chunk * row];
    let mut seconds = Vec::new();
    let mut way = String::new();
    let beside = args.table.with_extension("plain");
    for _ in 0..args.runs {
        let took = match args.how {
            How::Ours | How::General => {
                let options = ColumnOptions::new().general(args.how == How::General);
                let start = Instant::now();
                let column = options.open(&args.table, &args.column)?;
                read(&column, chunk, row, &mut memory)?;
                way = column.way().to_string();
                start.elapsed()
            }
            How::Write | How::WriteNew => {
                if args.how == How::WriteNew {
                    TiledColumn::open_rw(&args.table, &args.column)?.truncate_to_holes()?;
                }
                let start = Instant::now();
                let column = Column::open_rw(&args.table, &args.column)?;
                write(&column, chunk, row, &memory)?;
                way = column.way().to_string();
                start.elapsed()
            }
            How::Pread => {
                let start = Instant::now();
                pread(&file, total, row, chunk, &mut memory)?;
                start.elapsed()
            }
            How::Pwrite | How::PwriteNew => {
                let start = Instant::now();
                pwrite(&beside, args.how == How::PwriteNew, total, row, chunk, &memory)?;
                start.elapsed()
            }
        };
        seconds.push(took.as_secs_f64());
    }
    if beside.is_file() {
        std::fs::remove_file(&beside)?;
    }
    let [bytes, chunk_bytes] = [total, chunk].map(|rows| rows * row * size_of::<Complex32>());
    let peak_bytes = benches::high_water()?;
    let report = json!({
        "seconds": seconds, "bytes": bytes, "chunk_bytes": chunk_bytes, "peak_bytes": peak_bytes, "way": way,
    });
    println!("{report}");
    Ok(())
}

fn read(column: &Column, chunk: usize, row: usize, memory: &mut [Complex32]) -> Result<()> {
    let total = column.rows();
    for first in (0..total).step_by(chunk) {
        let rows = first..total.min(first + chunk as u64);
        let count = (rows.end - rows.start) as usize;
        column.read(&Selection::all().rows(rows), &mut memory[..count * row])?;
    }
    Ok(())
}

fn write(column: &Column, chunk: usize, row: usize, memory: &[Complex32]) -> Result<()> {
    let total = column.rows();
    for first in (0..total).step_by(chunk) {
        let rows = first..total.min(first + chunk as u64);
        let count = (rows.end - rows.start) as usize;
        column.write(&Selection::all().rows(rows), &memory[..count * row])?;
    }
    Ok(())
}

/// The bytes of each chunk in the order of the file, wherever its rows are: as many as ours moves.
fn pread(file: &Path, total: usize, row: usize, chunk: usize, memory: &mut [Complex32]) -> Result<()> {
    let file = File::open(file)?;
    let row = row * size_of::<Complex32>();
    for first in (0..total).step_by(chunk) {
        let count = chunk.min(total - first);
        let bytes = &mut bytemuck::cast_slice_mut::<_, u8>(memory)[..count * row];
        bytes
            .par_chunks_mut(BLOCK)
            .enumerate()
            .try_for_each(|(i, block)| file.read_exact_at(block, (first * row + i * BLOCK) as u64))?;
    }
    Ok(())
}

fn pwrite(file: &Path, new: bool, total: usize, row: usize, chunk: usize, memory: &[Complex32]) -> Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(new).open(file)?;
    let row = row * size_of::<Complex32>();
    for first in (0..total).step_by(chunk) {
        let count = chunk.min(total - first);
        let bytes = &bytemuck::cast_slice::<_, u8>(memory)[..count * row];
        bytes
            .par_chunks(BLOCK)
            .enumerate()
            .try_for_each(|(i, block)| file.write_all_at(block, (first * row + i * BLOCK) as u64))?;
    }
    Ok(())
}
