//! The page.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::error::Error;
use crate::heatmap::HeatMap;
use crate::markup::{Escaped, Status};
use crate::picture::Picture;
use crate::plot::Plot;
use crate::skymap::SkyMap;
use crate::table::Table;
use crate::timeline::Timeline;

pub(crate) const STYLE: &str = include_str!("style.css");

/// A page that is being made: whatever is added comes below what is there.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    body: String,
    /// Sections, for the list on top.
    sections: Vec<String>,
}

impl Page {
    /// With nothing but its title.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), body: String::new(), sections: Vec::new() }
    }

    /// Begins a section.
    pub fn section(&mut self, title: impl Into<String>) -> &mut Self {
        let title = title.into();
        self.sections.push(title.clone());
        let _ = writeln!(self.body, "<h2 id=\"s{}\">{}</h2>", self.sections.len(), Escaped(&title));
        self
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) -> &mut Self {
        let _ = writeln!(self.body, "<p>{}</p>", Escaped(text));
        self
    }

    /// A paragraph that says how something is.
    pub fn note(&mut self, status: Status, text: &str) -> &mut Self {
        let _ = writeln!(self.body, "<p class=\"note {}\">{}{}</p>", status.class(), status.mark(), Escaped(text));
        self
    }

    /// Names and what they are.
    pub fn facts(&mut self, facts: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> &mut Self {
        self.body.push_str("<dl>\n");
        for (name, value) in facts {
            let (name, value) = (Escaped(name.as_ref()), Escaped(value.as_ref()));
            let _ = writeln!(self.body, "<dt>{name}</dt><dd>{value}</dd>");
        }
        self.body.push_str("</dl>\n");
        self
    }

    /// Text as it is, in lines, such as the end of a program's output.
    pub fn listing(&mut self, title: &str, text: &str) -> &mut Self {
        let (title, text) = (Escaped(title), Escaped(text));
        let _ = writeln!(self.body, "<figure><figcaption>{title}</figcaption><pre>{text}</pre></figure>");
        self
    }

    /// A table.
    pub fn table(&mut self, table: &Table) -> &mut Self {
        self.body.push_str(&table.html());
        self
    }

    /// A plot.
    pub fn plot(&mut self, plot: &Plot) -> &mut Self {
        self.figure(&plot.title, &plot.svg())
    }

    /// A matrix as colours.
    pub fn heat_map(&mut self, map: &HeatMap) -> &mut Self {
        self.figure(&map.title, &map.svg())
    }

    /// What ran when.
    pub fn timeline(&mut self, timeline: &Timeline) -> &mut Self {
        self.figure(&timeline.title, &timeline.svg())
    }

    /// Fields on the sky.
    pub fn sky_map(&mut self, map: &SkyMap) -> &mut Self {
        self.figure(&map.title, &map.svg())
    }

    /// Pictures beside each other.
    pub fn gallery<'a>(&mut self, pictures: impl IntoIterator<Item = &'a Picture>) -> &mut Self {
        self.body.push_str("<div class=\"gallery\">\n");
        for picture in pictures {
            let (title, caption) = (Escaped(&picture.title), Escaped(&picture.caption));
            let _ = writeln!(
                self.body,
                "<figure><img width=\"{}\" height=\"{}\" alt=\"{title}. {caption}\" src=\"{}\">\
                 <figcaption><b>{title}</b><br>{caption}</figcaption></figure>",
                picture.width,
                picture.height,
                picture.uri()
            );
        }
        self.body.push_str("</div>\n");
        self
    }

    /// The page as one text. It needs nothing from anywhere else.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = Escaped(&self.title);
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
             style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        );
        if self.sections.len() > 2 {
            html.push_str("<nav aria-label=\"Sections\"><ul>\n");
            for (number, section) in (1..).zip(&self.sections) {
                let _ = writeln!(html, "<li><a href=\"#s{number}\">{}</a></li>", Escaped(section));
            }
            html.push_str("</ul></nav>\n");
        }
        html.push_str(&self.body);
        html.push_str("</main>\n</body>\n</html>\n");
        html
    }

    /// Writes the page into a file: whole, or not at all.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        write_whole(path.as_ref(), self.to_html().as_bytes())
    }

    fn figure(&mut self, title: &str, svg: &str) -> &mut Self {
        let _ = writeln!(self.body, "<figure>{svg}<figcaption>{}</figcaption></figure>", Escaped(title));
        self
    }
}

/// Writes a file: whole, or not at all. Who may read it is the system's choice, as for any new file.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let refused = |source| Error::Write { path: path.to_path_buf(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let anybody = fs::Permissions::from_mode(0o666);
    let mut temporary = tempfile::Builder::new().permissions(anybody).tempfile_in(folder).map_err(refused)?;
    temporary.write_all(bytes).map_err(refused)?;
    temporary.persist(path).map_err(|failed| refused(failed.error))?;
    Ok(())
}
