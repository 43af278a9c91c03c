//! Values, worked out by hand.

use casacore::{ColumnDesc, DataType, Manager, Ragged, Record, Table};
use vis_types::{Correlation, Direction, Frame};

use crate::{cache, original, set};

#[test]
fn a_set_of_the_originals_shape() {
    let (_folder, _, name) = original();
    let all = cache().metadata(&name).unwrap();
    let tables = &all.subtables;
    assert_eq!((tables.windows.len(), tables.fields.len(), tables.antennas.len()), (16, 24, 117));
    let window = &tables.windows[15];
    assert_eq!((window.name.as_str(), window.len(), window.frame.as_deref()), ("SPW16", 48, Some("TOPO")));
    assert_eq!(window.freq_hz[47], set::freq(&set::ORIGINAL, 15, 47));
    assert_eq!(window.edges_hz(), Some((1.311e9 + 244_140.625 * 719.5, 1.311e9 + 244_140.625 * 767.5)));
    assert_eq!(tables.polarizations[0].correlations(), Some(vec![Correlation::XX, Correlation::YY]));
    assert_eq!(tables.polarizations[0].receptors, Some(vec![[0, 0], [1, 1]]));
    assert_eq!(tables.fields[2].phase.fixed(), Some(Direction::icrs(1.95 + 9.4e-4 * 2.0, 0.9543)));
    assert_eq!((tables.antenna_reference.as_deref(), tables.antennas[116].diameter_m), (Some("ITRF"), 4.65));
    assert_eq!(tables.antennas[116].position_m, [-2_409_150.4 + 116.0, -4_478_573.1, 3_838_617.3 - 116.0]);
    assert_eq!((tables.observations[0].telescope.as_str(), tables.observations[0].location_m), ("OVRO_MMA", None));
    assert_eq!(all.rows.time_range().map(|t| t.map(|t| t.0)), Some([set::time(0), set::time(23)]));
    assert_eq!(all.rows.interval_s(), Some([12.884_901_888; 2]));
    let group = all.rows.groups[17];
    assert_eq!((group.scan, group.field, group.data_description, group.rows), (2, 1, 1, 3));
    assert_eq!(group.exposure_s, [12.5; 2]);
    assert_eq!(all.layout.column("WEIGHT_SPECTRUM"), None);
    assert_eq!(all.layout.manager_of("TIME").map(|m| m.kind.as_str()), Some("IncrementalStMan"));
}

#[test]
fn ragged_windows_out_of_order_with_negative_widths() {
    let (_folder, path, name) = original();
    let mut t = Table::open_rw(path.join("SPECTRAL_WINDOW")).unwrap();
    t.write("NUM_CHAN", 0..2, &[3, 1]).unwrap();
    for column in ["CHAN_FREQ", "CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION"] {
        let sign = if column == "CHAN_FREQ" { 1e9 } else { -1.0 };
        let cells = Ragged {
            shapes: vec![Some(vec![3]), Some(vec![1])],
            values: [9.0, 8.0, 7.0, 5.0].map(|x| x * sign).into(),
        };
        t.write_ragged(column, 0..2, &cells).unwrap();
    }
    t.close().unwrap();
    let tables = cache().subtables(&name).unwrap();
    assert_eq!(tables.windows[0].freq_hz, [9e9, 8e9, 7e9]);
    assert_eq!(tables.windows[0].width_hz, [-9.0, -8.0, -7.0]);
    assert_eq!((tables.windows[1].len(), tables.windows[2].len()), (1, 48));
}

/// A direction column of one's own making.
fn with_direction(measure: Record, more: &[ColumnDesc], fill: impl FnOnce(&mut Table)) -> Vec<vis_types::Field> {
    let (_folder, path, name) = original();
    let mut t = Table::open_rw(path.join("FIELD")).unwrap();
    t.remove_column("PHASE_DIR").unwrap();
    let direction = ColumnDesc::variable("PHASE_DIR", DataType::F64, None).keyword("MEASINFO", measure);
    let columns: Vec<ColumnDesc> = more.iter().cloned().chain([direction]).collect();
    t.add_columns(&columns, Manager::standard("Own", casacore::Bucket::Default)).unwrap();
    for row in 0..24 {
        t.write_cell("PHASE_DIR", row, &[1, 2], &[1.0, 0.5]).unwrap();
    }
    fill(&mut t);
    t.close().unwrap();
    cache().subtables(&name).unwrap().fields.clone()
}

