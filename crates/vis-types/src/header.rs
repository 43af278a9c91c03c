//! What is known about visibilities besides their values.

use serde::{Deserialize, Serialize};

use crate::{ChannelWindow, Correlation, Direction, RowAxis};

/// One station.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Antenna {
    /// Its name in the file.
    pub name: String,
    /// Its number in the file; baselines of [`RowAxis`] use positions in the list instead.
    pub number: i64,
    /// Position minus [`Telescope::location_itrf_m`], ITRF axes, metres.
    pub position_m: [f64; 3],
    /// Diameter of the dish, metres, where the file has it.
    pub diameter_m: Option<f64>,
}

/// The array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Telescope {
    /// Its name, as in the file.
    pub name: String,
    /// Name of the backend, as in the file.
    pub instrument: String,
    /// Geodetic (WGS84) latitude, radians, north positive.
    pub latitude_rad: f64,
    /// Geodetic longitude, radians, east positive.
    pub longitude_rad: f64,
    /// Height above the ellipsoid, metres.
    pub height_m: f64,
    /// Geocentric position, ITRF, metres.
    pub location_itrf_m: [f64; 3],
    /// All stations of the array in the file's order, also those without data.
    pub antennas: Vec<Antenna>,
    /// Mount of the dishes where the file tells (`alt-az`, `equatorial`, `fixed` …), one for each antenna or empty.
    pub mounts: Vec<String>,
}

/// One phase centre of already phased data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseCentre {
    /// Identifier in the file's catalogue.
    pub id: i64,
    /// Name of the source.
    pub name: String,
    /// Where it is.
    pub direction: Direction,
}

/// How the visibilities in the files are phased, which says what their `w` term is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FilePhasing {
    /// Not phased: no `w` term was taken out (UVH5 `drift`, `unprojected`).
    Unprojected,
    /// Fringe-stopped on the meridian: the phase centre is hour angle 0 at this apparent declination at every time, and
    /// the `w` of that direction was taken out. The DSA-110 writer does this and says so in its extra keywords
    /// (`ha_phase_center` 0, `phase_center_epoch` HADEC).
    Meridian {
        /// Apparent declination, radians.
        app_dec_rad: f64,
    },
    /// Phased to one or several catalogued directions; the file's UVW belong to them.
    Phased {
        /// The catalogue.
        centres: Vec<PhaseCentre>,
        /// Which of `centres` each row has, by position; empty when there is one for all.
        row_centre: Vec<u16>,
    },
}

/// Everything about a group of files that is not a visibility, a flag or a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct VisHeader {
    /// The array and its stations.
    pub telescope: Telescope,
    /// What was observed, as in the file.
    pub object_name: String,
    /// Rows.
    pub rows: RowAxis,
    /// Channels, one window for each subband, ascending in frequency and not overlapping.
    pub windows: Vec<ChannelWindow>,
    /// Correlations in the order of the last axis of every slab.
    pub correlations: Vec<Correlation>,
    /// How the data are phased.
    pub phasing: FilePhasing,
    /// Apparent declination that the dishes pointed at on the meridian, radians, where the files give one.
    pub pointing_dec_rad: Option<f64>,
    /// Unit of the visibilities (`uncalib` where the file does not say).
    pub vis_units: String,
    /// History text of the files.
    pub history: String,
    /// Further header entries of the file (`extra_keywords`), as text.
    pub extra: Vec<(String, String)>,
}

impl VisHeader {
    /// Number of channels over all windows.
    #[must_use]
    pub fn n_channels(&self) -> usize {
        self.windows.iter().map(ChannelWindow::len).sum()
    }
}
