//! A list of sources, whatever its format.

use std::path::Path;

use vis_types::{Component, Frame, Shape};

use crate::error::{Error, shortened};
use crate::{bbs, table};

/// The text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A source list of BBS, DP3, WSClean, LSMTool: a `Format` line, then a source a line.
    Bbs,
    /// Comma-separated values under a line of column names.
    Csv,
}

/// How a list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The format; `None`: as the first line shows.
    pub format: Option<Format>,
    /// The frame of a CSV table's directions. Source lists say theirs; they are J2000 where they do not.
    pub csv_frame: Frame,
}

impl Default for Options {
    fn default() -> Self {
        Self { format: None, csv_frame: Frame::Icrs }
    }
}

/// One source of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// What it is.
    pub component: Component,
    /// The line where it stands, from 1.
    pub line: u64,
    /// The patch to which the list counts it.
    pub patch: Option<String>,
}

/// What a list holds, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceList {
    /// The format that it was read as.
    pub format: Format,
    /// At least one source.
    pub sources: Vec<Source>,
}

impl SourceList {
    /// The components alone.
    #[must_use]
    pub fn into_components(self) -> Vec<Component> {
        self.sources.into_iter().map(|source| source.component).collect()
    }
}

/// Reads the sources of `text`. `file` is for messages only.
///
/// # Errors
/// [`Error`] for the first line that cannot be understood as it was surely meant, and for a text without sources.
pub fn parse(text: &str, file: &Path, options: &Options) -> Result<SourceList, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let format = match options.format {
        Some(format) => format,
        None => recognise(text, file)?,
    };
    let sources = match format {
        Format::Bbs => bbs::parse(text, file)?,
        Format::Csv => table::parse(text, file, options.csv_frame)?,
    };
    if sources.is_empty() {
        return Err(Error::Empty { file: file.to_owned() });
    }
    Ok(SourceList { format, sources })
}

fn recognise(text: &str, file: &Path) -> Result<Format, Error> {
    for (number, line) in (1..).zip(text.lines()) {
        if bbs::format_of(line).is_some() {
            return Ok(Format::Bbs);
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if table::is_header(line) {
            return Ok(Format::Csv);
        }
        return Err(Error::UnknownFormat { file: file.to_owned(), line: number, found: shortened(line) });
    }
    Err(Error::Empty { file: file.to_owned() })
}

/// A Gaussian of two full widths at half maximum, whichever is longer; a point when both are zero.
pub(crate) fn gaussian(major_rad: f64, minor_rad: f64, angle_rad: f64) -> Shape {
    if major_rad == 0.0 && minor_rad == 0.0 {
        return Shape::Point;
    }
    if minor_rad > major_rad {
        let angle_rad = angle_rad + std::f64::consts::FRAC_PI_2;
        return Shape::Gaussian { major_rad: minor_rad, minor_rad: major_rad, angle_rad };
    }
    Shape::Gaussian { major_rad, minor_rad, angle_rad }
}
