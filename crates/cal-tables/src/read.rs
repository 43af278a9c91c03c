//! Reading calibration tables, CASA's and ours.

use std::path::Path;

use casacore::{Complex32, Ragged, Table};
use vis_types::{MsAntenna, SpectralWindow};

use crate::error::{Error, Result};
use crate::table::{CalRow, CalTable, Kind, Values};

impl CalTable {
    /// Reads the table at `path`: all solutions, antennas with names and positions, windows with frequencies. Fields and
    /// observations, which say nothing that the set does not, are not read.
    ///
    /// # Errors
    ///
    /// [`Error::NotCalibration`], [`Error::Kind`]; [`Error::Row`] where a row contradicts itself or the subtables;
    /// [`Error::Table`].
    pub fn read(path: &Path) -> Result<Self> {
        let at = || Error::table(path, "read the calibration table");
        let main = Table::open(path).map_err(at())?;
        let keywords = main.keywords().map_err(at())?;
        let text = |name: &str| keywords.get(name).and_then(|value| value.as_str()).map(String::from);
        let Some(name) = text("VisCal") else {
            let found = "it has no keyword VisCal".into();
            return Err(Error::NotCalibration { path: path.into(), found });
        };
        let Some(kind) = Kind::from_name(&name) else { return Err(Error::Kind { path: path.into(), kind: name }) };
        let mut table = Self {
            kind,
            set: text("MSName").unwrap_or_default(),
            program: text("CASA_Version").unwrap_or_default(),
            rows: Vec::new(),
            antennas: antennas(&main).map_err(at())?,
            fields: Vec::new(),
            observations: Vec::new(),
            windows: windows(&main).map_err(at())?,
            history: Vec::new(),
        };
        table.rows = rows(&main, kind).map_err(at())?;
        for (number, row) in table.rows.iter().enumerate() {
            if let Some(found) = table.fault(row) {
                return Err(Error::Row { path: path.into(), row: number, found });
            }
        }
        Ok(table)
    }

    /// What a row contradicts.
    fn fault(&self, row: &CalRow) -> Option<String> {
        let values = row.channels * row.receptors;
        if [row.values.len(), row.flags.len()] != [values; 2] || !(1..=2).contains(&row.receptors) {
            let lengths = (row.values.len(), row.flags.len());
            return Some(format!("{lengths:?} solutions and flags for {} channels", row.channels));
        }
        if usize::try_from(row.antenna).map_or(true, |a| a >= self.antennas.len()) {
            return Some(format!("antenna {} of {}", row.antenna, self.antennas.len()));
        }
        let Some(window) = usize::try_from(row.window).ok().and_then(|w| self.windows.get(w)) else {
            return Some(format!("spectral window {} of {}", row.window, self.windows.len()));
        };
        if self.kind == Kind::Bandpass && row.channels != window.len() {
            return Some(format!("{} channels in a window of {}", row.channels, window.len()));
        }
        (self.kind != Kind::Bandpass && row.channels != 1).then(|| format!("{} channels", row.channels))
    }
}

fn antennas(main: &Table) -> casacore::Result<Vec<MsAntenna>> {
    let t = main.open_subtable("ANTENNA")?;
    let rows = 0..t.rows()?;
    let names = t.read_strings("NAME", rows.clone())?;
    let stations = t.read_strings("STATION", rows.clone())?;
    let positions: Vec<f64> = t.read_vec("POSITION", rows)?;
    let all = names.into_iter().zip(stations).zip(positions.chunks_exact(3));
    Ok(all
        .map(|((name, station), p)| MsAntenna {
            name,
            station,
            kind: String::new(),
            mount: String::new(),
            position_m: [p[0], p[1], p[2]],
            offset_m: [0.0; 3],
            diameter_m: 0.0,
            flagged: false,
        })
        .collect())
}

fn windows(main: &Table) -> casacore::Result<Vec<SpectralWindow>> {
    let t = main.open_subtable("SPECTRAL_WINDOW")?;
    let rows = 0..t.rows()?;
    let names = t.read_strings("NAME", rows.clone())?;
    let reference: Vec<f64> = t.read_vec("REF_FREQUENCY", rows.clone())?;
    let freq: Ragged<f64> = t.read_ragged("CHAN_FREQ", rows.clone())?;
    let width: Ragged<f64> = t.read_ragged("CHAN_WIDTH", rows)?;
    let cell = |cell: Option<(&[usize], &[f64])>| cell.map(|(_, values)| values.to_vec()).unwrap_or_default();
    let all = names.into_iter().zip(reference).zip(freq.cells().zip(width.cells()));
    Ok(all
        .map(|((name, ref_freq_hz), (freq, width))| SpectralWindow {
            name,
            freq_hz: cell(freq),
            width_hz: cell(width),
            effective_bw_hz: None,
            resolution_hz: None,
            ref_freq_hz,
            total_bandwidth_hz: 0.0,
            frame: None,
            flagged: false,
        })
        .collect())
}

fn rows(main: &Table, kind: Kind) -> casacore::Result<Vec<CalRow>> {
    let all = 0..main.rows()?;
    let int = |column: &str| main.read_vec::<i32>(column, all.clone());
    let real = |column: &str| main.read_vec::<f64>(column, all.clone());
    let (times, intervals) = (real("TIME")?, real("INTERVAL")?);
    let (fields, windows) = (int("FIELD_ID")?, int("SPECTRAL_WINDOW_ID")?);
    let (first, second) = (int("ANTENNA1")?, int("ANTENNA2")?);
    let (scans, observations) = (int("SCAN_NUMBER")?, int("OBSERVATION_ID")?);
    let flags: Ragged<bool> = main.read_ragged("FLAG", all.clone())?;
    let errors: Ragged<f32> = main.read_ragged("PARAMERR", all.clone())?;
    let snr: Ragged<f32> = main.read_ragged("SNR", all.clone())?;
    let values: Vec<(Vec<usize>, Values)> = if kind == Kind::Delay {
        let cells: Ragged<f32> = main.read_ragged("FPARAM", all)?;
        cells
            .cells()
            .map(|cell| {
                cell.map_or((vec![], Values::Delays(vec![])), |(s, v)| (s.to_vec(), Values::Delays(v.to_vec())))
            })
            .collect()
    } else {
        let cells: Ragged<Complex32> = main.read_ragged("CPARAM", all)?;
        cells
            .cells()
            .map(|cell| cell.map_or((vec![], Values::Gains(vec![])), |(s, v)| (s.to_vec(), Values::Gains(v.to_vec()))))
            .collect()
    };
    let arrays = values.into_iter().zip(flags.cells()).zip(errors.cells().zip(snr.cells()));
    Ok(arrays
        .enumerate()
        .map(|(row, (((shape, values), flags), (errors, snr)))| {
            let length = values.len();
            // PARAMERR and SNR are not needed for applying; some programs leave them undefined.
            let filled = |cell: Option<(&[usize], &[f32])>| match cell {
                Some((_, values)) if values.len() == length => values.to_vec(),
                _ => vec![0.0; length],
            };
            CalRow {
                time_s: times[row],
                interval_s: intervals[row],
                field: fields[row],
                window: windows[row],
                antenna: first[row],
                reference: second[row],
                scan: scans[row],
                observation: observations[row],
                channels: shape.first().copied().unwrap_or(0),
                receptors: shape.get(1).copied().unwrap_or(0),
                values,
                errors: filled(errors),
                flags: flags.map(|(_, flags)| flags.to_vec()).unwrap_or_default(),
                snr: filled(snr),
            }
        })
        .collect())
}
