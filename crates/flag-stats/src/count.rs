//! Counting the rows of a piece of the cells: the inner loop, for tiles and for rows from casacore alike.

use std::ops::Range;
use std::sync::atomic::AtomicU64;

use crate::lanes::{Lane, Lanes};
use crate::rowmap::{Pair, RowMap};
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
    /// Since all counts were brought into the sums.
    rows: u64,
}

impl<'a> Counter<'a> {
    pub(crate) fn new(job: &'a Job<'a>, piece: &'a Piece) -> Self {
        let (flag, row_only) = (Side::new(job, piece, job.flag), Side::new(job, piece, job.row_only));
        Self { job, piece, flag, row_only, rows: 0 }
    }

    /// Counts `rows`, fewer than 2³², of which `load` gives the piece's bits by the row's number; other bits may be anything.
    pub(crate) fn count(&mut self, rows: Range<u64>, load: impl Fn(u64, &mut [u64])) {
        self.rows += rows.end - rows.start;
        if self.rows > Lanes::MOST_ROWS {
            self.flag.finish();
            self.row_only.finish();
            self.rows = rows.end - rows.start;
        }
        pulp::Arch::new().dispatch(Rows { counter: self, rows, load });
    }

    /// The same, for the processor's own instructions once it is inlined.
    #[inline(always)]
    fn count_by<const W: usize>(&mut self, rows: Range<u64>, load: impl Fn(u64, &mut [u64])) {
        self.count_in(&mut [0; W], &mut [0; W], rows, load);
    }

    #[inline(always)]
    fn count_in(&mut self, words: &mut [u64], inverse: &mut [u64], rows: Range<u64>, load: impl Fn(u64, &mut [u64])) {
        let map = self.job.map;
        let mask = &self.piece.mask[..words.len()];
        for segment in map.segments(rows) {
            let pairs = &map.pairs[segment.pair..];
            self.flag.begin(segment.context);
            let row_flagged = map.any_row_flagged(segment.rows.clone());
            for ((row, number), &pair) in segment.rows.clone().zip(segment.pair..).zip(pairs) {
                load(row, words);
                let mut count = 0;
                for (word, mask) in words.iter_mut().zip(mask) {
                    *word &= mask;
                    count += u64::from(word.count_ones());
                }
                if count != 0 {
                    self.flag.add(number, pair, words, count);
                }
                if row_flagged && map.is_row_flagged(row) {
                    let mut count = 0;
                    for ((inverse, word), mask) in inverse.iter_mut().zip(&*words).zip(mask) {
                        *inverse = !word & mask;
                        count += u64::from(inverse.count_ones());
                    }
                    if count != 0 {
                        self.row_only.begin(segment.context);
                        self.row_only.add(number, pair, inverse, count);
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

/// [`Counter::count`] by the instructions that the processor has.
struct Rows<'c, 'a, L> {
    counter: &'c mut Counter<'a>,
    rows: Range<u64>,
    load: L,
}

impl<L: Fn(u64, &mut [u64])> pulp::NullaryFnOnce for Rows<'_, '_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { counter, rows, load } = self;
        // The usual numbers of words are constants to the compiler.
        match counter.piece.words() {
            1 => counter.count_by::<1>(rows, load),
            2 => counter.count_by::<2>(rows, load),
            3 => counter.count_by::<3>(rows, load),
            words => counter.count_in(&mut vec![0; words], &mut vec![0; words], rows, load),
        }
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
    /// By class: a line for each antenna, cross-correlations.
    antennas: Vec<Lanes>,
    keeps_classes: bool,
    /// The context's rows: cross, auto.
    rows: Lanes,
    counts: Vec<u64>,
}

impl<'a> Side<'a> {
    fn new(job: &'a Job<'a>, piece: &'a Piece, sums: &'a Sums) -> Self {
        let words = piece.words();
        let all = Lanes::memory(job.map.antennas.len(), words) * job.map.classes.len();
        Self {
            job,
            piece,
            sums,
            context: None,
            class: 0,
            total: [0; 2],
            pairs: Vec::new(),
            antennas: job.map.classes.iter().map(|_| Lanes::default()).collect(),
            keeps_classes: all <= MOST_BYTES,
            rows: Lanes::new(2, words),
            counts: vec![0; words * 64],
        }
    }

    /// What follows is of this context.
    #[inline(always)]
    fn begin(&mut self, context: usize) {
        if self.context != Some(context) {
            self.change_context(context);
        }
    }

    #[inline(never)]
    fn change_context(&mut self, context: usize) {
        self.end_context();
        let class = self.job.map.contexts[context].class as usize;
        if class != self.class && !self.keeps_classes {
            self.end_class(self.class);
        }
        (self.context, self.class) = (Some(context), class);
    }

    /// Counters for what comes first.
    #[inline(never)]
    fn prepare(&mut self) {
        self.pairs.resize(self.job.map.pairs.len(), 0);
        self.antennas[self.class] = Lanes::new(self.job.map.antennas.len(), self.piece.words());
    }

    #[inline(always)]
    fn add(&mut self, number: usize, pair: Pair, words: &[u64], count: u64) {
        if self.antennas[self.class].is_unused() {
            self.prepare();
        }
        self.pairs[number] += count;
        let auto = usize::from(pair.is_auto());
        self.total[auto] += count;
        self.rows.begin(auto);
        if auto == 1 {
            for (w, &word) in words.iter().enumerate() {
                self.rows.add(1, w, words.len(), &Lane::of(word));
            }
            return;
        }
        let antennas = &mut self.antennas[self.class];
        let (first, second) = (pair.first as usize, pair.second as usize);
        antennas.begin(first);
        antennas.begin(second);
        for (w, &word) in words.iter().enumerate() {
            let lane = Lane::of(word);
            self.rows.add(0, w, words.len(), &lane);
            antennas.add(first, w, words.len(), &lane);
            antennas.add(second, w, words.len(), &lane);
        }
    }

    fn finish(&mut self) {
        self.end_context();
        for class in 0..self.antennas.len() {
            self.end_class(class);
        }
        for (sum, count) in self.sums.pairs.iter().zip(&mut self.pairs) {
            add(sum, std::mem::take(count));
        }
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
            if self.rows.is_empty(kind) {
                continue;
            }
            self.rows.drain(kind, &mut self.counts);
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
        for antenna in 0..self.antennas[class].lines() {
            if !self.antennas[class].is_empty(antenna) {
                self.antennas[class].drain(antenna, &mut self.counts);
                self.spread(class, &self.sums.antenna_channel, antenna);
            }
        }
        if !self.keeps_classes {
            self.antennas[class] = Lanes::default();
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
