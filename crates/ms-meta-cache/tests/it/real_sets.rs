//! Sets that real telescopes and other programs wrote, against what python-casacore reads (`tests/expected.py`).

use std::path::Path;
use std::process::Command;

use ms_meta_cache::{Error, MsMetadata, MsSet};
use serde_json::{Value as Json, json};

use crate::{cache, shared_data};

/// The same digest as in `expected.py`; sums are compared apart.
fn digest(values: impl IntoIterator<Item = f64>) -> Json {
    let v: Vec<f64> = values.into_iter().collect();
    let (Some(first), Some(last)) = (v.first(), v.last()) else { return json!([0]) };
    let weighted: f64 = v.iter().enumerate().map(|(i, x)| (i + 1) as f64 * x).sum();
    json!([v.len(), first, last, v.iter().sum::<f64>(), weighted])
}

fn as_python(all: &MsMetadata) -> Json {
    let tables = &all.subtables;
    let list = |l: &Option<Vec<f64>>| digest(l.clone().unwrap());
    let direction = |d: &vis_types::FieldDirection| json!([d.terms.as_flattened(), d.frame]);
    let windows = tables.windows.iter().map(|w| {
        let lists =
            [digest(w.freq_hz.clone()), digest(w.width_hz.clone()), list(&w.effective_bw_hz), list(&w.resolution_hz)];
        json!([w.name, lists, w.ref_freq_hz, w.total_bandwidth_hz, w.frame])
    });
    let fields = tables.fields.iter().map(|f| {
        let directions = [&f.phase, f.delay.as_ref().unwrap(), f.reference.as_ref().unwrap()].map(direction);
        json!([f.name, f.code, f.time, f.source_id, directions])
    });
    let antenna = |a: &vis_types::MsAntenna| [&a.name, &a.station, &a.kind, &a.mount].map(String::as_str).join(",");
    let antennas = &tables.antennas;
    let mut managers: Vec<(String, Vec<String>)> =
        all.layout.managers.iter().map(|m| (m.kind.clone(), m.columns.clone())).collect();
    managers.iter_mut().for_each(|(_, columns)| columns.sort());
    managers.sort();
    let groups = all.rows.groups.iter().map(|g| {
        json!([
            g.observation,
            g.array,
            g.scan,
            g.field,
            g.data_description,
            g.rows,
            g.time_range[0],
            g.time_range[1],
            g.interval_s[0],
            g.interval_s[1],
            g.exposure_s[0],
            g.exposure_s[1]
        ])
    });
    json!({
        "windows": windows.collect::<Vec<_>>(),
        "data_descriptions": tables.data_descriptions.iter().map(|d| [d.window, d.polarization]).collect::<Vec<_>>(),
        "fields": fields.collect::<Vec<_>>(),
        "antennas": [
            json!(format!("{}|{}", antenna(&antennas[0]), antenna(antennas.last().unwrap()))),
            digest(antennas.iter().flat_map(|a| a.position_m)), digest(antennas.iter().flat_map(|a| a.offset_m)),
            digest(antennas.iter().map(|a| a.diameter_m)), json!(tables.antenna_reference),
        ],
        "polarizations": tables.polarizations.iter().map(|p| json!([p.codes, p.receptors])).collect::<Vec<_>>(),
        "observations":
            tables.observations.iter().map(|o| json!([o.telescope, o.observer, o.project, o.time_range])).collect::<Vec<_>>(),
        "rows": all.rows.rows,
        "columns": all.layout.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(),
        "managers": managers,
        "groups": groups.collect::<Vec<_>>(),
        "times": digest(all.rows.times.iter().map(|t| t.0)),
    })
}

/// Equal, numbers to 1e-12 (sums are added up in another order).
fn same(at: &str, ours: &Json, theirs: &Json) {
    match (ours, theirs) {
        (Json::Array(a), Json::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{at}");
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| same(&format!("{at}[{i}]"), a, b));
        }
        (Json::Object(a), Json::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{at}");
            a.iter().for_each(|(key, value)| same(&format!("{at}.{key}"), value, &b[key]));
        }
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-12 * b.abs(), "{at}: {a} {b}");
        }
        _ => assert_eq!(ours, theirs, "{at}"),
    }
}

fn unpack(archive: &Path, into: &Path) {
    let tar =
        Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(into).stderr(std::process::Stdio::null()).status();
    assert!(tar.unwrap().success(), "{}", archive.display());
}

#[test]
fn every_real_set_reads_as_python_casacore_reads_it() {
    let Some(data) = shared_data() else { return };
    let expected: Json = serde_json::from_str(include_str!("../expected.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cache = cache();
    let mut compared = 0;
    for telescope in ["ALMA", "LWA", "MWA", "PAPER", "VLA"] {
        for entry in std::fs::read_dir(data.join("rasg-datasets/visibility_data").join(telescope)).unwrap() {
            let archive = entry.unwrap().path();
            let Some(name) =
                archive.file_name().and_then(|n| n.to_str()?.strip_suffix(".tar.gz")).filter(|n| n.ends_with(".ms"))
            else {
                continue;
            };
            unpack(&archive, folder.path());
            let before = cache.operations().counts();
            let all = cache.metadata(&MsSet::new(folder.path().join(name)).unwrap()).unwrap();
            same(name, &as_python(&all), &expected[name]);
            let after = cache.operations().counts();
            assert_eq!(after.opens - before.opens, 6 + 3, "six subtables, and MAIN for their names, layout and rows");
            assert_eq!(after.plain_opens - before.plain_opens, 9, "none through casacore");
            compared += 1;
        }
    }
    assert_eq!(compared, 6);
}

#[test]
fn calibration_tables_are_not_sets() {
    let Some(data) = shared_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    unpack(&data.join("rasg-datasets/calibration_solutions/SMA/sma.ms.pha.gcal.tar.gz"), folder.path());
    let cache = cache();
    for path in [folder.path().join("sma.ms.pha.gcal"), data.join("dsa110-calib/dsacalib/data/template_gcal_ant")] {
        let set = MsSet::new(path).unwrap();
        let error = cache.subtables(&set).unwrap_err();
        assert!(matches!(error, Error::NoSubtable { name: "DATA_DESCRIPTION", .. }), "{error}");
        assert!(cache.layout(&set).unwrap().rows > 0);
    }
}
