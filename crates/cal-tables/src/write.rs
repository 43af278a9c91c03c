//! Writing a calibration table as CASA writes it.

use std::path::Path;

use casacore::{ColumnDesc, Layout, Ragged, Table, TableInfo};

use crate::error::{Error, Result};
use crate::schema;
use crate::table::{CalTable, Kind, Values};

/// The subtables that MAIN's keywords name, in CASA's order.
const SUBTABLES: [&str; 5] = ["OBSERVATION", "ANTENNA", "FIELD", "SPECTRAL_WINDOW", "HISTORY"];

impl CalTable {
    /// Writes the table to `path`, which must not exist. Not durable, and not safe against a crash: stage it
    /// (crate `publish`) and give it its name when it is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Row`] where the arrays of a row do not fit together; [`Error::Table`].
    pub fn write(&self, path: &Path) -> Result<()> {
        self.check(path)?;
        let mut layout = Layout::new();
        for column in schema::main(self.kind) {
            layout = layout.column(column);
        }
        layout = layout
            .keyword("ParType", if self.kind == Kind::Delay { "Float" } else { "Complex" })
            .keyword("MSName", self.set.as_str())
            .keyword("VisCal", self.kind.name())
            .keyword("PolBasis", "unknown")
            .keyword("CASA_Version", self.program.as_str());
        let at = || Error::table(path, "write the calibration table");
        let mut main = layout.create(path, self.rows.len() as u64).map_err(at())?;
        let info = TableInfo { kind: "Calibration".into(), subtype: self.kind.name().into(), readme: String::new() };
        main.put_info(&info).map_err(at())?;
        self.solutions(&mut main).map_err(at())?;
        self.antennas(path).map_err(at())?;
        self.fields(path).map_err(at())?;
        self.observations(path).map_err(at())?;
        self.spectral_windows(path).map_err(at())?;
        self.history(path).map_err(at())?;
        for name in SUBTABLES {
            main.put_subtable(name, path.join(name)).map_err(at())?;
        }
        main.close().map_err(at())
    }

    fn check(&self, path: &Path) -> Result<()> {
        for (number, row) in self.rows.iter().enumerate() {
            let values = row.channels * row.receptors;
            let found = if [row.values.len(), row.errors.len(), row.flags.len(), row.snr.len()] != [values; 4] {
                "arrays of different lengths"
            } else if (self.kind == Kind::Delay) != matches!(row.values, Values::Delays(_)) {
                "gains in a table of delays, or delays in a table of gains"
            } else {
                continue;
            };
            return Err(Error::Row { path: path.into(), row: number, found: found.into() });
        }
        Ok(())
    }

    fn solutions(&self, main: &mut Table) -> casacore::Result<()> {
        let rows = 0..self.rows.len() as u64;
        macro_rules! put {
            ($column:literal, $field:ident) => {
                let values: Vec<_> = self.rows.iter().map(|row| row.$field).collect();
                main.write($column, rows.clone(), &values)?;
            };
        }
        put!("TIME", time_s);
        put!("FIELD_ID", field);
        put!("SPECTRAL_WINDOW_ID", window);
        put!("ANTENNA1", antenna);
        put!("ANTENNA2", reference);
        put!("INTERVAL", interval_s);
        put!("SCAN_NUMBER", scan);
        put!("OBSERVATION_ID", observation);
        let shapes = || self.rows.iter().map(|row| Some(vec![row.channels, row.receptors])).collect::<Vec<_>>();
        macro_rules! arrays {
            ($column:literal, $values:expr) => {
                let values = self.rows.iter().flat_map($values).collect();
                main.write_ragged($column, rows.clone(), &Ragged { shapes: shapes(), values })?;
            };
        }
        if self.kind == Kind::Delay {
            arrays!("FPARAM", |row| match &row.values {
                Values::Delays(values) => values.clone(),
                Values::Gains(_) => Vec::new(),
            });
        } else {
            arrays!("CPARAM", |row| match &row.values {
                Values::Gains(values) => values.clone(),
                Values::Delays(_) => Vec::new(),
            });
        }
        arrays!("PARAMERR", |row| row.errors.clone());
        arrays!("FLAG", |row| row.flags.clone());
        arrays!("SNR", |row| row.snr.clone());
        Ok(())
    }

