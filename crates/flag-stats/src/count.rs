//! Counting the rows of a piece of the cells: the inner loop, for tiles and for rows from casacore alike.

use std::ops::Range;
use std::sync::atomic::AtomicU64;

use crate::rowmap::{Pair, RowMap};
use crate::slices::Slices;
use crate::sums::{Columns, Sums, add};

/// The most bits of a row that are counted at once, so that memory does not grow with the number of channels.
const MOST_BITS: usize = 2048;
/// Memory for the counters of several classes at once, bytes; with more, those of one class at a time.
const MOST_BYTES: usize = 8 << 20;

/// A stretch of the bits of a row, and which cell each is.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The first bit's place in the row.
    pub(crate) first: usize,
    /// The bits that are cells of the column.
    mask: Vec<u64>,
    /// By bit: `channel * correlations + correlation`, or [`NO_CELL`].
    cells: Vec<u32>,
    correlations: usize,
}

/// A bit of a tile beyond the column's last channel or correlation.
const NO_CELL: u32 = u32::MAX;

impl Piece {
    /// The pieces of rows of a tile of `tile` channels and correlations that starts at channel and correlation `from` of
    /// cells of `shape`.
    pub(crate) fn of_tile(shape: [usize; 2], from: [usize; 2], tile: [usize; 2]) -> Vec<Self> {
        let bits = tile[0] * tile[1];
        (0..bits)
            .step_by(MOST_BITS)
            .map(|first| {
                let length = MOST_BITS.min(bits - first);
                let mut mask = vec![0_u64; length.div_ceil(64)];
                let mut cells = vec![NO_CELL; mask.len() * 64];
                for i in 0..length {
                    let (channel, correlation) = (from[0] + (first + i) / tile[1], from[1] + (first + i) % tile[1]);
                    if channel < shape[0] && correlation < shape[1] {
                        mask[i / 64] |= 1 << (i % 64);
                        cells[i] = (channel * shape[1] + correlation) as u32;
                    }
                }
                Self { first, mask, cells, correlations: shape[1] }
            })
            .collect()
    }

    pub(crate) fn words(&self) -> usize {
        self.mask.len()
    }

    /// How many bits are cells of the column.
    pub(crate) fn cells(&self) -> u64 {
        self.mask.iter().map(|mask| u64::from(mask.count_ones())).sum()
    }

    /// How many of those are set in `words`.
    pub(crate) fn count(&self, words: &[u64]) -> u64 {
        words.iter().zip(&self.mask).map(|(word, mask)| u64::from((word & mask).count_ones())).sum()
    }
}

/// What is being counted and what has been.
pub(crate) struct Job<'a> {
    pub(crate) map: &'a RowMap,
    pub(crate) columns: &'a Columns,
    pub(crate) flag: &'a Sums,
    /// FLAG_ROW is set where FLAG is not.
    pub(crate) row_only: &'a Sums,
}

/// Counters of one thread, for one piece. Dropping it loses what was not finished.
pub(crate) struct Counter<'a> {
    job: &'a Job<'a>,
    piece: &'a Piece,
    flag: Side<'a>,
    row_only: Side<'a>,
    words: Vec<u64>,
    inverse: Vec<u64>,
}

impl<'a> Counter<'a> {
    pub(crate) fn new(job: &'a Job<'a>, piece: &'a Piece) -> Self {
        Self {
            job,
            piece,
            flag: Side::new(job, piece, job.flag),
            row_only: Side::new(job, piece, job.row_only),
            words: vec![0; piece.words()],
            inverse: vec![0; piece.words()],
        }
    }

    /// Counts `rows`, of which `load` gives the piece's bits by the row's number; other bits may be anything.
    pub(crate) fn count(&mut self, rows: Range<u64>, mut load: impl FnMut(u64, &mut [u64])) {
        let map = self.job.map;
        for segment in map.segments(rows) {
            let pairs = &map.pairs[segment.pair..];
            self.flag.begin(segment.context);
            let row_flagged = map.any_row_flagged(segment.rows.clone());
            for ((row, number), &pair) in segment.rows.clone().zip(segment.pair..).zip(pairs) {
                load(row, &mut self.words);
                let mut count = 0;
                for (word, mask) in self.words.iter_mut().zip(&self.piece.mask) {
                    *word &= mask;
                    count += u64::from(word.count_ones());
                }
                if count != 0 {
                    self.flag.add(number, pair, &self.words, count);
                }
                if row_flagged && map.is_row_flagged(row) {
                    let mut count = 0;
                    for ((inverse, word), mask) in self.inverse.iter_mut().zip(&self.words).zip(&self.piece.mask) {
                        *inverse = !word & mask;
                        count += u64::from(inverse.count_ones());
                    }
                    if count != 0 {
                        self.row_only.begin(segment.context);
                        self.row_only.add(number, pair, &self.inverse, count);
                    }
                }
            }
        }
    }

    /// Brings everything into the sums.
    pub(crate) fn finish(mut self) {
        self.flag.finish();
        self.row_only.finish();
    }
}

