//! Sets of rows as runs.

use std::ops::Range;

/// Rows as runs in ascending order that neither touch nor overlap: small as long as rows come in blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs(Vec<Range<usize>>);

impl Runs {
    /// Adds rows; `false`, and nothing is added, when one of them is there already.
    pub(crate) fn insert(&mut self, rows: Range<usize>) -> bool {
        if rows.is_empty() {
            return true;
        }
        let at = self.0.partition_point(|r| r.end < rows.start);
        // Those from `at` on end at or after the start of the new ones: the first may touch it from below.
        let touches_below = self.0.get(at).is_some_and(|r| r.end == rows.start);
        let next = at + usize::from(touches_below);
        if self.0.get(next).is_some_and(|r| r.start < rows.end) {
            return false;
        }
        let touches_above = self.0.get(next).is_some_and(|r| r.start == rows.end);
        match (touches_below, touches_above) {
            (true, true) => {
                self.0[at].end = self.0[next].end;
                self.0.remove(next);
            }
            (true, false) => self.0[at].end = rows.end,
            (false, true) => self.0[next].start = rows.start,
            (false, false) => self.0.insert(at, rows),
        }
        true
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.0.iter().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_merge_and_refuse_overlaps() {
        let mut runs = Runs::default();
        for rows in [10..20, 30..40, 0..5, 20..30, 5..10] {
            assert!(runs.insert(rows));
        }
        assert_eq!(runs, Runs(std::iter::once(0..40).collect()));
        for rows in [0..1, 39..41, 10..20, 0..100] {
            assert!(!runs.insert(rows.clone()), "{rows:?}");
        }
        assert!(runs.insert(41..42) && runs.insert(7..7));
        assert!(!runs.insert(40..42));
        assert_eq!(runs.rows(), 41);
    }
}
