//! Phase centres of every kind that files have, and those that are refused.

use std::path::{Path, PathBuf};

use fixtures::GroupSpec;
use hdf5_metno as hdf5;
use hdf5_metno::types::{FixedAscii, VarLenUnicode};
use subband_io::vis_types::{Direction, FilePhasing, Frame, VisBlock};
use subband_io::{Error, OpenOptions, Scratch, SubbandGroup};

const ROWS: usize = 40;

fn text(group: &hdf5::Group, name: &str, value: &str) {
    if group.link_exists(name) {
        group.unlink(name).expect("unlinked");
    }
    let value: FixedAscii<24> = FixedAscii::from_ascii(value).expect("ASCII");
    group.new_dataset::<FixedAscii<24>>().create(name).expect("made").write_scalar(&value).expect("written");
}

fn number(group: &hdf5::Group, name: &str, value: f64) {
    if group.link_exists(name) {
        group.unlink(name).expect("unlinked");
    }
    group.new_dataset::<f64>().create(name).expect("made").write_scalar(&value).expect("written");
}

/// A tiny unprojected file whose header is changed.
fn changed(dir: &Path, change: impl FnOnce(&hdf5::Group)) -> PathBuf {
    let spec = GroupSpec { subbands: 1, phasing: fixtures::Phasing::Unprojected, ..GroupSpec::tiny() };
    let path = fixtures::write_group(dir, &spec).expect("written").remove(0);
    let file = hdf5::File::open_rw(&path).expect("opens");
    change(&file.group("Header").expect("there"));
    path
}

fn open(path: &Path) -> Result<SubbandGroup, Error> {
    SubbandGroup::open(&[path.to_owned()], &OpenOptions { expected_subbands: 1, ..OpenOptions::default() })
}

/// Adds an entry to the catalogue.
fn centre(header: &hdf5::Group, id: i64, kind: &str, frame: &str, lon: f64) {
    let catalogue =
        header.group("phase_center_catalog").or_else(|_| header.create_group("phase_center_catalog")).expect("there");
    let entry = catalogue.create_group(&id.to_string()).expect("made");
    text(&entry, "cat_name", &format!("source{id}"));
    text(&entry, "cat_type", kind);
    text(&entry, "cat_frame", frame);
    number(&entry, "cat_lon", lon);
    number(&entry, "cat_lat", 0.5);
}

fn ids(header: &hdf5::Group, id: impl Fn(usize) -> i64) {
    let ids: Vec<i64> = (0..ROWS).map(id).collect();
    header.new_dataset_builder().with_data(&ndarray::Array1::from(ids)).create("phase_center_id_array").expect("made");
}

#[test]
fn old_phased_files_give_their_uvw() {
    let dir = tempfile::tempdir().expect("a folder");
    let phased = |frame: Option<&'static str>| {
        move |h: &hdf5::Group| {
            text(h, "phase_type", "phased");
            number(h, "phase_center_ra", 1.25);
            number(h, "phase_center_dec", 0.5);
            number(h, "phase_center_epoch", 2000.0);
            if let Some(frame) = frame {
                text(h, "phase_center_frame", frame);
            }
        }
    };
    let direction = |frame| Direction { lon_rad: 1.25, lat_rad: 0.5, frame };
    for (name, frame, expected) in
        [("a", None, Frame::Icrs), ("b", Some("icrs"), Frame::Icrs), ("c", Some("fk5"), Frame::Fk5)]
    {
        let group = open(&changed(&dir.path().join(name), phased(frame))).expect("opens");
        let FilePhasing::Phased { centres, row_centre } = &group.header().phasing else { panic!("phased") };
        assert_eq!((centres[0].direction, row_centre.len()), (direction(expected), 0));
        let mut block = VisBlock::default();
        group.read_rows(3..17, &mut block, &mut Scratch::default()).expect("reads");
        assert_eq!(block.file_uvw_m.len(), 14);
        // Autocorrelations are at the origin, others are not, and the values are those of the file.
        let file = hdf5::File::open(group.window_path(0).expect("a file")).expect("opens");
        let uvw: Vec<f32> = file.dataset("Header/uvw_array").expect("there").read_raw().expect("reads");
        for (i, row) in block.file_uvw_m.iter().enumerate() {
            assert_eq!(row.map(|x| x as f32), uvw[3 * (i + 3)..3 * (i + 4)]);
        }
        assert!(block.file_uvw_m.iter().any(|r| r[2] != 0.0));
    }
    let refused = open(&changed(&dir.path().join("d"), phased(Some("gcrs"))));
    assert!(matches!(refused, Err(Error::UnsupportedPhasing { found, .. }) if found.contains("gcrs")));
    let b1975 = changed(&dir.path().join("e"), |h| {
        phased(Some("fk5"))(h);
        number(h, "phase_center_epoch", 1975.0);
    });
    assert!(matches!(open(&b1975), Err(Error::UnsupportedPhasing { found, .. }) if found.contains("1975")));
}

