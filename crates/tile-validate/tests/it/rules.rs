//! A set of tiles for each rule that breaks exactly that rule.

use std::path::Path;

use products_db::{CalTable, CalibrationApplied, Image, MsRow, Reader, Writer};
use tile_validate::{Finding, FitsCache, Input, Kind, Report, Rule, Rules, Severity, validate};

use crate::tile::{Tile, clean, found, judge, rules};

fn broken(change: impl FnOnce(&mut Vec<Tile>)) -> Report {
    with(&rules(), change)
}

fn with(rules: &Rules, change: impl FnOnce(&mut Vec<Tile>)) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tiles = clean();
    change(&mut tiles);
    judge(folder.path(), &tiles, rules)
}

/// That tile 2 breaks `rule` and nothing else is found.
fn only(rule: &str, report: &Report) {
    assert_eq!(found(report), [format!("t02: {rule}")], "{:#?}", report.findings);
    let finding = &report.findings[0];
    assert!(!finding.message.is_empty());
    assert_eq!(finding.rule.name(), rule);
}

#[test]
fn files() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut paths: Vec<_> = clean().iter().map(|t| t.write(folder.path())).collect();
    let judge = |paths: &[std::path::PathBuf]| {
        validate(&Input::of(paths), &rules(), &FitsCache::default(), &|_| {}).expect("a report")
    };
    // The last of the row, so that no gap comes of it.
    std::fs::remove_file(&paths[5]).expect("a file");
    assert_eq!(found(&judge(&paths)), ["t05: exists"]);
    std::fs::write(&paths[5], b"not a FITS file at all").expect("room");
    assert_eq!(found(&judge(&paths)), ["t05: header"]);
    paths[5] = Tile { keep_bytes: Some(2880 * 3), ..Tile::new(5) }.write(folder.path());
    assert_eq!(found(&judge(&paths)), ["t05: truncated"]);
    paths[5] = Tile { keep_bytes: Some(1000), ..Tile::new(5) }.write(folder.path());
    assert_eq!(found(&judge(&paths)), ["t05: header"]);
    // A folder is no tile.
    paths[5] = folder.path().to_path_buf();
    let report = judge(&paths);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].rule.kind(), Kind::File);
    assert_eq!(report.failed_kinds(), [Kind::File]);
}

#[test]
fn pixels() {
    only("finite", &broken(|t| t[2].nan_rows = 40));
    only("noise", &with(&Rules { max_noise_jy: 1.5e-3, ..rules() }, |t| t[2].noise = 2e-3));
    only("dynamic-range", &broken(|t| t[2].peak = 0.0).only_rule(Rule::DynamicRange));
    only("trough", &broken(|t| t[2].trough = 0.3));
    only("noise-outlier", &broken(|t| t[2].noise = 8e-3));
    // The low side, which the original did not look at.
    only("noise-outlier", &broken(|t| t[2].noise = 1e-4));
    // A tile without a finite pixel, and one of a single value.
    only("finite", &broken(|t| t[2].nan_rows = 64));
    only("noise", &broken(|t| (t[2].noise, t[2].peak) = (0.0, 0.0)));
}

/// Without the sources there may also be as deep a pixel as the brightest.
trait OnlyRule {
    fn only_rule(self, rule: Rule) -> Self;
}

impl OnlyRule for Report {
    fn only_rule(mut self, rule: Rule) -> Self {
        self.findings.retain(|f| f.rule == rule || f.rule != Rule::Trough);
        self
    }
}

#[test]
fn beams() {
    only("beam", &broken(|t| t[2] = Tile::new(2).without("BMAJ")));
    only("beam", &broken(|t| t[2] = Tile::new(2).with("BMAJ", "0.0").with("BMIN", "0.0")));
    let narrow = Rules { min_beam_pixels: 2.0, ..rules() };
    only(
        "beam",
        &with(&Rules { max_beam_difference: 0.9, ..narrow }, |t| {
            t[2] = Tile::new(2).with("BMAJ", "0.05").with("BMIN", "0.03");
        }),
    );
    only("beam-outlier", &broken(|t| t[2] = Tile::new(2).with("BMAJ", "0.09")));
    only("beam-outlier", &broken(|t| t[2] = Tile::new(2).with("BMAJ", "0.046").with("BMIN", "0.045")));
}

