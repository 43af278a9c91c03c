//! The subtables, filled with what the header knows.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use casacore::{ColumnDesc, Record, Value};
use vis_types::{Correlation, MjdSeconds, VisHeader};

use crate::centres::{Centres, casacore_name};
use crate::layout::Layout;
use crate::table::Filler;
use crate::{Error, MsOptions, schema};

/// An interval that means "always"; CASA's own programs write it.
const FOREVER_S: f64 = 1e30;

/// The tables that MAIN's keywords name; SOURCE is optional in the definition and always there in ours.
pub(crate) const NAMES: [&str; 13] = [
    "ANTENNA",
    "DATA_DESCRIPTION",
    "FEED",
    "FIELD",
    "FLAG_CMD",
    "HISTORY",
    "OBSERVATION",
    "POINTING",
    "POLARIZATION",
    "PROCESSOR",
    "SOURCE",
    "SPECTRAL_WINDOW",
    "STATE",
];

/// What the subtables are made of.
pub(crate) struct Contents<'a> {
    pub(crate) path: &'a Path,
    pub(crate) header: &'a VisHeader,
    pub(crate) options: &'a MsOptions,
    pub(crate) layout: &'a Layout,
    pub(crate) centres: &'a Centres,
    /// Geocentric positions of the antennas, ITRF, metres.
    pub(crate) positions_m: &'a [[f64; 3]],
    pub(crate) time_range: [MjdSeconds; 2],
}