    fn antennas(&self, path: &Path) -> casacore::Result<()> {
        let all = &self.antennas;
        let mut t = Sub::create(path, "ANTENNA", schema::antenna("ITRF"), all.len())?;
        t.values("OFFSET", all.iter().flat_map(|a| a.offset_m).collect())?;
        t.values("POSITION", all.iter().flat_map(|a| a.position_m).collect())?;
        t.values("DISH_DIAMETER", all.iter().map(|a| a.diameter_m).collect())?;
        t.values("FLAG_ROW", all.iter().map(|a| a.flagged).collect())?;
        t.texts("TYPE", all.iter().map(|a| a.kind.as_str()).collect())?;
        t.texts("MOUNT", all.iter().map(|a| a.mount.as_str()).collect())?;
        t.texts("NAME", all.iter().map(|a| a.name.as_str()).collect())?;
        t.texts("STATION", all.iter().map(|a| a.station.as_str()).collect())?;
        t.0.close()
    }

    fn fields(&self, path: &Path) -> casacore::Result<()> {
        let all = &self.fields;
        let frame = all.first().and_then(|f| f.phase.frame.as_deref()).unwrap_or("J2000");
        let mut t = Sub::create(path, "FIELD", schema::field(frame), all.len())?;
        t.texts("CODE", all.iter().map(|f| f.code.as_str()).collect())?;
        t.texts("NAME", all.iter().map(|f| f.name.as_str()).collect())?;
        t.values("FLAG_ROW", all.iter().map(|f| f.flagged).collect())?;
        t.values("SOURCE_ID", all.iter().map(|f| f.source_id).collect())?;
        t.values("TIME", all.iter().map(|f| f.time.0).collect())?;
        // All three polynomials have the same number of terms in CASA's tables: that of the longest.
        let direction = |f: &vis_types::Field, name: &str| match name {
            "DELAY_DIR" => f.delay.as_ref().unwrap_or(&f.phase).terms.clone(),
            "REFERENCE_DIR" => f.reference.as_ref().unwrap_or(&f.phase).terms.clone(),
            _ => f.phase.terms.clone(),
        };
        const DIRECTIONS: [&str; 3] = ["DELAY_DIR", "PHASE_DIR", "REFERENCE_DIR"];
        let terms = |f: &vis_types::Field| {
            DIRECTIONS.map(|name| direction(f, name).len()).into_iter().max().unwrap_or(1).max(1)
        };
        t.values("NUM_POLY", all.iter().map(|f| terms(f) as i32 - 1).collect())?;
        for name in DIRECTIONS {
            let padded = all.iter().map(|f| {
                let mut all = direction(f, name);
                all.resize(terms(f), [0.0; 2]);
                all
            });
            let padded: Vec<Vec<[f64; 2]>> = padded.collect();
            let shapes = padded.iter().map(|terms| Some(vec![terms.len(), 2])).collect();
            let values = padded.iter().flatten().flatten().copied().collect();
            t.0.write_ragged(name, 0..all.len() as u64, &Ragged { shapes, values })?;
        }
        t.0.close()
    }

    fn observations(&self, path: &Path) -> casacore::Result<()> {
        let all = &self.observations;
        let mut columns = schema::observation();
        let locations: Option<Vec<[f64; 3]>> = all.iter().map(|o| o.location_m).collect();
        if locations.is_some() {
            columns.push(schema::telescope_location());
        }
        let mut t = Sub::create(path, "OBSERVATION", columns, all.len())?;
        if let Some(locations) = locations {
            t.values("TELESCOPE_LOCATION", locations.into_iter().flatten().collect())?;
        }
        t.values("TIME_RANGE", all.iter().flat_map(|o| o.time_range.map(|t| t.0)).collect())?;
        t.values("FLAG_ROW", all.iter().map(|o| o.flagged).collect())?;
        t.values("RELEASE_DATE", vec![0.0_f64; all.len()])?;
        t.texts("OBSERVER", all.iter().map(|o| o.observer.as_str()).collect())?;
        t.texts("PROJECT", all.iter().map(|o| o.project.as_str()).collect())?;
        t.texts("SCHEDULE_TYPE", vec![""; all.len()])?;
        t.texts("TELESCOPE_NAME", all.iter().map(|o| o.telescope.as_str()).collect())?;
        t.0.close()
    }

