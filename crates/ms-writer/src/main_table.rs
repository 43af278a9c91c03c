//! The MAIN table: its structure and the columns that do not depend on the visibilities.

use std::path::Path;

use casacore::{Bucket, ColumnDesc, DataType, Element, Layout as TableLayout, Manager, Table, TableInfo};
use vis_types::{MjdSeconds, RowAxis};

use crate::centres::Centres;
use crate::layout::Layout;
use crate::runs::Runs;
use crate::table::{failed, unlocked};
use crate::{Error, MsOptions, WeightSpectrum, schema, subtables};

/// Rows of a bucket of the standard storage manager: with casacore's default of 32, reading ANTENNA1 takes a seek every 32 rows.
const BUCKET_ROWS: u32 = 16_384;
/// Bytes of a bucket of the incremental storage manager, which holds a row for each change.
const INCREMENTAL_BYTES: u32 = 32_768;
/// Rows that are put at a time.
const CHUNK: usize = 16_384;

const INCREMENTAL: [&str; 13] = [
    "ARRAY_ID",
    "DATA_DESC_ID",
    "EXPOSURE",
    "FEED1",
    "FEED2",
    "FIELD_ID",
    "INTERVAL",
    "OBSERVATION_ID",
    "PROCESSOR_ID",
    "SCAN_NUMBER",
    "STATE_ID",
    "TIME",
    "TIME_CENTROID",
];

/// A column of visibilities, flags or weights by channel.
fn spectral(layout: &Layout, name: &str, kind: DataType) -> (ColumnDesc, Manager) {
    let correlations = layout.correlations.len();
    let tile = [layout.tile_rows, layout.tile_channels, correlations];
    let manager = format!("Tiled{name}");
    if layout.is_uniform() {
        let channels = layout.windows[0].freq_hz.len();
        let column = ColumnDesc::fixed(name, kind, [channels, correlations]).indirect();
        (column, Manager::tiled_column(manager, tile).holding([name]))
    } else {
        (ColumnDesc::variable(name, kind, Some(2)), Manager::tiled_shape(manager, tile).holding([name]))
    }
}

/// Makes MAIN with all its rows. The tiled columns are holes, for [`Bulk`](crate::bulk::Bulk) to fill once the table is
/// closed: left to itself, casacore writes every tile once with zeros, which takes longer than writing the visibilities.
pub(crate) fn create(path: &Path, layout: &Layout, vis_units: &str, options: &MsOptions) -> Result<Table, Error> {
    let correlations = layout.correlations.len();
    let mut table = TableLayout::new().keyword("MS_VERSION", 2.0_f32);
    table.columns = schema::main();
    let units = if vis_units.is_empty() { "uncalib" } else { vis_units };
    let mut add = |(column, manager): (ColumnDesc, Manager)| {
        table.columns.push(column);
        table.managers.push(manager);
    };
    let data = |name: &str, comment: &str| {
        let (column, manager) = spectral(layout, name, DataType::Complex32);
        (column.unit(units).comment(comment), manager)
    };
    add(data("DATA", "The data column"));
    if options.model_column {
        add(data("MODEL_DATA", "The model data column"));
    }
    if options.corrected_column {
        add(data("CORRECTED_DATA", "The corrected data column"));
    }
    let (column, manager) = spectral(layout, "FLAG", DataType::Bool);
    add((column.comment("The data flags, array of bools with same shape as data"), manager));
    if options.weight_spectrum != WeightSpectrum::Never {
        let (column, manager) = spectral(layout, "WEIGHT_SPECTRUM", DataType::F32);
        add((column.comment("Weight for each data point"), manager));
    }
    for (name, comment) in [
        ("WEIGHT", "Weight for each polarization spectrum"),
        ("SIGMA", "Estimated rms noise for channel with unity bandpass response"),
    ] {
        let column = ColumnDesc::fixed(name, DataType::F32, [correlations]).indirect().comment(comment);
        add((column, Manager::tiled_column(format!("Tiled{name}"), [layout.tile_rows, correlations]).holding([name])));
    }
    let category = ColumnDesc::variable("FLAG_CATEGORY", DataType::Bool, Some(3))
        .keyword("CATEGORY", Vec::<String>::new())
        .comment("The flag category, NUM_CAT flags for each datum");
    add((
        category,
        Manager::tiled_shape("TiledFLAG_CATEGORY", [1, 1, layout.tile_channels, correlations])
            .holding(["FLAG_CATEGORY"]),
    ));
    table.managers.push(Manager::tiled_column("TiledUVW", [layout.tile_rows, 3]).holding(["UVW"]));
    table
        .managers
        .push(Manager::standard("SSMRows", Bucket::Rows(BUCKET_ROWS)).holding(["ANTENNA1", "ANTENNA2", "FLAG_ROW"]));
    table.managers.push(Manager::incremental("ISMRows", INCREMENTAL_BYTES).holding(INCREMENTAL));

    let fail = |what: &str| {
        let what = what.to_owned();
        move |source| failed(path, &what, source)
    };
    let mut main = table.create_with_holes(path, layout.ms_rows() as u64, &unlocked()).map_err(fail("MAIN"))?;
    let info = TableInfo {
        kind: "Measurement Set".to_owned(),
        subtype: String::new(),
        readme: "This is a MeasurementSet Table holding measurements from a Telescope\n".to_owned(),
    };
    main.put_info(&info).map_err(fail("table.info"))?;
    Ok(main)
}

