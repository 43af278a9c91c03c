use casacore::{LockMode, OpenOptions, Table};
use ms_columns::{ColumnEdit, EditOptions, Target};
use publish::{Level, verify};

use crate::set::{MAKES, Make, messages, published, set};

fn options(command: &str) -> EditOptions {
    EditOptions { command: Some(command.into()), ..EditOptions::new("it 1.0") }
}

fn change(path: &std::path::Path, command: &str) {
    let edit = ColumnEdit::begin(path, &options(command), &[Target::model()]).expect("begin");
    edit.commit().expect("commit");
}

#[test]
fn each_change_adds_a_row_that_casacore_reads() {
    for make in MAKES {
        let (_folder, path) = published(make);
        change(&path, "it model --sky a.txt");
        verify(&path, Level::Checksums).expect("the manifest lists the new HISTORY");
        // Another program adds a row in between, with casacore's locks.
        let open = OpenOptions::new().write(true).lock(LockMode::Auto);
        let mut table = open.open(path.join("HISTORY")).expect("open");
        table.add_rows(1).and_then(|()| table.write_strings("MESSAGE", 2, &["between"])).expect("add");
        table.close().expect("close");
        change(&path, "it model --sky b.txt");
        assert_eq!(messages(&path), ["made", "MODEL_DATA made", "between", "MODEL_DATA changed"], "{make:?}");

        let table = Table::open(path.join("HISTORY")).expect("open");
        assert_eq!(table.read_strings("APPLICATION", 3).expect("APPLICATION"), ["it 1.0"]);
        assert_eq!(table.read_strings("ORIGIN", 1).expect("ORIGIN"), ["it 1.0"]);
        let command = table.read_ragged_strings("CLI_COMMAND", 3).expect("CLI_COMMAND");
        assert_eq!((command.shapes, command.values), (vec![Some(vec![1])], vec!["it model --sky b.txt".to_owned()]));
        let mut time = [0.0];
        table.read("TIME", 3, &mut time).expect("TIME");
        // Between 2020 and 2120, seconds of MJD.
        assert!((58_849.0 * 86_400.0..95_373.0 * 86_400.0).contains(&time[0]), "{time:?}");
    }
}

#[test]
fn without_a_command_or_a_commit_nothing_is_added() {
    let (_folder, path) = set(Make::Tiled);
    ColumnEdit::begin(&path, &EditOptions::new("it"), &[Target::model()]).expect("begin").commit().expect("commit");
    drop(ColumnEdit::begin(&path, &options("it"), &[Target::model()]).expect("begin"));
    assert_eq!(messages(&path), ["made"]);
}

#[test]
fn a_set_without_history_is_changed_all_the_same() {
    let (_folder, path) = set(Make::Tiled);
    let mut table = Table::open_rw(&path).expect("open");
    table.remove_keyword("HISTORY").expect("remove");
    table.close().expect("close");
    change(&path, "it");
    assert_eq!(messages(&path), ["made"]);
}
