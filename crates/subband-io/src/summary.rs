//! What planning needs to know of a file, without its data.

use std::path::Path;

use serde::{Deserialize, Serialize};
use vis_types::{Correlation, JulianDate, SubbandIndex};

use crate::error::Error;
use crate::find::subband_of_name;
use crate::hdf5;
use crate::header::{Channels, correlations, pointing_dec};
use crate::rows::{is_date, is_interval};
use crate::source::SourceFile;

/// A sign that a file is not finished although it can be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfinished {
    /// Datasets that should have one length differ.
    LengthsDiffer {
        /// The dataset.
        dataset: String,
        /// Its rows.
        rows: u64,
        /// Rows of `visdata`.
        expected: u64,
    },
    /// The file is shorter than its unfiltered data would be.
    TooShort {
        /// Bytes that the data alone need.
        needed: u64,
    },
    /// The first or last time, or the first integration's length, was never written.
    NoTimes,
    /// There are no rows.
    Empty,
}

impl std::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LengthsDiffer { dataset, rows, expected } => {
                write!(f, "{dataset} has {rows} rows, visdata {expected}")
            }
            Self::TooShort { needed } => write!(f, "the file is shorter than the {needed} bytes of its data"),
            Self::NoTimes => f.write_str("its times were never written"),
            Self::Empty => f.write_str("it has no rows"),
        }
    }
}

/// What the header of one file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileSummary {
    /// The subband in its name.
    pub subband: Option<SubbandIndex>,
    /// The telescope's name.
    pub telescope: String,
    /// Time of the first row: the centre of the first integration.
    pub first_time: JulianDate,
    /// Time of the last row.
    pub last_time: JulianDate,
    /// Number of integrations, as the header says; 0 where it does not.
    pub n_times: u64,
    /// Length of the first integration, seconds.
    pub interval_s: f64,
    /// Rows: times × baselines.
    pub n_rows: u64,
    /// Number of baselines, as the header says; 0 where it does not.
    pub n_baselines: u64,
    /// Number of channels.
    pub n_channels: u64,
    /// Centre of the lowest channel, hertz.
    pub low_hz: f64,
    /// Centre of the highest channel, hertz.
    pub high_hz: f64,
    /// Distance of channels, hertz, negative when they descend in the file.
    pub step_hz: f64,
    /// Correlations in the file's order.
    pub correlations: Vec<Correlation>,
    /// Declination of the pointing, radians, where the file has one for all rows.
    pub pointing_dec_rad: Option<f64>,
    /// Length of the file.
    pub bytes: u64,
    /// Signs that it is not finished; empty for a good file.
    pub unfinished: Vec<Unfinished>,
}

impl FileSummary {
    /// From the beginning of the first integration to the end of the last, seconds.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        (self.last_time.0 - self.first_time.0) * 86_400.0 + self.interval_s
    }
}

/// Reads the header of a file: some twenty small datasets, and the first and the last time. The data are not touched, so
/// a chunk of data that was never written is only found when the file is opened with its group.
///
/// # Errors
/// When the file is not an HDF5 file, is truncated or being written, or lacks what every UVH5 file has.
pub fn summarise(path: &Path) -> Result<FileSummary, Error> {
    let source = SourceFile::open(path)?;
    let root = hdf5::open(path)?;
    let (header, data) = (root.required_group("Header")?, root.required_group("Data")?);
    let visdata = data.required("visdata")?;
    let hdf5::Element::Complex(part) = *visdata.element() else { return Err(visdata.wrong_type("complex numbers")) };
    let (n_rows, n_channels, n_corr) = match *visdata.dims() {
        [n, 1, c, p] | [n, c, p] => (n, c, p),
        _ => return Err(visdata.wrong_shape("(rows, channels, correlations) or (rows, 1, channels, correlations)")),
    };
    let channels = Channels::read(&header)?;
    let freqs = &channels.freq_hz;
    if freqs.len() as u64 != n_channels {
        return Err(header.required("freq_array")?.wrong_shape(format!("{n_channels} channels, as visdata")));
    }
    let correlations = correlations(&header)?;
    if correlations.len() as u64 != n_corr {
        return Err(header.required("polarization_array")?.wrong_shape(format!("({n_corr}), as visdata")));
    }
    let extra = header.group("extra_keywords")?;
    let times = header.required("time_array")?;
    let intervals = header.required("integration_time")?;
    let count = |name: &str| header.dataset(name)?.map(|d| d.i64().map(|n| n.max(0) as u64)).transpose();

    let mut unfinished = Vec::new();
    let mut expect_rows = |dataset: &str, rows: u64| {
        if rows != n_rows {
            unfinished.push(Unfinished::LengthsDiffer { dataset: dataset.to_owned(), rows, expected: n_rows });
        }
    };
    expect_rows("Header/time_array", times.dims().first().copied().unwrap_or(0));
    expect_rows("Header/integration_time", intervals.dims().first().copied().unwrap_or(0));
    if let Some(rows) = count("Nblts")? {
        expect_rows("Header/Nblts", rows);
    }
    for name in ["flags", "nsamples"] {
        expect_rows(&format!("Data/{name}"), data.required(name)?.dims().first().copied().unwrap_or(0));
    }
    let raw = [n_rows, n_channels, n_corr, 2 * part.bytes() as u64].iter().try_fold(1_u64, |n, &d| n.checked_mul(d));
    if !visdata.is_filtered()? && raw.is_none_or(|raw| raw > source.bytes()) {
        unfinished.push(Unfinished::TooShort { needed: raw.unwrap_or(u64::MAX) });
    }
    let (mut first, mut last, mut interval_s) = (0.0, 0.0, 0.0);
    if n_rows == 0 {
        unfinished.push(Unfinished::Empty);
    } else {
        if let Some(&n) = times.dims().first().filter(|&&n| n > 0) {
            let ends = times.f64s_at(&[0, n - 1])?;
            (first, last) = (ends[0], ends[1]);
        }
        if intervals.dims().first().is_some_and(|&n| n > 0) {
            interval_s = intervals.f64s_at(&[0])?[0];
        }
        if !is_date(first) || !is_date(last) || !is_interval(interval_s) {
            unfinished.push(Unfinished::NoTimes);
        }
    }
    let (low, high) = (freqs[0].min(freqs[freqs.len() - 1]), freqs[0].max(freqs[freqs.len() - 1]));
    Ok(FileSummary {
        subband: subband_of_name(path),
        telescope: header.dataset("telescope_name")?.map_or(Ok(String::new()), |d| d.string())?,
        first_time: JulianDate(first),
        last_time: JulianDate(last),
        n_times: count("Ntimes")?.unwrap_or(0),
        interval_s,
        n_rows,
        n_baselines: count("Nbls")?.unwrap_or(0),
        n_channels,
        low_hz: low,
        high_hz: high,
        step_hz: if freqs.len() > 1 { freqs[1] - freqs[0] } else { channels.width_hz[0] },
        correlations,
        pointing_dec_rad: pointing_dec(&header, extra.as_ref())?,
        bytes: source.bytes(),
        unfinished,
    })
}
