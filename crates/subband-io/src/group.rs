//! A group of subband files: opened, compared, and from then on read without the HDF5 library.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use vis_types::{FilePhasing, VisHeader};

use crate::channels::{FileChannels, Wanted, arrange};
use crate::error::Error;
use crate::find::subband_of_name;
use crate::hdf5::{self, Element};
use crate::header::{FileHeader, output_order};
use crate::rows::{RowColumns, rows_differ};
use crate::scatter::Across;
use crate::source::SourceFile;
use crate::storage::{Axes, Buffers, Storage};

/// What to do with a group that lacks some of its subbands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingSubbands {
    /// Refuse the group and name the missing subbands.
    #[default]
    Refuse,
    /// Keep the gap: its channels are present at their true frequencies, zero, flagged and with weight 0.
    Flag,
    /// Leave the subband out: the windows on its two sides do not adjoin.
    Split,
}

/// How a group is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// What to do when subbands are missing. Only files with a `_sbNN` in their names can be missed.
    pub missing: MissingSubbands,
    /// How many subbands a complete group has: 16 at DSA-110, numbered from 0.
    pub expected_subbands: u8,
    /// Refuse groups of fewer files, whatever the policy.
    pub min_subbands: usize,
    /// By how many seconds the times of two files may differ.
    pub time_tolerance_s: f64,
    /// By how many channel widths a channel may be off the regular axis.
    pub frequency_tolerance: f64,
    /// Says how the visibilities are phased instead of the files.
    pub phasing: Option<FilePhasing>,
    /// The largest decoded chunk that is accepted, bytes: a small file can claim to inflate to anything.
    pub max_chunk_bytes: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            missing: MissingSubbands::Refuse,
            expected_subbands: 16,
            min_subbands: 1,
            time_tolerance_s: 1e-3,
            frequency_tolerance: 1e-2,
            phasing: None,
            max_chunk_bytes: 64 << 20,
        }
    }
}

/// The bulk data of one file.
#[derive(Debug)]
pub(crate) struct Bulk {
    pub(crate) source: SourceFile,
    pub(crate) vis: Storage,
    pub(crate) flags: Storage,
    pub(crate) nsamples: Storage,
    pub(crate) vis_across: Across,
    pub(crate) flags_across: Across,
    pub(crate) nsamples_across: Across,
}

/// A group of subband files that agree with each other, ready to be read from any number of threads.
///
/// After opening, no HDF5 handle is left: where every chunk is has been read once, and the files are read with `pread`.
/// The files stay open, with a shared lock, until the group is dropped.
#[derive(Debug)]
pub struct SubbandGroup {
    pub(crate) header: VisHeader,
    /// One for each window; `None` is a gap.
    pub(crate) windows: Vec<Option<Bulk>>,
    /// UVW of the first file, where the data are phased.
    pub(crate) uvw: Option<Storage>,
    /// The window that the rows and UVW came from.
    pub(crate) first: usize,
}

/// Everything about one file that opening it gives.
struct OpenedFile {
    source: SourceFile,
    header: FileHeader,
    rows: RowColumns,
    uvw: Option<Storage>,
    vis: Storage,
    flags: Storage,
    nsamples: Storage,
}

