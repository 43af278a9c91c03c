//! One pass over a set: every thread takes blocks of rows, predicts them, and puts them into the column's tiles.
//!
//! A block has the rows of one spectral window, nearly always, since the rows of a window follow one another in whole tiles. So
//! the delays of a baseline are computed again for each window. That costs 2 to 4 % (100 sources, 16 windows of 48 channels, flat
//! and with spectra: `prediction_speed` prints it); keeping them would cost more, as 800 bytes a row leave the cache. What would
//! pay (flat 1.7, spectra 1.2 times faster) is one call for windows side by side that the predictor takes for one run of
//! channels. It needs tiles that end where windows end, and its last bits depend on which windows are selected.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use calib_model::{Complex32, Mode, Predictor, Rows, Selection, Window};
use casacore::Table;
use indicatif::ProgressBar;
use ms_columns::{Input, Output};

use super::residual::{Row, Tally};
use super::set::{BlockRows, Set, of_table};
use super::sky::of_model;
use crate::failure::{Class, Failure};
use crate::supervise::Stop;

/// Where the model goes, and what happens to the values that are there.
#[derive(Debug)]
pub(crate) struct Destination<'a> {
    pub predictor: &'a Predictor,
    pub mode: Mode,
    /// UVW, which most sets keep in tiles: casacore would read it cell by cell while the other threads wait.
    pub uvw: Input<f64>,
    pub output: Output<Complex32>,
    /// The column that is changed in place of the output's old values.
    pub instead: Option<Input<Complex32>>,
}

/// What is compared with the model.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub data: Input<Complex32>,
    pub flag: Input<bool>,
    /// The model, when it is not predicted in the same pass.
    pub model: Option<Input<Complex32>>,
}

/// A pass over the blocks of a set.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    pub set: &'a Set,
    pub table: Mutex<Table>,
    pub destination: Option<Destination<'a>>,
    pub comparison: Option<Comparison>,
    pub progress: ProgressBar,
    pub stop: &'a Stop,
}

/// What a pass did.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Selected rows.
    pub rows: u64,
    /// Visibilities of the selected rows.
    pub visibilities: u64,
    /// Which fields have selected rows.
    pub fields: Vec<bool>,
    /// By spectral window.
    pub tallies: Vec<(usize, Tally)>,
}

impl Passed {
    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.visibilities += other.visibilities;
        self.fields.resize(self.fields.len().max(other.fields.len()), false);
        for (a, b) in self.fields.iter_mut().zip(other.fields) {
            *a |= b;
        }
        self.tallies.extend(other.tallies);
    }
}

/// What a thread keeps from block to block.
#[derive(Debug, Default)]
struct Scratch {
    rows: BlockRows,
    uvw_m: Vec<[f64; 3]>,
    mask: Vec<bool>,
    vis: Vec<Complex32>,
    data: Vec<Complex32>,
    flag: Vec<bool>,
    flag_row: Vec<bool>,
    antennas: [Vec<i32>; 2],
}

