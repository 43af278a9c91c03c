use std::{path::PathBuf, time::Duration};

use tile_validate::{FitsCache, Input, Source, Verdict, validate};

use crate::tile::{CELL, SIDE, SOURCES, Tile, clean, found, judge, rules};

#[test]
fn clean_tiles_across_0_h_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = judge(folder.path(), &clean(), &rules());
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert!(report.tiles.iter().all(|t| report.verdict(t) == Verdict::Pass));
    let tile = report.tiles[0].tile.as_ref().expect("a tile");
    let noise = tile.noise_jy.expect("noise");
    // A twentieth of the pixels are of sources.
    assert!((0.9e-3..1.2e-3).contains(&noise), "{noise}");
    assert_eq!((tile.freq_hz, tile.finite_fraction), (Some(1.4e9), 1.0));
}

#[test]
fn of_200_tiles_the_one_that_changed_is_the_only_one_that_is_read_again() {
    const TILES: usize = 200;
    let folder = tempfile::tempdir().expect("a folder");
    let mut tiles: Vec<Tile> = (0..TILES).map(Tile::new).collect();
    let paths: Vec<PathBuf> = tiles.iter().map(|t| t.write(folder.path())).collect();
    // Long ago, so that what is read now counts at once.
    let age = |path: &PathBuf| {
        let file = std::fs::File::options().append(true).open(path).expect("a file");
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).expect("a time");
    };
    paths.iter().for_each(age);
    let cache = tile_validate::FitsCache::new(fits_header_cache::Options {
        settle: Duration::ZERO,
        ..fits_header_cache::Options::default()
    });
    let run = || validate(&Input::of(&paths), &rules(), &cache, &|_| {}).expect("a report");
    let first = run();
    assert!(first.findings.is_empty(), "{:#?}", first.findings);
    // The tile; of its beam the used region and all.
    let all = 3 * TILES as u64;
    assert_eq!(cache.statistics_stats().reads, all);
    assert_eq!(run(), first);
    assert_eq!(cache.statistics_stats().reads, all, "nothing changed");
    tiles[123].noise = 1.1e-3;
    tiles[123].beam = None;
    tiles[123].write(folder.path());
    let second = run();
    assert_eq!(cache.statistics_stats().reads, all + 1, "one tile changed");
    for (i, (second, first)) in second.tiles.iter().zip(&first.tiles).enumerate() {
        assert_eq!(second != first, i == 123, "tile {i}");
    }
}

#[test]
fn a_catalogue_confirms_positions_and_finds_shifts() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tiles = clean();
    // East is towards smaller x: half a pixel is 36 arcseconds.
    tiles[2].shift = [-0.5, 0.0];
    let paths: Vec<PathBuf> = tiles.iter().map(|t| t.write(folder.path())).collect();
    let sources: Vec<Source> = tiles
        .iter()
        .flat_map(|tile| {
            SOURCES.map(|[x, y]| {
                // The orthographic projection backwards; the reference pixel is the middle.
                let (l, m) = ((-x * CELL).to_radians(), (y * CELL).to_radians());
                let n = (1.0 - l * l - m * m).sqrt();
                let (sin, cos) = tile.dec.to_radians().sin_cos();
                let dec = (m * cos + n * sin).asin().to_degrees();
                let ra = tile.ra + l.atan2(n * cos - m * sin).to_degrees();
                Source { ra_deg: ra.rem_euclid(360.0), dec_deg: dec, flux_jy: 0.2 }
            })
        })
        .collect();
    let input = Input { sources: Some(&sources), ..Input::of(&paths) };
    // Long ago, so that what is read now counts at once.
    for path in &paths {
        let file = std::fs::File::options().append(true).open(path).expect("a file");
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).expect("a time");
    }
    let cache =
        FitsCache::new(fits_header_cache::Options { settle: Duration::ZERO, ..fits_header_cache::Options::default() });
    let report = validate(&input, &rules(), &cache, &|_| {}).expect("a report");
    assert_eq!(found(&report), ["t02: astrometry"]);
    assert_eq!(cache.peaks_stats().reads, paths.len() as u64);
    assert_eq!(validate(&input, &rules(), &cache, &|_| {}).expect("a report"), report);
    let reads = (cache.peaks_stats().reads, cache.statistics_stats().reads, cache.file_stats().reads);
    let count = paths.len() as u64;
    assert_eq!(reads, (count, 3 * count, 2 * count), "the second time nothing is read");
    let offsets = report.tiles[2].offsets.as_ref().expect("offsets");
    assert!(offsets.sources >= 3 && (offsets.east_arcsec - 36.0).abs() < 8.0, "{offsets:?}");
    assert!(offsets.north_arcsec.abs() < 8.0);
    let none = Input { sources: Some(&[]), ..Input::of(&paths[..1]) };
    let report = validate(&none, &rules(), &FitsCache::default(), &|_| {}).expect("a report");
    assert_eq!(found(&report), ["t00: astrometry"], "no sources, no verdict");
    let _ = SIDE;
}

#[test]
fn other_forms_of_the_grid_are_the_same_grid() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tiles = clean();
    let cell = format!("{CELL:.12E}");
    let minus = format!("{:.12E}", -CELL);
    tiles[1] = Tile::new(1).without("CDELT1").without("CDELT2").with("CD1_1", &minus).with("CD2_2", &cell);
    tiles[2] = Tile::new(2).with("PC1_1", "1.0").with("PC2_2", "1.0").with("PC1_2", "0.0");
    tiles[3] = Tile::new(3).with("CROTA2", "0.0");
    tiles[4] = Tile::new(4).with("CUNIT1", "'deg'").with("CUNIT2", "'deg'").with("RADESYS", "'ICRS    '");
    let report = judge(folder.path(), &tiles, &rules());
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
}
