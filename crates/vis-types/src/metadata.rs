//! What a Measurement Set says about itself: the small tables that everything else looks up again and again.
//!
//! Three parts, because they come from different files and change at different times: [`MsSubtables`], [`MsLayout`] and
//! [`MsRows`]; [`MsMetadata`] holds one of each. Row numbers of subtables are positions in the lists. The definitions are
//! those of the Measurement Set 2.0 (casacore note 229).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Correlation, Direction, Frame, MjdSeconds};

/// Everything that is known about a Measurement Set without reading visibilities. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MsMetadata {
    /// What the subtables say.
    pub subtables: Arc<MsSubtables>,
    /// The columns of MAIN and how they are stored.
    pub layout: Arc<MsLayout>,
    /// What the rows of MAIN are.
    pub rows: Arc<MsRows>,
}

/// The six subtables that the definition requires and that say what the data are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MsSubtables {
    /// SPECTRAL_WINDOW, in the table's order, which need not be that of frequency.
    pub windows: Vec<SpectralWindow>,
    /// DATA_DESCRIPTION.
    pub data_descriptions: Vec<DataDescription>,
    /// FIELD.
    pub fields: Vec<Field>,
    /// ANTENNA.
    pub antennas: Vec<MsAntenna>,
    /// The reference of the antennas' positions by casacore's name, `ITRF`; `None` where the table does not say.
    pub antenna_reference: Option<String>,
    /// POLARIZATION.
    pub polarizations: Vec<Polarization>,
    /// OBSERVATION; no row in some sets.
    pub observations: Vec<Observation>,
}

/// A row of SPECTRAL_WINDOW. Every window has its own number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpectralWindow {
    /// Its name; not unique, often empty.
    pub name: String,
    /// Channel centres, hertz, in the order of the data: rising or falling.
    pub freq_hz: Vec<f64>,
    /// Channel widths, hertz, one for each channel, signed as in the file: some writers give falling channels negative ones.
    pub width_hz: Vec<f64>,
    /// Effective noise bandwidths, hertz; `None` where the table has none.
    pub effective_bw_hz: Option<Vec<f64>>,
    /// Spectral resolutions, hertz; `None` where the table has none.
    pub resolution_hz: Option<Vec<f64>>,
    /// Reference frequency, hertz.
    pub ref_freq_hz: f64,
    /// Total bandwidth, hertz, as the file says it (0 in some).
    pub total_bandwidth_hz: f64,
    /// The frame of the frequencies by casacore's name, such as `TOPO` or `LSRK`; `None` for a code without a name.
    pub frame: Option<String>,
    /// Whether the row is flagged.
    pub flagged: bool,
}

impl SpectralWindow {
    /// The number of channels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.freq_hz.len()
    }

    /// Whether there is no channel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.freq_hz.is_empty()
    }

    /// Lowest and highest edge of a channel, hertz, whatever the order and sign of the channels; `None` without channels.
    #[must_use]
    pub fn edges_hz(&self) -> Option<(f64, f64)> {
        let edges = self.freq_hz.iter().zip(&self.width_hz).map(|(f, w)| (f - w.abs() / 2.0, f + w.abs() / 2.0));
        edges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

/// A row of DATA_DESCRIPTION: what the cells of a data row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDescription {
    /// Which of [`MsSubtables::windows`].
    pub window: usize,
    /// Which of [`MsSubtables::polarizations`].
    pub polarization: usize,
    /// Whether the row is flagged.
    pub flagged: bool,
}

/// A row of FIELD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name; not unique.
    pub name: String,
    /// Its code, often empty.
    pub code: String,
    /// The time that the polynomials start from.
    pub time: MjdSeconds,
    /// Row's SOURCE_ID; −1 for none.
    pub source_id: i32,
    /// PHASE_DIR: where the fringes are stopped.
    pub phase: FieldDirection,
    /// DELAY_DIR: where the delays are.
    pub delay: Option<FieldDirection>,
    /// REFERENCE_DIR.
    pub reference: Option<FieldDirection>,
    /// EPHEMERIS_ID of a moving source; `None` without the column or where it is −1.
    pub ephemeris_id: Option<i32>,
    /// Whether the row is flagged.
    pub flagged: bool,
}

/// A direction that may move: a polynomial in the seconds since [`Field::time`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldDirection {
    /// `[term, (longitude, latitude)]`: radians, then radians per second, and so on. At least one term.
    pub terms: Vec<[f64; 2]>,
    /// The reference by casacore's name, such as `J2000` or `ICRS`; `None` where the table does not say.
    pub frame: Option<String>,
}

