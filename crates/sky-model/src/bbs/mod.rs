//! Source lists of BBS, DP3 and WSClean: a format line, then a source or a patch a line.
//!
//! The format is that of LOFAR's `makesourcedb` (LOFAR wiki, "makesourcedb") as DP3 reads it, and of WSClean's
//! `-save-source-list` (WSClean manual, "Component list").

use std::borrow::Cow;
use std::path::Path;

use vis_types::{Component, Direction, Frame, Position, Shape, Spectrum};

use crate::angle::{self, Bare, Colons};
use crate::error::Error;
use crate::list::{Source, gaussian};
use crate::number::Place;

mod format;

use format::Layout;
pub(crate) use format::format_of;

const ARCSEC: f64 = std::f64::consts::PI / 648_000.0;

pub(crate) fn parse(text: &str, file: &Path) -> Result<Vec<Source>, Error> {
    let lines = || (1..).zip(text.lines());
    let Some((at, format)) = lines().find_map(|(at, line)| Some((at, format_of(line)?))) else {
        return Err(Error::Line {
            file: file.to_owned(),
            line: 1,
            problem: "there is no format line".to_owned(),
            hint: "begin the list with `Format = Name, Type, Ra, Dec, I, …`",
        });
    };
    let layout = Layout::parse(&format, file, at)?;
    let mut sources = Vec::new();
    for (number, line) in lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || (number == at) {
            continue;
        }
        if format_of(line).is_some() {
            return Err(Error::Line {
                file: file.to_owned(),
                line: number,
                problem: format!("a second format line (the first is line {at})"),
                hint: "write one list a file",
            });
        }
        let values = layout.values(line, file, number)?;
        let entry = Entry { layout: &layout, values: &values, file, line: number };
        sources.extend(entry.sources()?);
    }
    Ok(sources)
}

/// A line's values, found by their column's name.
struct Entry<'a> {
    layout: &'a Layout,
    values: &'a [Cow<'a, str>],
    file: &'a Path,
    line: u64,
}

