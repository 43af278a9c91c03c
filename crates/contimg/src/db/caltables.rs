//! Calibration tables that are there, entered with the set to which they belong and the time for which they are valid.
//!
//! A table does not say with which others it is applied: its name does. Tables of one folder and one stem are one set, by the
//! original pipeline's endings (`night_bpcal`, `night_gpcal`) or by any (`night.B0`, `night.G0`). Where names leave it open, the
//! tables are entered as unassigned, which no look-up for a time gives: half of a calibration is worse than none.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use cal_tables::{CalTable, Kind};
use products_db::{CalTable as Row, StoredPath, Writer};

use super::{args::ImportArgs, import::BATCH, of_database};
use crate::{failure::Failure, progress, survey};

const HOURS_A_DAY: f64 = 24.0;
const SECONDS_A_DAY: f64 = 86_400.0;

/// Endings of names, the type of such tables, and their place among those that are applied: the original's registry
/// (`_detect_type_from_filename` and `DEFAULT_CALTABLE_ORDER` of its `database/unified.py`).
const ENDINGS: &[(&str, &str, i64)] = &[
    ("_2kcal", "K", 10),
    ("_kcal", "K", 10),
    ("_bacal", "BA", 20),
    ("_bpcal", "BP", 30),
    ("_gacal", "GA", 40),
    ("_gpcal", "GP", 50),
    ("_2gcal", "2G", 60),
    ("_fluxcal", "FLUX", 70),
    ("_flux.cal", "FLUX", 70),
];

/// Endings of tables that a solve needs on its way, and that are not applied to anything else.
const ON_THE_WAY: &[&str] = &["_prebp", "_prebp_phase"];

/// What we say of a table.
const ACTIVE: &str = "active";
const FAILED: &str = "failed";
const UNASSIGNED: &str = "unassigned";

/// Whether the folder of a table is a calibration table: it has antennas and windows, and no rows of a Measurement Set.
pub(super) fn is_one(table: &Path) -> bool {
    let name = table.file_name().unwrap_or_default().to_string_lossy();
    ["ANTENNA", "FIELD", "SPECTRAL_WINDOW"].iter().all(|part| table.join(part).is_dir())
        && !table.join("DATA_DESCRIPTION").exists()
        && !ON_THE_WAY.iter().any(|ending| name.ends_with(ending))
}

/// The type of a table of this name and kind, and its place in the order of application.
pub(crate) fn type_of(name: &str, kind: Kind) -> (&'static str, i64) {
    let by_name = ENDINGS.iter().find(|(ending, ..)| name.ends_with(ending));
    by_name.map_or_else(
        || match kind {
            Kind::Delay => ("K", 10),
            Kind::Bandpass => ("BP", 30),
            Kind::Gain => ("GP", 50),
            Kind::Common => ("T", 50),
        },
        |(_, kind, order)| (kind, *order),
    )
}

/// The name of the set that a table belongs to by its own name, and whether its ending says what it is.
fn stem(text: &str) -> (String, bool) {
    match ENDINGS.iter().find_map(|(ending, ..)| text.strip_suffix(ending)) {
        Some(stem) => (stem.to_owned(), true),
        None => (Path::new(text).with_extension("").to_string_lossy().into_owned(), false),
    }
}

/// A table of a set that is being put together.
struct Member {
    path: PathBuf,
    stored: StoredPath,
    /// What the database says of it.
    known: Option<Row>,
    /// Its ending says what it is.
    is_named: bool,
}

/// What was entered.
#[derive(Default)]
pub(super) struct Entered {
    pub(super) tables: usize,
    pub(super) unreadable: Vec<String>,
    /// Tables that are entered and not active, with the reason.
    pub(super) unassigned: Vec<String>,
}

