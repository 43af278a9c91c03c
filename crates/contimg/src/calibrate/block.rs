//! Blocks of rows, read with all cores.

use std::ops::Range;

use casacore::{Complex32, Element};
use ms_columns::Input;
use rayon::prelude::*;

use crate::failure::{Class, Failure};

/// A failure of a table as the program reports it.
pub(crate) fn table_failure(error: &casacore::Error) -> Failure {
    let failure = Failure::of(Class::Input, error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A failure of columns as the program reports it.
pub(crate) fn column_failure(class: Class, error: &ms_columns::Error) -> Failure {
    let failure = Failure::of(class, error);
    match error.hint() {
        Some(hint) if failure.hint.is_none() => failure.hint(hint),
        _ => failure,
    }
}

/// The columns that solving reads.
#[derive(Debug)]
pub(crate) struct Columns {
    data: Input<Complex32>,
    model: Input<Complex32>,
    flags: Input<bool>,
    sigma: Input<f32>,
    uvw: Option<Input<f64>>,
    set: std::path::PathBuf,
}

/// Values of some rows, `[row, channel, correlation]`.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub rows: Range<u64>,
    /// Channels and correlations of all its rows.
    pub cell: [usize; 2],
    pub data: Vec<Complex32>,
    pub model: Vec<Complex32>,
    pub flags: Vec<bool>,
    /// `[row, correlation]`: 1 / SIGMA².
    pub weights: Vec<f32>,
    /// `[row, 3]`, metres; empty when it is not needed.
    pub uvw: Vec<f64>,
}

impl Columns {
    pub(crate) fn open(set: &std::path::Path, with_uvw: bool) -> Result<Self, Failure> {
        let failed = |error: ms_columns::Error| column_failure(Class::Input, &error);
        Ok(Self {
            data: Input::open(set, "DATA").map_err(failed)?,
            model: Input::open(set, "MODEL_DATA").map_err(failed)?,
            flags: Input::open(set, "FLAG").map_err(failed)?,
            sigma: Input::open(set, "SIGMA").map_err(failed)?,
            uvw: if with_uvw { Some(Input::open(set, "UVW").map_err(failed)?) } else { None },
            set: set.to_path_buf(),
        })
    }

    /// All rows in blocks of at most about `bytes` of DATA, in each of which cells have one shape.
    pub(crate) fn blocks(&self, rows: u64, bytes: usize) -> Result<Vec<Range<u64>>, Failure> {
        let mut starts: Vec<u64> = [0, rows].into_iter().chain(self.data.shape_changes()).collect();
        starts.extend(self.model.shape_changes());
        starts.sort_unstable();
        starts.dedup();
        let unit = self.data.tile_rows().max(1);
        let mut blocks = Vec::new();
        for pair in starts.windows(2) {
            let [channels, correlations] =
                self.data.cell(&(pair[0]..pair[0] + 1)).map_err(|error| column_failure(Class::Input, &error))?;
            let row_bytes = (channels * correlations * size_of::<Complex32>()).max(1);
            let wanted = (bytes / row_bytes).max(1) as u64;
            let step = (wanted / unit * unit).max(unit.min(4 * wanted)).max(1);
            let mut start = pair[0];
            while start < pair[1] {
                let end = ((start / step + 1) * step).min(pair[1]);
                blocks.push(start..end);
                start = end;
            }
        }
        Ok(blocks)
    }

    /// Reads a block.
    pub(crate) fn read(&self, rows: Range<u64>, block: &mut Block) -> Result<(), Failure> {
        let failed = |error: ms_columns::Error| column_failure(Class::Input, &error);
        block.cell = self.data.cell(&rows).map_err(failed)?;
        if self.model.cell(&rows).map_err(failed)? != block.cell {
            let found = format!("{}: rows {rows:?}: MODEL_DATA has another shape than DATA", self.set.display());
            return Err(Failure::new(Class::Input, found).hint("make the model again: `contimg model`"));
        }
        let [channels, correlations] = block.cell;
        let per_row = channels * correlations;
        block.rows = rows.clone();
        // One after the other: each is read by all threads.
        read(&self.data, &rows, per_row, &mut block.data).map_err(failed)?;
        read(&self.model, &rows, per_row, &mut block.model).map_err(failed)?;
        read(&self.flags, &rows, per_row, &mut block.flags).map_err(failed)?;
        read(&self.sigma, &rows, correlations, &mut block.weights).map_err(failed)?;
        // From SIGMA, as WEIGHT may have been changed by a calibration that was applied.
        block.weights.iter_mut().for_each(|sigma| *sigma = weight_of(*sigma));
        if let Some(uvw) = &self.uvw {
            read(uvw, &rows, 3, &mut block.uvw).map_err(failed)?;
        }
        Ok(())
    }
}

/// 1 / SIGMA²; 0 for what is no standard deviation.
pub(crate) fn weight_of(sigma: f32) -> f32 {
    if sigma > 0.0 && sigma.is_finite() { 1.0 / (sigma * sigma) } else { 0.0 }
}

/// Reads rows of a column, in parts of whole tiles, by the threads of the pool.
fn read<T: Element>(
    input: &Input<T>,
    rows: &Range<u64>,
    per_row: usize,
    out: &mut Vec<T>,
) -> Result<(), ms_columns::Error> {
    let count = (rows.end - rows.start) as usize;
    out.resize(count * per_row, T::default());
    let unit = input.tile_rows().max(1) as usize;
    let threads = rayon::current_num_threads();
    let part = count.div_ceil(2 * threads).div_ceil(unit) * unit;
    out.par_chunks_mut((part * per_row).max(1)).enumerate().try_for_each(|(number, out)| {
        let start = rows.start + (number * part) as u64;
        input.read(start..start + (out.len() / per_row.max(1)) as u64, out)
    })
}
