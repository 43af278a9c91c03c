//! What all plots share: the drawing's frame, its axes, its description.

use std::fmt::Write as _;

use crate::axis::{Axis, Scale};
use crate::markup::Escaped;

/// Units of the drawing's width; it is shown as wide as the page allows.
pub(crate) const WIDTH: f64 = 760.0;
/// Units to the left of the plot: the vertical axis and its title.
pub(crate) const LEFT: f64 = 78.0;
/// Units above the plot.
pub(crate) const TOP: f64 = 12.0;
/// Units to the right of the plot.
pub(crate) const RIGHT: f64 = 16.0;
/// Units below the plot: the horizontal axis and its title.
pub(crate) const BOTTOM: f64 = 46.0;

/// Begins a drawing of some height, described for those who do not see it.
pub(crate) fn open(height: f64, title: &str, description: &str) -> String {
    let (title, description) = (Escaped(title), Escaped(description));
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{title}. {description}\">\
         <title>{title}</title><desc>{description}</desc>\n"
    )
}

/// A line of text. `class` says how it is aligned.
pub(crate) fn text(svg: &mut String, class: &str, x: f64, y: f64, text: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", Escaped(text));
}

/// Whether lines lead from the ticks through the plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grid {
    Shown,
    /// The plot is full of colours.
    Hidden,
}

/// Both axes with grid, ticks and titles, about a plot from (`LEFT`, `TOP`) to (`right`, `bottom`).
pub(crate) fn axes(svg: &mut String, x: (&Axis, &Scale), y: (&Axis, &Scale), (right, bottom): (f64, f64), grid: Grid) {
    let slanted = x.0.categories.iter().map(|name| name.chars().count()).max().unwrap_or(0) > 6;
    for (value, name) in x.1.ticks(x.0, 7) {
        let Some(at) = x.1.place(value).filter(|_| x.1.holds(value)) else { continue };
        if grid == Grid::Shown && x.0.categories.is_empty() {
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom:.1}\"/>");
        }
        if slanted {
            let short: String = shortened(&name, 15);
            let _ = writeln!(
                svg,
                "<text class=\"end\" transform=\"translate({:.1} {:.1}) rotate(-30)\">{}</text>",
                at + 4.0,
                bottom + 14.0,
                Escaped(&short)
            );
        } else {
            text(svg, "middle", at, bottom + 16.0, &name);
        }
    }
    for (value, name) in y.1.ticks(y.0, 5) {
        let Some(at) = y.1.place(value).filter(|_| y.1.holds(value)) else { continue };
        if grid == Grid::Shown && y.0.categories.is_empty() {
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right:.1}\"/>");
        }
        text(svg, "end", LEFT - 6.0, at + 4.0, &shortened(&name, 12));
    }
    let _ = writeln!(svg, "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom:.1}H{right:.1}\"/>");
    text(svg, "middle title", (LEFT + right) / 2.0, bottom + below(x.0) - 8.0, &x.0.title());
    let _ = writeln!(
        svg,
        "<text class=\"middle title\" transform=\"translate(14 {:.1}) rotate(-90)\">{}</text>",
        (TOP + bottom) / 2.0,
        Escaped(&y.0.title())
    );
}

/// Units that a horizontal axis needs below the plot.
pub(crate) fn below(x: &Axis) -> f64 {
    let longest = x.categories.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(15);
    if longest > 6 { BOTTOM + longest as f64 * 3.2 } else { BOTTOM }
}

/// At most so many characters; the end stays, since that is where names differ.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        text.to_owned()
    } else {
        format!("…{}", text.chars().skip(count - most + 1).collect::<String>())
    }
}
