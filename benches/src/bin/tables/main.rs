//! Tables for `cargo xtask compare --tables`: every column's content by both ways, variants of storage managers, and times of
//! moving one column, ours and the plain way. One process for each measurement, so that its peak of memory is its own.

mod content;
mod transfer;
mod variants;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  tables content a.ms                          a digest of every column, by tiles and through casacore, as JSON
  tables variants DIR                          a table for every storage manager, byte order and kind of cell
  tables original big.ms --rows 1800000        the original's shape, with a DATA column of 48 × 2
  tables time ours a.ms --rows 10000           DATA in chunks of 10,000 rows";

/// Columns of casacore tables, read and written by our crates and plainly.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Prints JSON: for each column its type, ways and digests.
    Content {
        /// Rows read at once.
        #[arg(long, default_value_t = 7)]
        rows: usize,
        /// The tables.
        #[arg(required = true)]
        tables: Vec<PathBuf>,
    },
    /// Makes tables in a folder, which must not exist.
    Variants {
        /// The folder.
        folder: PathBuf,
    },
    /// Makes a table with a tiled DATA column, every value different.
    Original {
        /// The table.
        path: PathBuf,
        #[arg(long, default_value_t = 1_800_000)]
        rows: u64,
        #[arg(long, default_value_t = 48)]
        channels: usize,
        #[arg(long, default_value_t = 2)]
        correlations: usize,
        /// Rows of a tile.
        #[arg(long, default_value_t = 1024)]
        tile_rows: usize,
    },
    /// Moves a column; prints JSON.
    Time(transfer::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Task::Content { rows, tables } => content::print(&tables, rows.max(1)),
        Task::Variants { folder } => variants::make(&folder),
        Task::Original { path, rows, channels, correlations, tile_rows } => {
            variants::original(&path, rows, [channels, correlations], tile_rows)
        }
        Task::Time(args) => transfer::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&*error);
            while let Some(error) = cause {
                eprintln!("error: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
