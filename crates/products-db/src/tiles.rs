//! Everything that the checks of a mosaic's tiles ask the database: two queries, however many tiles.

use std::{
    collections::{HashMap, hash_map::Entry},
    path::Path,
    sync::Arc,
};

use rusqlite::{Row, types::ValueRef};

use crate::{
    CalTable, Reader, Result, StoredPath,
    keys::{Sorted, json},
    record::columns_of,
};

/// What the database knows of an image that is checked before it goes into a mosaic. The whole rows are
/// [`Reader::by_path`]'s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tile {
    /// The set that it was made of.
    pub ms_path: Option<StoredPath>,
    /// Noise, Jy/beam, as it was registered.
    pub noise_jy: Option<f64>,
    /// Peak over noise, as it was registered.
    pub dynamic_range: Option<f64>,
    /// Whether the primary beam was corrected for.
    pub pbcor: Option<bool>,
    /// The middle of its times, modified Julian date; its set's where it has none of its own.
    pub mid_mjd: Option<f64>,
    /// Its set, when the database knows it.
    pub set: Option<TileSet>,
    /// The tables that were applied to that, in the order of application.
    pub tables: Vec<AppliedTable>,
}

/// What the database knows of the set of a tile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TileSet {
    /// Whether calibration was applied.
    pub cal_applied: Option<bool>,
    /// The middle of its times, modified Julian date.
    pub mid_mjd: Option<f64>,
    /// The last stage that was done.
    pub stage: Option<String>,
}

/// A calibration table that was applied to a set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppliedTable {
    /// The table.
    pub path: StoredPath,
    /// What the database knows of it; one value for all tiles.
    pub table: Option<Arc<CalTable>>,
    /// When it was applied.
    pub applied_at: Option<f64>,
    /// Whether that worked.
    pub success: Option<bool>,
}

/// Images and their sets, from the indexes alone: named, since SQLite prefers those of the unique keys.
pub(crate) const TILES: &str = "SELECT k.key, i.rowid, i.ms_path, i.noise_jy, i.dynamic_range, i.pbcor, i.start_mjd, \
    i.end_mjd, m.rowid, m.cal_applied, m.stage, m.mid_mjd, m.start_mjd, m.end_mjd FROM json_each(?1) AS k \
    LEFT JOIN images AS i INDEXED BY images_for_tiles ON i.path = k.value \
    LEFT JOIN ms_index AS m INDEXED BY ms_index_for_tiles ON m.path = i.ms_path";

/// The tables applied to each set.
pub(crate) fn applied_sql() -> String {
    format!(
        "SELECT k.key, a.caltable_path, a.applied_at, a.success, c.rowid, {} FROM json_each(?1) AS k \
         JOIN calibration_applied AS a ON a.ms_path = k.value LEFT JOIN calibration_tables AS c ON c.path = a.caltable_path",
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
        self.query(DOING, TILES, [sorted.json()], |row| {
            let place = sorted.place(row.get(0).map_err(|e| self.failed(DOING, e))?);
            if let (Some(place), true) = (place, there(row, 1)) {
                let tile = read(row).map_err(|e| self.wrong("images", row.get(1).unwrap_or(-1), e))?;
                found[place] = Some(tile);
            }
            Ok(())
        })?;
        self.add_tables(&mut found)?;
        Ok(found)
    }

    fn add_tables(&self, found: &mut [Option<Tile>]) -> Result<()> {
        const DOING: &str = "looking up the calibration of sets";
        // The tiles by their sets, each set once.
        let set = |tile: &Option<Tile>| tile.as_ref().and_then(|t| t.ms_path.as_ref()).map(|p| p.as_str().to_owned());
        let mut tiles: Vec<(String, usize)> =
            found.iter().enumerate().filter_map(|(i, tile)| Some((set(tile)?, i))).collect();
        tiles.sort_unstable();
        let groups: Vec<&[(String, usize)]> = tiles.chunk_by(|a, b| a.0 == b.0).collect();
        let sets: Vec<&str> = groups.iter().filter_map(|group| group.first()).map(|(set, _)| set.as_str()).collect();
        if sets.is_empty() {
            return Ok(());
        }
        let mut known: HashMap<i64, Arc<CalTable>> = HashMap::new();
        self.query(DOING, &applied_sql(), [json(&sets)], |row| {
            let get = |e| self.failed(DOING, e);
            let place: i64 = row.get(0).map_err(get)?;
            let Some(group) = usize::try_from(place).ok().and_then(|place| groups.get(place)) else { return Ok(()) };
            let table = match row.get::<_, Option<i64>>(4).map_err(get)? {
                None => None,
                Some(id) => Some(match known.entry(id) {
                    Entry::Occupied(entry) => Arc::clone(entry.get()),
                    Entry::Vacant(entry) => Arc::clone(entry.insert(Arc::new(self.record(row, 5)?))),
                }),
            };
            let wrong = |e| self.wrong("calibration_applied", -1, e);
            let applied = AppliedTable {
                path: row.get(1).map_err(wrong)?,
                table,
                applied_at: row.get(2).map_err(wrong)?,
                success: row.get(3).map_err(wrong)?,
            };
            for (_, tile) in *group {
                if let Some(Some(tile)) = found.get_mut(*tile) {
                    tile.tables.push(applied.clone());
                }
            }
            Ok(())
        })?;
        for tile in found.iter_mut().flatten().filter(|t| t.tables.len() > 1) {
            let order = |t: &AppliedTable| t.table.as_ref().and_then(|t| t.order_index);
            tile.tables.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.path.cmp(&b.path)));
        }
        Ok(())
    }
}

/// Whether the row's number in that column is not NULL.
fn there(row: &Row<'_>, column: usize) -> bool {
    row.get_ref(column).is_ok_and(|id| id != ValueRef::Null)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Tile> {
    let set = match there(row, 8) {
        true => {
            let mid: Option<f64> = row.get(11)?;
            let mid_mjd = mid.or(middle(row.get(12)?, row.get(13)?));
            Some(TileSet { cal_applied: row.get(9)?, stage: row.get(10)?, mid_mjd })
        }
        false => None,
    };
    Ok(Tile {
        ms_path: row.get(2)?,
        noise_jy: row.get(3)?,
        dynamic_range: row.get(4)?,
        pbcor: row.get(5)?,
        mid_mjd: middle(row.get(6)?, row.get(7)?).or_else(|| set.as_ref()?.mid_mjd),
        set,
        tables: Vec::new(),
    })
}

/// The middle of a range, or its beginning where it has no end: what the column `at_mjd` is, which SQLite cannot take from an
/// index.
fn middle(start: Option<f64>, end: Option<f64>) -> Option<f64> {
    start.map(|start| end.map_or(start, |end| (start + end) / 2.0))
}
