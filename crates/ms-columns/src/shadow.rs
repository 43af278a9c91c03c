//! A copy of the table in which a change is made, so that casacore and the tile writer never touch the set itself.
//!
//! It lies in the folder of the edit. What a storage manager needs to be opened is copied (reflinked where the file system
//! can); the tile files that the change does not read are holes of the same length. From it only the files of the changed
//! columns go to the set.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use casacore::tiles::TiledColumn;
use casacore::{Array, Cell, ColumnDesc, Manager, OpenOptions, Ragged, Table, Values};

use crate::lock::SetLock;
use crate::target::{Fill, NewColumn};
use crate::{Error, Result};

/// A new tile is about this long where the column that it is like has no tiles.
const TILE_BYTES: usize = 512 << 10;
/// Rows that are filled at a time through casacore.
const ROWS: u64 = 4096;

/// Copies everything that casacore needs to open the table into the empty folder `to`.
pub(crate) fn copy(set: &Path, to: &Path, lock: &SetLock) -> Result<()> {
    let list = |source| Error::io(set, "list the files of the table", source);
    for entry in fs::read_dir(set).map_err(list)? {
        let entry = entry.map_err(list)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if !(name == "table.dat" || name == "table.info" || name.starts_with("table.f") || name.starts_with("table.mf"))
        {
            continue;
        }
        if name.contains("_TSM") {
            hole(&entry.path(), &to.join(name))?;
        } else {
            copy_file(&entry.path(), &to.join(name))?;
        }
    }
    lock.copy_file(&to.join("table.lock"))
}

/// Copies a file with its mode. `copy_file_range` shares the blocks where the file system can.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).map_err(|source| Error::io(to, "copy a file of the table", source))
}

/// Makes a file of the length and mode of another, without its blocks.
pub(crate) fn hole(like: &Path, at: &Path) -> Result<()> {
    let failed = |source| Error::io(at, "make a file for the new tiles", source);
    let metadata = fs::metadata(like).map_err(failed)?;
    let file = File::create(at).map_err(failed)?;
    file.set_len(metadata.len()).map_err(failed)?;
    file.set_permissions(metadata.permissions()).map_err(failed)
}

/// The files of a column, in `table`.
pub(crate) fn files(table: &Path, column: &str) -> Result<Vec<PathBuf>> {
    casacore::column_files(table, &[column])?.ok_or_else(|| Error::NotPlain { path: table.to_owned() })
}

/// A file's name, which casacore chose.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Adds columns to the shadow table. Their tiles are holes, or their cells are yet undefined.
pub(crate) fn add(shadow: &Path, set: &Table, new: &[(&str, &NewColumn)]) -> Result<()> {
    let mut table = OpenOptions::new().write(true).new_columns_as_holes().open(shadow)?;
    for &(column, what) in new {
        let (desc, manager) = describe(set, column, what)?;
        table.add_columns(&[desc], manager)?;
    }
    table.close()?;
    Ok(())
}

/// The description of a new column and its storage manager.
fn describe(set: &Table, column: &str, what: &NewColumn) -> Result<(ColumnDesc, Manager)> {
    let mut like = set.column(&what.like)?;
    like.keywords = set.column_keywords(&what.like)?;
    let value_bytes = what.kind.size().unwrap_or(8);
    let manager = format!("Tiled{column}");
    // One set of tiles: the fast way, for as long as all cells have one shape.
    let (cell, manager) = match TiledColumn::open(set.path(), &what.like) {
        Ok(tiles) if tiles.endian() == set.endian()? => {
            let one_axis = matches!(&like.cell, Cell::Fixed(shape) if shape.len() == 1);
            let ([channels, correlations], tile) = (tiles.cell(), tiles.tile());
            if one_axis {
                (Cell::Fixed(vec![correlations]), Manager::tiled_column(manager, [tile[0], tile[2]]))
            } else {
                (Cell::Fixed(vec![channels, correlations]), Manager::tiled_column(manager, tile))
            }
        }
        Ok(_) | Err(casacore::Error::NotTiled { .. }) => general_manager(set, &like, &what.like, manager, value_bytes)?,
        Err(error) => return Err(error.into()),
    };
    let mut desc = ColumnDesc { name: column.to_owned(), kind: what.kind, cell, comment: what.comment.clone(), ..like };
    desc.direct = false;
    if what.channel_selection {
        desc = desc.keyword("CHANNEL_SELECTION", channel_selection(set)?);
    }
    Ok((desc, manager))
}

