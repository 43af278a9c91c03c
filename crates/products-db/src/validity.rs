//! Which calibration tables are valid at a time.

use std::path::Path;

use serde::Serialize;

use crate::{CalTable, Reader, Result, keys::json, record::columns_of, times::time};

/// The tables of one solve, in the order in which they are applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CalibrationSet {
    /// Its name.
    pub name: String,
    /// Its tables that are valid at the time.
    pub tables: Vec<CalTable>,
}

/// The active tables that are valid at each time: the latest validity first, then the latest made, then in order.
pub(crate) fn valid_sql() -> String {
    format!(
        "SELECT k.key, t.rowid, {} FROM json_each(?1) AS k JOIN calibration_tables AS t \
         ON t.status = 'active' AND t.valid_start_mjd <= k.value \
         WHERE (t.valid_end_mjd IS NULL OR t.valid_end_mjd >= k.value) \
         ORDER BY k.key, t.valid_start_mjd DESC, t.created_at DESC, t.set_name, t.order_index, t.path",
        columns_of::<CalTable>("t")
    )
}

impl Reader {
    /// For each time (modified Julian date, UTC) the set of tables to apply: of the active ones that are valid then, the set
    /// whose validity began last, and among these the one made last. `None` when nothing is valid. One query.
    ///
    /// # Errors
    /// [`crate::Error::Number`] for a time that is not finite; as [`Reader::by_path`].
    pub fn calibration_at(&self, times_mjd: &[f64]) -> Result<Vec<Option<CalibrationSet>>> {
        const DOING: &str = "looking up calibration tables";
        let keys = times_mjd.iter().map(|t| time(*t)).collect::<Result<Vec<f64>>>()?;
        let mut found: Vec<Option<CalibrationSet>> = std::iter::repeat_with(|| None).take(keys.len()).collect();
        self.query(DOING, &valid_sql(), [json(&keys)], |row| {
            let place: i64 = row.get(0).map_err(|e| self.failed(DOING, e))?;
            let Some(slot) = usize::try_from(place).ok().and_then(|place| found.get_mut(place)) else {
                return Ok(());
            };
            let table: CalTable = self.record(row, 2)?;
            // A table of no set is one of its own.
            let name = table.set_name.clone().unwrap_or_else(|| table.path.to_string());
            let set = slot.get_or_insert_with(|| CalibrationSet { name: name.clone(), tables: Vec::new() });
            if set.name == name {
                set.tables.push(table);
            }
            Ok(())
        })?;
        for set in found.iter_mut().flatten() {
            set.tables.sort_by(|a, b| a.order_index.cmp(&b.order_index).then_with(|| a.path.cmp(&b.path)));
        }
        Ok(found)
    }

    /// The tables that were solved from each set: one query.
    ///
    /// # Errors
    /// As [`Reader::by_path`].
    pub fn tables_solved_from(&self, sets: &[impl AsRef<Path>]) -> Result<Vec<Vec<CalTable>>> {
        self.many_by_text("source_ms_path", sets.len(), || self.path_keys(sets))
    }
}