impl FieldDirection {
    /// Longitude and latitude `seconds` after [`Field::time`], radians, in the direction's own frame. An ephemeris
    /// ([`Field::ephemeris_id`]) is not part of it.
    #[must_use]
    pub fn at(&self, seconds: f64) -> [f64; 2] {
        self.terms.iter().rev().fold([0.0; 2], |sum, term| [sum[0] * seconds + term[0], sum[1] * seconds + term[1]])
    }

    /// The direction, where it is constant and its frame is one that [`Frame`] has.
    #[must_use]
    pub fn fixed(&self) -> Option<Direction> {
        let [[lon_rad, lat_rad], moving @ ..] = self.terms.as_slice() else { return None };
        if moving.iter().any(|term| *term != [0.0; 2]) {
            return None;
        }
        let frame = match self.frame.as_deref()? {
            "ICRS" => Frame::Icrs,
            "J2000" => Frame::Fk5,
            "B1950" => Frame::Fk4,
            "APP" => Frame::Apparent,
            // AZEL is counted from the geocentric vertical, up to 0.19° away.
            "AZELGEO" | "AZELNEGEO" => Frame::AltAz,
            _ => return None,
        };
        Some(Direction { lon_rad: *lon_rad, lat_rad: *lat_rad, frame })
    }
}

/// A row of ANTENNA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MsAntenna {
    /// Its name; empty in some sets.
    pub name: String,
    /// The station (pad) that it stands on.
    pub station: String,
    /// `GROUND-BASED` and the like.
    pub kind: String,
    /// `ALT-AZ` and the like.
    pub mount: String,
    /// Position, metres, axes of [`MsSubtables::antenna_reference`] (geocentric ITRF).
    pub position_m: [f64; 3],
    /// Offset of the axes, metres.
    pub offset_m: [f64; 3],
    /// Diameter of the dish, metres.
    pub diameter_m: f64,
    /// Whether the row is flagged.
    pub flagged: bool,
}

/// A row of POLARIZATION.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Polarization {
    /// The correlations in the order of the data, as casacore's `Stokes` codes: XX is 9.
    pub codes: Vec<i32>,
    /// Which receptors of antenna 1 and antenna 2 gave each; `None` where the table has none.
    pub receptors: Option<Vec<[i32; 2]>>,
    /// Whether the row is flagged.
    pub flagged: bool,
}

impl Polarization {
    /// The correlations, where every code is one that [`Correlation`] has.
    #[must_use]
    pub fn correlations(&self) -> Option<Vec<Correlation>> {
        self.codes.iter().map(|&code| Correlation::from_casa(code)).collect()
    }
}

/// A row of OBSERVATION.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The telescope's name.
    pub telescope: String,
    /// Who observed.
    pub observer: String,
    /// The project.
    pub project: String,
    /// First and last time as the file says them; some writers leave (0, 0). [`MsRows::time_range`] is what the data say.
    pub time_range: [MjdSeconds; 2],
    /// The array's position, ITRF, metres: a column that pyuvdata and `ms-writer` add to the definition.
    pub location_m: Option<[f64; 3]>,
    /// Whether the row is flagged.
    pub flagged: bool,
}

/// The columns of MAIN and how they are stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MsLayout {
    /// The number of rows.
    pub rows: u64,
    /// The columns, in order.
    pub columns: Vec<MsColumn>,
    /// The storage managers.
    pub managers: Vec<MsManager>,
    /// The subtables that MAIN's keywords name, optional ones among them, and where they are.
    pub subtables: Vec<(String, std::path::PathBuf)>,
}

impl MsLayout {
    /// A column of MAIN; `None` when the set does not have it (CORRECTED_DATA, MODEL_DATA, WEIGHT_SPECTRUM, …).
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&MsColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The storage manager that holds a column.
    #[must_use]
    pub fn manager_of(&self, column: &str) -> Option<&MsManager> {
        self.managers.iter().find(|manager| manager.columns.iter().any(|name| name == column))
    }

    /// Where a subtable is.
    #[must_use]
    pub fn subtable(&self, name: &str) -> Option<&std::path::Path> {
        self.subtables.iter().find(|(known, _)| known == name).map(|(_, path)| path.as_path())
    }
}

/// A column of MAIN.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MsColumn {
    /// Its name.
    pub name: String,
    /// The type of its values, as numpy names it where it can.
    pub kind: String,
    /// The shape of its cells, the last axis fastest: empty for a scalar, `None` where it may differ by row.
    pub shape: Option<Vec<usize>>,
}

