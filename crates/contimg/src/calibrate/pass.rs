//! Passes over the data: rows into averages, averages into solutions; and residuals of a sample of the rows.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use casacore::Complex32;
use gain_solve::{Averages, Bands, Options, Residuals, Reweight, Row, Shape, Solutions, Weights, solve};
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::calibrate::args::UvRange;
use crate::calibrate::block::{Block, Columns};
use crate::calibrate::intervals::Intervals;
use crate::calibrate::known::{Gains, Known};
use crate::calibrate::set::{RowKey, View};
use crate::failure::Failure;

/// What is averaged and how.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub view: &'a View,
    pub columns: &'a Columns,
    pub blocks: &'a [Range<u64>],
    pub intervals: Intervals,
    /// By data description; none for those that are not solved from.
    pub bands: Vec<Option<Bands>>,
    pub groups: usize,
    pub receptors: usize,
    /// Antennas of the set that are solved for.
    pub antennas: Vec<usize>,
    pub known: Option<Known>,
    pub uvrange: Option<UvRange>,
    pub options: Options,
    pub bar: &'a ProgressBar,
}

/// What is known so far of an interval, for re-weighting: `[antenna solved for][receptor, group]`.
type Fit = Vec<Vec<Complex32>>;

/// The solutions of an interval, or why there are none.
pub(crate) type Outcome = Result<Solutions, gain_solve::Error>;

