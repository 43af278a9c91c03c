//! Comma-separated values under a line of column names with units.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use vis_types::{Component, Direction, Frame, Position, Shape, Spectrum};

use crate::angle::{self, Bare, Colons};
use crate::error::{Error, shortened};
use crate::list::{Source, gaussian};
use crate::number::Place;

/// What a column is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    Name,
    Patch,
    /// Not read: it is called `note…`.
    Note,
    Ra,
    Dec,
    /// Stokes I, Q, U, V: 0 to 3.
    Stokes(usize),
    Major,
    Minor,
    Angle,
    Reference,
    /// A term of the logarithmic spectrum: 0 is the spectral index, 1 the curvature.
    Term(usize),
}

/// The names of quantities.
const QUANTITIES: [(&str, Quantity); 27] = [
    ("name", Quantity::Name),
    ("source", Quantity::Name),
    ("patch", Quantity::Patch),
    ("ra", Quantity::Ra),
    ("dec", Quantity::Dec),
    ("i", Quantity::Stokes(0)),
    ("flux", Quantity::Stokes(0)),
    ("stokes_i", Quantity::Stokes(0)),
    ("q", Quantity::Stokes(1)),
    ("stokes_q", Quantity::Stokes(1)),
    ("u", Quantity::Stokes(2)),
    ("stokes_u", Quantity::Stokes(2)),
    ("v", Quantity::Stokes(3)),
    ("stokes_v", Quantity::Stokes(3)),
    ("major", Quantity::Major),
    ("major_axis", Quantity::Major),
    ("minor", Quantity::Minor),
    ("minor_axis", Quantity::Minor),
    ("pa", Quantity::Angle),
    ("position_angle", Quantity::Angle),
    ("orientation", Quantity::Angle),
    ("reference", Quantity::Reference),
    ("reference_frequency", Quantity::Reference),
    ("freq", Quantity::Reference),
    ("spectral_index", Quantity::Term(0)),
    ("alpha", Quantity::Term(0)),
    ("curvature", Quantity::Term(1)),
];

const ARCSEC: f64 = std::f64::consts::PI / 648_000.0;
const DEGREE: f64 = std::f64::consts::PI / 180.0;

/// Units in radians. Case matters for none of them.
const ANGLES: [(&str, f64); 8] = [
    ("deg", DEGREE),
    ("degrees", DEGREE),
    ("rad", 1.0),
    ("hours", 15.0 * DEGREE),
    ("arcmin", 60.0 * ARCSEC),
    ("arcsec", ARCSEC),
    ("mas", 1e-3 * ARCSEC),
    ("asec", ARCSEC),
];
/// Units in jansky. The case of the prefix matters: 1 MJy is no mJy.
const FLUXES: [(&str, f64); 7] =
    [("jy", 1.0), ("Jy", 1.0), ("mjy", 1e-3), ("mJy", 1e-3), ("ujy", 1e-6), ("uJy", 1e-6), ("µJy", 1e-6)];
/// Units in hertz.
const FREQUENCIES: [(&str, f64); 4] = [("hz", 1.0), ("khz", 1e3), ("mhz", 1e6), ("ghz", 1e9)];

/// A column of the table.
#[derive(Clone, Debug, PartialEq)]
struct Column {
    title: String,
    quantity: Quantity,
    /// The unit in radians, jansky or hertz; `None`: right ascension or declination that say theirs.
    unit: Option<f64>,
    /// The frequency of a tabulated flux, hertz.
    at_hz: Option<f64>,
}

/// Whether a line names columns, among them a right ascension and a declination.
pub(crate) fn is_header(line: &str) -> bool {
    let has = |wanted| line.split(',').any(|title| split(title.trim().trim_matches('"')).0 == Some(wanted));
    has(Quantity::Ra) && has(Quantity::Dec)
}

/// The quantity and the unit of a column's title.
fn split(title: &str) -> (Option<Quantity>, &str) {
    let of = |name: &str| {
        let name = name.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        if name.starts_with("note") {
            return Some(Quantity::Note);
        }
        QUANTITIES.iter().find(|(known, _)| *known == name).map(|(_, quantity)| *quantity)
    };
    if let Some((name, unit)) = title.split_once(['(', '[']) {
        return (of(name), unit.trim_end().trim_end_matches([')', ']']).trim());
    }
    match (of(title), title.rsplit_once('_')) {
        (None, Some((name, unit))) => (of(name), unit),
        (quantity, _) => (quantity, ""),
    }
}

