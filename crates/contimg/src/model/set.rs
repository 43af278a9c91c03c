//! A Measurement Set as the prediction needs it: where its fields look, its channels, and which rows are meant.

use std::ops::Range;
use std::path::Path;

use calib_model::{Correlation, Direction, Field, Frame};
use casacore::Table;
use ms_meta_cache::{MsMetaCache, MsSet, MsSubtables};

use super::args::ModelArgs;
use crate::failure::{Class, Failure};
use crate::meta::of_meta;
use crate::selection::{self, Ranges};

/// What the rows of a data description hold.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    /// Its spectral window.
    pub window: usize,
    /// Channel frequencies, hertz.
    pub freq_hz: Vec<f64>,
    /// Nothing where a correlation is not one that can be predicted.
    pub correlations: Option<Vec<Correlation>>,
    /// The codes of the correlations.
    pub codes: Vec<i32>,
    selected: bool,
}

/// A set and what is wanted of it.
#[derive(Debug)]
pub(crate) struct Set {
    pub fields: Vec<Field>,
    /// Why rows of a field cannot be predicted.
    unusable: Vec<Option<String>>,
    field_selected: Vec<bool>,
    /// The frame of the phase centres.
    pub frame: Frame,
    pub descriptions: Vec<Description>,
    pub antennas: Vec<String>,
    rows: Option<Ranges>,
}

/// The small columns of a block's rows.
#[derive(Debug, Default)]
pub(crate) struct BlockRows {
    pub field: Vec<u32>,
    pub description: Vec<i32>,
    pub selected: Vec<bool>,
    field_id: Vec<i32>,
}

impl Set {
    /// Reads the subtables of the set at `path`.
    pub(crate) fn open(cache: &MsMetaCache, path: &Path, args: &ModelArgs) -> Result<Self, Failure> {
        let set = MsSet::new(path).map_err(|e| of_meta(&e))?;
        let tables = cache.subtables(&set).map_err(|e| of_meta(&e))?;
        let field_selected = selection::fields(&tables, args.rows.field.as_deref(), path)?;
        let (frame, unusable) = frames(&tables, &field_selected);
        let pointing = match args.sky.pointing {
            Some(at) => Some(astrometry::convert(at.0, frame).map_err(|e| Failure::of(Class::Input, &e))?),
            None => None,
        };
        let centre = |field: &vis_types::Field| {
            let [lon_rad, lat_rad] = field.phase.at(0.0);
            Field { phase_centre: Direction { lon_rad, lat_rad, frame }, pointing }
        };
        Ok(Self {
            fields: tables.fields.iter().map(centre).collect(),
            unusable,
            field_selected,
            frame,
            descriptions: descriptions(&tables, args.rows.window.as_ref(), path)?,
            antennas: tables.antennas.iter().map(|a| a.name.clone()).collect(),
            rows: args.rows.rows.clone(),
        })
    }

    /// The selected fields' phase centres in ICRS, each once.
    pub(crate) fn centres(&self) -> Result<Vec<Direction>, Failure> {
        let mut centres: Vec<Direction> = Vec::new();
        let usable =
            self.field_selected.iter().zip(&self.unusable).map(|(selected, reason)| *selected && reason.is_none());
        for (field, _) in self.fields.iter().zip(usable).filter(|(_, usable)| *usable) {
            let icrs =
                astrometry::convert(field.phase_centre, Frame::Icrs).map_err(|e| Failure::of(Class::Input, &e))?;
            if !centres.contains(&icrs) {
                centres.push(icrs);
            }
        }
        Ok(centres)
    }

    /// Says when rows are named that the set does not have.
    pub(crate) fn check_rows(&self, path: &Path, rows: u64) -> Result<(), Failure> {
        match &self.rows {
            Some(named) if named.last() >= rows => {
                Err(Failure::new(Class::Input, format!("{}: --rows names row {}", path.display(), named.last()))
                    .hint(format!("the set has {rows} rows, 0 to {}", rows.saturating_sub(1))))
            }
            _ => Ok(()),
        }
    }

    /// Whether every row is selected.
    pub(crate) fn is_wanted_whole(&self) -> bool {
        self.rows.is_none() && self.field_selected.iter().all(|s| *s) && self.descriptions.iter().all(|d| d.selected)
    }

    /// Whether any row of a block may be selected, without looking at its columns.
    pub(crate) fn may_touch(&self, block: &Range<u64>) -> bool {
        self.rows.as_ref().is_none_or(|named| named.touches(block.start, block.end))
    }

