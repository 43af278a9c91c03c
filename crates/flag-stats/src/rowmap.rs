//! Which antennas, window, field, scan and time each row belongs to, compressed.
//!
//! Rows of a Measurement Set repeat: one integration after another, the same baselines in the same order. A [`RowMap`]
//! keeps runs of rows that share everything but their baselines, which follow each other in a list of pairs of antennas:
//! some hundred runs for millions of rows. Whatever the order of rows, it costs at most 16 bytes a row.

use std::collections::HashMap;
use std::ops::Range;

use casacore::plain::Reader;

use crate::Error;

/// Rows that are read at once.
const CHUNK: u64 = 1 << 16;
/// Distinct times that are kept as they come; with more, the time range is found first.
const MOST_TIMES: usize = 1 << 16;

/// The columns that a row map is made of.
pub(crate) const COLUMNS: [&str; 7] =
    ["ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER", "TIME", "FLAG_ROW"];

/// Two antennas, as numbers in [`RowMap::antennas`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) first: u32,
    pub(crate) second: u32,
}

impl Pair {
    pub(crate) fn is_auto(self) -> bool {
        self.first == self.second
    }
}

/// Rows that are counted in the same columns: one data description, one shape of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    pub(crate) data_description: i32,
    /// Channels and correlations; none for cells without a value.
    pub(crate) shape: Option<[usize; 2]>,
}

impl Class {
    /// Flags of a row.
    pub(crate) fn cells(&self) -> u64 {
        self.shape.map_or(0, |[channels, correlations]| channels as u64 * correlations as u64)
    }
}

/// What the rows of a run share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Context {
    /// A number in [`RowMap::classes`].
    pub(crate) class: u32,
    pub(crate) field: i32,
    pub(crate) scan: i32,
    /// A number in [`RowMap::times`].
    pub(crate) time: u32,
}

/// Consecutive rows of one context whose pairs follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: u64,
    /// The pair of the first row.
    pair: u32,
    context: u32,
}

/// A part of a run.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) rows: Range<u64>,
    /// The number of the first row's pair; the next rows have the next pairs.
    pub(crate) pair: usize,
    pub(crate) context: usize,
}

/// See the [module](self).
#[derive(Debug, PartialEq)]
pub(crate) struct RowMap {
    pub(crate) rows: u64,
    /// Antenna numbers of the set, ascending.
    pub(crate) antennas: Vec<i32>,
    /// In the order in which they first come.
    pub(crate) pairs: Vec<Pair>,
    pub(crate) classes: Vec<Class>,
    pub(crate) contexts: Vec<Context>,
    /// First and last TIME of each time bin, seconds.
    pub(crate) times: Vec<(f64, f64)>,
    runs: Vec<Run>,
    /// One bit a row: FLAG_ROW.
    row_flags: Vec<u64>,
    pub(crate) flagged_rows: u64,
    pub(crate) undefined_rows: u64,
}

/// Where the shapes of cells come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shapes {
    /// All cells have this one.
    All([usize; 2]),
    /// Each cell tells.
    Each,
}

impl RowMap {
    /// Reads the map of the set's rows, with at most `time_bins` bins of time.
    pub(crate) fn read(table: &Reader, shapes: Shapes, time_bins: usize) -> Result<Self, Error> {
        let _span = tracing::debug_span!("read rows", path = %table.path().display()).entered();
        match Builder::new(table, shapes, None).read(time_bins)? {
            Some(map) => Ok(map),
            None => {
                let range = time_range(table)?;
                let map = Builder::new(table, shapes, Some((range, time_bins))).read(time_bins)?;
                Ok(map.expect("because bins within a range are not too many"))
            }
        }
    }

