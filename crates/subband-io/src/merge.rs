//! The whole group in three arrays.

use ndarray::Array3;
use num_complex::Complex32;
use rayon::prelude::*;

use crate::error::Error;
use crate::group::SubbandGroup;
use crate::read::{Rows, Scratch};

/// A whole group in memory: `[row, channel, correlation]`, the channels of all windows ascending in frequency.
#[derive(Clone, Debug)]
pub struct Merged {
    /// Visibilities.
    pub vis: Array3<Complex32>,
    /// `true` is flagged.
    pub flags: Array3<bool>,
    /// Weights, as UVH5's `nsamples`.
    pub nsamples: Array3<f32>,
}

impl Merged {
    /// Bytes of the three arrays.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.vis.len() * (size_of::<Complex32>() + size_of::<bool>() + size_of::<f32>())
    }
}

impl SubbandGroup {
    /// Reads the whole group into arrays that are allocated once, on the threads of the caller's rayon pool.
    ///
    /// Beyond the arrays, memory is one [`Scratch`] a thread. Rows are independent tasks, each of which writes its rows of
    /// all windows, so no two threads share a cache line and pages are first touched by the thread that fills them.
    ///
    /// # Errors
    /// When a file cannot be read or decoded.
    pub fn merge(&self) -> Result<Merged, Error> {
        let span = tracing::info_span!("merge", rows = self.n_rows(), windows = self.windows.len());
        let _entered = span.enter();
        let n_corr = self.header.correlations.len();
        let shape = [self.n_rows(), self.header.n_channels(), n_corr];
        let stride = shape[1] * n_corr;
        let n: usize = shape.iter().product();
        // Zero pages from the system: an array of flags that stays all false is never written.
        let mut vis: Vec<Complex32> = bytemuck::zeroed_vec(n);
        let mut flags = vec![false; n];
        let mut nsamples = vec![0.0_f32; n];
        huge_pages(&mut vis);
        huge_pages(&mut nsamples);

        let rows_each = self.task_rows(stride);
        let tasks = vis
            .par_chunks_mut(rows_each * stride)
            .zip(flags.par_chunks_mut(rows_each * stride))
            .zip(nsamples.par_chunks_mut(rows_each * stride));
        tasks.enumerate().try_for_each_init(Scratch::default, |scratch, (i, ((vis, flags), nsamples))| {
            let first = i * rows_each;
            let rows = first..first + vis.len() / stride;
            let mut at = 0;
            for (window, bulk) in self.windows.iter().enumerate() {
                let width = self.header.windows[window].len() * n_corr;
                match bulk {
                    Some(bulk) => {
                        bulk.read_vis(rows.clone(), Rows { out: &mut vis[at..], stride }, scratch)?;
                        bulk.read_flags(rows.clone(), scratch, |band, pieces| {
                            let out = &mut flags[(band.start - first) * stride + at..];
                            bulk.flags_across.scatter(pieces, band.len(), out, stride, |b: u8| b != 0);
                        })?;
                        let fill = |nsamples: &mut [f32], weight| {
                            for row in nsamples.chunks_mut(stride) {
                                row[at..at + width].fill(weight);
                            }
                        };
                        let mut uniform = None;
                        bulk.read_weights(rows.clone(), scratch, &mut uniform, |band, pieces, before| {
                            if let Some(weight) = before {
                                fill(nsamples, weight);
                            }
                            let out = &mut nsamples[(band.start - first) * stride + at..];
                            bulk.nsamples_across.scatter(pieces, band.len(), out, stride, |w| w);
                        })?;
                        // Zeros are there already.
                        if let Some(weight) = uniform.filter(|w| w.to_bits() != 0) {
                            fill(nsamples, weight);
                        }
                    }
                    None => {
                        for row in flags.chunks_mut(stride) {
                            row[at..at + width].fill(true);
                        }
                    }
                }
                at += width;
            }
            Ok(())
        })?;
        let whole = |_| Error::RowsOutside { start: 0, end: shape[0], rows: shape[0] };
        Ok(Merged {
            vis: Array3::from_shape_vec(shape, vis).map_err(whole)?,
            flags: Array3::from_shape_vec(shape, flags).map_err(whole)?,
            nsamples: Array3::from_shape_vec(shape, nsamples).map_err(whole)?,
        })
    }

    /// Rows of one task: whole chunks, and enough tasks for every thread to have several.
    fn task_rows(&self, stride: usize) -> usize {
        let alignment = self.row_alignment();
        let wanted = (4 << 20) / (stride * size_of::<Complex32>()).max(1);
        let rows = (wanted / alignment).max(1) * alignment;
        rows.min(self.n_rows()).max(1)
    }
}

/// Asks for large pages, which make the first touch of gigabytes several times cheaper. Only a request: where the system
/// does not grant it, nothing changes.
#[expect(unsafe_code, reason = "advice about the pages of an allocation")]
fn huge_pages<T>(values: &mut [T]) {
    const PAGE: usize = 2 << 20;
    let bytes = std::mem::size_of_val(values);
    let skip = values.as_ptr().cast::<u8>().align_offset(PAGE);
    let Some(length) = bytes.checked_sub(skip).map(|n| n / PAGE * PAGE).filter(|&n| n > 0) else { return };
    // SAFETY: the range is inside the slice, which is borrowed mutably here, and this advice does not change its contents.
    let advised = unsafe {
        rustix::mm::madvise(
            values.as_mut_ptr().cast::<u8>().add(skip).cast(),
            length,
            rustix::mm::Advice::LinuxHugepage,
        )
    };
    if let Err(error) = advised {
        tracing::debug!(%error, "no large pages");
    }
}
