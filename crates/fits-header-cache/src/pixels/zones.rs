//! Exact median and MAD from one pass: a sample tells in which narrow zones they lie, the pass counts the values outside and keeps
//! those within.
//!
//! The median lies in the middle zone or the sample misled; which of the two is known afterwards, since the values below the
//! zone are counted. The values at the median distance from it lie at distances around the MAD of the sample on both sides,
//! in the low and the high zone, which are wider by what the median is uncertain. So the pass that looks for the median keeps
//! what the MAD needs, although distances are known only when the median is.

use super::sample::Sample;

/// How many standard deviations of a sample's ranks the zones reach. The pixels of a sample are not quite independent of each
/// other; where a zone is missed nothing but time is lost.
const REACH: f64 = 5.0;
/// Samples of fewer values tell nothing.
const LEAST_SAMPLE: usize = 1024;

/// Three ranges of values, ends included, in ascending order and apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Zones<T> {
    /// Below the median by about the MAD.
    pub(crate) low: [T; 2],
    /// Around the median.
    pub(crate) middle: [T; 2],
    /// Above the median by about the MAD.
    pub(crate) high: [T; 2],
}

impl<T: Sample> Zones<T> {
    /// One zone with all finite values.
    pub(crate) fn everything() -> Self {
        Self { low: [T::MIN, T::MAX], middle: [T::NAN; 2], high: [T::NAN; 2] }
    }

    /// Around median and MAD of a sample of finite values; `None` where it is too small, or so many values are equal that the
    /// zones are not apart.
    pub(crate) fn of(mut sample: Vec<T>) -> Option<Self> {
        if sample.len() < LEAST_SAMPLE {
            return None;
        }
        let middle = around_middle(&mut sample)?;
        let centre = middle[1];
        sample.iter_mut().for_each(|x| *x = x.distance(centre));
        let [near, _, far] = around_middle(&mut sample)?;
        let [from, _, to] = middle;
        let zones =
            Self { low: [from.minus(far), to.minus(near)], middle: [from, to], high: [from.plus(near), to.plus(far)] };
        let apart = zones.low[1] < from && to < zones.high[0];
        (apart && zones.low[0].finite() && zones.high[1].finite()).then_some(zones)
    }
}

/// The value of the middle rank, and those of the ranks that the middle one of all values is between.
fn around_middle<T: Sample>(sample: &mut [T]) -> Option<[T; 3]> {
    let middle = sample.len() / 2;
    let reach = (REACH * 0.5 * (sample.len() as f64).sqrt()).ceil() as usize;
    let (before, centre, after) = sample.select_nth_unstable_by(middle, T::order);
    let centre = *centre;
    let low = *before.select_nth_unstable_by(middle.checked_sub(reach)?, T::order).1;
    let high = match after.len() {
        len if len < reach => return None,
        _ => *after.select_nth_unstable_by(reach - 1, T::order).1,
    };
    Some([low, centre, high])
}

/// What a pass has found of the values.
#[derive(Debug)]
pub(crate) struct Candidates<T> {
    /// How many finite values there are.
    pub(crate) finite: u64,
    /// How many of them are below the middle zone.
    pub(crate) below: u64,
    /// How many are between the outer zones.
    pub(crate) inner: u64,
    /// All values in zones, in any order.
    pub(crate) kept: Vec<T>,
}

impl<T> Default for Candidates<T> {
    fn default() -> Self {
        Self { finite: 0, below: 0, inner: 0, kept: Vec::new() }
    }
}

impl<T: Sample> Candidates<T> {
    /// With what another thread found.
    pub(crate) fn with(mut self, below: u64, inner: u64, mut kept: Vec<T>) -> Self {
        self.below += below;
        self.inner += inner;
        if self.kept.is_empty() {
            self.kept = kept;
        } else {
            self.kept.append(&mut kept);
        }
        self
    }

    /// The median, and the MAD if it could be found, of values of which all were kept.
    pub(crate) fn of_everything(mut self) -> Option<(T, Option<T>)> {
        let ranks = middle_ranks(self.finite);
        let median = mean(at(&mut self.kept, ranks)?);
        self.kept.iter_mut().for_each(|x| *x = x.distance(median));
        let mad = at(&mut self.kept, ranks).map(mean);
        Some((median, mad))
    }

    /// The median if it is in its zone, and then the MAD if it is in its zones.
    pub(crate) fn solve(mut self, zones: &Zones<T>) -> Option<(T, Option<T>)> {
        let ranks = middle_ranks(self.finite);
        let mut middle = take_within(&mut self.kept, zones.middle);
        let median = mean(at(&mut middle, ranks.map(|rank| rank.wrapping_sub(self.below)))?);
        drop(middle);

        self.kept.iter_mut().for_each(|x| *x = x.distance(median));
        let found = at(&mut self.kept, ranks.map(|rank| rank.wrapping_sub(self.inner)));
        // Distances are rounded, but never out of order: no inner value is farther than the inner ends of the zones are, no outer
        // value nearer than the outer ends. A value that is between the two has the rank that it has among the candidates.
        let [low, high] = [zones.low, zones.high].map(|zone| zone.map(|end| end.distance(median)));
        let inner = if low[1] > high[0] { low[1] } else { high[0] };
        let outer = if low[0] < high[1] { low[0] } else { high[1] };
        let certain = found.filter(|[one, two]| inner <= *one && *two <= outer);
        Some((median, certain.map(mean)))
    }
}

