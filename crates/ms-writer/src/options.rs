//! What the caller chooses.

use std::time::Duration;

use astrometry::EarthOrientation;
use vis_types::Direction;

/// Whether the subbands become one spectral window or one each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpectralWindows {
    /// One spectral window over the whole band; where the frequencies have a gap, one on each side of it.
    #[default]
    WholeBand,
    /// One for each subband; the rows are repeated for each of them, as a Measurement Set wants it.
    PerSubband,
}

/// Where the visibilities are phased to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Centre {
    /// One centre, ICRS: what is on the meridian at the pointing's declination at the middle of the group (the zenith
    /// where the files give no declination). Files that are phased to a direction keep it.
    #[default]
    MidTime,
    /// One centre for each integration, ICRS: what is on the meridian at that time.
    Meridian,
    /// This direction.
    At(Direction),
    /// The centres of the files; those that are fringe-stopped on the meridian get one for each integration.
    AsInFile,
}

/// Whether a Measurement Set gets an optional column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightSpectrum {
    /// When the weights of a row differ by channel.
    #[default]
    WhenNeeded,
    /// Always.
    Always,
    /// Never: WEIGHT holds the median over the channels, which then is all there is.
    Never,
}

/// One row of HISTORY: which program made the set, and from what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The program and its version.
    pub application: String,
    /// Its command line.
    pub command: Vec<String>,
    /// Its parameters, `name=value`.
    pub parameters: Vec<String>,
    /// What happened, in a sentence.
    pub message: String,
    /// When, since 1970-01-01 UTC; now where it is not given.
    pub time: Option<Duration>,
}

/// The choices of [`MsWriter::create`](crate::MsWriter::create); the default suits DSA-110.
#[derive(Clone, Debug)]
pub struct MsOptions {
    /// One spectral window or one for each subband.
    pub windows: SpectralWindows,
    /// The phase centre.
    pub centre: Centre,
    /// Another name of the telescope than the files'.
    pub telescope_name: Option<String>,
    /// Geocentric positions (ITRF, metres) by name that replace those of the files; see [`crate::read_stations`]. An
    /// antenna that has no entry keeps its position, and one that took part in the data must have one.
    pub stations: Option<Vec<crate::Station>>,
    /// Mount of the dishes where the files do not tell.
    pub mount: String,
    /// Whether to write WEIGHT_SPECTRUM.
    pub weight_spectrum: WeightSpectrum,
    /// Whether to make an empty MODEL_DATA.
    pub model_column: bool,
    /// Whether to make an empty CORRECTED_DATA.
    pub corrected_column: bool,
    /// Earth-orientation data.
    pub earth_orientation: EarthOrientation,
    /// The row of HISTORY that says where the set comes from.
    pub provenance: Provenance,
    /// Rows that one chunk of the input holds; tiles get a multiple of it.
    pub input_chunk_rows: usize,
    /// Rows of a tile, instead of those that make it about half a megabyte.
    pub rows_per_tile: Option<usize>,
}

impl Default for MsOptions {
    fn default() -> Self {
        Self {
            windows: SpectralWindows::default(),
            centre: Centre::default(),
            telescope_name: None,
            stations: None,
            mount: "alt-az".to_owned(),
            weight_spectrum: WeightSpectrum::default(),
            model_column: false,
            corrected_column: false,
            earth_orientation: EarthOrientation::bundled(),
            provenance: Provenance::default(),
            input_chunk_rows: 128,
            rows_per_tile: None,
        }
    }
}
