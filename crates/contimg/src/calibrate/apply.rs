//! `contimg apply`: CORRECTED_DATA from DATA and calibration tables, as `applycal` writes it.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cal_tables::{FlaggedChannels, InTime, InterpolateOptions};
use casacore::Complex32;
use ms_columns::{ColumnEdit, Input, Output, Target, free_version_name};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;

use crate::calibrate::args::{ApplyArgs, ChannelsArg, TimeInterpolation};
use crate::calibrate::block::{column_failure, weight_of};
use crate::calibrate::factors::{Factors, Shared};
use crate::calibrate::known::{How, Known, Loaded};
use crate::calibrate::register;
use crate::calibrate::set::View;
use crate::failure::{Class, Failure};
use crate::opening::edit_options;
use crate::output::{errln, outln};
use crate::progress;

/// The exit code where nothing was corrected.
const NOTHING: u8 = 5;

/// DATA of a block; each thread has one, and its corrected twin.
const BLOCK_BYTES: usize = 2 << 20;

pub(crate) fn run(args: &ApplyArgs) -> Result<ExitCode, Failure> {
    ms_columns::recover(&args.set).map_err(|error| column_failure(Class::Output, &error))?;
    let view = View::open(&args.set)?;
    let paths = match (&args.db, args.tables.is_empty()) {
        (Some(db), true) => register::valid(db, &view)?,
        _ => args.tables.clone(),
    };
    let tables: Vec<Loaded> = paths.iter().map(|path| Loaded::read(path)).collect::<Result<_, _>>()?;
    let known = Known::new(&view, &tables, how(args))?;
    let counts = if args.dry_run { look(args, &view, &known)? } else { write(args, &view, &known)? };
    if let (Some(db), false) = (&args.db, args.dry_run) {
        register::applied(db, &view, &paths, counts.fraction())?;
    }
    show(args, &view, &tables, &counts);
    if counts.corrected == 0 {
        errln!("error: {}: nothing was corrected: no unflagged visibility has a solution", view.path.display());
        return Ok(ExitCode::from(NOTHING));
    }
    Ok(ExitCode::SUCCESS)
}

fn how(args: &ApplyArgs) -> How {
    How {
        time: args.interpolation.map(|how| match how {
            TimeInterpolation::Nearest => InTime::Nearest,
            TimeInterpolation::Linear => InTime::Linear,
        }),
        options: InterpolateOptions {
            flagged_channels: match args.flagged_channels {
                ChannelsArg::Interpolate => FlaggedChannels::Interpolate,
                ChannelsArg::Flag => FlaggedChannels::Flag,
            },
            reach_s: args.reach_hours * 3600.0,
            ..InterpolateOptions::default()
        },
    }
}

/// What happened to the visibilities.
#[derive(Debug, Default)]
struct Counters {
    all: AtomicU64,
    flagged_before: AtomicU64,
    corrected: AtomicU64,
    newly_flagged: AtomicU64,
    not_finite: AtomicU64,
}

/// The same, when all is done.
#[derive(Clone, Copy, Debug, Serialize)]
struct Counts {
    /// Visibilities of the set.
    all: u64,
    flagged_before: u64,
    /// Not flagged, and with solutions of both antennas.
    corrected: u64,
    /// Not flagged before, and without a solution.
    newly_flagged: u64,
    /// Corrected ones that are not finite because DATA are not.
    not_finite: u64,
    /// How long the disk took at the end, seconds.
    sync_s: f64,
}

impl Counts {
    /// Of the visibilities that were not flagged, the fraction that was corrected.
    fn fraction(&self) -> f64 {
        self.corrected as f64 / (self.all - self.flagged_before).max(1) as f64
    }
}

impl Counters {
    fn add(&self, one: &Tally) {
        self.all.fetch_add(one.all, Ordering::Relaxed);
        self.flagged_before.fetch_add(one.flagged_before, Ordering::Relaxed);
        self.corrected.fetch_add(one.corrected, Ordering::Relaxed);
        self.newly_flagged.fetch_add(one.newly_flagged, Ordering::Relaxed);
        self.not_finite.fetch_add(one.not_finite, Ordering::Relaxed);
    }

    fn done(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            all: get(&self.all),
            flagged_before: get(&self.flagged_before),
            corrected: get(&self.corrected),
            newly_flagged: get(&self.newly_flagged),
            not_finite: get(&self.not_finite),
            sync_s: 0.0,
        }
    }
}

/// Of one block.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    all: u64,
    flagged_before: u64,
    corrected: u64,
    newly_flagged: u64,
    not_finite: u64,
}

/// A thread's memory.
#[derive(Debug, Default)]
struct Memory {
    data: Vec<Complex32>,
    flags: Vec<bool>,
    sigma: Vec<f32>,
    spectrum: Vec<f32>,
}