/// The counters of one figure.
struct Side<'a> {
    job: &'a Job<'a>,
    piece: &'a Piece,
    sums: &'a Sums,
    /// The context of the rows that come.
    context: Option<usize>,
    class: usize,
    /// Flags of the context so far: cross, auto.
    total: [u64; 2],
    pairs: Vec<u64>,
    /// By class: one for each antenna.
    antennas: Vec<Vec<Slices>>,
    keeps_classes: bool,
    /// The context's rows: cross, auto.
    rows: [Slices; 2],
    counts: Vec<u64>,
}

impl<'a> Side<'a> {
    fn new(job: &'a Job<'a>, piece: &'a Piece, sums: &'a Sums) -> Self {
        let words = piece.words();
        let all = Slices::bytes(words) * job.map.antennas.len() * job.map.classes.len();
        Self {
            job,
            piece,
            sums,
            context: None,
            class: 0,
            total: [0; 2],
            pairs: Vec::new(),
            antennas: (0..job.map.classes.len()).map(|_| Vec::new()).collect(),
            keeps_classes: all <= MOST_BYTES,
            rows: [Slices::new(words), Slices::new(words)],
            counts: vec![0; words * 64],
        }
    }

    /// What follows is of this context.
    fn begin(&mut self, context: usize) {
        if self.context == Some(context) {
            return;
        }
        self.end_context();
        let class = self.job.map.contexts[context].class as usize;
        if class != self.class && !self.keeps_classes {
            self.end_class(self.class);
        }
        (self.context, self.class) = (Some(context), class);
    }

    #[inline]
    fn add(&mut self, number: usize, pair: Pair, words: &[u64], count: u64) {
        if self.pairs.is_empty() {
            self.pairs = vec![0; self.job.map.pairs.len()];
        }
        self.pairs[number] += count;
        let auto = usize::from(pair.is_auto());
        self.total[auto] += count;
        let rows = &mut self.rows[auto];
        rows.push(words);
        if rows.is_full() {
            self.end_rows();
        }
        if auto == 1 {
            return;
        }
        if self.antennas[self.class].is_empty() {
            self.antennas[self.class].resize_with(self.job.map.antennas.len(), || Slices::new(words.len()));
        }
        for antenna in [pair.first, pair.second] {
            let slices = &mut self.antennas[self.class][antenna as usize];
            slices.push(words);
            if slices.is_full() {
                self.end_antenna(self.class, antenna as usize);
            }
        }
    }

    fn finish(&mut self) {
        self.end_context();
        for class in 0..self.antennas.len() {
            self.end_class(class);
        }
        for (sum, &count) in self.sums.pairs.iter().zip(&self.pairs) {
            add(sum, count);
        }
        self.pairs.clear();
    }

    fn end_context(&mut self) {
        let Some(context) = self.context.take() else { return };
        for (sum, count) in self.sums.contexts[2 * context..].iter().zip(&mut self.total) {
            add(sum, std::mem::take(count));
        }
        self.context = Some(context);
        self.end_rows();
    }

    /// The context's rows into its cells and its time.
    fn end_rows(&mut self) {
        let Some(context) = self.context else { return };
        let context = self.job.map.contexts[context];
        let cells = &self.sums.cells[context.class as usize];
        let (cross, auto) = cells.split_at(cells.len() / 2);
        for (kind, sums) in [cross, auto].into_iter().enumerate() {
            if self.rows[kind].is_empty() {
                continue;
            }
            self.rows[kind].drain(&mut self.counts);
            for (&cell, &count) in self.piece.cells.iter().zip(&self.counts) {
                if count != 0 {
                    add(&sums[cell as usize], count);
                }
            }
            if kind == 0 {
                self.spread(context.class as usize, &self.sums.time_channel, context.time as usize);
            } else {
                self.counts.fill(0);
            }
        }
    }

    fn end_class(&mut self, class: usize) {
        for antenna in 0..self.antennas[class].len() {
            self.end_antenna(class, antenna);
        }
        if !self.keeps_classes {
            self.antennas[class] = Vec::new();
        }
    }

    fn end_antenna(&mut self, class: usize, antenna: usize) {
        let slices = &mut self.antennas[class][antenna];
        if !slices.is_empty() {
            slices.drain(&mut self.counts);
            self.spread(class, &self.sums.antenna_channel, antenna);
        }
    }

    /// Adds `counts` to line `at` of a matrix, and makes them zero.
    fn spread(&mut self, class: usize, matrix: &[AtomicU64], at: usize) {
        let columns = &self.job.columns.of_class[class];
        let line = &matrix[at * self.sums.columns..(at + 1) * self.sums.columns];
        // Correlations and neighbours of a channel go to one column: added here first.
        let mut current = (0_usize, 0_u64);
        for (&cell, count) in self.piece.cells.iter().zip(&mut self.counts) {
            let count = std::mem::take(count);
            if count != 0 {
                let column = columns[cell as usize / self.piece.correlations] as usize;
                if column != current.0 {
                    add(&line[current.0], current.1);
                    current = (column, 0);
                }
                current.1 += count;
            }
        }
        if current.1 != 0 {
            add(&line[current.0], current.1);
        }
    }
}
