//! Passes over the data: rows into averages, averages into solutions; and residuals of a sample of the rows.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use casacore::Complex32;
use gain_solve::{Averages, Bands, Options, Part, Residuals, Reweight, Row, Shape, Solutions, Weights, solve};
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::calibrate::args::UvRange;
use crate::calibrate::block::{Block, Columns};
use crate::calibrate::intervals::Intervals;
use crate::calibrate::known::{Gains, Known};
use crate::calibrate::route::{Route, Rows};
use crate::calibrate::set::{RowKey, View};
use crate::failure::Failure;

/// What is averaged and how.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub view: &'a View,
    pub columns: &'a Columns,
    pub route: &'a Route,
    /// Times that are read together.
    pub batches: Vec<Range<usize>>,
    /// The rows that are solved from.
    pub rows: Rows,
    pub intervals: Intervals,
    /// By data description; none for those that are not solved from.
    pub bands: Vec<Option<Bands>>,
    pub shape: Shape,
    /// The set's receptor that is the solver's first: 1 where the set has the second one's parallel hand alone.
    pub first_receptor: usize,
    /// Antennas of the set that are solved for.
    pub antennas: Vec<usize>,
    pub known: Option<Known>,
    pub uvrange: Option<UvRange>,
    pub options: Options,
    pub bar: &'a ProgressBar,
}

/// What is known so far of an interval, for re-weighting: `[antenna solved for][receptor, group]`.
type Fit = Vec<Vec<Complex32>>;

/// The known gains of a batch, by data description and time.
type KnownGains = HashMap<(usize, usize), Gains>;

/// The solutions of an interval, or why there are none.
pub(crate) type Outcome = Result<Solutions, gain_solve::Error>;

