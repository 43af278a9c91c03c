//! Which columns are to be changed, and what those look like that do not exist yet.

use casacore::DataType;

/// A column to change.
///
/// ```
/// use ms_columns::Target;
///
/// let flags = Target::existing("FLAG");
/// let model = Target::model();
/// assert_eq!((flags.column(), model.column()), ("FLAG", "MODEL_DATA"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) column: String,
    pub(crate) absent: Absent,
}

/// What to do when the column does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Refuse,
    Create(NewColumn),
}

/// A new column, of the shapes and tiles of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewColumn {
    /// The column whose shapes, tiles, unit and other keywords it takes: DATA for a column of visibilities.
    pub like: String,
    /// The type of its values.
    pub kind: DataType,
    /// The column's comment.
    pub comment: String,
    /// What the rows hold that are not written.
    pub fill: Fill,
    /// Whether it gets the keyword CHANNEL_SELECTION, as casacore's `addImagingColumns` writes it: for each spectral
    /// window its first channel and its number of channels.
    pub channel_selection: bool,
}

/// What the rows of a new column hold that are not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Zeros.
    Zeros,
    /// The values of the column that it is like; it must be of the same type.
    Like,
}

impl Target {
    /// A column that must exist.
    #[must_use]
    pub fn existing(column: impl Into<String>) -> Self {
        Self { column: column.into(), absent: Absent::Refuse }
    }

    /// A column that is made where it does not exist.
    #[must_use]
    pub fn or_create(column: impl Into<String>, new: NewColumn) -> Self {
        Self { column: column.into(), absent: Absent::Create(new) }
    }

    /// MODEL_DATA; where it does not exist it is made as CASA's tasks accept it, and holds zeros in rows that are not
    /// written.
    #[must_use]
    pub fn model() -> Self {
        Self::or_create(
            "MODEL_DATA",
            NewColumn {
                like: "DATA".to_owned(),
                kind: DataType::Complex32,
                comment: "The model data column".to_owned(),
                fill: Fill::Zeros,
                channel_selection: true,
            },
        )
    }

    /// CORRECTED_DATA; where it does not exist it is made as CASA's tasks accept it, and holds DATA in rows that are not
    /// written.
    #[must_use]
    pub fn corrected() -> Self {
        Self::or_create(
            "CORRECTED_DATA",
            NewColumn {
                like: "DATA".to_owned(),
                kind: DataType::Complex32,
                comment: "The corrected data column".to_owned(),
                fill: Fill::Like,
                channel_selection: false,
            },
        )
    }

    /// The column's name.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }
}
