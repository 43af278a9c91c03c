//! An axis of a plot: what it shows, in which unit, and where its ticks are.

use crate::markup::number;

/// An axis.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    pub(crate) label: String,
    pub(crate) unit: String,
    pub(crate) range: Option<(f64, f64)>,
    pub(crate) logarithmic: bool,
    pub(crate) categories: Vec<String>,
}

impl Axis {
    /// Of a quantity in a unit; the unit may be empty.
    #[must_use]
    pub fn new(label: impl Into<String>, unit: impl Into<String>) -> Self {
        Self { label: label.into(), unit: unit.into(), ..Self::default() }
    }

    /// Of named things: number 0 is the first.
    #[must_use]
    pub fn of(label: impl Into<String>, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let categories: Vec<String> = names.into_iter().map(Into::into).collect();
        let range = Some((-0.5, categories.len().max(1) as f64 - 0.5));
        Self { label: label.into(), range, categories, ..Self::default() }
    }

    /// From one value to another, instead of what the data need.
    #[must_use]
    pub fn range(mut self, from: f64, to: f64) -> Self {
        self.range = Some((from, to));
        self
    }

    /// In powers of ten. Values that are not positive are left out.
    #[must_use]
    pub fn logarithmic(mut self) -> Self {
        self.logarithmic = true;
        self
    }

    /// Label and unit.
    pub(crate) fn title(&self) -> String {
        if self.unit.is_empty() { self.label.clone() } else { format!("{} ({})", self.label, self.unit) }
    }
}

/// An axis that is laid out: values to places.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
    /// The places of the ends.
    start: f64,
    end: f64,
    bare: bool,
}

impl Scale {
    /// For all of `values` (those that are not finite do not count), from place `start` to place `end`.
    pub(crate) fn new(axis: &Axis, values: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let usable = |value: &f64| value.is_finite() && (!axis.logarithmic || *value > 0.0);
        let given = axis.range.filter(|(from, to)| usable(from) && usable(to) && from != to);
        let (from, to) = given.unwrap_or_else(|| {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for value in values.filter(usable) {
                (low, high) = (low.min(value), high.max(value));
            }
            match (low <= high, axis.logarithmic) {
                (false, true) => (0.1, 10.0),
                (false, false) => (0.0, 1.0),
                (true, false) if low == 0.0 && high == 0.0 => (0.0, 1.0),
                (true, true) => (low / 1.2, high * 1.2),
                (true, false) => {
                    let margin = if low < high { (high - low) * 0.05 } else { low.abs() * 0.1 };
                    // An axis that nearly reaches zero starts there.
                    let bottom = if low >= 0.0 && low < 0.3 * high { 0.0 } else { low - margin };
                    (bottom, high + margin)
                }
            }
        });
        Self { from, to, logarithmic: axis.logarithmic, start, end, bare: false }
    }

    /// The place of a value; `None` where it has none.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let t = if self.logarithmic {
            (value.ln() - self.from.ln()) / (self.to.ln() - self.from.ln())
        } else {
            (value - self.from) / (self.to - self.from)
        };
        t.is_finite().then_some(self.start + t * (self.end - self.start))
    }

    /// The place of a value, moved to the nearer end where it lies beyond.
    pub(crate) fn clamped(&self, value: f64) -> Option<f64> {
        let (low, high) = (self.start.min(self.end), self.start.max(self.end));
        self.place(value).map(|place| place.clamp(low, high))
    }

    /// Whether a value lies on the axis.
    pub(crate) fn holds(&self, value: f64) -> bool {
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        (low..=high).contains(&value)
    }

    /// The same without ticks, for an axis whose texts are not its values.
    pub(crate) fn without_ticks(&self) -> Self {
        Self { bare: true, ..self.clone() }
    }

    /// Ticks: values and their texts, about `wanted` of them.
    pub(crate) fn ticks(&self, axis: &Axis, wanted: usize) -> Vec<(f64, String)> {
        if self.bare {
            return Vec::new();
        }
        if !axis.categories.is_empty() {
            let step = axis.categories.len().div_ceil(wanted.max(1) * 2).max(1);
            let named = axis.categories.iter().enumerate().step_by(step);
            return named.map(|(i, name)| (i as f64, name.clone())).collect();
        }
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        if self.logarithmic {
            let (first, last) = (low.log10().ceil() as i32, high.log10().floor() as i32);
            let step = ((last - first) / 8 + 1).max(1) as usize;
            let decades: Vec<_> = (first..=last).step_by(step).map(|p| 10_f64.powi(p)).collect();
            let values = if decades.len() >= 2 { decades } else { steps(low, high, wanted) };
            return values.into_iter().filter(|&v| v > 0.0).map(|v| (v, number(v))).collect();
        }
        let values = steps(low, high, wanted);
        // As many decimals as tell the ticks apart.
        let step = values.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1.0);
        let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
        let text = |value: f64| {
            if high.abs().max(low.abs()) >= 1e6 || step < 1e-6 {
                number(value)
            } else {
                let text = format!("{:.decimals$}", if value.abs() < step * 1e-9 { 0.0 } else { value });
                text.replace('-', "−")
            }
        };
        values.into_iter().map(|value| (value, text(value))).collect()
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn steps(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return vec![low];
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&step| step >= rough * 0.8).unwrap_or(rough);
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let count = (last - first).clamp(0.0, 100.0) as u32;
    (0..=count).map(|i| (first + f64::from(i)) * step).filter(|&v| v <= high + step * 1e-6).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: Axis, values: &[f64]) -> Vec<String> {
        let scale = Scale::new(&axis, values.iter().copied(), 0.0, 100.0);
        scale.ticks(&axis, 5).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_can_be_told_apart() {
        assert_eq!(ticks(Axis::new("x", ""), &[0.0, 10.0]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(
            ticks(Axis::new("x", ""), &[1.001, 1.002]),
            ["1.0010", "1.0012", "1.0014", "1.0016", "1.0018", "1.0020"]
        );
        assert_eq!(ticks(Axis::new("x", "").logarithmic(), &[1e-3, 20.0]), ["0.001", "0.01", "0.1", "1", "10"]);
        assert_eq!(ticks(Axis::of("x", ["a", "b"]), &[]), ["a", "b"]);
        assert_eq!(ticks(Axis::new("x", "").range(-1.0, 1.0), &[]), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
    }

    #[test]
    fn nothing_but_zeros_is_seen_against_one() {
        assert_eq!(ticks(Axis::new("x", ""), &[0.0, 0.0]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    }

    #[test]
    fn any_values_make_an_axis() {
        for values in [vec![], vec![f64::NAN], vec![5.0], vec![0.0], vec![1e300, -1e300], vec![f64::INFINITY, 1.0]] {
            for axis in [Axis::new("x", ""), Axis::new("x", "").logarithmic()] {
                let scale = Scale::new(&axis, values.iter().copied(), 0.0, 100.0);
                let ticks = scale.ticks(&axis, 5);
                assert!(ticks.len() <= 101 && ticks.iter().all(|(v, _)| v.is_finite()), "{values:?}");
            }
        }
    }
}
