//! Counting the set bits of every column of a matrix of bits whose rows come one at a time.
//!
//! Counts are kept bit-sliced: plane k holds bit k of the count of every column, 64 columns to a word. Sixteen rows are
//! gathered and added by carry-save adders (Harley and Seal), five logic operations for each word of a row, so that the
//! cost does not depend on how many bits are set.

/// Rows that are added at once.
const BLOCK: usize = 16;
/// Planes, so that counts stay below 2¹⁶.
const PLANES: usize = 16;
/// Blocks until a count could overflow.
const MOST_BLOCKS: u32 = (1 << (PLANES - 4)) - 1;

/// Counts of the set bits in each column of the rows pushed since the last [`Slices::drain`].
#[derive(Debug)]
pub(crate) struct Slices {
    words: usize,
    /// `[row, word]`: rows that are not in the planes yet.
    pending: Vec<u64>,
    held: usize,
    /// `[plane, word]`.
    planes: Vec<u64>,
    blocks: u32,
}

impl Slices {
    /// For rows of `words` words.
    pub(crate) fn new(words: usize) -> Self {
        Self { words, pending: vec![0; BLOCK * words], held: 0, planes: vec![0; PLANES * words], blocks: 0 }
    }

    /// The memory of one with so many words, bytes.
    pub(crate) fn bytes(words: usize) -> usize {
        (BLOCK + PLANES) * words * size_of::<u64>()
    }

    /// Whether a drain would give nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0 && self.blocks == 0
    }

    /// Whether it must be drained before the next push.
    pub(crate) fn is_full(&self) -> bool {
        self.blocks == MOST_BLOCKS
    }

    /// Adds a row.
    #[inline]
    pub(crate) fn push(&mut self, row: &[u64]) {
        debug_assert!(row.len() == self.words && !self.is_full());
        let at = self.held * self.words;
        match (&mut self.pending[at..at + self.words], row) {
            // The usual rows, without a call to copy them.
            ([slot], [word]) => *slot = *word,
            ([slots @ .., slot], [words @ .., word]) if slots.len() == 1 && words.len() == 1 => {
                (slots[0], *slot) = (words[0], *word);
            }
            (slots, words) => slots.copy_from_slice(words),
        }
        self.held += 1;
        if self.held == BLOCK {
            self.fold();
        }
    }

    /// Brings the pending rows into the planes.
    fn fold(&mut self) {
        // The usual numbers of words are constants to the compiler.
        match self.words {
            1 => self.fold_by(1),
            2 => self.fold_by(2),
            3 => self.fold_by(3),
            words => self.fold_by(words),
        }
    }

    #[inline(always)]
    fn fold_by(&mut self, words: usize) {
        let pending = &self.pending[..BLOCK * words];
        for w in 0..words {
            let row = |i: usize| pending[i * words + w];
            let plane = |k: usize| self.planes[k * words + w];
            let (mut ones, mut twos, mut fours, mut eights) = (plane(0), plane(1), plane(2), plane(3));
            let (a, b, c, d, e, f);
            (ones, twos, a) = add_four(ones, twos, [row(0), row(1), row(2), row(3)]);
            (ones, twos, b) = add_four(ones, twos, [row(4), row(5), row(6), row(7)]);
            (ones, twos, c) = add_four(ones, twos, [row(8), row(9), row(10), row(11)]);
            (ones, twos, d) = add_four(ones, twos, [row(12), row(13), row(14), row(15)]);
            (fours, e) = add(fours, a, b);
            (fours, f) = add(fours, c, d);
            let mut carry;
            (eights, carry) = add(eights, e, f);
            for (k, plane) in [ones, twos, fours, eights].into_iter().enumerate() {
                self.planes[k * words + w] = plane;
            }
            let mut k = 4;
            while carry != 0 && k < PLANES {
                let plane = &mut self.planes[k * words + w];
                (*plane, carry) = (*plane ^ carry, *plane & carry);
                k += 1;
            }
            debug_assert!(carry == 0, "drained before it is full");
        }
        self.held = 0;
        self.blocks += 1;
    }

    /// Adds the counts of all columns to `counts`, 64 for each word, and starts again at zero.
    pub(crate) fn drain(&mut self, counts: &mut [u64]) {
        debug_assert!(counts.len() == self.words * 64);
        for row in self.pending[..self.held * self.words].chunks_exact(self.words) {
            each_set(row, |column| counts[column] += 1);
        }
        if self.blocks > 0 {
            for (k, plane) in self.planes.chunks_exact_mut(self.words).enumerate() {
                each_set(plane, |column| counts[column] += 1 << k);
                plane.fill(0);
            }
        }
        (self.held, self.blocks) = (0, 0);
    }
}

/// Adds four rows to the planes of one and two; gives those, and the carry into that of four.
#[inline(always)]
fn add_four(ones: u64, twos: u64, rows: [u64; 4]) -> (u64, u64, u64) {
    let (ones, a) = add(ones, rows[0], rows[1]);
    let (ones, b) = add(ones, rows[2], rows[3]);
    let (twos, carry) = add(twos, a, b);
    (ones, twos, carry)
}

/// Sum and carry of three bits, in every column.
#[inline(always)]
fn add(a: u64, b: u64, c: u64) -> (u64, u64) {
    let half = a ^ b;
    (half ^ c, (a & b) | (half & c))
}

/// Calls `each` with the number of every set bit.
#[inline]
fn each_set(words: &[u64], mut each: impl FnMut(usize)) {
    for (w, &word) in words.iter().enumerate() {
        let mut rest = word;
        while rest != 0 {
            each(w * 64 + rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
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
            for rows in [0, 1, 15, 16, 17, 255, 256, 1000] {
                let mut slices = Slices::new(words);
                let mut expected = vec![0_u64; words * 64];
                for _ in 0..rows {
                    let row: Vec<u64> = (0..words).map(|_| random() & random()).collect();
                    (0..words * 64).for_each(|j| expected[j] += row[j / 64] >> (j % 64) & 1);
                    slices.push(&row);
                }
                let mut counts = vec![0; words * 64];
                slices.drain(&mut counts);
                assert_eq!(counts, expected, "{words} words, {rows} rows");
                assert!(slices.is_empty());
                slices.drain(&mut counts);
                assert_eq!(counts, expected, "a drained one gives nothing");
            }
        }
    }

    #[test]
    fn it_is_full_before_a_count_overflows() {
        let mut slices = Slices::new(1);
        let (mut rows, mut counts) = (0_u64, vec![0; 64]);
        while !slices.is_full() {
            slices.push(&[u64::MAX]);
            rows += 1;
        }
        assert_eq!(rows, 65_520);
        slices.drain(&mut counts);
        assert_eq!(counts, [rows; 64]);
    }
}
