use std::os::unix::fs::MetadataExt;

use ms_writer::vis_types::*;
use ms_writer::{Centre, Error, MsOptions, MsWriter};
use rayon::prelude::*;

use crate::made;

#[test]
fn any_order_of_blocks_and_any_size_gives_the_same_set() {
    let header = made::header(5);
    let options = |rows| MsOptions { centre: Centre::Meridian, rows_per_tile: Some(rows), ..MsOptions::default() };
    let plain = made::write(&header, &options(8), |_| {});
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("set.ms");
    let writer = MsWriter::create(&path, &header, &options(24)).expect("a good header");
    let (rows, step) = (header.rows.len(), writer.rows_per_block());
    assert_eq!(step, 24);
    let starts: Vec<usize> = (0..rows).step_by(2 * step).collect();
    let towards = made::source(&header);
    starts.par_iter().rev().for_each(|&first| {
        let mut block = made::block(&header, first..rows.min(first + 2 * step), towards);
        writer.write_block(&mut block).expect("a good block");
    });
    writer.finish().expect("all rows were written");
    let table = casacore::Table::open(&path).expect("a table");
    let data: Vec<Complex32> = table.read_vec("DATA", 0..rows as u64).expect("a column");
    assert_eq!(data, plain.column::<Complex32>("DATA"));
    let uvw: Vec<f64> = table.read_vec("UVW", 0..rows as u64).expect("a column");
    assert_eq!(uvw, plain.column::<f64>("UVW"));
}

#[test]
fn a_block_that_does_not_fit_is_refused() {
    let header = made::header(2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let writer = MsWriter::create(&folder.path().join("set.ms"), &header, &made::small_tiles()).expect("a good header");
    let towards = made::source(&header);
    let write = |rows: std::ops::Range<usize>, change: &dyn Fn(&mut VisBlock)| {
        let mut block = made::block(&header, rows, towards);
        change(&mut block);
        writer.write_block(&mut block)
    };
    let refused = |result| matches!(result, Err(Error::Block { tile_rows: 16, .. }));
    assert!(refused(write(3..16, &|_| {})));
    assert!(refused(write(0..17, &|_| {})));
    assert!(refused(write(16..32, &|b| b.rows = 32..48)));
    assert!(refused(write(0..16, &|b| b.slabs.truncate(2))));
    assert!(refused(write(0..16, &|b| b.slabs[1].reset([16, 15, 2]))));
    assert!(write(0..0, &|_| {}).is_ok());
    assert!(write(0..32, &|_| {}).is_ok());
    assert!(refused(write(16..32, &|_| {})));
    match writer.finish() {
        Err(Error::Incomplete { written: 32, rows: 42, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn phased_blocks_need_their_uvw() {
    let mut header = made::header(1);
    let direction = Direction::icrs(1.9, 0.9);
    header.phasing = FilePhasing::Phased {
        centres: vec![PhaseCentre { id: 0, name: "A".to_owned(), direction }],
        row_centre: Vec::new(),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let writer =
        MsWriter::create(&folder.path().join("set.ms"), &header, &MsOptions::default()).expect("a good header");
    let mut block = made::block(&header, 0..header.rows.len(), direction);
    block.file_uvw_m.clear();
    assert!(matches!(writer.write_block(&mut block), Err(Error::BlockUvw { found: 0, expected: 21, .. })));
}

#[test]
fn what_is_not_written_takes_no_space() {
    // 25 MB of visibilities: tiles of half a megabyte.
    let mut header = made::header(60);
    header.windows = made::windows(&[15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 48);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("set.ms");
    let options = MsOptions { model_column: true, corrected_column: true, ..MsOptions::default() };
    let writer = MsWriter::create(&path, &header, &options).expect("a good header");
    let used = || -> u64 {
        std::fs::read_dir(&path)
            .expect("a folder")
            .map(|e| e.expect("an entry").metadata().expect("its length").blocks() * 512)
            .sum()
    };
    for entry in std::fs::read_dir(&path).expect("a folder") {
        assert!(!entry.expect("an entry").file_type().expect("its type").is_symlink());
    }
    assert!(used() < 1 << 20, "{} bytes before the first block", used());
    let all = (header.rows.len() * 16 * 48 * 2 * 8) as u64;
    writer.reserve().expect("room");
    assert!((all..all + (2 << 20)).contains(&used()), "{} bytes reserved for {all}", used());
    let rows = header.rows.len();
    for first in (0..rows).step_by(writer.rows_per_block()) {
        let mut block = VisBlock { rows: first..rows.min(first + writer.rows_per_block()), ..VisBlock::default() };
        for window in &header.windows {
            let mut slab = Slab::default();
            slab.reset([block.rows.len(), window.len(), 2]);
            slab.vis_slice_mut().fill(Complex32::new(1.0, 2.0));
            block.slabs.push(slab);
        }
        writer.write_block(&mut block).expect("a good block");
    }
    let summary = writer.finish().expect("all rows were written");
    let data = summary.visibilities * 8;
    assert!(used() < data + data / 10 + (4 << 20), "{} bytes for {data} of visibilities", used());
}
