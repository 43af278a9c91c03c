//! Every variant and every fault that the fixtures can make. Visibilities say where they belong, so a swapped axis shows.

use std::path::{Path, PathBuf};

use fixtures::{
    Address, Content, FaultKind, FlagContent, GroupSpec, WeightContent, address_of, correlation_number, flag_of,
    weight_of,
};
use subband_io::vis_types::{FilePhasing, VisBlock};
use subband_io::{Error, MissingSubbands, OpenOptions, Scratch, SubbandGroup};

fn write(dir: &Path, spec: &GroupSpec) -> Vec<PathBuf> {
    fixtures::write_group(dir, spec).expect("the fixture is written")
}

fn open(paths: &[PathBuf], missing: MissingSubbands) -> Result<SubbandGroup, Error> {
    SubbandGroup::open(paths, &OpenOptions { missing, ..OpenOptions::default() })
}

/// Checks all values of a group that holds addresses.
fn check_values(name: &str, spec: &GroupSpec, group: &SubbandGroup) {
    let header = group.header();
    let merged = group.merge().expect("merges");
    assert_eq!(header.rows.len(), spec.rows(), "{name}");
    let baselines = spec.n_baselines();
    let (mut block, mut scratch) = (VisBlock::default(), Scratch::default());
    let sorted: Vec<i32> = header.correlations.iter().map(|c| c.casa()).collect();
    assert!(sorted.is_sorted(), "{name}: {sorted:?}");
    let fault = |subband: u8| spec.faults.iter().find(|f| f.subband == subband).map(|f| f.kind);
    let mut first_channel = 0;
    for (w, window) in header.windows.iter().enumerate() {
        let subband = window.subband.expect("a number").0;
        assert_eq!(window.freq_hz, spec.freq_hz(subband), "{name}");
        assert!(window.width_hz.iter().all(|&x| x == spec.channel_width_hz()));
        assert_eq!(window.present, fault(subband) != Some(FaultKind::Missing), "{name}");
        for row in 0..header.rows.len() {
            assert_eq!(header.rows.row(row).time_index, row / baselines);
            if row % 7 == 0 {
                group.read_rows(row..(row + 7).min(group.n_rows()), &mut block, &mut scratch).expect("reads");
            }
            for channel in 0..window.len() {
                for (q, &correlation) in header.correlations.iter().enumerate() {
                    let address = Address {
                        subband,
                        time: (row / baselines) as u16,
                        baseline: (row % baselines) as u16,
                        channel: channel as u16,
                        correlation: correlation_number(correlation),
                    };
                    let at = [row, first_channel + channel, q];
                    let slab = &block.slabs[w];
                    let value = merged.vis[at];
                    let read = slab.vis()[[row % 7, channel, q]];
                    assert!(value.re.to_bits() == read.re.to_bits() && value.im.to_bits() == read.im.to_bits());
                    if !window.present {
                        assert!(value.re == 0.0 && value.im == 0.0 && merged.flags[at] && merged.nsamples[at] == 0.0);
                        continue;
                    }
                    if fault(subband) != Some(FaultKind::NonFinite) && spec.content == Content::Address {
                        assert_eq!(value, address_of(address), "{name}: {at:?}");
                    }
                    let flag = matches!(spec.flags, FlagContent::Random(f) if flag_of(address, spec.seed, f));
                    assert_eq!(merged.flags[at], flag, "{name}");
                    let weight = match (spec.weights, fault(subband)) {
                        (_, Some(FaultKind::ZeroWeights)) => 0.0,
                        (WeightContent::Varying, _) => weight_of(address, spec.seed),
                        (WeightContent::Uniform, _) => 96.0,
                    };
                    assert_eq!(merged.nsamples[at], weight, "{name}");
                }
            }
        }
        first_channel += window.len();
    }
}

