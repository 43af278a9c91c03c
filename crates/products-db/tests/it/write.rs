use std::path::PathBuf;

use products_db::{Error, Image, MsRow, Reader, Writer, backup, migrate};

fn database() -> (tempfile::TempDir, Writer) {
    let folder = tempfile::tempdir().expect("a folder");
    let writer = Writer::create(&folder.path().join("products.sqlite3")).expect("a database");
    (folder, writer)
}

fn set(writer: &Writer, name: &str) -> MsRow {
    MsRow { path: writer.folder().stored(&writer.folder().root().join(name)).expect("a path"), ..MsRow::default() }
}

#[test]
fn none_leaves_what_is_there() {
    let (_folder, mut writer) = database();
    let row = set(&writer, "a.ms");
    writer.upsert(&[MsRow { stage: Some("converted".into()), mid_mjd: Some(1.0), ..row.clone() }]).expect("a row");
    writer
        .upsert(&[MsRow { cal_applied: Some(true), stage: Some("calibrated".into()), ..row.clone() }])
        .expect("a row");
    let found: Vec<Option<MsRow>> = writer.by_path(&[writer.folder().resolve(&row.path)]).expect("a look-up");
    let found = found[0].as_ref().expect("a row");
    assert_eq!((found.stage.as_deref(), found.mid_mjd, found.cal_applied), (Some("calibrated"), Some(1.0), Some(true)));
}

#[test]
fn a_transaction_that_fails_changes_nothing_and_its_reader_sees_nothing_before() {
    let (_folder, mut writer) = database();
    let reader = Reader::open(writer.path()).expect("a reader");
    let row = set(&writer, "a.ms");
    let result = writer.transaction(|t| {
        t.upsert(std::slice::from_ref(&row))?;
        assert_eq!(t.count::<MsRow>().expect("a count"), 1);
        assert_eq!(reader.count::<MsRow>().expect("a count"), 0, "not committed yet");
        Err::<(), _>(Error::Number { what: "test", value: 0.0 })
    });
    assert!(result.is_err());
    assert_eq!(writer.count::<MsRow>().expect("a count"), 0);
    writer.upsert(std::slice::from_ref(&row)).expect("the next one works");
    assert_eq!(reader.count::<MsRow>().expect("a count"), 1);
    let paths = [writer.folder().resolve(&row.path), PathBuf::from("/none.ms")];
    assert_eq!(writer.transaction(|t| t.remove::<MsRow, _>(&paths)).expect("a removal"), 1);
}

#[test]
fn a_reader_cannot_write_and_a_second_writer_waits() {
    let (_folder, mut writer) = database();
    let path = writer.path().to_owned();
    let row = set(&writer, "a.ms");
    let thread = writer
        .transaction(|t| {
            let second = std::thread::spawn(move || {
                let mut second = Writer::open(&path)?;
                let row = set(&second, "b.ms");
                second.upsert(&[row])
            });
            t.upsert(&[row])?;
            Ok(second)
        })
        .expect("a transaction");
    thread.join().expect("no panic").expect("its turn came");
    assert_eq!(writer.count::<MsRow>().expect("a count"), 2);
}

#[test]
fn a_backup_is_one_state_whatever_is_written_meanwhile() {
    let (folder, mut writer) = database();
    let rows: Vec<MsRow> = (0..4000).map(|i| set(&writer, &format!("{i:08}.ms"))).collect();
    writer.upsert(&rows).expect("rows");
    let reader = Reader::open(writer.path()).expect("a reader");
    let copy = folder.path().join("copy.sqlite3");
    let (mut reports, more) = (0, set(&writer, "more.ms"));
    backup(&reader, &copy, |_, _| {
        reports += 1;
        writer.upsert(std::slice::from_ref(&more)).expect("a writer does not wait");
    })
    .expect("a copy");
    assert!(reports > 0);
    let copied = Reader::open(&copy).expect("a database");
    assert_eq!(copied.count::<MsRow>().expect("a count"), 4000);
    assert_eq!(reader.count::<MsRow>().expect("a count"), 4001);
    assert!(matches!(backup(&reader, &copy, |_, _| {}), Err(Error::Exists { .. })));
}

#[test]
fn nothing_is_left_beside_the_databases() {
    let (folder, mut writer) = database();
    let image =
        Image { path: writer.folder().stored(&folder.path().join("a.fits")).expect("a path"), ..Image::default() };
    writer.upsert(&[image]).expect("a row");
    drop(writer);
    drop(Reader::open(&folder.path().join("products.sqlite3")).expect("a reader"));
    let names: Vec<String> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["products.sqlite3"]);
}

#[test]
fn a_full_disk_or_a_protected_folder_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, b"x").expect("room");
    assert!(matches!(Writer::create(&file.join("products.sqlite3")), Err(Error::Io { .. })));
    assert!(matches!(Writer::create(&file), Err(Error::Exists { .. })));
    assert!(matches!(Reader::open(&file), Err(Error::NotSqlite { .. })));
    assert!(matches!(migrate(&file, &[]), Err(Error::NotSqlite { .. })));
    assert_eq!(std::fs::read(&file).expect("a file"), b"x");
}
