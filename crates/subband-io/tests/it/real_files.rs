//! The real files against the values that independent programs read from them.

use subband_io::vis_types::{Flags, SubbandIndex, VisBlock, Weights};
use subband_io::{MissingSubbands, OpenOptions, Scratch, SubbandGroup};

use crate::oracle::{bool_bytes, complex_bytes, f32_bytes, f64_bytes, i64_bytes, oracle, small16};

/// The merge of the sixteen real-layout subbands is pyuvdata's, bit for bit.
#[test]
fn merge_of_sixteen_is_that_of_pyuvdata() {
    let (Some(paths), Some(oracle)) = (small16(), oracle()) else { return };
    for (key, leave_out) in [("dsa_small16", None), ("dsa_small16_minus_sb07", Some(7))] {
        let expected = &oracle["merge"][key]["after_reorder_freqs"];
        let paths: Vec<_> = paths.iter().enumerate().filter(|(i, _)| Some(*i) != leave_out).map(|(_, p)| p.clone()).collect();
        let options = OpenOptions { missing: MissingSubbands::Split, ..OpenOptions::default() };
        let group = SubbandGroup::open(&paths, &options).expect("opens");
        let merged = group.merge().expect("merges");
        let text = |name: &str| expected[name].as_str().expect("a checksum").to_owned();
        assert_eq!(serde_json::json!(merged.vis.shape()), expected["shape"], "{key}");
        assert_eq!(complex_bytes(merged.vis.iter().copied()), text("data_sha256"), "{key}");
        assert_eq!(bool_bytes(merged.flags.iter().copied()), text("flags_sha256"), "{key}");
        assert_eq!(f32_bytes(merged.nsamples.iter().copied()), text("nsamples_sha256"), "{key}");
        let header = group.header();
        assert_eq!(f64_bytes(header.windows.iter().flat_map(|w| w.freq_hz.clone())), text("freq_sha256"), "{key}");
        assert_eq!(f64_bytes(header.rows.iter().map(|r| r.time.0)), text("time_sha256"), "{key}");
        let number = |i: u32| header.telescope.antennas[i as usize].number;
        assert_eq!(i64_bytes(header.rows.iter().map(|r| number(r.baseline.ant1))), text("ant1_sha256"), "{key}");
        assert_eq!(i64_bytes(header.rows.iter().map(|r| number(r.baseline.ant2))), text("ant2_sha256"), "{key}");
    }
}

/// Blocks of any size hold what the merge holds, uniform flags and weights are noticed, a gap is flagged.
#[test]
fn blocks_of_any_size_are_the_merge() {
    let Some(paths) = small16() else { return };
    let paths: Vec<_> = paths.into_iter().filter(|p| !p.to_string_lossy().contains("sb07")).collect();
    let options = OpenOptions { missing: MissingSubbands::Flag, ..OpenOptions::default() };
    let group = SubbandGroup::open(&paths, &options).expect("opens");
    let merged = group.merge().expect("merges");
    let header = group.header();
    assert!(header.rows.grid_baselines().is_some());
    for size in [1, 37, 128, 256, 288] {
        let (mut block, mut scratch) = (VisBlock::default(), Scratch::default());
        for start in (0..group.n_rows()).step_by(size) {
            let rows = start..(start + size).min(group.n_rows());
            group.read_rows(rows.clone(), &mut block, &mut scratch).expect("reads");
            assert_eq!(block.rows, rows);
            assert!(block.file_uvw_m.is_empty());
            assert!(block.allocated_bytes() + scratch.allocated_bytes() <= group.block_bytes(size));
            let mut first = 0;
            for (window, slab) in header.windows.iter().zip(&block.slabs) {
                let part = ndarray::s![rows.clone(), first..first + window.len(), ..];
                first += window.len();
                assert_eq!(slab.vis(), merged.vis.slice(part));
                let gap = window.subband == Some(SubbandIndex(7));
                assert_eq!(window.present, !gap);
                assert!(if gap { matches!(slab.flags(), Flags::Set) } else { matches!(slab.flags(), Flags::Clear) });
                assert!(matches!(slab.weights(), Weights::Uniform(w) if w == if gap { 0.0 } else { 96.0 }));
                assert!(merged.flags.slice(part).iter().all(|&f| f == gap));
                assert!(merged.nsamples.slice(part).iter().all(|&w| w == if gap { 0.0 } else { 96.0 }));
            }
        }
    }
}