#[test]
fn either_order_of_axes_and_polynomials() {
    let fields = with_direction(Record::new().with("Ref", "J2000"), &[], |t| {
        // (2, 1) as CASA's table tool shows it: the bytes are the same.
        t.write_cell("PHASE_DIR", 1, &[2, 1], &[1.25, -0.5]).unwrap();
        t.write_cell("PHASE_DIR", 2, &[2], &[1.5, 0.75]).unwrap();
        // Three terms, in the right order and transposed.
        t.write("NUM_POLY", 3..5, &[2, 2]).unwrap();
        t.write_cell("PHASE_DIR", 3, &[3, 2], &[1.0, 0.5, 0.1, 0.2, 0.01, 0.02]).unwrap();
        t.write_cell("PHASE_DIR", 4, &[2, 3], &[1.0, 0.1, 0.01, 0.5, 0.2, 0.02]).unwrap();
        // More terms than NUM_POLY + 1, which casacore does not evaluate.
        t.write_cell("PHASE_DIR", 5, &[3, 2], &[1.0, 0.5, 0.1, 0.2, 0.01, 0.02]).unwrap();
        for column in ["DELAY_DIR", "REFERENCE_DIR"] {
            for row in 3..5 {
                t.write_cell(column, row, &[3, 2], &[0.0; 6]).unwrap();
            }
        }
    });
    assert_eq!(fields[0].phase.fixed(), Some(Direction { lon_rad: 1.0, lat_rad: 0.5, frame: Frame::Fk5 }));
    assert_eq!(fields[1].phase.terms, [[1.25, -0.5]]);
    assert_eq!(fields[2].phase.terms, [[1.5, 0.75]]);
    assert_eq!(fields[3].phase.terms, [[1.0, 0.5], [0.1, 0.2], [0.01, 0.02]]);
    assert_eq!(fields[4].phase, fields[3].phase);
    assert_eq!(fields[5].phase.terms, [[1.0, 0.5]]);
    assert_eq!(fields[3].phase.fixed(), None);
    let [lon, lat] = fields[3].phase.at(10.0);
    assert!((lon - 3.0).abs() < 1e-12 && (lat - 4.5).abs() < 1e-12);
}

#[test]
fn the_frame_of_each_row_from_a_reference_column() {
    let codes = casacore::Array { shape: vec![2], values: casacore::Values::U32(vec![0, 21]) };
    let measure = Record::new()
        .with("type", "direction")
        .with("VarRefCol", "PhaseDir_Ref")
        .with("TabRefTypes", vec!["J2000", "ICRS"])
        .with("TabRefCodes", codes);
    let fields = with_direction(measure, &[ColumnDesc::scalar("PhaseDir_Ref", DataType::I32)], |t| {
        t.write("PhaseDir_Ref", 0..24, &std::array::from_fn::<i32, 24, _>(|row| [21, 0, 7][row.min(2)])).unwrap();
    });
    let frames: Vec<_> = fields[..3].iter().map(|f| f.phase.frame.as_deref()).collect();
    assert_eq!(frames, [Some("ICRS"), Some("J2000"), None]);

    let measure = Record::new().with("type", "direction").with("VarRefCol", "PhaseDir_Ref");
    let fields = with_direction(measure, &[ColumnDesc::scalar("PhaseDir_Ref", DataType::String)], |t| {
        t.write_strings("PhaseDir_Ref", 0..24, &["B1950"; 24]).unwrap();
    });
    assert_eq!(fields[23].phase.fixed().map(|d| d.frame), Some(Frame::Fk4));
}

#[test]
fn what_is_optional_may_be_missing() {
    let (_folder, path, name) = original();
    for (table, column) in
        [("SPECTRAL_WINDOW", "EFFECTIVE_BW"), ("FIELD", "DELAY_DIR"), ("POLARIZATION", "CORR_PRODUCT")]
    {
        let mut t = Table::open_rw(path.join(table)).unwrap();
        t.remove_column(column).unwrap();
        t.close().unwrap();
    }
    let tables = cache().subtables(&name).unwrap();
    assert_eq!(tables.windows[0].effective_bw_hz, None);
    assert_eq!(tables.fields[0].delay, None);
    assert_eq!(tables.polarizations[0].receptors, None);
    assert!(tables.windows[0].resolution_hz.is_some() && tables.fields[0].reference.is_some());
}
