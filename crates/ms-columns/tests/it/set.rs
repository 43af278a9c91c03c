//! Small sets of several makes whose values say where they belong.

use std::path::{Path, PathBuf};

use casacore::{Bucket, ColumnDesc, Complex32, DataType, Layout, Manager, OpenOptions, Ragged, Table};
use publish::{ManifestDraft, StageOptions, Staged};
use tempfile::TempDir;

pub(crate) const ROWS: u64 = 100;

/// How the set's storage managers hold its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    /// As this workspace writes sets: one set of tiles for each column, 6 channels in tiles of 3.
    Tiled,
    /// As most foreign sets: columns of variable shape in tiles, all cells alike; big endian.
    Foreign,
    /// Two spectral windows of 6 and 4 channels.
    Ragged,
    /// Everything in one standard storage manager.
    Standard,
}

pub(crate) const MAKES: [Make; 4] = [Make::Tiled, Make::Foreign, Make::Ragged, Make::Standard];

impl Make {
    pub(crate) fn channels(self, row: u64) -> usize {
        if self == Self::Ragged && row >= 60 { 4 } else { 6 }
    }
}

pub(crate) fn data(row: u64, channel: usize, correlation: usize) -> Complex32 {
    Complex32::new(row as f32 + channel as f32 / 16.0, correlation as f32 + 1.0)
}

pub(crate) fn flag(row: u64, channel: usize, correlation: usize) -> bool {
    (row * 7 + channel as u64 * 3 + correlation as u64).is_multiple_of(5)
}

/// The values of rows, `[row, channel, correlation]`.
pub(crate) fn values<T>(make: Make, rows: std::ops::Range<u64>, value: impl Fn(u64, usize, usize) -> T) -> Vec<T> {
    let mut all = Vec::new();
    for row in rows {
        for channel in 0..make.channels(row) {
            for correlation in 0..2 {
                all.push(value(row, channel, correlation));
            }
        }
    }
    all
}

fn cells<T>(make: Make, value: impl Fn(u64, usize, usize) -> T) -> Ragged<T> {
    let shapes = (0..ROWS).map(|row| Some(vec![make.channels(row), 2])).collect();
    Ragged { shapes, values: values(make, 0..ROWS, value) }
}

/// Makes a set inside a folder of its own.
pub(crate) fn set(make: Make) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("temporary folder");
    let path = folder.path().join("a.ms");
    build(&path, make);
    (folder, path)
}

/// The same, with a manifest.
pub(crate) fn published(make: Make) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("temporary folder");
    let path = folder.path().join("a.ms");
    let staged = Staged::create(&path, &StageOptions::default()).expect("stage");
    build(staged.path(), make);
    let draft =
        ManifestDraft { volatile: vec!["table.lock".into()], ..ManifestDraft::new("measurement-set", "it", "1") };
    staged.commit(draft).expect("commit");
    (folder, path)
}

