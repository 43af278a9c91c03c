//! Lines, points and bars.

use std::fmt::Write as _;

use crate::axis::{Axis, Scale};
use crate::frame::{self, Grid, LEFT, RIGHT, TOP, WIDTH};
use crate::markup::{Escaped, Status, number};

/// More points of a line than this are drawn as the least and the greatest of each column.
const MOST: usize = 3000;

/// Of the series. Where there are more, the legend is left out, and a reader points at a line for its name.
const COLOURS: usize = 8;

/// A plot of series over two axes.
#[derive(Clone, Debug)]
pub struct Plot {
    pub(crate) title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
    limits: Vec<(String, f64, Status)>,
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    kind: Kind,
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Line,
    Points,
    Bars,
}

/// One value of a series.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// Along the horizontal axis.
    pub x: f64,
    /// Along the vertical axis; NaN interrupts a line.
    pub y: f64,
    /// What a reader who points at it is told; the values if empty.
    pub name: String,
    /// How it is; [`Status::Plain`] takes the series' colour.
    pub status: Status,
}

impl From<(f64, f64)> for Point {
    fn from((x, y): (f64, f64)) -> Self {
        Self { x, y, ..Self::default() }
    }
}

impl Plot {
    /// An empty plot.
    #[must_use]
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self { title: title.into(), x, y, series: Vec::new(), limits: Vec::new() }
    }

    /// Adds points joined by a line, in their order.
    #[must_use]
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = impl Into<Point>>) -> Self {
        self.add(name, Kind::Line, points)
    }

    /// Adds single points.
    #[must_use]
    pub fn points(self, name: impl Into<String>, points: impl IntoIterator<Item = impl Into<Point>>) -> Self {
        self.add(name, Kind::Points, points)
    }

    /// Adds bars from zero; beside each other where several series have them.
    #[must_use]
    pub fn bars(self, name: impl Into<String>, points: impl IntoIterator<Item = impl Into<Point>>) -> Self {
        self.add(name, Kind::Bars, points)
    }

    /// Adds a horizontal line with its name, such as a threshold.
    #[must_use]
    pub fn limit(mut self, name: impl Into<String>, y: f64, status: Status) -> Self {
        self.limits.push((name.into(), y, status));
        self
    }

    fn add(mut self, name: impl Into<String>, kind: Kind, points: impl IntoIterator<Item = impl Into<Point>>) -> Self {
        let points = points.into_iter().map(Into::into).collect();
        self.series.push(Series { name: name.into(), kind, points });
        self
    }

    pub(crate) fn svg(&self) -> String {
        let legend = if (2..=COLOURS).contains(&self.series.len()) { 20.0 } else { 0.0 };
        let (right, bottom) = (WIDTH - RIGHT, TOP + 250.0);
        let all = || self.series.iter().flat_map(|series| &series.points);
        let bars = self.series.iter().any(|series| series.kind == Kind::Bars);
        // Bars are as wide as the least step between them, and need room for it.
        let room = self.series.iter().filter(|series| series.kind == Kind::Bars).flat_map(|series| {
            let half = gap(&series.points) * 0.5;
            series.points.iter().flat_map(move |p| [p.x - half, p.x + half])
        });
        let x = Scale::new(&self.x, all().map(|p| p.x).chain(room), LEFT, right);
        let zero = bars.then_some(0.0).filter(|_| !self.y.logarithmic);
        let y = Scale::new(&self.y, all().map(|p| p.y).chain(self.limits.iter().map(|l| l.1)).chain(zero), bottom, TOP);
        let count = all().count();
        let names: Vec<_> = self.series.iter().map(|series| series.name.as_str()).collect();
        let told = format!("{} against {}: {count} values of {}", self.y.title(), self.x.title(), names.join(", "));
        let below = bottom + frame::below(&self.x);
        let mut svg = frame::open(below + legend, &self.title, &told);
        frame::axes(&mut svg, (&self.x, &x), (&self.y, &y), (right, bottom), Grid::Shown);
        for (name, value, status) in &self.limits {
            if let Some(at) = y.place(*value).filter(|_| y.holds(*value)) {
                let _ = writeln!(svg, "<path class=\"limit {}\" d=\"M{LEFT} {at:.1}H{right:.1}\"/>", status.class());
                let text = format!("{name} {}", number(*value));
                frame::text(&mut svg, "end limit", right - 4.0, at - 4.0, &text);
            }
        }
        let groups: Vec<usize> = (0..self.series.len()).filter(|&i| self.series[i].kind == Kind::Bars).collect();
        for (number, series) in self.series.iter().enumerate() {
            let colour = number % COLOURS;
            match series.kind {
                Kind::Line => line(&mut svg, series, &x, &y, colour),
                Kind::Points => self.dots(&mut svg, series, &x, &y, colour),
                Kind::Bars => {
                    let place = groups.iter().position(|&i| i == number).unwrap_or(0);
                    self.columns(&mut svg, series, (&x, &y), (place, groups.len()), colour);
                }
            }
        }
        if legend > 0.0 {
            let mut at = LEFT;
            for (number, series) in self.series.iter().enumerate() {
                let _ = writeln!(
                    svg,
                    "<rect class=\"f{}\" x=\"{at:.1}\" y=\"{:.1}\" width=\"12\" height=\"10\"/>",
                    number % COLOURS,
                    below + 1.0
                );
                frame::text(&mut svg, "", at + 17.0, below + 10.0, &series.name);
                at += 36.0 + 7.0 * series.name.chars().count() as f64;
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn told(&self, point: &Point) -> String {
        let x = match self.x.categories.get(point.x.round().max(0.0) as usize) {
            Some(name) if !self.x.categories.is_empty() => name.clone(),
            _ => format!("{} {}", number(point.x), self.x.unit),
        };
        let values = format!("{}: {} {}", x.trim(), number(point.y), self.y.unit);
        if point.name.is_empty() { values } else { format!("{} ({values})", point.name) }
    }

    fn dots(&self, svg: &mut String, series: &Series, x: &Scale, y: &Scale, colour: usize) {
        for point in &series.points {
            let (Some(px), Some(py)) = (x.place(point.x), y.clamped(point.y)) else { continue };
            if !x.holds(point.x) {
                continue;
            }
            let class =
                if point.status == Status::Plain { format!("f{colour}") } else { point.status.class().to_owned() };
            // Another shape too, so that colours are not needed.
            let shape = match point.status {
                Status::Bad => {
                    format!("<path class=\"cross {class}\" d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\">", px - 4.0, py - 4.0)
                }
                Status::Warning => format!("<path class=\"{class}\" d=\"M{px:.1} {:.1}l5 9h-10z\">", py - 5.0),
                _ => format!("<circle class=\"{class}\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"3\">"),
            };
            let end = if shape.starts_with("<circle") { "</circle>" } else { "</path>" };
            let _ = writeln!(svg, "{shape}<title>{}</title>{end}", Escaped(&self.told(point)));
        }
    }

    fn columns(
        &self,
        svg: &mut String,
        series: &Series,
        (x, y): (&Scale, &Scale),
        (place, of): (usize, usize),
        colour: usize,
    ) {
        let gap = gap(&series.points);
        for point in &series.points {
            let half = gap * 0.4;
            let (Some(west), Some(east)) = (x.clamped(point.x - half), x.clamped(point.x + half)) else { continue };
            let Some(top) = y.clamped(point.y) else { continue };
            let base = y.clamped(0.0).unwrap_or(TOP + 250.0);
            let width = ((east - west) / of as f64).max(0.8);
            let class =
                if point.status == Status::Plain { format!("f{colour}") } else { point.status.class().to_owned() };
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                west + place as f64 * width,
                top.min(base),
                (base - top).abs(),
                Escaped(&self.told(point))
            );
        }
    }
}

/// The least step between neighbouring bars.
fn gap(points: &[Point]) -> f64 {
    let steps = points.windows(2).map(|pair| (pair[1].x - pair[0].x).abs());
    let least = steps.filter(|step| *step > 0.0).fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 1.0 }
}

