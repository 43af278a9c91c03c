//! Everything together: measure, judge, report.

use std::path::PathBuf;

use fits_header_cache::FitsCache;
use products_db::{Reader, Tile};
use rayon::prelude::*;
use serde::Serialize;

use crate::{Calibration, Error, Facts, Finding, Kind, Known, Rules, Severity, Source, measure, single, together};

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The tiles.
    pub tiles: &'a [PathBuf],
    /// The products database.
    pub database: Option<&'a Reader>,
    /// The catalogue for astrometry, in the tiles' frame.
    pub sources: Option<&'a [Source]>,
}

impl<'a> Input<'a> {
    /// The tiles, without database or catalogue.
    #[must_use]
    pub fn of(tiles: &'a [PathBuf]) -> Self {
        Self { tiles, database: None, sources: None }
    }
}

/// What is to be done with a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing was found.
    Pass,
    /// Warnings alone.
    Warn,
    /// It must not go into the mosaic.
    Fail,
}

/// What was measured and found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The tiles, in the order in which they were given.
    pub tiles: Vec<Facts>,
    /// The findings, by tile and rule: the same for any order of the tiles.
    pub findings: Vec<Finding>,
    /// How many queries the database was asked.
    pub queries: u64,
}

impl Report {
    /// Whether no tile fails.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.findings.iter().all(|f| f.severity < Severity::Error)
    }

    /// The verdict on a tile.
    #[must_use]
    pub fn verdict(&self, facts: &Facts) -> Verdict {
        // They are sorted by tile.
        let first = self.findings.partition_point(|f| f.tile < facts.path);
        let of_tile = self.findings[first..].iter().take_while(|f| f.tile == facts.path);
        let worst = of_tile.map(|f| f.severity).max();
        match worst {
            Some(Severity::Error) => Verdict::Fail,
            Some(Severity::Warning) => Verdict::Warn,
            _ => Verdict::Pass,
        }
    }

    /// The kinds of rules that tiles fail, each once.
    #[must_use]
    pub fn failed_kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> =
            self.findings.iter().filter(|f| f.severity == Severity::Error).map(|f| f.rule.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The tiles in the order of their times, those without a time last: places in [`Report::tiles`].
    #[must_use]
    pub fn chronological(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.tiles.len()).collect();
        let key = |i: usize| together::time_of(&self.tiles[i]).unwrap_or(f64::INFINITY);
        order.sort_by(|a, b| key(*a).total_cmp(&key(*b)).then_with(|| self.tiles[*a].path.cmp(&self.tiles[*b].path)));
        order
    }
}

/// Measures and judges tiles. `progress` is told of each that was measured, from any thread.
///
/// # Errors
/// [`Error::Rules`]; [`Error::Database`] when the database does not answer.
#[tracing::instrument(skip_all, fields(tiles = input.tiles.len()), err)]
pub fn validate(
    input: &Input<'_>,
    rules: &Rules,
    cache: &FitsCache,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Report, Error> {
    rules.check()?;
    let (known, queries) = match input.database {
        None => (vec![Known::NotAsked; input.tiles.len()], 0),
        Some(database) => {
            let before = database.queries();
            let rows = database.tiles(input.tiles)?;
            (rows.into_iter().map(known).collect(), database.queries() - before)
        }
    };
    let sources = input.sources;
    let tiles: Vec<Facts> = input
        .tiles
        .par_iter()
        .zip(known)
        .map(|(path, known)| {
            let facts = measure::measure(path, known, rules, cache, sources);
            progress(1);
            facts
        })
        .collect();
    let mut findings = Vec::new();
    let single = tiles
        .iter()
        .enumerate()
        .flat_map(|(i, facts)| single::judge(facts, rules).into_iter().map(move |raw| (i, raw)));
    for (i, (rule, value, limit, message)) in single.chain(together::judge(&tiles, rules)) {
        let severity = rules.severity_of(rule);
        if severity > Severity::Off {
            findings.push(Finding { tile: tiles[i].path.clone(), rule, severity, value, limit, message });
        }
    }
    findings.sort_by(|a, b| (&a.tile, a.rule, &a.message).cmp(&(&b.tile, b.rule, &b.message)));
    Ok(Report { tiles, findings, queries })
}

/// What the database's answer says.
fn known(tile: Option<Tile>) -> Known {
    let Some(tile) = tile else { return Known::Unknown };
    let mut calibration = Calibration {
        set: tile.ms_path.as_ref().map(ToString::to_string),
        applied: tile.set.as_ref().map(|set| set.cal_applied == Some(true)),
        mid_mjd: tile.mid_mjd,
        pbcor: tile.pbcor,
        ..Calibration::default()
    };
    for applied in &tile.tables {
        let path = applied.path.to_string();
        if applied.success == Some(false) {
            calibration.failed.push(path.clone());
        }
        // A table that the database does not know, or that belongs to no set, is a set of its own.
        let table = applied.table.as_deref();
        calibration.table_sets.push(table.and_then(|t| t.set_name.clone()).unwrap_or_else(|| path.clone()));
        if let (Some(table), Some(time)) = (table, tile.mid_mjd) {
            let early = table.valid_start_mjd.map_or(0.0, |start| start - time);
            let late = table.valid_end_mjd.map_or(0.0, |end| time - end);
            let outside = early.max(late);
            if outside > 0.0 {
                calibration.outside.push((path, outside));
            }
        }
    }
    calibration.table_sets.sort_unstable();
    calibration.table_sets.dedup();
    Known::Known(calibration)
}
