//! Tables are created as asked: columns, managers, keywords, subtables.

use casacore::{
    Array, Bucket, Cell, ColumnDesc, Complex64, DataType, Endian, Error, Layout, Manager, OpenOptions, Record, Table,
    TableInfo, Value, Values,
};

fn layout() -> Layout {
    Layout::new()
        .column(ColumnDesc::scalar("TIME", DataType::F64).unit("s").measure("epoch", "UTC").comment("middle"))
        .column(ColumnDesc::fixed("UVW", DataType::F64, [3]).units(["m", "m", "m"]))
        .column(ColumnDesc::fixed("DATA", DataType::Complex32, [6, 4]))
        .column(ColumnDesc::variable("SIGMA", DataType::F32, Some(1)))
        .column(ColumnDesc::fixed("FLAG_CATEGORY", DataType::Bool, [2, 6, 4]).indirect())
        .manager(Manager::standard("Small", Bucket::Rows(1000)).holding(["TIME", "SIGMA", "FLAG_CATEGORY"]))
        .manager(Manager::incremental("Slow", 65_536).holding(["UVW"]))
        .manager(Manager::tiled_column("TiledData", [16, 3, 4]).holding(["DATA"]))
}

#[test]
fn structure_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    for endian in [Endian::Little, Endian::Big] {
        let path = path.with_extension(format!("{endian:?}"));
        layout().endian(endian).create(&path, 40).unwrap().close().unwrap();
        let table = Table::open(&path).unwrap();
        assert_eq!(table.rows().unwrap(), 40);
        assert_eq!(table.endian().unwrap(), endian);
        let columns = table.columns().unwrap();
        assert_eq!(columns, layout().columns);
        assert_eq!(table.column("FLAG_CATEGORY").unwrap().cell, Cell::Fixed(vec![2, 6, 4]));
        assert_eq!(table.column("SIGMA").unwrap().cell, Cell::Variable(Some(1)));

        let managers = table.data_managers().unwrap();
        let of = |column: &str| managers.iter().find(|m| m.columns.iter().any(|c| c == column)).unwrap();
        assert_eq!((of("TIME").kind.as_str(), of("TIME").name.as_str()), ("StandardStMan", "Small"));
        assert_eq!(of("TIME"), of("SIGMA"));
        assert_eq!(of("UVW").kind, "IncrementalStMan");
        assert_eq!(of("UVW").bucket_bytes, Some(65_536));
        let data = of("DATA");
        assert_eq!(data.kind, "TiledColumnStMan");
        assert_eq!(data.hypercubes.len(), 1);
        assert_eq!(data.hypercubes[0].shape, [40, 6, 4]);
        assert_eq!(data.hypercubes[0].tile, [16, 3, 4]);
        assert_eq!(data.hypercubes[0].tile_bytes, 16 * 3 * 4 * 8);
        for manager in &managers {
            assert!(path.join(format!("table.f{}", manager.file.unwrap())).is_file(), "{manager:?}");
        }
        assert!(path.join(format!("table.f{}_TSM0", data.file.unwrap())).is_file());
    }
}

#[test]
fn rows_and_columns_are_added_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let mut table = Layout::new().column(ColumnDesc::scalar("N", DataType::I64)).create(&path, 0).unwrap();
    table.add_rows(5).unwrap();
    table.write("N", 0..5, &[0_i64, 10, 20, 30, 40]).unwrap();
    table.remove_rows(&[1, 3]).unwrap();
    assert_eq!(table.read_vec::<i64>("N", 0..3).unwrap(), [0, 20, 40]);

    let model = ColumnDesc::fixed("MODEL_DATA", DataType::Complex32, [4, 2]).keyword("CHANNEL_SELECTION", 1);
    table.add_columns(std::slice::from_ref(&model), Manager::tiled_column("Model", [2, 4, 2])).unwrap();
    table.close().unwrap();
    let mut table = Table::open_rw(&path).unwrap();
    assert_eq!(table.columns().unwrap()[1], model);
    assert_eq!(table.data_managers().unwrap()[1].kind, "TiledColumnStMan");
    table.remove_column("N").unwrap();
    table.close().unwrap();
    assert_eq!(Table::open(&path).unwrap().columns().unwrap(), [model]);
}