/// A storage manager of MAIN.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MsManager {
    /// Its kind by casacore's name: `TiledShapeStMan`, …
    pub kind: String,
    /// Its name in the table.
    pub name: String,
    /// The columns that it holds.
    pub columns: Vec<String>,
    /// The number N of its file `table.fN`.
    pub file: Option<u32>,
    /// The bytes of a bucket of the standard and incremental managers.
    pub bucket_bytes: Option<u64>,
    /// Shape of all cells of each set of tiles and shape of one tile, `[row, cell axes…]`, the last axis fastest.
    pub tiles: Vec<(Vec<usize>, Vec<usize>)>,
}

/// What the rows of MAIN are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MsRows {
    /// The number of rows.
    pub rows: u64,
    /// The distinct TIMEs, ascending: centres of the integrations.
    pub times: Vec<MjdSeconds>,
    /// The rows by what they belong to, ascending by all of it. Every row is in exactly one group.
    pub groups: Vec<RowGroup>,
}

/// Rows that share observation, array, scan, field and data description.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowGroup {
    /// OBSERVATION_ID.
    pub observation: i32,
    /// ARRAY_ID.
    pub array: i32,
    /// SCAN_NUMBER.
    pub scan: i32,
    /// FIELD_ID: which of [`MsSubtables::fields`].
    pub field: i32,
    /// DATA_DESC_ID: which of [`MsSubtables::data_descriptions`].
    pub data_description: i32,
    /// How many rows.
    pub rows: u64,
    /// First and last TIME (centres of integrations).
    pub time_range: [MjdSeconds; 2],
    /// Shortest and longest INTERVAL, seconds.
    pub interval_s: [f64; 2],
    /// Shortest and longest EXPOSURE, seconds.
    pub exposure_s: [f64; 2],
}

impl MsRows {
    /// First and last TIME (centres of integrations); `None` without rows.
    #[must_use]
    pub fn time_range(&self) -> Option<[MjdSeconds; 2]> {
        Some([*self.times.first()?, *self.times.last()?])
    }

    /// Shortest and longest INTERVAL, seconds; `None` without rows.
    #[must_use]
    pub fn interval_s(&self) -> Option<[f64; 2]> {
        self.groups.iter().map(|g| g.interval_s).reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])])
    }

    /// The fields that rows have, ascending.
    #[must_use]
    pub fn fields(&self) -> Vec<i32> {
        distinct(self.groups.iter().map(|g| g.field))
    }

    /// The data descriptions that rows have, ascending.
    #[must_use]
    pub fn data_descriptions(&self) -> Vec<i32> {
        distinct(self.groups.iter().map(|g| g.data_description))
    }

    /// The scan numbers that rows have, ascending. A scan number may occur in several observations and arrays.
    #[must_use]
    pub fn scans(&self) -> Vec<i32> {
        distinct(self.groups.iter().map(|g| g.scan))
    }
}

fn distinct(values: impl Iterator<Item = i32>) -> Vec<i32> {
    values.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_direction_is_a_polynomial() {
        let moving =
            FieldDirection { terms: vec![[1.0, 0.5], [0.25, -0.125], [2.0, 0.0]], frame: Some("J2000".into()) };
        assert_eq!(moving.at(0.0), [1.0, 0.5]);
        assert_eq!(moving.at(2.0), [1.0 + 0.5 + 8.0, 0.25]);
        assert_eq!(moving.fixed(), None);
        let still = FieldDirection { terms: vec![[1.0, 0.5], [0.0; 2]], frame: Some("ICRS".into()) };
        assert_eq!(still.fixed(), Some(Direction::icrs(1.0, 0.5)));
        // By casacore's measures at OVRO: AZELGEO agrees with the geodetic latitude, AZEL with the geocentric one.
        let frame = |name: &str| FieldDirection { terms: vec![[1.0, 0.5]], frame: Some(name.into()) }.fixed();
        assert_eq!(frame("AZELGEO").map(|d| d.frame), Some(Frame::AltAz));
        assert_eq!(frame("AZEL"), None);
    }

    #[test]
    fn edges_do_not_depend_on_order_or_sign() {
        let window = |freq_hz: [f64; 2], width: f64| SpectralWindow {
            name: String::new(),
            freq_hz: freq_hz.into(),
            width_hz: vec![width; 2],
            effective_bw_hz: None,
            resolution_hz: None,
            ref_freq_hz: freq_hz[0],
            total_bandwidth_hz: 0.0,
            frame: None,
            flagged: false,
        };
        assert_eq!(window([10.0, 12.0], 2.0).edges_hz(), Some((9.0, 13.0)));
        assert_eq!(window([12.0, 10.0], -2.0).edges_hz(), Some((9.0, 13.0)));
    }
}
