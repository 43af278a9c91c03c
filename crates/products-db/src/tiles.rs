//! Everything that the checks of a mosaic's tiles ask the database: two queries, however many tiles.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use rusqlite::{Row, types::ValueRef};

use crate::{CalTable, Reader, Result, StoredPath, keys::Sorted};

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

/// Images, their sets and what was applied to these, from the indexes alone: named, since SQLite prefers those of the unique
/// keys.
pub(crate) const TILES: &str = "SELECT k.key, i.rowid, i.ms_path, i.noise_jy, i.dynamic_range, i.pbcor, i.start_mjd, \
    i.end_mjd, m.rowid, m.cal_applied, m.stage, m.mid_mjd, m.start_mjd, m.end_mjd, a.caltable_path, a.applied_at, a.success \
    FROM json_each(?1) AS k \
    LEFT JOIN images AS i INDEXED BY images_for_tiles ON i.path = k.value \
    LEFT JOIN ms_index AS m INDEXED BY ms_index_for_tiles ON m.path = i.ms_path \
    LEFT JOIN calibration_applied AS a INDEXED BY calibration_applied_for_tiles ON a.ms_path = i.ms_path";

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
        // A tile has a row for each table that was applied, one after the other, or a single one without.
        self.query(DOING, TILES, [sorted.json()], |row| {
            let Some(place) = sorted.place(row.get(0).map_err(|e| self.failed(DOING, e))?) else { return Ok(()) };
            if there(row, 1) {
                let wrong = |e| self.wrong("images", row.get(1).unwrap_or(-1), e);
                if found[place].is_none() {
                    found[place] = Some(read(row).map_err(wrong)?);
                }
                if let (Some(tile), true) = (&mut found[place], there(row, 14)) {
                    let wrong = |e| self.wrong("calibration_applied", -1, e);
                    tile.tables.push(AppliedTable {
                        path: row.get(14).map_err(wrong)?,
                        table: None,
                        applied_at: row.get(15).map_err(wrong)?,
                        success: row.get(16).map_err(wrong)?,
                    });
                }
            }
            Ok(())
        })?;
        self.add_tables(&mut found)?;
        Ok(found)
    }

    /// What the database knows of the tables, each of which many tiles share.
    fn add_tables(&self, found: &mut [Option<Tile>]) -> Result<()> {
        let applied = found.iter().flatten().flat_map(|tile| &tile.tables);
        let mut keys: Vec<String> =
            applied.map(|t| t.path.as_str()).collect::<HashSet<_>>().into_iter().map(ToOwned::to_owned).collect();
        if keys.is_empty() {
            return Ok(());
        }
        keys.sort_unstable();
        let rows: Vec<Option<CalTable>> = self.by_text("path", &keys)?;
        let known: HashMap<String, Arc<CalTable>> =
            keys.into_iter().zip(rows).filter_map(|(key, row)| Some((key, Arc::new(row?)))).collect();
        for tile in found.iter_mut().flatten().filter(|t| !t.tables.is_empty()) {
            for applied in &mut tile.tables {
                applied.table = known.get(applied.path.as_str()).cloned();
            }
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
