//! What a stage's checks refuse, and what an image gets before it is published.

use std::{fs, path::Path};

use casacore::Table;
use fits_header_cache::FitsFile;
use fixtures::GroupSpec;
use vis_types::Complex32;

use crate::program::{GROUP, Work};
use crate::tiles::write_tile;

/// Every pixel of the tile becomes `value`.
fn fill(tile: &Path, value: impl Fn(usize) -> f32) {
    let mut bytes = fs::read(tile).expect("read");
    for (i, pixel) in bytes[2880..2880 + 48 * 48 * 4].chunks_exact_mut(4).enumerate() {
        pixel.copy_from_slice(&value(i).to_be_bytes());
    }
    fs::write(tile, bytes).expect("write");
}

#[test]
fn an_image_that_is_none_is_refused() {
    let work = Work::new();
    write_tile(work.path(), "a", 30.0, &[]);
    let check = ["__check", "image", "a-image.fits"];
    work.run(&check).expect(0);
    let tile = work.path().join("a-image.fits");
    fill(&tile, |i| if i % 3 == 0 { 1.0 } else { f32::NAN });
    work.run(&check).expect(1).says("are finite");
    fill(&tile, |_| 0.0);
    work.run(&check).expect(1).says("all the same");
    fill(&tile, |_| f32::NAN);
    work.run(&check).expect(1).says("0.0 %");
    fs::write(&tile, &fs::read(&tile).expect("read")[..4000]).expect("write");
    work.run(&check).expect(1);
    fs::write(&tile, "no image").expect("write");
    work.run(&check).expect(1);
    work.run(&["__check", "image", "nowhere.fits"]).expect(1).says("nowhere.fits");
}

#[test]
fn sources_that_are_not_where_or_as_bright_as_the_model_are_told() {
    let work = Work::new();
    write_tile(work.path(), "a", 30.0, &[]);
    let sky = |ra: f64, jansky: f64| {
        fs::write(work.path().join("sky.csv"), format!("name,ra_deg,dec_deg,i_jy\nS,{ra},37.0,{jansky}\n"))
            .expect("write");
        work.run(&["__check", "sources", "a-image.fits", "--sky", "sky.csv"])
    };
    // The tile's source is 0.2 Jy at its middle.
    sky(30.0, 0.2).expect(0);
    sky(30.0, 0.22).expect(1).says("1 of 1 sources are wrong");
    sky(30.03, 0.2).expect(1).says("1 of 1 sources are wrong");
    // None of them in the image says nothing about it.
    sky(90.0, 0.2).expect(1).says("0 of 0");
    fs::write(work.path().join("sky.csv"), "name,ra_deg\nS,x\n").expect("write");
    work.run(&["__check", "sources", "a-image.fits", "--sky", "sky.csv"]).expect(1).says("sky.csv");
}

#[test]
fn a_column_without_data_is_refused() {
    let work = Work::with(&GroupSpec::tiny());
    work.convert(&[]).expect(0);
    let set = format!("out/{GROUP}.ms");
    let check = |column: &str| work.run(&["__check", "column", &set, column]);
    check("DATA").expect(0);
    check("CORRECTED_DATA").expect(1).says("CORRECTED_DATA");
    let mut table = Table::open_rw(work.set()).expect("open");
    let rows = table.rows().expect("rows");
    let put = |table: &mut Table, data: &[Complex32], flags: &[bool]| {
        table.write("DATA", 0..rows, data).expect("write");
        table.write("FLAG", 0..rows, flags).expect("write");
        table.flush(false).expect("flush");
    };
    let data: Vec<Complex32> = table.read_vec("DATA", 0..rows).expect("read");
    let (none, all) = (vec![false; data.len()], vec![true; data.len()]);
    put(&mut table, &vec![Complex32::new(0.0, 0.0); data.len()], &none);
    check("DATA").expect(1).says("fewer than one in a hundred");
    put(&mut table, &vec![Complex32::new(f32::NAN, 0.0); data.len()], &none);
    check("DATA").expect(1).says("not finite");
    put(&mut table, &data, &all);
    check("DATA").expect(1).says("flagged");
    drop(table);
    work.run(&["__check", "column", "out", "DATA"]).expect(1);
}

#[test]
fn an_image_gets_its_beam_and_says_where_it_comes_from() {
    let work = Work::new();
    let folder = work.path().join("images");
    fs::create_dir(&folder).expect("mkdir");
    write_tile(&folder, "a", 30.0, &[]);
    let image = folder.join("a-image.fits");
    let pixels = |path: &Path| {
        let bytes = fs::read(path).expect("read");
        let at = FitsFile::read(path).expect("FITS").primary().data_at() as usize;
        bytes[at..].chunks_exact(4).map(|b| f32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<f32>>()
    };
    let before = pixels(&image);
    work.run(&["beam", "images/a-image.fits"]).expect(3).says("--overwrite");
    work.run(&["beam", "images/a-image.fits", "--dish", "0"]).expect(2);
    work.run(&["beam", "images/a-image.fits", "--overwrite"]).expect(0);
    let beam = pixels(&folder.join("a-beam-0.fits"));
    // 1 at the middle; 24 pixels of 0.02 degrees beside it x = π D sin θ / λ = 0.57151, (2 J1(x)/x)² = 0.92107 (scipy).
    assert_eq!(beam[24 * 48 + 24], 1.0);
    assert!((beam[24 * 48] - 0.921_07).abs() < 2e-5, "{}", beam[24 * 48]);

    fs::write(work.path().join("table"), "x").expect("write");
    let path = work.path().display().to_string();
    let table = format!("{path}/table");
    let provenance = ["__provenance", "images", "--as", "p/a", "--work", &path, "--made-from", &table];
    let mut command = work.contimg(provenance);
    // The tests fix the time, under which no run shows.
    command
        .env_remove("SOURCE_DATE_EPOCH")
        .env("CONTIMG_SET", "s")
        .env("CONTIMG_RUN", "r")
        .env("CONTIMG_SETTINGS", "k".repeat(90));
    assert!(command.status().expect("start").success());
    let file = FitsFile::read(&image).expect("FITS");
    let history: String = file.primary().header().commentary("HISTORY").map(|line| line.into_owned()).collect();
    for word in ["set s", "contimg run r", "made from table: file 1 bytes", &"k".repeat(90)] {
        assert!(history.contains(word), "`{word}` is not in {history}");
    }
    assert_eq!(pixels(&image), before, "its pixels are as they were");
    // The same again with a fixed time: no run shows.
    let mut command = work.contimg(provenance);
    command.env("CONTIMG_RUN", "other").env("SOURCE_DATE_EPOCH", "1");
    assert!(command.status().expect("start").success());
    let file = FitsFile::read(&image).expect("FITS");
    assert!(!file.primary().header().commentary("HISTORY").any(|line| line.contains("other")));
    work.run(&["__provenance", "input", "--work", &path]).expect(1).says("no FITS file");
    work.run(&["__provenance", "images", "--work", &path, "--made-from", "nowhere"]).expect(1).says("nowhere");
}
