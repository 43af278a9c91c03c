//! Statistics against plain ones.

use std::io::Write;

use fits_header_cache::{Area, Error, FitsFile, Pixels, Place, Statistics};

use crate::tile::{data, folder, header, image_f32, noise, put, real, tile};

fn statistics(bytes: &[u8], name: &str, area: &Area) -> Result<Statistics, Error> {
    let folder = folder();
    let file = FitsFile::read(put(folder.path(), name, bytes))?;
    Pixels::of(&file, file.image()?)?.statistics(area)
}

/// As numpy's `median`, in 32 bits.
fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut sorted: Vec<f32> = values.collect();
    sorted.sort_by(f32::total_cmp);
    let (one, two) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    if sorted.len() % 2 == 1 { one } else { (one + two) / 2.0 }
}

fn assert_plain(found: &Statistics, values: &[f32]) {
    let finite: Vec<f32> = values.iter().copied().filter(|x| x.is_finite()).collect();
    assert_eq!((found.moments.pixels, found.moments.finite), (values.len() as u64, finite.len() as u64));
    let mean = finite.iter().map(|&x| f64::from(x)).sum::<f64>() / finite.len() as f64;
    let std = (finite.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / finite.len() as f64).sqrt();
    let extent = found.moments.extent.expect("because some are finite");
    assert!((extent.mean - mean).abs() <= 1e-12 * std.max(mean.abs()), "{} {mean}", extent.mean);
    assert!((extent.std - std).abs() <= 1e-12 * std, "{} {std}", extent.std);
    assert_eq!(extent.min, f64::from(finite.iter().copied().fold(f32::INFINITY, f32::min)));
    assert_eq!(extent.max, f64::from(finite.iter().copied().fold(f32::NEG_INFINITY, f32::max)));
    let robust = found.robust.expect("because some are finite");
    let middle = median(finite.iter().copied());
    assert_eq!(robust.median, f64::from(middle));
    assert_eq!(robust.mad, f64::from(median(finite.iter().map(|x| (x - middle).abs()))));
}

#[test]
fn statistics_of_noise_are_those_of_sorting() {
    for (width, height) in [(1, 1), (2, 1), (37, 41), (300, 401), (1000, 701)] {
        let mut values = noise((width * height) as usize, width + height);
        for (i, value) in values.iter_mut().enumerate() {
            match i % 97 {
                3 => *value = f32::NAN,
                5 => *value = if i % 2 == 0 { f32::INFINITY } else { f32::NEG_INFINITY },
                7 => *value *= 1e4,
                _ => {}
            }
        }
        let found = statistics(&tile(width, height, &values), "x.fits", &Area::All).expect("because the file is whole");
        assert_plain(&found, &values);
    }
}

#[test]
fn far_from_zero_and_with_outliers() {
    let mut values: Vec<f32> = noise(20_001, 5).iter().map(|x| 1e6 + x).collect();
    assert_plain(&statistics(&image_f32(&[20_001], &[], &values), "x", &Area::All).expect("whole"), &values);
    values[0] = -3e38;
    assert_plain(&statistics(&image_f32(&[20_001], &[], &values), "x", &Area::All).expect("whole"), &values);
    // Half of the values are equal, zeros of both signs among them.
    let ties: Vec<f32> = (0..1000).map(|i| if i % 2 == 0 { 0.0 } else { -0.0 * (i % 3) as f32 }).collect();
    assert_plain(&statistics(&image_f32(&[1000], &[], &ties), "x", &Area::All).expect("whole"), &ties);
}

/// Images of so many pixels that a sample tells where to look for median and MAD: 600 × 500.
mod large {
    use super::*;

    fn check(values: &[f32]) {
        assert_plain(&statistics(&tile(600, 500, values), "x", &Area::All).expect("because it is whole"), values);
    }

