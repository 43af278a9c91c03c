//! The shapes of a column's cells, row by row.

use std::ops::Range;
use std::path::Path;

use casacore::{Cell, Table};

use crate::{Error, Result};

/// Rows whose shapes are asked for at a time.
const ROWS: u64 = 1 << 16;

/// The channels and correlations of every cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shapes {
    /// All cells are alike.
    One([usize; 2]),
    /// Runs of rows with cells alike: the first row of each and its cells' shape, none where cells have no value.
    Runs(Vec<(u64, Option<[usize; 2]>)>),
}

impl Shapes {
    /// The shapes of a column as casacore tells them. A cell of one axis is one channel of so many correlations, and a
    /// scalar one of each.
    pub(crate) fn of(table: &Table, column: &str) -> Result<Self> {
        let two = |shape: &[usize]| match *shape {
            [] => Some([1, 1]),
            [correlations] => Some([1, correlations]),
            [channels, correlations] => Some([channels, correlations]),
            _ => None,
        };
        let rows = table.rows()?;
        let misfit = |axes: usize| Error::Cells {
            path: table.path().to_owned(),
            column: column.to_owned(),
            rows: 0..rows,
            found: format!("its cells have {axes} axes, which is more than two"),
        };
        match table.column(column)?.cell {
            Cell::Scalar => return Ok(Self::One([1, 1])),
            Cell::Fixed(shape) => return two(&shape).map(Self::One).ok_or_else(|| misfit(shape.len())),
            Cell::Variable(_) => {}
        }
        let mut runs: Vec<(u64, Option<[usize; 2]>)> = Vec::new();
        let mut first = 0;
        while first < rows {
            let end = rows.min(first + ROWS);
            for (row, shape) in (first..).zip(table.shapes(column, first..end)?) {
                let cell = match shape {
                    None => None,
                    Some(shape) => Some(two(&shape).ok_or_else(|| misfit(shape.len()))?),
                };
                if runs.last().is_none_or(|last| last.1 != cell) {
                    runs.push((row, cell));
                }
            }
            first = end;
        }
        Ok(match runs[..] {
            [(_, Some(cell))] => Self::One(cell),
            _ => Self::Runs(runs),
        })
    }

    /// The shape of all cells in `rows`.
    pub(crate) fn cell(&self, set: &Path, column: &str, rows: &Range<u64>) -> Result<[usize; 2]> {
        let misfit = |found: &str| Error::Cells {
            path: set.to_owned(),
            column: column.to_owned(),
            rows: rows.clone(),
            found: found.to_owned(),
        };
        match self {
            Self::One(cell) => Ok(*cell),
            Self::Runs(runs) => {
                let index = runs.partition_point(|run| run.0 <= rows.start);
                let cell = index.checked_sub(1).map(|index| runs[index].1);
                if runs.get(index).is_some_and(|next| next.0 < rows.end) {
                    return Err(misfit("cells have several shapes"));
                }
                cell.flatten().ok_or_else(|| misfit("cells have no value"))
            }
        }
    }

    /// The rows at which another shape begins, the first row not among them.
    pub(crate) fn changes(&self) -> impl Iterator<Item = u64> + '_ {
        let runs = match self {
            Self::One(_) => &[][..],
            Self::Runs(runs) => &runs[..],
        };
        runs.iter().skip(1).map(|run| run.0)
    }

    /// Whether the cells that begin at `row` have values.
    pub(crate) fn has_value(&self, row: u64) -> bool {
        match self {
            Self::One(_) => true,
            Self::Runs(runs) => {
                let index = runs.partition_point(|run| run.0 <= row);
                index.checked_sub(1).is_some_and(|index| runs[index].1.is_some())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_rows_has_one_shape_or_is_refused() {
        let shapes = Shapes::Runs(vec![(0, Some([4, 2])), (3, None), (5, Some([8, 2]))]);
        let cell = |rows| shapes.cell(Path::new("x.ms"), "DATA", &rows).ok();
        assert_eq!(cell(0..3), Some([4, 2]));
        assert_eq!(cell(5..9), Some([8, 2]));
        assert_eq!((cell(2..4), cell(3..5), cell(4..6)), (None, None, None));
        assert_eq!(shapes.changes().collect::<Vec<_>>(), [3, 5]);
        assert!(shapes.has_value(2) && !shapes.has_value(4) && shapes.has_value(5));
    }
}
