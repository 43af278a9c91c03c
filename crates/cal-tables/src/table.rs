//! A calibration table in memory.

use num_complex::Complex32;
use vis_types::{Field, MsAntenna, MsSubtables, Observation, SpectralWindow};

/// What the solutions are, by CASA's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `B Jones`: a complex gain for every channel.
    Bandpass,
    /// `G Jones`: a complex gain for a whole spectral window.
    Gain,
    /// `T Jones`: a complex gain for a whole spectral window and both receptors. Only read.
    Common,
    /// `K Jones`: a delay, nanoseconds.
    Delay,
}

impl Kind {
    /// CASA's name, as in the keyword `VisCal`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bandpass => "B Jones",
            Self::Gain => "G Jones",
            Self::Common => "T Jones",
            Self::Delay => "K Jones",
        }
    }

    /// The kind of CASA's name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Bandpass, Self::Gain, Self::Common, Self::Delay].into_iter().find(|kind| kind.name() == name)
    }
}

/// A calibration table: solutions, and what they are solutions of.
#[derive(Clone, Debug)]
pub struct CalTable {
    /// What the solutions are.
    pub kind: Kind,
    /// Name of the Measurement Set that they were solved from, without its folder.
    pub set: String,
    /// The program that solved: the keyword `CASA_Version`.
    pub program: String,
    /// The solutions, by time, then spectral window, then antenna.
    pub rows: Vec<CalRow>,
    /// ANTENNA, FIELD and OBSERVATION of the set; SPECTRAL_WINDOW with one channel a solution channel.
    pub antennas: Vec<MsAntenna>,
    /// FIELD.
    pub fields: Vec<Field>,
    /// OBSERVATION.
    pub observations: Vec<Observation>,
    /// SPECTRAL_WINDOW: for gains and delays one channel over the whole window.
    pub windows: Vec<SpectralWindow>,
    /// Lines for HISTORY: the command that solved.
    pub history: Vec<String>,
}

/// The solutions of one antenna, spectral window and solution interval.
#[derive(Clone, Debug, PartialEq)]
pub struct CalRow {
    /// Centre of the data that went in, MJD seconds, UTC.
    pub time_s: f64,
    /// Length of the solution interval, seconds; CASA writes 0.
    pub interval_s: f64,
    /// The field of the first data; −1 where unknown.
    pub field: i32,
    /// Spectral window, a row of [`CalTable::windows`].
    pub window: i32,
    /// The antenna.
    pub antenna: i32,
    /// The reference antenna; −1 for none.
    pub reference: i32,
    /// Scan of the first data; −1 where several.
    pub scan: i32,
    /// Observation.
    pub observation: i32,
    /// Channels of the arrays below: those of the window for bandpasses, else 1.
    pub channels: usize,
    /// Receptors of the arrays below.
    pub receptors: usize,
    /// The solutions, `[channel, receptor]`.
    pub values: Values,
    /// Standard deviations of the solutions.
    pub errors: Vec<f32>,
    /// Whether a solution is not to be used.
    pub flags: Vec<bool>,
    /// Ratios of signal to noise.
    pub snr: Vec<f32>,
}

/// Solutions, `[channel, receptor]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Gains.
    Gains(Vec<Complex32>),
    /// Delays, nanoseconds.
    Delays(Vec<f32>),
}

impl Values {
    /// The number of solutions.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Gains(values) => values.len(),
            Self::Delays(values) => values.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl CalTable {
    /// A table without solutions for a set: its antennas, fields, observations and windows; for gains and delays each window
    /// becomes one channel.
    #[must_use]
    pub fn new(kind: Kind, set: impl Into<String>, subtables: &MsSubtables) -> Self {
        let windows = subtables.windows.iter().map(|window| match kind {
            Kind::Bandpass => window.clone(),
            _ => one_channel(window),
        });
        Self {
            kind,
            set: set.into(),
            program: format!("contimg {}", env!("CARGO_PKG_VERSION")),
            rows: Vec::new(),
            antennas: subtables.antennas.clone(),
            fields: subtables.fields.clone(),
            observations: subtables.observations.clone(),
            windows: windows.collect(),
            history: Vec::new(),
        }
    }

    /// Solutions in all, and those that are flagged.
    #[must_use]
    pub fn flagged(&self) -> (usize, usize) {
        let flags = || self.rows.iter().flat_map(|row| &row.flags);
        (flags().count(), flags().filter(|flag| **flag).count())
    }

    /// First and last time, MJD seconds; `None` without rows.
    #[must_use]
    pub fn time_range(&self) -> Option<(f64, f64)> {
        self.rows.iter().map(|row| (row.time_s, row.time_s)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

/// The window as one channel over all of its channels.
#[must_use]
pub fn one_channel(window: &SpectralWindow) -> SpectralWindow {
    let (low, high) = window.edges_hz().unwrap_or((window.ref_freq_hz, window.ref_freq_hz));
    let centre =
        if window.is_empty() { window.ref_freq_hz } else { window.freq_hz.iter().sum::<f64>() / window.len() as f64 };
    SpectralWindow {
        freq_hz: vec![centre],
        width_hz: vec![high - low],
        effective_bw_hz: Some(vec![high - low]),
        resolution_hz: Some(vec![high - low]),
        total_bandwidth_hz: high - low,
        ..window.clone()
    }
}