    #[test]
    fn noise_with_what_is_not_finite_and_sources() {
        let mut values = noise(300_000, 11);
        check(&values);
        for (i, value) in values.iter_mut().enumerate() {
            match (i % 600, i / 600) {
                (..80, _) | (_, 450..) => *value = f32::NAN,
                (x, _) if x % 41 == 0 => *value = f32::INFINITY,
                (x, y) if x * y % 97 == 5 => *value = -3e4,
                _ => {}
            }
        }
        check(&values);
    }

    /// The sample is of every few pixels: a pattern that it does not see misleads it.
    #[test]
    fn a_sample_that_misleads() {
        let mut values = noise(300_000, 12);
        values.iter_mut().skip(1).step_by(2).for_each(|x| *x = 50.0 + *x / 7.0);
        check(&values);
        values.iter_mut().enumerate().filter(|(i, _)| i % 16 != 0).for_each(|(_, x)| *x *= 1e3);
        check(&values);
        values.iter_mut().enumerate().filter(|(i, _)| i % 16 == 0).for_each(|(_, x)| *x = f32::NAN);
        check(&values);
    }

    #[test]
    fn ties_and_constants() {
        check(&[2.5; 300_000]);
        let coarse = |steps: f32| noise(300_000, 13).iter().map(|x| (x * steps).round()).collect::<Vec<_>>();
        check(&coarse(2.0));
        check(&coarse(300.0));
        // More than half of a map is often exactly zero.
        let mut blanked = noise(300_000, 14);
        blanked[..170_000].fill(0.0);
        check(&blanked);
        // The median is the mean of two values far apart.
        let halves: Vec<f32> =
            noise(300_000, 15).iter().enumerate().map(|(i, x)| if i % 2 == 0 { x + 1e3 } else { x - 1e3 }).collect();
        check(&halves);
    }

    #[test]
    fn boxes_packed_files_and_other_numbers() {
        let values = noise(1200 * 1000, 16);
        let bytes = tile(1200, 1000, &values);
        let area = Area::Box { x: 300..800, y: 100..900 };
        let inside: Vec<f32> = (100..900).flat_map(|y| &values[y * 1200 + 300..y * 1200 + 800]).copied().collect();
        let found = statistics(&bytes, "x", &area).expect("because the file is whole");
        assert_plain(&found, &inside);
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&bytes).expect("because it goes to memory");
        let packed = packer.finish().expect("because it goes to memory");
        assert_eq!(statistics(&packed, "x.gz", &area).expect("because it is whole"), found);

        let sides = ["NAXIS   = 2", "NAXIS1  = 600", "NAXIS2  = 500"];
        let whole = noise(300_000, 17).iter().map(|x| (x * 1e3) as i16).collect::<Vec<_>>();
        let cards = ["SIMPLE  = T", "BITPIX  = 16", sides[0], sides[1], sides[2], "BSCALE  = 0.25", "BLANK   = 7"];
        let file = [header(&cards), data(whole.iter().map(|x| x.to_be_bytes().to_vec()))].concat();
        let scaled: Vec<f32> = whole.iter().map(|&x| if x == 7 { f32::NAN } else { f32::from(x) * 0.25 }).collect();
        assert_plain(&statistics(&file, "x", &Area::All).expect("because the file is whole"), &scaled);
        let cards = ["SIMPLE  = T", "BITPIX  = -64", sides[0], sides[1], sides[2]];
        let wide: Vec<f64> = noise(300_000, 18).iter().map(|&x| f64::from(x) + 1e-12).collect();
        let file = [header(&cards), data(wide.iter().map(|x| x.to_be_bytes().to_vec()))].concat();
        let robust = statistics(&file, "x", &Area::All).expect("because the file is whole").robust;
        let middle = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            (values[149_999] + values[150_000]) / 2.0
        };
        let median = middle(wide.clone());
        let mad = middle(wide.iter().map(|x| (x - median).abs()).collect());
        assert_eq!(robust.map(|r| (r.median, r.mad)), Some((median, mad)));
    }
}

