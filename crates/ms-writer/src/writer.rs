//! The writer: blocks of rows in, tiles of a Measurement Set out.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use astrometry::Site;
use rayon::prelude::*;
use vis_types::{Complex32, Direction, Flags, JulianDate, MjdSeconds, RowAxis, Slab, VisBlock, VisHeader, Weights};

use crate::bulk::{Bulk, Column};
use crate::centres::{Centres, OldW, Uvw};
use crate::layout::{Layout, baselines};
use crate::rotate::Turn;
use crate::runs::Runs;
use crate::subtables::Contents;
use crate::weights::{RowWeights, sigma};
use crate::{Error, MsOptions, WeightSpectrum, main_table};

/// A Measurement Set that is being written; see the crate's documentation.
///
/// Blocks may be written from several threads and in any order. A set whose writer did not [`finish`](Self::finish) is not
/// complete: write under a temporary name and rename afterwards (crate `publish`).
#[derive(Debug)]
#[must_use = "a set is complete only after `finish`"]
pub struct MsWriter {
    path: PathBuf,
    layout: Layout,
    centres: Centres,
    rows: RowAxis,
    /// Positions relative to the array's centre, ITRF axes.
    positions_m: Vec<[f64; 3]>,
    present: Vec<bool>,
    /// Whether MODEL_DATA and CORRECTED_DATA exist.
    empty_columns: [bool; 2],
    weight_spectrum: WeightSpectrum,
    earth_orientation_covers: bool,
    bulk: Bulk,
    state: Mutex<State>,
}

/// What is learnt from the blocks.
#[derive(Debug, Default)]
struct State {
    /// Rows of the header that were written.
    written: Runs,
    /// Rows of the header whose weights are the same in all channels and not in WEIGHT_SPECTRUM yet.
    plain_weights: Runs,
    /// Rows of MAIN in which everything is flagged.
    flagged_rows: Runs,
    flagged: u64,
    repaired: u64,
    needs_spectrum: bool,
}

/// One phase centre of the set.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldSummary {
    /// Its name in FIELD.
    pub name: String,
    /// Where it is.
    pub direction: Direction,
}

/// What [`MsWriter::finish`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct MsSummary {
    /// Rows of MAIN.
    pub rows: u64,
    /// Channels of each spectral window.
    pub channels: Vec<usize>,
    /// Correlations of a row.
    pub correlations: usize,
    /// Visibilities: rows times their channels times correlations.
    pub visibilities: u64,
    /// How many of them are flagged.
    pub flagged: u64,
    /// How many were not finite or had no usable weight, and were set to zero and flagged.
    pub repaired: u64,
    /// Rows in which everything is flagged (FLAG_ROW).
    pub flagged_rows: u64,
    /// The phase centres.
    pub fields: Vec<FieldSummary>,
    /// Whether the set has a WEIGHT_SPECTRUM.
    pub weight_spectrum: bool,
    /// Whether the Earth-orientation data cover all times; if not, directions and UVW may be off by some tens of
    /// milliarcseconds a day beyond them.
    pub earth_orientation_covers: bool,
}

