//! What is refused for safety, whatever it claims to be.

use std::path::{Path, PathBuf};

use fixtures::GroupSpec;
use hdf5_metno as hdf5;
use num_complex::Complex32;
use subband_io::{Construct, Error, OpenOptions, SubbandGroup, summarise};

/// Shape of its data.
const SHAPE: [usize; 4] = [40, 1, 8, 2];

/// One tiny file, changed.
fn changed(dir: &Path, change: impl FnOnce(&hdf5::File)) -> PathBuf {
    let path = fixtures::write_group(dir, &GroupSpec { subbands: 1, ..GroupSpec::tiny() }).expect("written").remove(0);
    let file = hdf5::File::open_rw(&path).expect("opens");
    change(&file);
    drop(file);
    path
}

fn open(path: &Path) -> Result<SubbandGroup, Error> {
    SubbandGroup::open(&[path.to_owned()], &OpenOptions { expected_subbands: 1, ..OpenOptions::default() })
}

fn refused(path: &Path) -> Option<Construct> {
    match open(path) {
        Err(Error::Refused { construct, .. }) => Some(construct),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

#[test]
fn links_and_storage_elsewhere_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    let untouched = changed(&at("a"), |_| ());
    assert_eq!(refused(&untouched), None);

    let soft = changed(&at("b"), |f| {
        f.relink("Data/flags", "hidden").expect("moved");
        f.link_soft("/hidden", "Data/flags").expect("linked");
    });
    assert_eq!(refused(&soft), Some(Construct::SoftLink));

    let external = changed(&at("c"), |f| {
        f.unlink("Header/time_array").expect("unlinked");
        f.link_external(untouched.to_str().expect("UTF-8"), "/Header/time_array", "Header/time_array").expect("linked");
    });
    assert_eq!(refused(&external), Some(Construct::ExternalLink));
    assert!(matches!(summarise(&external), Err(Error::Refused { construct: Construct::ExternalLink, .. })));

    let elsewhere = changed(&at("d"), |f| {
        f.unlink("Data/nsamples").expect("unlinked");
        let bytes = SHAPE.iter().product::<usize>() * 4;
        f.new_dataset::<f32>()
            .no_chunk()
            .external("/etc/passwd", 0, bytes)
            .shape(SHAPE)
            .create("Data/nsamples")
            .expect("made");
    });
    assert_eq!(refused(&elsewhere), Some(Construct::ExternalStorage));

    let virtually = changed(&at("e"), |f| {
        f.unlink("Data/nsamples").expect("unlinked");
        let source = untouched.to_str().expect("UTF-8");
        f.new_dataset::<f32>()
            .no_chunk()
            .shape(SHAPE)
            .virtual_map(source, "Data/nsamples", SHAPE, hdf5::Selection::All, SHAPE, hdf5::Selection::All)
            .create("Data/nsamples")
            .expect("made");
    });
    assert_eq!(refused(&virtually), Some(Construct::VirtualDataset));

    let mut bytes = vec![0_u8; 512];
    bytes.extend(std::fs::read(&untouched).expect("reads"));
    std::fs::write(at("user_block.hdf5"), bytes).expect("written");
    assert_eq!(refused(&at("user_block.hdf5")), Some(Construct::UserBlock));
}

#[test]
fn an_unknown_filter_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    // Scale-offset: HDF5 itself can do it, this crate does not.
    let path = changed(dir.path(), |f| {
        f.unlink("Data/nsamples").expect("unlinked");
        let data = ndarray::Array4::<f32>::zeros((40, 1, 8, 2));
        f.new_dataset_builder()
            .with_data(&data)
            .chunk((8, 1, 8, 2))
            .scale_offset(hdf5::filters::ScaleOffset::FloatDScale(2))
            .create("Data/nsamples")
            .expect("made");
    });
    assert!(matches!(open(&path), Err(Error::UnsupportedFilter { id: 6, .. })));
}

#[test]
fn bombs_are_refused_before_memory_is_taken() {
    let dir = tempfile::tempdir().expect("a folder");
    // A chunk that inflates to 128 MiB of zeros, and a dataset of 24 TB that was never written.
    let inflating = changed(&dir.path().join("a"), |f| {
        f.unlink("Data/nsamples").expect("unlinked");
        f.new_dataset::<f32>()
            .chunk((40, 1, 8, 100_000))
            .deflate(1)
            .shape((40, 1, 8, 2..))
            .create("Data/nsamples")
            .expect("made");
    });
    assert!(matches!(open(&inflating), Err(Error::TooLarge { .. })), "{:?}", open(&inflating).map(|_| ()));
    let huge = changed(&dir.path().join("b"), |f| {
        f.unlink("Data/visdata").expect("unlinked");
        let visdata = f.new_dataset::<Complex32>().chunk((1000, 1, 8, 2)).shape((200_000_000_000_usize, 1, 8, 2));
        visdata.create("Data/visdata").expect("made");
    });
    assert!(matches!(open(&huge), Err(Error::Unfinished { .. })), "{:?}", open(&huge).map(|_| ()));
    assert!(!summarise(&huge).expect("a summary").unfinished.is_empty());
}