#[test]
fn extremes_are_where_they_are() {
    let mut values = noise(200 * 150 * 2, 9);
    values[150 * 200 + 7 * 200 + 3] = 99.0;
    values[8 * 200 + 199] = -98.0;
    let bytes = image_f32(&[200, 150, 2], &[], &values);
    let extent = |area: &Area| {
        statistics(&bytes, "x", area)
            .expect("because the file is whole")
            .moments
            .extent
            .expect("because all are finite")
    };
    let all = extent(&Area::All);
    assert_eq!((all.max_at, all.min_at), (Place { x: 3, y: 7, plane: 1 }, Place { x: 199, y: 8, plane: 0 }));
    assert_eq!(all.peak(), 99.0);
    let part = extent(&Area::Box { x: 2..200, y: 6..20 });
    assert_eq!((part.max_at, part.min_at), (all.max_at, all.min_at));
    assert_ne!(extent(&Area::Box { x: 4..199, y: 6..20 }).max, 99.0);
}

#[test]
fn a_box_is_counted_alone() {
    let values = noise(70 * 50 * 3, 2);
    let bytes = image_f32(&[70, 50, 3], &[], &values);
    let area = Area::Box { x: 10..31, y: 5..48 };
    let inside: Vec<f32> = (0..3)
        .flat_map(|p| (5..48).flat_map(move |y| (10..31).map(move |x| (p * 50 + y) * 70 + x)))
        .map(|i| values[i])
        .collect();
    assert_plain(&statistics(&bytes, "x", &area).expect("because the file is whole"), &inside);
    let folder = folder();
    let file = FitsFile::read(put(folder.path(), "x.fits", &bytes)).expect("because the file is whole");
    let pixels = Pixels::of(&file, file.primary()).expect("because it has pixels");
    let read: Vec<f32> = pixels.values(&area).expect("because it is whole").iter().map(|&x| x as f32).collect();
    assert_eq!(read, inside);
    for wrong in [Area::Box { x: 3..3, y: 0..1 }, Area::Box { x: 0..71, y: 0..1 }, Area::Box { x: 0..1, y: 50..51 }] {
        assert!(matches!(pixels.statistics(&wrong), Err(Error::Area { .. })), "{wrong}");
    }
}

#[test]
fn every_kind_of_number() {
    let numbers: [i64; 6] = [3, 1, 4, 1, 5, 100];
    let scaled = ["BSCALE  = 0.5", "BZERO   = 10.0", "BLANK   = 100"];
    type Bytes = fn(i64) -> Vec<u8>;
    let kinds: [(&str, Bytes); 6] = [
        ("BITPIX  = 8", |v| vec![v as u8]),
        ("BITPIX  = 16", |v| (v as i16).to_be_bytes().into()),
        ("BITPIX  = 32", |v| (v as i32).to_be_bytes().into()),
        ("BITPIX  = 64", |v| v.to_be_bytes().into()),
        ("BITPIX  = -32", |v| (v as f32).to_be_bytes().into()),
        ("BITPIX  = -64", |v| (v as f64).to_be_bytes().into()),
    ];
    for (bitpix, bytes) in kinds {
        let cards = ["SIMPLE  = T", bitpix, "NAXIS   = 1", "NAXIS1  = 6", scaled[0], scaled[1], scaled[2]];
        let file = [header(&cards), data(numbers.map(bytes))].concat();
        let found = statistics(&file, "x", &Area::All).expect("because the file is whole");
        // BLANK has a meaning for whole numbers alone.
        let whole = !bitpix.contains('-');
        let (finite, median) = if whole { (5, 11.5) } else { (6, 11.75) };
        assert_eq!((found.moments.finite, found.robust.map(|r| r.median)), (finite, Some(median)), "{bitpix}");
        let max = if whole { 12.5 } else { 60.0 };
        assert_eq!(found.moments.extent.map(|e| (e.min, e.max)), Some((10.5, max)), "{bitpix}");
    }
}

#[test]
fn no_finite_pixel_is_no_number() {
    let found = statistics(&image_f32(&[3], &[], &[f32::NAN; 3]), "x", &Area::All).expect("because the file is whole");
    assert_eq!((found.moments.pixels, found.moments.finite, found.moments.extent, found.robust), (3, 0, None, None));
    assert_eq!((found.finite_fraction(), found.noise(), found.peak()), (Some(0.0), None, None));
}

