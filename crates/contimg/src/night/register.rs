//! `contimg __register`: sets, calibration tables and images of a night, into its products database.
//!
//! What the records of the stages say is entered, so that nothing needs to be told by the stages themselves: only the head's
//! machine writes the database. The head starts this in a process of its own, since it opens sets and tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use orchestrator::{Record, Resource, Stage, State, read_all};
use products_db::{CalTable, CalibrationApplied, MsRow, Writer};

use super::{WorkArgs, ledger::DATABASE, observe::short_hash, of, request::Request};
use crate::{
    db,
    failure::{Class, Failure},
    output::errln,
};

/// A set's times are the middles of its integrations: its tables are good for a minute more.
const MARGIN_DAYS: f64 = 1.0 / 1440.0;

/// What the records tell of a night's products.
#[derive(Default)]
struct Known<'a> {
    sets: BTreeSet<PathBuf>,
    images: BTreeSet<PathBuf>,
    /// The stage that wrote each path.
    writers: BTreeMap<&'a str, &'a Record>,
    /// What decides what a stage does with any set.
    recipes: BTreeMap<String, String>,
    /// Stages that wrote CORRECTED_DATA of a set.
    calibrated: BTreeMap<PathBuf, &'a Record>,
}

pub(crate) fn run(args: &WorkArgs) -> Result<ExitCode, Failure> {
    let layout = args.layout()?;
    let records = read_all(&layout).map_err(|e| of(&e))?;
    let mut known = Known::of(layout.work(), &records)?;
    if let Some(request) = Request::read(&layout)? {
        let plan = request.plan()?;
        let recipe =
            |stage: &Stage| short_hash(format!("{:?} {:?} {:?}", stage.command, stage.env, plan.vars).as_bytes());
        known.recipes = plan.stages.iter().map(|stage| (stage.name.clone(), recipe(stage))).collect();
    }
    let mut writer = Writer::open_or_create(&layout.work().join(DATABASE)).map_err(|e| db::of_database(&e))?;
    let (sets, images): (Vec<PathBuf>, Vec<PathBuf>) =
        (known.sets.iter().cloned().collect(), known.images.iter().cloned().collect());
    let unreadable = db::import::enter(&mut writer, &sets, &images)?;
    for reason in &unreadable {
        errln!("not entered: {reason}");
    }
    for (set, record) in &known.calibrated {
        calibration(&mut writer, layout.work(), set, record, &known)?;
    }
    Ok(if unreadable.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Class::Input.exit_code()) })
}

impl<'a> Known<'a> {
    fn of(work: &Path, records: &'a [Record]) -> Result<Self, Failure> {
        let mut known = Self::default();
        for record in records.iter().filter(|record| record.state == State::Done) {
            for key in record.outputs.keys() {
                let Resource::Column { set, column } = Resource::parse(key) else {
                    known.writers.insert(key, record);
                    known.images.extend(images_in(&work.join(key))?);
                    continue;
                };
                let set = work.join(set);
                if column == "CORRECTED_DATA" {
                    known.calibrated.insert(set.clone(), record);
                }
                known.sets.insert(set);
            }
        }
        Ok(known)
    }

    /// The name that all tables of one recipe share.
    fn name_of(&self, by: &Record) -> String {
        let recipe = self.recipes.get(&by.stage).unwrap_or(&by.key);
        format!("{}-{}", by.stage, recipe.get(..12).unwrap_or(recipe))
    }
}

/// The FITS images of a product.
pub(super) fn images_in(product: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !product.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |e: &std::io::Error| Failure::io(Class::Input, format!("cannot list {}", product.display()), e);
    let mut images = Vec::new();
    for entry in fs::read_dir(product).map_err(|e| failed(&e))? {
        let path = entry.map_err(|e| failed(&e))?.path();
        if path.extension().is_some_and(|extension| extension == "fits") {
            images.push(path);
        }
    }
    images.sort();
    Ok(images)
}

/// The tables that were applied to a set, and that they were. What one recipe solved has one name, so that all tiles of a night
/// count as calibrated alike; each set's own tables are valid for its own time.
fn calibration(
    writer: &mut Writer,
    work: &Path,
    set: &Path,
    record: &Record,
    known: &Known<'_>,
) -> Result<(), Failure> {
    let failed = |e: products_db::Error| db::of_database(&e);
    let stored_set = writer.folder().stored(set).map_err(failed)?;
    let row = writer.by_path::<MsRow>(&[set]).map_err(failed)?.into_iter().next().flatten().unwrap_or_default();
    let last = record.attempts.last();
    let applied_at = last.map(|attempt| attempt.started_unix_s + attempt.seconds);
    let is_table = |key: &&String| match Resource::parse(key) {
        Resource::Path(path) => work.join(path).join("table.dat").is_file(),
        Resource::Column { .. } => false,
    };
    // In the order in which they were named: that is the order in which they were applied.
    let command = record.command.join(" ");
    let mut tables: Vec<&String> = record.inputs.keys().filter(is_table).collect();
    tables.sort_by_key(|key| command.find(key.as_str()));
    let (mut rows, mut applied) = (Vec::new(), Vec::new());
    for (order, key) in tables.into_iter().enumerate() {
        let path = writer.folder().stored(&work.join(key)).map_err(failed)?;
        applied.push(CalibrationApplied {
            ms_path: stored_set.clone(),
            caltable_path: path.clone(),
            applied_at,
            quality: None,
            success: Some(true),
            error_message: None,
        });
        let solver = known.writers.get(key.as_str());
        let table = cal_tables::CalTable::read(&work.join(key)).map_err(|e| Failure::of(Class::Input, &e))?;
        rows.push(CalTable {
            path,
            set_name: solver.map(|by| known.name_of(by)),
            table_type: Some(db::caltables::type_of(key, table.kind).0.to_owned()),
            order_index: Some(order as i64),
            cal_field: None,
            refant: None,
            created_at: solver.and_then(|by| by.attempts.last()).map(|a| a.started_unix_s + a.seconds),
            valid_start_mjd: row.start_mjd.map(|mjd| mjd - MARGIN_DAYS),
            valid_end_mjd: row.end_mjd.map(|mjd| mjd + MARGIN_DAYS),
            status: Some("active".to_owned()),
            source_ms_path: Some(stored_set.clone()),
            solver_command: solver.map(|by| by.command.join(" ")),
            solver_version: Some(table.program),
            solver_params: None,
            quality_metrics: None,
            notes: None,
        });
    }
    let calibrated = MsRow {
        path: stored_set,
        cal_applied: Some(true),
        stage: Some(record.stage.clone()),
        stage_updated_at: applied_at,
        ..MsRow::default()
    };
    writer
        .transaction(|t| t.upsert(&[calibrated]).and_then(|()| t.upsert(&rows)).and_then(|()| t.upsert(&applied)))
        .map_err(failed)
}
