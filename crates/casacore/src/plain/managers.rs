//! What a table says about its data managers.

use super::store::Buckets;
use super::table::{NotPlain, not_plain};
use crate::aipsio::{Cube, TiledHeader};
use crate::{DataManager, Hypercube, PlainTable, Record, Result};

impl PlainTable {
    /// The data managers, with their columns. [`DataManager::spec`] is empty: it is casacore's own description.
    ///
    /// # Errors
    ///
    /// [`Error::NotPlain`](crate::Error::NotPlain) with the first manager that is of no kind known here;
    /// [`Error::Damaged`](crate::Error::Damaged), [`Error::Io`](crate::Error::Io).
    pub fn data_managers(&self) -> Result<Vec<DataManager>> {
        if !self.dat.separate_files {
            return Err(not_plain(&self.path, None, NotPlain::OneFile));
        }
        self.operations.read(0);
        (0..self.dat.managers.len()).map(|at| self.data_manager(at)).collect()
    }

    fn data_manager(&self, at: usize) -> Result<DataManager> {
        let (kind, number) = &self.dat.managers[at];
        let mut columns: Vec<String> = self.dat.held_by(*number).map(String::from).collect();
        columns.sort_unstable(); // as casacore has them
        let mut manager = DataManager {
            kind: kind.clone(),
            name: String::new(),
            columns,
            file: Some(*number),
            bucket_bytes: None,
            tile: None,
            hypercubes: Vec::new(),
            spec: Record::new(),
        };
        match self.store(at)?.map(|store| &store.buckets) {
            Some(Buckets::Standard(standard)) => {
                manager.name.clone_from(&standard.name);
                manager.bucket_bytes = Some(standard.bucket_bytes);
            }
            Some(Buckets::Incremental(incremental)) => {
                manager.name.clone_from(&incremental.name);
                manager.bucket_bytes = Some(incremental.bucket_bytes);
            }
            None if matches!(kind.as_str(), "TiledColumnStMan" | "TiledShapeStMan" | "TiledCellStMan") => {
                let header = TiledHeader::read(self.path.join(format!("table.f{number}")), kind)?;
                manager.tile = header.default_tile.as_deref().and_then(c_order).filter(|tile| !tile.is_empty());
                manager.hypercubes = header.cubes.iter().filter_map(|cube| self.hypercube(&header, cube)).collect();
                manager.name = header.name;
            }
            None => return Err(not_plain(&self.path, None, NotPlain::Manager(kind.clone()))),
        }
        Ok(manager)
    }

    /// None for the set without data.
    fn hypercube(&self, header: &TiledHeader, cube: &Cube) -> Option<Hypercube> {
        let (shape, tile) = (c_order(&cube.shape)?, c_order(&cube.tile)?);
        if shape.is_empty() {
            return None;
        }
        let values = cube.tile.iter().try_fold(1_u64, |n, &length| n.checked_mul(length))?;
        // A tile has the bytes of each column one after another, truth values as bits.
        let tile_bytes = header.kinds.iter().map(|&code| {
            let kind = crate::DataType::from_code(code)?;
            let bits = if kind == crate::DataType::Bool { 1 } else { 8 * kind.size()? as u64 };
            Some(values.checked_mul(bits)?.div_ceil(8))
        });
        Some(Hypercube { shape, tile, tile_bytes: tile_bytes.sum::<Option<u64>>()? })
    }
}

fn c_order(shape: &[u64]) -> Option<Vec<usize>> {
    shape.iter().rev().map(|&length| usize::try_from(length).ok()).collect()
}
