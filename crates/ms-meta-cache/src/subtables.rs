//! Reading the six subtables, each with one open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use casacore::plain::Reader;
use casacore::{Element, Operations, Ragged, Record, Value};
use vis_types::{
    DataDescription, Field, FieldDirection, MjdSeconds, MsAntenna, MsSubtables, Observation, Polarization,
    SpectralWindow,
};

use crate::Error;

/// The subtables that [`MsSubtables`] is read from.
pub(crate) const NAMES: [&str; 6] =
    ["SPECTRAL_WINDOW", "DATA_DESCRIPTION", "FIELD", "ANTENNA", "POLARIZATION", "OBSERVATION"];

/// Reads them; `paths` in the order of [`NAMES`].
pub(crate) fn read(paths: [&Path; 6], operations: &Operations) -> Result<MsSubtables, Error> {
    let [windows, descriptions, fields, antennas, polarizations, observations] = paths;
    let open = |path| Subtable::open(path, operations);
    let windows = spectral_window(&open(windows)?)?;
    let polarizations = polarization(&open(polarizations)?)?;
    let (antennas, antenna_reference) = antenna(&open(antennas)?)?;
    let table = open(descriptions)?;
    let data_descriptions = Ids::read(&table)?.resolve(&table, windows.len(), polarizations.len())?;
    let (fields, observations) = (field(&open(fields)?)?, observation(&open(observations)?)?);
    Ok(MsSubtables { windows, data_descriptions, fields, antennas, antenna_reference, polarizations, observations })
}

/// Opens a table, without casacore where that goes. Refuses one whose values come from other tables' files.
pub(crate) fn open(path: &Path, operations: &Operations) -> Result<Reader, Error> {
    let failed = |source| Error::Open { path: path.into(), source: Box::new(source) };
    let table = Reader::open_with(path, operations).map_err(failed)?;
    match table.refers() {
        Some(kind) => Err(Error::Refers { path: path.into(), kind }),
        None => Ok(table),
    }
}

/// An open subtable. Names itself and the column in every error.
struct Subtable {
    path: PathBuf,
    table: Reader,
    rows: u64,
}

impl Subtable {
    fn open(path: &Path, operations: &Operations) -> Result<Self, Error> {
        let table = open(path, operations)?;
        let rows = table.rows().map_err(|source| Error::Open { path: path.into(), source: Box::new(source) })?;
        Ok(Self { path: path.into(), table, rows })
    }

    fn named<T>(&self, column: &'static str, result: casacore::Result<T>) -> Result<T, Error> {
        result.map_err(|source| Error::Column { path: self.path.clone(), column, source: Box::new(source) })
    }

    fn contradiction(&self, column: &'static str, row: usize, found: String) -> Error {
        Error::Contradiction { path: self.path.clone(), column, row, found }
    }