impl Entry<'_> {
    /// The value of a column; `None` where the list does not have it or leaves it empty.
    fn get(&self, column: &str) -> Option<&str> {
        let value: &str = &self.values[self.layout.index_of(column)?];
        Some(value).filter(|v| !v.is_empty())
    }

    fn place<'p>(&'p self, column: &'p str) -> Place<'p> {
        Place { file: self.file, line: self.line, column }
    }

    fn number(&self, column: &str, hint: &'static str) -> Result<Option<f64>, Error> {
        self.get(column).map(|text| self.place(column).number(text, hint)).transpose()
    }

    /// The source of the line, or nothing for the line of a patch.
    ///
    /// A list's spectrum is that of I, and Q, U and V are constant, as DP3 predicts them; a [`Spectrum`] scales all four. So a
    /// polarised source with a spectrum becomes two.
    fn sources(&self) -> Result<Vec<Source>, Error> {
        let patch = self.get("Patch").map(str::to_owned);
        let Some(name) = self.get("Name") else {
            if patch.is_some() {
                return Ok(Vec::new());
            }
            return Err(Error::Line {
                file: self.file.to_owned(),
                line: self.line,
                problem: "a line with neither a source's nor a patch's name".to_owned(),
                hint: "give the source a name in the column `Name`",
            });
        };
        self.refuse_unsupported()?;
        let component = Component {
            name: name.to_owned(),
            position: Position::Sky(self.direction()?),
            shape: self.shape()?,
            spectrum: self.spectrum()?,
        };
        let source = |component| Source { component, line: self.line, patch: patch.clone() };
        match component.spectrum {
            Spectrum::PowerLaw { stokes_jy: [i, q, u, v], reference_hz, terms } if [q, u, v] != [0.0; 3] => {
                let total = Spectrum::PowerLaw { stokes_jy: [i, 0.0, 0.0, 0.0], reference_hz, terms };
                let polarised = Spectrum::Flat { stokes_jy: [0.0, q, u, v] };
                let parts = [(name.to_owned(), total), (format!("{name} (Q, U, V)"), polarised)];
                Ok(parts.map(|(name, spectrum)| source(Component { name, spectrum, ..component })).into())
            }
            _ => Ok(vec![source(component)]),
        }
    }

    fn refuse_unsupported(&self) -> Result<(), Error> {
        const HINT: &str = "it changes the model and is not predicted: give Q, U and V, or leave it out knowingly";
        for column in ["RotationMeasure", "PolarizedFraction", "PolarizationAngle"] {
            if self.number(column, "a number")?.is_some_and(|value| value != 0.0) {
                let found = self.get(column).unwrap_or_default();
                return Err(self.place(column).refuse(found, ("which cannot be honoured", HINT)));
            }
        }
        Ok(())
    }

    fn direction(&self) -> Result<Direction, Error> {
        let frame = match self.get("RefType") {
            None => Frame::Fk5,
            Some(name) => match name.to_ascii_uppercase().as_str() {
                "J2000" => Frame::Fk5,
                "B1950" => Frame::Fk4,
                "ICRS" => Frame::Icrs,
                _ => {
                    let why = ("not a frame of fixed directions", "it may be J2000, B1950 or ICRS");
                    return Err(self.place("RefType").refuse(name, why));
                }
            },
        };
        let angle = |column: &str, colons| {
            let Some(text) = self.get(column) else {
                return Err(self
                    .place(column)
                    .refuse("", ("which is no direction", "every source has a Ra and a Dec")));
            };
            let rad = angle::parse(text, colons, Bare::Refused);
            let rad = rad.and_then(if column == "Ra" { angle::right_ascension } else { angle::declination });
            rad.map_err(|why| self.place(column).refuse(text, why))
        };
        Ok(Direction { lon_rad: angle("Ra", Colons::Hours)?, lat_rad: angle("Dec", Colons::Refused)?, frame })
    }

    fn shape(&self) -> Result<Shape, Error> {
        let kind = self.get("Type").unwrap_or("POINT");
        match kind.to_ascii_uppercase().as_str() {
            "POINT" => Ok(Shape::Point),
            "GAUSSIAN" => {
                let axis = |column: &str| {
                    let Some(text) = self.get(column) else {
                        let why = ("which is no width", "a Gaussian needs MajorAxis and MinorAxis, in arcseconds");
                        return Err(self.place(column).refuse("", why));
                    };
                    let width =
                        self.place(column).number(text, "axes are full widths in arcseconds, without a unit")?;
                    if width < 0.0 {
                        return Err(self.place(column).refuse(text, ("a negative width", "axes are not negative")));
                    }
                    Ok(width * ARCSEC)
                };
                let angle_deg = self.number("Orientation", "orientations are degrees, without a unit")?;
                Ok(gaussian(axis("MajorAxis")?, axis("MinorAxis")?, angle_deg.unwrap_or(0.0).to_radians()))
            }
            _ => Err(self.place("Type").refuse(
                kind,
                (
                    "a type that is not predicted",
                    "points and Gaussians are: leave the source out, or take its components",
                ),
            )),
        }
    }

    fn spectrum(&self) -> Result<Spectrum, Error> {
        const JANSKY: &str = "fluxes are in jansky, without a unit";
        let Some(i) = self.number("I", JANSKY)? else {
            return Err(self.place("I").refuse("", ("which is no flux", "every source needs its Stokes I, in jansky")));
        };
        let other = |column| Ok::<f64, Error>(self.number(column, JANSKY)?.unwrap_or(0.0));
        let stokes_jy = [i, other("Q")?, other("U")?, other("V")?];
        let terms = self.spectral_terms()?;
        let logarithmic = match self.get("LogarithmicSI") {
            Some(text) => self.place("LogarithmicSI").truth(text)?,
            None => true,
        };
        let reference_hz = self.number("ReferenceFrequency", "frequencies are in hertz, without a unit")?;
        if terms.iter().all(|&c| c == 0.0) {
            return Ok(Spectrum::Flat { stokes_jy });
        }
        let Some(reference_hz) = reference_hz.filter(|f| *f > 0.0) else {
            let why = ("not a frequency, while there are spectral terms", "give the frequency of I, in hertz");
            let found = self.get("ReferenceFrequency").unwrap_or_default();
            return Err(self.place("ReferenceFrequency").refuse(found, why));
        };
        let terms = Cow::Owned(terms);
        Ok(match logarithmic {
            true => Spectrum::PowerLaw { stokes_jy, reference_hz, terms },
            false => Spectrum::Polynomial { stokes_jy, reference_hz, terms },
        })
    }

    fn spectral_terms(&self) -> Result<Vec<f64>, Error> {
        let column = "SpectralIndex";
        let Some(text) = self.get(column) else { return Ok(Vec::new()) };
        let inner = match (text.strip_prefix('['), text.strip_suffix(']')) {
            (Some(_), Some(_)) => &text[1..text.len() - 1],
            (None, None) => text,
            _ => return Err(self.place(column).refuse(text, ("a list without its bracket", "write [-0.7, 0.1]"))),
        };
        if inner.trim().is_empty() {
            return Ok(Vec::new());
        }
        // LSMTool writes lists within lists with semicolons.
        inner.split([',', ';']).map(|term| self.place(column).number(term, "write terms as [-0.7, 0.1]")).collect()
    }
}