    /// The runs within `rows`.
    pub(crate) fn segments(&self, rows: Range<u64>) -> impl Iterator<Item = Segment> + '_ {
        let first = self.runs.partition_point(|run| run.start <= rows.start).saturating_sub(1);
        let runs = &self.runs[first.min(self.runs.len())..];
        runs.iter().enumerate().take_while(move |(_, run)| run.start < rows.end).filter_map(move |(i, run)| {
            let end = runs.get(i + 1).map_or(self.rows, |next| next.start).min(rows.end);
            let start = run.start.max(rows.start);
            let pair = run.pair as usize + (start - run.start) as usize;
            (start < end).then_some(Segment { rows: start..end, pair, context: run.context as usize })
        })
    }

    /// Calls `each` with the context and the pairs of every run.
    pub(crate) fn each_run(&self, mut each: impl FnMut(&Context, usize, Range<usize>)) {
        for (i, run) in self.runs.iter().enumerate() {
            let end = self.runs.get(i + 1).map_or(self.rows, |next| next.start);
            let first = run.pair as usize;
            each(&self.contexts[run.context as usize], run.context as usize, first..first + (end - run.start) as usize);
        }
    }

    /// The first row of a class.
    pub(crate) fn first_row_of_class(&self, class: u32) -> u64 {
        let found = self.runs.iter().find(|run| self.contexts[run.context as usize].class == class);
        found.map_or(0, |run| run.start)
    }

    /// Whether FLAG_ROW is set.
    pub(crate) fn is_row_flagged(&self, row: u64) -> bool {
        self.row_flags[(row / 64) as usize] >> (row % 64) & 1 == 1
    }

    /// Whether FLAG_ROW is set in any of `rows`.
    pub(crate) fn any_row_flagged(&self, rows: Range<u64>) -> bool {
        if self.flagged_rows == 0 || rows.is_empty() {
            return false;
        }
        let (first, last) = ((rows.start / 64) as usize, ((rows.end - 1) / 64) as usize);
        (first..=last).any(|word| {
            let from = if word == first { u64::MAX << (rows.start % 64) } else { u64::MAX };
            let to = if word == last { u64::MAX >> (63 - (rows.end - 1) % 64) } else { u64::MAX };
            self.row_flags[word] & from & to != 0
        })
    }

    /// The memory of the map, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = self.runs.len() * size_of::<Run>()
            + self.contexts.len() * size_of::<Context>()
            + self.pairs.len() * size_of::<Pair>()
            + self.antennas.len() * size_of::<i32>()
            + (self.row_flags.len() + 2 * self.times.len()) * 8;
        bytes as u64
    }
}

/// The first and the last TIME of the set.
fn time_range(table: &Reader) -> Result<(f64, f64), Error> {
    let rows = table.rows()?;
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut times = vec![0.0; CHUNK.min(rows) as usize];
    for start in (0..rows).step_by(CHUNK as usize) {
        let times = &mut times[..CHUNK.min(rows - start) as usize];
        table.read("TIME", start..start + times.len() as u64, times)?;
        for &time in &*times {
            (low, high) = (low.min(time), high.max(time));
        }
    }
    Ok((low, high))
}

struct Builder<'a> {
    table: &'a Reader,
    shapes: Shapes,
    /// The range and number of equal bins of time, where distinct times are too many.
    bins: Option<((f64, f64), usize)>,
    pair_numbers: HashMap<(i32, i32), u32>,
    pairs: Vec<(i32, i32)>,
    class_numbers: HashMap<Class, u32>,
    classes: Vec<Class>,
    context_numbers: HashMap<Context, u32>,
    contexts: Vec<Context>,
    time_numbers: HashMap<u64, u32>,
    times: Vec<(f64, f64)>,
    runs: Vec<Run>,
    row_flags: Vec<u64>,
    undefined_rows: u64,
}

/// The columns of a chunk of rows.
#[derive(Default)]
struct Chunk {
    first: Vec<i32>,
    second: Vec<i32>,
    data_description: Vec<i32>,
    field: Vec<i32>,
    scan: Vec<i32>,
    time: Vec<f64>,
    row_flag: Vec<bool>,
    shapes: Vec<Option<[usize; 2]>>,
}

