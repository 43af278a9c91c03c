//! What was observed when.

use serde::{Deserialize, Serialize};

use crate::{
    CalTable, Error, Group, Image, Mosaic, MsRow, Reader, Record, Result, SubbandFile, keys::json, record::columns_of,
};

/// From one time to another, both included: modified Julian dates, UTC, days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeRange {
    /// The first time.
    pub from_mjd: f64,
    /// The last.
    pub to_mjd: f64,
}

/// A record that has a time: the middle of its range, or its beginning where it has no end.
pub trait ByTime: Record {
    /// The column with that time.
    #[doc(hidden)]
    const TIME: &'static str;
}

impl ByTime for SubbandFile {
    const TIME: &'static str = "timestamp_mjd";
}
impl ByTime for Group {
    const TIME: &'static str = "start_mjd";
}
impl ByTime for MsRow {
    const TIME: &'static str = "at_mjd";
}
impl ByTime for Image {
    const TIME: &'static str = "at_mjd";
}
impl ByTime for Mosaic {
    const TIME: &'static str = "at_mjd";
}
impl ByTime for CalTable {
    const TIME: &'static str = "valid_start_mjd";
}

/// The rows in each range, in the order of their times.
pub(crate) fn by_time_sql<R: ByTime>() -> String {
    let (columns, table, time) = (columns_of::<R>("t"), R::TABLE, R::TIME);
    format!(
        "SELECT k.key, t.rowid, {columns} FROM json_each(?1) AS k JOIN \"{table}\" AS t \
         ON t.\"{time}\" BETWEEN k.value ->> 0 AND k.value ->> 1 ORDER BY k.key, t.\"{time}\", t.rowid"
    )
}

/// The images without times of their own, by those of their sets.
pub(crate) fn images_by_set_time_sql() -> String {
    let columns = columns_of::<Image>("t");
    format!(
        "SELECT k.key, t.rowid, {columns} FROM json_each(?1) AS k JOIN ms_index AS m \
         ON m.at_mjd BETWEEN k.value ->> 0 AND k.value ->> 1 \
         JOIN images AS t ON t.ms_path = m.path AND t.at_mjd IS NULL ORDER BY k.key, m.at_mjd, t.rowid"
    )
}

impl Reader {
    /// The rows whose time lies in each range, in the order of their times: one query.
    ///
    /// # Errors
    /// [`Error::Number`] for a range that is not finite; as [`Reader::by_path`].
    pub fn by_time<R: ByTime>(&self, ranges: &[TimeRange]) -> Result<Vec<Vec<R>>> {
        self.in_ranges(&by_time_sql::<R>(), ranges)
    }

    /// The images whose time, or whose set's time where they have none, lies in each range: two queries. Those with a time
    /// of their own come first.
    ///
    /// # Errors
    /// As [`Reader::by_time`].
    pub fn images_by_time(&self, ranges: &[TimeRange]) -> Result<Vec<Vec<Image>>> {
        let mut found: Vec<Vec<Image>> = self.by_time(ranges)?;
        let others: Vec<Vec<Image>> = self.in_ranges(&images_by_set_time_sql(), ranges)?;
        found.iter_mut().zip(others).for_each(|(found, others)| found.extend(others));
        Ok(found)
    }

    fn in_ranges<R: Record>(&self, sql: &str, ranges: &[TimeRange]) -> Result<Vec<Vec<R>>> {
        const DOING: &str = "looking up time ranges";
        let keys = ranges.iter().map(|r| Ok([time(r.from_mjd)?, time(r.to_mjd)?])).collect::<Result<Vec<_>>>()?;
        let mut found: Vec<Vec<R>> = std::iter::repeat_with(Vec::new).take(ranges.len()).collect();
        self.query(DOING, sql, [json(&keys)], |row| {
            let place: i64 = row.get(0).map_err(|e| self.failed(DOING, e))?;
            if let Some(list) = usize::try_from(place).ok().and_then(|place| found.get_mut(place)) {
                list.push(self.record(row, 2)?);
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// A time that can be a key.
pub(crate) fn time(value: f64) -> Result<f64> {
    if value.is_finite() { Ok(value) } else { Err(Error::Number { what: "time", value }) }
}
