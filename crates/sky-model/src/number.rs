//! Numbers and truth values of a line, refused with their place where they are none.

use std::path::Path;

use crate::error::{Error, shortened};

/// Where a value stands: what a message about it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a Path,
    pub(crate) line: u64,
    pub(crate) column: &'a str,
}

impl Place<'_> {
    pub(crate) fn refuse(&self, found: &str, (problem, hint): (&'static str, &'static str)) -> Error {
        Error::Value {
            file: self.file.to_owned(),
            line: self.line,
            column: self.column.to_owned(),
            found: shortened(found),
            problem,
            hint,
        }
    }

    /// A finite number; `hint` says in what it is counted.
    pub(crate) fn number(&self, text: &str, hint: &'static str) -> Result<f64, Error> {
        match text.trim().parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(self.refuse(text, ("not a finite number", hint))),
        }
    }

    /// A truth value in the forms that DP3 takes.
    pub(crate) fn truth(&self, text: &str) -> Result<bool, Error> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "0" => Ok(false),
            _ => Err(self.refuse(text, ("neither true nor false", "write true or false"))),
        }
    }
}