impl SubbandGroup {
    /// Opens the files of one group, in any order, and checks that they describe one observation.
    ///
    /// # Errors
    /// When a file is not a complete and sane UVH5 file, when two files disagree, or when subbands are missing and
    /// [`OpenOptions::missing`] refuses that.
    pub fn open(paths: &[PathBuf], options: &OpenOptions) -> Result<Self, Error> {
        let span = tracing::info_span!("open_group", files = paths.len(), first = ?paths.first());
        let _entered = span.enter();
        // One file after the other: the HDF5 library has one lock anyway.
        let mut files = paths.iter().map(|p| open_file(p, options)).collect::<Result<Vec<_>, _>>()?;
        if files.is_empty() {
            return Err(Error::NoFiles);
        }
        // Whether it is one observation comes first: of files from two, overlapping channels are not what is wrong.
        let first = &files[0];
        for file in &files[1..] {
            check_headers(first, file)?;
        }
        let antennas = &first.header.telescope.antennas;
        let rows = first.rows.axis(&first.source, antennas, &mut Buffers::default())?;
        files[1..].par_iter().try_for_each_init(Buffers::default, |buffers, file| {
            file.rows.check(&file.source, antennas, &rows, &first.source, options.time_tolerance_s, buffers)
        })?;

        let channels = files
            .iter()
            .map(|f| {
                let subband = subband_of_name(f.source.path());
                FileChannels::new(f.source.path(), subband, f.header.channels.clone(), options.frequency_tolerance)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let wanted = Wanted {
            missing: options.missing,
            expected: options.expected_subbands,
            minimum: options.min_subbands,
            tolerance: options.frequency_tolerance,
        };
        let planned = arrange(&channels, wanted)?;

        let order = output_order(&first.header.correlations);
        let header = VisHeader {
            telescope: first.header.telescope.clone(),
            object_name: first.header.object_name.clone(),
            rows,
            windows: planned.iter().map(|p| p.window.clone()).collect(),
            correlations: order.iter().map(|&i| first.header.correlations[i]).collect(),
            phasing: options.phasing.clone().unwrap_or_else(|| first.header.phasing.clone()),
            pointing_dec_rad: first.header.pointing_dec_rad,
            vis_units: first.header.vis_units.clone(),
            history: first.header.history.clone(),
            extra: first.header.extra.clone(),
        };
        let uvw = match header.phasing {
            FilePhasing::Phased { .. } => files[0].uvw.take(),
            _ => None,
        };
        let mut bulks: Vec<Option<Bulk>> =
            files.into_iter().zip(&channels).map(|(f, c)| Some(Bulk::new(f, c.descending))).collect();
        let windows = planned.iter().map(|p| p.file.and_then(|i| bulks[i].take())).collect();
        let first = planned.iter().position(|p| p.file == Some(0)).unwrap_or(0);
        hdf5::give_memory_back();
        Ok(Self { header, windows, uvw, first })
    }

    /// Everything that is not a visibility, a flag or a weight.
    #[must_use]
    pub fn header(&self) -> &VisHeader {
        &self.header
    }

    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.header.rows.len()
    }

    /// The file that a window is read from; `None` for a gap.
    #[must_use]
    pub fn window_path(&self, window: usize) -> Option<&Path> {
        self.windows.get(window)?.as_ref().map(|b| b.source.path())
    }

    /// Blocks that begin and end at multiples of so many rows read every stored chunk once. Other blocks give the same
    /// values; an unfiltered chunk is then read in parts, a filtered one is decoded again for each block that needs it.
    #[must_use]
    pub fn row_alignment(&self) -> usize {
        let chunks = || self.bulks().flat_map(|b| [b.vis.chunk_rows(), b.flags.chunk_rows(), b.nsamples.chunk_rows()]);
        let largest = chunks().max().unwrap_or(1);
        let common = chunks().fold(1_usize, |a, b| (a / gcd(a, b)).saturating_mul(b));
        // Chunks without a reasonable common multiple are followed by the largest.
        if common <= 4 * largest { common } else { largest }
    }

    /// The most memory, in bytes, that a [`VisBlock`](vis_types::VisBlock) of so many rows takes together with the
    /// [`Scratch`](crate::Scratch) it is read with: visibilities, and flags and weights in case they are not uniform.
    #[must_use]
    pub fn block_bytes(&self, rows: usize) -> usize {
        let values = self.header.n_channels() * self.header.correlations.len();
        let uvw = if self.uvw.is_some() { 24 } else { 0 };
        rows * (values * (8 + 4 + 1) + uvw) + self.scratch_bytes()
    }

    /// The most memory that a [`Scratch`](crate::Scratch) takes, bytes.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        let band = |s: &Storage| 2 * s.band_bytes();
        self.bulks().map(|b| band(&b.vis).max(band(&b.flags)).max(band(&b.nsamples))).max().unwrap_or(0)
    }

