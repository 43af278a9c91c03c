//! Changes of a set by others: each changes the files and the model alike, and tells the caches nothing.

use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use casacore::Table;
use casacore::tiles::TiledColumn;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::model::{CELL, Model, Storage};
use crate::writer::Writer;

type Failed = Box<dyn std::error::Error>;

/// The tables that are copied and replaced as a whole.
pub(crate) const SUBTABLES: [&str; 5] = ["FIELD", "ANTENNA", "SPECTRAL_WINDOW", "OBSERVATION", "DATA_DESCRIPTION"];

/// An edit of one table: what a writer is asked to do to it. The model is changed when it is made.
pub(crate) struct Edit {
    pub(crate) table: PathBuf,
    pub(crate) work: Vec<Value>,
}

impl Edit {
    /// Whether both write to one cell, or to rows of which one makes a new one.
    pub(crate) fn touches(&self, other: &Self) -> bool {
        let grows = |edit: &Self| edit.work.iter().any(|work| work[0] == "rows");
        let cells = |edit: &Self| edit.work.iter().map(|work| (work[1].clone(), work[2].clone())).collect::<Vec<_>>();
        self.table == other.table
            && (grows(self) || grows(other) || cells(self).iter().any(|cell| cells(other).contains(cell)))
    }
}

/// A random edit of one table of the set at `path`.
pub(crate) fn edit(path: &Path, model: &mut Model, rng: &mut ChaCha8Rng) -> Edit {
    let rows = model.main.scans.len();
    let number: u32 = rng.random();
    let (table, work) = match rng.random_range(0..14) {
        0 | 1 => {
            let row = rng.random_range(0..model.fields.len());
            let centre = [f64::from(number) * 1e-9, -f64::from(number) * 1e-10];
            model.fields[row].1 = centre;
            ("FIELD", vec![json!(["array", "PHASE_DIR", row, [centre], "f8"])])
        }
        2 => {
            // Short ones are in the row's bucket, long ones in a bucket of strings.
            let row = rng.random_range(0..model.fields.len());
            let name = if number.is_multiple_of(2) {
                format!("f{}", number % 100_000)
            } else {
                format!("field number {number}")
            };
            model.fields[row].0.clone_from(&name);
            ("FIELD", vec![json!(["cell", "NAME", row, name])])
        }
        3 => {
            let row = rng.random_range(0..model.antennas.len());
            model.antennas[row] = format!("pad{}", number % 1000);
            ("ANTENNA", vec![json!(["cell", "NAME", row, model.antennas[row]])])
        }
        4 => {
            let row = rng.random_range(0..model.ref_freq_hz.len());
            model.ref_freq_hz[row] = f64::from(number);
            ("SPECTRAL_WINDOW", vec![json!(["cell", "REF_FREQUENCY", row, model.ref_freq_hz[row]])])
        }
        5 => {
            model.telescope = format!("T{}", number % 1_000_000);
            ("OBSERVATION", vec![json!(["cell", "TELESCOPE_NAME", 0, model.telescope])])
        }
        6 if model.windows.len() < 12 => {
            let (row, window) = (model.windows.len(), (number % 2) as i32);
            model.windows.push(window);
            let cells = [("SPECTRAL_WINDOW_ID", window), ("POLARIZATION_ID", 0)];
            let mut work = vec![json!(["rows", 1])];
            work.extend(cells.map(|(column, value)| json!(["cell", column, row, value])));
            ("DATA_DESCRIPTION", work)
        }
        7 => {
            let row = rng.random_range(0..rows);
            model.main.scans[row] = (number % 9) as i32;
            ("", vec![json!(["cell", "SCAN_NUMBER", row, model.main.scans[row]])])
        }
        8 => {
            let row = rng.random_range(0..rows);
            model.main.row_flags[row] = !model.main.row_flags[row];
            ("", vec![json!(["cell", "FLAG_ROW", row, model.main.row_flags[row]])])
        }
        9 if rows < 90 => {
            // A row more, in all of MAIN's columns that matter.
            let main = &mut model.main;
            let pair = [(number % 5) as i32, (number / 5 % 5) as i32];
            main.scans.push((number % 9) as i32);
            main.antennas.push(pair);
            main.descriptions.push((number % 2) as i32);
            main.row_flags.push(false);
            main.flags.push([false; CELL[0] * CELL[1]]);
            let mut work = vec![json!(["rows", 1])];
            let cells = [("SCAN_NUMBER", main.scans[rows]), ("ANTENNA1", pair[0]), ("ANTENNA2", pair[1])];
            work.extend(cells.map(|(column, value)| json!(["cell", column, rows, value])));
            work.push(json!(["cell", "DATA_DESC_ID", rows, main.descriptions[rows]]));
            work.push(json!(["array", "FLAG", rows, vec![vec![false; CELL[1]]; CELL[0]], "bool"]));
            ("", work)
        }
        10 => {
            // One antenna, in place, as a flagger does.
            let antenna = (number % 5) as i32;
            let value = !number.is_multiple_of(3);
            let mut work = Vec::new();
            for row in (0..rows).filter(|&row| model.main.antennas[row].contains(&antenna)) {
                model.main.flags[row] = [value; CELL[0] * CELL[1]];
                work.push(json!(["array", "FLAG", row, vec![vec![value; CELL[1]]; CELL[0]], "bool"]));
            }
            ("", work)
        }
        _ => {
            // A slice of one cell.
            let (row, channel) = (rng.random_range(0..rows), rng.random_range(0..CELL[0]));
            let value = !model.main.flags[row][channel * CELL[1]];
            model.main.flags[row][channel * CELL[1]..(channel + 1) * CELL[1]].fill(value);
            let last = [channel, CELL[1] - 1];
            ("", vec![json!(["slice", "FLAG", row, [channel, 0], last, [vec![value; CELL[1]]]])])
        }
    };
    Edit { table: path.join(table), work }
}

