//! Headers of whole and broken files.

use std::io::Write;

use fits_header_cache::{Bitpix, Error, FitsFile, Kind, Packing, Value};

use crate::tile::{data, folder, header, image_f32, put, real, tile};

#[test]
fn a_tile_says_what_it_is() {
    let folder = folder();
    let path = put(folder.path(), "a-image.fits", &tile(6, 4, &[0.0; 24]));
    let file = FitsFile::read(&path).expect("because the file is whole");
    let hdu = file.image().expect("because it has an image");
    let image = hdu.image().expect("because it has an image");
    assert_eq!((image.axes.as_slice(), image.bitpix), (&[6, 4, 1, 1][..], Bitpix::F32));
    let header = hdu.header();
    assert_eq!(header.real("CDELT2").expect("a number"), Some(5.555555555e-4));
    assert_eq!(header.real("bmaj").expect("a number"), Some(0.011));
    assert_eq!(header.text("OBJECT").expect("text").as_deref(), Some("O'Brien / 2"));
    assert_eq!(header.text("BUNIT").expect("text").as_deref(), Some("JY/BEAM"));
    assert_eq!(header.integer("EQUINOX").expect("a whole number"), Some(2000));
    assert_eq!(header.real("NOTHERE").expect("no error"), None);
    assert_eq!(header.commentary("HISTORY").collect::<Vec<_>>(), ["wsclean -size 64 64", "second line"]);
    assert_eq!(header.find("EQUINOX").map(|card| card.comment().into_owned()).as_deref(), Some("J2000"));
    assert_eq!((file.missing_bytes(), file.trailing_bytes(), file.packing()), (0, 0, Packing::Plain));
    let text = header.real("BUNIT").expect_err("because it is text").to_string();
    assert!(text.contains("a-image.fits") && text.contains("card 10: BUNIT is not a number"), "{text}");
}

#[test]
fn long_text_and_hierarch_cards() {
    let folder = folder();
    let cards = [
        "SIMPLE  = T",
        "BITPIX  = 8",
        "NAXIS   = 0",
        "LONG    = 'one &'",
        "CONTINUE  'two &'",
        "CONTINUE  'three'",
        "HIERARCH ESO DET Name = 'x'",
        "AFTER   = 3",
        "UNDEF   =",
        "COMMENT = 1",
        "COMMENT text",
    ];
    let path = put(folder.path(), "x.fits", &header(&cards));
    let file = FitsFile::read(path).expect("because the file is whole");
    let header = file.primary().header();
    assert_eq!(header.text("LONG").expect("text").as_deref(), Some("one two three"));
    assert_eq!(header.text("HIERARCH ESO DET NAME").expect("text").as_deref(), Some("x"));
    assert_eq!(header.text("ESO DET NAME").expect("text").as_deref(), Some("x"));
    assert_eq!(header.value("UNDEF").expect("a card"), Some(Value::Undefined));
    assert_eq!(header.real("UNDEF").expect("no error"), None);
    let keywords: Vec<_> = header.cards().map(|card| (card.number(), card.keyword().into_owned())).collect();
    assert_eq!(keywords[3..6], [(4, "LONG".into()), (7, "ESO DET Name".into()), (8, "AFTER".into())]);
}

#[test]
fn extensions_are_found_behind_their_data() {
    let folder = folder();
    let mut bytes = header(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"]);
    bytes.extend(header(&[
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 5",
        "NAXIS2  = 700",
        "PCOUNT  = 10",
        "GCOUNT  = 1",
        "TFIELDS = 0",
    ]));
    bytes.extend(data([vec![0_u8; 3510]]));
    bytes.extend(header(&[
        "XTENSION= 'IMAGE   '",
        "BITPIX  = 16",
        "NAXIS   = 1",
        "NAXIS1  = 2",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
    ]));
    bytes.extend(data([[0_u8; 4]]));
    bytes.extend([0; 100]);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&bytes).expect("because it goes to memory");
    let packed = packer.finish().expect("because it goes to memory");
    for (name, bytes) in [("x.fits.gz", &packed), ("x.fits", &bytes)] {
        let file = FitsFile::read(put(folder.path(), name, bytes)).expect("because the file is whole");
        let kinds: Vec<_> = file.hdus().iter().map(|hdu| (hdu.kind(), hdu.data_bytes())).collect();
        assert_eq!(kinds, [(Kind::Image, 0), (Kind::BinaryTable, 3510), (Kind::Image, 4)], "{name}");
    }
    let file = FitsFile::read(folder.path().join("x.fits")).expect("because the file is whole");
    assert_eq!(file.image().expect("an image").header().hdu(), 2);
    assert_eq!(file.trailing_bytes(), 100);
    assert!(matches!(file.hdu(3), Err(Error::NoSuchHdu { hdus: 3, .. })));
}

