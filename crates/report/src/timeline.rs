//! What ran when.

use std::fmt::Write as _;

use crate::axis::{Axis, Scale};
use crate::frame::{self, LEFT, RIGHT, TOP, WIDTH};
use crate::markup::{Escaped, Status, number};

/// Units of one lane's height.
const LANE: f64 = 20.0;

/// Spans of time in lanes, one below the other.
#[derive(Clone, Debug)]
pub struct Timeline {
    pub(crate) title: String,
    time: Axis,
    kinds: Vec<String>,
    lanes: Vec<Lane>,
}

#[derive(Clone, Debug)]
struct Lane {
    name: String,
    spans: Vec<Span>,
}

/// A span of time in a lane.
#[derive(Clone, Debug)]
pub struct Span {
    /// When it began, in the time axis's unit.
    pub from: f64,
    /// When it ended.
    pub to: f64,
    /// Of what kind it is, such as the stage; each kind has a colour.
    pub kind: String,
    /// How it ended; other than [`Status::Plain`] and [`Status::Good`] it has that colour instead.
    pub status: Status,
    /// What a reader who points at it is told besides.
    pub note: String,
}

impl Timeline {
    /// An empty one, over an axis of time.
    #[must_use]
    pub fn new(title: impl Into<String>, time: Axis) -> Self {
        Self { title: title.into(), time, kinds: Vec::new(), lanes: Vec::new() }
    }

    /// Adds a lane with its spans.
    #[must_use]
    pub fn lane(mut self, name: impl Into<String>, spans: impl IntoIterator<Item = Span>) -> Self {
        let spans: Vec<Span> = spans.into_iter().collect();
        for span in &spans {
            if !self.kinds.contains(&span.kind) {
                self.kinds.push(span.kind.clone());
            }
        }
        self.lanes.push(Lane { name: name.into(), spans });
        self
    }

    pub(crate) fn svg(&self) -> String {
        let left = LEFT + 70.0;
        let (right, bottom) = (WIDTH - RIGHT, TOP + LANE * self.lanes.len().max(1) as f64);
        let all = || self.lanes.iter().flat_map(|lane| &lane.spans);
        let time = Scale::new(&self.time, all().flat_map(|span| [span.from, span.to]), left, right);
        let told = format!("{} lanes, {} spans over {}", self.lanes.len(), all().count(), self.time.title());
        let mut svg = frame::open(bottom + frame::BOTTOM + 20.0, &self.title, &told);
        for (value, name) in time.ticks(&self.time, 7) {
            if let Some(at) = time.place(value).filter(|_| time.holds(value)) {
                let _ = writeln!(svg, "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom:.1}\"/>");
                frame::text(&mut svg, "middle", at, bottom + 16.0, &name);
            }
        }
        frame::text(&mut svg, "middle title", (left + right) / 2.0, bottom + 36.0, &self.time.title());
        for (number, lane) in self.lanes.iter().enumerate() {
            let y = TOP + LANE * number as f64;
            frame::text(&mut svg, "end", left - 6.0, y + 14.0, &frame::shortened(&lane.name, 22));
            for span in &lane.spans {
                self.draw(&mut svg, lane, span, &time, y);
            }
        }
        let mut at = left;
        for (number, kind) in self.kinds.iter().enumerate() {
            let y = bottom + 46.0;
            let _ = writeln!(
                svg,
                "<rect class=\"f{}\" x=\"{at:.1}\" y=\"{y:.1}\" width=\"12\" height=\"10\"/>",
                number % 8
            );
            frame::text(&mut svg, "", at + 17.0, y + 9.0, kind);
            at += 36.0 + 7.0 * kind.chars().count() as f64;
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn draw(&self, svg: &mut String, lane: &Lane, span: &Span, time: &Scale, y: f64) {
        let (Some(from), Some(to)) = (time.clamped(span.from), time.clamped(span.to)) else { return };
        let kind = self.kinds.iter().position(|kind| *kind == span.kind).unwrap_or(0);
        let class = match span.status {
            Status::Plain | Status::Good => format!("f{}", kind % 8),
            other => other.class().to_owned(),
        };
        let unit = &self.time.unit;
        let length = number(span.to - span.from);
        let mut told = format!(
            "{}{}: {}, {length} {unit} from {} {unit}",
            span.status.mark(),
            lane.name,
            span.kind,
            number(span.from)
        );
        if !span.note.is_empty() {
            let _ = write!(told, "; {}", span.note);
        }
        let (x, width) = (from.min(to), (to - from).abs().max(1.0));
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            y + 3.0,
            LANE - 6.0,
            Escaped(told.trim())
        );
        if matches!(span.status, Status::Bad | Status::Warning) {
            frame::text(svg, "middle onbar", x + width / 2.0, y + 14.5, span.status.mark().trim());
        }
    }
}
