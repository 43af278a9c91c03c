//! Calibration tables in the products database.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use products_db::{CalTable as Row, CalibrationApplied};

use crate::calibrate::set::View;
use crate::calibrate::stages::Solved;
use crate::failure::{Class, Failure};

const SECONDS_A_DAY: f64 = 86_400.0;

fn failed(error: &products_db::Error) -> Failure {
    Failure::of(Class::Output, error)
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Registers published tables, in one transaction: those that are applied to science data.
pub(crate) fn solved(
    db: &Path,
    view: &View,
    tables: &[(&Solved, PathBuf)],
    valid_hours: f64,
    command: &str,
) -> Result<(), Failure> {
    let mut writer = crate::db::writer(db)?;
    let stored = |path: &Path| writer.folder().stored(path).map_err(|error| failed(&error));
    let (first, last) = view.time_range();
    let created_at = now_s();
    let mut rows = Vec::new();
    for (order, (solved, path)) in tables.iter().filter(|(solved, _)| solved.stage.lasting).enumerate() {
        let report = serde_json::to_string(&solved.report).map_err(|error| Failure::of(Class::Output, &error))?;
        rows.push(Row {
            path: stored(path)?,
            set_name: Some(format!("{}_{:.0}", view.name(), created_at)),
            table_type: Some(solved.stage.database_kind.into()),
            order_index: Some(order as i64),
            cal_field: None,
            refant: solved.report.reference.first().cloned().flatten(),
            created_at: Some(created_at),
            valid_start_mjd: Some((first - valid_hours * 3600.0) / SECONDS_A_DAY),
            valid_end_mjd: Some((last + valid_hours * 3600.0) / SECONDS_A_DAY),
            status: Some("active".into()),
            source_ms_path: Some(stored(&view.path)?),
            solver_command: Some(command.into()),
            solver_version: Some(env!("CARGO_PKG_VERSION").into()),
            solver_params: None,
            quality_metrics: Some(report),
            notes: None,
        });
    }
    writer.upsert(&rows).map_err(|error| failed(&error))
}

/// The tables that are valid in the middle of a set's time, in the order in which they are applied.
pub(crate) fn valid(db: &Path, view: &View) -> Result<Vec<PathBuf>, Failure> {
    let reader = crate::db::reader(db).map_err(|error| Failure::of(Class::Input, &error))?;
    let (first, last) = view.time_range();
    let middle = (first + last) / 2.0 / SECONDS_A_DAY;
    let found = reader.calibration_at(&[middle]).map_err(|error| Failure::of(Class::Input, &error))?;
    match found.into_iter().next().flatten() {
        Some(set) => Ok(set.tables.iter().map(|table| reader.folder().resolve(&table.path)).collect()),
        None => Err(Failure::new(
            Class::Input,
            format!("{}: no calibration tables are valid at MJD {middle:.5}", db.display()),
        )
        .hint("`contimg solve --db` registers tables; --tables names them")),
    }
}

/// Notes that tables were applied to a set, or that with them nothing was corrected.
pub(crate) fn applied(db: &Path, view: &View, tables: &[PathBuf], fraction: f64) -> Result<(), Failure> {
    let mut writer = crate::db::writer(db)?;
    let stored = |path: &Path| writer.folder().stored(path).map_err(|error| failed(&error));
    let set = stored(&view.path)?;
    let rows = tables
        .iter()
        .map(|path| {
            Ok(CalibrationApplied {
                ms_path: set.clone(),
                caltable_path: stored(path)?,
                applied_at: Some(now_s()),
                quality: Some(fraction),
                success: Some(fraction > 0.0),
                // Not `None`, which would leave what an earlier attempt said.
                error_message: Some(if fraction > 0.0 { "" } else { "nothing was corrected" }.to_owned()),
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    writer.upsert(&rows).map_err(|error| failed(&error))
}
