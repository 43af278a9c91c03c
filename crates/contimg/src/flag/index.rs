//! Which rows belong to one baseline and window, in order of time, and which of these are looked at together.

use std::{collections::HashMap, path::Path};

use ms_columns::Input;
use ms_meta_cache::{MsMetaCache, MsSet};

use super::FlagArgs;
use crate::{
    failure::{Class, Failure},
    meta::of_meta,
    selection::{self, Ranges},
};

/// Rows whose keys are read at a time.
const ROWS: u64 = 1 << 16;
/// Integrations that are searched together at most: for longer ones neither memory nor statistics have any use.
const MOST_TIMES: usize = 256;
/// Fields that change more often than this are a drifting sky, not targets.
const FEWEST_TIMES: usize = 8;
/// A gap of so many integrations ends what is searched together.
const GAP: f64 = 10.0;

/// Which rows to look at: all where nothing is said.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// By DATA_DESC_ID.
    descriptions: Option<Vec<bool>>,
    /// By FIELD_ID.
    fields: Option<Vec<bool>>,
    scans: Option<Ranges>,
}

impl Selection {
    /// What the arguments mean in their set, whose subtables are read only when something is selected by them.
    pub(super) fn new(args: &FlagArgs) -> Result<Self, Failure> {
        let mut selection = Self { scans: args.scan.clone(), ..Self::default() };
        if args.window.is_none() && args.field.is_none() {
            return Ok(selection);
        }
        let set = MsSet::new(&args.set).map_err(|e| of_meta(&e))?;
        let tables = MsMetaCache::default().subtables(&set).map_err(|e| of_meta(&e))?;
        if let Some(windows) = &args.window {
            selection.descriptions = Some(selection::descriptions(&tables, Some(windows), &args.set)?);
        }
        if let Some(fields) = &args.field {
            selection.fields = Some(selection::fields(&tables, Some(fields), &args.set)?);
        }
        Ok(selection)
    }

    fn has(&self, description: i32, field: i32, scan: i32) -> bool {
        let is_in = |list: &Option<Vec<bool>>, id: i32| {
            list.as_ref().is_none_or(|list| usize::try_from(id).ok().and_then(|id| list.get(id)) == Some(&true))
        };
        is_in(&self.descriptions, description)
            && is_in(&self.fields, field)
            && self.scans.as_ref().is_none_or(|scans| u64::try_from(scan).is_ok_and(|scan| scans.contains(scan)))
    }
}

/// A row of the set, by its place in a [`Segment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Among the baselines of [`Index::baselines`].
    pub(super) baseline: u32,
    /// Among the segment's integrations.
    pub(super) time: u32,
    pub(super) row: u64,
}

/// Integrations of one data description that are searched together.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) times: usize,
    /// Sorted: the rows of a baseline follow each other in order of time.
    pub(super) places: Vec<Place>,
}

/// The selected rows of a set.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) segments: Vec<Segment>,
    /// Pairs of antennas in the order in which they first occur, so that neighbours in the list are neighbours in the file.
    pub(super) baselines: Vec<(i32, i32)>,
    /// Selected rows.
    pub(super) rows: u64,
}

/// A row before its segment is known.
struct Keyed {
    window: i32,
    baseline: u32,
    field: i32,
    time: f64,
    row: u64,
}

impl Index {
    pub(super) fn read(set: &Path, rows: u64, selection: &Selection) -> Result<Self, Failure> {
        let mut baselines = Vec::new();
        let keyed = keys(set, rows, selection, &mut baselines)?;
        let count = keyed.len() as u64;
        let mut windows: HashMap<i32, Vec<Keyed>> = HashMap::new();
        for key in keyed {
            windows.entry(key.window).or_default().push(key);
        }
        let mut ids: Vec<i32> = windows.keys().copied().collect();
        ids.sort_unstable();
        let mut segments = Vec::new();
        for id in ids {
            segments.extend(cut(windows.remove(&id).unwrap_or_default()));
        }
        Ok(Self { segments, baselines, rows: count })
    }
}