pub(crate) fn parse(text: &str, file: &Path, frame: Frame) -> Result<Vec<Source>, Error> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .has_headers(true)
        .flexible(true)
        .from_reader(text.as_bytes());
    let unreadable = |error: csv::Error| Error::Line {
        file: file.to_owned(),
        line: error.position().map_or(1, csv::Position::line),
        problem: format!("no comma-separated values ({error})"),
        hint: "check the quotes",
    };
    let mut place = Cursor { text, byte: 0, line: 1 };
    let titles = reader.headers().map_err(unreadable)?.clone();
    let line = place.line_of(&titles);
    let columns = columns(&titles, file, line)?;
    let mut sources = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = place.line_of(&record);
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() != columns.len() {
            return Err(Error::Line {
                file: file.to_owned(),
                line,
                problem: format!("{} values under {} column names", record.len(), columns.len()),
                hint: "write one value a column; an empty one may stand between two commas",
            });
        }
        sources.push(Entry { columns: &columns, record: &record, file, line }.source(frame)?);
    }
    Ok(sources)
}

/// Counts lines as records come by: a record's own position is that of the comments and empty lines above it.
struct Cursor<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
}

impl Cursor<'_> {
    fn line_of(&mut self, record: &csv::StringRecord) -> u64 {
        let start = record.position().and_then(|p| usize::try_from(p.byte()).ok()).unwrap_or(self.byte);
        while let Some((line, _)) = self.text.get(self.byte..).and_then(|rest| rest.split_once('\n')) {
            let passed_over = line.trim_end_matches('\r').is_empty() || line.starts_with('#');
            if self.byte >= start && !passed_over {
                break;
            }
            self.byte += line.len() + 1;
            self.line += 1;
        }
        self.line
    }
}

fn columns(titles: &csv::StringRecord, file: &Path, line: u64) -> Result<Vec<Column>, Error> {
    const KNOWN: &str = "columns are name, ra_deg (or ra as 05:42:36.1), dec_deg, i_jy or i_mjy (q, u, v), i_jy@1.4GHz, spectral_index, curvature, reference_mhz, major_arcsec, minor_arcsec, pa_deg, patch; one called note… is passed over";
    let refuse = |title: &str, problem, hint| {
        Err(Error::Column { file: file.to_owned(), line, column: shortened(title), problem, hint })
    };
    let mut columns: Vec<Column> = Vec::new();
    for title in titles {
        let (head, at) = title.split_once('@').map_or((title, None), |(head, at)| (head.trim(), Some(at)));
        let (Some(quantity), unit) = split(head) else { return refuse(title, "is not known", KNOWN) };
        let unit = match unit_of(quantity, unit) {
            Ok(unit) => unit,
            Err(hint) => {
                return refuse(title, if unit.is_empty() { "has no unit" } else { "has an unknown unit" }, hint);
            }
        };
        let at_hz = match (quantity, at) {
            (_, None) => None,
            (Quantity::Stokes(_), Some(at)) => match frequency(at) {
                Some(hz) => Some(hz),
                None => return refuse(title, "has an unknown frequency", "write i_jy@1.4GHz or i_mjy@1400MHz"),
            },
            _ => return refuse(title, "is no flux and has a frequency", "only fluxes are tabulated: i_jy@1.4GHz"),
        };
        if quantity != Quantity::Note && columns.iter().any(|c| c.quantity == quantity && c.at_hz == at_hz) {
            return refuse(title, "stands for what another column says already", "keep one of them");
        }
        columns.push(Column { title: title.to_owned(), quantity, unit, at_hz });
    }
    let has = |quantity| columns.iter().any(|c| c.quantity == quantity);
    for (quantity, title) in [(Quantity::Ra, "ra_deg"), (Quantity::Dec, "dec_deg"), (Quantity::Stokes(0), "i_jy")] {
        if !has(quantity) {
            return refuse(title, "is missing", KNOWN);
        }
    }
    let tabulated = columns.iter().any(|c| c.at_hz.is_some());
    let mixed = |c: &&Column| {
        matches!(c.quantity, Quantity::Term(_) | Quantity::Reference)
            || matches!(c.quantity, Quantity::Stokes(_)) && c.at_hz.is_none()
    };
    if let Some(column) = columns.iter().find(mixed).filter(|_| tabulated) {
        let title = column.title.clone();
        return refuse(
            &title,
            "stands beside fluxes at frequencies",
            "a table has either fluxes at frequencies or one flux with a spectral index",
        );
    }
    Ok(columns)
}

