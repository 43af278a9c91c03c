//! Damaged files: an error or the right values, never a panic, a crash or an endless loop.

use std::path::Path;

use fixtures::GroupSpec;
use subband_io::vis_types::VisBlock;
use subband_io::{Error, OpenOptions, Scratch, SubbandGroup, summarise};

use crate::oracle::data_dir;

/// Everything that can be done with a file.
fn use_file(path: &Path) -> Result<(), Error> {
    let summary = summarise(path).map(|_| ());
    let group =
        SubbandGroup::open(&[path.to_owned()], &OpenOptions { expected_subbands: 1, ..OpenOptions::default() })?;
    let (mut block, mut scratch) = (VisBlock::default(), Scratch::default());
    for start in (0..group.n_rows()).step_by(13) {
        group.read_rows(start..(start + 13).min(group.n_rows()), &mut block, &mut scratch)?;
    }
    group.merge()?;
    summary
}

fn tiny(dir: &Path) -> Vec<u8> {
    let spec = GroupSpec { subbands: 1, station_table: fixtures::StationTable::Active, ..GroupSpec::tiny() };
    let path = fixtures::write_group(dir, &spec).expect("written").remove(0);
    std::fs::read(path).expect("reads")
}

/// A file that is cut anywhere is an error.
#[test]
fn every_truncation_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let whole = tiny(dir.path());
    let path = dir.path().join("cut_sb00.hdf5");
    std::fs::write(&path, &whole).expect("written");
    use_file(&path).expect("the whole file is good");
    for i in 0..100 {
        let length = whole.len() * i / 100;
        std::fs::write(&path, &whole[..length]).expect("written");
        assert!(matches!(use_file(&path), Err(Error::NotHdf5 { .. } | Error::Truncated { .. })), "{length} bytes");
    }
}

/// A file that is cut after it was opened is an error, not a signal.
#[test]
fn a_file_cut_while_it_is_open_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cut_sb00.hdf5");
    std::fs::write(&path, tiny(dir.path())).expect("written");
    let group = SubbandGroup::open(
        std::slice::from_ref(&path),
        &OpenOptions { expected_subbands: 1, ..OpenOptions::default() },
    )
    .expect("opens");
    std::fs::OpenOptions::new().write(true).open(&path).expect("opens").set_len(2048).expect("cut");
    let read = group.read_rows(0..group.n_rows(), &mut VisBlock::default(), &mut Scratch::default());
    assert!(matches!(read, Err(Error::Io { .. })));
    assert!(group.merge().is_err());
}

/// A thousand files with one to four wrong bytes, half of them in the metadata of the first kilobytes.
#[test]
fn random_damage_never_panics() {
    let dir = tempfile::tempdir().expect("a folder");
    let whole = tiny(dir.path());
    // Xorshift (Marsaglia 2003): the same damage in every run.
    let mut state = 0x9e37_79b9_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut errors = 0;
    for i in 0..1000 {
        // A new name each time: file systems sync a file that is overwritten.
        let path = dir.path().join(format!("damaged{i}_sb00.hdf5"));
        let mut bytes = whole.clone();
        for _ in 0..=random(3) {
            let at = if random(2) == 0 { random(4096.min(bytes.len())) } else { random(bytes.len()) };
            bytes[at] = match random(4) {
                0 => 0,
                1 => 0xff,
                _ => bytes[at] ^ (1 << random(8)),
            };
        }
        std::fs::write(&path, &bytes).expect("written");
        errors += usize::from(use_file(&path).is_err());
        std::fs::remove_file(&path).expect("removed");
    }
    assert!(errors > 100, "only {errors} of 1000 were noticed");
}

/// Files that crashed HDF5 libraries, alone and under the names of subbands.
#[test]
fn malformed_files_are_errors() {
    let Some(dir) = data_dir() else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(dir.join("cve_hdf5/cvefiles")).expect("lists") {
        let path = entry.expect("an entry").path();
        assert!(use_file(&path).is_err(), "{}", path.display());
        seen += 1;
    }
    assert!(seen > 50);
}