/// The selected rows with what orders them.
fn keys(set: &Path, rows: u64, selection: &Selection, baselines: &mut Vec<(i32, i32)>) -> Result<Vec<Keyed>, Failure> {
    let int = |name: &str| Input::<i32>::open(set, name).map_err(|error| Failure::of_columns(&error));
    let (antenna1, antenna2) = (int("ANTENNA1")?, int("ANTENNA2")?);
    let (window, field, scan) = (int("DATA_DESC_ID")?, int("FIELD_ID")?, int("SCAN_NUMBER")?);
    let time = Input::<f64>::open(set, "TIME").map_err(|error| Failure::of_columns(&error))?;
    let mut keyed = Vec::new();
    let mut numbers: HashMap<(i32, i32), u32> = HashMap::new();
    let (mut a1, mut a2, mut w, mut f, mut s, mut t) = Default::default();
    let mut first = 0;
    while first < rows {
        let range = first..rows.min(first + ROWS);
        for (input, out) in
            [(&antenna1, &mut a1), (&antenna2, &mut a2), (&window, &mut w), (&field, &mut f), (&scan, &mut s)]
        {
            input.read_into(range.clone(), out).map_err(|error| Failure::of_columns(&error))?;
        }
        time.read_into(range.clone(), &mut t).map_err(|error| Failure::of_columns(&error))?;
        for (i, row) in range.clone().enumerate() {
            if !selection.has(w[i], f[i], s[i]) {
                continue;
            }
            if !f64::is_finite(t[i]) {
                return Err(Failure::new(Class::Input, format!("{}: TIME of row {row} is {}", set.display(), t[i])));
            }
            let pair = (a1[i], a2[i]);
            let baseline = *numbers.entry(pair).or_insert_with(|| {
                baselines.push(pair);
                (baselines.len() - 1) as u32
            });
            keyed.push(Keyed { window: w[i], baseline, field: f[i], time: t[i], row });
        }
        first = range.end;
    }
    Ok(keyed)
}

/// Cuts the rows of a window where time jumps, where the field changes for good, and where there are many integrations.
fn cut(mut keyed: Vec<Keyed>) -> Vec<Segment> {
    keyed.sort_by(|a, b| a.time.total_cmp(&b.time).then(a.row.cmp(&b.row)));
    // The integrations: their time, the field of their first row, and where they begin.
    let mut integrations: Vec<(f64, i32, usize)> = Vec::new();
    for (at, key) in keyed.iter().enumerate() {
        if integrations.last().is_none_or(|last| last.0 != key.time) {
            integrations.push((key.time, key.field, at));
        }
    }
    let mut steps: Vec<f64> = integrations.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    steps.sort_by(f64::total_cmp);
    let longest = steps.get(steps.len() / 2).map_or(f64::INFINITY, |step| step * GAP);
    let runs = integrations.chunk_by(|a, b| a.1 == b.1).count().max(1);
    let follows_fields = integrations.len() / runs >= FEWEST_TIMES;
    let mut segments = Vec::new();
    let mut begin = 0;
    for next in 1..=integrations.len() {
        let ends = match integrations.get(next) {
            None => true,
            Some(at) => {
                let before = integrations[next - 1];
                at.0 - before.0 > longest || (follows_fields && at.1 != before.1) || next - begin >= MOST_TIMES
            }
        };
        if ends {
            let end = integrations.get(next).map_or(keyed.len(), |at| at.2);
            let mut places = Vec::with_capacity(end - integrations[begin].2);
            for time in begin..next {
                let last = integrations.get(time + 1).map_or(keyed.len(), |at| at.2).min(end);
                places.extend(keyed[integrations[time].2..last].iter().map(|key| Place {
                    baseline: key.baseline,
                    time: (time - begin) as u32,
                    row: key.row,
                }));
            }
            places.sort_unstable();
            segments.push(Segment { times: next - begin, places });
            begin = next;
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(times: &[f64], fields: &[i32]) -> Vec<Keyed> {
        let both = times.iter().zip(fields).enumerate();
        both.flat_map(|(i, (&time, &field))| {
            // Two baselines; the rows of the file run against time.
            (0..2).map(move |baseline| {
                let row = (100 - i) as u64 * 2 + u64::from(baseline);
                Keyed { window: 0, baseline, field, time, row }
            })
        })
        .collect()
    }

    #[test]
    fn a_drifting_sky_stays_together_and_targets_do_not() {
        let times: Vec<f64> = (0..24).map(f64::from).collect();
        let drift: Vec<i32> = (0..24).collect();
        assert_eq!(cut(keyed(&times, &drift)).len(), 1);
        let targets: Vec<i32> = (0..24).map(|i| i / 12).collect();
        let segments = cut(keyed(&times, &targets));
        assert_eq!(segments.iter().map(|segment| segment.times).collect::<Vec<_>>(), [12, 12]);
        let gap: Vec<f64> = (0..24).map(|i| f64::from(i) + if i < 10 { 0.0 } else { 100.0 }).collect();
        assert_eq!(cut(keyed(&gap, &drift)).iter().map(|s| s.times).collect::<Vec<_>>(), [10, 14]);
        let long: Vec<f64> = (0..600).map(f64::from).collect();
        assert_eq!(cut(keyed(&long, &vec![0; 600])).iter().map(|s| s.times).collect::<Vec<_>>(), [256, 256, 88]);
    }

    #[test]
    fn the_rows_of_a_baseline_are_in_order_of_time() {
        let segments = cut(keyed(&[5.0, 1.0, 3.0], &[0, 0, 0]));
        let first: Vec<_> = segments[0].places.iter().filter(|place| place.baseline == 0).collect();
        assert_eq!(first.iter().map(|place| place.row).collect::<Vec<_>>(), [198, 196, 200]);
        assert_eq!(first.iter().map(|place| place.time).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