impl Chunk {
    fn read(&mut self, table: &Reader, rows: Range<u64>, shapes: Shapes) -> Result<(), Error> {
        let length = (rows.end - rows.start) as usize;
        for (name, column) in [
            ("ANTENNA1", &mut self.first),
            ("ANTENNA2", &mut self.second),
            ("DATA_DESC_ID", &mut self.data_description),
            ("FIELD_ID", &mut self.field),
            ("SCAN_NUMBER", &mut self.scan),
        ] {
            column.resize(length, 0);
            table.read(name, rows.clone(), column)?;
        }
        self.time.resize(length, 0.0);
        table.read("TIME", rows.clone(), &mut self.time)?;
        self.row_flag.resize(length, false);
        table.read("FLAG_ROW", rows.clone(), &mut self.row_flag)?;
        self.shapes.clear();
        if let Shapes::Each = shapes {
            for (row, shape) in rows.clone().zip(table.shapes("FLAG", rows)?) {
                let shape = match shape.as_deref() {
                    None => None,
                    // As tiles of one axis are: one channel of so many correlations.
                    Some(&[correlations]) => Some([1, correlations]),
                    Some(&[channels, correlations]) => Some([channels, correlations]),
                    Some(axes) => {
                        return Err(Error::Axes { path: table.path().into(), row, axes: axes.len() });
                    }
                };
                self.shapes.push(shape);
            }
        }
        Ok(())
    }
}

impl<'a> Builder<'a> {
    fn new(table: &'a Reader, shapes: Shapes, bins: Option<((f64, f64), usize)>) -> Self {
        Self {
            table,
            shapes,
            bins,
            pair_numbers: HashMap::new(),
            pairs: Vec::new(),
            class_numbers: HashMap::new(),
            classes: Vec::new(),
            context_numbers: HashMap::new(),
            contexts: Vec::new(),
            time_numbers: HashMap::new(),
            times: Vec::new(),
            runs: Vec::new(),
            row_flags: Vec::new(),
            undefined_rows: 0,
        }
    }

    /// None where there are more distinct times than are kept.
    fn read(mut self, time_bins: usize) -> Result<Option<RowMap>, Error> {
        let rows = self.table.rows()?;
        self.row_flags = vec![0; rows.div_ceil(64) as usize];
        if let Some((_, count)) = self.bins {
            // Bins without rows fall out at the end.
            self.times = vec![(f64::INFINITY, f64::NEG_INFINITY); count.max(1)];
        }
        let mut chunk = Chunk::default();
        for start in (0..rows).step_by(CHUNK as usize) {
            chunk.read(self.table, start..rows.min(start + CHUNK), self.shapes)?;
            for i in 0..chunk.first.len() {
                self.add(start + i as u64, i, &chunk);
            }
            if self.times.len() > MOST_TIMES {
                return Ok(None);
            }
        }
        Ok(Some(self.finish(rows, time_bins)))
    }

    fn add(&mut self, row: u64, i: usize, chunk: &Chunk) {
        let pair = (chunk.first[i], chunk.second[i]);
        let last = self.runs.last().copied();
        // The pair and the context that follow if rows go on as they did.
        let next = last.map(|run| run.pair + (row - run.start) as u32);
        let pair = match next {
            Some(next) if self.pairs.get(next as usize) == Some(&pair) => next,
            _ => match self.pairs.first() {
                Some(first) if *first == pair => 0,
                _ => number(&mut self.pair_numbers, &mut self.pairs, pair),
            },
        };
        let shape = match self.shapes {
            Shapes::All(shape) => Some(shape),
            Shapes::Each => chunk.shapes[i],
        };
        let class = Class { data_description: chunk.data_description[i], shape };
        let class = match last.map(|run| self.contexts[run.context as usize].class) {
            Some(number) if self.classes[number as usize] == class => number,
            _ => number(&mut self.class_numbers, &mut self.classes, class),
        };
        let time = self.time(chunk.time[i]);
        let context = Context { class, field: chunk.field[i], scan: chunk.scan[i], time };
        let context = match last.map(|run| run.context) {
            Some(number) if self.contexts[number as usize] == context => number,
            _ => number(&mut self.context_numbers, &mut self.contexts, context),
        };
        if next != Some(pair) || last.is_none_or(|run| run.context != context) {
            self.runs.push(Run { start: row, pair, context });
        }
        self.row_flags[(row / 64) as usize] |= u64::from(chunk.row_flag[i]) << (row % 64);
        self.undefined_rows += u64::from(shape.is_none());
    }