/// Corrects rows in place: `data` and `flags` are `[row, channel, correlation]`, `sigma` `[row, correlation]` becomes weights.
fn correct(
    view: &View,
    factors: &Shared<'_>,
    rows: Range<u64>,
    cell: [usize; 2],
    memory: &mut Memory,
    with_weights: bool,
) -> Tally {
    let [channels, correlations] = cell;
    let size = channels * correlations;
    let mut tally = Tally::default();
    let mut current: Option<((usize, u32), Arc<Factors>)> = None;
    let values = memory.data.chunks_exact_mut(size.max(1)).zip(memory.flags.chunks_exact_mut(size.max(1)));
    for ((row, (data, flags)), sigma) in rows.zip(values).zip(memory.sigma.chunks_exact_mut(correlations.max(1))) {
        let key = &view.rows[row as usize];
        let place = (view.description(key), key.time);
        let factors = match &current {
            Some((same, factors)) if *same == place => factors,
            _ => &current.insert((place, factors.at(place.0, place.1))).1,
        };
        let (first, second) = factors.of(key.antennas.map(usize::from));
        // The processor's widest vectors.
        let finite = pulp::Arch::new().dispatch(Multiply { data, first, second });
        if factors.has_gaps(key.antennas.map(usize::from)) {
            for ((flag, a), b) in flags.iter_mut().zip(first).zip(second) {
                let solved = (a.re != 0.0 || a.im != 0.0) && (b.re != 0.0 || b.im != 0.0);
                tally.flagged_before += u64::from(*flag);
                tally.corrected += u64::from(!*flag && solved);
                tally.newly_flagged += u64::from(!*flag && !solved);
                *flag |= !solved;
            }
        } else {
            let flagged = flags.iter().filter(|flag| **flag).count() as u64;
            tally.flagged_before += flagged;
            tally.corrected += size as u64 - flagged;
        }
        if !finite {
            let bad = data.iter().zip(flags.iter()).filter(|(value, flag)| !value.is_finite() && !**flag);
            tally.not_finite += bad.count() as u64;
        }
        tally.all += size as u64;
        let receptors = &view.descriptions[place.0].receptors;
        for (sigma, &pair) in sigma.iter_mut().zip(receptors) {
            let power = if with_weights { factors.power(key.antennas.map(usize::from), pair) } else { 1.0 };
            *sigma = weight_of(*sigma) * power;
        }
    }
    tally
}

/// Multiplies visibilities by two factors each; one without a solution, whose factor is 0, stays what was measured. Gives
/// whether all results are finite.
struct Multiply<'a> {
    data: &'a mut [Complex32],
    first: &'a [Complex32],
    second: &'a [Complex32],
}

impl pulp::WithSimd for Multiply<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> bool {
        let mut finite = true;
        for ((value, a), b) in self.data.iter_mut().zip(self.first).zip(self.second) {
            let corrected = *value * *a * *b;
            let solved = ((a.re != 0.0) | (a.im != 0.0)) & ((b.re != 0.0) | (b.im != 0.0));
            let (re, im) = if solved { (corrected.re, corrected.im) } else { (value.re, value.im) };
            *value = Complex32::new(re, im);
            finite &= re.is_finite() & im.is_finite();
        }
        finite
    }
}

/// Says what would be corrected.
fn look(args: &ApplyArgs, view: &View, known: &Known) -> Result<Counts, Failure> {
    let failed = |error: ms_columns::Error| column_failure(Class::Input, &error);
    let flags = Input::<bool>::open(&view.path, "FLAG").map_err(failed)?;
    let factors = Shared::new(view, known);
    let counters = Counters::default();
    view.check_cells(&flags)?;
    view.shape_runs(&flags)
        .windows(2)
        .flat_map(|pair| {
            (pair[0]..pair[1]).step_by(4096).map(|start| start..pair[1].min(start + 4096)).collect::<Vec<_>>()
        })
        .collect::<Vec<_>>()
        .into_par_iter()
        .try_for_each_init(Memory::default, |memory, rows| {
            let cell = flags.cell(&rows)?;
            flags.read_into(rows.clone(), &mut memory.flags)?;
            memory.data.clear();
            memory.data.resize(memory.flags.len(), Complex32::ZERO);
            memory.sigma.resize((rows.end - rows.start) as usize * cell[1], 0.0);
            counters.add(&correct(view, &factors, rows, cell, memory, !args.no_weights));
            Ok(())
        })
        .map_err(failed)?;
    Ok(counters.done())
}