#[test]
fn keywords_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tab");
    let deep = Record::new()
        .with("empty", Record::new())
        .with("z", Complex64::new(1.0, -2.5))
        .with("cube", Array { shape: vec![2, 1, 3], values: Values::I32((0..6).collect()) })
        .with("names", vec!["", "αβγ", "long enough to leave the small string"])
        .with("flags", vec![true, false, true])
        .with("nothing", Vec::<f64>::new());
    let mut table = Layout::new()
        .column(ColumnDesc::scalar("N", DataType::I32))
        .keyword("MS_VERSION", 2.0_f32)
        .create(&path, 1)
        .unwrap();
    table.put_keyword("DEEP", deep.clone()).unwrap();
    table.put_keyword("COUNT", u32::MAX).unwrap();
    table.put_keyword("WIDE", i64::MIN).unwrap();
    table.put_keyword("BYTE", 200_u8).unwrap();
    table.put_keyword("SHORT", -200_i16).unwrap();
    table.put_keyword("GONE", 1.5).unwrap();
    table.put_keyword("GONE", 2.5).unwrap();
    assert_eq!(table.keywords().unwrap().get("GONE"), Some(&Value::F64(2.5)));
    table.remove_keyword("GONE").unwrap();
    table.put_column_keyword("N", "UNIT", "Jy").unwrap();
    let info = TableInfo { kind: "Measurement Set".into(), subtype: "sub".into(), readme: "one\ntwo\n".into() };
    table.put_info(&info).unwrap();
    table.close().unwrap();

    let table = Table::open(&path).unwrap();
    let keywords = table.keywords().unwrap();
    let names: Vec<_> = keywords.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["MS_VERSION", "DEEP", "COUNT", "WIDE", "BYTE", "SHORT"]);
    assert_eq!(keywords.get("DEEP"), Some(&Value::Record(deep)));
    assert_eq!(keywords.get("COUNT"), Some(&Value::U32(u32::MAX)));
    assert_eq!(keywords.get("WIDE"), Some(&Value::I64(i64::MIN)));
    assert_eq!(keywords.get("SHORT"), Some(&Value::I16(-200)));
    assert_eq!(table.column_keywords("N").unwrap(), Record::new().with("UNIT", "Jy"));
    assert_eq!(table.info().unwrap(), info);
}

/// Subtables are stored by their relative path: a moved table finds them.
#[test]
fn subtables_move_with_their_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ms");
    let mut table = Layout::new().column(ColumnDesc::scalar("N", DataType::I32)).create(&path, 1).unwrap();
    for name in ["ANTENNA", "FIELD"] {
        let sub = path.join(name);
        let mut sub = Layout::new().column(ColumnDesc::scalar("NAME", DataType::String)).create(&sub, 1).unwrap();
        sub.write_strings("NAME", 0, &[name]).unwrap();
        sub.close().unwrap();
        table.put_subtable(name, path.join(name)).unwrap();
    }
    // The subtable can be opened for writing while its parent is open: the parent keeps no handle of it.
    let mut antenna = Table::open_rw(path.join("ANTENNA")).unwrap();
    antenna.write_strings("NAME", 0, &["changed"]).unwrap();
    antenna.close().unwrap();
    table.close().unwrap();

    let moved = folder.path().join("b.ms");
    std::fs::rename(&path, &moved).unwrap();
    let table = Table::open(&moved).unwrap();
    let subtables = table.subtables().unwrap();
    let moved = moved.canonicalize().unwrap();
    assert_eq!(subtables, [("ANTENNA".into(), moved.join("ANTENNA")), ("FIELD".into(), moved.join("FIELD"))]);
    assert_eq!(table.open_subtable("ANTENNA").unwrap().read_strings("NAME", 0).unwrap(), ["changed"]);
}

/// Only the tiles of the new column are emptied: the others hold somebody's values.
#[test]
fn a_column_added_as_holes_takes_no_blocks_and_leaves_the_others() {
    use std::os::unix::fs::MetadataExt;

    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("small.ms");
    let rows = 4096_u64;
    let cell = [64, 2];
    let column = |name: &str| ColumnDesc::fixed(name, DataType::F32, cell).indirect();
    let mut table = Layout::new()
        .column(column("DATA"))
        .manager(Manager::tiled_column("TiledDATA", [64, 64, 2]).holding(["DATA"]))
        .create(&path, rows)
        .expect("create");
    let values: Vec<f32> = (0..rows as usize * 128).map(|i| i as f32).collect();
    table.write("DATA", 0..rows, &values).expect("write");
    table.close().expect("close");

    let mut table = OpenOptions::new().write(true).new_columns_as_holes().open(&path).expect("open");
    table.add_columns(&[column("MODEL")], Manager::tiled_column("TiledMODEL", [64, 64, 2])).expect("add");
    assert!(matches!(table.write("MODEL", 0..1, &[0.0_f32; 128]), Err(Error::ReadOnly { .. })));
    table.close().expect("close");

    let table = Table::open(&path).expect("open");
    assert_eq!(table.read_vec::<f32>("DATA", 0..rows).expect("read"), values);
    assert!(table.read_vec::<f32>("MODEL", 0..rows).expect("read").iter().all(|&value| value == 0.0));
    let tiles = std::fs::metadata(path.join("table.f1_TSM0")).expect("tiles");
    assert_eq!((tiles.len(), tiles.blocks()), (rows * 512, 0), "a hole of full length");
}