#[test]
fn grids() {
    only("axes", &broken(|t| t[2] = Tile::new(2).with("CTYPE1", "'LINEAR'")).without_rule(Rule::Gap));
    only("grid-shape", &broken(|t| (t[2].side, t[2].beam) = ([48, 48], Some((48, 1.0, 0.3)))));
    only("pixel-scale", &broken(|t| t[2] = Tile::new(2).with("CDELT1", "-2.0000001E-2")));
    only("frame", &broken(|t| t[2] = Tile::new(2).with("RADESYS", "'FK4'").with("EQUINOX", "1950.")));
    only("frame", &broken(|t| t[2] = Tile::new(2).with("CTYPE1", "'RA---TAN'").with("CTYPE2", "'DEC--TAN'")));
    only("unit", &broken(|t| t[2] = Tile::new(2).with("BUNIT", "'K'")));
    only("frequency", &broken(|t| t[2] = Tile::new(2).without("CRVAL3")));
    only("frequency-spread", &broken(|t| t[2] = Tile::new(2).with("CRVAL3", "1.34E9")));
}

trait WithoutRule {
    fn without_rule(self, rule: Rule) -> Self;
}

impl WithoutRule for Report {
    /// Without findings that follow from another one: a tile without a place leaves a gap beside it.
    fn without_rule(mut self, rule: Rule) -> Self {
        self.findings.retain(|f| f.rule != rule);
        self
    }
}

#[test]
fn primary_beams() {
    only("primary-beam", &broken(|t| t[2].beam = None));
    only("primary-beam-grid", &broken(|t| t[2].beam = Some((48, 1.0, 0.3))));
    let alone = Rules { min_primary_beam_ratio: 0.0, ..rules() };
    only("primary-beam-range", &with(&alone, |t| t[2].beam = Some((64, 1.0, -2.9))));
    only("primary-beam-range", &broken(|t| t[2].beam = Some((64, 1.2, 0.3))));
    only("primary-beam-outlier", &broken(|t| t[2].beam = Some((64, 0.3, 0.2))));
    // Without asking for it, nothing is looked for.
    let none = Rules { primary_beam: false, ..rules() };
    assert!(with(&none, |t| t[2].beam = None).findings.is_empty());
    // A tile is never its own beam.
    let report = broken(|t| (t[2].name, t[2].beam) = ("t02-beam-0.fits".to_owned(), None));
    assert!(report.findings.iter().any(|f| f.rule == Rule::PrimaryBeam), "{:?}", report.findings);
    let mixed = broken(|t| t[2].name = "t02-image-pb.fits".to_owned());
    assert!(found(&mixed).contains(&"t02-image-pb.fits: primary-beam-correction".to_owned()), "{:?}", found(&mixed));
}

#[test]
fn coverage() {
    only("time", &broken(|t| t[2] = Tile::new(2).without("DATE-OBS")));
    // The last one moves away, northwards.
    let report = broken(|t| t[5].dec = 40.0);
    assert_eq!(found(&report), ["t05: gap"]);
    // The third is missing: the first two are the smaller part.
    let report = broken(|t| drop(t.remove(2)));
    assert_eq!(found(&report), ["t00: gap", "t01: gap"]);
    assert_eq!(report.findings[0].value, Some(2.0));
    assert!(with(&Rules { check_gaps: false, ..rules() }, |t| drop(t.remove(2))).findings.is_empty());
    // The same file by another way, and the same sky at the same time in another file.
    let folder = tempfile::tempdir().expect("a folder");
    let mut paths: Vec<_> = clean().iter().map(|t| t.write(folder.path())).collect();
    paths.push(folder.path().join(".").join("t02-image.fits"));
    paths.push(Tile { name: "u-image.fits".to_owned(), ..Tile::new(3) }.write(folder.path()));
    let report = validate(&Input::of(&paths), &rules(), &FitsCache::default(), &|_| {}).expect("a report");
    assert_eq!(report.findings.iter().filter(|f| f.rule == Rule::Duplicate).count(), 2, "{:#?}", report.findings);
    assert_eq!(report.findings.len(), 2);
}

/// A database in which everything is as it should be.
fn database(folder: &Path, tiles: &[Tile]) -> Writer {
    let mut writer = Writer::create(&folder.join("products.sqlite3")).expect("a database");
    let stored = |name: &str| writer.folder().stored(&folder.join(name)).expect("a path");
    let (mut images, mut sets, mut applied) = (Vec::new(), Vec::new(), Vec::new());
    for (i, tile) in tiles.iter().enumerate() {
        let ms = stored(&format!("{i}.ms"));
        images.push(Image { path: stored(&tile.name), ms_path: Some(ms.clone()), ..Image::default() });
        let mid = 61_065.0 + i as f64 * 0.004;
        sets.push(MsRow { path: ms.clone(), mid_mjd: Some(mid), cal_applied: Some(true), ..MsRow::default() });
        for table in ["b", "g"] {
            applied.push(CalibrationApplied {
                ms_path: ms.clone(),
                caltable_path: stored(table),
                success: Some(true),
                ..CalibrationApplied::default()
            });
        }
    }
    let tables = ["b", "g"].map(|name| CalTable {
        path: stored(name),
        set_name: Some("cal-1".into()),
        valid_start_mjd: Some(61_064.5),
        valid_end_mjd: Some(61_065.5),
        ..CalTable::default()
    });
    writer
        .transaction(|t| {
            t.upsert(&images)?;
            t.upsert(&sets)?;
            t.upsert(&tables)?;
            t.upsert(&applied)
        })
        .expect("rows");
    writer
}

