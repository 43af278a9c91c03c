//! Counting the set bits of every column of a matrix of bits whose rows come one at a time.
//!
//! A column's count is a byte, eight to a word and 64 to a [`Lane`], since the 64 bits of a word of a row are spread to bytes
//! of zero and one in a few operations of vectors, once for all the lines that the row is counted in. After 255 rows the
//! bytes are added to counts of 32 bits.

/// Counts of the 64 columns of a word, the first in the lowest byte of the first. A cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(crate) struct Lane([u64; 8]);

/// In the lowest bit of every byte.
const ONES: u64 = 0x0101_0101_0101_0101;

impl Lane {
    /// One in the byte of every bit of `word` that is set.
    #[inline(always)]
    pub(crate) fn of(word: u64) -> Self {
        let mut lane = [0; 8];
        for (i, eight) in lane.iter_mut().enumerate() {
            // The byte eight times, and of each one bit, which then becomes one.
            let bits = (word >> (8 * i) & 0xff).wrapping_mul(ONES) & 0x8040_2010_0804_0201;
            *eight = (bits.wrapping_add(0x7f * ONES) | bits) >> 7 & ONES;
        }
        Self(lane)
    }

    #[inline(always)]
    fn add(&mut self, other: &Self) {
        for (sum, eight) in self.0.iter_mut().zip(other.0) {
            // No byte reaches 256, so nothing is carried into the next.
            *sum = sum.wrapping_add(eight);
        }
    }
}

/// The counts of several lines of so many words each.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    words: usize,
    /// `[line, word]`.
    bytes: Vec<Lane>,
    /// `[line, word]`: what no longer is in `bytes`.
    wide: Vec<[u32; 64]>,
    /// By line: rows in `bytes`, and whether there are any in `wide`.
    held: Vec<(u8, bool)>,
}

impl Lanes {
    /// The most rows that may be added to a line before it is drained.
    pub(crate) const MOST_ROWS: u64 = u32::MAX as u64;

    pub(crate) fn new(lines: usize, words: usize) -> Self {
        Self {
            words,
            bytes: vec![Lane::default(); lines * words],
            wide: vec![[0; 64]; lines * words],
            held: vec![(0, false); lines],
        }
    }

    /// The memory of so many lines, bytes.
    pub(crate) fn memory(lines: usize, words: usize) -> usize {
        lines * (words * (size_of::<Lane>() + size_of::<[u32; 64]>()) + size_of::<(u8, bool)>())
    }

    /// Whether nothing was made yet.
    pub(crate) fn is_unused(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether a drain of the line would give nothing.
    pub(crate) fn is_empty(&self, line: usize) -> bool {
        self.held[line] == (0, false)
    }

    pub(crate) fn lines(&self) -> usize {
        self.held.len()
    }

    /// A row follows in this line: all of its words, each once, by [`Lanes::add`].
    #[inline(always)]
    pub(crate) fn begin(&mut self, line: usize) {
        if self.held[line].0 == u8::MAX {
            self.widen(line);
        }
        self.held[line].0 += 1;
    }

    /// Word number `word` of the row's `words`.
    #[inline(always)]
    pub(crate) fn add(&mut self, line: usize, word: usize, words: usize, lane: &Lane) {
        debug_assert!(words == self.words);
        self.bytes[line * words + word].add(lane);
    }

    /// Brings the line's bytes into its wide counts.
    fn widen(&mut self, line: usize) {
        let line_words = line * self.words..(line + 1) * self.words;
        for (lane, wide) in self.bytes[line_words.clone()].iter_mut().zip(&mut self.wide[line_words]) {
            for (counts, eight) in wide.chunks_exact_mut(8).zip(std::mem::take(&mut lane.0)) {
                for (count, byte) in counts.iter_mut().zip(eight.to_le_bytes()) {
                    *count += u32::from(byte);
                }
            }
        }
        self.held[line] = (0, true);
    }

    /// Adds the counts of all of the line's columns to `counts`, 64 for each word, and starts again at zero.
    pub(crate) fn drain(&mut self, line: usize, counts: &mut [u64]) {
        debug_assert!(counts.len() == self.words * 64);
        self.widen(line);
        let wide = self.wide[line * self.words..(line + 1) * self.words].as_flattened_mut();
        for (sum, count) in counts.iter_mut().zip(wide) {
            *sum += u64::from(std::mem::take(count));
        }
        self.held[line] = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_whatever_the_number_of_rows() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        };
        for words in [1, 2, 5] {
            for rows in [0, 1, 15, 254, 255, 256, 511, 1000] {
                let mut lanes = Lanes::new(3, words);
                let mut expected = vec![vec![0_u64; words * 64]; 3];
                for number in 0..rows {
                    // The last line has all bits of every row, so that its bytes are full.
                    for (line, expected) in expected.iter_mut().enumerate().skip(number % 2) {
                        lanes.begin(line);
                        for word in 0..words {
                            let bits = if line == 2 { u64::MAX } else { random() & random() };
                            (0..64).for_each(|j| expected[word * 64 + j] += bits >> j & 1);
                            lanes.add(line, word, words, &Lane::of(bits));
                        }
                    }
                }
                for (line, expected) in expected.iter().enumerate() {
                    let mut counts = vec![0; words * 64];
                    lanes.drain(line, &mut counts);
                    assert_eq!(&counts, expected, "line {line}, {words} words, {rows} rows");
                    assert!(lanes.is_empty(line));
                    lanes.drain(line, &mut counts);
                    assert_eq!(&counts, expected, "a drained one gives nothing");
                }
            }
        }
    }
}
