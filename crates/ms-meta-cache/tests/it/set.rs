//! A Measurement Set of the original pipeline's shape, as far as metadata go: its subtables in full, and MAIN without
//! visibilities but for one tiled column.

use std::path::Path;

use casacore::{Array, Bucket, ColumnDesc, DataType, Layout, Manager, Ragged, Record, Table, Value, Values};

/// How large.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) windows: usize,
    pub(crate) channels: usize,
    pub(crate) fields: usize,
    pub(crate) antennas: usize,
    /// Rows of each window and field.
    pub(crate) rows: usize,
}

/// Sixteen windows of 48 channels, 24 fields, 117 antennas; the full set has 4656 rows of each window and field.
pub(crate) const ORIGINAL: Shape = Shape { windows: 16, channels: 48, fields: 24, antennas: 117, rows: 3 };

/// Makes it. Closed when this returns.
pub(crate) fn make(path: &Path, shape: &Shape) -> casacore::Result<()> {
    make_main(path, shape)?;
    let mut main = Table::open_rw(path)?;
    for (name, make) in [
        ("SPECTRAL_WINDOW", spectral_window as fn(&Path, &Shape) -> casacore::Result<()>),
        ("DATA_DESCRIPTION", data_description),
        ("FIELD", field),
        ("ANTENNA", antenna),
        ("POLARIZATION", polarization),
        ("OBSERVATION", observation),
    ] {
        make(&path.join(name), shape)?;
        main.put_subtable(name, path.join(name))?;
    }
    main.close()
}

fn scalar(name: &str, kind: DataType) -> ColumnDesc {
    ColumnDesc::scalar(name, kind)
}

fn table(path: &Path, columns: Vec<ColumnDesc>, rows: usize) -> casacore::Result<Table> {
    let manager = Manager::standard("StandardStMan", Bucket::Rows(rows.clamp(1, 1024) as u32));
    let manager = manager.holding(columns.iter().map(|column| column.name.clone()));
    columns.into_iter().fold(Layout::new(), Layout::column).manager(manager).create(path, rows as u64)
}

fn repeated<T: Clone>(rows: usize, shape: &[usize], values: Vec<T>) -> Ragged<T> {
    Ragged { shapes: vec![Some(shape.to_vec()); rows], values }
}

/// TIME of integration `i`, seconds of MJD.
pub(crate) fn time(i: usize) -> f64 {
    5_275_929_919.25 + 12.884_901_888 * i as f64
}

/// The centre of channel `c` of window `w`, hertz.
pub(crate) fn freq(shape: &Shape, w: usize, c: usize) -> f64 {
    1.311e9 + 244_140.625 * (w * shape.channels + c) as f64
}

fn make_main(path: &Path, shape: &Shape) -> casacore::Result<()> {
    let ids = ["OBSERVATION_ID", "ARRAY_ID", "SCAN_NUMBER", "FIELD_ID"];
    let seconds = ["TIME", "INTERVAL", "EXPOSURE"];
    let mut layout = Layout::new().column(ColumnDesc::fixed("DATA", DataType::Complex32, [1, 2]));
    layout = layout.manager(Manager::tiled_column("TiledData", [8192, 1, 2]).holding(["DATA"]));
    for (name, kind) in ids.map(|n| (n, DataType::I32)).into_iter().chain(seconds.map(|n| (n, DataType::F64))) {
        layout = layout.column(scalar(name, kind)).manager(Manager::incremental(name, 32768).holding([name]));
    }
    for name in ["DATA_DESC_ID", "FLAG_ROW"] {
        let kind = if name == "FLAG_ROW" { DataType::Bool } else { DataType::I32 };
        layout = layout.column(scalar(name, kind)).manager(Manager::standard(name, Bucket::Rows(8192)).holding([name]));
    }
    let per_field = shape.rows as u64;
    let mut main = layout.create(path, per_field * (shape.windows * shape.fields) as u64)?;
    let mut first = 0;
    for window in 0..shape.windows {
        for field in 0..shape.fields {
            let range = first..first + per_field;
            first = range.end;
            main.write("DATA_DESC_ID", range.clone(), &vec![window as i32; shape.rows])?;
            for (name, id) in
                [("OBSERVATION_ID", 0), ("ARRAY_ID", 0), ("SCAN_NUMBER", field as i32 + 1), ("FIELD_ID", field as i32)]
            {
                main.write(name, range.clone(), &vec![id; shape.rows])?;
            }
            for (name, value) in [("TIME", time(field)), ("INTERVAL", 12.884_901_888), ("EXPOSURE", 12.5)] {
                main.write(name, range.clone(), &vec![value; shape.rows])?;
            }
        }
    }
    main.close()
}