/// python-casacore edits a table in place; with `back`, the times of its files are put back afterwards.
pub(crate) fn by_python(writer: &mut Writer, edit: &Edit, back: bool) -> Result<(), Failed> {
    let before = if back { times(&edit.table)? } else { Vec::new() };
    writer.job(&edit.table, &edit.work)?;
    put_back(before)?;
    Ok(())
}

/// Our own crate edits FLAG and a subtable in place, in this process.
pub(crate) fn by_us(path: &Path, model: &mut Model, rng: &mut ChaCha8Rng) -> Result<(), Failed> {
    let row = rng.random_range(0..model.main.scans.len());
    if rng.random_bool(0.5) && model.main.storage == Storage::Tiles {
        let value: [bool; CELL[0] * CELL[1]] = std::array::from_fn(|_| rng.random_bool(0.5));
        let column = TiledColumn::open_rw(path, "FLAG")?;
        column.update(row as u64..row as u64 + 1, 0..CELL[0], &value)?;
        model.main.flags[row] = value;
        return Ok(());
    }
    let mut table = Table::open_rw(path.join("FIELD"))?;
    let field = rng.random_range(0..model.fields.len());
    let centre = [rng.random::<f64>(), -rng.random::<f64>()];
    table.write_cell("PHASE_DIR", field as u64, &[1, 2], &centre)?;
    table.close()?;
    model.fields[field].1 = centre;
    Ok(())
}

/// A subtable's, or MAIN's own, files come from another set: `cp -p`, `rsync -t` in place or by renames.
pub(crate) fn copied(from: (&Path, &Model), to: (&Path, &mut Model), rng: &mut ChaCha8Rng) -> Result<(), Failed> {
    let table = if rng.random_bool(0.3) && from.1.main.storage == to.1.main.storage {
        ""
    } else {
        SUBTABLES[rng.random_range(0..SUBTABLES.len())]
    };
    let (source, target) = (from.0.join(table), to.0.join(table));
    let files: Vec<PathBuf> = table_files(&source)?;
    let mut command = match rng.random_range(0..3) {
        0 => {
            let mut command = Command::new("cp");
            command.arg("-p");
            command
        }
        1 => {
            let mut command = Command::new("rsync");
            command.args(["-t", "--ignore-times"]);
            command
        }
        _ => {
            let mut command = Command::new("rsync");
            command.args(["-t", "--ignore-times", "--inplace"]);
            command
        }
    };
    let done = command.args(&files).arg(&target).output()?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
    }
    take(table, from.1, to.1);
    Ok(())
}

/// A copy of a subtable, edited by python-casacore, is renamed into its place.
pub(crate) fn renamed(path: &Path, model: &mut Model, writer: &mut Writer, rng: &mut ChaCha8Rng) -> Result<(), Failed> {
    let (place, copy, old) = (path.join("FIELD"), path.join("FIELD.new"), path.join("FIELD.old"));
    fs::create_dir(&copy)?;
    for file in table_files(&place)? {
        fs::copy(&file, copy.join(file.file_name().unwrap_or_default()))?;
    }
    let row = rng.random_range(0..model.fields.len());
    let centre = [rng.random::<f64>(), 0.5];
    writer.job(&copy, &[json!(["array", "PHASE_DIR", row, [centre], "f8"])])?;
    if rng.random_bool(0.5) {
        // Back-dated to what was there, file by file.
        for (file, time) in times(&place)? {
            put_back(vec![(copy.join(file.file_name().unwrap_or_default()), time)])?;
        }
    }
    fs::rename(&place, &old)?;
    fs::rename(&copy, &place)?;
    fs::remove_dir_all(&old)?;
    model.fields[row].1 = centre;
    Ok(())
}

/// A file of the set is cut short; gives what puts it right again.
pub(crate) fn cut(path: &Path, rng: &mut ChaCha8Rng) -> io::Result<(PathBuf, Vec<u8>)> {
    let table = if rng.random_bool(0.4) { "" } else { SUBTABLES[rng.random_range(0..SUBTABLES.len())] };
    let files = table_files(&path.join(table))?;
    let file = files[rng.random_range(0..files.len())].clone();
    let whole = fs::read(&file)?;
    let length = rng.random_range(0..whole.len().max(1));
    File::options().write(true).open(&file)?.set_len(length as u64)?;
    Ok((file, whole))
}

/// The model's part of a table that was copied.
fn take(table: &str, from: &Model, to: &mut Model) {
    match table {
        "" => to.main.clone_from(&from.main),
        "FIELD" => to.fields.clone_from(&from.fields),
        "ANTENNA" => to.antennas.clone_from(&from.antennas),
        "SPECTRAL_WINDOW" => to.ref_freq_hz.clone_from(&from.ref_freq_hz),
        "OBSERVATION" => to.telescope.clone_from(&from.telescope),
        _ => to.windows.clone_from(&from.windows),
    }
}

/// The files of a table, without its subtables.
fn table_files(table: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(table)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn times(table: &Path) -> io::Result<Vec<(PathBuf, SystemTime)>> {
    table_files(table)?.into_iter().map(|file| Ok((file.clone(), fs::metadata(&file)?.modified()?))).collect()
}

fn put_back(times: Vec<(PathBuf, SystemTime)>) -> io::Result<()> {
    for (file, time) in times {
        File::options().append(true).open(&file)?.set_times(FileTimes::new().set_modified(time))?;
    }
    Ok(())
}
