//! The benchmarks' promise: the ways that are compared do the same work.

use benches::{Group, Held, Kind, PeakMemory, Size, Way};
use subband_io::Merged;

fn merged(way: Way, group: &Group) -> Merged {
    match way.run(&group.files).expect("because the group was just made") {
        Held::Arrays(arrays) => *arrays,
        Held::Bytes(_) => panic!("{way:?} gives no arrays"),
    }
}

#[test]
fn every_way_gives_the_same_arrays() {
    // Channels descend in the files, and four correlations are in the writer's order.
    for (four, varied) in [(false, false), (false, true), (true, true)] {
        let group = Group::make(Kind { size: Size::Tiny, four, varied }).unwrap();
        assert_eq!(group.files.len(), 16);
        let ours = merged(Way::Ours, &group);
        assert_eq!(ours.flags.iter().any(|&f| f), varied);
        for way in [Way::Plain, Way::Batched] {
            let other = merged(way, &group);
            assert_eq!(ours.vis, other.vis, "{way:?}");
            assert_eq!(ours.flags, other.flags, "{way:?}");
            assert_eq!(ours.nsamples, other.nsamples, "{way:?}");
        }
    }
}

#[test]
fn the_limit_reads_every_byte() {
    let group = Group::make(Kind { size: Size::Tiny, four: false, varied: false }).unwrap();
    let Held::Bytes(bytes) = Way::Pread.run(&group.files).unwrap() else { panic!("no bytes") };
    let expected: Vec<u8> = group.files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    assert!(bytes == expected);
}

#[test]
fn the_peak_counts_what_was_touched_and_freed() {
    const BYTES: usize = 64 << 20;
    let peak = PeakMemory::start().unwrap();
    drop(std::hint::black_box(vec![1_u8; BYTES]));
    let counted = peak.bytes().unwrap();
    // Other tests run in the same process, so no upper bound is sharp.
    assert!(counted > BYTES as u64 * 9 / 10, "{counted}");
}