#[test]
fn calibration() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let tiles = clean();
    let paths: Vec<_> = tiles.iter().map(|t| t.write(root)).collect();
    let mut writer = database(root, &tiles);
    let reader = Reader::open(writer.path()).expect("a reader");
    let judge = || {
        let input = Input { database: Some(&reader), ..Input::of(&paths) };
        let report = validate(&input, &rules(), &FitsCache::default(), &|_| {}).expect("a report");
        assert!(report.queries <= 2, "{} queries", report.queries);
        report
    };
    assert!(judge().findings.is_empty(), "{:#?}", judge().findings);
    let stored = |w: &Writer, name: &str| w.folder().stored(&root.join(name)).expect("a path");

    let set = MsRow { path: stored(&writer, "2.ms"), cal_applied: Some(false), ..MsRow::default() };
    writer.upsert(std::slice::from_ref(&set)).expect("a change");
    only("calibrated", &judge());
    writer.upsert(&[MsRow { cal_applied: Some(true), ..set }]).expect("a change");

    let failed = CalibrationApplied {
        ms_path: stored(&writer, "2.ms"),
        caltable_path: stored(&writer, "b"),
        success: Some(false),
        ..CalibrationApplied::default()
    };
    writer.upsert(std::slice::from_ref(&failed)).expect("a change");
    only("calibrated", &judge());
    writer.upsert(&[CalibrationApplied { success: Some(true), ..failed }]).expect("a change");

    let late = MsRow { path: stored(&writer, "2.ms"), mid_mjd: Some(61_066.0), ..MsRow::default() };
    writer.upsert(&[late]).expect("a change");
    only("calibration-validity", &judge());
    let back = MsRow { path: stored(&writer, "2.ms"), mid_mjd: Some(61_065.0), ..MsRow::default() };
    writer.upsert(&[back]).expect("a change");

    let other = CalTable { path: stored(&writer, "c"), set_name: Some("cal-2".into()), ..CalTable::default() };
    let applied = CalibrationApplied {
        ms_path: stored(&writer, "2.ms"),
        caltable_path: stored(&writer, "c"),
        ..CalibrationApplied::default()
    };
    writer.upsert(&[other]).and_then(|()| writer.upsert(&[applied])).expect("changes");
    only("calibration-set", &judge());
    writer.transaction(|t| t.remove::<Image, _>(&[root.join("t02-image.fits")])).expect("a removal");
    only("registered", &judge());
    assert_eq!(judge().findings[0].severity, Severity::Warning);
    assert!(judge().passes(), "a warning is none");

    // A database that does not answer is an error, not tiles without calibration.
    let path = writer.path().to_owned();
    drop((writer, reader));
    let mut bytes = std::fs::read(&path).expect("a file");
    // The pages with the images' names, and not those with the schema.
    let page_bytes = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let damaged = bytes.chunks_mut(page_bytes).filter(|page| page.windows(11).any(|w| w == b"-image.fits"));
    damaged.for_each(|page| page.fill(0xff));
    std::fs::write(&path, bytes).expect("room");
    let reader = Reader::open(&path).expect("the schema is fine");
    let input = Input { database: Some(&reader), ..Input::of(&paths) };
    assert!(validate(&input, &rules(), &FitsCache::default(), &|_| {}).is_err());
}

#[test]
fn severities_can_be_changed_and_thresholds_are_checked() {
    let mut changed = rules();
    changed.severity.insert(Rule::Beam, Severity::Warning);
    changed.severity.insert(Rule::PrimaryBeam, Severity::Off);
    let report = with(&changed, |t| (t[2], t[3].beam) = (Tile::new(2).without("BMAJ"), None));
    only("beam", &report);
    assert!(report.passes());
    let wrong = Rules { min_dynamic_range: f64::NAN, ..rules() };
    assert!(validate(&Input::of(&[]), &wrong, &FitsCache::default(), &|_| {}).is_err());
    assert!(validate(&Input::of(&[]), &rules(), &FitsCache::default(), &|_| {}).expect("no tiles").passes());
    let names: std::collections::BTreeSet<&str> = Rule::ALL.iter().map(|r| r.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    let _: Option<Finding> = None;
}
