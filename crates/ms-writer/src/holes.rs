//! Rows without the zeros that casacore writes for them.
//!
//! When casacore closes a table to which rows were added, it writes every tile of a tiled column, gigabytes of zeros that the
//! visibilities then replace: more time than writing the visibilities. So rows are added while the tile files are links to
//! `/dev/null`, and afterwards each becomes a hole of its full length, which reads as the same zeros.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use casacore::{LockMode, OpenOptions};

use crate::Error;
use crate::table::failed;

/// The tile files of a table, while they are links to nowhere.
#[derive(Debug)]
pub(crate) struct Nowhere {
    files: Vec<(PathBuf, u64)>,
}

impl Nowhere {
    /// Links away the tiles of the columns of one shape, of a table that has no rows yet and is closed.
    pub(crate) fn link(path: &Path, rows: usize) -> Result<Self, Error> {
        let table = OpenOptions::new().lock(LockMode::None).open(path).map_err(|e| failed(path, "MAIN", e))?;
        let managers = table.data_managers().map_err(|e| failed(path, "MAIN", e))?;
        let mut files = Vec::new();
        for manager in managers.iter().filter(|m| m.kind == "TiledColumnStMan") {
            let (Some(number), Some(column), Some(tile)) = (manager.file, manager.columns.first(), &manager.tile)
            else {
                continue;
            };
            let description = table.column(column).map_err(|e| failed(path, column, e))?;
            let casacore::Cell::Fixed(cell) = &description.cell else { continue };
            let shape = std::iter::once(rows).chain(cell.iter().copied());
            let tiles: usize = shape.zip(tile).map(|(n, t)| n.div_ceil(*t)).product();
            let values: usize = tile.iter().product();
            let tile_bytes = match description.kind {
                casacore::DataType::Bool => values.div_ceil(8),
                kind => values * kind.size().unwrap_or(0),
            };
            files.push((path.join(format!("table.f{number}_TSM0")), (tiles * tile_bytes) as u64));
        }
        table.close().map_err(|e| failed(path, "MAIN", e))?;
        for (file, _) in &files {
            let made = remove(file).and_then(|()| std::os::unix::fs::symlink("/dev/null", file));
            made.map_err(|source| Error::File { path: file.clone(), source })?;
        }
        Ok(Self { files })
    }

    /// Makes the files holes, once the table is closed.
    pub(crate) fn make_holes(self) -> Result<(), Error> {
        for (file, length) in self.files {
            let made = remove(&file).and_then(|()| File::create_new(&file)).and_then(|f| f.set_len(length));
            made.map_err(|source| Error::File { path: file, source })?;
        }
        Ok(())
    }
}

fn remove(file: &Path) -> std::io::Result<()> {
    match fs::remove_file(file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