impl Contents<'_> {
    /// Makes every subtable.
    pub(crate) fn write(&self) -> Result<(), Error> {
        self.antenna()?;
        self.data_description()?;
        self.feed()?;
        self.field()?;
        self.make("FLAG_CMD", schema::flag_cmd(), 0)?.close()?;
        self.history()?;
        self.observation()?;
        self.pointing()?;
        self.polarization()?;
        self.processor()?;
        self.source()?;
        self.spectral_window()?;
        self.state()
    }

    fn make(&self, name: &'static str, columns: Vec<ColumnDesc>, rows: usize) -> Result<Filler, Error> {
        Filler::create(self.path, name, columns, rows)
    }

    fn middle(&self) -> f64 {
        (self.time_range[0].0 + self.time_range[1].0) / 2.0
    }

    fn antenna(&self) -> Result<(), Error> {
        let telescope = &self.header.telescope;
        let n = telescope.antennas.len();
        let names: Vec<&str> = telescope.antennas.iter().map(|a| a.name.as_str()).collect();
        let mount = |i: usize| {
            telescope.mounts.get(i).map(String::as_str).filter(|m| !m.is_empty()).unwrap_or(&self.options.mount)
        };
        let mut t = self.make("ANTENNA", schema::antenna(), n)?;
        t.texts("NAME", &names)?;
        t.texts("STATION", &names)?;
        t.texts("TYPE", &vec!["GROUND-BASED"; n])?;
        t.texts("MOUNT", &(0..n).map(mount).collect::<Vec<_>>())?;
        t.values("POSITION", self.positions_m.as_flattened())?;
        t.values("OFFSET", &vec![0.0_f64; 3 * n])?;
        t.values("DISH_DIAMETER", &telescope.antennas.iter().map(|a| a.diameter_m.unwrap_or(0.0)).collect::<Vec<_>>())?;
        t.values("FLAG_ROW", &vec![false; n])?;
        t.close()
    }

    fn data_description(&self) -> Result<(), Error> {
        let n = self.layout.windows.len();
        let mut t = self.make("DATA_DESCRIPTION", schema::data_description(), n)?;
        t.values("SPECTRAL_WINDOW_ID", &(0..n as i32).collect::<Vec<_>>())?;
        t.values("POLARIZATION_ID", &vec![0_i32; n])?;
        t.values("FLAG_ROW", &vec![false; n])?;
        t.close()
    }

    fn feed(&self) -> Result<(), Error> {
        let n = self.header.telescope.antennas.len();
        let receptors = receptors(&self.layout.correlations);
        let mut t = self.make("FEED", schema::feed(), n)?;
        t.values("ANTENNA_ID", &(0..n as i32).collect::<Vec<_>>())?;
        t.values("BEAM_ID", &vec![-1_i32; n])?;
        t.values("FEED_ID", &vec![0_i32; n])?;
        // −1: for every spectral window.
        t.values("SPECTRAL_WINDOW_ID", &vec![-1_i32; n])?;
        t.values("NUM_RECEPTORS", &vec![2_i32; n])?;
        t.values("TIME", &vec![self.middle(); n])?;
        t.values("INTERVAL", &vec![FOREVER_S; n])?;
        t.values("POSITION", &vec![0.0_f64; 3 * n])?;
        t.arrays("BEAM_OFFSET", &[2, 2], &vec![0.0_f64; 4 * n])?;
        t.arrays("RECEPTOR_ANGLE", &[2], &vec![0.0_f64; 2 * n])?;
        t.text_arrays("POLARIZATION_TYPE", &[2], &receptors.repeat(n))?;
        let identity = [1.0, 0.0, 0.0, 1.0].map(|re| num_complex::Complex32::new(re, 0.0));
        t.arrays("POL_RESPONSE", &[2, 2], &identity.repeat(n))?;
        t.close()
    }

    fn frame_name(&self) -> &'static str {
        self.centres.fields.first().map_or("ICRS", |f| casacore_name(f.direction.frame))
    }

    fn field(&self) -> Result<(), Error> {
        let fields = &self.centres.fields;
        let n = fields.len();
        let columns = with_frame(schema::field(), &["PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"], self.frame_name());
        let mut t = self.make("FIELD", columns, n)?;
        t.texts("NAME", &fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>())?;
        t.texts("CODE", &vec![""; n])?;
        t.values("TIME", &fields.iter().map(|f| f.time.0).collect::<Vec<_>>())?;
        t.values("NUM_POLY", &vec![0_i32; n])?;
        t.values("SOURCE_ID", &(0..n as i32).collect::<Vec<_>>())?;
        t.values("FLAG_ROW", &vec![false; n])?;
        let directions: Vec<f64> = fields.iter().flat_map(|f| [f.direction.lon_rad, f.direction.lat_rad]).collect();
        for column in ["PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"] {
            t.arrays(column, &[1, 2], &directions)?;
        }
        t.close()
    }

    fn source(&self) -> Result<(), Error> {
        let fields = &self.centres.fields;
        let n = fields.len();
        let mut t = self.make("SOURCE", with_frame(schema::source(), &["DIRECTION"], self.frame_name()), n)?;
        t.texts("NAME", &fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>())?;
        t.texts("CODE", &vec![""; n])?;
        t.values("TIME", &vec![self.middle(); n])?;
        t.values("INTERVAL", &vec![FOREVER_S; n])?;
        t.values("NUM_LINES", &vec![0_i32; n])?;
        t.values("CALIBRATION_GROUP", &vec![0_i32; n])?;
        t.values("SOURCE_ID", &(0..n as i32).collect::<Vec<_>>())?;
        t.values("SPECTRAL_WINDOW_ID", &vec![-1_i32; n])?;
        t.values(
            "DIRECTION",
            &fields.iter().flat_map(|f| [f.direction.lon_rad, f.direction.lat_rad]).collect::<Vec<_>>(),
        )?;
        t.values("PROPER_MOTION", &vec![0.0_f64; 2 * n])?;
        t.close()
    }

    fn history(&self) -> Result<(), Error> {
        let p = &self.options.provenance;
        let lines: Vec<&str> = self.header.history.lines().filter(|l| !l.trim().is_empty()).collect();
        let n = lines.len() + 1;
        let application = if p.application.is_empty() { "ms-writer" } else { &p.application };
        let message = if p.message.is_empty() { "Measurement Set written from UVH5 visibilities" } else { &p.message };
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The Unix epoch is MJD 40587.
        let time = p.time.unwrap_or_else(now).as_secs_f64() + 40_587.0 * 86_400.0;
        let mut t = self.make("HISTORY", schema::history(), n)?;
        let column = |first: &'_ str, rest: &'_ str| -> Vec<String> {
            std::iter::once(first).chain(lines.iter().map(|_| rest)).map(str::to_owned).collect()
        };
        t.texts("MESSAGE", &std::iter::once(message).chain(lines.iter().copied()).collect::<Vec<_>>())?;
        t.texts("APPLICATION", &column(application, "UVH5 history"))?;
        t.texts("ORIGIN", &column(application, "UVH5 history"))?;
        t.texts("PRIORITY", &vec!["NORMAL"; n])?;
        t.values("OBJECT_ID", &vec![0_i32; n])?;
        t.values("OBSERVATION_ID", &vec![0_i32; n])?;
        t.values("TIME", &vec![time; n])?;
        let or_empty = |list: &[String]| if list.is_empty() { vec![String::new()] } else { list.to_vec() };
        for (name, first) in [("CLI_COMMAND", or_empty(&p.command)), ("APP_PARAMS", or_empty(&p.parameters))] {
            let rest = lines.iter().map(|_| vec![String::new()]);
            t.text_lists(name, &std::iter::once(first).chain(rest).collect::<Vec<_>>())?;
        }
        t.close()
    }

    fn observation(&self) -> Result<(), Error> {
        let telescope = &self.header.telescope;
        let name = self.options.telescope_name.as_deref().unwrap_or(&telescope.name);
        let observer = self
            .header
            .extra
            .iter()
            .find(|(k, _)| k.eq_ignore_ascii_case("observer"))
            .map_or(name, |(_, v)| v.as_str());
        let mut columns = schema::observation();
        // Not in the definition: pyuvdata writes and reads it, since a Measurement Set has no place for the array's own position.
        columns.push(
            ColumnDesc::fixed("TELESCOPE_LOCATION", casacore::DataType::F64, [3])
                .comment("Position of the array's centre, ITRF, m"),
        );
        let mut t = self.make("OBSERVATION", columns, 1)?;
        t.values("TIME_RANGE", &self.time_range.map(|t| t.0))?;
        t.text_lists("LOG", &[vec![String::new()]])?;
        t.text_lists("SCHEDULE", &[vec![String::new()]])?;
        t.values("FLAG_ROW", &[false])?;
        t.texts("OBSERVER", &[observer])?;
        t.texts("PROJECT", &[self.header.object_name.as_str()])?;
        t.values("RELEASE_DATE", &[self.time_range[1].0])?;
        t.texts("SCHEDULE_TYPE", &[""])?;
        t.texts("TELESCOPE_NAME", &[name])?;
        t.values("TELESCOPE_LOCATION", &telescope.location_itrf_m)?;
        t.close()
    }

    /// One row for each antenna and time, where the files say what the dishes look at.
    fn pointing(&self) -> Result<(), Error> {
        let antennas = self.header.telescope.antennas.len();
        let track = self.centres.pointing.as_deref().unwrap_or_default();
        let times = self.header.rows.times();
        let n = antennas * track.len();
        let frame = track.first().map_or("ICRS", |d| casacore_name(d.frame));
        let mut t = self.make("POINTING", with_frame(schema::pointing(), &["DIRECTION", "TARGET"], frame), n)?;
        if n == 0 {
            return t.close();
        }
        let each = |f: &dyn Fn(usize) -> f64| {
            (0..track.len()).flat_map(|i| std::iter::repeat_n(f(i), antennas)).collect::<Vec<_>>()
        };
        let mjd = each(&|i| MjdSeconds::from(times[i]).0);
        t.values("ANTENNA_ID", &(0..n).map(|i| (i % antennas) as i32).collect::<Vec<_>>())?;
        t.values("TIME", &mjd)?;
        t.values("TIME_ORIGIN", &mjd)?;
        let interval = |i: usize| self.header.rows.row(i * self.header.rows.len() / times.len()).interval_s;
        t.values("INTERVAL", &each(&interval))?;
        t.values("NUM_POLY", &vec![0_i32; n])?;
        t.values("TRACKING", &vec![false; n])?;
        t.texts("NAME", &vec![self.header.object_name.as_str(); n])?;
        let directions: Vec<f64> =
            track.iter().flat_map(|d| std::iter::repeat_n([d.lon_rad, d.lat_rad], antennas)).flatten().collect();
        t.arrays("DIRECTION", &[1, 2], &directions)?;
        t.arrays("TARGET", &[1, 2], &directions)?;
        t.close()
    }

    fn polarization(&self) -> Result<(), Error> {
        let c = &self.layout.correlations;
        let mut t = self.make("POLARIZATION", schema::polarization(), 1)?;
        t.arrays("CORR_TYPE", &[c.len()], &c.iter().map(|c| c.casa()).collect::<Vec<_>>())?;
        t.arrays("CORR_PRODUCT", &[c.len(), 2], &c.iter().flat_map(|&c| product(c)).collect::<Vec<_>>())?;
        t.values("NUM_CORR", &[c.len() as i32])?;
        t.values("FLAG_ROW", &[false])?;
        t.close()
    }

    fn processor(&self) -> Result<(), Error> {
        let mut t = self.make("PROCESSOR", schema::processor(), 1)?;
        t.texts("TYPE", &["CORRELATOR"])?;
        t.texts("SUB_TYPE", &[self.header.telescope.instrument.as_str()])?;
        t.values("TYPE_ID", &[-1_i32])?;
        t.values("MODE_ID", &[-1_i32])?;
        t.values("FLAG_ROW", &[false])?;
        t.close()
    }

    fn spectral_window(&self) -> Result<(), Error> {
        /// casacore's `MFrequency::TOPO`: the channels are those of the correlator.
        const TOPOCENTRIC: i32 = 5;
        let windows = &self.layout.windows;
        let n = windows.len();
        let mut t = self.make("SPECTRAL_WINDOW", schema::spectral_window(), n)?;
        t.texts("NAME", &windows.iter().map(|w| w.name.as_str()).collect::<Vec<_>>())?;
        t.values("NUM_CHAN", &windows.iter().map(|w| w.freq_hz.len() as i32).collect::<Vec<_>>())?;
        t.values("REF_FREQUENCY", &windows.iter().map(|w| w.freq_hz[0]).collect::<Vec<_>>())?;
        t.values("TOTAL_BANDWIDTH", &windows.iter().map(|w| w.width_hz.iter().sum()).collect::<Vec<f64>>())?;
        t.values("MEAS_FREQ_REF", &vec![TOPOCENTRIC; n])?;
        t.values("NET_SIDEBAND", &vec![1_i32; n])?;
        t.values("FREQ_GROUP", &vec![0_i32; n])?;
        t.texts("FREQ_GROUP_NAME", &vec![""; n])?;
        t.values("IF_CONV_CHAIN", &vec![0_i32; n])?;
        t.values("FLAG_ROW", &vec![false; n])?;
        for (row, window) in windows.iter().enumerate() {
            t.array("CHAN_FREQ", row, &[window.freq_hz.len()], &window.freq_hz)?;
            for column in ["CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION"] {
                t.array(column, row, &[window.width_hz.len()], &window.width_hz)?;
            }
        }
        t.close()
    }

    fn state(&self) -> Result<(), Error> {
        let mut t = self.make("STATE", schema::state(), 1)?;
        t.values("CAL", &[0.0_f64])?;
        t.values("LOAD", &[0.0_f64])?;
        t.texts("OBS_MODE", &["OBSERVE_TARGET#ON_SOURCE"])?;
        t.values("REF", &[false])?;
        t.values("SIG", &[true])?;
        t.values("SUB_SCAN", &[0_i32])?;
        t.values("FLAG_ROW", &[false])?;
        t.close()
    }
}

/// Names another frame in the MEASINFO of columns.
fn with_frame(mut columns: Vec<ColumnDesc>, names: &[&str], frame: &str) -> Vec<ColumnDesc> {
    for column in columns.iter_mut().filter(|c| names.contains(&c.name.as_str())) {
        column.keywords.insert("MEASINFO", Value::Record(Record::new().with("type", "direction").with("Ref", frame)));
    }
    columns
}

/// The two receptors of the feeds that gave these correlations.
fn receptors(correlations: &[Correlation]) -> [&'static str; 2] {
    use Correlation as C;
    if correlations.iter().any(|c| matches!(c, C::RR | C::RL | C::LR | C::LL)) { ["R", "L"] } else { ["X", "Y"] }
}

/// Which receptors of antenna 1 and 2 gave a correlation; for Stokes parameters as CASA's importuvfits has it.
fn product(correlation: Correlation) -> [i32; 2] {
    use Correlation as C;
    match correlation {
        C::XX | C::RR | C::I => [0, 0],
        C::XY | C::RL | C::U => [0, 1],
        C::YX | C::LR | C::V => [1, 0],
        C::YY | C::LL | C::Q => [1, 1],
    }
}
