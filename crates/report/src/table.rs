//! Tables.

use std::fmt::Write as _;

use crate::markup::{Escaped, Status, number};

/// A table with a line of names on top.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub(crate) caption: String,
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    right: bool,
    status: Status,
}

impl Cell {
    /// With a mark and a colour that say how it is.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self { text: number(value), right: true, status: Status::Plain }
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self { text: value.to_string(), right: true, status: Status::Plain }
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        (value as u64).into()
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(|| Self { text: "–".to_owned(), right: true, status: Status::Plain }, Into::into)
    }
}

impl Table {
    /// Empty, with the names of its columns; units belong into these.
    #[must_use]
    pub fn new(caption: impl Into<String>, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { caption: caption.into(), columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(crate) fn html(&self) -> String {
        let mut html = format!("<div class=\"wide\"><table><caption>{}</caption>\n<thead><tr>", Escaped(&self.caption));
        for (place, name) in self.columns.iter().enumerate() {
            let right = self.rows.first().and_then(|row| row.get(place)).is_some_and(|cell| cell.right);
            let class = if right { " class=\"number\"" } else { "" };
            let _ = write!(html, "<th scope=\"col\"{class}>{}</th>", Escaped(name));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for cell in row {
                let number = if cell.right { "number " } else { "" };
                let (class, mark) = (cell.status.class(), cell.status.mark());
                let _ = write!(html, "<td class=\"{number}{class}\">{mark}{}</td>", Escaped(&cell.text));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        html
    }
}
