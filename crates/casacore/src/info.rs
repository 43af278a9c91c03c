//! What a table says about its data managers.

use std::path::Path;

use crate::aipsio::TableDat;
use crate::record::{Record, Value};

/// A data manager: a storage manager, or an engine that computes a column from others.
#[derive(Clone, Debug, PartialEq)]
pub struct DataManager {
    /// Its kind by casacore's name: `StandardStMan`, `TiledColumnStMan`, …
    pub kind: String,
    /// Its name in the table.
    pub name: String,
    /// The columns that it holds.
    pub columns: Vec<String>,
    /// The number N of its file `table.fN`, where `table.dat` tells.
    pub file: Option<u32>,
    /// The bytes of a bucket, for the standard and incremental managers.
    pub bucket_bytes: Option<u64>,
    /// The shape of new tiles of a tiled manager: `[row, cell axes…]`, the last axis fastest.
    pub tile: Option<Vec<usize>>,
    /// The sets of tiles that a tiled manager has.
    pub hypercubes: Vec<Hypercube>,
    /// All of its settings, in casacore's words and casacore's order of axes (first axis fastest). Empty where casacore was not
    /// asked.
    pub spec: Record,
}

/// A set of tiles that cover cells of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hypercube {
    /// `[row, cell axes…]`, the last axis fastest. For a tiled cell manager, the axes of one cell.
    pub shape: Vec<usize>,
    /// The shape of its tiles, in the same order.
    pub tile: Vec<usize>,
    /// The bytes of a tile of all of the manager's columns.
    pub tile_bytes: u64,
}

impl DataManager {
    pub(crate) fn from_record(record: &Record) -> Option<Self> {
        let text = |name: &str| record.get(name).and_then(Value::as_str).map(String::from);
        let spec = record.get("SPEC").and_then(Value::as_record).cloned().unwrap_or_default();
        let cubes = spec.get("HYPERCUBES").and_then(Value::as_record);
        let hypercubes = cubes.map(|cubes| {
            cubes.iter().filter_map(|(_, cube)| Hypercube::from_record(cube.as_record()?)).collect::<Vec<_>>()
        });
        Some(Self {
            kind: text("TYPE")?,
            name: text("NAME")?,
            columns: record.get("COLUMNS")?.as_strings()?.into_iter().map(String::from).collect(),
            file: None,
            bucket_bytes: spec.get("BUCKETSIZE").and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok()),
            tile: spec.get("DEFAULTTILESHAPE").and_then(c_order).filter(|tile| !tile.is_empty()),
            hypercubes: hypercubes.unwrap_or_default(),
            spec,
        })
    }
}

impl Hypercube {
    fn from_record(cube: &Record) -> Option<Self> {
        Some(Self {
            shape: c_order(cube.get("CubeShape")?)?,
            tile: c_order(cube.get("TileShape")?)?,
            tile_bytes: u64::try_from(cube.get("BucketSize")?.as_i64()?).ok()?,
        })
    }
}

fn c_order(shape: &Value) -> Option<Vec<usize>> {
    shape.as_integers()?.iter().rev().map(|&length| usize::try_from(length).ok()).collect()
}

/// Fills in the file numbers, which only `table.dat` tells.
pub(crate) fn number_files(table: &Path, managers: &mut [DataManager]) {
    let Ok(Some(dat)) = TableDat::read(table) else { return };
    for manager in managers {
        manager.file = manager.columns.iter().find_map(|column| dat.column(column)).map(|column| column.manager);
    }
}
