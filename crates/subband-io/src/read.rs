//! Rows of a group into blocks.

use std::ops::Range;

use num_complex::Complex32;
use vis_types::{Slab, VisBlock};

use crate::error::Error;
use crate::group::{Bulk, SubbandGroup};
use crate::hdf5::Element;
use crate::scatter::{Across, all_equal, all_zero, cast, is_native_complex32, is_native_f32, to_complex32, to_f32};
use crate::source::SourceFile;
use crate::storage::{Band, Buffers, Storage};

/// The buffers of one reading thread, kept from call to call.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) buffers: Buffers,
    complex: Vec<Complex32>,
    real: Vec<f32>,
    f64s: Vec<f64>,
}

impl Scratch {
    /// Bytes that the buffers hold.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        self.buffers.allocated_bytes()
            + self.complex.capacity() * 8
            + self.real.capacity() * 4
            + self.f64s.capacity() * 8
    }

    /// How many times the files were read through it.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.buffers.reads
    }

    /// How many bytes were read through it.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.buffers.bytes_read
    }
}

/// Where values go: rows of `[channel, correlation]` that begin every `stride` values.
pub(crate) struct Rows<'o, T> {
    pub(crate) out: &'o mut [T],
    pub(crate) stride: usize,
}

impl SubbandGroup {
    fn check_rows(&self, rows: &Range<usize>) -> Result<(), Error> {
        if rows.start <= rows.end && rows.end <= self.n_rows() {
            Ok(())
        } else {
            Err(Error::RowsOutside { start: rows.start, end: rows.end, rows: self.n_rows() })
        }
    }

    /// Reads rows of all windows into a block, whose buffers are reused.
    ///
    /// May be called from many threads at once, each with a block and a scratch of its own; it starts none itself.
    ///
    /// # Errors
    /// When the rows are outside the group, or a file cannot be read or decoded. The block's contents are then undefined.
    pub fn read_rows(&self, rows: Range<usize>, block: &mut VisBlock, scratch: &mut Scratch) -> Result<(), Error> {
        self.check_rows(&rows)?;
        block.slabs.resize_with(self.windows.len(), Slab::default);
        for (window, slab) in block.slabs.iter_mut().enumerate() {
            self.read_window(window, rows.clone(), slab, scratch)?;
        }
        self.read_uvw(rows.clone(), &mut block.file_uvw_m, scratch)?;
        block.rows = rows;
        Ok(())
    }

