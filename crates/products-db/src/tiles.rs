//! Everything that the checks of a mosaic's tiles ask the database: two queries, however many tiles.

use std::{collections::HashMap, path::Path};

use rusqlite::types::ValueRef;
use serde::Serialize;

use crate::{
    CalTable, Image, MsRow, Reader, Record, Result, StoredPath,
    keys::{Sorted, json},
    record::columns_of,
};

/// An image, the set that it was made of, and what that set was calibrated with.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tile {
    /// The image.
    pub image: Image,
    /// Its set, when the database knows it.
    pub set: Option<MsRow>,
    /// The tables that were applied to that, in the order of application.
    pub tables: Vec<AppliedTable>,
}

/// A calibration table that was applied to a set.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AppliedTable {
    /// The table.
    pub path: StoredPath,
    /// What the database knows of it.
    pub table: Option<CalTable>,
    /// When it was applied.
    pub applied_at: Option<f64>,
    /// Whether that worked.
    pub success: Option<bool>,
}

/// Images and their sets.
pub(crate) fn tiles_sql() -> String {
    format!(
        "SELECT k.key, i.rowid, {}, m.rowid, {} FROM json_each(?1) AS k LEFT JOIN images AS i ON i.path = k.value \
         LEFT JOIN ms_index AS m ON m.path = i.ms_path",
        columns_of::<Image>("i"),
        columns_of::<MsRow>("m")
    )
}

/// The tables applied to each set.
pub(crate) fn applied_sql() -> String {
    format!(
        "SELECT k.key, a.caltable_path, a.applied_at, a.success, c.rowid, {} FROM json_each(?1) AS k \
         JOIN calibration_applied AS a ON a.ms_path = k.value LEFT JOIN calibration_tables AS c ON c.path = a.caltable_path \
         ORDER BY k.key, c.order_index, a.applied_at, a.caltable_path",
        columns_of::<CalTable>("c")
    )
}

impl Reader {
    /// What the database knows of tiles: at most two queries. The answer has the order of `paths`; `None` stands for a tile
    /// that is not there.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn tiles(&self, paths: &[impl AsRef<Path>]) -> Result<Vec<Option<Tile>>> {
        const DOING: &str = "looking up tiles";
        let keys = self.path_keys(paths)?;
        let sorted = Sorted::of(&keys);
        let mut found: Vec<Option<Tile>> = std::iter::repeat_with(|| None).take(keys.len()).collect();
        let there = |row: &rusqlite::Row<'_>, at: usize| row.get_ref(at).is_ok_and(|id| id != ValueRef::Null);
        let set_at = 2 + Image::COLUMNS.len();
        self.query(DOING, &tiles_sql(), [sorted.json()], |row| {
            let place = sorted.place(row.get(0).map_err(|e| self.failed(DOING, e))?);
            if let (Some(place), true) = (place, there(row, 1)) {
                let set = if there(row, set_at) { Some(self.record(row, set_at + 1)?) } else { None };
                found[place] = Some(Tile { image: self.record(row, 2)?, set, tables: Vec::new() });
            }
            Ok(())
        })?;
        self.add_tables(&mut found)?;
        Ok(found)
    }

    fn add_tables(&self, found: &mut [Option<Tile>]) -> Result<()> {
        const DOING: &str = "looking up the calibration of sets";
        // Each set once, and the tiles that it has.
        let mut tiles: HashMap<&str, Vec<usize>> = HashMap::new();
        let sets: Vec<Option<StoredPath>> =
            found.iter().map(|tile| tile.as_ref().and_then(|t| t.image.ms_path.clone())).collect();
        for (place, set) in sets.iter().enumerate() {
            if let Some(set) = set {
                tiles.entry(set.as_str()).or_default().push(place);
            }
        }
        if tiles.is_empty() {
            return Ok(());
        }
        let mut keys: Vec<&str> = tiles.keys().copied().collect();
        keys.sort_unstable();
        self.query(DOING, &applied_sql(), [json(&keys)], |row| {
            let get = |e| self.failed(DOING, e);
            let place: i64 = row.get(0).map_err(get)?;
            let Some(set) = usize::try_from(place).ok().and_then(|place| keys.get(place)) else { return Ok(()) };
            let known = row.get_ref(4).is_ok_and(|id| id != ValueRef::Null);
            let applied = AppliedTable {
                path: row.get(1).map_err(get)?,
                table: if known { Some(self.record(row, 5)?) } else { None },
                applied_at: row.get(2).map_err(get)?,
                success: row.get(3).map_err(get)?,
            };
            for tile in tiles.get(set).into_iter().flatten() {
                if let Some(Some(tile)) = found.get_mut(*tile) {
                    tile.tables.push(applied.clone());
                }
            }
            Ok(())
        })
    }
}