#[test]
fn catalogues_are_read_as_far_as_they_are_used() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    // Two sidereal centres and one of another kind that no row uses; numbers are not positions.
    let two = changed(&at("a"), |h| {
        centre(h, 7, "sidereal", "icrs", 1.0);
        centre(h, 12, "sidereal", "fk5", 2.0);
        centre(h, 3, "ephem", "icrs", 3.0);
        ids(h, |row| if row < 10 { 12 } else { 7 });
    });
    let group = open(&two).expect("opens");
    let FilePhasing::Phased { centres, row_centre } = &group.header().phasing else { panic!("phased") };
    assert_eq!(centres.iter().map(|c| c.id).collect::<Vec<_>>(), [7, 12]);
    assert_eq!((row_centre[9], row_centre[10], row_centre.len()), (1, 0, ROWS));
    assert_eq!(centres[1].direction.frame, Frame::Fk5);

    let used = changed(&at("b"), |h| {
        centre(h, 0, "sidereal", "icrs", 1.0);
        centre(h, 1, "ephem", "icrs", 3.0);
        ids(h, |row| i64::from(row == 39));
    });
    assert!(matches!(open(&used), Err(Error::UnsupportedPhasing { found, .. }) if found.contains("ephem")));

    let mixed = changed(&at("c"), |h| {
        centre(h, 0, "sidereal", "icrs", 1.0);
        centre(h, 1, "unprojected", "altaz", 0.0);
        ids(h, |row| i64::from(row > 20));
    });
    assert!(matches!(open(&mixed), Err(Error::UnsupportedPhasing { .. })));

    let unprojected = changed(&at("d"), |h| centre(h, 0, "unprojected", "altaz", 0.0));
    assert_eq!(open(&unprojected).expect("opens").header().phasing, FilePhasing::Unprojected);
    let drifting = changed(&at("e"), |h| centre(h, 0, "driftscan", "altaz", 1.0));
    let FilePhasing::Phased { centres, .. } = open(&drifting).expect("opens").header().phasing.clone() else {
        panic!("phased")
    };
    assert_eq!(centres[0].direction.frame, Frame::AltAz);

    let unknown_id = changed(&at("f"), |h| {
        centre(h, 0, "sidereal", "icrs", 1.0);
        centre(h, 1, "sidereal", "icrs", 2.0);
        ids(h, |_| 5);
    });
    assert!(matches!(open(&unknown_id), Err(Error::BadValue { .. })));
}

#[test]
fn fringe_stopping_needs_the_meridian() {
    let dir = tempfile::tempdir().expect("a folder");
    let keywords = |h: &hdf5::Group, hour_angle: f64, epoch: &str| {
        let extra = h.group("extra_keywords").or_else(|_| h.create_group("extra_keywords")).expect("there");
        number(&extra, "ha_phase_center", hour_angle);
        number(&extra, "phase_center_dec", 0.25);
        if extra.link_exists("phase_center_epoch") {
            extra.unlink("phase_center_epoch").expect("unlinked");
        }
        let epoch: VarLenUnicode = epoch.parse().expect("text");
        extra
            .new_dataset::<VarLenUnicode>()
            .create("phase_center_epoch")
            .expect("made")
            .write_scalar(&epoch)
            .expect("written");
        if h.link_exists("phase_center_app_dec") {
            h.unlink("phase_center_app_dec").expect("unlinked");
        }
    };
    let stopped = changed(&dir.path().join("a"), |h| keywords(h, 0.0, "HADEC"));
    assert_eq!(open(&stopped).expect("opens").header().phasing, FilePhasing::Meridian { app_dec_rad: 0.25 });
    let off = changed(&dir.path().join("b"), |h| keywords(h, 0.1, "HADEC"));
    assert!(matches!(open(&off), Err(Error::UnsupportedPhasing { .. })));
    let other = changed(&dir.path().join("c"), |h| keywords(h, 0.1, "J2000"));
    assert_eq!(open(&other).expect("opens").header().phasing, FilePhasing::Unprojected);
    // The caller knows better.
    let options = OpenOptions {
        expected_subbands: 1,
        phasing: Some(FilePhasing::Meridian { app_dec_rad: 0.3 }),
        ..OpenOptions::default()
    };
    let group = SubbandGroup::open(&[other], &options).expect("opens");
    assert_eq!(group.header().phasing, FilePhasing::Meridian { app_dec_rad: 0.3 });
}

/// Files of two observations are not one group, and the message says so, not that their channels overlap.
#[test]
fn consecutive_files_are_two_observations() {
    let Some(dir) = crate::oracle::data_dir() else { return };
    let files = ["zen.2457698.40355191.xx.HH.uvh5", "zen.2457698.40367619.xx.HH.uvh5"]
        .map(|f| dir.join("hera_qm/hera_qm/data").join(f));
    match SubbandGroup::open(&files, &OpenOptions::default()) {
        Err(Error::Disagree { what, .. }) => assert_eq!(what, "their times"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

/// Groups are read from many threads.
#[test]
fn groups_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<SubbandGroup>();
    shared::<Scratch>();
    shared::<Error>();
}

#[test]
fn uvw_that_are_no_numbers_are_an_error_with_their_row() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = changed(dir.path(), |h| {
        text(h, "phase_type", "phased");
        number(h, "phase_center_ra", 1.25);
        number(h, "phase_center_dec", 0.5);
        let uvw = h.dataset("uvw_array").expect("there");
        let mut values: Vec<f32> = uvw.read_raw().expect("reads");
        values[3 * 21 + 2] = f32::NAN;
        uvw.write_raw(&values).expect("written");
    });
    let group = open(&path).expect("opens");
    let mut uvw = Vec::new();
    group.read_uvw(0..21, &mut uvw, &mut Scratch::default()).expect("rows before it");
    let read = group.read_rows(13..ROWS, &mut VisBlock::default(), &mut Scratch::default());
    assert!(matches!(read, Err(Error::BadValue { dataset, .. }) if dataset == "Header/uvw_array[21, 2]"));
}
