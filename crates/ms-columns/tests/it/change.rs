use casacore::{ColumnDesc, Complex32, DataType, Layout, Manager};
use ms_columns::{ColumnEdit, EditOptions, Error, Input, Target};
use publish::{Level, verify};
use rayon::prelude::*;

use crate::set::{MAKES, Make, ROWS, check_rest, column, data, flag, names, published, set, values};

fn options() -> EditOptions {
    EditOptions::new("it")
}

#[test]
fn every_row_of_flags_in_every_make() {
    for make in MAKES {
        let (_folder, path) = set(make);
        let edit = ColumnEdit::begin(&path, &options(), &[Target::existing("FLAG")]).expect("begin");
        let flags = edit.column::<bool>("FLAG").expect("FLAG");
        // Blocks of at least a tile, whatever is asked.
        for rows in edit.blocks(1) {
            let new = values(make, rows.clone(), |r, c, p| !flag(r, c, p));
            flags.write(rows, &new).expect("write");
        }
        assert_eq!(column::<bool>(&path, "FLAG"), values(make, 0..ROWS, flag), "{make:?}: not before the commit");
        drop(flags);
        edit.commit().expect("commit");
        assert_eq!(column::<bool>(&path, "FLAG"), values(make, 0..ROWS, |r, c, p| !flag(r, c, p)), "{make:?}");
        check_rest(&path, make);
    }
}

#[test]
fn rows_that_are_not_written_keep_their_values() {
    for (make, reserved) in MAKES.into_iter().flat_map(|make| [(make, false), (make, true)]) {
        let (_folder, path) = set(make);
        let edit = ColumnEdit::begin(&path, &options(), &[Target::existing("FLAG")]).expect("begin");
        let flags = edit.column::<bool>("FLAG").expect("FLAG");
        if reserved {
            flags.reserve().expect("room");
        }
        // Odd ranges, not at tiles, from several threads.
        let chosen = [3..4, 9..17, 30..55, 61..62, 77..100];
        chosen.par_iter().for_each(|rows| {
            let mut old = vec![false; values(make, rows.clone(), flag).len()];
            flags.old(rows.clone(), &mut old).expect("old");
            assert_eq!(old, values(make, rows.clone(), flag), "{make:?} {rows:?}");
            old.iter_mut().for_each(|value| *value = !*value);
            flags.write(rows.clone(), &old).expect("write");
        });
        drop(flags);
        edit.commit().expect("commit");
        let is_chosen = |row: u64| chosen.iter().any(|rows| rows.contains(&row));
        let expected = values(make, 0..ROWS, |r, c, p| flag(r, c, p) != is_chosen(r));
        assert_eq!(column::<bool>(&path, "FLAG"), expected, "{make:?}");
        check_rest(&path, make);
    }
}

#[test]
fn a_window_of_channels_leaves_the_others() {
    for make in MAKES {
        let (_folder, path) = set(make);
        let edit = ColumnEdit::begin(&path, &options(), &[Target::existing("FLAG")]).expect("begin");
        let flags = edit.column::<bool>("FLAG").expect("FLAG");
        for rows in edit.blocks(1 << 20) {
            let count = (rows.end - rows.start) as usize;
            flags.write_channels(rows, 1..4, &vec![true; count * 6]).expect("write");
        }
        drop(flags);
        edit.commit().expect("commit");
        let expected = values(make, 0..ROWS, |r, c, p| (1..4).contains(&c) || flag(r, c, p));
        assert_eq!(column::<bool>(&path, "FLAG"), expected, "{make:?}");
    }
}

#[test]
fn several_columns_change_together_and_a_manifest_with_them() {
    for make in MAKES {
        let (_folder, path) = published(make);
        verify(&path, Level::Checksums).expect("published");
        let targets = [Target::existing("FLAG"), Target::existing("FLAG_ROW"), Target::existing("WEIGHT")];
        let edit = ColumnEdit::begin(&path, &options(), &targets).expect("begin");
        let flags = edit.column::<bool>("FLAG").expect("FLAG");
        let row_flags = edit.column::<bool>("FLAG_ROW").expect("FLAG_ROW");
        let weights = edit.column::<f32>("WEIGHT").expect("WEIGHT");
        for rows in edit.blocks(4096) {
            let count = (rows.end - rows.start) as usize;
            flags.write(rows.clone(), &values(make, rows.clone(), |_, _, _| true)).expect("FLAG");
            row_flags.write(rows.clone(), &vec![true; count]).expect("FLAG_ROW");
            weights.write(rows, &vec![0.5; count * 2]).expect("WEIGHT");
        }
        drop((flags, row_flags, weights));
        let committed = edit.commit().expect("commit");
        let names: Vec<_> = committed.generations.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!(names, [("FLAG", 1), ("FLAG_ROW", 1), ("WEIGHT", 1)]);
        assert!(column::<bool>(&path, "FLAG").iter().all(|&flag| flag), "{make:?}");
        assert!(column::<bool>(&path, "FLAG_ROW").iter().all(|&flag| flag), "{make:?}");
        assert!(column::<f32>(&path, "WEIGHT").iter().all(|&weight| weight == 0.5), "{make:?}");
        check_rest(&path, make);
        verify(&path, Level::Checksums).unwrap_or_else(|error| panic!("{make:?}: {error}"));
    }
}