    /// UVW of some rows as the files have them, metres; empty unless the data are
    /// [`Phased`](vis_types::FilePhasing::Phased).
    ///
    /// # Errors
    /// When the rows are outside the group or cannot be read, or one of their UVW is not finite.
    pub fn read_uvw(&self, rows: Range<usize>, uvw_m: &mut Vec<[f64; 3]>, scratch: &mut Scratch) -> Result<(), Error> {
        self.check_rows(&rows)?;
        uvw_m.clear();
        if let (Some(storage), Some(bulk)) = (&self.uvw, &self.windows[self.first]) {
            // A chunk may hold one of the three columns only.
            let across = across_columns(storage);
            let mut at = rows.start;
            uvw_m.resize(rows.len(), [0.0; 3]);
            while at < rows.end {
                let band = storage.band(at..rows.end);
                let out = uvw_m[band.start - rows.start..band.end - rows.start].as_flattened_mut();
                let n = band.len();
                at = band.end;
                let loaded = storage.load(&bulk.source, band, &mut scratch.buffers)?;
                scratch.f64s.clear();
                let Element::Real(part) = *storage.element() else { continue };
                for i in 0..loaded.len() {
                    crate::scatter::for_each_number(loaded.piece(i), part, |x| scratch.f64s.push(x));
                }
                let size = scratch.f64s.len() / loaded.len();
                let pieces: Vec<&[f64]> = scratch.f64s.chunks_exact(size).collect();
                across.scatter(&pieces, n, out, 3, |x| x);
                // A visibility is turned by its w: one that is none would spoil it.
                if let Some(place) = out.iter().position(|x| !x.is_finite()) {
                    return Err(Error::BadValue {
                        path: bulk.source.path().to_owned(),
                        dataset: format!("{}[{}, {}]", storage.name(), at - n + place / 3, place % 3),
                        found: out[place].to_string(),
                        expected: "a length in metres".to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Reads rows of one window into a slab, whose buffers are reused.
    ///
    /// A slab is [`Clear`](vis_types::Flags::Clear) when no flag of these rows is set, and its weight
    /// [`Uniform`](vis_types::Weights::Uniform) when all are equal: every stored flag and weight is looked at for it.
    ///
    /// # Errors
    /// As [`read_rows`](Self::read_rows).
    ///
    /// # Panics
    /// When there is no window of this number.
    pub fn read_window(
        &self,
        window: usize,
        rows: Range<usize>,
        slab: &mut Slab,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        self.check_rows(&rows)?;
        let n_corr = self.header.correlations.len();
        let n_chan = self.header.windows[window].len();
        let stride = n_chan * n_corr;
        slab.reset([rows.len(), n_chan, n_corr]);
        let Some(bulk) = &self.windows[window] else {
            slab.vis_slice_mut().fill(Complex32::ZERO);
            slab.flag_all();
            slab.set_uniform_weight(0.0);
            return Ok(());
        };
        bulk.read_vis(rows.clone(), Rows { out: slab.vis_slice_mut(), stride }, scratch)?;
        let first = rows.start;
        bulk.read_flags(rows.clone(), scratch, |band, pieces| {
            let out = &mut slab.flags_mut()[(band.start - first) * stride..];
            bulk.flags_across.scatter(pieces, band.len(), out, stride, |b: u8| b != 0);
        })?;
        let mut uniform = None;
        bulk.read_weights(rows, scratch, &mut uniform, |band, pieces, uniform| {
            // The bands before this one were uniform; from here each has its own.
            if let Some(weight) = uniform {
                slab.set_uniform_weight(weight);
            }
            let out = &mut slab.weights_mut()[(band.start - first) * stride..];
            bulk.nsamples_across.scatter(pieces, band.len(), out, stride, |w| w);
        })?;
        if let Some(weight) = uniform {
            slab.set_uniform_weight(weight);
        }
        Ok(())
    }
}

fn across_columns(storage: &Storage) -> Across {
    Across {
        n: [storage.dims()[1], 1],
        chunk: storage.chunk_across(),
        grid: storage.grid_across(),
        descending: false,
        order: vec![0],
    }
}

/// Calls `see` with every band of some rows.
fn for_each_band(
    storage: &Storage,
    source: &SourceFile,
    rows: Range<usize>,
    buffers: &mut Buffers,
    mut see: impl FnMut(Range<usize>, &Band<'_>),
) -> Result<(), Error> {
    let mut at = rows.start;
    while at < rows.end {
        let band = storage.band(at..rows.end);
        at = band.end;
        see(band.clone(), &storage.load(source, band, buffers)?);
    }
    Ok(())
}

/// The pieces of a band as slices, on the stack for all usual chunkings.
fn with_pieces<'p, T: 'p, R>(n: usize, piece: impl Fn(usize) -> &'p [T], run: impl FnOnce(&[&'p [T]]) -> R) -> R {
    const USUAL: usize = 64;
    if n <= USUAL {
        let mut pieces: [&[T]; USUAL] = [&[]; USUAL];
        for (i, p) in pieces[..n].iter_mut().enumerate() {
            *p = piece(i);
        }
        run(&pieces[..n])
    } else {
        run(&(0..n).map(piece).collect::<Vec<_>>())
    }
}

impl Bulk {
    /// Visibilities of some rows; `rows.out` begins with the first of them.
    pub(crate) fn read_vis(
        &self,
        rows: Range<usize>,
        to: Rows<'_, Complex32>,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let Scratch { buffers, complex, .. } = scratch;
        let first = rows.start;
        let native = is_native_complex32(self.vis.element());
        for_each_band(&self.vis, &self.source, rows, buffers, |band, loaded| {
            let out = &mut to.out[(band.start - first) * to.stride..];
            let n = loaded.len();
            let mut put = |pieces: &[&[Complex32]]| self.vis_across.scatter(pieces, band.len(), out, to.stride, |v| v);
            if native {
                with_pieces(n, |i| cast::<Complex32>(loaded.piece(i)), &mut put);
            } else if let Element::Complex(part) = *self.vis.element() {
                complex.clear();
                for i in 0..n {
                    to_complex32(loaded.piece(i), part, complex);
                }
                let size = complex.len() / n;
                with_pieces(n, |i| &complex[i * size..(i + 1) * size], &mut put);
            }
        })
    }

    /// Gives the bands in which some flag is set to `put`; for all others nothing is to be done.
    pub(crate) fn read_flags(
        &self,
        rows: Range<usize>,
        scratch: &mut Scratch,
        mut put: impl FnMut(Range<usize>, &[&[u8]]),
    ) -> Result<(), Error> {
        for_each_band(&self.flags, &self.source, rows, &mut scratch.buffers, |band, loaded| {
            with_pieces(
                loaded.len(),
                |i| loaded.piece(i),
                |pieces| {
                    if !self.flags_across.all(pieces, band.len(), all_zero) {
                        put(band, pieces);
                    }
                },
            );
        })
    }

    /// Finds the weight that all rows have in common, and leaves it in `uniform`.
    ///
    /// From the first band on that breaks the uniformity, bands are given to `put`, with the weight that holds for all rows
    /// until then at the first call; `uniform` is `None` in the end. Bands are not given to `put` when they have the weight
    /// that the rows before the first break had.
    pub(crate) fn read_weights(
        &self,
        rows: Range<usize>,
        scratch: &mut Scratch,
        uniform: &mut Option<f32>,
        mut put: impl FnMut(Range<usize>, &[&[f32]], Option<f32>),
    ) -> Result<(), Error> {
        let Scratch { buffers, real, .. } = scratch;
        let native = is_native_f32(self.nsamples.element());
        let mut common: Option<f32> = None;
        let mut broken = false;
        for_each_band(&self.nsamples, &self.source, rows, buffers, |band, loaded| {
            let n = loaded.len();
            let mut see = |pieces: &[&[f32]]| {
                let weight = *common.get_or_insert(pieces[0][0]);
                if !self.nsamples_across.all(pieces, band.len(), |values| all_equal(values, weight)) {
                    put(band.clone(), pieces, if broken { None } else { Some(weight) });
                    broken = true;
                }
            };
            if native {
                with_pieces(n, |i| cast::<f32>(loaded.piece(i)), &mut see);
            } else if let Element::Real(part) = *self.nsamples.element() {
                real.clear();
                for i in 0..n {
                    to_f32(loaded.piece(i), part, real);
                }
                let size = real.len() / n;
                with_pieces(n, |i| &real[i * size..(i + 1) * size], &mut see);
            }
        })?;
        *uniform = if broken { None } else { common };
        Ok(())
    }
}
