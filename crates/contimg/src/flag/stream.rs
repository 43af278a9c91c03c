//! The visibilities by, twice: what the array sees, then each baseline; flags out.
//!
//! A batch is as many baselines of a segment as fit a thread's share of the memory. Batches are worked on by all threads.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use casacore::Complex32;
use flag_stats::{Count, CountOptions};
use flagger::{AntennaTally, ArrayMask, ArraySurvey, Block, Reasons, Scratch, Settings, flag_baseline, flag_simple};
use indicatif::ProgressBar;
use ms_columns::{ColumnEdit, Committed, Input, Target, free_version_name};
use rayon::prelude::*;

use super::{
    BEFORE_FLAG, FlagArgs, Preset, aoflagger,
    batch::{Columns, Memory},
    index::{Index, Segment, Selection},
};
use crate::{
    failure::{Class, Failure},
    opening,
    opening::edit_options,
    progress,
};

/// What was done, for the report.
pub(super) struct Outcome {
    pub(super) set: PathBuf,
    /// Flags by FLAG alone, before and after. After a dry run: as they would be.
    pub(super) before: Count,
    pub(super) after: Count,
    pub(super) reasons: Reasons,
    /// What another program flagged, and its name.
    pub(super) external: Option<(String, u64)>,
    pub(super) selected_rows: u64,
    pub(super) rows: u64,
    pub(super) dead_antennas: Vec<i32>,
    /// The fraction of times, channels and correlations in which all baselines see interference.
    pub(super) array_fraction: f64,
    /// The flag version that was saved; none after a dry run.
    pub(super) version: Option<String>,
    pub(super) committed: Option<Committed>,
}

pub(super) fn flag(args: &FlagArgs, settings: &Settings) -> Result<Outcome, Failure> {
    let of_columns = |error| Failure::of_columns(&error);
    opening::heal(&args.set)?;
    // Before anything is done that is undone by a name that is not there.
    let selection = Selection::new(args)?;
    // The other program comes first: it takes long, and the set is not locked meanwhile.
    let shadow = match args.preset {
        Preset::Aoflagger => Some(aoflagger::run(args)?),
        Preset::Standard | Preset::Simple => None,
    };
    let mut edit = None;
    let mut version = None;
    if !args.dry_run {
        let targets = [Target::existing("FLAG"), Target::existing("FLAG_ROW")];
        let mut begun = ColumnEdit::begin(&args.set, &edit_options("flag", args.wait), &targets).map_err(of_columns)?;
        let name = match &args.save_as {
            Some(name) => name.clone(),
            None => free_version_name(&args.set, BEFORE_FLAG).map_err(of_columns)?,
        };
        begun.save_flags(&name).map_err(of_columns)?;
        version = Some(name);
        edit = Some(begun);
    }
    let before = count(args)?;
    let table = casacore::Table::open(&args.set).map_err(|error| Failure::of(Class::Input, &error))?;
    let rows = table.rows().map_err(|error| Failure::of(Class::Input, &error))?;
    drop(table);
    let index = Index::read(&args.set, rows, &selection)?;
    if index.rows == 0 {
        return Err(Failure::new(Class::Input, format!("{}: the selection has no rows", args.set.display()))
            .hint("`contimg meta MS` lists windows, fields and scans"));
    }
    let mut row_flags = Vec::new();
    Input::<bool>::open(&args.set, "FLAG_ROW")
        .and_then(|column| column.read_into(0..rows, &mut row_flags))
        .map_err(of_columns)?;
    let out = match &edit {
        None => None,
        Some(edit) => Some((
            edit.column::<bool>("FLAG").map_err(of_columns)?,
            edit.column::<bool>("FLAG_ROW").map_err(of_columns)?,
        )),
    };
    let external = match &shadow {
        Some(shadow) => Some(Input::<bool>::open(shadow.set(), "FLAG").map_err(of_columns)?),
        None => None,
    };
    let columns = Columns {
        data: Input::open(&args.set, &args.column).map_err(of_columns)?,
        flag: Input::open(&args.set, "FLAG").map_err(of_columns)?,
        row_flags,
        out,
        external,
    };
    let work = Work { columns, settings, threads_bytes: args.memory.0 as usize / rayon::current_num_threads().max(1) };
    let bar = progress::bar(2 * index.rows, "flagging", args.quiet || args.json);
    let totals = work.all(&index, &bar)?;
    bar.finish_and_clear();
    drop(work);
    drop(shadow);
    let committed = edit.map(ColumnEdit::commit).transpose().map_err(of_columns)?;
    let after = match &committed {
        Some(_) => count(args)?,
        None => {
            let new = totals.reasons.total() + totals.external;
            Count { flag: before.flag + new, flag_or_row: before.flag_or_row + new, ..before }
        }
    };
    Ok(Outcome {
        set: args.set.clone(),
        before,
        after,
        reasons: totals.reasons,
        external: (args.preset == Preset::Aoflagger).then(|| ("aoflagger".to_owned(), totals.external)),
        selected_rows: index.rows,
        rows,
        dead_antennas: totals.dead,
        array_fraction: totals.array_fraction,
        version,
        committed,
    })
}