fn line(svg: &mut String, series: &Series, x: &Scale, y: &Scale, colour: usize) {
    let places: Vec<Option<(f64, f64)>> =
        series.points.iter().map(|p| Some((x.place(p.x).filter(|_| x.holds(p.x))?, y.clamped(p.y)?))).collect();
    let places = if places.len() > MOST { thinned(&places) } else { places };
    let mut path = String::new();
    let mut joined = false;
    for place in places {
        match place {
            Some((px, py)) => {
                let _ = write!(path, "{}{px:.1} {py:.1}", if joined { 'L' } else { 'M' });
                joined = true;
            }
            None => joined = false,
        }
    }
    let name = Escaped(&series.name);
    let _ = writeln!(svg, "<path class=\"line s{colour}\" d=\"{path}\"><title>{name}</title></path>");
}

/// Of all points in one column of the drawing the highest and the lowest, in order.
fn thinned(places: &[Option<(f64, f64)>]) -> Vec<Option<(f64, f64)>> {
    let mut kept: Vec<Option<(f64, f64)>> = Vec::new();
    let column = |place: &Option<(f64, f64)>| place.map(|(x, _)| (x * 2.0).floor() as i64);
    for group in places.chunk_by(|a, b| column(a) == column(b)) {
        let height = |place: &&Option<(f64, f64)>| place.map_or(0.0, |(_, y)| y);
        let by_height = |a: &usize, b: &usize| height(&&group[*a]).total_cmp(&height(&&group[*b]));
        let ends = [(0..group.len()).min_by(by_height), (0..group.len()).max_by(by_height)].map(|i| i.unwrap_or(0));
        let (first, last) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        kept.push(group[first]);
        kept.extend((last > first).then(|| group[last]));
    }
    kept
}
