//! The new files of an edit: which columns have tiles of their own, which go through casacore, which are made.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use casacore::tiles::TiledColumn;
use casacore::{OpenOptions, Table};

use crate::column::{Column, Tiles, Way};
use crate::edit::TILES_NAME;
use crate::shapes::Shapes;
use crate::target::{Absent, Fill, NewColumn, Target};
use crate::{ColumnEdit, Error, Result, shadow};

impl ColumnEdit {
    /// Makes the files that the columns of `targets` are written to.
    pub(crate) fn prepare(&mut self, targets: &[Target]) -> Result<()> {
        let set = self.set.clone();
        let existing: BTreeSet<String> = self.lock.table().columns()?.into_iter().map(|column| column.name).collect();
        let mut new: Vec<(&str, &NewColumn)> = Vec::new();
        for target in targets {
            match &target.absent {
                _ if existing.contains(&target.column) => {}
                Absent::Create(what) => new.push((&target.column, what)),
                Absent::Refuse => {
                    let column = target.column.clone();
                    return Err(casacore::Error::NoColumn { path: self.set.clone(), column }.into());
                }
            }
        }
        let is_new = |column: &str| new.iter().any(|(name, _)| *name == column);
        // Which columns have tiles of their own decides what the shadow needs.
        let mut old_tiles = Vec::new();
        for target in targets.iter().filter(|target| !is_new(&target.column)) {
            shadow::files(&self.set, &target.column)?;
            match TiledColumn::open(&self.set, &target.column) {
                Ok(tiles) => old_tiles.push((target.column.as_str(), Some(tiles))),
                Err(casacore::Error::NotTiled { .. }) => old_tiles.push((target.column.as_str(), None)),
                Err(error) => return Err(error.into()),
            }
        }
        let folder = self.edit.path().to_owned();
        let is_general = old_tiles.iter().any(|(_, tiles)| tiles.is_none());
        if is_general || !new.is_empty() {
            shadow::copy(&self.set, &folder, &self.lock)?;
        }
        if !new.is_empty() {
            shadow::add(&folder, &self.lock.table(), &new)?;
            self.created = new.iter().map(|(column, _)| (*column).to_owned()).collect();
        }
        let tiles_folder = folder.join(TILES_NAME);
        fs::create_dir(&tiles_folder).map_err(|source| Error::io(&tiles_folder, "make a folder for tiles", source))?;
        let mut general = Vec::new();
        let mut tiled: Vec<(&str, &Path)> = Vec::new();
        for (column, tiles) in &old_tiles {
            match tiles {
                Some(_) => tiled.push((column, &set)),
                None => {
                    // Its files are changed in place, as copies. Tile files were holes until now.
                    for file in shadow::files(&self.set, column)? {
                        shadow::copy_file(&file, &folder.join(shadow::name(&file)))?;
                    }
                    general.push(*column);
                }
            }
        }
        for &(column, what) in &new {
            match (TiledColumn::open(&folder, column), first_values(&self.set, what)) {
                (Ok(_), Ok(None)) => tiled.push((column, &folder)),
                (Ok(tiles), Ok(Some(like))) if shadow::same_tiles(&tiles, &like) => {
                    tiled.push((column, &folder));
                    old_tiles.push((column, Some(like)));
                }
                (Err(error), _) | (_, Err(error)) if !matches!(error, casacore::Error::NotTiled { .. }) => {
                    return Err(error.into());
                }
                _ => general.push(column),
            }
        }
        self.open_tiles(&tiled, &tiles_folder, old_tiles)?;
        if !general.is_empty() {
            self.open_general(&general, &folder, &new)?;
        }
        // In the order that they were named in.
        let place = |name: &str| targets.iter().position(|target| target.column == name);
        self.columns.sort_by_key(|column| place(&column.name));
        Ok(())
    }

    /// Columns with tiles of their own: a folder with the table's description, their headers, and holes for their tiles.
    /// `old` has the tiles that hold their values until they are written.
    fn open_tiles(
        &mut self,
        tiled: &[(&str, &Path)],
        tiles_folder: &Path,
        mut old: Vec<(&str, Option<TiledColumn>)>,
    ) -> Result<()> {
        let description = if self.created.is_empty() { &self.set } else { self.edit.path() };
        shadow::copy_file(&description.join("table.dat"), &tiles_folder.join("table.dat"))?;
        for &(column, table) in tiled {
            for file in shadow::files(table, column)? {
                let name = shadow::name(&file);
                let to = tiles_folder.join(&name);
                if name.contains("_TSM") { shadow::hole(&file, &to)? } else { shadow::copy_file(&file, &to)? }
            }
        }
        for &(column, _) in tiled {
            let writer = TiledColumn::open_rw(tiles_folder, column)?;
            let before = old.iter_mut().find(|(name, _)| *name == column).and_then(|(_, tiles)| tiles.take());
            self.columns.push(Arc::new(Column {
                set: self.set.clone(),
                name: column.to_owned(),
                kind: writer.kind(),
                shapes: Shapes::One(writer.cell()),
                way: Way::Tiled(Box::new(Tiles::new(before, writer)?)),
            }));
        }
        Ok(())
    }

    /// The other columns: through casacore, in the shadow table.
    fn open_general(&mut self, general: &[&str], folder: &Path, new: &[(&str, &NewColumn)]) -> Result<()> {
        let mut table = OpenOptions::new().write(true).open(folder)?;
        let original = Arc::new(Mutex::new(Table::open(&self.set)?));
        let mut ways = Vec::new();
        for &column in general {
            let what = new.iter().find(|(name, _)| *name == column).map(|(_, what)| *what);
            if let Some(what) = what {
                shadow::define(&mut table, &self.lock.table(), column, what)?;
            }
            let old_values = match what {
                None => Some((original.clone(), column.to_owned())),
                Some(what) if what.fill == Fill::Like => Some((original.clone(), what.like.clone())),
                Some(_) => None,
            };
            ways.push((column, table.column(column)?.kind, Shapes::of(&table, column)?, old_values));
        }
        let shared = Arc::new(Mutex::new(Some(table)));
        for (column, kind, shapes, original) in ways {
            self.columns.push(Arc::new(Column {
                set: self.set.clone(),
                name: column.to_owned(),
                kind,
                shapes,
                way: Way::General { shadow: shared.clone(), original },
            }));
        }
        self.shadow_table = Some(shared);
        Ok(())
    }
}

/// The tiles that a new column begins with: none for zeros.
fn first_values(set: &Path, what: &NewColumn) -> casacore::Result<Option<TiledColumn>> {
    match what.fill {
        Fill::Zeros => Ok(None),
        Fill::Like => TiledColumn::open(set, &what.like).map(Some),
    }
}