    /// Memory that the group itself holds for its chunk indices, bytes.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.bulks().map(|b| b.vis.index_bytes() + b.flags.index_bytes() + b.nsamples.index_bytes()).sum()
    }

    /// Bytes of all input files.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.bulks().map(|b| b.source.bytes()).sum()
    }

    pub(crate) fn bulks(&self) -> impl Iterator<Item = &Bulk> {
        self.windows.iter().flatten()
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Bulk {
    fn new(file: OpenedFile, descending: bool) -> Self {
        let across = |s: &Storage| Across {
            n: [s.dims()[1], s.dims()[2]],
            chunk: s.chunk_across(),
            grid: s.grid_across(),
            descending,
            order: output_order(&file.header.correlations),
        };
        Self {
            vis_across: across(&file.vis),
            flags_across: across(&file.flags),
            nsamples_across: across(&file.nsamples),
            source: file.source,
            vis: file.vis,
            flags: file.flags,
            nsamples: file.nsamples,
        }
    }
}

/// Opens one file and learns all that must be asked of the HDF5 library.
fn open_file(path: &Path, options: &OpenOptions) -> Result<OpenedFile, Error> {
    let source = SourceFile::open(path)?;
    let root = hdf5::open(path)?;
    let (header, data) = (root.required_group("Header")?, root.required_group("Data")?);
    let limit = options.max_chunk_bytes;

    let dataset = data.required("visdata")?;
    let Element::Complex(part) = *dataset.element() else { return Err(dataset.wrong_type("complex numbers")) };
    let vis = Storage::new(&dataset, Axes::Visibilities, 2 * part.bytes(), &source, limit, true)?;
    let shape = vis.dims();
    if shape.contains(&0) {
        return Err(dataset.wrong_shape("at least one row, channel and correlation"));
    }
    let agree = |d: &hdf5::Dataset, s: &Storage| {
        if s.dims() == shape { Ok(()) } else { Err(d.wrong_shape(format!("{shape:?}, as visdata"))) }
    };

    let dataset = data.required("flags")?;
    if !matches!(dataset.element(), Element::Bool | Element::Real(hdf5::Part::Int { bytes: 1, .. })) {
        return Err(dataset.wrong_type("booleans"));
    }
    let flags = Storage::new(&dataset, Axes::Visibilities, 1, &source, limit, false)?;
    agree(&dataset, &flags)?;

    let dataset = data.required("nsamples")?;
    let Element::Real(part) = *dataset.element() else { return Err(dataset.wrong_type("numbers")) };
    let nsamples = Storage::new(&dataset, Axes::Visibilities, part.bytes(), &source, limit, false)?;
    agree(&dataset, &nsamples)?;

    let n_rows = shape[0];
    if let Some(d) = header.dataset("Nblts")? {
        let n = d.i64()?;
        if n != n_rows as i64 {
            return Err(d.bad_value(n, format!("{n_rows}, the rows of visdata")));
        }
    }
    let rows = RowColumns::open(&header, &source, limit, n_rows)?;
    let file_header = FileHeader::read(&header, n_rows)?;
    if file_header.channels.freq_hz.len() != shape[1] {
        return Err(header.required("freq_array")?.wrong_shape(format!("{} channels, as visdata", shape[1])));
    }
    if file_header.correlations.len() != shape[2] {
        return Err(header.required("polarization_array")?.wrong_shape(format!("({}), as visdata", shape[2])));
    }
    let may_need_uvw = |p: Option<&FilePhasing>| matches!(p, Some(FilePhasing::Phased { .. }));
    let uvw = if may_need_uvw(Some(&file_header.phasing)) || may_need_uvw(options.phasing.as_ref()) {
        let dataset = header.required("uvw_array")?;
        let Element::Real(part) = *dataset.element() else { return Err(dataset.wrong_type("numbers")) };
        let storage = Storage::new(&dataset, Axes::RowVectors, part.bytes(), &source, limit, true)?;
        if storage.dims()[0] != n_rows || storage.dims()[1] != 3 {
            return Err(rows_differ(&dataset, n_rows));
        }
        Some(storage)
    } else {
        None
    };
    Ok(OpenedFile { source, header: file_header, rows, uvw, vis, flags, nsamples })
}

/// Checks that two files describe the same array, pointing and correlations.
fn check_headers(a: &OpenedFile, b: &OpenedFile) -> Result<(), Error> {
    let disagree = |what, difference| Error::Disagree {
        a: a.source.path().to_owned(),
        b: b.source.path().to_owned(),
        what,
        difference,
    };
    let (ha, hb) = (&a.header, &b.header);
    let (ta, tb) = (&ha.telescope, &hb.telescope);
    if ta.name != tb.name {
        return Err(disagree("their telescope", format!("{:?} and {:?}", ta.name, tb.name)));
    }
    let apart = |p: [f64; 3], q: [f64; 3]| p.iter().zip(q).any(|(x, y)| (x - y).abs() > 1e-3);
    if apart(ta.location_itrf_m, tb.location_itrf_m) {
        return Err(disagree(
            "the telescope's position",
            format!("{:?} and {:?} m", ta.location_itrf_m, tb.location_itrf_m),
        ));
    }
    if ta.antennas.len() != tb.antennas.len() {
        return Err(disagree("their antennas", format!("{} and {} of them", ta.antennas.len(), tb.antennas.len())));
    }
    for (i, (x, y)) in ta.antennas.iter().zip(&tb.antennas).enumerate() {
        if (x.number, &x.name) != (y.number, &y.name) {
            return Err(disagree(
                "their antennas",
                format!("entry {i} is {:?} ({}) and {:?} ({})", x.name, x.number, y.name, y.number),
            ));
        }
        if apart(x.position_m, y.position_m) {
            return Err(disagree(
                "their antenna positions",
                format!("{:?} is at {:?} and {:?} m", x.name, x.position_m, y.position_m),
            ));
        }
    }
    let sorted =
        |h: &FileHeader| output_order(&h.correlations).iter().map(|&i| h.correlations[i].name()).collect::<Vec<_>>();
    if sorted(ha) != sorted(hb) {
        return Err(disagree("their correlations", format!("{:?} and {:?}", sorted(ha), sorted(hb))));
    }
    if ha.vis_units != hb.vis_units {
        return Err(disagree("their units", format!("{:?} and {:?}", ha.vis_units, hb.vis_units)));
    }
    // A fifth of an arcsecond.
    let same_angle = |x: f64, y: f64| (x - y).abs() < 1e-6;
    let same_dec = match (ha.pointing_dec_rad, hb.pointing_dec_rad) {
        (Some(x), Some(y)) => same_angle(x, y),
        (x, y) => x.is_none() && y.is_none(),
    };
    if !same_dec {
        return Err(disagree(
            "their pointing",
            format!("declinations {:?} and {:?} rad", ha.pointing_dec_rad, hb.pointing_dec_rad),
        ));
    }
    let same_phasing = match (&ha.phasing, &hb.phasing) {
        (FilePhasing::Meridian { app_dec_rad: x }, FilePhasing::Meridian { app_dec_rad: y }) => same_angle(*x, *y),
        (x, y) => x == y,
    };
    if !same_phasing {
        return Err(disagree(
            "their phase centre",
            "the phase centres or the rows they belong to are not the same".to_owned(),
        ));
    }
    Ok(())
}
