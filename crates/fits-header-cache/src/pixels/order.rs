//! Exact order statistics by counting: the digits of the wanted value are found one after the other, 16 bits in a pass.

use super::sample::Sample;
use super::zones::middle_ranks;

/// Values of a digit.
pub(crate) const VALUES: usize = 1 << 16;

/// The search for two neighbouring ranks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// For each of the two: the digits found so far, and its rank among the values that begin with them.
    wanted: [(u64, u64); 2],
    /// How many digits are found.
    found: u32,
}

impl Search {
    /// The two middle ones of `count` values, which are the same when it is odd.
    pub(crate) fn middle(count: u64) -> Self {
        Self { wanted: middle_ranks(count).map(|rank| (0, rank)), found: 0 }
    }

    /// Whether all digits are found.
    pub(crate) fn done<T: Sample>(&self) -> bool {
        self.found == T::DIGITS
    }

    /// The two values.
    pub(crate) fn values<T: Sample>(&self) -> [T; 2] {
        self.wanted.map(|(digits, _)| T::from_key(digits))
    }

    /// What to count in the next pass.
    pub(crate) fn tally<T: Sample>(&self) -> Tally {
        let [(first, _), (second, _)] = self.wanted;
        let histograms = if first == second { 1 } else { 2 };
        Tally {
            prefixes: [first, second],
            shift: 16 * (T::DIGITS - 1 - self.found),
            counts: vec![0; histograms * VALUES],
        }
    }

    /// Takes what was counted of all values.
    pub(crate) fn advance(&mut self, counted: &Tally) {
        for (place, (digits, rank)) in self.wanted.iter_mut().enumerate() {
            let histogram = counted.histogram(place);
            for (digit, &count) in histogram.iter().enumerate() {
                if *rank < count {
                    *digits = *digits << 16 | digit as u64;
                    break;
                }
                *rank -= count;
            }
        }
        self.found += 1;
    }
}

/// Counts of one digit among the values that begin with given digits.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    prefixes: [u64; 2],
    shift: u32,
    /// One histogram, or two where the prefixes differ.
    counts: Vec<u64>,
}

impl Tally {
    fn histogram(&self, place: usize) -> &[u64] {
        if self.counts.len() == VALUES { &self.counts } else { &self.counts[place * VALUES..(place + 1) * VALUES] }
    }

    /// Counts the finite ones of `values`, or of their distances from `centre`.
    #[inline(always)]
    pub(crate) fn count<T: Sample>(&mut self, values: &[T], centre: Option<T>) {
        match centre {
            None => self.count_keys(values, T::key),
            Some(centre) => self.count_keys(values, |x| x.distance(centre).key()),
        }
    }

    #[inline(always)]
    fn count_keys<T: Sample>(&mut self, values: &[T], key: impl Fn(T) -> u64) {
        let (shift, [one, two]) = (self.shift, self.prefixes);
        let (first, second) = self.counts.split_at_mut(VALUES);
        let Ok(first) = <&mut [u64; VALUES]>::try_from(first) else { return };
        for &x in values {
            if !x.finite() {
                continue;
            }
            let digits = key(x) >> shift;
            let (prefix, digit) = (digits >> 16, (digits & 0xffff) as usize);
            if prefix == one {
                first[digit] += 1;
            } else if prefix == two {
                second[digit] += 1;
            }
        }
    }

    /// Adds what another thread counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search<T: Sample>(values: &[T], centre: Option<T>) -> [T; 2] {
        let mut search = Search::middle(values.iter().filter(|x| x.finite()).count() as u64);
        while !search.done::<T>() {
            let mut tally = search.tally::<T>();
            let (one, two) = values.split_at(values.len() / 3);
            let mut other = tally.clone();
            tally.count(one, centre);
            other.count(two, centre);
            tally.add(&other);
            search.advance(&tally);
        }
        search.values()
    }

    #[test]
    fn the_middle_of_any_number_of_values_is_that_of_sorting() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5
        };
        for n in [1_usize, 2, 3, 10, 101, 5000] {
            let mut values: Vec<f64> = (0..n).map(|_| next() * 10_f64.powf(next() * 6.0)).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let middle = [sorted[(n - 1) / 2], sorted[n / 2]];
            values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
            assert_eq!(search(&values, None), middle, "{n}");
            let centre = middle[0];
            let mut distances: Vec<f64> = sorted.iter().map(|x| (x - centre).abs()).collect();
            distances.sort_by(f64::total_cmp);
            assert_eq!(search(&values, Some(centre)), [distances[(n - 1) / 2], distances[n / 2]], "{n}");
            let short: Vec<f32> = values.iter().map(|&x| x as f32).collect();
            assert_eq!(search(&short, None), middle.map(|x| x as f32), "{n}");
        }
    }
}