/// For columns without one set of tiles: of fixed shape in tiles of about the usual size, of variable shape in one set
/// of tiles for each shape, cut as those of the column that it is like.
fn general_manager(
    set: &Table,
    like: &ColumnDesc,
    like_name: &str,
    name: String,
    value_bytes: usize,
) -> Result<(Cell, Manager)> {
    let tile_rows = |shape: &[usize]| {
        let row_bytes = shape.iter().product::<usize>().max(1) * value_bytes;
        (TILE_BYTES / row_bytes).max(8) / 8 * 8
    };
    Ok(match &like.cell {
        Cell::Fixed(shape) => {
            let tile: Vec<usize> = std::iter::once(tile_rows(shape)).chain(shape.iter().copied()).collect();
            (like.cell.clone(), Manager::tiled_column(name, tile))
        }
        _ => {
            let managers = set.data_managers()?;
            let holder = managers.iter().find(|manager| manager.columns.iter().any(|held| held == like_name));
            let tile = holder.and_then(|manager| manager.tile.clone()).filter(|tile| tile.len() == 3);
            (Cell::Variable(Some(2)), Manager::tiled_shape(name, tile.unwrap_or_else(|| vec![128, 32, 4])))
        }
    })
}

/// For each spectral window its first channel and its number of channels.
fn channel_selection(set: &Table) -> Result<Array> {
    let windows = set.open_subtable("SPECTRAL_WINDOW")?;
    let rows = windows.rows()?;
    let channels: Vec<i32> = windows.read_vec("NUM_CHAN", 0..rows)?;
    let values = channels.iter().flat_map(|&count| [0, count]).collect();
    Ok(Array { shape: vec![channels.len(), 2], values: Values::I32(values) })
}

/// Gives every cell of a new column of variable shape the shape of the column that it is like, and its first values.
pub(crate) fn define(shadow: &mut Table, set: &Table, column: &str, new: &NewColumn) -> Result<()> {
    use casacore::{Complex32, DataType};
    match new.kind {
        DataType::Complex32 => define_as::<Complex32>(shadow, set, column, new, Complex32::default()),
        DataType::F32 => define_as(shadow, set, column, new, 0_f32),
        DataType::F64 => define_as(shadow, set, column, new, 0_f64),
        DataType::Bool => define_as(shadow, set, column, new, false),
        found => Err(Error::Kind {
            path: set.path().to_owned(),
            column: column.to_owned(),
            found,
            asked: DataType::Complex32,
        }),
    }
}

fn define_as<T: casacore::Element>(
    shadow: &mut Table,
    set: &Table,
    column: &str,
    new: &NewColumn,
    zero: T,
) -> Result<()> {
    let rows = set.rows()?;
    let mut first = 0;
    while first < rows {
        let range = first..rows.min(first + ROWS);
        let cells = match new.fill {
            Fill::Like => set.read_ragged::<T>(&new.like, range.clone())?,
            Fill::Zeros => {
                let shapes = set.shapes(&new.like, range.clone())?;
                let values = shapes.iter().flatten().map(|shape| shape.iter().product::<usize>()).sum();
                Ragged { shapes, values: vec![zero; values] }
            }
        };
        // Cells without a value stay without one.
        let (mut run, mut from) = (range.start, 0);
        for part in cells.shapes.chunk_by(|a, b| a.is_some() == b.is_some()) {
            let end = run + part.len() as u64;
            if part[0].is_some() {
                let length: usize = part.iter().flatten().map(|shape| shape.iter().product::<usize>()).sum();
                let values = cells.values[from..from + length].to_vec();
                shadow.write_ragged(column, run..end, &Ragged { shapes: part.to_vec(), values })?;
                from += length;
            }
            run = end;
        }
        first = range.end;
    }
    Ok(())
}

/// The managers' byte order must be the table's; this crate only copies tiles between files of one order.
pub(crate) fn same_tiles(a: &TiledColumn, b: &TiledColumn) -> bool {
    let key = |c: &TiledColumn| (c.kind(), c.endian(), c.rows(), c.cell(), c.tile(), c.tile_bytes());
    key(a) == key(b)
}
