//! Rows in, visibilities out.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rayon::prelude::*;
use vis_types::{Complex32, Correlation, Direction};

use crate::beam::Beam;
use crate::geometry::Directions;
use crate::kernel::{Job, Scratch};
use crate::stokes::{Mix, mixes};
use crate::terms::{ChannelTerms, Counters, Terms};
use crate::{Error, SkyModel};

/// Rows that a thread takes at a time: enough to fill the vector registers eight times.
const ROWS_PER_TASK: usize = 64;

/// No baseline is longer, in metres (the distance of the Moon is 4·10⁸): the phase of longer ones would have no digits.
const LONGEST_M: f64 = 1e10;

/// What a field looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// The direction to which its visibilities are phased: the one that its UVW belong to.
    pub phase_centre: Direction,
    /// The direction to which the dishes point, for the beam; `None`: the phase centre.
    pub pointing: Option<Direction>,
}

impl Field {
    /// A field whose dishes point to its phase centre.
    #[must_use]
    pub const fn new(phase_centre: Direction) -> Self {
        Self { phase_centre, pointing: None }
    }
}

/// Which rows are predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Selection<'a> {
    /// All of them.
    #[default]
    All,
    /// Those with `true`; one value a row. The others are neither read nor written.
    Where(&'a [bool]),
}

/// The rows of an array of visibilities.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// `[row]`: (u, v, w) in metres, in the convention of a Measurement Set (see the crate's documentation).
    pub uvw_m: &'a [[f64; 3]],
    /// `[row]`: position in the list of fields; empty when all rows belong to the first one.
    pub field: &'a [u32],
    /// Which of them are predicted.
    pub selection: Selection<'a>,
}

impl<'a> Rows<'a> {
    /// All rows, of one field.
    #[must_use]
    pub const fn new(uvw_m: &'a [[f64; 3]]) -> Self {
        Self { uvw_m, field: &[], selection: Selection::All }
    }

    fn selected(&self, row: usize) -> bool {
        match self.selection {
            Selection::All => true,
            Selection::Where(which) => which[row],
        }
    }

    fn field_of(&self, row: usize) -> u32 {
        self.field.get(row).copied().unwrap_or(0)
    }
}

/// The channels of one spectral window and where their visibilities go.
#[derive(Debug)]
pub struct Window<'a> {
    /// `[channel]`: hertz, in any order; equally spaced channels are fastest.
    pub freq_hz: &'a [f64],
    /// `[row, channel, correlation]`: jansky.
    pub vis: &'a mut [Complex32],
}

/// What happens to the values that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They become the model.
    #[default]
    Replace,
    /// The model is added to them, in f64.
    Add,
    /// The model is subtracted from them, in f64.
    Subtract,
}

/// Whether what does not depend on the rows is kept from call to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// It is computed anew in each call.
    Off,
    /// It is kept, up to so many bytes; what was used last stays.
    Bytes(u64),
}

/// The vector instructions to use. All but `Scalar` give the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instructions {
    /// The widest that the processor has.
    #[default]
    Best,
    /// AVX-512 (x86-64-v4).
    Avx512,
    /// AVX2 and FMA (x86-64-v3).
    Avx2,
    /// None.
    Scalar,
}

impl Instructions {
    /// Whether this processor has them.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Best | Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Their usual name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Scalar => "scalar",
        }
    }
}

/// Choices of a [`Predictor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether directions, fluxes and beam values are kept.
    pub caching: Caching,
    /// Which vector instructions are used.
    pub instructions: Instructions,
}

impl Default for Options {
    /// Keeps 256 MiB, uses the best instructions.
    fn default() -> Self {
        Self { caching: Caching::Bytes(256 << 20), instructions: Instructions::Best }
    }
}

/// What a [`Predictor`] has computed since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Directions of a component relative to a phase centre.
    pub directions: u64,
    /// Values of a spectrum that is not flat: component × channel.
    pub fluxes: u64,
    /// Values of the beam: component × channel × field.
    pub beams: u64,
    /// Delays: row × component, whatever the number of channels, windows and correlations.
    pub delays: u64,
    /// Visibilities written: row × channel × correlation.
    pub visibilities: u64,
    /// Terms that were found in the cache.
    pub hits: u64,
    /// Terms that were not.
    pub misses: u64,
}