impl Pass<'_> {
    /// Works on all blocks with so many threads; each block by one.
    pub(crate) fn run(&self, blocks: &[Range<u64>], threads: usize) -> Result<Passed, Failure> {
        let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || -> Result<Vec<(usize, Passed)>, Failure> {
            // The predictor's parallel loops are run by this thread alone, so that each thread has one block and no more.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
            let _pool = pool.map_err(|e| Failure::of(Class::Worker, &e))?;
            let mut scratch = Scratch::default();
            let mut done = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(block) = blocks.get(index) else { break };
                let result = match self.stop.failure() {
                    Some(failure) => Err(failure),
                    None => self.block(block, &mut scratch),
                };
                match result {
                    Ok(passed) => done.push((index, passed)),
                    Err(failure) => {
                        over.store(true, Ordering::Relaxed);
                        return Err(failure);
                    }
                }
                self.progress.inc(block.end - block.start);
            }
            Ok(done)
        };
        let results = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect::<Vec<_>>()
        });
        let mut done = results.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect::<Vec<_>>();
        // Sums in the order of the blocks: the same whoever did which.
        done.sort_by_key(|(index, _)| *index);
        let mut passed = Passed::default();
        for (_, part) in done {
            passed.merge(part);
        }
        passed.tallies.sort_by_key(|(window, _)| *window);
        passed.tallies.dedup_by(|(window, tally), (kept, sum)| {
            let same = window == kept;
            if same {
                sum.merge(tally);
            }
            same
        });
        Ok(passed)
    }

    fn block(&self, block: &Range<u64>, scratch: &mut Scratch) -> Result<Passed, Failure> {
        let mut passed = Passed::default();
        if !self.set.may_touch(block) {
            return Ok(passed);
        }
        let compare = self.comparison.is_some();
        {
            let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            self.set.read_rows(&table, block, &mut scratch.rows)?;
            if compare {
                read_of_comparison(&table, block, scratch).map_err(|e| of_table(&e))?;
            }
        }
        let selected = &scratch.rows.selected;
        passed.rows = selected.iter().filter(|s| **s).count() as u64;
        if passed.rows == 0 {
            return Ok(passed);
        }
        passed.fields = vec![false; self.set.fields.len()];
        for (&field, _) in scratch.rows.field.iter().zip(selected).filter(|(_, s)| **s) {
            passed.fields[field as usize] = true;
        }
        let cell = self.cell(block)?;
        passed.visibilities = passed.rows * (cell[0] * cell[1]) as u64;
        let kinds = self.kinds(block, scratch, cell)?;
        match (&self.destination, &self.comparison) {
            (Some(destination), _) => self.predict(destination, block, &kinds, cell, scratch)?,
            (None, Some(Comparison { model: Some(model), .. })) => {
                model.read_into(block.clone(), &mut scratch.vis).map_err(|e| Failure::of_columns(&e))?;
            }
            (None, _) => {}
        }
        if let Some(comparison) = &self.comparison {
            comparison.data.read_into(block.clone(), &mut scratch.data).map_err(|e| Failure::of_columns(&e))?;
            comparison.flag.read_into(block.clone(), &mut scratch.flag).map_err(|e| Failure::of_columns(&e))?;
            let lengths = [scratch.data.len(), scratch.flag.len()];
            if lengths.iter().any(|&length| length != scratch.vis.len()) {
                return Err(self.misfit(block, "DATA, FLAG and MODEL_DATA have cells of different shapes"));
            }
            for &kind in &kinds {
                let mut tally = Tally::default();
                self.compare(block, kind, cell, scratch, &mut tally);
                passed.tallies.push((self.set.descriptions[kind as usize].window, tally));
            }
        }
        if let Some(destination) = &self.destination {
            destination.output.write(block.clone(), &scratch.vis).map_err(|e| Failure::of_columns(&e))?;
        }
        Ok(passed)
    }

    /// Channels and correlations of the block's cells.
    fn cell(&self, block: &Range<u64>) -> Result<[usize; 2], Failure> {
        match (&self.destination, &self.comparison) {
            (Some(destination), _) => destination.output.cell(block),
            (None, Some(comparison)) => comparison.data.cell(block),
            (None, None) => Ok([0, 0]),
        }
        .map_err(|e| Failure::of_columns(&e))
    }

    /// The data descriptions of the selected rows, each once; their channels and correlations must be those of the cells.
    fn kinds(&self, block: &Range<u64>, scratch: &Scratch, cell: [usize; 2]) -> Result<Vec<i32>, Failure> {
        let of_selected = scratch.rows.description.iter().zip(&scratch.rows.selected).filter(|(_, s)| **s);
        let mut kinds: Vec<i32> = of_selected.map(|(d, _)| *d).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for &kind in &kinds {
            let description = &self.set.descriptions[kind as usize];
            let expected = [description.freq_hz.len(), description.codes.len()];
            if expected != cell {
                return Err(self.misfit(
                    block,
                    &format!(
                        "cells of {} channels × {} correlations, while spectral window {} has {} × {}",
                        cell[0], cell[1], description.window, expected[0], expected[1]
                    ),
                ));
            }
        }
        Ok(kinds)
    }

    fn misfit(&self, block: &Range<u64>, what: &str) -> Failure {
        Failure::new(Class::Input, format!("rows {} to {}: {what}", block.start, block.end - 1))
            .hint("the set contradicts itself; select other rows with --window or --rows")
    }

    /// Fills `scratch.vis` with the column's new values.
    fn predict(
        &self,
        destination: &Destination<'_>,
        block: &Range<u64>,
        kinds: &[i32],
        cell: [usize; 2],
        scratch: &mut Scratch,
    ) -> Result<(), Failure> {
        let Scratch { rows, uvw_m, mask, vis, data, .. } = scratch;
        let row_len = cell[0] * cell[1];
        uvw_m.resize(rows.selected.len(), [0.0; 3]);
        destination.uvw.read(block.clone(), uvw_m.as_flattened_mut()).map_err(|e| Failure::of_columns(&e))?;
        vis.resize(rows.selected.len() * row_len, Complex32::ZERO);
        let all = rows.selected.iter().all(|s| *s);
        match &destination.instead {
            Some(column) if all => column.read(block.clone(), vis).map_err(|e| Failure::of_columns(&e))?,
            Some(column) => {
                destination.output.old(block.clone(), vis).map_err(|e| Failure::of_columns(&e))?;
                column.read_into(block.clone(), data).map_err(|e| Failure::of_columns(&e))?;
                let pairs = vis.chunks_exact_mut(row_len).zip(data.chunks_exact(row_len));
                for ((new, old), _) in pairs.zip(&rows.selected).filter(|(_, s)| **s) {
                    new.copy_from_slice(old);
                }
            }
            None if all && destination.mode == Mode::Replace => {}
            None => destination.output.old(block.clone(), vis).map_err(|e| Failure::of_columns(&e))?,
        }
        for &kind in kinds {
            let description = &self.set.descriptions[kind as usize];
            let Some(correlations) = &description.correlations else {
                let what = format!("correlations of the codes {:?} cannot be predicted", description.codes);
                return Err(Failure::new(Class::Input, what)
                    .hint("linear, circular and Stokes ones can; select other windows with --window"));
            };
            let selection = if all && kinds.len() == 1 {
                Selection::All
            } else {
                mask.clear();
                mask.extend(rows.description.iter().zip(&rows.selected).map(|(d, s)| *s && *d == kind));
                Selection::Where(mask)
            };
            let request = Rows { uvw_m, field: &rows.field, selection };
            let mut window = [Window { freq_hz: &description.freq_hz, vis }];
            let done =
                destination.predictor.predict(&self.set.fields, &request, correlations, &mut window, destination.mode);
            done.map_err(|error| {
                let mut failure = of_model(&error);
                // The predictor counts rows from the block's first.
                if matches!(error, calib_model::Error::Uvw { .. }) {
                    failure.chain.insert(0, format!("in rows {} to {}", block.start, block.end - 1));
                    failure.hint = Some("leave the row out with --rows".into());
                }
                failure
            })?;
        }
        Ok(())
    }

    fn compare(&self, block: &Range<u64>, kind: i32, cell: [usize; 2], scratch: &Scratch, tally: &mut Tally) {
        let row_len = cell[0] * cell[1];
        for (at, row) in (block.start..block.end).enumerate() {
            if !scratch.rows.selected[at] || scratch.rows.description[at] != kind {
                continue;
            }
            let values = at * row_len..(at + 1) * row_len;
            tally.add(&Row {
                row,
                antennas: [scratch.antennas[0][at], scratch.antennas[1][at]],
                flag_row: scratch.flag_row[at],
                data: &scratch.data[values.clone()],
                model: &scratch.vis[values.clone()],
                flag: &scratch.flag[values],
                correlations: cell[1],
            });
        }
    }
}

fn read_of_comparison(table: &Table, block: &Range<u64>, scratch: &mut Scratch) -> casacore::Result<()> {
    let n = (block.end - block.start) as usize;
    scratch.flag_row.resize(n, false);
    table.read("FLAG_ROW", block.clone(), &mut scratch.flag_row)?;
    for (column, antennas) in ["ANTENNA1", "ANTENNA2"].into_iter().zip(&mut scratch.antennas) {
        antennas.resize(n, 0);
        table.read(column, block.clone(), antennas)?;
    }
    Ok(())
}