    /// Reads the small columns of a block and says which of its rows are selected.
    pub(crate) fn read_rows(&self, table: &Table, block: &Range<u64>, into: &mut BlockRows) -> Result<(), Failure> {
        let n = (block.end - block.start) as usize;
        into.field_id.resize(n, 0);
        into.description.resize(n, 0);
        let mut read = || -> casacore::Result<()> {
            table.read("FIELD_ID", block.clone(), &mut into.field_id)?;
            table.read("DATA_DESC_ID", block.clone(), &mut into.description)
        };
        read().map_err(|error| of_table(&error))?;
        into.field.clear();
        into.selected.clear();
        for (row, (&field, &description)) in (block.start..).zip(into.field_id.iter().zip(&into.description)) {
            let refuse = |what: String, hint: &str| {
                Err(Failure::new(Class::Input, format!("{}, row {row}: {what}", table.path().display())).hint(hint))
            };
            let missing = "the set is damaged: the row belongs to nothing; select other rows with --rows";
            let Some(at) = usize::try_from(field).ok().filter(|&f| f < self.fields.len()) else {
                return refuse(format!("FIELD_ID is {field}, and FIELD has {} rows", self.fields.len()), missing);
            };
            let Some(kind) = usize::try_from(description).ok().and_then(|d| self.descriptions.get(d)) else {
                let n = self.descriptions.len();
                return refuse(format!("DATA_DESC_ID is {description}, and DATA_DESCRIPTION has {n} rows"), missing);
            };
            let selected =
                self.field_selected[at] && kind.selected && self.rows.as_ref().is_none_or(|named| named.contains(row));
            if let (true, Some(reason)) = (selected, &self.unusable[at]) {
                return refuse(format!("field {at}: {reason}"), "select other fields with --field");
            }
            into.field.push(at as u32);
            into.selected.push(selected);
        }
        Ok(())
    }
}

pub(crate) fn of_table(error: &casacore::Error) -> Failure {
    let mut failure = Failure::of(Class::Input, error);
    let missing = matches!(error, casacore::Error::NoColumn { .. });
    let own = missing.then_some("`contimg meta` lists the columns that there are").or(error.hint());
    failure.hint = own.map(ToOwned::to_owned).or(failure.hint);
    failure
}

/// The frame that the selected fields share, and why some of all fields cannot be predicted.
fn frames(tables: &MsSubtables, selected: &[bool]) -> (Frame, Vec<Option<String>>) {
    let celestial = |field: &vis_types::Field| {
        let fixed = field.phase.fixed().filter(|_| field.ephemeris_id.is_none_or(|id| id < 0));
        fixed.map(|d| d.frame).filter(|f| matches!(f, Frame::Icrs | Frame::Fk5 | Frame::Fk4))
    };
    let frame = tables.fields.iter().zip(selected).filter(|(_, s)| **s).find_map(|(f, _)| celestial(f));
    let frame = frame.unwrap_or_default();
    let reason = |field: &vis_types::Field| match celestial(field) {
        Some(found) if found == frame => None,
        Some(found) => Some(format!("its phase centre is in frame {found:?}, that of other fields in {frame:?}")),
        None if field.ephemeris_id.is_some_and(|id| id >= 0) => Some("its phase centre follows an ephemeris".into()),
        None if field.phase.fixed().is_none() && field.phase.terms.len() > 1 => Some("its phase centre moves".into()),
        None => {
            let name = field.phase.frame.as_deref().unwrap_or("that is not named");
            Some(format!("its phase centre is in frame {name}, which cannot be compared with the sky"))
        }
    };
    (frame, tables.fields.iter().map(reason).collect())
}

fn descriptions(tables: &MsSubtables, wanted: Option<&Ranges>, path: &Path) -> Result<Vec<Description>, Failure> {
    let meant = selection::descriptions(tables, wanted, path)?;
    let of = |(d, selected): (&vis_types::DataDescription, bool)| {
        let (window, setup) = (tables.windows.get(d.window)?, tables.polarizations.get(d.polarization)?);
        Some(Description {
            window: d.window,
            freq_hz: window.freq_hz.clone(),
            correlations: setup.correlations(),
            codes: setup.codes.clone(),
            selected,
        })
    };
    tables.data_descriptions.iter().zip(meant).map(of).collect::<Option<_>>().ok_or_else(|| {
        Failure::new(
            Class::Input,
            format!("{}: DATA_DESCRIPTION names a window or setup that is not there", path.display()),
        )
        .hint("the set is damaged; compare it with a copy")
    })
}