    /// `None` for a column that the table does not have.
    fn optional<T>(&self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Column { source, .. }) if matches!(*source, casacore::Error::NoColumn { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One value a row.
    fn scalars<T: Element>(&self, column: &'static str) -> Result<Vec<T>, Error> {
        self.named(column, self.table.read_vec(column, 0..self.rows))
    }

    fn strings(&self, column: &'static str) -> Result<Vec<String>, Error> {
        self.named(column, self.table.read_strings(column, 0..self.rows))
    }

    /// One array of any shape a row, or none.
    fn arrays<T: Element>(&self, column: &'static str) -> Result<Ragged<T>, Error> {
        self.named(column, self.table.read_ragged(column, 0..self.rows))
    }

    /// One list a row; a cell without a value is an error.
    fn lists<T: Element>(&self, column: &'static str) -> Result<Vec<Vec<T>>, Error> {
        let cells = self.arrays(column)?;
        let undefined = |row| Error::Undefined { path: self.path.clone(), column, row };
        cells.cells().enumerate().map(|(row, cell)| Ok(cell.ok_or_else(|| undefined(row))?.1.to_vec())).collect()
    }

    /// One list of a known length a row; a cell without a value is an error.
    fn fixed<T: Element, const N: usize>(&self, column: &'static str) -> Result<Vec<[T; N]>, Error> {
        let lists = self.lists::<T>(column)?.into_iter().enumerate();
        lists
            .map(|(row, list)| {
                let wrong =
                    |list: Vec<T>| self.contradiction(column, row, format!("{} values instead of {N}", list.len()));
                <[T; N]>::try_from(list).map_err(wrong)
            })
            .collect()
    }

    fn measure(&self, column: &'static str) -> Result<Option<Record>, Error> {
        let keywords = self.named(column, self.table.column_keywords(column))?;
        Ok(keywords.get("MEASINFO").and_then(Value::as_record).cloned())
    }

    /// The reference of each row's measure by its name: of the whole column (`Ref`), or from the column that `VarRefCol`
    /// names, as text or as a code that `TabRefCodes` and `TabRefTypes` explain.
    fn references(&self, column: &'static str) -> Result<Vec<Option<String>>, Error> {
        let rows = self.rows as usize;
        let Some(measure) = self.measure(column)? else { return Ok(vec![None; rows]) };
        if let Some(name) = measure.get("VarRefCol").and_then(Value::as_str) {
            return match self.table.read_vec::<i32>(name, 0..self.rows) {
                Ok(codes) => {
                    let names = code_names(&measure);
                    Ok(codes.iter().map(|code| names.get(&i64::from(*code)).cloned()).collect())
                }
                Err(casacore::Error::Type { .. }) => {
                    let names = self.named(column, self.table.read_strings(name, 0..self.rows))?;
                    Ok(names.into_iter().map(|name| Some(name).filter(|name| !name.is_empty())).collect())
                }
                Err(source) => Err(Error::Column { path: self.path.clone(), column, source: Box::new(source) }),
            };
        }
        Ok(vec![measure.get("Ref").and_then(Value::as_str).map(String::from); rows])
    }

    /// Directions with their polynomial terms.
    ///
    /// A cell is `[term, (longitude, latitude)]` in C order. Writers that mixed up the order of axes left
    /// `[(longitude, latitude), term]`; one term has the same bytes either way, and more are told by the last axis.
    fn directions(&self, column: &'static str, orders: &[i32]) -> Result<Vec<Option<FieldDirection>>, Error> {
        let frames = self.references(column)?;
        let cells = self.arrays::<f64>(column)?;
        let directions = cells.cells().zip(frames).zip(orders).enumerate();
        directions
            .map(|(row, ((cell, frame), &order))| {
                let Some((shape, values)) = cell else { return Ok(None) };
                let mut terms: Vec<[f64; 2]> = match shape {
                    [2] | [.., 2] => values.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect(),
                    [2, n] => (0..*n).map(|i| [values[i], values[n + i]]).collect(),
                    other => return Err(self.contradiction(column, row, format!("a direction of shape {other:?}"))),
                };
                let wanted = usize::try_from(order).ok().and_then(|n| n.checked_add(1));
                let Some(wanted) = wanted.filter(|&n| n <= terms.len()) else {
                    let found = format!("{} polynomial terms where NUM_POLY is {order}", terms.len());
                    return Err(self.contradiction(column, row, found));
                };
                // casacore evaluates NUM_POLY + 1 terms, however many the cell holds.
                terms.truncate(wanted);
                Ok(Some(FieldDirection { terms, frame }))
            })
            .collect()
    }
}

/// What the codes of a measure's reference column mean in this table.
fn code_names(measure: &Record) -> HashMap<i64, String> {
    let names = measure.get("TabRefTypes").and_then(Value::as_strings).unwrap_or_default();
    let codes = measure.get("TabRefCodes").and_then(Value::as_integers).unwrap_or_default();
    codes.into_iter().zip(names.into_iter().map(String::from)).collect()
}

/// casacore's name of a MEAS_FREQ_REF code (`MFrequency.h`), for tables that do not bring their own list.
fn frequency_frame(code: i32) -> Option<&'static str> {
    const NAMES: [&str; 9] = ["REST", "LSRK", "LSRD", "BARY", "GEO", "TOPO", "GALACTO", "LGROUP", "CMB"];
    usize::try_from(code).ok().and_then(|code| NAMES.get(code)).copied()
}

fn spectral_window(t: &Subtable) -> Result<Vec<SpectralWindow>, Error> {
    let channels = t.scalars::<i32>("NUM_CHAN")?;
    let lists = |column: &'static str| -> Result<Vec<Vec<f64>>, Error> {
        let lists = t.lists::<f64>(column)?;
        for (row, (list, &wanted)) in lists.iter().zip(&channels).enumerate() {
            if usize::try_from(wanted) != Ok(list.len()) {
                return Err(t.contradiction(column, row, format!("{} values where NUM_CHAN is {wanted}", list.len())));
            }
        }
        Ok(lists)
    };
    let names = t.strings("NAME")?;
    let mut freq = lists("CHAN_FREQ")?;
    let mut width = lists("CHAN_WIDTH")?;
    let mut bandwidth = t.optional(lists("EFFECTIVE_BW"))?;
    let mut resolution = t.optional(lists("RESOLUTION"))?;
    let reference = t.scalars::<f64>("REF_FREQUENCY")?;
    let total = t.scalars::<f64>("TOTAL_BANDWIDTH")?;
    let codes = t.scalars::<i32>("MEAS_FREQ_REF")?;
    let flagged = t.scalars::<bool>("FLAG_ROW")?;
    let known = t.measure("CHAN_FREQ")?.map(|measure| code_names(&measure)).unwrap_or_default();
    let frame = |code: i32| known.get(&code.into()).cloned().or_else(|| frequency_frame(code).map(String::from));
    let windows = names.into_iter().enumerate().map(|(row, name)| SpectralWindow {
        name,
        freq_hz: std::mem::take(&mut freq[row]),
        width_hz: std::mem::take(&mut width[row]),
        effective_bw_hz: bandwidth.as_mut().map(|lists| std::mem::take(&mut lists[row])),
        resolution_hz: resolution.as_mut().map(|lists| std::mem::take(&mut lists[row])),
        ref_freq_hz: reference[row],
        total_bandwidth_hz: total[row],
        frame: frame(codes[row]),
        flagged: flagged[row],
    });
    Ok(windows.collect())
}