fn spectral_window(path: &Path, shape: &Shape) -> casacore::Result<()> {
    let (n, channels) = (shape.windows, shape.channels);
    let codes = Array { shape: vec![2], values: Values::U32(vec![5, 1]) };
    let variable = Record::new()
        .with("type", "frequency")
        .with("VarRefCol", "MEAS_FREQ_REF")
        .with("TabRefTypes", vec!["TOPO", "LSRK"])
        .with("TabRefCodes", Value::Array(codes));
    let list = |name: &str| ColumnDesc::variable(name, DataType::F64, Some(1));
    let columns = vec![
        scalar("NAME", DataType::String),
        list("CHAN_FREQ").keyword("MEASINFO", variable),
        list("CHAN_WIDTH"),
        list("EFFECTIVE_BW"),
        list("RESOLUTION"),
        scalar("NUM_CHAN", DataType::I32),
        scalar("REF_FREQUENCY", DataType::F64),
        scalar("TOTAL_BANDWIDTH", DataType::F64),
        scalar("MEAS_FREQ_REF", DataType::I32),
        scalar("FLAG_ROW", DataType::Bool),
    ];
    let rows = 0..n as u64;
    let mut t = table(path, columns, n)?;
    t.write_strings("NAME", rows.clone(), &(1..=n).map(|w| format!("SPW{w}")).collect::<Vec<_>>())?;
    let frequencies = (0..n).flat_map(|w| (0..channels).map(move |c| freq(shape, w, c))).collect();
    t.write_ragged("CHAN_FREQ", rows.clone(), &repeated(n, &[channels], frequencies))?;
    for name in ["CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION"] {
        t.write_ragged(name, rows.clone(), &repeated(n, &[channels], vec![244_140.625; n * channels]))?;
    }
    t.write("NUM_CHAN", rows.clone(), &vec![channels as i32; n])?;
    t.write("REF_FREQUENCY", rows.clone(), &(0..n).map(|w| freq(shape, w, 0)).collect::<Vec<_>>())?;
    t.write("TOTAL_BANDWIDTH", rows.clone(), &vec![244_140.625 * channels as f64; n])?;
    t.write("MEAS_FREQ_REF", rows.clone(), &vec![5; n])?;
    t.write("FLAG_ROW", rows, &vec![false; n])?;
    t.close()
}

fn data_description(path: &Path, shape: &Shape) -> casacore::Result<()> {
    let n = shape.windows;
    let columns = vec![
        scalar("SPECTRAL_WINDOW_ID", DataType::I32),
        scalar("POLARIZATION_ID", DataType::I32),
        scalar("FLAG_ROW", DataType::Bool),
    ];
    let rows = 0..n as u64;
    let mut t = table(path, columns, n)?;
    t.write("SPECTRAL_WINDOW_ID", rows.clone(), &(0..n as i32).collect::<Vec<_>>())?;
    t.write("POLARIZATION_ID", rows.clone(), &vec![0; n])?;
    t.write("FLAG_ROW", rows, &vec![false; n])?;
    t.close()
}