fn build(path: &Path, make: Make) {
    let spectral = |name: &str, kind| match make {
        Make::Tiled => ColumnDesc::fixed(name, kind, [6, 2]).indirect(),
        _ => ColumnDesc::variable(name, kind, Some(2)),
    };
    let mut layout = Layout::new()
        .column(spectral("DATA", DataType::Complex32).unit("Jy").comment("The data column"))
        .column(spectral("FLAG", DataType::Bool))
        .column(ColumnDesc::fixed("WEIGHT", DataType::F32, [2]).indirect())
        .column(ColumnDesc::fixed("SIGMA", DataType::F32, [2]).indirect())
        .column(ColumnDesc::scalar("ANTENNA1", DataType::I32))
        .column(ColumnDesc::scalar("FLAG_ROW", DataType::Bool))
        .keyword("MS_VERSION", 2.0_f32);
    if make == Make::Foreign {
        layout = layout.endian(casacore::Endian::Big);
    }
    let tile = [8, 3, 2];
    let layout = match make {
        Make::Tiled => layout
            .manager(Manager::tiled_column("TiledDATA", tile).holding(["DATA"]))
            .manager(Manager::tiled_column("TiledFLAG", tile).holding(["FLAG"]))
            .manager(Manager::tiled_column("TiledWEIGHT", [8, 2]).holding(["WEIGHT"]))
            .manager(Manager::standard("Small", Bucket::Rows(64)).holding(["ANTENNA1", "FLAG_ROW", "SIGMA"])),
        Make::Foreign | Make::Ragged => layout
            .manager(Manager::tiled_shape("TiledDATA", tile).holding(["DATA"]))
            .manager(Manager::tiled_shape("TiledFLAG", [16, 6, 2]).holding(["FLAG"]))
            .manager(Manager::standard("Small", Bucket::Rows(64)).holding(["ANTENNA1", "FLAG_ROW", "WEIGHT", "SIGMA"])),
        Make::Standard => layout.manager(
            Manager::standard("All", Bucket::Rows(64))
                .holding(["DATA", "FLAG", "ANTENNA1", "FLAG_ROW", "WEIGHT", "SIGMA"]),
        ),
    };
    let mut table = layout.create(path, ROWS).expect("create");
    table.write_ragged("DATA", 0..ROWS, &cells(make, data)).expect("DATA");
    table.write_ragged("FLAG", 0..ROWS, &cells(make, flag)).expect("FLAG");
    let row_flags: Vec<bool> = (0..ROWS).map(|row| row % 9 == 4).collect();
    table.write("FLAG_ROW", 0..ROWS, &row_flags).expect("FLAG_ROW");
    let numbers: Vec<i32> = (0..ROWS as i32).collect();
    table.write("ANTENNA1", 0..ROWS, &numbers).expect("ANTENNA1");
    for name in ["WEIGHT", "SIGMA"] {
        let weights: Vec<f32> = (0..2 * ROWS).map(|i| i as f32).collect();
        table.write(name, 0..ROWS, &weights).expect("WEIGHT");
    }
    let windows = path.join("SPECTRAL_WINDOW");
    let count = if make == Make::Ragged { 2 } else { 1 };
    let mut spw =
        Layout::new().column(ColumnDesc::scalar("NUM_CHAN", DataType::I32)).create(&windows, count).expect("window");
    spw.write("NUM_CHAN", 0..count, &[6, 4][..count as usize]).expect("NUM_CHAN");
    spw.close().expect("close");
    table.put_subtable("SPECTRAL_WINDOW", &windows).expect("subtable");
    build_history(&path.join("HISTORY"));
    table.put_subtable("HISTORY", path.join("HISTORY")).expect("subtable");
    table.close().expect("close");
}

/// With one row, as its maker would have written it.
fn build_history(path: &Path) {
    let text = |name: &str| ColumnDesc::scalar(name, DataType::String);
    let texts = |name: &str| ColumnDesc::variable(name, DataType::String, Some(1));
    let mut history = Layout::new()
        .column(text("APPLICATION"))
        .column(texts("APP_PARAMS"))
        .column(texts("CLI_COMMAND"))
        .column(text("MESSAGE"))
        .column(ColumnDesc::scalar("OBJECT_ID", DataType::I32))
        .column(ColumnDesc::scalar("OBSERVATION_ID", DataType::I32))
        .column(text("ORIGIN"))
        .column(text("PRIORITY"))
        .column(ColumnDesc::scalar("TIME", DataType::F64))
        .create(path, 1)
        .expect("history");
    history.write_strings("MESSAGE", 0, &["made"]).expect("MESSAGE");
    history.close().expect("close");
}

/// The messages of HISTORY, through casacore with locks.
pub(crate) fn messages(path: &Path) -> Vec<String> {
    let history = path.join("HISTORY");
    let table = OpenOptions::new().write(true).lock(casacore::LockMode::Auto).open(history).expect("open");
    let rows = table.rows().expect("rows");
    table.read_strings("MESSAGE", 0..rows).expect("MESSAGE")
}

/// All values of a column, through casacore.
pub(crate) fn column<T: casacore::Element>(path: &Path, name: &str) -> Vec<T> {
    // With locks, as CASA opens a table: it compares the lock file with the description.
    let table = OpenOptions::new().write(true).lock(casacore::LockMode::Auto).open(path).expect("open");
    if table.fixed_shape(name).expect(name).is_some_and(|shape| shape.is_empty()) {
        return table.read_vec(name, 0..ROWS).expect(name);
    }
    table.read_ragged::<T>(name, 0..ROWS).expect(name).values
}

/// What lies in the set's folder, by name; casacore's lock file apart.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "table.lock")
        .collect();
    names.sort();
    names
}

/// Everything but the columns that a test changes is as it was made.
pub(crate) fn check_rest(path: &Path, make: Make) {
    assert_eq!(column::<Complex32>(path, "DATA"), values(make, 0..ROWS, data), "{make:?}: DATA");
    let table = Table::open(path).expect("open");
    let numbers: Vec<i32> = table.read_vec("ANTENNA1", 0..ROWS).expect("ANTENNA1");
    assert_eq!(numbers, (0..ROWS as i32).collect::<Vec<_>>());
    let weights: Vec<f32> = table.read_vec("SIGMA", 0..ROWS).expect("SIGMA");
    assert_eq!(weights, (0..2 * ROWS).map(|i| i as f32).collect::<Vec<_>>());
}