/// What is known only when all blocks were written: FLAG_ROW, and that WEIGHT_SPECTRUM is not needed.
pub(crate) fn complete(path: &Path, drop_spectrum: bool, flagged_rows: &Runs) -> Result<(), Error> {
    if !drop_spectrum && flagged_rows.rows() == 0 {
        return Ok(());
    }
    let mut main = unlocked().open(path).map_err(|e| failed(path, "MAIN", e))?;
    if drop_spectrum {
        main.remove_column("WEIGHT_SPECTRUM").map_err(|e| failed(path, "WEIGHT_SPECTRUM", e))?;
    }
    for run in flagged_rows.iter() {
        for first in run.clone().step_by(CHUNK) {
            let end = run.end.min(first + CHUNK);
            let values = vec![true; end - first];
            main.write("FLAG_ROW", first as u64..end as u64, &values).map_err(|e| failed(path, "FLAG_ROW", e))?;
        }
    }
    main.close().map_err(|e| failed(path, "MAIN", e))
}

/// A column of the incremental storage manager: a value is put where it changes and holds for all rows that follow.
struct Changing<'a, T> {
    path: &'a Path,
    columns: &'static [&'static str],
    last: Option<T>,
}

impl<T: Element> Changing<'_, T> {
    fn put(&mut self, table: &mut Table, row: usize, value: T) -> Result<(), Error> {
        if self.last != Some(value) {
            for column in self.columns {
                table.write(column, row as u64..row as u64 + 1, &[value]).map_err(|e| failed(self.path, column, e))?;
            }
            self.last = Some(value);
        }
        Ok(())
    }
}

fn changing<'a, T>(path: &'a Path, columns: &'static [&'static str]) -> Changing<'a, T> {
    Changing { path, columns, last: None }
}

/// Names the subtables, which exist by now, and fills the columns that do not depend on the visibilities.
pub(crate) fn fill(
    table: &mut Table,
    path: &Path,
    rows: &RowAxis,
    layout: &Layout,
    centres: &Centres,
) -> Result<(), Error> {
    for name in subtables::NAMES {
        table.put_subtable(name, path.join(name)).map_err(|e| failed(path, name, e))?;
    }
    let mut window_id = changing(path, &["DATA_DESC_ID"]);
    let mut zero = changing(path, &["ARRAY_ID", "FEED1", "FEED2", "OBSERVATION_ID", "PROCESSOR_ID", "STATE_ID"]);
    let mut time = changing(path, &["TIME", "TIME_CENTROID"]);
    let mut interval = changing(path, &["INTERVAL", "EXPOSURE"]);
    let mut field_id = changing(path, &["FIELD_ID"]);
    let mut scan = changing(path, &["SCAN_NUMBER"]);
    zero.put(table, 0, 0_i32)?;
    let mut antennas = [Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK)];
    for window in 0..layout.windows.len() {
        let first = layout.first_ms_row(window);
        window_id.put(table, first, window as i32)?;
        // A new scan begins wherever the field changes, as pyuvdata counts them.
        let (mut scan_number, mut last_field) = (0_i32, None);
        for (r, row) in rows.iter().enumerate() {
            let ms_row = first + r;
            let field = centres.field(r, row.time_index);
            if last_field != Some(field) {
                (scan_number, last_field) = (scan_number + 1, Some(field));
                field_id.put(table, ms_row, field as i32)?;
                scan.put(table, ms_row, scan_number)?;
            }
            time.put(table, ms_row, MjdSeconds::from(row.time).0)?;
            interval.put(table, ms_row, row.interval_s)?;
            let (a, b) = (row.baseline.ant1, row.baseline.ant2);
            let (a, b) = if layout.swaps && a > b { (b, a) } else { (a, b) };
            antennas[0].push(a as i32);
            antennas[1].push(b as i32);
            if antennas[0].len() == CHUNK || r + 1 == rows.len() {
                let from = (ms_row + 1 - antennas[0].len()) as u64;
                for (name, values) in ["ANTENNA1", "ANTENNA2"].into_iter().zip(&mut antennas) {
                    table.write(name, from..ms_row as u64 + 1, values).map_err(|e| failed(path, name, e))?;
                    values.clear();
                }
            }
        }
    }
    Ok(())
}
