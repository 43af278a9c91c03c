use ms_columns::{ColumnEdit, EditOptions, State, Target, adopt, generations};
use publish::{Level, verify};

use crate::set::{MAKES, Make, ROWS, published, set};

fn options() -> EditOptions {
    EditOptions::new("it 1.0")
}

fn state(path: &std::path::Path, column: &str) -> (u64, State) {
    let found = generations(path, Some(&[column])).expect("generations");
    (found[0].number, found[0].state)
}

fn flag_in_place(path: &std::path::Path) {
    let mut table = casacore::Table::open_rw(path).expect("open");
    table.write("FLAG_ROW", 0..ROWS, &vec![true; ROWS as usize]).expect("write");
    let (shape, values) = table.read_cell::<bool>("FLAG", 17).expect("read");
    let inverted: Vec<bool> = values.iter().map(|&value| !value).collect();
    table.write_cell("FLAG", 17, &shape, &inverted).expect("write");
    table.close().expect("close");
}

#[test]
fn changes_of_others_show_and_can_be_adopted() {
    for make in MAKES {
        let (_folder, path) = published(make);
        assert_eq!(state(&path, "FLAG"), (0, State::Unchanged), "{make:?}: as published");
        let edit = ColumnEdit::begin(&path, &options(), &[Target::existing("FLAG")]).expect("begin");
        edit.commit().expect("commit");
        assert_eq!(state(&path, "FLAG"), (1, State::Unchanged), "{make:?}");
        assert_eq!(state(&path, "DATA").0, 0);

        flag_in_place(&path);
        assert_eq!(state(&path, "FLAG"), (1, State::ChangedOutside), "{make:?}");
        assert!(verify(&path, Level::Checksums).is_err());
        let adopted = adopt(&path, &options()).expect("adopt");
        assert!(adopted.contains(&"FLAG".to_owned()) && adopted.contains(&"FLAG_ROW".to_owned()), "{adopted:?}");
        assert_eq!(state(&path, "FLAG"), (2, State::Unchanged), "{make:?}");
        verify(&path, Level::Checksums).expect("the manifest knows");
        assert_eq!(adopt(&path, &options()).expect("adopt"), Vec::<String>::new());
    }
}

#[test]
fn a_foreign_set_is_known_from_our_first_change_on() {
    let (_folder, path) = set(Make::Tiled);
    assert_eq!(state(&path, "FLAG"), (0, State::Untracked));
    let edit = ColumnEdit::begin(&path, &options(), &[Target::existing("FLAG")]).expect("begin");
    edit.commit().expect("commit");
    assert_eq!((state(&path, "FLAG"), state(&path, "DATA")), ((1, State::Unchanged), (0, State::Untracked)));
    let found = generations(&path, Some(&["FLAG"])).expect("generations");
    assert_eq!(found[0].by.as_deref(), Some("it 1.0"));
    flag_in_place(&path);
    assert_eq!(state(&path, "FLAG"), (1, State::ChangedOutside));
    assert!(!path.join(".product.json").exists(), "it stays foreign");
}

#[test]
fn a_copy_is_unchanged_though_its_times_are_new() {
    let (folder, path) = published(Make::Tiled);
    let edit = ColumnEdit::begin(&path, &options(), &[Target::existing("FLAG")]).expect("begin");
    edit.commit().expect("commit");
    let copy = folder.path().join("b.ms");
    let status = std::process::Command::new("cp").arg("-r").arg(&path).arg(&copy).status().expect("cp");
    assert!(status.success());
    assert_eq!(state(&copy, "FLAG"), (1, State::Unchanged));
}
