//! What replacing and making a column costs beside a plain parallel write of the same bytes to a new file.
//!
//! `cargo run --release -p ms-columns --example column_cost -- FOLDER [ROWS]` makes a set in a new folder inside FOLDER (rows
//! of 48 channels and 2 correlations; 1,787,904 as in a full-size set: 1.4 GB, twice at once), and prints seconds and ratios
//! as JSON. The final syncs of both sides are not counted in the ratios and are shown apart.

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use casacore::{ColumnDesc, Complex32, DataType, Layout, Manager, OpenOptions};
use ms_columns::{ColumnEdit, EditOptions, Target};
use rayon::prelude::*;

const CELL: [usize; 2] = [48, 2];
const TILE_ROWS: usize = 384;
const BLOCK: usize = 8 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: column_cost FOLDER [ROWS]")?;
    let rows: u64 = arguments.next().map_or(Ok(1_787_904), |text| text.parse())?;
    let folder = Path::new(&folder).join("column-cost");
    fs::create_dir(&folder)?;
    let result = measure(&folder, rows);
    fs::remove_dir_all(&folder)?;
    println!("{}", result?);
    Ok(())
}

fn measure(folder: &Path, rows: u64) -> Result<String, Box<dyn Error>> {
    let set = folder.join("a.ms");
    let tile = [TILE_ROWS, CELL[0], CELL[1]];
    let windows = set.join("SPECTRAL_WINDOW");
    let mut table = Layout::new()
        .column(ColumnDesc::fixed("DATA", DataType::Complex32, CELL).indirect())
        .manager(Manager::tiled_column("TiledDATA", tile).holding(["DATA"]))
        .create_with_holes(&set, rows, &OpenOptions::new().write(true))?;
    let mut spw = Layout::new().column(ColumnDesc::scalar("NUM_CHAN", DataType::I32)).create(&windows, 1)?;
    spw.write("NUM_CHAN", 0..1, &[48])?;
    spw.close()?;
    table.put_subtable("SPECTRAL_WINDOW", &windows)?;
    table.close()?;
    let bytes = rows as usize * CELL[0] * CELL[1] * size_of::<Complex32>();
    let block = vec![Complex32::new(1.0, -1.0); BLOCK / size_of::<Complex32>()];
    let raw = vec![0x3f_u8; BLOCK];

    let mut lines = Vec::new();
    // In turns, so that a change of the machine's mood falls on both sides.
    for round in 0..3 {
        let begun = Instant::now();
        let file = File::create(folder.join("plain"))?;
        // As the column's file: threads that extend a file wait for each other.
        file.set_len(bytes as u64)?;
        (0..bytes.div_ceil(BLOCK)).into_par_iter().try_for_each(|number| {
            let length = BLOCK.min(bytes - number * BLOCK);
            file.write_all_at(&raw[..length], (number * BLOCK) as u64)
        })?;
        let plain_s = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        file.sync_data()?;
        let plain_sync_s = begun.elapsed().as_secs_f64();
        drop(file);
        fs::remove_file(folder.join("plain"))?;

        let begun = Instant::now();
        let edit = ColumnEdit::begin(&set, &EditOptions::new("column_cost"), &[Target::model()])?;
        let begin_s = begun.elapsed().as_secs_f64();
        let model = edit.column::<Complex32>("MODEL_DATA")?;
        let row_values = CELL[0] * CELL[1];
        edit.blocks(BLOCK - 1).into_par_iter().try_for_each(|rows| {
            let count = (rows.end - rows.start) as usize * row_values;
            model.write(rows, &block[..count])
        })?;
        let written_s = begun.elapsed().as_secs_f64();
        drop(model);
        let committed = edit.commit()?;
        let total_s = begun.elapsed().as_secs_f64();
        let sync_s = committed.sync.as_secs_f64();
        lines.push(format!(
            "{{\"what\": \"{}\", \"gigabytes\": {:.2}, \"plain_s\": {plain_s:.3}, \"plain_sync_s\": {plain_sync_s:.3}, \
             \"begin_s\": {begin_s:.3}, \"written_s\": {written_s:.3}, \"sync_s\": {sync_s:.3}, \
             \"all_but_sync_s\": {:.3}, \"ratio\": {:.2}}}",
            if round == 0 { "a new column" } else { "a column replaced" },
            bytes as f64 / 1e9,
            total_s - sync_s,
            (total_s - sync_s) / plain_s
        ));
    }
    Ok(format!("[\n  {}\n]", lines.join(",\n  ")))
}