/// Predicts visibilities of one sky model through one beam; may be shared by threads.
///
/// It keeps directions per phase centre, fluxes per list of frequencies, and beam values per phase centre, pointing centre and
/// list of frequencies. A kept value is found by *all* inputs that it was made from, compared bit by bit; model and beam
/// cannot change. So a value cannot belong to other inputs, and the visibilities are the same to the last bit without cache.
#[derive(Debug)]
pub struct Predictor {
    terms: Terms,
    instructions: Instructions,
}

/// One field's terms, where a selected row needs them.
type FieldTerms = Option<(Arc<Directions>, Arc<ChannelTerms>)>;

impl Predictor {
    /// A predictor of `model` seen through `beam`.
    ///
    /// # Errors
    /// [`Error::Instructions`] when the options name instructions that the processor lacks.
    pub fn new(model: SkyModel, beam: Beam, options: Options) -> Result<Self, Error> {
        if !options.instructions.is_available() {
            return Err(Error::Instructions(options.instructions.name()));
        }
        let bytes = match options.caching {
            Caching::Off => None,
            Caching::Bytes(bytes) => Some(bytes),
        };
        Ok(Self { terms: Terms::new(model, beam, bytes), instructions: options.instructions })
    }

    /// Its model.
    #[must_use]
    pub fn model(&self) -> &SkyModel {
        self.terms.model()
    }

    /// Its beam.
    #[must_use]
    pub fn beam(&self) -> &Beam {
        self.terms.beam()
    }

    /// What was computed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let c = &self.terms.counters;
        Counts {
            directions: c.directions.load(Relaxed),
            fluxes: c.fluxes.load(Relaxed),
            beams: c.beams.load(Relaxed),
            delays: c.delays.load(Relaxed),
            visibilities: c.visibilities.load(Relaxed),
            hits: c.hits.load(Relaxed),
            misses: c.misses.load(Relaxed),
        }
    }

    /// Forgets what was kept.
    pub fn invalidate(&self) {
        self.terms.clear();
    }

    /// Predicts the selected rows in all windows, on the threads of the caller's rayon pool.
    ///
    /// The windows are predicted together: a delay is computed once for all of them, and neighbouring windows with one channel
    /// spacing are one run of channels. Scratch memory for each thread: 64 bytes a component, and 128 bytes a channel and
    /// Stokes parameter in use, and correlation that mixes two (AVX-512).
    ///
    /// # Errors
    /// Whatever makes a selected row's model meaningless: see [`Error`]. Then nothing was written.
    pub fn predict(
        &self,
        fields: &[Field],
        rows: &Rows<'_>,
        correlations: &[Correlation],
        windows: &mut [Window<'_>],
        mode: Mode,
    ) -> Result<(), Error> {
        let mixes = mixes(correlations)?;
        let used = check(fields, rows, correlations.len(), windows)?;
        let freq_hz: Vec<f64> = windows.iter().flat_map(|w| w.freq_hz).copied().collect();
        let bits: Arc<[u64]> = freq_hz.iter().map(|f| f.to_bits()).collect();
        let terms = used.iter().enumerate().map(|(index, &used)| {
            let field = fields.get(index).filter(|_| used);
            field.map(|field| self.field_terms(index, field, &freq_hz, &bits)).transpose()
        });
        let terms = terms.collect::<Result<Vec<FieldTerms>, _>>()?;
        let n_channels: Vec<usize> = windows.iter().map(|w| w.freq_hz.len()).collect();
        let tasks = tasks(rows.uvw_m.len(), correlations.len(), windows);
        tasks.into_par_iter().for_each_init(Scratch::default, |scratch, task| {
            self.run(task, rows, &terms, &mixes, &n_channels, mode, scratch);
        });
        Ok(())
    }

    fn field_terms(
        &self,
        index: usize,
        field: &Field,
        freq_hz: &[f64],
        bits: &Arc<[u64]>,
    ) -> Result<(Arc<Directions>, Arc<ChannelTerms>), Error> {
        check_field(index, field, self.terms.beam())?;
        let directions = self.terms.directions(index, field.phase_centre)?;
        let channels = self.terms.channels(index, field, &directions, freq_hz, bits)?;
        Ok((directions, channels))
    }

    #[expect(clippy::too_many_arguments, reason = "what the tasks of one call share")]
    fn run(
        &self,
        mut task: Task<'_>,
        rows: &Rows<'_>,
        terms: &[FieldTerms],
        mixes: &[Mix],
        windows: &[usize],
        mode: Mode,
        scratch: &mut Scratch,
    ) {
        let field_of = |&row: &u32| rows.field_of(task.first + row as usize);
        let mut selected: Vec<u32> =
            (0..task.len as u32).filter(|&row| rows.selected(task.first + row as usize)).collect();
        selected.sort_by_key(field_of);
        let uvw_m = &rows.uvw_m[task.first..task.first + task.len];
        for rows in selected.chunk_by(|a, b| field_of(a) == field_of(b)) {
            let Some(Some((directions, channels))) = terms.get(field_of(&rows[0]) as usize) else { continue };
            let job = Job { directions, channels, mixes, windows, mode };
            job.run(self.instructions, uvw_m, rows, &mut task.vis, scratch);
            let counters = &self.terms.counters;
            Counters::add(&counters.delays, rows.len() * directions.delay.len());
            Counters::add(&counters.visibilities, rows.len() * mixes.len() * windows.iter().sum::<usize>());
        }
    }
}