/// The unit in radians, jansky or hertz; which ones there are, where it is not known.
fn unit_of(quantity: Quantity, unit: &str) -> Result<Option<f64>, &'static str> {
    let among = |units: &[(&str, f64)], any_case: bool| {
        let found = units.iter().find(|(u, _)| *u == unit || any_case && u.eq_ignore_ascii_case(unit));
        found.map(|(_, scale)| Some(*scale))
    };
    match quantity {
        Quantity::Name | Quantity::Patch | Quantity::Note => Ok(None),
        Quantity::Term(_) if unit.is_empty() => Ok(None),
        Quantity::Term(_) => Err("spectral terms have no unit"),
        Quantity::Ra | Quantity::Dec => match unit.to_ascii_lowercase().as_str() {
            "" | "hms" | "dms" => Ok(None),
            "hours" | "h" if quantity == Quantity::Ra => Ok(Some(15.0 * DEGREE)),
            _ => among(&ANGLES, true)
                .filter(|_| !unit.eq_ignore_ascii_case("hours"))
                .ok_or("write ra_deg, ra_rad, ra_hours, or ra for values such as 05:42:36.1; dec_deg, dec_rad or dec"),
        },
        Quantity::Stokes(_) => among(&FLUXES, false).ok_or("fluxes are in jy, mjy or ujy: i_jy, i_mjy"),
        Quantity::Major | Quantity::Minor => among(&ANGLES, true).ok_or("write major_arcsec, major_arcmin, major_deg"),
        Quantity::Angle => among(&ANGLES, true).ok_or("write pa_deg or pa_rad"),
        Quantity::Reference => among(&FREQUENCIES, true).ok_or("write reference_hz, reference_mhz or reference_ghz"),
    }
}

/// `1.4GHz` in hertz.
fn frequency(text: &str) -> Option<f64> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, scale) = ["khz", "mhz", "ghz"]
        .iter()
        .find_map(|unit| Some((lower.strip_suffix(unit)?, *unit)))
        .or_else(|| Some((lower.strip_suffix("hz")?, "hz")))
        .and_then(|(number, unit)| Some((number, FREQUENCIES.iter().find(|(u, _)| *u == unit)?.1)))?;
    number.trim().parse::<f64>().ok().map(|x| x * scale).filter(|hz| hz.is_finite() && *hz > 0.0)
}

/// A line under the names.
struct Entry<'a> {
    columns: &'a [Column],
    record: &'a csv::StringRecord,
    file: &'a Path,
    line: u64,
}

impl<'a> Entry<'a> {
    /// The column and the text of a quantity; `None` where it is absent or empty.
    fn get(&self, quantity: Quantity) -> Option<(&'a Column, &'a str)> {
        let index = self.columns.iter().position(|c| c.quantity == quantity)?;
        Some((&self.columns[index], self.record.get(index)?)).filter(|(_, text)| !text.is_empty())
    }

