//! Merging through the HDF5 library, in the ways of the original pipeline and of its design document.
//!
//! Both are as good as they get in a compiled language: nothing is converted, copied or checked that need not be.

use std::path::{Path, PathBuf};

use hdf5_metno::{File, Group, H5Type, Result};
use ndarray::{Array3, Axis, Ix4, s};
use subband_io::Merged;

/// Files that the design document reads before it merges them.
const BATCH: usize = 4;

/// Some neighbouring subbands, channels ascending or, as they are in a file, descending.
struct Part {
    arrays: Merged,
    descending: bool,
}

/// Reads every file whole, then concatenates all of them.
pub(crate) fn load_all(paths: &[PathBuf]) -> Result<Merged> {
    let parts = ascending(paths)?.iter().map(|file| load(file)).collect::<Result<Vec<_>>>()?;
    Ok(concatenate(&parts))
}

/// The document's way: reads four files, concatenates them, and concatenates the result to what there was before.
pub(crate) fn load_batches(paths: &[PathBuf]) -> Result<Merged> {
    let mut merged: Option<Merged> = None;
    for batch in ascending(paths)?.chunks(BATCH) {
        let parts = batch.iter().map(|file| load(file)).collect::<Result<Vec<_>>>()?;
        let arrays = concatenate(&parts);
        merged = Some(match merged {
            None => arrays,
            Some(merged) => concatenate(&[merged, arrays].map(|arrays| Part { arrays, descending: false })),
        });
    }
    merged.ok_or_else(|| "no files".into())
}

/// The files in ascending frequency.
fn ascending(paths: &[PathBuf]) -> Result<Vec<&Path>> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let freq_hz = frequencies(&File::open(path)?)?;
        files.push((*freq_hz.first().ok_or("no channels")?, path.as_path()));
    }
    files.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

fn frequencies(file: &File) -> Result<Vec<f64>> {
    file.dataset("Header/freq_array")?.read_raw()
}

fn load(path: &Path) -> Result<Part> {
    let file = File::open(path)?;
    let freq_hz = frequencies(&file)?;
    let data = file.group("Data")?;
    let arrays =
        Merged { vis: whole(&data, "visdata")?, flags: whole(&data, "flags")?, nsamples: whole(&data, "nsamples")? };
    Ok(Part { arrays, descending: freq_hz.first() > freq_hz.last() })
}

/// A dataset `[row, 1, channel, correlation]`.
fn whole<T: H5Type>(data: &Group, name: &str) -> Result<Array3<T>> {
    Ok(data.dataset(name)?.read::<T, Ix4>()?.index_axis_move(Axis(1), 0))
}

/// The parts one after the other along the channels, all ascending.
fn concatenate(parts: &[Part]) -> Merged {
    Merged {
        vis: along_channels(parts, |arrays| &arrays.vis),
        flags: along_channels(parts, |arrays| &arrays.flags),
        nsamples: along_channels(parts, |arrays| &arrays.nsamples),
    }
}

fn along_channels<T: Copy + Default>(parts: &[Part], array: impl Fn(&Merged) -> &Array3<T>) -> Array3<T> {
    let channels = |part: &Part| array(&part.arrays).dim().1;
    let (rows, _, correlations) = parts.first().map_or((0, 0, 0), |part| array(&part.arrays).dim());
    let mut all = Array3::from_elem((rows, parts.iter().map(channels).sum(), correlations), T::default());
    let mut at = 0;
    for part in parts {
        let mut from = array(&part.arrays).view();
        if part.descending {
            from.invert_axis(Axis(1));
        }
        all.slice_mut(s![.., at..at + channels(part), ..]).assign(&from);
        at += channels(part);
    }
    all
}