/// All flags of the set.
fn count(args: &FlagArgs) -> Result<Count, Failure> {
    let stats = flag_stats::count(&args.set, &CountOptions::default()).map_err(|error| {
        let failure = Failure::of(Class::Input, &error);
        error.hint().map_or(failure.clone(), |hint| failure.hint(hint))
    })?;
    Ok(stats.total.all())
}

/// What all batches together found.
#[derive(Default)]
struct Totals {
    reasons: Reasons,
    external: u64,
    dead: Vec<i32>,
    array_fraction: f64,
}

/// What one batch found.
#[derive(Default)]
struct Found {
    reasons: Reasons,
    external: u64,
    /// Flagged and all visibilities, by baseline.
    tally: BTreeMap<u32, (u64, u64)>,
}

struct Work<'a> {
    columns: Columns,
    settings: &'a Settings,
    threads_bytes: usize,
}

impl Work<'_> {
    fn all(&self, index: &Index, bar: &ProgressBar) -> Result<Totals, Failure> {
        let mut totals = Totals::default();
        let found = Mutex::new(Found::default());
        let (mut masked, mut samples) = (0.0, 0.0);
        for segment in &index.segments {
            let shape = self.shape(segment)?;
            let batches = self.batches(segment, shape);
            let array = self.survey(segment, &batches, shape, index, bar)?;
            let weight = shape.iter().product::<usize>() as f64;
            (masked, samples) = (masked + weight * array.fraction(), samples + weight);
            batches.par_iter().try_for_each_init(Memory::default, |memory, batch| {
                let new = self.flag(segment, batch, shape, index, &array, memory)?;
                bar.inc(batch.iter().map(|baseline| baseline.len() as u64).sum());
                let mut all = found.lock().unwrap_or_else(PoisonError::into_inner);
                all.reasons += new.reasons;
                all.external += new.external;
                for (baseline, (flagged, count)) in new.tally {
                    let entry = all.tally.entry(baseline).or_default();
                    *entry = (entry.0 + flagged, entry.1 + count);
                }
                Ok(())
            })?;
        }
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        (totals.reasons, totals.external) = (found.reasons, found.external);
        totals.array_fraction = if samples > 0.0 { masked / samples } else { 0.0 };
        let mut antennas = AntennaTally::default();
        for (&baseline, &(flagged, count)) in &found.tally {
            let (a, b) = index.baselines[baseline as usize];
            antennas.add(a, b, flagged, count);
        }
        totals.dead = antennas.dead(self.settings.dead_antenna);
        let is_dead = |baseline: u32| {
            let (a, b) = index.baselines[baseline as usize];
            totals.dead.contains(&a) || totals.dead.contains(&b)
        };
        let left = found.tally.iter().filter(|(baseline, _)| is_dead(**baseline));
        totals.reasons.dead = left.map(|(_, (flagged, count))| count - flagged).sum();
        if totals.reasons.dead > 0 {
            self.flag_dead(index, is_dead)?;
        }
        Ok(totals)
    }

    /// The shape of a baseline's block.
    fn shape(&self, segment: &Segment) -> Result<[usize; 3], Failure> {
        let row = segment.places.first().map_or(0, |place| place.row);
        let cell = self.columns.data.cell(&(row..row + 1)).map_err(|error| Failure::of_columns(&error))?;
        Ok([segment.times, cell[0], cell[1]])
    }

    /// Each batch is a list of baselines, each of these a range of the segment's places.
    fn batches(&self, segment: &Segment, shape: [usize; 3]) -> Vec<Vec<Range<usize>>> {
        // The blocks, a part of them again as they are read, and the memory of the searches.
        let bytes = shape.iter().product::<usize>() * (2 * size_of::<Complex32>() + 4);
        let most = (self.threads_bytes / bytes.max(1)).max(1);
        let mut batches = Vec::new();
        let mut batch = Vec::new();
        let mut first = 0;
        for baseline in segment.places.chunk_by(|a, b| a.baseline == b.baseline) {
            batch.push(first..first + baseline.len());
            first += baseline.len();
            if batch.len() == most {
                batches.push(std::mem::take(&mut batch));
            }
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        batches
    }

    /// The first pass: what all baselines see.
    fn survey(
        &self,
        segment: &Segment,
        batches: &[Vec<Range<usize>>],
        shape: [usize; 3],
        index: &Index,
        bar: &ProgressBar,
    ) -> Result<ArrayMask, Failure> {
        let Some(how) = &self.settings.array else {
            bar.inc(segment.places.len() as u64);
            return Ok(ArrayMask::empty(shape));
        };
        let all = Mutex::new(ArraySurvey::new(shape));
        batches.par_iter().try_for_each_init(Memory::default, |memory, batch| {
            self.columns.load(segment, batch, shape, memory)?;
            let mut survey = ArraySurvey::new(shape);
            self.each_block(segment, batch, shape, index, memory, |block, is_autocorrelation, scratch| {
                flag_simple(block, is_autocorrelation, self.settings);
                // Autocorrelations have other statistics.
                if is_autocorrelation { Ok(()) } else { survey.add(block, scratch) }
            })?;
            bar.inc(batch.iter().map(|baseline| baseline.len() as u64).sum());
            all.lock().unwrap_or_else(PoisonError::into_inner).merge(&survey).map_err(of_flagger)
        })?;
        Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner).find(how))
    }

    /// The second pass: the flags of a batch of baselines.
    fn flag(
        &self,
        segment: &Segment,
        batch: &[Range<usize>],
        shape: [usize; 3],
        index: &Index,
        array: &ArrayMask,
        memory: &mut Memory,
    ) -> Result<Found, Failure> {
        let external = self.columns.load(segment, batch, shape, memory)?;
        let mut found = Found { external, ..Found::default() };
        self.each_block(segment, batch, shape, index, memory, |block, is_autocorrelation, scratch| {
            found.reasons += flag_simple(block, is_autocorrelation, self.settings);
            if !is_autocorrelation {
                found.reasons += flag_baseline(block, array, self.settings, scratch)?;
            }
            Ok(())
        })?;
        let row = shape[1] * shape[2];
        for (number, baseline) in batch.iter().enumerate() {
            let (mut flagged, mut all) = (0, 0);
            for time in 0..shape[0] {
                let at = number * shape[0] + time;
                if memory.present[at] {
                    all += row as u64;
                    flagged += memory.flags[at * row..(at + 1) * row].iter().filter(|&&flag| flag).count() as u64;
                }
            }
            found.tally.insert(segment.places[baseline.start].baseline, (flagged, all));
        }
        self.columns.store(shape, memory)?;
        Ok(found)
    }

    /// Calls `work` with each baseline's block and whether it is an autocorrelation.
    fn each_block(
        &self,
        segment: &Segment,
        batch: &[Range<usize>],
        shape: [usize; 3],
        index: &Index,
        memory: &mut Memory,
        mut work: impl FnMut(&mut Block<'_>, bool, &mut Scratch) -> Result<(), flagger::Error>,
    ) -> Result<(), Failure> {
        let size = shape.iter().product::<usize>().max(1);
        let Memory { visibilities, flags, scratch, .. } = memory;
        for ((baseline, visibilities), flags) in
            batch.iter().zip(visibilities.chunks_exact(size)).zip(flags.chunks_exact_mut(size))
        {
            let (a, b) = index.baselines[segment.places[baseline.start].baseline as usize];
            let mut block = Block::new(shape, visibilities, flags).map_err(of_flagger)?;
            work(&mut block, a == b, scratch).map_err(of_flagger)?;
        }
        Ok(())
    }

    /// Flags all rows of the baselines of dead antennas.
    fn flag_dead(&self, index: &Index, is_dead: impl Fn(u32) -> bool) -> Result<(), Failure> {
        let Some((flag, flag_row)) = &self.columns.out else { return Ok(()) };
        let of_columns = |error| Failure::of_columns(&error);
        for segment in &index.segments {
            let [_, channels, correlations] = self.shape(segment)?;
            let mut rows: Vec<u64> = segment
                .places
                .iter()
                .filter(|place| is_dead(place.baseline) && !self.columns.row_flags[place.row as usize])
                .map(|place| place.row)
                .collect();
            rows.sort_unstable();
            for consecutive in rows.chunk_by(|a, b| a + 1 == *b) {
                let range = consecutive[0]..consecutive[0] + consecutive.len() as u64;
                let values = vec![true; consecutive.len() * channels * correlations];
                flag.write(range.clone(), &values).map_err(of_columns)?;
                flag_row.write(range, &values[..consecutive.len()]).map_err(of_columns)?;
            }
        }
        Ok(())
    }
}

fn of_flagger(error: flagger::Error) -> Failure {
    Failure::of(Class::Input, &error)
}