/// Consecutive rows and their visibilities in each window.
struct Task<'a> {
    first: usize,
    len: usize,
    vis: Vec<&'a mut [Complex32]>,
}

fn tasks<'a>(n_rows: usize, n_correlations: usize, windows: &'a mut [Window<'_>]) -> Vec<Task<'a>> {
    let mut rest: Vec<(usize, &mut [Complex32])> =
        windows.iter_mut().map(|w| (w.freq_hz.len() * n_correlations, &mut *w.vis)).collect();
    let firsts = (0..n_rows).step_by(ROWS_PER_TASK);
    let task = |first: usize| {
        let len = ROWS_PER_TASK.min(n_rows - first);
        let take = |(row_len, rest): &mut (usize, &'a mut [Complex32])| {
            let (head, tail) = std::mem::take(rest).split_at_mut(*row_len * len);
            *rest = tail;
            head
        };
        Task { first, len, vis: rest.iter_mut().map(take).collect() }
    };
    firsts.map(task).collect()
}

/// Checks everything that does not depend on the model and says which fields the selected rows use.
pub(crate) fn check(
    fields: &[Field],
    rows: &Rows<'_>,
    n_correlations: usize,
    windows: &[Window<'_>],
) -> Result<Vec<bool>, Error> {
    let n_rows = rows.uvw_m.len();
    let same =
        |what, found, expected| if found == expected { Ok(()) } else { Err(Error::Length { what, found, expected }) };
    if !rows.field.is_empty() {
        same("the list of each row's field", rows.field.len(), n_rows)?;
    }
    if let Selection::Where(which) = rows.selection {
        same("the selection of rows", which.len(), n_rows)?;
    }
    for (index, window) in windows.iter().enumerate() {
        same("a window's visibilities", window.vis.len(), n_rows * window.freq_hz.len() * n_correlations)?;
        if let Some((channel, &freq_hz)) =
            window.freq_hz.iter().enumerate().find(|(_, f)| !(f.is_finite() && **f > 0.0))
        {
            return Err(Error::Frequency { window: index, channel, freq_hz });
        }
    }
    let mut used = vec![false; fields.len()];
    for (row, &uvw_m) in rows.uvw_m.iter().enumerate().filter(|(row, _)| rows.selected(*row)) {
        let field = rows.field_of(row);
        let Some(used) = used.get_mut(field as usize) else {
            return Err(Error::RowField { row, field, n_fields: fields.len() });
        };
        *used = true;
        if !uvw_m.iter().all(|x| x.abs() <= LONGEST_M) {
            return Err(Error::Uvw { row, uvw_m });
        }
    }
    Ok(used)
}

pub(crate) fn check_field(index: usize, field: &Field, beam: &Beam) -> Result<(), Error> {
    let check = |what, d: Direction| {
        let good = d.lon_rad.is_finite() && d.lat_rad.abs() <= std::f64::consts::FRAC_PI_2;
        if good { Ok(()) } else { Err(Error::Field { field: index, what, lon_rad: d.lon_rad, lat_rad: d.lat_rad }) }
    };
    check("phase centre", field.phase_centre)?;
    let Some(pointing) = field.pointing.filter(|_| !beam.is_none()) else { return Ok(()) };
    check("pointing centre", pointing)?;
    if pointing.frame != field.phase_centre.frame {
        let what = "the pointing centre".to_owned();
        return Err(Error::Frame { what, field: index, found: pointing.frame, expected: field.phase_centre.frame });
    }
    Ok(())
}
