//! The sums that counting fills: one set for FLAG, one for what FLAG_ROW adds.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::labels::Labels;
use crate::rowmap::RowMap;
use crate::stats::MatrixColumn;

/// How the channels of all windows are the columns of the matrices.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) list: Vec<MatrixColumn>,
    /// By class and channel: the column.
    pub(crate) of_class: Vec<Vec<u32>>,
}

impl Columns {
    /// The channels of each window after those of the one before, several to a column where there are more than `most`.
    pub(crate) fn new(map: &RowMap, labels: &Labels, most: usize) -> Self {
        let mut windows: Vec<(i32, usize)> = Vec::new();
        for class in &map.classes {
            let (window, channels) = (labels.window(class.data_description), class.shape.map_or(0, |shape| shape[0]));
            match windows.iter_mut().find(|(known, _)| *known == window) {
                Some((_, most)) => *most = channels.max(*most),
                None => windows.push((window, channels)),
            }
        }
        windows.sort_unstable();
        let channels: usize = windows.iter().map(|(_, channels)| channels).sum();
        let together = channels.div_ceil(most.max(1)).max(1);
        let mut list = Vec::new();
        let mut first_column = Vec::new();
        for &(window, channels) in &windows {
            first_column.push((window, list.len()));
            for first in (0..channels).step_by(together) {
                list.push(MatrixColumn { window, first, last: channels.min(first + together) - 1 });
            }
        }
        let of_class = map
            .classes
            .iter()
            .map(|class| {
                let window = labels.window(class.data_description);
                let first = first_column.iter().find(|(known, _)| *known == window).map_or(0, |&(_, first)| first);
                let channels = class.shape.map_or(0, |shape| shape[0]);
                (0..channels).map(|channel| (first + channel / together) as u32).collect()
            })
            .collect();
        Self { list, of_class }
    }
}

/// Numbers of flags. Threads add to them at the same time.
#[derive(Debug)]
pub(crate) struct Sums {
    /// `[context, cross | auto]`.
    pub(crate) contexts: Vec<AtomicU64>,
    pub(crate) pairs: Vec<AtomicU64>,
    /// By class: `[cross | auto, channel, correlation]`.
    pub(crate) cells: Vec<Vec<AtomicU64>>,
    /// `[antenna, column]`, cross-correlations.
    pub(crate) antenna_channel: Vec<AtomicU64>,
    /// `[time, column]`, cross-correlations.
    pub(crate) time_channel: Vec<AtomicU64>,
    pub(crate) columns: usize,
}

impl Sums {
    pub(crate) fn new(map: &RowMap, columns: &Columns) -> Self {
        let width = columns.list.len();
        Self {
            contexts: zeros(2 * map.contexts.len()),
            pairs: zeros(map.pairs.len()),
            cells: map.classes.iter().map(|class| zeros(2 * class.cells() as usize)).collect(),
            antenna_channel: zeros(map.antennas.len() * width),
            time_channel: zeros(map.times.len() * width),
            columns: width,
        }
    }
}

fn zeros(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

/// Adds without waiting; whoever reads the sums has waited for the threads.
#[inline]
pub(crate) fn add(sum: &AtomicU64, count: u64) {
    if count != 0 {
        sum.fetch_add(count, Ordering::Relaxed);
    }
}

/// The value, after the threads are done.
pub(crate) fn get(sum: &AtomicU64) -> u64 {
    sum.load(Ordering::Relaxed)
}
