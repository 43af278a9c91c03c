//! Visibilities and flags of some baselines, between the set's rows and blocks in order of time.

use std::ops::Range;

use casacore::Complex32;
use flagger::Scratch;
use ms_columns::{Input, Output};

use super::index::{Place, Segment};
use crate::failure::Failure;

/// Memory of a thread.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) rows: Vec<(u64, usize, usize)>,
    pub(super) visibilities: Vec<Complex32>,
    pub(super) flags: Vec<bool>,
    pub(super) present: Vec<bool>,
    pub(super) run: Vec<Complex32>,
    pub(super) run_flags: Vec<bool>,
    pub(super) scratch: Scratch,
}

/// What flags are read from and written to.
pub(super) struct Columns {
    pub(super) data: Input<Complex32>,
    pub(super) flag: Input<bool>,
    /// FLAG_ROW of every row.
    pub(super) row_flags: Vec<bool>,
    pub(super) out: Option<(Output<bool>, Output<bool>)>,
    /// What another program flagged.
    pub(super) external: Option<Input<bool>>,
}

impl Columns {
    /// Reads a batch: `[baseline, time, channel, correlation]`. Integrations without a row, and rows with FLAG_ROW, are
    /// flagged. Returns how many flags of another program were new.
    pub(super) fn load(
        &self,
        segment: &Segment,
        batch: &[Range<usize>],
        shape: [usize; 3],
        memory: &mut Memory,
    ) -> Result<u64, Failure> {
        let [times, channels, correlations] = shape;
        let row = channels * correlations;
        let all = batch.len() * times;
        let Memory { rows, visibilities, flags, present, run, run_flags, .. } = memory;
        rows.clear();
        for (number, baseline) in batch.iter().enumerate() {
            let place = |place: &Place| (place.row, number, place.time as usize);
            rows.extend(segment.places[baseline.clone()].iter().map(place));
        }
        rows.sort_unstable();
        visibilities.clear();
        visibilities.resize(all * row, Complex32::default());
        flags.clear();
        flags.resize(all * row, true);
        present.clear();
        present.resize(all, false);
        let of_columns = |error| Failure::of_columns(&error);
        let mut external = 0;
        for consecutive in rows.chunk_by(|a, b| a.0 + 1 == b.0) {
            let range = consecutive[0].0..consecutive[0].0 + consecutive.len() as u64;
            run.resize(consecutive.len() * row, Complex32::default());
            run_flags.resize(consecutive.len() * row, false);
            self.data.read(range.clone(), run).map_err(of_columns)?;
            self.flag.read(range.clone(), run_flags).map_err(of_columns)?;
            for (i, &(_, number, time)) in consecutive.iter().enumerate() {
                let at = number * times + time;
                visibilities[at * row..(at + 1) * row].copy_from_slice(&run[i * row..(i + 1) * row]);
                flags[at * row..(at + 1) * row].copy_from_slice(&run_flags[i * row..(i + 1) * row]);
            }
            if let Some(other) = &self.external {
                other.read(range, run_flags).map_err(of_columns)?;
                for (i, &(number_row, number, time)) in consecutive.iter().enumerate() {
                    let at = number * times + time;
                    if self.row_flags[number_row as usize] {
                        continue;
                    }
                    for (flag, other) in flags[at * row..(at + 1) * row].iter_mut().zip(&run_flags[i * row..]) {
                        external += u64::from(*other && !*flag);
                        *flag |= other;
                    }
                }
            }
            for &(number_row, number, time) in consecutive {
                let at = number * times + time;
                present[at] = true;
                if self.row_flags[number_row as usize] {
                    flags[at * row..(at + 1) * row].fill(true);
                }
            }
        }
        Ok(external)
    }

    /// Writes the flags of a batch. Rows that had FLAG_ROW keep theirs as they are.
    pub(super) fn store(&self, shape: [usize; 3], memory: &mut Memory) -> Result<(), Failure> {
        let Some((flag, flag_row)) = &self.out else { return Ok(()) };
        let [times, channels, correlations] = shape;
        let row = channels * correlations;
        let Memory { rows, flags, run_flags, .. } = memory;
        let of_columns = |error| Failure::of_columns(&error);
        rows.retain(|place| !self.row_flags[place.0 as usize]);
        for consecutive in rows.chunk_by(|a, b| a.0 + 1 == b.0) {
            run_flags.clear();
            for &(_, number, time) in consecutive {
                let at = number * times + time;
                run_flags.extend_from_slice(&flags[at * row..(at + 1) * row]);
            }
            let first = consecutive[0].0;
            flag.write(first..first + consecutive.len() as u64, run_flags).map_err(of_columns)?;
            let mut at = first;
            let whole: Vec<bool> = run_flags.chunks_exact(row.max(1)).map(|row| row.iter().all(|&flag| flag)).collect();
            for part in whole.chunk_by(|a, b| a == b) {
                let end = at + part.len() as u64;
                if part[0] {
                    flag_row.write(at..end, part).map_err(of_columns)?;
                }
                at = end;
            }
        }
        Ok(())
    }
}