#[test]
fn every_variant_is_read_exactly_and_every_fault_named() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, spec) in fixtures::zoo().into_iter().flat_map(|s| s.groups.into_iter().map(move |g| (s.name.clone(), g)))
    {
        let paths = write(&dir.path().join(format!("{name}-{}", spec.start.0)), &spec);
        let opened = open(&paths, MissingSubbands::Refuse);
        let fault = name.strip_prefix("fault-");
        match (fault, opened) {
            (None | Some("non-finite" | "zero-weights" | "non-utf8-history" | "two-groups-60-s-apart"), Ok(group)) => {
                check_values(&name, &spec, &group);
                let unprojected = spec.phasing == fixtures::Phasing::Unprojected;
                assert_eq!(group.header().phasing == FilePhasing::Unprojected, unprojected, "{name}");
            }
            // A file is read whatever its name says, when it is asked for by name.
            (Some("unfinished"), Ok(group)) => check_values(&name, &spec, &group),
            (
                Some("missing" | "missing-first" | "missing-last" | "missing-several" | "only-one"),
                Err(Error::MissingSubbands { missing, .. }),
            ) => {
                let expected: Vec<u8> = spec.faults.iter().map(|f| f.subband).collect();
                assert_eq!(missing.iter().map(|s| s.0).collect::<Vec<_>>(), expected, "{name}");
                let flagged = open(&paths, MissingSubbands::Flag).expect("opens");
                assert_eq!(flagged.header().windows.len(), 16);
                check_values(&name, &spec, &flagged);
                let split = open(&paths, MissingSubbands::Split).expect("opens");
                assert_eq!(split.header().windows.len(), 16 - expected.len());
                check_values(&name, &spec, &split);
            }
            (Some(fault), Err(error)) => {
                let text = error.to_string();
                assert!(text.contains("_sb07"), "the file is named: {text}");
                assert!(error.hint().is_some(), "{text}");
                let expected = match (fault, &error) {
                    ("duplicate", Error::SameSubband { .. })
                    | ("truncated", Error::Truncated { .. })
                    | ("overlapping-frequencies", Error::Overlap { .. })
                    | ("unwritten-chunks", Error::Unfinished { .. }) => true,
                    ("header-only", Error::Missing { dataset, .. }) => dataset == "Data",
                    ("data-only", Error::Missing { dataset, .. }) => dataset == "Header",
                    ("wrong-times", Error::Disagree { what, .. }) => what.contains("times"),
                    ("wrong-baselines", Error::Disagree { what, .. }) => what.contains("baselines"),
                    ("wrong-correlations", Error::Disagree { what, .. }) => what.contains("correlations"),
                    ("wrong-pointing", Error::Disagree { what, .. }) => what.contains("pointing"),
                    ("wrong-antennas", Error::Disagree { what, .. }) => what.contains("antenna"),
                    ("other-channels", Error::Disagree { what, .. }) => what.contains("channels"),
                    _ => false,
                };
                assert!(expected, "{name}: {error:?}");
            }
            (_, outcome) => panic!("{name}: {:?}", outcome.map(|_| ())),
        }
    }
}

/// Each stored byte is read once when blocks follow the chunks, and no more than needed when they do not.
#[test]
fn aligned_blocks_read_every_chunk_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let spec = GroupSpec { antennas: 8, times: 12, channels: 8, subbands: 2, ..GroupSpec::default() };
    let group = open(&write(dir.path(), &spec), MissingSubbands::Split).expect("opens");
    let stored = 2 * spec.rows() * 8 * 2 * (8 + 4 + 1);
    for blocks in [group.row_alignment(), 2 * group.row_alignment(), 100] {
        let (mut block, mut scratch) = (VisBlock::default(), Scratch::default());
        for start in (0..group.n_rows()).step_by(blocks) {
            group.read_rows(start..(start + blocks).min(group.n_rows()), &mut block, &mut scratch).expect("reads");
        }
        // Rows of the last chunks that are beyond the extent are not fetched.
        assert_eq!(scratch.bytes_read(), stored as u64, "blocks of {blocks}");
    }
    let (mut block, mut scratch) = (VisBlock::default(), Scratch::default());
    assert!(matches!(group.read_rows(5..group.n_rows() + 1, &mut block, &mut scratch), Err(Error::RowsOutside { .. })));
}
