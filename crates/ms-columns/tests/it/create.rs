use casacore::{Array, Complex32, DataType, Table, Value, Values};
use ms_columns::{ColumnEdit, EditOptions, Fill, NewColumn, Target, generations};
use publish::{Level, verify};

use crate::set::{MAKES, Make, ROWS, check_rest, column, data, published, values};

fn options() -> EditOptions {
    EditOptions::new("it")
}

fn model(row: u64, channel: usize, correlation: usize) -> Complex32 {
    Complex32::new(-(row as f32), (channel * 2 + correlation) as f32)
}

#[test]
fn model_and_corrected_are_made_in_every_make() {
    for make in MAKES {
        let (_folder, path) = published(make);
        let edit = ColumnEdit::begin(&path, &options(), &[Target::model(), Target::corrected()]).expect("begin");
        let (written, corrected) = (
            edit.column::<Complex32>("MODEL_DATA").expect("model"),
            edit.column::<Complex32>("CORRECTED_DATA").expect("corrected"),
        );
        assert!(!written.existed() && !corrected.existed());
        let mut old = vec![Complex32::new(9.0, 9.0); values(make, 0..8, data).len()];
        written.old(0..8, &mut old).expect("old");
        assert_eq!(old, values(make, 0..8, |_, _, _| Complex32::default()), "{make:?}: begins as zeros");
        corrected.old(0..8, &mut old).expect("old");
        assert_eq!(old, values(make, 0..8, data), "{make:?}: begins as DATA");
        // The model of rows 10 to 49 and corrections of rows 20 to 29: the others keep what they begin with.
        written.write(10..50, &values(make, 10..50, model)).expect("write");
        corrected.write(20..30, &values(make, 20..30, model)).expect("write");
        drop((written, corrected));
        edit.commit().expect("commit");

        let zero_or_model = |r, c, p| if (10..50).contains(&r) { model(r, c, p) } else { Complex32::default() };
        assert_eq!(column::<Complex32>(&path, "MODEL_DATA"), values(make, 0..ROWS, zero_or_model), "{make:?}");
        let data_or_model = |r, c, p| if (20..30).contains(&r) { model(r, c, p) } else { data(r, c, p) };
        assert_eq!(column::<Complex32>(&path, "CORRECTED_DATA"), values(make, 0..ROWS, data_or_model), "{make:?}");
        check_rest(&path, make);
        verify(&path, Level::Checksums).unwrap_or_else(|error| panic!("{make:?}: {error}"));

        let table = Table::open(&path).expect("open");
        let windows: &[i32] = if make == Make::Ragged { &[0, 6, 0, 4] } else { &[0, 6] };
        let expected = Array { shape: vec![windows.len() / 2, 2], values: Values::I32(windows.to_vec()) };
        let keywords = table.column_keywords("MODEL_DATA").expect("keywords");
        assert_eq!(keywords.get("CHANNEL_SELECTION"), Some(&Value::Array(expected)), "{make:?}");
        assert!(keywords.get("QuantumUnits").is_some(), "as DATA");
        assert_eq!(table.column("CORRECTED_DATA").expect("column").comment, "The corrected data column");
        drop(table);

        // A second change replaces what is there.
        let edit = ColumnEdit::begin(&path, &options(), &[Target::model()]).expect("begin");
        let written = edit.column::<Complex32>("MODEL_DATA").expect("model");
        assert!(written.existed());
        for rows in edit.blocks(1 << 12) {
            written.write(rows.clone(), &values(make, rows, data)).expect("write");
        }
        drop(written);
        assert_eq!(edit.commit().expect("commit").generations, [("MODEL_DATA".to_owned(), 2)]);
        assert_eq!(column::<Complex32>(&path, "MODEL_DATA"), values(make, 0..ROWS, data), "{make:?}");
        let all = generations(&path, Some(&["MODEL_DATA", "CORRECTED_DATA", "DATA"])).expect("generations");
        assert_eq!(all.iter().map(|g| g.number).collect::<Vec<_>>(), [2, 1, 0]);
        verify(&path, Level::Checksums).unwrap_or_else(|error| panic!("{make:?}: {error}"));
    }
}

#[test]
fn weights_by_channel_take_the_tiles_of_the_data() {
    for make in MAKES {
        let (_folder, path) = published(make);
        let new = NewColumn {
            like: "DATA".to_owned(),
            kind: DataType::F32,
            comment: "Weight for each data point".to_owned(),
            fill: Fill::Zeros,
            channel_selection: false,
        };
        let edit = ColumnEdit::begin(&path, &options(), &[Target::or_create("WEIGHT_SPECTRUM", new)]).expect("begin");
        let weights = edit.column::<f32>("WEIGHT_SPECTRUM").expect("weights");
        for rows in edit.blocks(1 << 10) {
            weights.write(rows.clone(), &values(make, rows, |r, c, _| r as f32 + c as f32)).expect("write");
        }
        drop(weights);
        edit.commit().expect("commit");
        let expected = values(make, 0..ROWS, |r, c, _| r as f32 + c as f32);
        assert_eq!(column::<f32>(&path, "WEIGHT_SPECTRUM"), expected, "{make:?}");
    }
}

#[test]
fn casacore_can_lock_and_extend_the_table_afterwards() {
    for make in MAKES {
        let (_folder, path) = published(make);
        // Counters in the lock file, as every casacore program that wrote with locks leaves them.
        let mut table =
            casacore::OpenOptions::new().write(true).lock(casacore::LockMode::Auto).open(&path).expect("open");
        table.put_keyword("NOTE", "locked once").expect("keyword");
        table.close().expect("close");
        let edit = ColumnEdit::begin(&path, &options(), &[Target::model()]).expect("begin");
        edit.commit().expect("commit");
        let mut table =
            casacore::OpenOptions::new().write(true).lock(casacore::LockMode::User).open(&path).expect("open");
        table.lock(casacore::Lock::Write, std::time::Duration::from_secs(5)).expect("lock");
        table.put_keyword("NOTE", "locked twice").expect("keyword");
        table.close().expect("close");
    }
}