/// Takes the values in a zone out of all. Without branches, since nothing foretells which they are.
fn take_within<T: Sample>(values: &mut Vec<T>, zone: [T; 2]) -> Vec<T> {
    let within = |x: T| (zone[0] <= x) & (x <= zone[1]);
    let count: usize = values.iter().map(|x| usize::from(within(*x))).sum();
    // One more, for what is written before it is known whether it belongs there.
    let mut taken = vec![T::NAN; count + 1];
    let (mut inside, mut outside) = (0, 0);
    for i in 0..values.len() {
        let x = values[i];
        taken[inside] = x;
        values[outside] = x;
        inside += usize::from(within(x));
        outside += usize::from(!within(x));
    }
    values.truncate(outside);
    taken.truncate(inside);
    taken
}

/// The two middle ranks of so many values, which are the same when it is odd.
pub(crate) fn middle_ranks(count: u64) -> [u64; 2] {
    [count.saturating_sub(1) / 2, count / 2]
}

/// The values of two neighbouring ranks, or of one twice; `None` where there are no such ranks.
fn at<T: Sample>(values: &mut [T], ranks: [u64; 2]) -> Option<[T; 2]> {
    let [first, second] = ranks.map(|rank| usize::try_from(rank).unwrap_or(usize::MAX));
    if second >= values.len() || first > second {
        return None;
    }
    let (_, one, after) = values.select_nth_unstable_by(first, T::order);
    let one = *one;
    let two = if first == second { one } else { *after.iter().min_by(|a, b| T::order(a, b))? };
    Some([one, two])
}

/// The mean of the two middle values, as numpy takes it.
pub(crate) fn mean<T: Sample>([one, two]: [T; 2]) -> T {
    if one.key() == two.key() { one } else { one.middle(two) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_middle(mut values: Vec<f32>) -> f32 {
        values.sort_by(f32::total_cmp);
        mean([values[(values.len() - 1) / 2], values[values.len() / 2]])
    }

    /// What a pass over these values would find.
    fn pass(values: &[f32], zones: &Zones<f32>) -> Candidates<f32> {
        let Zones { low, middle, high } = *zones;
        let within = |x: f32| [low, middle, high].iter().any(|zone| zone[0] <= x && x <= zone[1]);
        Candidates {
            finite: values.len() as u64,
            below: values.iter().filter(|x| **x < middle[0]).count() as u64,
            inner: values.iter().filter(|x| **x > low[1] && **x < high[0]).count() as u64,
            kept: values.iter().copied().filter(|x| within(*x)).collect(),
        }
    }

    #[test]
    fn what_is_found_is_exact_and_what_is_not_certain_is_not_found() {
        let mut state = 3_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let (mut medians, mut mads) = (0, 0);
        for round in 0..2000 {
            let count = 1 + (next() * 60.0) as usize;
            // Coarse numbers, so that there are ties and the ends of zones are hit.
            let steps = if round % 2 == 0 { 8.0 } else { 1000.0 };
            let values: Vec<f32> = (0..count).map(|_| ((next() - 0.5) * steps).round() / 7.0).collect();
            let mut ends: Vec<f32> = (0..6).map(|_| ((next() - 0.5) * steps).round() / 7.0).collect();
            ends.sort_by(f32::total_cmp);
            if ends[1] >= ends[2] || ends[3] >= ends[4] {
                continue;
            }
            let zones = Zones { low: [ends[0], ends[1]], middle: [ends[2], ends[3]], high: [ends[4], ends[5]] };
            let median = sorted_middle(values.clone());
            let Some((found, mad)) = pass(&values, &zones).solve(&zones) else { continue };
            assert_eq!(found, median, "{values:?} {zones:?}");
            medians += 1;
            let Some(mad) = mad else { continue };
            assert_eq!(mad, sorted_middle(values.iter().map(|x| (x - median).abs()).collect()), "{values:?} {zones:?}");
            mads += 1;
        }
        assert!(medians > 100 && mads > 20, "{medians} {mads}");
    }

    #[test]
    fn zones_of_a_sample_hold_median_and_mad_and_little_else() {
        let noise = |n: usize, seed: u64| {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 24) as f32
            };
            (0..n).map(|_| (0..12).map(|_| next()).sum::<f32>() - 6.0 + 100.0).collect::<Vec<_>>()
        };
        let values = noise(200_000, 5);
        let zones = Zones::of(noise(20_000, 9)).expect("because the sample is large");
        let candidates = pass(&values, &zones);
        assert!(candidates.kept.len() < 40_000, "{}", candidates.kept.len());
        let (median, mad) = candidates.solve(&zones).expect("because the median is in its zone");
        assert_eq!(median, sorted_middle(values.clone()));
        assert_eq!(mad, Some(sorted_middle(values.iter().map(|x| (x - median).abs()).collect())));
        assert_eq!(Zones::of(vec![1.0_f32; 5000]), None, "all are equal");
        assert_eq!(Zones::of(noise(100, 1)), None, "too few");
    }
}
