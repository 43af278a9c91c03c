//! Blocks of rows that a thread reads.

use std::ops::Range;

use casacore::{Complex32, Element};
use ms_columns::Input;

use crate::calibrate::set::View;
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
    /// Rows at which cells of another shape begin, in order.
    changes: Vec<u64>,
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
    pub(crate) fn open(view: &View, with_uvw: bool) -> Result<Self, Failure> {
        let set = &view.path;
        let failed = |error: ms_columns::Error| column_failure(Class::Input, &error);
        let (data, model) =
            (Input::open(set, "DATA").map_err(failed)?, Input::open(set, "MODEL_DATA").map_err(failed)?);
        view.check_cells(&data)?;
        let mut changes: Vec<u64> = data.shape_changes().chain(Input::<Complex32>::shape_changes(&model)).collect();
        changes.sort_unstable();
        changes.dedup();
        Ok(Self {
            data,
            model,
            changes,
            flags: Input::open(set, "FLAG").map_err(failed)?,
            sigma: Input::open(set, "SIGMA").map_err(failed)?,
            uvw: if with_uvw { Some(Input::open(set, "UVW").map_err(failed)?) } else { None },
            set: set.to_path_buf(),
        })
    }

    /// The rows from `first` on whose cells have the shape of its own, at least one and at most about `bytes` of DATA.
    pub(crate) fn alike(&self, first: u64, bytes: usize) -> Result<Range<u64>, Failure> {
        let failed = |error: ms_columns::Error| column_failure(Class::Input, &error);
        let [channels, correlations] = self.data.cell(&(first..first + 1)).map_err(failed)?;
        let row_bytes = (channels * correlations * size_of::<Complex32>()).max(1);
        let most = first + (bytes / row_bytes).max(1) as u64;
        let next = self.changes.partition_point(|&row| row <= first);
        Ok(first..self.changes.get(next).map_or(most, |&row| row.min(most)))
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

/// Reads rows of a column whose cells have `per_row` values.
fn read<T: Element>(
    input: &Input<T>,
    rows: &Range<u64>,
    per_row: usize,
    out: &mut Vec<T>,
) -> Result<(), ms_columns::Error> {
    out.resize((rows.end - rows.start) as usize * per_row, T::default());
    input.read(rows.clone(), out)
}
