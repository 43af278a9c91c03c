//! The format line, and a line cut into values as it says.

use std::borrow::Cow;
use std::path::Path;

use crate::error::{Error, shortened};

/// Columns that the model depends on or may be left aside, as `makesourcedb` spells them.
const KNOWN: [&str; 27] = [
    "Name",
    "Type",
    "Patch",
    "RefType",
    "Ra",
    "Dec",
    "I",
    "Q",
    "U",
    "V",
    "SpectralIndex",
    "LogarithmicSI",
    "ReferenceFrequency",
    "MajorAxis",
    "MinorAxis",
    "Orientation",
    "OrientationIsAbsolute",
    "RotationMeasure",
    "PolarizedFraction",
    "PolarizationAngle",
    "ReferenceWavelength",
    "Category",
    "IShapelet",
    "QShapelet",
    "UShapelet",
    "VShapelet",
    // A column to pass over.
    "Dummy",
];

/// What the columns of other programs are for, where the model does not depend on them: LSMTool's and PyBDSF's notes.
const NOTES: [&str; 6] = ["Source_id", "Isl_id", "Total_flux", "Peak_flux", "Note", "Comment"];

/// What a format line says, without `Format =` or `= format`; `None` for any other line.
pub(crate) fn format_of(line: &str) -> Option<String> {
    let line = line.trim();
    // `# (Name, Type, …) = format`: the older form.
    if let Some(rest) = line.strip_prefix('#') {
        let (columns, word) = rest.trim().strip_prefix('(')?.rsplit_once('=')?;
        let columns = columns.trim_end().strip_suffix(')')?;
        return word.trim().eq_ignore_ascii_case("format").then(|| columns.to_owned());
    }
    let (word, columns) = line.split_once('=')?;
    word.trim().eq_ignore_ascii_case("format").then(|| columns.trim().to_owned())
}

/// A column of the list.
#[derive(Clone, Debug, PartialEq)]
struct Column {
    name: String,
    /// What stands after its value.
    separator: char,
    /// A value for lines that leave it empty, or for all lines, which then do not have it.
    given: Option<(String, Given)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Given {
    Default,
    Fixed,
}

/// The columns of a list, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    columns: Vec<Column>,
}