    fn spectral_windows(&self, path: &Path) -> casacore::Result<()> {
        let all = &self.windows;
        let mut t = Sub::create(path, "SPECTRAL_WINDOW", schema::spectral_window(), all.len())?;
        let frame = |name: &Option<String>| {
            let place = schema::FREQUENCY_FRAMES.iter().position(|known| Some(*known) == name.as_deref());
            place.filter(|&place| place < 9).map_or(64, |place| place as i32)
        };
        t.values("MEAS_FREQ_REF", all.iter().map(|w| frame(&w.frame)).collect())?;
        t.values("REF_FREQUENCY", all.iter().map(|w| w.ref_freq_hz).collect())?;
        t.values("TOTAL_BANDWIDTH", all.iter().map(|w| w.total_bandwidth_hz).collect())?;
        t.values("NUM_CHAN", all.iter().map(|w| w.len() as i32).collect())?;
        t.values("NET_SIDEBAND", vec![1_i32; all.len()])?;
        t.values("FREQ_GROUP", vec![0_i32; all.len()])?;
        t.values("IF_CONV_CHAIN", vec![0_i32; all.len()])?;
        t.values("FLAG_ROW", all.iter().map(|w| w.flagged).collect())?;
        t.texts("NAME", all.iter().map(|w| w.name.as_str()).collect())?;
        t.texts("FREQ_GROUP_NAME", vec!["none"; all.len()])?;
        let lengths: Vec<_> = all.iter().map(|w| Some(vec![w.len()])).collect();
        type Column = fn(&vis_types::SpectralWindow) -> &Vec<f64>;
        let columns: [(&str, Column); 4] = [
            ("CHAN_FREQ", |w| &w.freq_hz),
            ("CHAN_WIDTH", |w| &w.width_hz),
            ("EFFECTIVE_BW", |w| w.effective_bw_hz.as_ref().unwrap_or(&w.width_hz)),
            ("RESOLUTION", |w| w.resolution_hz.as_ref().unwrap_or(&w.width_hz)),
        ];
        for (name, values) in columns {
            let values = all.iter().flat_map(|w| values(w).iter().copied()).collect();
            t.0.write_ragged(name, 0..all.len() as u64, &Ragged { shapes: lengths.clone(), values })?;
        }
        t.0.close()
    }

    fn history(&self, path: &Path) -> casacore::Result<()> {
        let lines = &self.history;
        let mut t = Sub::create(path, "HISTORY", schema::history(), lines.len())?;
        let time = self.time_range().map_or(0.0, |range| range.1);
        t.texts("MESSAGE", lines.iter().map(String::as_str).collect())?;
        t.texts("APPLICATION", vec![self.program.as_str(); lines.len()])?;
        t.texts("ORIGIN", vec!["contimg"; lines.len()])?;
        t.texts("PRIORITY", vec!["NORMAL"; lines.len()])?;
        t.values("OBJECT_ID", vec![0_i32; lines.len()])?;
        t.values("OBSERVATION_ID", vec![-1_i32; lines.len()])?;
        t.values("TIME", vec![time; lines.len()])?;
        for name in ["APP_PARAMS", "CLI_COMMAND"] {
            let shapes = vec![Some(vec![1]); lines.len()];
            let values = vec![String::new(); lines.len()];
            t.0.write_ragged_strings(name, 0..lines.len() as u64, &Ragged { shapes, values })?;
        }
        t.0.close()
    }
}

/// A subtable that is being filled.
struct Sub(Table, u64);

impl Sub {
    fn create(path: &Path, name: &str, columns: Vec<ColumnDesc>, rows: usize) -> casacore::Result<Self> {
        let layout = columns.into_iter().fold(Layout::new(), Layout::column);
        Ok(Self(layout.create(path.join(name), rows as u64)?, rows as u64))
    }

    fn values<T: casacore::Element>(&mut self, column: &str, values: Vec<T>) -> casacore::Result<()> {
        self.0.write(column, 0..self.1, &values)
    }

    fn texts(&mut self, column: &str, values: Vec<&str>) -> casacore::Result<()> {
        self.0.write_strings(column, 0..self.1, &values)
    }
}