/// Writes CORRECTED_DATA, FLAG and WEIGHT.
fn write(args: &ApplyArgs, view: &View, known: &Known) -> Result<Counts, Failure> {
    let failed = |error: ms_columns::Error| column_failure(Class::Output, &error);
    let has_spectrum = view.has_column("WEIGHT_SPECTRUM");
    let mut targets = vec![Target::corrected(), Target::existing("FLAG"), Target::existing("WEIGHT")];
    if has_spectrum {
        targets.push(Target::existing("WEIGHT_SPECTRUM"));
    }
    let options = edit_options("apply", args.wait);
    let version = match &args.flag_version {
        Some(name) => name.clone(),
        None => free_version_name(&view.path, "before_apply").map_err(failed)?,
    };
    let mut edit = ColumnEdit::begin(&view.path, &options, &targets).map_err(failed)?;
    edit.save_flags(&version).map_err(failed)?;
    let columns = Outputs {
        data: Input::open(edit.set(), "DATA").map_err(failed)?,
        sigma: Input::open(edit.set(), "SIGMA").map_err(failed)?,
        corrected: edit.column("CORRECTED_DATA").map_err(failed)?,
        flags: edit.column("FLAG").map_err(failed)?,
        weights: edit.column("WEIGHT").map_err(failed)?,
        spectrum: if has_spectrum { Some(edit.column("WEIGHT_SPECTRUM").map_err(failed)?) } else { None },
    };
    view.check_cells(&columns.data)?;
    columns.corrected.reserve().map_err(failed)?;
    let counters = Counters::default();
    let factors = Shared::new(view, known);
    let blocks = edit.blocks(BLOCK_BYTES);
    let bar = progress::bar(blocks.len() as u64, "applying", args.quiet || args.json);
    blocks
        .into_par_iter()
        .try_for_each_init(Memory::default, |memory, rows| {
            let tally = columns.correct(view, &factors, rows, memory, !args.no_weights)?;
            counters.add(&tally);
            bar.inc(1);
            Ok(())
        })
        .map_err(failed)?;
    drop(columns);
    bar.set_message("to the disk");
    let committed = edit.commit().map_err(failed)?;
    bar.finish_and_clear();
    Ok(Counts { sync_s: committed.sync.as_secs_f64(), ..counters.done() })
}

/// The columns of an edit.
struct Outputs {
    data: Input<Complex32>,
    sigma: Input<f32>,
    corrected: Output<Complex32>,
    flags: Output<bool>,
    weights: Output<f32>,
    spectrum: Option<Output<f32>>,
}

impl Outputs {
    fn correct(
        &self,
        view: &View,
        factors: &Shared<'_>,
        rows: Range<u64>,
        memory: &mut Memory,
        with_weights: bool,
    ) -> Result<Tally, ms_columns::Error> {
        let cell = self.data.cell(&rows)?;
        self.data.read_into(rows.clone(), &mut memory.data)?;
        memory.flags.resize(memory.data.len(), false);
        self.flags.old(rows.clone(), &mut memory.flags)?;
        self.sigma.read_into(rows.clone(), &mut memory.sigma)?;
        let tally = correct(view, factors, rows.clone(), cell, memory, with_weights);
        self.corrected.write(rows.clone(), &memory.data)?;
        self.flags.write(rows.clone(), &memory.flags)?;
        self.weights.write(rows.clone(), &memory.sigma)?;
        if let Some(spectrum) = &self.spectrum {
            // As applycal: flat over the channels.
            memory.spectrum.clear();
            for weights in memory.sigma.chunks_exact(cell[1].max(1)) {
                (0..cell[0]).for_each(|_| memory.spectrum.extend_from_slice(weights));
            }
            spectrum.write(rows, &memory.spectrum)?;
        }
        Ok(tally)
    }
}

fn show(args: &ApplyArgs, view: &View, tables: &[Loaded], counts: &Counts) {
    let fraction = counts.fraction();
    if args.json {
        let paths: Vec<Option<&PathBuf>> = tables.iter().map(|table| table.path.as_ref()).collect();
        let document = json!({
            "set": view.path, "tables": paths, "dry_run": args.dry_run, "counts": counts, "fraction": fraction,
        });
        outln!("{document:#}");
        return;
    }
    outln!("{}", view.path.display());
    tables.iter().for_each(|table| outln!("  {:<10} {}", table.table.kind.name(), table.name));
    let verb = if args.dry_run { "would be" } else { "were" };
    let unflagged = counts.all - counts.flagged_before;
    outln!("  {} visibilities, {} of them not flagged", counts.all, unflagged);
    outln!("  {:.2} % of these {verb} corrected: {}", 100.0 * fraction, counts.corrected);
    outln!("  {} had no solution and {verb} flagged", counts.newly_flagged);
    if counts.not_finite > 0 {
        outln!("  warning: {} corrected visibilities are not finite, as DATA are not", counts.not_finite);
    }
}