/// DATA_DESCRIPTION as it is in the file.
struct Ids {
    windows: Vec<i32>,
    polarizations: Vec<i32>,
    flagged: Vec<bool>,
}

impl Ids {
    fn read(t: &Subtable) -> Result<Self, Error> {
        Ok(Self {
            windows: t.scalars("SPECTRAL_WINDOW_ID")?,
            polarizations: t.scalars("POLARIZATION_ID")?,
            flagged: t.scalars("FLAG_ROW")?,
        })
    }

    /// The rows of the other tables that it points to.
    fn resolve(self, t: &Subtable, windows: usize, polarizations: usize) -> Result<Vec<DataDescription>, Error> {
        let inside = |column, row, id: i32, rows: usize| {
            let position = usize::try_from(id).ok().filter(|&id| id < rows);
            position.ok_or_else(|| {
                t.contradiction(column, row, format!("{id} is none of the {rows} rows that it points to"))
            })
        };
        let rows = self.windows.into_iter().zip(self.polarizations).zip(self.flagged).enumerate();
        rows.map(|(row, ((window, polarization), flagged))| {
            Ok(DataDescription {
                window: inside("SPECTRAL_WINDOW_ID", row, window, windows)?,
                polarization: inside("POLARIZATION_ID", row, polarization, polarizations)?,
                flagged,
            })
        })
        .collect()
    }
}