#[test]
fn flags_that_were_never_written_need_a_fill_value() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, fill, good) in [("a", None, false), ("b", Some(3.5_f32), true)] {
        let path = changed(&dir.path().join(name), |f| {
            f.unlink("Data/nsamples").expect("unlinked");
            let mut builder = f.new_dataset::<f32>().chunk((16, 1, 3, 1));
            if let Some(fill) = fill {
                builder = builder.fill_value(fill);
            }
            builder.shape((40, 1, 8, 2)).create("Data/nsamples").expect("made");
        });
        match open(&path) {
            Ok(group) if good => assert!(group.merge().expect("merges").nsamples.iter().all(|&w| w == 3.5)),
            Err(Error::Unfinished { dataset, missing: 18, of: 18, .. }) if !good => {
                assert_eq!(dataset, "Data/nsamples")
            }
            other => panic!("{name}: {:?}", other.map(|_| ())),
        }
    }
}

#[test]
fn a_file_that_is_open_for_writing_is_still_being_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = changed(dir.path(), |_| ());
    let writer = std::fs::File::open(&path).expect("opens");
    // What the HDF5 library does while it writes, without having it in the same process.
    rustix::fs::flock(&writer, rustix::fs::FlockOperation::LockExclusive).expect("locks");
    assert!(matches!(open(&path), Err(Error::StillBeingWritten { .. })));
    assert!(matches!(summarise(&path), Err(Error::StillBeingWritten { .. })));
    drop(writer);
    assert!(open(&path).is_ok());
}

#[test]
fn compact_and_contiguous_data_are_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let expected = open(&changed(&dir.path().join("a"), |_| ())).expect("opens").merge().expect("merges");
    let path = changed(&dir.path().join("b"), |f| {
        let weights: Vec<f32> = f.dataset("Data/nsamples").expect("there").read_raw().expect("reads");
        f.unlink("Data/nsamples").expect("unlinked");
        let weights = ndarray::Array4::from_shape_vec(SHAPE, weights).expect("fits");
        f.new_dataset_builder()
            .with_data(&weights)
            .layout(hdf5::plist::dataset_create::Layout::Compact)
            .create("Data/nsamples")
            .expect("made");
        let vis: Vec<Complex32> = f.dataset("Data/visdata").expect("there").read_raw().expect("reads");
        f.unlink("Data/visdata").expect("unlinked");
        let vis = ndarray::Array4::from_shape_vec(SHAPE, vis).expect("fits");
        f.new_dataset_builder().with_data(&vis).create("Data/visdata").expect("made");
    });
    let merged = open(&path).expect("opens").merge().expect("merges");
    assert_eq!(merged.vis, expected.vis);
    assert_eq!(merged.nsamples, expected.nsamples);
}

/// HDF5 2's own complex type, which `hdf5-metno` does not write, so the C interface does.
#[expect(unsafe_code, reason = "writes a type that the safe interface cannot")]
fn write_native_complex(file: &hdf5::File, values: &[Complex32], big: bool) {
    use hdf5_metno_sys::{h5d, h5p, h5s, h5t};
    let dims = SHAPE.map(|d| d as u64);
    hdf5::sync::sync(|| {
        // SAFETY: all handles are made and closed here, under the library's lock; the buffer has as many elements as the space.
        unsafe {
            let space = h5s::H5Screate_simple(4, dims.as_ptr(), std::ptr::null());
            let stored = if big { *h5t::H5T_COMPLEX_IEEE_F32BE } else { *h5t::H5T_COMPLEX_IEEE_F32LE };
            let default = h5p::H5P_DEFAULT;
            let dataset =
                h5d::H5Dcreate2(file.id(), c"Data/visdata".as_ptr(), stored, space, default, default, default);
            assert!(dataset >= 0, "made");
            let written = h5d::H5Dwrite(
                dataset,
                *h5t::H5T_NATIVE_FLOAT_COMPLEX,
                h5s::H5S_ALL,
                h5s::H5S_ALL,
                default,
                values.as_ptr().cast(),
            );
            assert!(written >= 0, "written");
            h5d::H5Dclose(dataset);
            h5s::H5Sclose(space);
        }
    });
}

#[test]
fn native_complex_numbers_are_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let expected = open(&changed(&dir.path().join("a"), |_| ())).expect("opens").merge().expect("merges");
    for big in [false, true] {
        let path = changed(&dir.path().join(format!("{big}")), |f| {
            let vis: Vec<Complex32> = f.dataset("Data/visdata").expect("there").read_raw().expect("reads");
            f.unlink("Data/visdata").expect("unlinked");
            write_native_complex(f, &vis, big);
        });
        assert_eq!(open(&path).expect("opens").merge().expect("merges").vis, expected.vis);
    }
}
