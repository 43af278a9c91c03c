use ms_writer::vis_types::*;
use ms_writer::{Centre, Error, MsOptions, MsWriter};

use crate::made;

const MAS: f64 = std::f64::consts::PI / (180.0 * 3600.0 * 1000.0);

#[test]
fn the_mid_time_centre_is_on_the_meridian_then() {
    let header = made::header(3);
    let made = made::write(&header, &MsOptions::default(), |_| {});
    let sky = made::at_middle(&header);
    let [field] = &made.summary.fields[..] else { panic!("one field") };
    assert_eq!(field.direction.frame, Frame::Icrs);
    assert!(sky.hour_angle(field.direction).expect("ICRS").abs() < 0.01 * MAS);
    let app = sky.to_apparent(field.direction).expect("ICRS");
    assert!((app.lat_rad - 0.953).abs() < 0.01 * MAS);
    let f = made.subtable("FIELD");
    let (shape, dir): (_, Vec<f64>) = f.read_cell("PHASE_DIR", 0).expect("a cell");
    assert_eq!((shape, dir), (vec![1, 2], vec![field.direction.lon_rad, field.direction.lat_rad]));
    let kind = f.column_keywords("PHASE_DIR").expect("keywords");
    assert_eq!(kind.get("MEASINFO").and_then(|m| m.as_record()?.get("Ref")?.as_str()), Some("ICRS"));
    assert!(made.column::<i32>("FIELD_ID").iter().all(|&f| f == 0));
    assert!(made.column::<i32>("SCAN_NUMBER").iter().all(|&s| s == 1));
}

#[test]
fn centres_on_the_meridian_are_one_for_each_integration() {
    let header = made::header(3);
    let made = made::write(&header, &MsOptions { centre: Centre::Meridian, ..MsOptions::default() }, |_| {});
    assert_eq!(made.subtable("FIELD").rows().expect("rows"), 3);
    assert_eq!(made.subtable("SOURCE").rows().expect("rows"), 3);
    for (time, field) in header.rows.times().iter().zip(&made.summary.fields) {
        assert!(made::sky(*time).hour_angle(field.direction).expect("ICRS").abs() < 0.01 * MAS);
    }
    let baselines = header.rows.len() / 3;
    let expected: Vec<i32> = (0..3).flat_map(|t| std::iter::repeat_n(t, baselines)).collect();
    assert_eq!(made.column::<i32>("FIELD_ID"), expected);
    assert_eq!(made.column::<i32>("SCAN_NUMBER"), expected.iter().map(|f| f + 1).collect::<Vec<_>>());
}

fn phased(frame: Frame) -> VisHeader {
    let centre = |name: &str, lon_rad, frame| PhaseCentre {
        id: 7,
        name: name.to_owned(),
        direction: Direction { lon_rad, lat_rad: 0.9, frame },
    };
    let mut header = made::header(2);
    let rows = header.rows.len();
    let row_centre = (0..rows).map(|r| u16::from(r >= rows / 2)).collect();
    header.phasing =
        FilePhasing::Phased { centres: vec![centre("A", 1.9, Frame::Fk5), centre("B", 1.95, frame)], row_centre };
    header
}

#[test]
fn phased_files_keep_their_centres_uvw_and_visibilities() {
    let header = phased(Frame::Fk5);
    for centre in [Centre::MidTime, Centre::AsInFile] {
        let made = made::write(&header, &MsOptions { centre, ..made::small_tiles() }, |_| {});
        assert_eq!(made.summary.fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
        let kind = made.subtable("FIELD").column_keywords("PHASE_DIR").expect("keywords");
        assert_eq!(kind.get("MEASINFO").and_then(|m| m.as_record()?.get("Ref")?.as_str()), Some("J2000"));
        let block = made::block(&header, 0..header.rows.len(), made::source(&header));
        let (uvw, data) = (made.uvw(), made.data());
        for r in 0..header.rows.len() {
            assert_eq!(uvw[r], block.file_uvw_m[r].map(|x| -x));
            let first: Vec<Complex32> =
                block.slabs[0].vis_slice()[r * 32..(r + 1) * 32].iter().map(|v| v.conj()).collect();
            assert_eq!(data[r][..32], first);
        }
        let field: Vec<i32> = made.column("FIELD_ID");
        assert_eq!((field[0], field[header.rows.len() - 1]), (0, 1));
    }
}

#[test]
fn unprojected_data_are_phased_to_where_the_dishes_pointed() {
    let unprojected = VisHeader { phasing: FilePhasing::Unprojected, ..made::header(1) };
    let declination = |header: &VisHeader| {
        let made = made::write(header, &MsOptions::default(), |_| {});
        made::at_middle(header).to_apparent(made.summary.fields[0].direction).expect("ICRS").lat_rad
    };
    let pointed = VisHeader { pointing_dec_rad: Some(0.7), ..unprojected.clone() };
    assert!((declination(&pointed) - 0.7).abs() < 0.01 * MAS);
    let zenith = unprojected.telescope.latitude_rad;
    assert!((declination(&unprojected) - zenith).abs() < 1e-3);
}

#[test]
fn centres_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let create = |header: &VisHeader, centre| {
        let options = MsOptions { centre, ..MsOptions::default() };
        MsWriter::create(&folder.path().join("never.ms"), header, &options).map(|_| ()).expect_err("refused")
    };
    let unprojected = VisHeader { phasing: FilePhasing::Unprojected, ..made::header(1) };
    assert!(matches!(create(&unprojected, Centre::Meridian), Error::NoDeclination));
    assert!(matches!(create(&unprojected, Centre::AsInFile), Error::NotPhased));
    assert!(matches!(create(&phased(Frame::Icrs), Centre::MidTime), Error::MixedFrames { .. }));
    let mut early = made::header(1);
    early.rows = RowAxis::grid(vec![JulianDate(0.0)], vec![1.0], vec![Baseline::new(0, 1)]);
    assert!(matches!(create(&early, Centre::MidTime), Error::Sky { .. }));
    assert!(!folder.path().join("never.ms").exists());
}