fn field(path: &Path, shape: &Shape) -> casacore::Result<()> {
    let n = shape.fields;
    let direction = |name: &str| ColumnDesc::variable(name, DataType::F64, Some(2)).measure("direction", "ICRS");
    let columns = vec![
        scalar("NAME", DataType::String),
        scalar("CODE", DataType::String),
        scalar("TIME", DataType::F64),
        scalar("NUM_POLY", DataType::I32),
        scalar("SOURCE_ID", DataType::I32),
        scalar("FLAG_ROW", DataType::Bool),
        direction("PHASE_DIR"),
        direction("DELAY_DIR"),
        direction("REFERENCE_DIR"),
    ];
    let rows = 0..n as u64;
    let mut t = table(path, columns, n)?;
    t.write_strings("NAME", rows.clone(), &(0..n).map(|i| format!("meridian_icrs_t{i}")).collect::<Vec<_>>())?;
    t.write_strings("CODE", rows.clone(), &vec![""; n])?;
    t.write("TIME", rows.clone(), &(0..n).map(time).collect::<Vec<_>>())?;
    t.write("NUM_POLY", rows.clone(), &vec![0; n])?;
    t.write("SOURCE_ID", rows.clone(), &(0..n as i32).collect::<Vec<_>>())?;
    t.write("FLAG_ROW", rows.clone(), &vec![false; n])?;
    let directions: Vec<f64> = (0..n).flat_map(|i| [1.95 + 9.4e-4 * i as f64, 0.9543]).collect();
    for name in ["PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"] {
        t.write_ragged(name, rows.clone(), &repeated(n, &[1, 2], directions.clone()))?;
    }
    t.close()
}

fn antenna(path: &Path, shape: &Shape) -> casacore::Result<()> {
    let n = shape.antennas;
    let columns = vec![
        scalar("NAME", DataType::String),
        scalar("STATION", DataType::String),
        scalar("TYPE", DataType::String),
        scalar("MOUNT", DataType::String),
        ColumnDesc::fixed("POSITION", DataType::F64, [3]).measure("position", "ITRF"),
        ColumnDesc::fixed("OFFSET", DataType::F64, [3]),
        scalar("DISH_DIAMETER", DataType::F64),
        scalar("FLAG_ROW", DataType::Bool),
    ];
    let rows = 0..n as u64;
    let mut t = table(path, columns, n)?;
    let names: Vec<String> = (1..=n).map(|i| i.to_string()).collect();
    t.write_strings("NAME", rows.clone(), &names)?;
    t.write_strings("STATION", rows.clone(), &names)?;
    t.write_strings("TYPE", rows.clone(), &vec!["GROUND-BASED"; n])?;
    t.write_strings("MOUNT", rows.clone(), &vec!["ALT-AZ"; n])?;
    let positions: Vec<f64> =
        (0..n).flat_map(|i| [-2_409_150.4 + i as f64, -4_478_573.1, 3_838_617.3 - i as f64]).collect();
    t.write("POSITION", rows.clone(), &positions)?;
    t.write("OFFSET", rows.clone(), &vec![0.0; 3 * n])?;
    t.write("DISH_DIAMETER", rows.clone(), &vec![4.65; n])?;
    t.write("FLAG_ROW", rows, &vec![false; n])?;
    t.close()
}

fn polarization(path: &Path, _: &Shape) -> casacore::Result<()> {
    let columns = vec![
        ColumnDesc::variable("CORR_TYPE", DataType::I32, Some(1)),
        ColumnDesc::variable("CORR_PRODUCT", DataType::I32, Some(2)),
        scalar("NUM_CORR", DataType::I32),
        scalar("FLAG_ROW", DataType::Bool),
    ];
    let mut t = table(path, columns, 1)?;
    t.write_cell("CORR_TYPE", 0, &[2], &[9, 12])?;
    t.write_cell("CORR_PRODUCT", 0, &[2, 2], &[0, 0, 1, 1])?;
    t.write("NUM_CORR", 0, &[2])?;
    t.write("FLAG_ROW", 0, &[false])?;
    t.close()
}

fn observation(path: &Path, shape: &Shape) -> casacore::Result<()> {
    let columns = vec![
        scalar("TELESCOPE_NAME", DataType::String),
        scalar("OBSERVER", DataType::String),
        scalar("PROJECT", DataType::String),
        ColumnDesc::fixed("TIME_RANGE", DataType::F64, [2]),
        scalar("FLAG_ROW", DataType::Bool),
    ];
    let mut t = table(path, columns, 1)?;
    t.write_strings("TELESCOPE_NAME", 0, &["OVRO_MMA"])?;
    t.write_strings("OBSERVER", 0, &["nobody"])?;
    t.write_strings("PROJECT", 0, &["drift"])?;
    t.write("TIME_RANGE", 0, &[time(0), time(shape.fields.saturating_sub(1))])?;
    t.write("FLAG_ROW", 0, &[false])?;
    t.close()
}