#[test]
fn without_a_commit_nothing_is_left() {
    for make in MAKES {
        let (_folder, path) = set(make);
        let before = names(&path);
        let targets = [Target::existing("FLAG"), Target::model()];
        let edit = ColumnEdit::begin(&path, &options(), &targets).expect("begin");
        let flags = edit.column::<bool>("FLAG").expect("FLAG");
        flags.write(0..8, &values(make, 0..8, |_, _, _| true)).expect("write");
        drop((flags, edit));
        assert_eq!(names(&path), before, "{make:?}");
        assert_eq!(column::<bool>(&path, "FLAG"), values(make, 0..ROWS, flag), "{make:?}");
        check_rest(&path, make);
    }
}

#[test]
fn what_was_measured_is_not_written() {
    let (_folder, path) = set(Make::Tiled);
    for name in ["DATA", "SIGMA"] {
        let refused = ColumnEdit::begin(&path, &options(), &[Target::existing(name)]);
        assert!(matches!(refused, Err(Error::Measured { column, .. }) if column == name));
    }
    assert!(!path.join(".product.edit").exists());
}

#[test]
fn mistakes_of_the_caller_are_errors() {
    let (folder, path) = set(Make::Ragged);
    assert!(matches!(
        ColumnEdit::begin(&folder.path().join("none.ms"), &options(), &[]),
        Err(Error::Table(casacore::Error::NoTable { .. }))
    ));
    assert!(matches!(
        ColumnEdit::begin(&path, &options(), &[Target::existing("MODEL_DATA")]),
        Err(Error::Table(casacore::Error::NoColumn { .. }))
    ));
    let edit = ColumnEdit::begin(&path, &options(), &[Target::existing("FLAG")]).expect("begin");
    assert!(matches!(edit.column::<f32>("FLAG"), Err(Error::Kind { .. })));
    assert!(matches!(edit.column::<bool>("FLAG_ROW"), Err(Error::NotNamed { .. })));
    let flags = edit.column::<bool>("FLAG").expect("FLAG");
    assert!(matches!(flags.write(0..2, &[true]), Err(Error::Cells { .. })), "too few values");
    assert!(matches!(flags.write(59..61, &[true; 24]), Err(Error::Cells { .. })), "two shapes");
    assert!(matches!(flags.write(ROWS - 1..ROWS + 1, &[true; 16]), Err(Error::Table(_) | Error::Cells { .. })));
    assert!(matches!(flags.write_channels(0..1, 2..9, &[true; 14]), Err(Error::Cells { .. })));
}

#[test]
fn inputs_are_read_in_every_make() {
    for make in MAKES {
        let (_folder, path) = set(make);
        let input = Input::<Complex32>::open(&path, "DATA").expect("open");
        for rows in [0..1, 5..60, 60..100] {
            let mut out = Vec::new();
            input.read_into(rows.clone(), &mut out).expect("read");
            assert_eq!(out, values(make, rows, data), "{make:?}");
        }
        assert!(matches!(Input::<f32>::open(&path, "DATA"), Err(Error::Kind { .. })));
    }
}

/// Old tiles whose memory was given back while new ones took their place are still there, and stay when there is no commit.
#[test]
fn old_values_stay_readable_behind_the_writer() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.ms");
    // 128 tiles of 64 KiB each: more than is given back at once.
    let (tiles, row) = (128_u64, 64 * 2);
    let rows = tiles * 64;
    Layout::new()
        .column(ColumnDesc::fixed("MODEL_DATA", DataType::Complex32, [64, 2]))
        .manager(Manager::tiled_column("TiledModel", [64, 64, 2]).holding(["MODEL_DATA"]))
        .create(&path, rows)
        .and_then(casacore::Table::close)
        .expect("create");
    let fill = |edit: &ColumnEdit, sign: f32| {
        let model = edit.column::<Complex32>("MODEL_DATA").expect("MODEL_DATA");
        let blocks = edit.blocks(256 << 10);
        blocks.par_iter().for_each(|block| {
            let new: Vec<_> = (block.start..block.end)
                .flat_map(|r| std::iter::repeat_n(Complex32::new(sign * r as f32, 1.0), row))
                .collect();
            model.write(block.clone(), &new).expect("write");
        });
        model
    };
    let check = |values: &[Complex32], sign: f32| {
        let right = |(i, value): (usize, &Complex32)| *value == Complex32::new(sign * (i / row) as f32, 1.0);
        assert!(values.len() == rows as usize * row && values.iter().enumerate().all(right));
    };
    let begin = || ColumnEdit::begin(&path, &options(), &[Target::existing("MODEL_DATA")]).expect("begin");
    let edit = begin();
    drop(fill(&edit, 1.0));
    edit.commit().expect("commit");
    let edit = begin();
    let model = fill(&edit, -1.0);
    let mut old = vec![Complex32::default(); rows as usize * row];
    model.old(0..rows, &mut old).expect("old");
    check(&old, 1.0);
    drop(model);
    drop(edit);
    let read = || {
        let mut values = Vec::new();
        Input::<Complex32>::open(&path, "MODEL_DATA")
            .and_then(|model| model.read_into(0..rows, &mut values))
            .expect("read");
        values
    };
    check(&read(), 1.0);
    let edit = begin();
    drop(fill(&edit, -1.0));
    edit.commit().expect("commit");
    check(&read(), -1.0);
}