impl MsWriter {
    /// Makes the whole set at `path`, which must not exist: structure, subtables, and all columns but those that depend on
    /// the visibilities. The bulk columns are holes until blocks fill them.
    ///
    /// # Errors
    ///
    /// What is wrong with the header ([`Error::Header`] and others), with the stations, or what casacore or the disk say.
    pub fn create(path: &Path, header: &VisHeader, options: &MsOptions) -> Result<Self, Error> {
        let layout = Layout::new(header, options)?;
        let telescope = &header.telescope;
        let site = Site {
            latitude_rad: telescope.latitude_rad,
            longitude_rad: telescope.longitude_rad,
            height_m: telescope.height_m,
        };
        let positions_m = positions(header, options)?;
        let centres = Centres::new(path, header, &site, options)?;
        let add = |a: [f64; 3], b: [f64; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        let geocentric: Vec<_> = positions_m.iter().map(|&p| add(p, telescope.location_itrf_m)).collect();
        let mut main = main_table::create(path, &layout, &header.vis_units, options)?;
        let contents = Contents {
            path,
            header,
            options,
            layout: &layout,
            centres: &centres,
            positions_m: &geocentric,
            time_range: time_range(&header.rows),
        };
        contents.write()?;
        main_table::fill(&mut main, path, &header.rows, &layout, &centres)?;
        main.close().map_err(|e| crate::table::failed(path, "MAIN", e))?;
        let bulk = Bulk::open(path, &layout, options)?;
        let covers = |t: &JulianDate| options.earth_orientation.covers(*t);
        Ok(Self {
            path: path.to_owned(),
            centres,
            rows: header.rows.clone(),
            positions_m,
            present: header.windows.iter().map(|w| w.present).collect(),
            empty_columns: [options.model_column, options.corrected_column],
            weight_spectrum: options.weight_spectrum,
            earth_orientation_covers: header.rows.times().iter().all(covers),
            layout,
            bulk,
            state: Mutex::default(),
        })
    }

    /// Takes the room for the visibilities on the disk at once, where all windows have as many channels: they are then written in
    /// half the time on ext4, and a disk that is too full says so before any file is read.
    ///
    /// # Errors
    ///
    /// A full disk.
    pub fn reserve(&self) -> Result<(), Error> {
        self.bulk.reserve(&self.path)
    }

    /// Rows that a block's first row must be a multiple of, and its length too unless it ends the group: those of a tile.
    #[must_use]
    pub fn rows_per_block(&self) -> usize {
        self.layout.tile_rows
    }

    /// Whether the Earth-orientation data cover all times of the group: if not, tell your user before the work begins.
    #[must_use]
    pub fn earth_orientation_covers(&self) -> bool {
        self.earth_orientation_covers
    }

    /// The phase centres of the set.
    #[must_use]
    pub fn fields(&self) -> Vec<FieldSummary> {
        summaries(&self.centres)
    }

    /// Turns a block of all subbands to the set's phase centres, in place, and writes it; subbands run in parallel on the
    /// caller's rayon pool.
    ///
    /// Visibilities and weights that are not finite are zeroed and flagged, and slabs of windows that are not present are flagged whole. The block
    /// is changed and must be filled anew.
    ///
    /// # Errors
    ///
    /// [`Error::Block`] and [`Error::BlockUvw`] when the block is not as it should be, else what the disk says.
    pub fn write_block(&self, block: &mut VisBlock) -> Result<(), Error> {
        self.check(block)?;
        let rows = block.rows.clone();
        if rows.is_empty() {
            return Ok(());
        }
        let (turns, uvw) = self.geometry(rows.clone(), &block.file_uvw_m);
        let seen = block
            .slabs
            .par_iter_mut()
            .enumerate()
            .map(|(i, slab)| self.write_slab(i, &rows, slab, &turns))
            .collect::<Result<Vec<_>, Error>>()?;
        let mut differ = false;
        for window in 0..self.layout.windows.len() {
            self.bulk.put(&self.path, Column::Uvw, self.ms_rows(window, &rows), 0..1, uvw.as_flattened())?;
            differ |= self.write_weights(window, &rows, &block.slabs, &turns)?;
        }
        let by_channel = match self.weight_spectrum {
            WeightSpectrum::Always => true,
            WeightSpectrum::WhenNeeded => differ,
            WeightSpectrum::Never => false,
        };
        if !self.bulk.is_tiled() {
            for window in 0..self.layout.windows.len() {
                self.write_cells(window, &rows, &block.slabs, &seen, &turns, by_channel)?;
            }
        } else if by_channel {
            block.slabs.par_iter().enumerate().try_for_each(|(i, slab)| {
                let (window, channel) = self.layout.places[i];
                let channels = channel..channel + slab.shape()[1];
                self.bulk.put(
                    &self.path,
                    Column::WeightSpectrum,
                    self.ms_rows(window, &rows),
                    channels,
                    &self.spectrum(i, slab, &turns),
                )
            })?;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.written.insert(rows.clone()) {
            return Err(self.bad_block(&rows, "some of the rows were written before"));
        }
        state.needs_spectrum |= by_channel;
        if !by_channel {
            state.plain_weights.insert(rows.clone());
        }
        for (slab, seen) in block.slabs.iter().zip(&seen) {
            state.flagged += seen.count() as u64;
            state.repaired += slab.repaired();
        }
        for (i, window) in self.layout.windows.iter().enumerate() {
            let first = self.ms_rows(i, &rows).start;
            let all = |r: usize| seen[window.slabs.clone()].iter().all(|s| s.whole_row(r));
            let mut r = 0;
            while r < rows.len() {
                let length = (r..rows.len()).take_while(|&r| all(r)).count();
                state.flagged_rows.insert(first + r..first + r + length);
                r += length + 1;
            }
        }
        Ok(())
    }

    fn bad_block(&self, rows: &Range<usize>, problem: &'static str) -> Error {
        Error::Block { first: rows.start, end: rows.end, tile_rows: self.layout.tile_rows, problem }
    }

    fn check(&self, block: &VisBlock) -> Result<(), Error> {
        let rows = &block.rows;
        let bad = |problem| Err(self.bad_block(rows, problem));
        if rows.start > rows.end || rows.end > self.layout.rows {
            return bad("they are beyond the header's rows");
        }
        let tile = self.layout.tile_rows;
        if !rows.start.is_multiple_of(tile) || (!rows.end.is_multiple_of(tile) && rows.end != self.layout.rows) {
            return bad("they begin or end within a tile");
        }
        let shapes = self
            .layout
            .places
            .iter()
            .enumerate()
            .map(|(i, _)| [rows.len(), self.layout.slab_channels(i), self.layout.correlations.len()]);
        if !block.slabs.iter().map(Slab::shape).eq(shapes) {
            return bad("the slabs have other shapes than the header's windows");
        }
        let needs_uvw = match &self.centres.uvw {
            Uvw::File => true,
            Uvw::Stations { old, .. } => *old == OldW::File,
        };
        if needs_uvw && block.file_uvw_m.len() != rows.len() {
            return Err(Error::BlockUvw {
                first: rows.start,
                end: rows.end,
                found: block.file_uvw_m.len(),
                expected: rows.len(),
            });
        }
        Ok(())
    }

    /// How each row is turned, and its UVW in the set.
    fn geometry(&self, rows: Range<usize>, file_uvw_m: &[[f64; 3]]) -> (Vec<Turn>, Vec<[f64; 3]>) {
        rows.clone()
            .map(|r| {
                let row = self.rows.row(r);
                let [a, b] = [row.baseline.ant1, row.baseline.ant2].map(|a| self.positions_m[a as usize]);
                let baseline_m = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
                let swapped = self.layout.swaps && row.baseline.ant1 > row.baseline.ant2;
                let (uvw, w_change_m) = match &self.centres.uvw {
                    Uvw::File => (file_uvw_m[r - rows.start], 0.0),
                    Uvw::Stations { axes, old } => {
                        let uvw = axes[row.time_index].uvw(baseline_m);
                        let old_w = match old {
                            OldW::None => 0.0,
                            OldW::Towards(d) => d[0] * baseline_m[0] + d[1] * baseline_m[1] + d[2] * baseline_m[2],
                            OldW::File => file_uvw_m[r - rows.start][2],
                        };
                        (uvw, uvw[2] - old_w)
                    }
                };
                // The conjugate visibility is that of the reversed baseline; a swapped one is reversed twice.
                (Turn { w_change_m, swapped }, if swapped { uvw } else { uvw.map(|x| -x) })
            })
            .unzip()
    }

    /// Rows of MAIN.
    fn ms_rows(&self, window: usize, rows: &Range<usize>) -> Range<usize> {
        let first = self.layout.first_ms_row(window);
        first + rows.start..first + rows.end
    }

    /// Turns a slab and puts its flags in order; writes both where the columns have tiles.
    fn write_slab(
        &self,
        index: usize,
        rows: &Range<usize>,
        slab: &mut Slab,
        turns: &[Turn],
    ) -> Result<FlagsSeen, Error> {
        if !self.present[index] {
            slab.flag_all();
        }
        slab.repair_non_finite();
        self.layout.rotators[index].turn(slab.vis_slice_mut(), self.layout.correlations.len(), turns);
        let row_len = slab.shape()[1] * slab.shape()[2];
        let seen = match slab.flags() {
            Flags::Clear => FlagsSeen::None,
            Flags::Set => FlagsSeen::All(slab.n_values()),
            Flags::Each(flags) => {
                let mut flags: Vec<bool> = flags.iter().copied().collect();
                for (row, turn) in flags.chunks_exact_mut(row_len).zip(turns) {
                    self.layout.order_of(turn).apply(row);
                }
                FlagsSeen::Each { row_len, flags }
            }
        };
        if self.bulk.is_tiled() {
            let (window, channel) = self.layout.places[index];
            let (rows, channels) = (self.ms_rows(window, rows), channel..channel + slab.shape()[1]);
            self.bulk.put(&self.path, Column::Data, rows.clone(), channels.clone(), slab.vis_slice())?;
            // What is not flagged stays a hole in the file.
            if seen.count() > 0 {
                self.bulk.put(&self.path, Column::Flag, rows, channels, &seen.values(slab.n_values()))?;
            }
        }
        Ok(seen)
    }

    /// DATA, FLAG and, `with_spectrum`, WEIGHT_SPECTRUM of one window, for columns that want whole cells.
    fn write_cells(
        &self,
        window: usize,
        rows: &Range<usize>,
        slabs: &[Slab],
        seen: &[FlagsSeen],
        turns: &[Turn],
        with_spectrum: bool,
    ) -> Result<(), Error> {
        let (ms_rows, columns) = (self.ms_rows(window, rows), self.layout.windows[window].slabs.clone());
        let shape = [self.layout.windows[window].freq_hz.len(), self.layout.correlations.len()];
        let slabs = &slabs[columns.clone()];
        let vis: Vec<_> = slabs.iter().map(Slab::vis_slice).collect();
        self.bulk.put_cells(&self.path, "DATA", ms_rows.clone(), shape, side_by_side(&vis, rows.len()))?;
        let flags: Vec<_> = slabs.iter().zip(&seen[columns.clone()]).map(|(s, f)| f.values(s.n_values())).collect();
        self.bulk.put_cells(&self.path, "FLAG", ms_rows.clone(), shape, side_by_side(&flags, rows.len()))?;
        if with_spectrum {
            let weights: Vec<_> = columns.zip(slabs).map(|(i, s)| self.spectrum(i, s, turns)).collect();
            self.bulk.put_cells(
                &self.path,
                "WEIGHT_SPECTRUM",
                ms_rows.clone(),
                shape,
                side_by_side(&weights, rows.len()),
            )?;
        }
        for (column, wanted) in [("MODEL_DATA", self.empty_columns[0]), ("CORRECTED_DATA", self.empty_columns[1])] {
            if wanted {
                let zeros = vec![Complex32::ZERO; ms_rows.len() * shape[0] * shape[1]];
                self.bulk.put_cells(&self.path, column, ms_rows.clone(), shape, zeros)?;
            }
        }
        Ok(())
    }

    /// WEIGHT and SIGMA of the rows of one window; whether its weights differ by channel.
    fn write_weights(&self, window: usize, rows: &Range<usize>, slabs: &[Slab], turns: &[Turn]) -> Result<bool, Error> {
        let correlations = self.layout.correlations.len();
        let columns = self.layout.windows[window].slabs.clone();
        let RowWeights { mut weight, differ } =
            RowWeights::of(&slabs[columns.clone()], &self.present[columns], rows.len(), correlations);
        for (row, turn) in weight.chunks_exact_mut(correlations).zip(turns) {
            self.layout.order_of(turn).apply(row);
        }
        let sigmas: Vec<f32> = weight.iter().map(|&w| sigma(w)).collect();
        self.bulk.put(&self.path, Column::Weight, self.ms_rows(window, rows), 0..1, &weight)?;
        self.bulk.put(&self.path, Column::Sigma, self.ms_rows(window, rows), 0..1, &sigmas)?;
        Ok(differ)
    }

    /// WEIGHT_SPECTRUM of one subband, in the set's order of correlations; a filled gap has weight 0.
    fn spectrum(&self, index: usize, slab: &Slab, turns: &[Turn]) -> Vec<f32> {
        let row_len = slab.shape()[1] * slab.shape()[2];
        match slab.weights() {
            _ if !self.present[index] => vec![0.0; slab.n_values()],
            Weights::Uniform(w) => vec![w; slab.n_values()],
            Weights::Each(weights) => {
                let mut weights: Vec<f32> = weights.iter().copied().collect();
                for (row, turn) in weights.chunks_exact_mut(row_len).zip(turns) {
                    self.layout.order_of(turn).apply(row);
                }
                weights
            }
        }
    }

    /// Completes the set: WEIGHT_SPECTRUM is filled or dropped, FLAG_ROW set. The files are not synced.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] when rows are missing, else what casacore or the disk say.
    pub fn finish(self) -> Result<MsSummary, Error> {
        let Self { path, layout, centres, present, weight_spectrum, earth_orientation_covers, bulk, state, .. } = self;
        let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if state.written.rows() != layout.rows {
            return Err(Error::Incomplete { path, written: state.written.rows() as u64, rows: layout.rows as u64 });
        }
        let has_spectrum = match weight_spectrum {
            WeightSpectrum::Always => true,
            WeightSpectrum::Never => false,
            WeightSpectrum::WhenNeeded => state.needs_spectrum,
        };
        if has_spectrum {
            for rows in state.plain_weights.iter() {
                fill_spectrum(&path, &layout, &present, &bulk, rows)?;
            }
        }
        bulk.close(&path)?;
        main_table::complete(
            &path,
            weight_spectrum == WeightSpectrum::WhenNeeded && !has_spectrum,
            &state.flagged_rows,
        )?;
        let channels: Vec<usize> = layout.windows.iter().map(|w| w.freq_hz.len()).collect();
        let all_channels: usize = channels.iter().sum();
        Ok(MsSummary {
            rows: layout.ms_rows() as u64,
            correlations: layout.correlations.len(),
            visibilities: (layout.rows * all_channels * layout.correlations.len()) as u64,
            channels,
            flagged: state.flagged,
            repaired: state.repaired,
            flagged_rows: state.flagged_rows.rows() as u64,
            fields: summaries(&centres),
            weight_spectrum: has_spectrum,
            earth_orientation_covers,
        })
    }
}

/// Writes WEIGHT_SPECTRUM of rows whose weights are the same in all channels, from their WEIGHT.
fn fill_spectrum(path: &Path, layout: &Layout, present: &[bool], bulk: &Bulk, rows: Range<usize>) -> Result<(), Error> {
    let correlations = layout.correlations.len();
    for first in rows.clone().step_by(layout.tile_rows) {
        let n_rows = layout.tile_rows.min(rows.end - first);
        for (i, window) in layout.windows.iter().enumerate() {
            let ms_row = layout.first_ms_row(i) + first;
            let ms_rows = ms_row..ms_row + n_rows;
            let mut weight = vec![0.0_f32; n_rows * correlations];
            bulk.weight(path, ms_rows.clone(), &mut weight)?;
            let part = |slab: usize| -> Vec<f32> {
                let channels = layout.slab_channels(slab);
                let of_row =
                    |w: &[f32]| if present[slab] { w.repeat(channels) } else { vec![0.0; channels * correlations] };
                weight.chunks_exact(correlations).flat_map(of_row).collect()
            };
            if bulk.is_tiled() {
                for slab in window.slabs.clone() {
                    let channel = layout.places[slab].1;
                    let channels = channel..channel + layout.slab_channels(slab);
                    bulk.put(path, Column::WeightSpectrum, ms_rows.clone(), channels, &part(slab))?;
                }
            } else {
                let parts: Vec<_> = window.slabs.clone().map(part).collect();
                let shape = [window.freq_hz.len(), correlations];
                bulk.put_cells(path, "WEIGHT_SPECTRUM", ms_rows, shape, side_by_side(&parts, n_rows))?;
            }
        }
    }
    Ok(())
}

fn summaries(centres: &Centres) -> Vec<FieldSummary> {
    centres.fields.iter().map(|f| FieldSummary { name: f.name.clone(), direction: f.direction }).collect()
}

/// Positions of the antennas relative to the array's centre: those of the list given, else the file's.
fn positions(header: &VisHeader, options: &MsOptions) -> Result<Vec<[f64; 3]>, Error> {
    let telescope = &header.telescope;
    let Some(stations) = &options.stations else {
        return Ok(telescope.antennas.iter().map(|a| a.position_m).collect());
    };
    let mut used = vec![false; telescope.antennas.len()];
    for b in baselines(header) {
        used[b.ant1 as usize] = true;
        used[b.ant2 as usize] = true;
    }
    let centre = telescope.location_itrf_m;
    let mut missing = Vec::new();
    let mut found = Vec::with_capacity(used.len());
    for (antenna, used) in telescope.antennas.iter().zip(used) {
        match stations.iter().find(|s| s.name == antenna.name) {
            Some(s) => found.push([s.itrf_m[0] - centre[0], s.itrf_m[1] - centre[1], s.itrf_m[2] - centre[2]]),
            None => {
                found.push(antenna.position_m);
                if used {
                    missing.push(antenna.name.clone());
                }
            }
        }
    }
    if missing.is_empty() { Ok(found) } else { Err(Error::MissingStations { names: missing }) }
}

/// Begin of the first and end of the last integration.
fn time_range(rows: &RowAxis) -> [MjdSeconds; 2] {
    let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
    for row in rows.iter() {
        let (t, half) = (MjdSeconds::from(row.time).0, row.interval_s / 2.0);
        first = first.min(t - half);
        last = last.max(t + half);
    }
    [MjdSeconds(first), MjdSeconds(last)]
}

/// The flags of a slab, in the set's order of correlations.
#[derive(Debug)]
enum FlagsSeen {
    None,
    /// All of so many.
    All(usize),
    Each {
        row_len: usize,
        flags: Vec<bool>,
    },
}

impl FlagsSeen {
    fn count(&self) -> usize {
        match self {
            Self::None => 0,
            Self::All(n) => *n,
            Self::Each { flags, .. } => flags.iter().filter(|&&f| f).count(),
        }
    }

    fn values(&self, n: usize) -> Cow<'_, [bool]> {
        match self {
            Self::None => vec![false; n].into(),
            Self::All(_) => vec![true; n].into(),
            Self::Each { flags, .. } => flags.into(),
        }
    }

    /// Whether all of a row is flagged.
    fn whole_row(&self, row: usize) -> bool {
        match self {
            Self::None => false,
            Self::All(_) => true,
            Self::Each { row_len, flags } => flags[row * row_len..(row + 1) * row_len].iter().all(|&f| f),
        }
    }
}

/// Joins parts of rows to rows.
fn side_by_side<T: Copy, P: AsRef<[T]>>(parts: &[P], rows: usize) -> Vec<T> {
    let mut joined = Vec::with_capacity(parts.iter().map(|p| p.as_ref().len()).sum());
    for row in 0..rows {
        for part in parts.iter().map(AsRef::as_ref) {
            let n = part.len() / rows;
            joined.extend_from_slice(&part[row * n..(row + 1) * n]);
        }
    }
    joined
}