#[test]
fn what_is_broken_is_named() {
    let folder = folder();
    let read = |name: &str, bytes: &[u8]| FitsFile::read(put(folder.path(), name, bytes));
    assert!(matches!(read("empty", b""), Err(Error::NotFits { .. })));
    assert!(matches!(read("text", b"hello world, this is no image"), Err(Error::NotFits { .. })));
    assert!(matches!(read("bz2", b"BZh91AY&SY"), Err(Error::Packed { program: "bzip2", .. })));
    assert!(matches!(FitsFile::read(folder.path().join("absent")), Err(Error::Io { action: "open", .. })));
    assert!(matches!(FitsFile::read(folder.path()), Err(Error::Io { .. })), "a folder");
    let pipe = folder.path().join("pipe.fits");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .expect("because the folder is ours");
    assert!(matches!(FitsFile::read(&pipe), Err(Error::Io { .. })), "a pipe that nobody writes to is not waited for");
    let whole = tile(6, 4, &[0.0; 24]);
    assert!(matches!(read("cut-header", &whole[..1000]), Err(Error::NoEnd { hdu: 0, .. })));
    let cut = read("cut-data", &whole[..whole.len() - 2880 + 50]).expect("because the header is whole");
    assert_eq!(cut.missing_bytes(), 96 - 50);
    for (wrong, keyword) in [("BITPIX  = 33", "BITPIX"), ("NAXIS   = -1", "NAXIS"), ("NAXIS   = 1000", "NAXIS")] {
        let axis = if keyword == "NAXIS" { "BITPIX  = 8" } else { "NAXIS   = 0" };
        let result = read("wrong", &header(&["SIMPLE  = T", wrong, axis]));
        assert!(matches!(&result, Err(Error::Card { keyword: found, .. }) if found == keyword), "{result:?}");
    }
    let huge = header(&[
        "SIMPLE  = T",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 9223372036854775807",
        "NAXIS2  = 9223372036854775807",
    ]);
    assert!(matches!(read("huge", &huge), Err(Error::Card { .. })));
    let endless = [b"SIMPLE  =".to_vec(), vec![b' '; 20 << 20]].concat();
    assert!(matches!(read("endless", &endless), Err(Error::TooLarge { .. })));
}

#[test]
fn a_gzipped_file_has_the_same_headers() {
    let folder = folder();
    let plain = tile(60, 40, &[1.5; 2400]);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&plain).expect("because it goes to memory");
    let packed = packer.finish().expect("because it goes to memory");
    let plain = FitsFile::read(put(folder.path(), "x.fits", &plain)).expect("because the file is whole");
    let unpacked = FitsFile::read(put(folder.path(), "x.fits.gz", &packed)).expect("because the file is whole");
    assert_eq!(unpacked.packing(), Packing::Gzip);
    assert_eq!(plain.primary().header().raw(), unpacked.primary().header().raw());
    let cut = FitsFile::read(put(folder.path(), "cut.fits.gz", &packed[..packed.len() / 8]));
    assert!(cut.is_err(), "{cut:?}");
}

#[test]
fn a_gzip_bomb_is_refused() {
    let folder = folder();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 100000000"];
    packer.write_all(&header(&cards)).expect("because it goes to memory");
    for _ in 0..100 {
        packer.write_all(&vec![0; 1_000_000]).expect("because it goes to memory");
    }
    let packed = packer.finish().expect("because it goes to memory");
    let result = FitsFile::read(put(folder.path(), "bomb.fits.gz", &packed));
    assert!(matches!(result, Err(Error::Inflates { .. })), "{result:?}");
}

#[test]
fn names_mean_nothing_and_no_file_is_made() {
    let folder = folder();
    let made = folder.path().join("made.fits");
    // CFITSIO's own way to open a name would make a file of this one.
    let name = format!("x.fits({})", made.display()).replace('/', "_");
    for name in [name.as_str(), "x.fits[1]", "!x.fits", "x.fits+1", "mem:x.fits", "-", "a b,c.fits", "x.fits[compress]"]
    {
        let path = put(folder.path(), name, &image_f32(&[2], &[], &[1.0, 2.0]));
        let file = FitsFile::read(&path).expect("because it is a file");
        let pixels = fits_header_cache::Pixels::of(&file, file.primary()).expect("because it has pixels");
        let values = pixels.values(&fits_header_cache::Area::All).expect("because they are whole");
        assert_eq!(values, [1.0, 2.0], "{name}");
    }
    let absent = folder.path().join(format!("x.fits({})", made.display()));
    assert!(FitsFile::read(absent).is_err());
    assert!(!made.exists());
    assert_eq!(std::fs::read_dir(folder.path()).expect("because it is ours").count(), 8);
}

#[test]
fn compressed_tiles_in_a_file_with_an_odd_name() {
    let Some(real) = real("astropy/io/fits/tests/data/comp.fits") else { return };
    let folder = folder();
    let made = folder.path().join("made.fits");
    let plain = std::fs::read(real).expect("because it is there");
    let path = put(folder.path(), "comp.fits[1](made.fits)", &plain);
    let file = FitsFile::read(&path).expect("because it is a file");
    let hdu = file.image().expect("because it has an image");
    assert_eq!((hdu.kind(), hdu.header().hdu()), (Kind::CompressedImage, 1));
    let pixels = fits_header_cache::Pixels::of(&file, hdu).expect("because it has pixels");
    let found = pixels.statistics(&fits_header_cache::Area::All).expect("because it can be unpacked");
    // By astropy 7.1: fits.getdata('comp.fits').
    assert_eq!((found.moments.pixels, found.moments.finite), (440 * 300, 440 * 300));
    let extent = found.moments.extent.expect("because all are finite");
    assert_eq!((extent.min, extent.max), (COMP_MIN, COMP_MAX));
    assert!((extent.mean - COMP_MEAN).abs() < 1e-9 * COMP_MEAN, "{}", extent.mean);
    assert_eq!(found.robust.expect("because all are finite").median, COMP_MEDIAN);
    assert!(!made.exists());
    assert_eq!(std::fs::read_dir(folder.path()).expect("because it is ours").count(), 1);
}

const COMP_MIN: f64 = 0.0;
const COMP_MAX: f64 = 1037.0;
const COMP_MEAN: f64 = 260.741446969697;
const COMP_MEDIAN: f64 = 253.0;