fn field(t: &Subtable) -> Result<Vec<Field>, Error> {
    let orders = t.scalars::<i32>("NUM_POLY")?;
    let phases = t.directions("PHASE_DIR", &orders)?;
    let absent = || vec![None; phases.len()];
    let mut delays = t.optional(t.directions("DELAY_DIR", &orders))?.unwrap_or_else(absent);
    let mut references = t.optional(t.directions("REFERENCE_DIR", &orders))?.unwrap_or_else(absent);
    let names = t.strings("NAME")?;
    let codes = t.strings("CODE")?;
    let times = t.scalars::<f64>("TIME")?;
    let sources = t.scalars::<i32>("SOURCE_ID")?;
    let flagged = t.scalars::<bool>("FLAG_ROW")?;
    let ephemerides = t.optional(t.scalars::<i32>("EPHEMERIS_ID"))?;
    let rows = names.into_iter().zip(codes).zip(phases).enumerate();
    rows.map(|(row, ((name, code), phase))| {
        Ok(Field {
            name,
            code,
            time: MjdSeconds(times[row]),
            source_id: sources[row],
            phase: phase.ok_or_else(|| Error::Undefined { path: t.path.clone(), column: "PHASE_DIR", row })?,
            delay: delays[row].take(),
            reference: references[row].take(),
            ephemeris_id: ephemerides.as_ref().map(|ids| ids[row]).filter(|&id| id >= 0),
            flagged: flagged[row],
        })
    })
    .collect()
}

fn antenna(t: &Subtable) -> Result<(Vec<MsAntenna>, Option<String>), Error> {
    let reference = t.measure("POSITION")?.and_then(|measure| measure.get("Ref")?.as_str().map(String::from));
    let positions = t.fixed::<f64, 3>("POSITION")?;
    let offsets = t.fixed::<f64, 3>("OFFSET")?;
    let diameters = t.scalars::<f64>("DISH_DIAMETER")?;
    let flagged = t.scalars::<bool>("FLAG_ROW")?;
    let names = t.strings("NAME")?.into_iter().zip(t.strings("STATION")?);
    let texts = names.zip(t.strings("TYPE")?).zip(t.strings("MOUNT")?).enumerate();
    let antennas = texts.map(|(row, (((name, station), kind), mount))| MsAntenna {
        name,
        station,
        kind,
        mount,
        position_m: positions[row],
        offset_m: offsets[row],
        diameter_m: diameters[row],
        flagged: flagged[row],
    });
    Ok((antennas.collect(), reference))
}

fn polarization(t: &Subtable) -> Result<Vec<Polarization>, Error> {
    let counts = t.scalars::<i32>("NUM_CORR")?;
    let codes = t.lists::<i32>("CORR_TYPE")?;
    let products = t.optional(t.lists::<i32>("CORR_PRODUCT"))?;
    let flagged = t.scalars::<bool>("FLAG_ROW")?;
    let rows = codes.into_iter().enumerate();
    rows.map(|(row, codes)| {
        let wrong =
            |column, n: usize| t.contradiction(column, row, format!("{n} values where NUM_CORR is {}", counts[row]));
        if usize::try_from(counts[row]) != Ok(codes.len()) {
            return Err(wrong("CORR_TYPE", codes.len()));
        }
        let receptors = products.as_ref().map(|cells| {
            let cell = &cells[row];
            let pairs: Vec<[i32; 2]> = cell.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
            if cell.len() == 2 * codes.len() { Ok(pairs) } else { Err(wrong("CORR_PRODUCT", cell.len())) }
        });
        Ok(Polarization { receptors: receptors.transpose()?, codes, flagged: flagged[row] })
    })
    .collect()
}

fn observation(t: &Subtable) -> Result<Vec<Observation>, Error> {
    let ranges = t.fixed::<f64, 2>("TIME_RANGE")?;
    let locations = t.optional(t.fixed::<f64, 3>("TELESCOPE_LOCATION"))?;
    let flagged = t.scalars::<bool>("FLAG_ROW")?;
    let texts = t.strings("TELESCOPE_NAME")?.into_iter().zip(t.strings("OBSERVER")?).zip(t.strings("PROJECT")?);
    let rows = texts.enumerate().map(|(row, ((telescope, observer), project))| Observation {
        telescope,
        observer,
        project,
        time_range: ranges[row].map(MjdSeconds),
        location_m: locations.as_ref().map(|all| all[row]),
        flagged: flagged[row],
    });
    Ok(rows.collect())
}