impl Plan<'_> {
    /// How often the progress bar advances in a pass.
    pub(crate) fn steps(&self) -> usize {
        self.batches.len() * self.route.chunks
    }

    /// How often a pass reads.
    pub(crate) fn runs(&self) -> Result<usize, Failure> {
        self.rows.count(self.columns)
    }

    /// Averages all rows and solves each interval as soon as its last row has come.
    /// `spare` keeps the memory of averages for the next pass.
    pub(crate) fn solve(
        &self,
        robust: Option<(&[Outcome], Reweight)>,
        spare: &mut Vec<Averages>,
    ) -> Result<Vec<Outcome>, Failure> {
        let fits = robust.map(|(outcomes, _)| self.fits(outcomes));
        let how = robust.map(|(_, how)| how);
        let mut running: BTreeMap<usize, Averages> = BTreeMap::new();
        let mut outcomes: Vec<Outcome> = self.intervals.spans.iter().map(|_| Err(gain_solve::Error::NoData)).collect();
        for (number, times) in self.batches.iter().enumerate() {
            let known = self.known_of(times);
            for interval in times.clone().flat_map(|time| self.intervals.at(time)) {
                running.entry(interval).or_insert_with(|| match spare.pop() {
                    Some(mut averages) => {
                        averages.clear();
                        averages
                    }
                    None => Averages::ordered(self.shape, &self.route.order),
                });
            }
            // Each chunk of baselines is one thread's, in all intervals.
            let mut chunks: Vec<BTreeMap<usize, Part<'_>>> = (0..self.route.chunks).map(|_| BTreeMap::new()).collect();
            for (&interval, averages) in &mut running {
                let parts = averages.parts(self.route.baselines);
                chunks.iter_mut().zip(parts).for_each(|(chunk, part)| {
                    chunk.insert(interval, part);
                });
            }
            chunks.into_par_iter().enumerate().try_for_each_init(Block::default, |block, (chunk, mut parts)| {
                for run in self.rows.runs(self.columns, number, chunk) {
                    for row in self.read(run?, block)? {
                        let key = &self.view.rows[row];
                        let (Some(bands), Some(interval)) =
                            (&self.bands[self.view.description(key)], self.intervals.of(key))
                        else {
                            continue;
                        };
                        let fit = fits.as_ref().and_then(|fits| fits[interval].as_ref());
                        if let Some(part) = parts.get_mut(&interval) {
                            part.add(&self.row(block, row, &known, fit), bands, how.as_ref());
                        }
                    }
                }
                self.bar.inc(1);
                Ok::<_, Failure>(())
            })?;
            let done: Vec<usize> =
                running.keys().copied().filter(|&k| self.intervals.spans[k].last_time < times.end).collect();
            for interval in done {
                if let Some(averages) = running.remove(&interval) {
                    outcomes[interval] = solve(&averages, &self.options);
                    spare.push(averages);
                }
            }
        }
        Ok(outcomes)
    }

    /// Residuals of about one run of rows in `every`, for their scale.
    pub(crate) fn residuals(&self, outcomes: &[Outcome], every: usize) -> Result<Residuals, Failure> {
        let fits = self.fits(outcomes);
        let mut all = Residuals::default();
        for (number, times) in self.batches.iter().enumerate() {
            let known = self.known_of(times);
            let of_chunk = |block: &mut Block, chunk: usize| {
                let mut residuals = Residuals::default();
                // Other times of each chunk: in all, as many of each.
                let runs = self.rows.runs(self.columns, number, chunk).enumerate();
                for (_, run) in runs.filter(|(run, _)| (number + chunk + run) % every == every / 2) {
                    for row in self.read(run?, block)? {
                        let key = &self.view.rows[row];
                        let fit = self.intervals.of(key).and_then(|interval| fits[interval].as_ref());
                        if let (Some(fit), Some(bands)) = (fit, &self.bands[self.view.description(key)]) {
                            let row = self.row(block, row, &known, Some(fit));
                            residuals.add_row(&row, bands, self.shape.groups);
                        }
                    }
                }
                Ok::<_, Failure>(residuals)
            };
            let of_batch = (0..self.route.chunks).into_par_iter().map_init(Block::default, of_chunk).try_reduce(
                Residuals::default,
                |mut a, b| {
                    a.merge(&b);
                    Ok(a)
                },
            )?;
            all.merge(&of_batch);
        }
        Ok(all)
    }

    /// Reads rows, and gives those of a baseline whose length is wanted.
    fn read(&self, run: &[u32], block: &mut Block) -> Result<Vec<usize>, Failure> {
        if let (Some(&first), Some(&last)) = (run.first(), run.last()) {
            self.columns.read(u64::from(first)..u64::from(last) + 1, block)?;
        }
        let mut rows: Vec<usize> = run.iter().map(|&row| row as usize).collect();
        if let Some(range) = self.uvrange {
            rows.retain(|&row| self.within(range, &self.view.rows[row], block, row));
        }
        Ok(rows)
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

    /// The known gains of every data description that is solved from and of some times.
    fn known_of(&self, times: &Range<usize>) -> KnownGains {
        let Some(known) = &self.known else { return KnownGains::new() };
        let described = self.bands.iter().enumerate().filter(|(_, bands)| bands.is_some()).map(|(d, _)| d);
        let used = times.clone().filter(|&time| !self.intervals.at(time).is_empty());
        let places: Vec<(usize, usize)> = described.flat_map(|d| used.clone().map(move |time| (d, time))).collect();
        places.into_par_iter().map(|(description, time)| ((description, time), known.at(description, time))).collect()
    }

    /// A row as the solver takes it.
    fn row<'a>(&self, block: &'a Block, row: usize, known: &'a KnownGains, fit: Option<&'a Fit>) -> Row<'a> {
        let key = &self.view.rows[row];
        let antennas = self.route.antennas(key.antennas);
        let [channels, correlations] = block.cell;
        let (place, size) = (row - block.rows.start as usize, channels * correlations);
        let own = place * size..(place + 1) * size;
        let known = known.get(&(self.view.description(key), key.time as usize)).map(|gains| {
            let per_antenna = gains.gains.len() / self.view.subtables.antennas.len();
            let first = self.first_receptor * channels;
            key.antennas.map(|a| &gains.gains[usize::from(a) * per_antenna + first..(usize::from(a) + 1) * per_antenna])
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
