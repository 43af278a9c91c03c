//! What to read or write of a column.

use std::fmt;
use std::ops::Range;

use crate::{CellSlice, Rows};

/// Rows, and a part of each cell.
///
/// ```
/// use casacore::{CellSlice, Selection};
///
/// // All rows; all of each cell.
/// let all = Selection::all();
/// // Some rows of the last correlation of 16 channels.
/// let part = Selection::all().rows(1000..2000).channels(16..32).correlations(3..4);
/// // These rows in this order, and every second channel of a [channel, correlation] cell.
/// let rows = [7, 3, 900];
/// let other = Selection::all().row_list(&rows).slice(CellSlice::new([0..768, 0..4]).step(0, 2));
/// # let _ = (all, part, other);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection<'r> {
    rows: Option<Rows<'r>>,
    pub(super) part: Part,
}

/// A part of a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    #[default]
    Whole,
    Slice(CellSlice),
    /// Ranges along the last two axes; none for all.
    Axes {
        channels: Option<Range<usize>>,
        correlations: Option<Range<usize>>,
    },
}

impl<'r> Selection<'r> {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only these rows.
    #[must_use]
    pub fn rows(mut self, rows: Range<u64>) -> Self {
        self.rows = Some(Rows::Range(rows));
        self
    }

    /// Only these rows, in this order.
    #[must_use]
    pub fn row_list(mut self, rows: &'r [u64]) -> Self {
        self.rows = Some(Rows::List(rows));
        self
    }

    /// Only this part of every cell; it replaces channels and correlations chosen before.
    #[must_use]
    pub fn slice(mut self, slice: CellSlice) -> Self {
        self.part = Part::Slice(slice);
        self
    }

    /// Only these channels: the last but one axis of the cells. It replaces a slice chosen before.
    #[must_use]
    pub fn channels(mut self, range: Range<usize>) -> Self {
        let correlations = match self.part {
            Part::Axes { correlations, .. } => correlations,
            _ => None,
        };
        self.part = Part::Axes { channels: Some(range), correlations };
        self
    }

    /// Only these correlations: the last axis of the cells. It replaces a slice chosen before.
    #[must_use]
    pub fn correlations(mut self, range: Range<usize>) -> Self {
        let channels = match self.part {
            Part::Axes { channels, .. } => channels,
            _ => None,
        };
        self.part = Part::Axes { channels, correlations: Some(range) };
        self
    }

    /// The rows, of a column of `total`.
    pub(super) fn rows_of(&self, total: u64) -> Rows<'r> {
        self.rows.clone().unwrap_or(Rows::Range(0..total))
    }
}

impl Part {
    /// The part of cells of `shape` as a range and step for each axis; none where it lies outside.
    pub(super) fn slice(&self, shape: &[usize]) -> Option<CellSlice> {
        let slice = match self {
            Self::Whole => CellSlice::new(shape.iter().map(|&length| 0..length)),
            Self::Slice(slice) => slice.clone(),
            Self::Axes { channels, correlations } => {
                let axes = shape.len();
                let mut ranges: Vec<Range<usize>> = shape.iter().map(|&length| 0..length).collect();
                for (range, from_last) in [(channels, 2), (correlations, 1)] {
                    if let Some(range) = range {
                        *ranges.get_mut(axes.checked_sub(from_last)?)? = range.clone();
                    }
                }
                CellSlice::new(ranges)
            }
        };
        let inside = slice.axes.len() == shape.len()
            && slice
                .axes
                .iter()
                .zip(shape)
                .all(|((range, step), &length)| range.start < range.end && range.end <= length && *step > 0);
        (inside || *self == Self::Whole).then_some(slice)
    }

    /// The shape of the part of cells of `shape`.
    pub(super) fn shape(&self, shape: &[usize]) -> Option<Vec<usize>> {
        self.slice(shape).map(|slice| slice.shape())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole cells"),
            Self::Slice(slice) => {
                let axes: Vec<String> = slice
                    .axes
                    .iter()
                    .map(|(range, step)| if *step == 1 { format!("{range:?}") } else { format!("{range:?} by {step}") })
                    .collect();
                write!(f, "the part [{}]", axes.join(", "))
            }
            Self::Axes { channels, correlations } => {
                let all = |range: &Option<Range<usize>>| range.as_ref().map_or("all".into(), |r| format!("{r:?}"));
                write!(f, "channels {} and correlations {}", all(channels), all(correlations))
            }
        }
    }
}