    fn time(&mut self, time: f64) -> u32 {
        let number = match self.bins {
            Some(((low, high), count)) => {
                // NaN goes to the first bin by the saturating cast.
                let bin = ((time - low) / (high - low) * count as f64) as usize;
                bin.min(count.saturating_sub(1)) as u32
            }
            None => {
                let last = self.runs.last().map(|run| self.contexts[run.context as usize].time);
                match last.filter(|&last| self.times[last as usize].0.to_bits() == time.to_bits()) {
                    Some(last) => return last,
                    None => {
                        let next = self.times.len() as u32;
                        let number = *self.time_numbers.entry(time.to_bits()).or_insert(next);
                        if number == next {
                            self.times.push((time, time));
                        }
                        return number;
                    }
                }
            }
        };
        let bin = &mut self.times[number as usize];
        *bin = (bin.0.min(time), bin.1.max(time));
        number
    }

    fn finish(mut self, rows: u64, time_bins: usize) -> RowMap {
        self.sort_times(time_bins.max(1));
        let mut antennas: Vec<i32> = self.pairs.iter().flat_map(|&(first, second)| [first, second]).collect();
        antennas.sort_unstable();
        antennas.dedup();
        let index = |antenna: i32| antennas.binary_search(&antenna).unwrap_or_default() as u32;
        let pairs =
            self.pairs.iter().map(|&(first, second)| Pair { first: index(first), second: index(second) }).collect();
        self.runs.shrink_to_fit();
        RowMap {
            rows,
            pairs,
            antennas,
            classes: self.classes,
            contexts: self.contexts,
            times: self.times,
            runs: self.runs,
            flagged_rows: self.row_flags.iter().map(|word| u64::from(word.count_ones())).sum(),
            row_flags: self.row_flags,
            undefined_rows: self.undefined_rows,
        }
    }

    /// Brings the times into order and, where there are more than `most`, into equal bins.
    fn sort_times(&mut self, most: usize) {
        let mut order: Vec<usize> =
            (0..self.times.len()).filter(|&i| self.times[i].0 <= self.times[i].1 || self.times[i].0.is_nan()).collect();
        order.sort_by(|&a, &b| self.times[a].0.total_cmp(&self.times[b].0));
        let (low, high) = match (order.first(), order.last()) {
            (Some(&first), Some(&last)) => (self.times[first].0, self.times[last].1),
            _ => return,
        };
        let (mut numbers, mut times) = (vec![0; self.times.len()], Vec::<(f64, f64)>::new());
        let mut bin = None;
        let together = order.len() > most;
        for &i in &order {
            let (first, last) = self.times[i];
            let here = ((first - low) / (high - low) * most as f64) as usize;
            match times.last_mut() {
                Some(time) if together && bin == Some(here.min(most - 1)) => time.1 = time.1.max(last),
                _ => times.push((first, last)),
            }
            bin = Some(here.min(most - 1));
            numbers[i] = (times.len() - 1) as u32;
        }
        self.times = times;
        // Contexts that differed in nothing but a time of the same bin stay apart; sums are made over them anyway.
        self.contexts.iter_mut().for_each(|context| context.time = numbers[context.time as usize]);
    }
}

/// The number of `value` in `list`, where it is put if it is new.
fn number<T: Copy + Eq + std::hash::Hash>(numbers: &mut HashMap<T, u32>, list: &mut Vec<T>, value: T) -> u32 {
    let next = list.len() as u32;
    let number = *numbers.entry(value).or_insert(next);
    if number == next {
        list.push(value);
    }
    number
}
