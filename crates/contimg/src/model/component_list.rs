//! CASA's component lists: casacore tables with a component a row, as `componentlist` writes them.

use std::borrow::Cow;
use std::f64::consts::LN_10;
use std::path::Path;

use casacore::{Complex64, Table};
use vis_types::{Component, Direction, Frame, Position, Shape, Spectrum};

use super::set::of_table;
use crate::failure::{Class, Failure};

/// Reads all components.
pub(crate) fn read(path: &Path) -> Result<Vec<Component>, Failure> {
    let list = List { table: Table::open(path).map_err(|e| of_table(&e))?, path };
    let rows = list.table.rows().map_err(|e| of_table(&e))?;
    if list.table.column("Reference_Direction").is_err() || list.table.column("Flux").is_err() {
        return Err(Failure::new(Class::Input, format!("{}: a table, but no CASA component list", path.display()))
            .hint("--sky takes a component list, or a text file: a WSClean, DP3 or BBS source list, or a CSV table"));
    }
    (0..rows).map(|row| list.component(row)).collect()
}

struct List<'a> {
    table: Table,
    path: &'a Path,
}

impl List<'_> {
    fn component(&self, row: u64) -> Result<Component, Failure> {
        let name = match self.text("Label", row)? {
            label if label.is_empty() => format!("component {row} of {}", self.path.display()),
            label => label,
        };
        let position = Position::Sky(self.direction(row)?);
        Ok(Component { name, position, shape: self.shape(row)?, spectrum: self.spectrum(row)? })
    }

    fn text(&self, column: &str, row: u64) -> Result<String, Failure> {
        let texts = self.table.read_strings(column, row).map_err(|e| of_table(&e))?;
        Ok(texts.into_iter().next().unwrap_or_default())
    }

    fn numbers(&self, column: &str, row: u64) -> Result<Vec<f64>, Failure> {
        Ok(self.table.read_cell::<f64>(column, row).map_err(|e| of_table(&e))?.1)
    }

    fn refuse(&self, row: u64, what: impl std::fmt::Display, hint: &str) -> Failure {
        Failure::new(Class::Input, format!("{}, component {row}: {what}", self.path.display())).hint(hint)
    }

    fn direction(&self, row: u64) -> Result<Direction, Failure> {
        let frame = match self.text("Direction_Frame", row)?.as_str() {
            "J2000" => Frame::Fk5,
            "ICRS" => Frame::Icrs,
            "B1950" => Frame::Fk4,
            other => {
                let what = format!("the direction is in frame {other}");
                return Err(self.refuse(row, what, "convert it to ICRS or J2000 with componentlist.convertrefframe"));
            }
        };
        match self.numbers("Reference_Direction", row)?[..] {
            [lon_rad, lat_rad] => Ok(Direction { lon_rad, lat_rad, frame }),
            ref other => {
                Err(self.refuse(row, format!("the direction has {} angles", other.len()), "the list is damaged"))
            }
        }
    }

    fn shape(&self, row: u64) -> Result<Shape, Failure> {
        let parameters = self.numbers("Shape_Parameters", row)?;
        match (self.text("Shape", row)?.as_str(), &parameters[..]) {
            ("Point", _) => Ok(Shape::Point),
            ("Gaussian", &[major_rad, minor_rad, angle_rad]) => Ok(Shape::Gaussian { major_rad, minor_rad, angle_rad }),
            (other, _) => Err(self.refuse(
                row,
                format!("a {other} cannot be predicted"),
                "points and Gaussians are: leave the component out of the list",
            )),
        }
    }

    fn spectrum(&self, row: u64) -> Result<Spectrum, Failure> {
        let scale = match self.text("Flux_Unit", row)?.as_str() {
            "Jy" => 1.0,
            "mJy" => 1e-3,
            "uJy" => 1e-6,
            other => return Err(self.refuse(row, format!("the flux is in {other}"), "write fluxes in Jy")),
        };
        let polarisation = self.text("Flux_Polarisation", row)?;
        if polarisation != "Stokes" {
            let what = format!("the flux is given in {polarisation} correlations");
            return Err(self.refuse(row, what, "convert it to Stokes parameters with componentlist.convertfluxpol"));
        }
        let (_, flux) = self.table.read_cell::<Complex64>("Flux", row).map_err(|e| of_table(&e))?;
        let &[i, q, u, v] = &flux[..] else {
            return Err(self.refuse(row, format!("the flux has {} values", flux.len()), "the list is damaged"));
        };
        let stokes_jy = [i, q, u, v].map(|s| s.re * scale);
        let reference_hz = {
            let mut hz = [0.0];
            self.table.read("Reference_Frequency", row, &mut hz).map_err(|e| of_table(&e))?;
            hz[0]
        };
        let parameters = self.numbers("Spectral_Parameters", row)?;
        let terms: Vec<f64> = match self.text("Spectrum_Shape", row)?.as_str() {
            "Constant" => return Ok(Spectrum::Flat { stokes_jy }),
            // Further indices are those of Q, U and V, which CASA's `ft` does not use either when they are zero.
            "Spectral Index" if parameters.iter().skip(1).all(|&p| p == 0.0) => {
                parameters.into_iter().take(1).collect()
            }
            // S·x^(α + β ln x + …): our terms are of lg x.
            "Power Logarithmic Polynomial" => parameters.iter().zip(0..).map(|(p, k)| p * LN_10.powi(k)).collect(),
            other => {
                let what = format!("a spectrum of the kind `{other}` cannot be predicted");
                return Err(self.refuse(
                    row,
                    what,
                    "give a constant, a spectral index or a power logarithmic polynomial",
                ));
            }
        };
        Ok(Spectrum::PowerLaw { stokes_jy, reference_hz, terms: Cow::Owned(terms) })
    }
}