    fn place(&self, column: &'a Column) -> Place<'a> {
        Place { file: self.file, line: self.line, column: &column.title }
    }

    fn scaled(&self, quantity: Quantity, hint: &'static str) -> Result<Option<f64>, Error> {
        let Some((column, text)) = self.get(quantity) else { return Ok(None) };
        Ok(Some(self.place(column).number(text, hint)? * column.unit.unwrap_or(1.0)))
    }

    fn source(&self, frame: Frame) -> Result<Source, Error> {
        let text = |quantity| self.get(quantity).map(|(_, text)| text.to_owned());
        let name = text(Quantity::Name).unwrap_or_else(|| format!("line {}", self.line));
        let position =
            Position::Sky(Direction { lon_rad: self.angle(Quantity::Ra)?, lat_rad: self.angle(Quantity::Dec)?, frame });
        let component = Component { name, position, shape: self.shape()?, spectrum: self.spectrum()? };
        Ok(Source { component, line: self.line, patch: text(Quantity::Patch) })
    }

    fn angle(&self, quantity: Quantity) -> Result<f64, Error> {
        let Some((column, text)) = self.get(quantity) else {
            return Err(self.missing(quantity, ("which is no direction", "every source needs its direction")));
        };
        let (colons, check): (_, fn(f64) -> _) = match quantity {
            Quantity::Ra => (Colons::Hours, angle::right_ascension),
            _ => (Colons::Degrees, angle::declination),
        };
        let rad = match column.unit {
            Some(unit) => {
                Ok(self.place(column).number(text, "the column's name says the unit: write the number alone")? * unit)
            }
            None => angle::parse(text, colons, Bare::Refused),
        };
        rad.and_then(check).map_err(|why| self.place(column).refuse(text, why))
    }

    fn missing(&self, quantity: Quantity, why: (&'static str, &'static str)) -> Error {
        let title = self.columns.iter().find(|c| c.quantity == quantity).map_or("", |c| c.title.as_str());
        Place { file: self.file, line: self.line, column: title }.refuse("", why)
    }

    fn shape(&self) -> Result<Shape, Error> {
        const HINT: &str = "the column's name says the unit: write the number alone";
        let width = |quantity| {
            let width = self.scaled(quantity, HINT)?.unwrap_or(0.0);
            match self.get(quantity) {
                Some((column, text)) if width < 0.0 => {
                    Err(self.place(column).refuse(text, ("a negative width", "axes are full widths, not negative")))
                }
                _ => Ok(width),
            }
        };
        let (major, minor) = (width(Quantity::Major)?, width(Quantity::Minor)?);
        if (major > 0.0) != (minor > 0.0)
            && (self.get(Quantity::Major).is_none() || self.get(Quantity::Minor).is_none())
        {
            let missing = if self.get(Quantity::Major).is_none() { Quantity::Major } else { Quantity::Minor };
            return Err(self.missing(missing, ("which is no width", "a Gaussian needs both axes, a point none")));
        }
        Ok(gaussian(major, minor, self.scaled(Quantity::Angle, HINT)?.unwrap_or(0.0)))
    }

    fn spectrum(&self) -> Result<Spectrum, Error> {
        const HINT: &str = "the column's name says the unit: write the number alone";
        if self.columns.iter().any(|c| c.at_hz.is_some()) {
            return self.tabulated();
        }
        let Some(i) = self.scaled(Quantity::Stokes(0), HINT)? else {
            return Err(self.missing(Quantity::Stokes(0), ("which is no flux", "every source needs its Stokes I")));
        };
        let mut stokes_jy = [i, 0.0, 0.0, 0.0];
        for (k, jy) in stokes_jy.iter_mut().enumerate().skip(1) {
            *jy = self.scaled(Quantity::Stokes(k), HINT)?.unwrap_or(0.0);
        }
        let term = |k| Ok::<f64, Error>(self.scaled(Quantity::Term(k), "spectral terms have no unit")?.unwrap_or(0.0));
        let mut terms = vec![term(0)?, term(1)?];
        if terms.iter().all(|&t| t == 0.0) {
            return Ok(Spectrum::Flat { stokes_jy });
        }
        if terms[1] == 0.0 {
            terms.pop();
        }
        match self.scaled(Quantity::Reference, HINT)?.filter(|hz| *hz > 0.0) {
            Some(reference_hz) => Ok(Spectrum::PowerLaw { stokes_jy, reference_hz, terms: Cow::Owned(terms) }),
            None => Err(self.missing(
                Quantity::Reference,
                (
                    "not a frequency, while there is a spectral index",
                    "give the frequency of the flux, as in reference_mhz",
                ),
            )),
        }
    }

    /// Fluxes at frequencies; empty ones are left out.
    fn tabulated(&self) -> Result<Spectrum, Error> {
        // Frequencies are positive, so that their bits are in their order.
        let mut table: BTreeMap<u64, [f64; 4]> = BTreeMap::new();
        let mut has_i: BTreeMap<u64, bool> = BTreeMap::new();
        for (column, text) in self.columns.iter().zip(self.record) {
            let (Quantity::Stokes(k), Some(hz)) = (column.quantity, column.at_hz) else { continue };
            if text.is_empty() {
                continue;
            }
            let jy = self.place(column).number(text, "the column's name says the unit: write the number alone")?;
            table.entry(hz.to_bits()).or_default()[k] = jy * column.unit.unwrap_or(1.0);
            *has_i.entry(hz.to_bits()).or_default() |= k == 0;
        }
        if table.is_empty() || has_i.values().any(|has| !has) {
            let why = (
                "which is no flux",
                "every source needs a Stokes I at one frequency at least, and beside each Q, U and V",
            );
            return Err(self.missing(Quantity::Stokes(0), why));
        }
        let (freq_hz, stokes_jy) = table.into_iter().map(|(bits, stokes)| (f64::from_bits(bits), stokes)).unzip();
        Ok(Spectrum::Table { freq_hz, stokes_jy })
    }
}