/// Enters tables, set by set. Those that somebody else registered, who knows more, stay as they are, unless `--set` names
/// them. `stems` has the Measurement Sets that were found, by the stems of their names.
///
/// # Errors
/// When the database does not answer. Tables that cannot be read are told in what is given back.
pub(super) fn enter(
    writer: &mut Writer,
    tables: &[PathBuf],
    stems: &HashMap<String, StoredPath>,
    args: &ImportArgs,
    quiet: bool,
) -> Result<Entered, Failure> {
    let mut entered = Entered::default();
    let bar = progress::bar(tables.len() as u64, "reading calibration tables", quiet);
    let mut all = Vec::new();
    for (name, members) in sets(writer, tables, args)? {
        bar.inc(members.len() as u64);
        let of = |member: &Member| member.known.as_ref().and_then(|row| row.set_name.clone());
        let is_ours = |member: &Member| args.set.is_some() || of(member).is_none_or(|known| known == name);
        let (ours, theirs): (Vec<Member>, Vec<Member>) = members.into_iter().partition(is_ours);
        entered.tables += theirs.len();
        let mut set = read(writer, ours, &name, stems, &mut entered)?;
        set.registered_as = theirs.iter().find_map(of);
        set.share_validity(args.valid_hours / HOURS_A_DAY);
        all.push(set);
    }
    bar.finish_and_clear();
    if args.set.is_none() {
        let lonely = lonely(&all);
        for set in &mut all {
            if let Some(reason) = set.doubt(&lonely) {
                set.leave_open(&reason, &mut entered);
            }
        }
    }
    let rows: Vec<Row> = all.into_iter().flat_map(|set| set.rows).collect();
    entered.tables += rows.len();
    for batch in rows.chunks(BATCH) {
        writer.upsert(batch).map_err(|e| of_database(&e))?;
    }
    Ok(entered)
}

/// Folders and Measurement Sets of which several sets are made up of a single table, whose ending says nothing.
fn lonely(sets: &[Set]) -> HashSet<(PathBuf, String)> {
    let mut seen = HashSet::new();
    sets.iter().filter_map(Set::only).filter(|only| !seen.insert(only.clone())).collect()
}

/// The tables by the name of their set.
fn sets(writer: &Writer, tables: &[PathBuf], args: &ImportArgs) -> Result<BTreeMap<String, Vec<Member>>, Failure> {
    let known: Vec<Option<Row>> = writer.by_path(tables).map_err(|e| of_database(&e))?;
    let mut sets: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    for (path, known) in tables.iter().zip(known) {
        let stored = writer.folder().stored(path).map_err(|e| of_database(&e))?;
        let (stem, is_named) = stem(stored.as_str());
        let name = args.set.clone().unwrap_or(stem);
        sets.entry(name).or_default().push(Member { path: path.clone(), stored, known, is_named });
    }
    Ok(sets)
}

/// The tables of a set that are not somebody else's.
#[derive(Default)]
struct Set {
    rows: Vec<Row>,
    /// For each row whether the table's ending says what it is.
    is_named: Vec<bool>,
    /// For each row the Measurement Set, by the table's own word.
    solved_from: Vec<String>,
    /// The set that somebody else made of tables of the same stem.
    registered_as: Option<String>,
}

fn read(
    writer: &Writer,
    members: Vec<Member>,
    name: &str,
    stems: &HashMap<String, StoredPath>,
    entered: &mut Entered,
) -> Result<Set, Failure> {
    let mut set = Set::default();
    for member in members {
        let path = member.path.display();
        let read = CalTable::read(&member.path).map_err(|e| survey::chain(&e)).and_then(|table| {
            let range = table.time_range().ok_or_else(|| format!("{path}: a calibration table without solutions"))?;
            let fields = casacore::Table::open(&member.path)
                .and_then(|main| main.open_subtable("FIELD"))
                .and_then(|fields| fields.read_strings("NAME", 0..fields.rows()?))
                .map_err(|e| survey::chain(&e))?;
            Ok((table, range, fields))
        });
        match read {
            Err(reason) => entered.unreadable.push(reason),
            Ok((table, range, fields)) => {
                // The set beside the table, else the one of its name that was found.
                let beside = member.path.with_file_name(&table.set);
                let source = match !table.set.is_empty() && beside.join("table.dat").is_file() {
                    true => Some(writer.folder().stored(&beside).map_err(|e| of_database(&e))?),
                    false => Path::new(&table.set).file_stem().and_then(|s| stems.get(s.to_str()?)).cloned(),
                };
                set.is_named.push(member.is_named);
                set.solved_from.push(table.set.clone());
                set.rows.push(row(member, name, &table, range, &fields, source));
            }
        }
    }
    Ok(set)
}

