//! The real files against the values that independent programs read from them.

use subband_io::vis_types::{Complex32, FilePhasing, Flags, Frame, SubbandIndex, VisBlock, Weights};
use subband_io::{MissingSubbands, OpenOptions, Scratch, SubbandGroup, summarise};

use crate::oracle::{bool_bytes, complex_bytes, data_dir, f32_bytes, f64_bytes, i64_bytes, oracle, small16};

/// The merge of the sixteen real-layout subbands is pyuvdata's, bit for bit.
#[test]
fn merge_of_sixteen_is_that_of_pyuvdata() {
    let (Some(paths), Some(oracle)) = (small16(), oracle()) else { return };
    for (key, leave_out) in [("dsa_small16", None), ("dsa_small16_minus_sb07", Some(7))] {
        let expected = &oracle["merge"][key]["after_reorder_freqs"];
        let paths: Vec<_> =
            paths.iter().enumerate().filter(|(i, _)| Some(*i) != leave_out).map(|(_, p)| p.clone()).collect();
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

/// SHA-256 of little-endian arrays in the file's order, computed with h5py 3.16 and numpy:
/// `visdata` as complex64 (complex128 and int32 rounded), `flags`, `nsamples` as float32, `uvw_array` as float64.
struct Real {
    path: &'static str,
    vis: &'static str,
    flags: &'static str,
    nsamples: &'static str,
    uvw: &'static str,
}

#[rustfmt::skip]
const REAL: [Real; 12] = [
    Real {
        path: "derived/alma.uvh5",
        vis: "8297e3c3eba66681f3c776a92d15bc6811e10d9c724c42d2dda71e3b16c080ff",
        flags: "c23a5cc2d7277749c47ddcad301aa92fcbbaeab54e552813333c1306c5cf2425",
        nsamples: "2c783be292b37edd26481e295b79caadf8215f1ddae37f86eb5151d55064ef34",
        uvw: "6c139fbac8d7f5be15e6643aee5f78a9999d576b19637c769c8d51d01138862a",
    },
    Real {
        path: "derived/ata_C0352_bigendian.uvh5",
        vis: "2263bb3ffffc6037d3b4be3572f09b5fef000ee1a12b346d55284f2e0888a8d1",
        flags: "f942a9d34b0c6afb011fc633c7a07bcc6fb3dca05ea0aff4002f8a593eced860",
        nsamples: "4e9bb24072e1e7cba45cc59b6c95faf17feb27189c8d1fc9850fc201e86a44fc",
        uvw: "44fa0f0b9ec37e31e09004aaa12307e2a2a7010afcaf7362baa363307b75dcba",
    },
    Real {
        path: "derived/hera_2458661_v110_gzip_shuffle.uvh5",
        vis: "6748c329a999f52e47416ed14c4f0c3f7c28c462d7de9613c0c2349c6d9e644e",
        flags: "e61f41d57db208c5f92a35c4ce7198570924a3fc87eeba83441fceee5d6a2865",
        nsamples: "5bfdb0f7caf2312a67f8d548d4617e74101dcd8fd9e96f346ba0c4c705672848",
        uvw: "9d905c6313b7e04f853124935655135f3a4ff1f20de9eb3b085ff28593e0825d",
    },
    Real {
        path: "hera_qm/hera_qm/data/zen.2457698.40355191.xx.HH.uvh5",
        vis: "dfdf75ed37c7eb76e771cee0c625f50e7a00c25220ab99a5033f91ea38bc586f",
        flags: "0aba7d2ef8f6230dba5b113b61d0d5934ef45dfddb0085cb33f64bfd71531bf9",
        nsamples: "b79b7ad050fd9f7983a8bd6a5a15c3f3aa3446671ed0dbb160b724f1cec29a82",
        uvw: "d5514058aafc6f00e45771fa5ec1bffc4aa7812bc6010dc79d8fe95da8bc082b",
    },
    Real {
        path: "hera_qm/hera_qm/data/zen.2457698.40367619.xx.HH.uvh5",
        vis: "67b15c24e79b6772694c43148882292d717b19610ce9940bb88853cb5d2b714f",
        flags: "0aba7d2ef8f6230dba5b113b61d0d5934ef45dfddb0085cb33f64bfd71531bf9",
        nsamples: "b79b7ad050fd9f7983a8bd6a5a15c3f3aa3446671ed0dbb160b724f1cec29a82",
        uvw: "6dc50c77e979517ca2afbcf33c3fb68cbbfcdd5108bd53f0a862ab7f887d5e5f",
    },
    Real {
        path: "pyuvdata-data/history/a4bf6b9d__zen.2458432.34569.uvh5",
        vis: "0a3187d1d92b8172f7b1131f6a4d54b2bad1a811463724f72d6f0c4b16d58e50",
        flags: "cc61635da46b2c9974335ea37e0b5fd660a5c8a42a89b271fa7ec2ac4b8b26f6",
        nsamples: "fa569e2360c540e6280e34a4627516770f1a5f34d81d35689334a99cc1013357",
        uvw: "2df2084867a2b83b8424825f1ed13b6ef6059812260f8220d65e74d1e2f10fcb",
    },
    Real {
        path: "pyuvdata-data/history/df4d3147__zen.2458432.34569.uvh5",
        vis: "0a3187d1d92b8172f7b1131f6a4d54b2bad1a811463724f72d6f0c4b16d58e50",
        flags: "cc61635da46b2c9974335ea37e0b5fd660a5c8a42a89b271fa7ec2ac4b8b26f6",
        nsamples: "fa569e2360c540e6280e34a4627516770f1a5f34d81d35689334a99cc1013357",
        uvw: "9fd3eba55223d9b2e00cdbe885e5b04e9b7ff543ebe5dc9c894130377d76a72d",
    },
    Real {
        path: "pyuvsim/src/pyuvsim/data/gleam_triangle_flat.uvh5",
        vis: "6fd4c934e469adb5f43752fa438b98b8c3dd229579258144bc781b495a12b653",
        flags: "2c34ce1df23b838c5abf2a7f6437cca3d3067ed509ff25f11df6b11b582b51eb",
        nsamples: "a834ffb02981aa1f080d8686bd1f1f8f571e895ef8a6deef865cf90023a76e19",
        uvw: "7c3bd7dc15c7b8d0cdf99a08cad60a7e34aee0285fae64f480664e4fb88ab18e",
    },
    Real {
        path: "rasg-datasets/visibility_data/HERA/zen.2458098.45361.HH_downselected.uvh5",
        vis: "2bd1d02d1643ad1e9b6f8894332ef34ab86a38975fa3a57fa7548fcdd7e04d3d",
        flags: "7e36bec0af80ff78cd2cba3643b862a6c0e3ec56e52acabe92b246dcd6ad4816",
        nsamples: "4777dae429cbb732e6501e99fd08d5261bf00eb42c7f1e0f6ebe36053e6922ff",
        uvw: "b9c96ab000ead35c16a3dd2cef1c826acb310167864f6d1708db0c2016c65135",
    },
    Real {
        path: "rasg-datasets/visibility_data/HERA/zen.2458432.34569.uvh5",
        vis: "0a3187d1d92b8172f7b1131f6a4d54b2bad1a811463724f72d6f0c4b16d58e50",
        flags: "cc61635da46b2c9974335ea37e0b5fd660a5c8a42a89b271fa7ec2ac4b8b26f6",
        nsamples: "fa569e2360c540e6280e34a4627516770f1a5f34d81d35689334a99cc1013357",
        uvw: "9fd3eba55223d9b2e00cdbe885e5b04e9b7ff543ebe5dc9c894130377d76a72d",
    },
    Real {
        path: "rasg-datasets/visibility_data/HERA/zen.2458661.23480.HH.uvh5",
        vis: "6748c329a999f52e47416ed14c4f0c3f7c28c462d7de9613c0c2349c6d9e644e",
        flags: "e61f41d57db208c5f92a35c4ce7198570924a3fc87eeba83441fceee5d6a2865",
        nsamples: "5bfdb0f7caf2312a67f8d548d4617e74101dcd8fd9e96f346ba0c4c705672848",
        uvw: "9d905c6313b7e04f853124935655135f3a4ff1f20de9eb3b085ff28593e0825d",
    },
    Real {
        path: "rasg-datasets/visibility_data/Simulated/simulated_bda_file.uvh5",
        vis: "176bd30748c2f42454f5b1e1b87dfe94362fd85c0a25b8127a69c823b5b4ae40",
        flags: "b707241545a346265aab1ffb32ff64b55bf8f8dc1b56a46ef33ce3d15db11d33",
        nsamples: "5cb047f7587fe7c7ab391ed2a1666270d560ffee36d5a23b74fbe7e605071d72",
        uvw: "5f419eae1bbba31e733edeebfd1a240ab356787b06f80d2972a9daccb63d8afc",
    },
];

/// The values of a block in the file's order of correlations (all these files have ascending channels).
fn in_file_order<T: Copy>(values: ndarray::ArrayView3<'_, T>, group: &SubbandGroup, codes: &[i64]) -> Vec<T> {
    let places: Vec<usize> = codes
        .iter()
        .map(|&code| {
            group.header().correlations.iter().position(|c| c.aips() == code).expect("a correlation of the file")
        })
        .collect();
    let (n, c, _) = values.dim();
    let mut out = Vec::new();
    for row in 0..n {
        for channel in 0..c {
            out.extend(places.iter().map(|&p| values[[row, channel, p]]));
        }
    }
    out
}

/// Every dataset of every real file: visibilities, flags and weights to the last bit, UVW, and the header as pyuvdata reads it.
#[test]
fn every_real_file_is_read_as_h5py_reads_it() {
    let (Some(dir), Some(oracle)) = (data_dir(), oracle()) else { return };
    for real in &REAL {
        let path = dir.join(real.path);
        let group =
            SubbandGroup::open(std::slice::from_ref(&path), &OpenOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        let header = group.header();
        let codes: Vec<i64> = match real.path {
            p if p.contains("ata_C0352") => vec![-5, -7, -8, -6],
            _ if header.correlations.len() == 4 => vec![-5, -6, -7, -8],
            _ => vec![-5, -6][..header.correlations.len()].to_vec(),
        };
        let merged = group.merge().expect("merges");
        assert_eq!(
            complex_bytes(in_file_order(merged.vis.view(), &group, &codes).into_iter()),
            real.vis,
            "{}",
            real.path
        );
        assert_eq!(
            bool_bytes(in_file_order(merged.flags.view(), &group, &codes).into_iter()),
            real.flags,
            "{}",
            real.path
        );
        assert_eq!(
            f32_bytes(in_file_order(merged.nsamples.view(), &group, &codes).into_iter()),
            real.nsamples,
            "{}",
            real.path
        );

        // Blocks of odd sizes are the merge.
        let (mut block, mut scratch) = (VisBlock::default(), Scratch::default());
        for start in (0..group.n_rows()).step_by(29) {
            let rows = start..(start + 29).min(group.n_rows());
            group.read_rows(rows.clone(), &mut block, &mut scratch).expect("reads");
            let slab = &block.slabs[0];
            assert_eq!(slab.vis(), merged.vis.slice(ndarray::s![rows.clone(), .., ..]));
            let flags = merged.flags.slice(ndarray::s![rows.clone(), .., ..]);
            match slab.flags() {
                Flags::Clear => assert!(flags.iter().all(|f| !f)),
                Flags::Set => assert!(flags.iter().all(|&f| f)),
                Flags::Each(each) => assert!(each == flags && flags.iter().any(|&f| f)),
            }
            let weights = merged.nsamples.slice(ndarray::s![rows.clone(), .., ..]);
            match slab.weights() {
                Weights::Uniform(weight) => assert!(weights.iter().all(|&w| w == weight)),
                Weights::Each(each) => assert!(each == weights && weights.iter().any(|&w| w != weights[[0, 0, 0]])),
            }
        }
        // UVW are kept where they cannot be computed from the stations alone.
        let mut uvw = Vec::new();
        group.read_uvw(0..group.n_rows(), &mut uvw, &mut scratch).expect("reads");
        if let FilePhasing::Phased { .. } = header.phasing {
            assert_eq!(f64_bytes(uvw.into_iter().flatten()), real.uvw, "{}", real.path);
        } else {
            assert!(uvw.is_empty());
        }

        let summary = summarise(&path).expect("summarises");
        assert_eq!(summary.n_rows as usize, header.rows.len());
        assert_eq!(
            (summary.first_time, summary.last_time),
            (header.rows.row(0).time, header.rows.row(header.rows.len() - 1).time)
        );
        assert_eq!(summary.low_hz, header.windows[0].freq_hz[0]);
        assert_eq!(summary.unfinished, []);

        let expected = &oracle["uvh5"][real.path]["pyuvdata"];
        if expected["time"].is_object() {
            let number = |v: &serde_json::Value| v.as_f64().expect("a number");
            assert_eq!(
                f64_bytes(header.rows.iter().map(|r| r.time.0)),
                expected["time"]["sha256"].as_str().expect("text")
            );
            assert_eq!(
                f64_bytes(header.windows[0].freq_hz.iter().copied()),
                expected["freq"]["sha256"].as_str().expect("text")
            );
            assert_eq!(header.rows.times().len() as f64, number(&expected["Ntimes"]), "{}", real.path);
            assert_eq!(header.vis_units, expected["vis_units"].as_str().expect("text"));
            assert_eq!(header.telescope.name, expected["telescope"].as_str().expect("text"));
            for (ours, theirs) in
                header.telescope.location_itrf_m.iter().zip(expected["location_xyz"].as_array().expect("three"))
            {
                assert!((ours - number(theirs)).abs() < 1e-6, "{}: {ours} {theirs}", real.path);
            }
            let names: Vec<&str> = header.telescope.antennas.iter().map(|a| a.name.as_str()).collect();
            // The oracle keeps the first two hundred.
            assert_eq!(serde_json::json!(names[..names.len().min(200)]), expected["antenna_names"], "{}", real.path);
            for row in header.rows.iter() {
                let longest = number(&expected["integration_time"]["max"]);
                assert!(row.interval_s <= longest && row.interval_s >= number(&expected["integration_time"]["min"]));
            }
        }
    }
}

/// Values far from what an uninitialised or byte-swapped read would give.
#[test]
fn phasing_of_the_real_files() {
    let Some(dir) = data_dir() else { return };
    let open = |name: &str| {
        SubbandGroup::open(
            &[dir.join(name)],
            &OpenOptions { missing: MissingSubbands::Split, ..OpenOptions::default() },
        )
        .expect("opens")
    };
    let small = open("dsa110-writer/small16/2026-01-25T00:05:19_sb03.hdf5");
    assert_eq!(small.header().phasing, FilePhasing::Meridian { app_dec_rad: 0.952_949_771_588_903_9 });
    assert_eq!(small.header().object_name, "search");
    assert!(small.header().extra.contains(&("phase_center_epoch".to_owned(), "HADEC".to_owned())));
    assert_eq!(small.header().telescope.antennas[116].diameter_m, Some(4.65));
    let bda = open("rasg-datasets/visibility_data/Simulated/simulated_bda_file.uvh5");
    assert_eq!(bda.header().phasing, FilePhasing::Unprojected);
    assert!(bda.header().rows.grid_baselines().is_none());
    let alma = open("derived/alma.uvh5");
    let FilePhasing::Phased { centres, row_centre } = &alma.header().phasing else { panic!("phased") };
    assert_eq!(centres.len(), 3);
    assert_eq!(row_centre.len(), 40);
    assert_eq!((centres[0].name.as_str(), centres[0].direction.frame), ("J1337-1257", Frame::Icrs));
    assert_eq!(centres[2].direction.lat_rad, -0.010_097_253_845_161_571);
    let ata = open("derived/ata_C0352_bigendian.uvh5");
    let FilePhasing::Phased { centres, row_centre } = &ata.header().phasing else { panic!("phased") };
    assert_eq!((centres[0].name.as_str(), row_centre.len()), ("3c286", 0));
    assert_ne!(ata.merge().expect("merges").vis[[0, 0, 0]], Complex32::ZERO);
}