impl Layout {
    pub(super) fn parse(format: &str, file: &Path, line: u64) -> Result<Self, Error> {
        let refuse =
            |problem: &str, hint| Err(Error::Line { file: file.to_owned(), line, problem: problem.to_owned(), hint });
        let mut columns: Vec<Column> = Vec::new();
        let mut rest = format.trim();
        while !rest.is_empty() {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            let name = rest[..end].to_owned();
            rest = rest[end..].trim_start();
            let mut given = None;
            if let Some(value) = rest.strip_prefix('=') {
                let value = value.trim_start();
                let (kind, value) = match value.get(..5).filter(|word| word.eq_ignore_ascii_case("fixed")) {
                    Some(_) => (Given::Fixed, value[5..].trim_start()),
                    None => (Given::Default, value),
                };
                let Some(quote) = value.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
                    return refuse(
                        &format!("the value of `{name}` does not begin with a quote"),
                        "write ReferenceFrequency='1.4e9'",
                    );
                };
                let Some((inner, after)) = value[1..].split_once(quote) else {
                    return refuse(&format!("the value of `{name}` has no closing quote"), "close it");
                };
                given = Some((inner.to_owned(), kind));
                rest = after.trim_start();
            }
            let separator = match rest.chars().next() {
                Some(c) if c.is_ascii_alphanumeric() || c == '_' => ' ',
                Some(c @ ('\'' | '"')) => {
                    return refuse(
                        &format!("a quote {c} where a separator should be, after `{name}`"),
                        "close the quotes of each value",
                    );
                }
                Some(c) => {
                    rest = rest[c.len_utf8()..].trim_start();
                    c
                }
                None => ' ',
            };
            columns.push(Column { name, separator, given });
        }
        // The last value ends with the line, unless the others' separator follows it.
        if let [.., before, last] = columns.as_mut_slice() {
            last.separator = before.separator;
        }
        Self::check(&columns, file, line)?;
        Ok(Self { columns })
    }

    fn check(columns: &[Column], file: &Path, line: u64) -> Result<(), Error> {
        let refuse = |column: &str, problem, hint| {
            Err(Error::Column { file: file.to_owned(), line, column: shortened(column), problem, hint })
        };
        for (index, column) in columns.iter().enumerate() {
            let name = column.name.as_str();
            let alike = |other: &str| other.eq_ignore_ascii_case(name);
            if name.is_empty() || alike("Dummy") {
                continue;
            }
            if ["rah", "rad", "ram", "ras", "dech", "decd", "decm", "decs", "SpectralIndexDegree"]
                .iter()
                .any(|n| alike(n))
                || name.to_ascii_lowercase().starts_with("spectralindex:")
            {
                return refuse(
                    name,
                    "is of an old form that is not read",
                    "give Ra, Dec and SpectralIndex=[…] in one column each; LSMTool converts lists",
                );
            }
            if !KNOWN.iter().chain(&NOTES).any(|known| alike(known)) {
                return refuse(
                    name,
                    "is not known",
                    "check its spelling (Name, Type, Patch, Ra, Dec, I, Q, U, V, SpectralIndex, LogarithmicSI, ReferenceFrequency, MajorAxis, MinorAxis, Orientation, …), or call it Dummy to pass over it",
                );
            }
            if columns[..index].iter().any(|other| alike(&other.name)) {
                return refuse(name, "stands twice in the format line", "keep one of them");
            }
        }
        for needed in ["Name", "Ra", "Dec", "I"] {
            if !columns.iter().any(|column| column.name.eq_ignore_ascii_case(needed)) {
                return refuse(needed, "is missing in the format line", "a list needs at least Name, Ra, Dec and I");
            }
        }
        Ok(())
    }

    pub(super) fn index_of(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(column))
    }

    /// The values of a line, one a column, without quotes; empty where the line ends early.
    pub(super) fn values<'l>(&'l self, line: &'l str, file: &Path, number: u64) -> Result<Vec<Cow<'l, str>>, Error> {
        let refuse = |problem: String, hint| Err(Error::Line { file: file.to_owned(), line: number, problem, hint });
        let mut rest = line.trim();
        let mut values = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let mut value = "";
            let fixed = matches!(column.given, Some((_, Given::Fixed)));
            if !fixed && !rest.is_empty() {
                let end = match end_of_value(rest, column.separator) {
                    Ok(end) => end,
                    Err(problem) => {
                        return refuse(format!("{problem} in `{}`", shortened(rest)), "close quotes and brackets");
                    }
                };
                value = unquoted(rest[..end].trim());
                rest = rest[end..].strip_prefix(column.separator).unwrap_or(&rest[end..]).trim_start();
            }
            values.push(match &column.given {
                Some((given, _)) if value.is_empty() => Cow::Borrowed(given.as_str()),
                _ => Cow::Borrowed(value),
            });
        }
        // What is left must not be a value that the format line forgot.
        let left = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        if !left.is_empty() && !left.starts_with('#') {
            return refuse(
                format!("more values than columns: `{}` is left over", shortened(left)),
                "name every column in the format line; `Dummy` passes over one",
            );
        }
        Ok(values)
    }
}

/// Where a value ends: at the separator outside of quotes and brackets, or with the line.
fn end_of_value(text: &str, separator: char) -> Result<usize, &'static str> {
    let mut quote = None;
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => depth = depth.checked_sub(1).ok_or("a bracket is closed and was not opened")?,
            (None, _) if depth == 0 && c == separator => return Ok(at),
            (None, _) => {}
        }
    }
    match (quote, depth) {
        (None, 0) => Ok(text.len()),
        (Some(_), _) => Err("a quote is not closed"),
        _ => Err("a bracket is not closed"),
    }
}

fn unquoted(value: &str) -> &str {
    for quote in ['\'', '"'] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote)) {
            return inner.trim();
        }
    }
    value
}