/// The row of a table; valid for the times of its solutions so far.
fn row(
    member: Member,
    set: &str,
    table: &CalTable,
    (first_s, last_s): (f64, f64),
    fields: &[String],
    source: Option<StoredPath>,
) -> Row {
    let (table_type, order) = type_of(member.stored.as_str(), table.kind);
    let only = |names: BTreeSet<&str>| names.first().filter(|_| names.len() == 1).map(|name| (*name).to_owned());
    let at = |index: i32| usize::try_from(index).ok();
    let references = table.rows.iter().filter_map(|r| Some(table.antennas.get(at(r.reference)?)?.name.as_str()));
    let used = table.rows.iter().filter_map(|r| Some(fields.get(at(r.field)?)?.as_str()));
    let (solutions, flagged) = table.flagged();
    // A table that corrects nothing must not be chosen.
    let ours = if flagged < solutions { ACTIVE } else { FAILED };
    // What somebody else said of it, such as that it is retired, holds.
    let said = member.known.and_then(|row| row.status).filter(|s| ![ACTIVE, FAILED, UNASSIGNED].contains(&s.as_str()));
    Row {
        set_name: Some(set.to_owned()),
        table_type: Some(table_type.to_owned()),
        order_index: Some(order),
        cal_field: only(used.collect()),
        refant: only(references.collect()),
        created_at: member.path.join("table.dat").metadata().ok().map(|found| found.mtime() as f64),
        valid_start_mjd: Some(first_s / SECONDS_A_DAY),
        valid_end_mjd: Some(last_s / SECONDS_A_DAY),
        status: Some(said.unwrap_or_else(|| ours.to_owned())),
        source_ms_path: source,
        solver_version: Some(table.program.clone()).filter(|program| !program.is_empty()),
        path: member.stored,
        ..Row::default()
    }
}

impl Set {
    /// The tables of a set are valid together: for the times of all of their solutions, and for `margin_days` around.
    fn share_validity(&mut self, margin_days: f64) {
        let all = || self.rows.iter().filter_map(|row| Some((row.valid_start_mjd?, row.valid_end_mjd?)));
        let Some((start, end)) = all().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else { return };
        for row in &mut self.rows {
            (row.valid_start_mjd, row.valid_end_mjd) = (Some(start - margin_days), Some(end + margin_days));
        }
    }

    /// Why the names do not tell what is applied together, if so.
    fn doubt(&self, lonely: &HashSet<(PathBuf, String)>) -> Option<String> {
        if let Some(others) = &self.registered_as {
            return Some(format!("tables of its name are registered as set {others}"));
        }
        if self.only().is_some_and(|only| lonely.contains(&only)) {
            return Some(format!("other tables solved from {} have other names", self.solved_from[0]));
        }
        let types = || self.rows.iter().filter_map(|row| row.table_type.as_deref());
        let twice = self.rows.iter().zip(&self.is_named).find_map(|(row, is_named)| {
            let kind = row.table_type.as_deref().filter(|_| !is_named)?;
            (types().filter(|other| *other == kind).count() > 1).then_some(kind)
        })?;
        Some(format!("several tables of its name are of type {twice}"))
    }

    /// The folder and Measurement Set of the one table of the set, where its ending says nothing.
    fn only(&self) -> Option<(PathBuf, String)> {
        let ([row], [false], [solved_from]) = (&self.rows[..], &self.is_named[..], &self.solved_from[..]) else {
            return None;
        };
        let folder = Path::new(row.path.as_str()).parent()?.to_owned();
        (!solved_from.is_empty() && row.status.as_deref() == Some(ACTIVE)).then(|| (folder, solved_from.clone()))
    }

    /// Enters the tables so that none is looked up for a time.
    fn leave_open(&mut self, reason: &str, entered: &mut Entered) {
        for row in self.rows.iter_mut().filter(|row| row.status.as_deref() == Some(ACTIVE)) {
            row.status = Some(UNASSIGNED.to_owned());
            entered.unassigned.push(format!("{}: {reason}", row.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_table_is() {
        let of = |name: &str| {
            let (stem, is_named) = stem(name);
            (stem, is_named, type_of(name, Kind::Gain))
        };
        assert_eq!(of("cal/a.ms_0_bpcal"), ("cal/a.ms_0".into(), true, ("BP", 30)));
        assert_eq!(of("cal/a_2kcal"), ("cal/a".into(), true, ("K", 10)));
        assert_eq!(of("cal/a_flux.cal"), ("cal/a".into(), true, ("FLUX", 70)));
        assert_eq!(of("cal/a.G0"), ("cal/a".into(), false, ("GP", 50)));
        assert_eq!(of("cal/gains"), ("cal/gains".into(), false, ("GP", 50)));
    }
}
