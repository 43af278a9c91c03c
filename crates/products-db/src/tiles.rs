//! Everything that the checks of a mosaic's tiles ask the database: two queries, however many tiles.

use std::{collections::HashMap, path::Path, sync::Arc};

use rusqlite::{Row, types::ValueRef};

use crate::{CalTable, Reader, Result, StoredPath, record::columns_of};

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
}

/// A calibration table that was applied to a set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppliedTable {
    /// The table.
    pub path: StoredPath,
    /// What the database knows of it; tiles share one value.
    pub table: Option<Arc<CalTable>>,
    /// When it was applied.
    pub applied_at: Option<f64>,
    /// Whether that worked.
    pub success: Option<bool>,
}

/// Images, their sets and what was applied to these, from the indexes alone: named, since SQLite prefers those of the unique
/// keys. The rows of calibration tables come last; they are few and read once each.
pub(crate) fn tiles_sql() -> String {
    format!(
        "SELECT k.key, i.rowid, i.ms_path, i.noise_jy, i.dynamic_range, i.pbcor, i.start_mjd, i.end_mjd, m.rowid, \
         m.cal_applied, m.mid_mjd, m.start_mjd, m.end_mjd, a.caltable_path, a.applied_at, a.success, c.rowid, {} \
         FROM json_each(?1) AS k \
         LEFT JOIN images AS i INDEXED BY images_for_tiles ON i.path = k.value \
         LEFT JOIN ms_index AS m INDEXED BY ms_index_for_tiles ON m.path = i.ms_path \
         LEFT JOIN calibration_applied AS a INDEXED BY calibration_applied_for_tiles ON a.ms_path = i.ms_path \
         LEFT JOIN calibration_tables AS c ON c.path = a.caltable_path",
        columns_of::<CalTable>("c")
    )
}

/// The calibration tables that a look-up has met, by their paths.
type Known = HashMap<StoredPath, Option<Arc<CalTable>>>;

impl Reader {
    /// What the database knows of tiles: at most two queries. The answer has the order of `paths`; `None` stands for a tile
    /// that is not there.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn tiles(&self, paths: &[impl AsRef<Path>]) -> Result<Vec<Option<Tile>>> {
        let sql = tiles_sql();
        let mut found = self.look_up(
            paths.len(),
            || self.path_keys(paths),
            |reader, keys, found| {
                // A tile has a row for each table that was applied, one after the other, or a single one without.
                let mut known = Known::new();
                reader.rows_of_keys(&sql, keys, |place, row| {
                    if there(row, 1) {
                        if found[place].is_none() {
                            let wrong = |e| reader.wrong("images", row.get(1).unwrap_or(-1), e);
                            found[place] = Some(read(row).map_err(wrong)?);
                        }
                        if let (Some(tile), true) = (&mut found[place], there(row, 13)) {
                            tile.tables.push(reader.applied(row, &mut known)?);
                        }
                    }
                    Ok(())
                })
            },
        )?;
        for tile in found.iter_mut().flatten().filter(|t: &&mut Tile| t.tables.len() > 1) {
            let order = |t: &AppliedTable| t.table.as_ref().and_then(|t| t.order_index);
            tile.tables.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.path.cmp(&b.path)));
        }
        Ok(found)
    }

    /// The table of a row. Many tiles share one, which is read once.
    fn applied(&self, row: &Row<'_>, known: &mut Known) -> Result<AppliedTable> {
        let wrong = |e| self.wrong("calibration_applied", -1, e);
        let path: StoredPath = row.get(13).map_err(wrong)?;
        let table = match known.get(&path) {
            Some(table) => table.clone(),
            None => {
                let table = if there(row, 16) { Some(Arc::new(self.record(row, 17)?)) } else { None };
                known.insert(path.clone(), table.clone());
                table
            }
        };
        Ok(AppliedTable { path, table, applied_at: row.get(14).map_err(wrong)?, success: row.get(15).map_err(wrong)? })
    }
}

/// Whether the row's number in that column is not NULL.
fn there(row: &Row<'_>, column: usize) -> bool {
    row.get_ref(column).is_ok_and(|id| id != ValueRef::Null)
}

/// Each value takes some 50 ns: what is not needed is not read.
fn read(row: &Row<'_>) -> rusqlite::Result<Tile> {
    let set = match there(row, 8) {
        true => {
            let mid_mjd = match row.get(10)? {
                Some(mid) => Some(mid),
                None => middle(row, 11)?,
            };
            Some(TileSet { cal_applied: row.get(9)?, mid_mjd })
        }
        false => None,
    };
    let own = middle(row, 6)?;
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

/// The middle of the range in two columns, or its beginning where it has no end: what the column `at_mjd` is, which SQLite
/// cannot take from an index.
fn middle(row: &Row<'_>, start: usize) -> rusqlite::Result<Option<f64>> {
    let Some(start_mjd) = row.get::<_, Option<f64>>(start)? else { return Ok(None) };
    let end_mjd: Option<f64> = row.get(start + 1)?;
    Ok(Some(end_mjd.map_or(start_mjd, |end| (start_mjd + end) / 2.0)))
}
