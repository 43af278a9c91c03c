//! Names and numbers from the subtables.

use casacore::plain::Reader;

use crate::Error;
use crate::rowmap::RowMap;

/// The columns that are read of each subtable.
pub(crate) const COLUMNS: [(&str, &[&str]); 4] = [
    ("ANTENNA", &["NAME"]),
    ("DATA_DESCRIPTION", &["SPECTRAL_WINDOW_ID", "POLARIZATION_ID"]),
    ("FIELD", &["NAME"]),
    ("POLARIZATION", &["CORR_TYPE"]),
];

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels {
    antennas: Vec<String>,
    fields: Vec<String>,
    /// By data description: window and polarisation.
    descriptions: Vec<(i32, i32)>,
    /// By polarisation: the code of each correlation (casacore's `Stokes::StokesTypes`).
    correlations: Vec<Vec<i32>>,
}

impl Labels {
    pub(crate) fn read(set: &Reader) -> Result<Self, Error> {
        let names = |table: &str| -> Result<Vec<String>, Error> {
            let table = set.open_subtable(table)?;
            Ok(table.read_strings("NAME", 0..table.rows()?)?)
        };
        let description = set.open_subtable("DATA_DESCRIPTION")?;
        let rows = 0..description.rows()?;
        let windows = description.read_vec::<i32>("SPECTRAL_WINDOW_ID", rows.clone())?;
        let polarizations = description.read_vec::<i32>("POLARIZATION_ID", rows)?;
        let polarization = set.open_subtable("POLARIZATION")?;
        let types = polarization.read_ragged::<i32>("CORR_TYPE", 0..polarization.rows()?)?;
        Ok(Self {
            antennas: names("ANTENNA")?,
            fields: names("FIELD")?,
            descriptions: windows.into_iter().zip(polarizations).collect(),
            correlations: types.cells().map(|cell| cell.map_or_else(Vec::new, |(_, codes)| codes.to_vec())).collect(),
        })
    }

    /// Checks that every row's data description, and its polarisation, is there.
    pub(crate) fn check(&self, set: &Reader, map: &RowMap) -> Result<(), Error> {
        let at = |number: i32| usize::try_from(number).ok();
        for (number, class) in map.classes.iter().enumerate() {
            let value = class.data_description;
            let Some(&(_, polarization)) = at(value).and_then(|at| self.descriptions.get(at)) else {
                return Err(Error::Reference {
                    path: set.path().into(),
                    column: "DATA_DESC_ID",
                    value,
                    row: map.first_row_of_class(number as u32),
                    table: "DATA_DESCRIPTION",
                    rows: self.descriptions.len(),
                });
            };
            if at(polarization).is_none_or(|at| at >= self.correlations.len()) {
                return Err(Error::Reference {
                    path: set.path().into(),
                    column: "DATA_DESCRIPTION::POLARIZATION_ID",
                    value: polarization,
                    row: u64::try_from(value).unwrap_or_default(),
                    table: "POLARIZATION",
                    rows: self.correlations.len(),
                });
            }
        }
        Ok(())
    }

    /// The window of a data description that was checked.
    pub(crate) fn window(&self, description: i32) -> i32 {
        usize::try_from(description).ok().and_then(|at| self.descriptions.get(at)).map_or(-1, |found| found.0)
    }

    /// The code of a correlation of a data description that was checked; 0, "undefined", where the polarisation has fewer.
    pub(crate) fn correlation(&self, description: i32, number: usize) -> i32 {
        let at = |number: i32| usize::try_from(number).ok();
        let polarization = at(description).and_then(|at| self.descriptions.get(at)).and_then(|found| at(found.1));
        polarization.and_then(|at| self.correlations.get(at)?.get(number)).copied().unwrap_or(0)
    }

    pub(crate) fn antenna(&self, number: i32) -> Option<&str> {
        self.antennas.get(usize::try_from(number).ok()?).map(String::as_str)
    }

    pub(crate) fn field(&self, number: i32) -> Option<&str> {
        self.fields.get(usize::try_from(number).ok()?).map(String::as_str)
    }
}

/// The name of a correlation by its code (casacore's `Stokes::StokesTypes`); `?` and the code for those without a common
/// one.
pub(crate) fn correlation_name(code: i32) -> String {
    let name = match code {
        1 => "I",
        2 => "Q",
        3 => "U",
        4 => "V",
        5 => "RR",
        6 => "RL",
        7 => "LR",
        8 => "LL",
        9 => "XX",
        10 => "XY",
        11 => "YX",
        12 => "YY",
        _ => return format!("?{code}"),
    };
    name.to_owned()
}
