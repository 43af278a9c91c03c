//! Everything that the checks of a mosaic's tiles ask the database: two queries, however many tiles.

use std::{collections::HashMap, path::Path, sync::Arc};

use rusqlite::{Row, types::ValueRef};

use crate::{Reader, Result, StoredPath};

/// What the database knows of an image that is checked before it goes into a mosaic. The whole rows, of tables too, are
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
}

/// A calibration table that was applied to a set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppliedTable {
    /// The table.
    pub path: StoredPath,
    /// What the database knows of it; tiles share one value.
    pub table: Option<Arc<TableSummary>>,
    /// When it was applied.
    pub applied_at: Option<f64>,
    /// Whether that worked.
    pub success: Option<bool>,
}

/// What decides whether a calibration table suits a tile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableSummary {
    /// The set of tables that it belongs to.
    pub set_name: Option<String>,
    /// `K`, `BP`, `GP`, ….
    pub table_type: Option<String>,
    /// Its place in the order of application.
    pub order_index: Option<i64>,
    /// Valid from.
    pub valid_start_mjd: Option<f64>,
    /// Valid to, inclusive; for good when absent.
    pub valid_end_mjd: Option<f64>,
    /// `active`, or why not.
    pub status: Option<String>,
}

/// Images, their sets and what was applied to these, from the indexes alone: named, since SQLite prefers those of the unique
/// keys. A key of no image has no row; the cross join keeps the keys outside, in their order. The rows of calibration tables
/// come last; they are few.
pub(crate) const TILES: &str = "\
    SELECT k.key, i.rowid, i.ms_path, i.noise_jy, i.dynamic_range, i.pbcor, i.at_mjd, m.rowid, m.cal_applied, m.at_mjd, \
    a.caltable_path, a.applied_at, a.success, \
    c.rowid, c.set_name, c.table_type, c.order_index, c.valid_start_mjd, c.valid_end_mjd, c.status \
    FROM json_each(?1) AS k \
    CROSS JOIN images AS i INDEXED BY images_for_tiles ON i.path = k.value \
    LEFT JOIN ms_index AS m INDEXED BY ms_index_for_tiles ON m.path = i.ms_path \
    LEFT JOIN calibration_applied AS a INDEXED BY calibration_applied_for_tiles ON a.ms_path = i.ms_path \
    LEFT JOIN calibration_tables AS c ON c.path = a.caltable_path";

/// The calibration tables that a look-up has met, by their paths.
type Known = HashMap<StoredPath, Option<Arc<TableSummary>>>;

impl Reader {
    /// What the database knows of tiles: at most two queries. The answer has the order of `paths`; `None` stands for a tile
    /// that is not there.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn tiles(&self, paths: &[impl AsRef<Path>]) -> Result<Vec<Option<Tile>>> {
        let keys = || self.path_keys(paths);
        let mut found = self.look_up(paths.len(), keys, |reader, keys| {
            // A tile has a row for each table that was applied, one after the other, or a single one without.
            let mut known = Known::new();
            reader.rows_of_keys(TILES, keys, |found, row| {
                let tile = match found {
                    Some(tile) => tile,
                    None => {
                        let wrong = |e| reader.wrong("images", row.get(1).unwrap_or(-1), e);
                        found.insert(read(row).map_err(wrong)?)
                    }
                };
                if there(row, 10) {
                    tile.tables.push(reader.applied(row, &mut known)?);
                }
                Ok(())
            })
        })?;
        for tile in found.iter_mut().flatten().filter(|t: &&mut Tile| t.tables.len() > 1) {
            let order = |t: &AppliedTable| t.table.as_ref().and_then(|t| t.order_index);
            tile.tables.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.path.cmp(&b.path)));
        }
        Ok(found)
    }

    /// The table of a row. Many tiles share one, which is read once.
    fn applied(&self, row: &Row<'_>, known: &mut Known) -> Result<AppliedTable> {
        let wrong = |e| self.wrong("calibration_applied", -1, e);
        let path: StoredPath = row.get(10).map_err(wrong)?;
        let table = match known.get(&path) {
            Some(table) => table.clone(),
            None => {
                let of_table = |e| self.wrong("calibration_tables", row.get(13).unwrap_or(-1), e);
                let table = match there(row, 13) {
                    true => Some(Arc::new(summary(row).map_err(of_table)?)),
                    false => None,
                };
                known.insert(path.clone(), table.clone());
                table
            }
        };
        Ok(AppliedTable { path, table, applied_at: row.get(11).map_err(wrong)?, success: row.get(12).map_err(wrong)? })
    }
}

/// Whether the row's number in that column is not NULL.
fn there(row: &Row<'_>, column: usize) -> bool {
    row.get_ref(column).is_ok_and(|id| id != ValueRef::Null)
}

/// Each value takes some 50 ns: what is not needed is not read.
fn read(row: &Row<'_>) -> rusqlite::Result<Tile> {
    let set = TileSet { cal_applied: row.get(8)?, mid_mjd: row.get(9)? };
    let set = (set.cal_applied.is_some() || set.mid_mjd.is_some() || there(row, 7)).then_some(set);
    let own: Option<f64> = row.get(6)?;
    Ok(Tile {
        ms_path: row.get(2)?,
        noise_jy: row.get(3)?,
        dynamic_range: row.get(4)?,
        pbcor: row.get(5)?,
        mid_mjd: own.or_else(|| set.as_ref()?.mid_mjd),
        set,
        tables: Vec::new(),
    })
}

fn summary(row: &Row<'_>) -> rusqlite::Result<TableSummary> {
    Ok(TableSummary {
        set_name: row.get(14)?,
        table_type: row.get(15)?,
        order_index: row.get(16)?,
        valid_start_mjd: row.get(17)?,
        valid_end_mjd: row.get(18)?,
        status: row.get(19)?,
    })
}
