//! Self-contained pages: tables, plots and pictures in one HTML file.
//!
//! - **In:** numbers and texts. **Out:** a [`Page`], one file that needs no other: style, drawings (SVG) and pictures (PNG as data
//!   addresses) are within it, there is no script, and it forbids the browser to fetch anything.
//! - Readable in light and dark surroundings and on paper; drawings have titles, descriptions and units; nothing is said by
//!   colour alone.
//! - Every text is escaped, so that names and outputs of other programs cannot become markup.
//! - **Cost:** memory of the page; a line of any length is drawn with some 3,000 points at most.
//!
//! ```
//! use report::{Axis, Page, Plot, Status, Table};
//!
//! let mut page = Page::new("Tiles of 2026-03-14");
//! let mut table = Table::new("All tiles", ["tile", "noise (mJy/beam)"]);
//! table.row(["03:10:00".into(), report::Cell::from(1.25).status(Status::Bad)]);
//! page.section("Noise").table(&table);
//! page.plot(
//!     &Plot::new("Noise by tile", Axis::new("tile", ""), Axis::new("noise", "mJy/beam"))
//!         .points("noise", [(0.0, 0.31), (1.0, 1.25)])
//!         .limit("limit", 1.0, Status::Bad),
//! );
//! assert!(page.to_html().contains("<svg"));
//! ```

mod page;
mod table;

mod axis;
mod frame;
mod heatmap;
mod plot;
mod skymap;
mod timeline;

mod picture;

mod error;
mod markup;

pub use axis::Axis;
pub use error::Error;
pub use heatmap::HeatMap;
pub use markup::Status;
pub use page::Page;
pub use picture::{Picture, Stretch};
pub use plot::{Plot, Point};
pub use skymap::SkyMap;
pub use table::{Cell, Table};
pub use timeline::{Span, Timeline};

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