impl Plan<'_> {
    fn shape(&self) -> Shape {
        Shape { antennas: self.antennas.len(), receptors: self.receptors, groups: self.groups }
    }

    /// Averages all rows and solves each interval as soon as its last row has come.
    pub(crate) fn solve(&self, robust: Option<(&[Outcome], Reweight)>) -> Result<Vec<Outcome>, Failure> {
        let fits = robust.map(|(outcomes, _)| self.fits(outcomes));
        let how = robust.map(|(_, how)| how);
        let mut running: BTreeMap<usize, Averages> = BTreeMap::new();
        let mut outcomes: Vec<Outcome> = self.intervals.spans.iter().map(|_| Err(gain_solve::Error::NoData)).collect();
        let mut block = Block::default();
        let dense = self.dense();
        for rows in self.blocks {
            self.bar.inc(1);
            let chosen = self.choose(rows, &mut block)?;
            let known = self.known_of(&chosen);
            for (&interval, rows) in &chosen {
                let averages = running.entry(interval).or_insert_with(|| Averages::new(self.shape()));
                let fit = fits.as_ref().and_then(|fits| fits[interval].as_ref());
                let part = self.shape().baselines().div_ceil(4 * rayon::current_num_threads());
                let parts: Vec<_> = averages.parts(part).collect();
                parts.into_par_iter().for_each(|mut part| {
                    for &row in rows {
                        let key = &self.view.rows[row];
                        let antennas = key.antennas.map(|antenna| dense[usize::from(antenna)]);
                        if part.takes(antennas) {
                            let Some(bands) = &self.bands[self.view.description(key)] else { continue };
                            part.add(&self.row(&block, row, antennas, &known, fit), bands, how.as_ref());
                        }
                    }
                });
            }
            let done: Vec<usize> =
                running.keys().copied().filter(|&k| self.intervals.spans[k].last_row < block.rows.end).collect();
            for interval in done {
                if let Some(averages) = running.remove(&interval) {
                    outcomes[interval] = solve(&averages, &self.options);
                }
            }
        }
        for (interval, averages) in running {
            outcomes[interval] = solve(&averages, &self.options);
        }
        Ok(outcomes)
    }

    /// Residuals of about one block in `every`, for their scale.
    pub(crate) fn residuals(&self, outcomes: &[Outcome], every: usize) -> Result<Residuals, Failure> {
        let fits = self.fits(outcomes);
        let dense = self.dense();
        let mut all = Residuals::default();
        let mut block = Block::default();
        for rows in self.blocks.iter().skip(every / 2).step_by(every) {
            let chosen = self.choose(rows, &mut block)?;
            let known = self.known_of(&chosen);
            let rows: Vec<(usize, usize)> =
                chosen.iter().flat_map(|(&interval, rows)| rows.iter().map(move |&row| (interval, row))).collect();
            let of_block = rows
                .par_chunks(64)
                .fold(Residuals::default, |mut residuals, rows| {
                    for &(interval, row) in rows {
                        let key = &self.view.rows[row];
                        let antennas = key.antennas.map(|antenna| dense[usize::from(antenna)]);
                        if let (Some(fit), Some(bands)) = (&fits[interval], &self.bands[self.view.description(key)]) {
                            let row = self.row(&block, row, antennas, &known, Some(fit));
                            residuals.add_row(&row, bands, self.groups);
                        }
                    }
                    residuals
                })
                .reduce(Residuals::default, |mut a, b| {
                    a.merge(&b);
                    a
                });
            all.merge(&of_block);
        }
        Ok(all)
    }

    /// The number among those solved for, of every antenna of the set.
    fn dense(&self) -> Vec<usize> {
        let mut dense = vec![0; self.view.subtables.antennas.len()];
        self.antennas.iter().enumerate().for_each(|(number, &antenna)| dense[antenna] = number);
        dense
    }

    /// Reads the block and chooses its rows, by interval; nothing is read where none is chosen.
    fn choose(&self, rows: &Range<u64>, block: &mut Block) -> Result<BTreeMap<usize, Vec<usize>>, Failure> {
        let mut chosen: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in rows.start as usize..rows.end as usize {
            let key = &self.view.rows[row];
            let usable = !key.flagged && key.antennas[0] != key.antennas[1];
            if usable
                && self.bands[self.view.description(key)].is_some()
                && let Some(interval) = self.intervals.of(key)
            {
                chosen.entry(interval).or_default().push(row);
            }
        }
        block.rows = rows.clone();
        if !chosen.is_empty() {
            self.columns.read(rows.clone(), block)?;
        }
        if let Some(range) = self.uvrange {
            for rows in chosen.values_mut() {
                rows.retain(|&row| self.within(range, &self.view.rows[row], block, row));
            }
        }
        Ok(chosen)
    }

    /// Whether a baseline's length is within the range; in wavelengths of the middle of its window.
    fn within(&self, range: UvRange, key: &RowKey, block: &Block, row: usize) -> bool {
        let place = 3 * (row - block.rows.start as usize);
        let length_m = block.uvw[place].hypot(block.uvw[place + 1]);
        let length = if range.in_wavelengths {
            let window = &self.view.subtables.windows[self.view.descriptions[self.view.description(key)].window];
            let centre = window.freq_hz.iter().sum::<f64>() / window.len().max(1) as f64;
            length_m * centre / vis_types::SPEED_OF_LIGHT_M_PER_S
        } else {
            length_m
        };
        (range.from..=range.to).contains(&length)
    }

    /// The known gains of every data description and time among the rows.
    fn known_of(&self, chosen: &BTreeMap<usize, Vec<usize>>) -> HashMap<(usize, u32), Arc<Gains>> {
        let mut found = HashMap::new();
        if let Some(known) = &self.known {
            for &row in chosen.values().flatten() {
                let key = &self.view.rows[row];
                let place = (self.view.description(key), key.time);
                found.entry(place).or_insert_with(|| known.at(place.0, place.1));
            }
        }
        found
    }

    /// A row as the solver takes it.
    fn row<'a>(
        &self,
        block: &'a Block,
        row: usize,
        antennas: [usize; 2],
        known: &'a HashMap<(usize, u32), Arc<Gains>>,
        fit: Option<&'a Fit>,
    ) -> Row<'a> {
        let key = &self.view.rows[row];
        let [channels, correlations] = block.cell;
        let (place, size) = (row - block.rows.start as usize, channels * correlations);
        let own = place * size..(place + 1) * size;
        let description = self.view.description(key);
        let known = known.get(&(description, key.time)).map(|gains| {
            let per_antenna = gains.gains.len() / self.view.subtables.antennas.len();
            key.antennas.map(|a| &gains.gains[usize::from(a) * per_antenna..(usize::from(a) + 1) * per_antenna])
        });
        Row {
            antennas,
            vis: &block.data[own.clone()],
            model: &block.model[own.clone()],
            flags: &block.flags[own],
            weights: Weights::Correlation(&block.weights[place * correlations..(place + 1) * correlations]),
            known,
            solved: fit.map(|fit| antennas.map(|antenna| fit[antenna].as_slice())),
        }
    }

    /// What fits best, as rows want it.
    fn fits(&self, outcomes: &[Outcome]) -> Vec<Option<Fit>> {
        let of = |solutions: &Solutions| {
            let (receptors, groups, antennas) = solutions.fit.dim();
            (0..antennas)
                .map(|antenna| {
                    let all = (0..receptors).flat_map(|r| (0..groups).map(move |g| [r, g, antenna]));
                    all.map(|at| solutions.fit[at]).map(|g| Complex32::new(g.re as f32, g.im as f32)).collect()
                })
                .collect()
        };
        outcomes.iter().map(|outcome| outcome.as_ref().ok().map(of)).collect()
    }
}
