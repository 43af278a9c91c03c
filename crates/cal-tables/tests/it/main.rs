//! Calibration tables go to disk and come back, CASA's are read, and solutions are interpolated as promised.

mod fit;
mod interpolation;
mod real;
mod round_trip;

use cal_tables::{CalRow, CalTable, Complex32, Kind, MsAntenna, MsSubtables, SpectralWindow, Target, Values};

fn antenna(number: usize) -> MsAntenna {
    MsAntenna {
        name: format!("A{number}"),
        station: format!("P{number}"),
        kind: "GROUND-BASED".into(),
        mount: "ALT-AZ".into(),
        position_m: [-2.4e6 + 20.0 * number as f64, -4.5e6, 3.8e6],
        offset_m: [0.0; 3],
        diameter_m: 4.65,
        flagged: false,
    }
}

fn window(first_hz: f64, channels: usize) -> SpectralWindow {
    let width = 244_140.625;
    SpectralWindow {
        name: "SPW".into(),
        freq_hz: (0..channels).map(|k| first_hz + width * k as f64).collect(),
        width_hz: vec![width; channels],
        effective_bw_hz: None,
        resolution_hz: None,
        ref_freq_hz: first_hz,
        total_bandwidth_hz: width * channels as f64,
        frame: Some("TOPO".into()),
        flagged: false,
    }
}

fn subtables(antennas: usize, windows: &[(f64, usize)]) -> MsSubtables {
    MsSubtables {
        antennas: (0..antennas).map(antenna).collect(),
        windows: windows.iter().map(|&(first, channels)| window(first, channels)).collect(),
        ..MsSubtables::default()
    }
}

fn row(time_s: f64, antenna: usize, channels: usize, gain: impl Fn(usize, usize) -> Complex32) -> CalRow {
    let values: Vec<Complex32> = (0..channels).flat_map(|c| [gain(c, 0), gain(c, 1)]).collect();
    CalRow {
        time_s,
        interval_s: 60.0,
        field: 0,
        window: 0,
        antenna: antenna as i32,
        reference: 2,
        scan: 1,
        observation: 0,
        channels,
        receptors: 2,
        errors: vec![0.01; values.len()],
        flags: vec![false; values.len()],
        snr: vec![100.0; values.len()],
        values: Values::Gains(values),
    }
}

fn table(kind: Kind, subtables: &MsSubtables) -> CalTable {
    CalTable::new(kind, "night.ms", subtables)
}

/// Everything of a set's first window, from 5.2e9 s on for five minutes.
fn target(subtables: &MsSubtables) -> Target<'_> {
    Target {
        antennas: &subtables.antennas,
        with_data: &[true, true, true, true, true, true],
        number: 0,
        window: &subtables.windows[0],
        receptors: 2,
        time_range: (5.2e9, 5.2e9 + 300.0),
    }
}