#[test]
fn one_thread_or_many_give_the_same_bits() {
    let values = noise(700 * 900, 4);
    let bytes = tile(700, 900, &values);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("because threads can be made");
        pool.install(|| statistics(&bytes, "x", &Area::All).expect("because the file is whole"))
    };
    assert_eq!(run(1), run(5));
}

#[test]
fn a_gzipped_image_has_the_same_statistics() {
    let values = noise(300 * 300, 6);
    let bytes = tile(300, 300, &values);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&bytes).expect("because it goes to memory");
    let packed = packer.finish().expect("because it goes to memory");
    let area = Area::Box { x: 5..250, y: 100..290 };
    for area in [Area::All, area] {
        assert_eq!(
            statistics(&packed, "x.fits.gz", &area).expect("because it is whole"),
            statistics(&bytes, "x.fits", &area).expect("because it is whole"),
        );
    }
}

#[test]
fn a_cut_image_is_an_error() {
    let bytes = tile(300, 300, &[0.0; 90_000]);
    let result = statistics(&bytes[..200_000], "x.fits", &Area::All);
    assert!(matches!(result, Err(Error::Truncated { expected: 360_000, .. })), "{result:?}");
}

#[test]
fn a_preview_averages_squares() {
    let values: Vec<f32> = (0..5 * 3).map(|i| if i == 4 { f32::NAN } else { i as f32 }).collect();
    let folder = folder();
    let file = FitsFile::read(put(folder.path(), "x", &tile(5, 3, &values))).expect("because the file is whole");
    let pixels = Pixels::of(&file, file.primary()).expect("because it has pixels");
    let preview = pixels.preview(3).expect("because it is whole");
    assert_eq!((preview.width, preview.height, preview.step), (3, 2, 2));
    assert_eq!(preview.values, [3.0, 5.0, 9.0, 10.5, 12.5, 14.0]);
    assert_eq!(pixels.preview(99).expect("because it is whole").step, 1);
}

#[test]
fn real_images_have_the_statistics_that_numpy_gives() {
    let Some(oracle) = real("oracle.json") else { return };
    let text = std::fs::read_to_string(&oracle).expect("because it is there");
    let oracle_values: serde_json::Value = serde_json::from_str(&text).expect("because it is JSON");
    let mut compared = 0;
    for (name, entry) in oracle_values["fits"].as_object().expect("because it is a table of files") {
        let hdu = &entry["hdus"][0];
        let Some(stats) = hdu["stats"].as_object() else { continue };
        if name.ends_with(".gz") || stats["n"] == 0 {
            continue;
        }
        let file = FitsFile::read(oracle.with_file_name(name)).expect("because astropy reads it");
        let Ok(pixels) = Pixels::of(&file, file.primary()) else { continue };
        let found = pixels.statistics(&Area::All).expect("because astropy reads it");
        assert_eq!(found.moments.pixels, stats["n"], "{name}");
        assert_eq!(found.moments.pixels - found.moments.finite, stats["nonfinite"], "{name}");
        let (Some(extent), Some(sum)) = (found.moments.extent, stats["sum"].as_f64()) else { continue };
        // astropy scales short whole numbers in 32 bits. The reader of JSON may be off by the last bit of 64.
        let short = hdu["bitpix"] == 8 || hdu["bitpix"] == 16;
        let (of_extremes, of_sums) = if short { (1e-7, 1e-7) } else { (1e-15, 1e-9) };
        for (value, key) in [(extent.min, "min"), (extent.max, "max")] {
            let wanted = stats[key].as_f64().expect("a number");
            assert!((value - wanted).abs() <= of_extremes * wanted.abs(), "{name}: {key} {value} {wanted}");
        }
        let total = extent.mean * found.moments.finite as f64;
        let scale = stats["abs_sum"].as_f64().expect("a number");
        assert!((total - sum).abs() <= of_sums * scale, "{name}: {total} {sum}");
        compared += 1;
    }
    assert!(compared >= 10, "{compared} images");
}
