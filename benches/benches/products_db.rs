//! What the checks of a mosaic's tiles ask the database (optimisation 3): 10,000 tiles among 200,000 images.
//!
//! - `theirs, tile by tile`: a connection and two queries for each tile, on the original's layout, where `images.path` has no
//!   index. It is run on 200 tiles and its time scaled, since it takes most of an hour for all.
//! - `theirs, one IN`: the two batched queries of the document, on the same layout.
//! - `document, one IN`: the first of these alone.
//! - `indexed, tile by tile`: a connection and the two queries for each tile, on ours after the migration.
//! - `ours`: open and [`Reader::tiles`]: images, their sets and the calibration tables applied to these.
//! - `ours, rows`: open and look up the images' whole rows.
//!
//! Twice: for tiles that were made one after the other, as those of a month, and for tiles scattered over all images. Keys
//! are in random order; every hundredth is of no image. Every way opens its own connection; pages are in the system's
//! cache.

use std::{cell::RefCell, path::Path, path::PathBuf, time::Duration};

use benches::{Ratios, Result, time};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use products_db::{Image, Reader, migrate_into};
use rusqlite::{Connection, OptionalExtension, params};

/// Tiles that the slow way is run on.
const SCALED_FROM: usize = 200;

/// The original's tables and indexes (reference/original-pipeline.md, section 2.7, C1).
const ORIGINAL: &str = "
    CREATE TABLE ms_index (path TEXT PRIMARY KEY, start_mjd REAL, end_mjd REAL, mid_mjd REAL, processed_at REAL, status TEXT,
        stage TEXT, stage_updated_at REAL, cal_applied INTEGER DEFAULT 0, imagename TEXT);
    CREATE INDEX idx_ms_index_stage_path ON ms_index(stage, path);
    CREATE INDEX idx_ms_index_status ON ms_index(status);
    CREATE TABLE images (id INTEGER PRIMARY KEY, path TEXT NOT NULL, ms_path TEXT NOT NULL, created_at REAL NOT NULL,
        type TEXT NOT NULL, beam_major_arcsec REAL, noise_jy REAL, pbcor INTEGER DEFAULT 0);
    CREATE INDEX idx_images_ms_path ON images(ms_path);";

struct Night {
    _folder: tempfile::TempDir,
    original: PathBuf,
    ours: PathBuf,
    /// Tiles of consecutive images.
    consecutive: Vec<PathBuf>,
    /// Tiles from all over the table.
    scattered: Vec<PathBuf>,
}

impl Night {
    fn make(images: usize, keys: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().canonicalize()?;
        let original = root.join("original.sqlite3");
        let mut connection = Connection::open(&original)?;
        connection.execute_batch(ORIGINAL)?;
        let name = |i: usize| format!("{}/images/tile-{i:06}-2026-01-25T00:05:19-image.fits", root.display());
        let transaction = connection.transaction()?;
        for i in 0..images {
            let set = format!("{}/ms/{i:06}-2026-01-25T00:05:19.ms", root.display());
            transaction
                .prepare_cached(
                    "INSERT INTO ms_index VALUES (?1, 1.0, 2.0, 1.5, 1.7e9, 'done', 'imaged', 1.7e9, 1, NULL)",
                )?
                .execute([&set])?;
            transaction
                .prepare_cached("INSERT INTO images VALUES (NULL, ?1, ?2, 1.7e9, 'image', 12.5, ?3, 0)")?
                .execute(params![name(i), set, 1e-4 + i as f64 * 1e-9])?;
        }
        transaction.commit()?;
        connection.close().map_err(|(_, e)| e)?;
        let ours = root.join("products.sqlite3");
        migrate_into(&original, &ours, &[])?;
        // A step that visits places all over a range before it comes back.
        let step = 7919 * 13;
        let choose = |from: usize, among: usize| {
            let key = |k: usize| match k % 100 {
                99 => root.join(format!("images/none-{k}.fits")),
                _ => name(from + k * step % among).into(),
            };
            (0..keys).map(key).collect()
        };
        let (consecutive, scattered) = (choose(images - keys, keys), choose(0, images));
        Ok(Self { _folder: folder, original, ours, consecutive, scattered })
    }
}

/// What a tile needs: the set, the noise, whether calibration was applied.
type Answer = Vec<Option<(String, Option<f64>, bool)>>;

fn tile_by_tile(database: &Path, keys: &[PathBuf], stored: impl Fn(&Path) -> String) -> Result<Answer> {
    let one = |key: &PathBuf| -> Result<_> {
        let connection = Connection::open(database)?;
        let image = connection
            .query_row("SELECT ms_path, noise_jy, pbcor FROM images WHERE path = ?", [stored(key)], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<f64>>(1)?))
            })
            .optional()?;
        let Some((set, noise)) = image else { return Ok(None) };
        let applied = connection
            .query_row("SELECT cal_applied FROM ms_index WHERE path = ?", [&set], |row| row.get::<_, i64>(0))
            .optional()?;
        Ok(Some((set, noise, applied == Some(1))))
    };
    keys.iter().map(one).collect()
}

/// `column IN (?, ?, …)` for the keys; 10,000 are within SQLite's limit of 32,766.
fn in_list(
    connection: &Connection,
    select: &str,
    keys: &[String],
    mut take: impl FnMut(&rusqlite::Row<'_>) -> Result<()>,
) -> Result<()> {
    let places = vec!["?"; keys.len()].join(",");
    let mut statement = connection.prepare(&format!("{select} IN ({places})"))?;
    let mut rows = statement.query(rusqlite::params_from_iter(keys))?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

fn theirs_batched(database: &Path, keys: &[PathBuf], sets_too: bool) -> Result<Answer> {
    let connection = Connection::open(database)?;
    let texts: Vec<String> = keys.iter().map(|k| k.display().to_string()).collect();
    let mut images = std::collections::HashMap::new();
    in_list(&connection, "SELECT path, ms_path, noise_jy, pbcor FROM images WHERE path", &texts, |row| {
        images.insert(row.get::<_, String>(0)?, (row.get::<_, String>(1)?, row.get::<_, Option<f64>>(2)?));
        Ok(())
    })?;
    let mut applied = std::collections::HashMap::new();
    if sets_too {
        let sets: Vec<String> = images.values().map(|(set, _)| set.clone()).collect();
        in_list(&connection, "SELECT path, cal_applied FROM ms_index WHERE path", &sets, |row| {
            applied.insert(row.get::<_, String>(0)?, row.get::<_, i64>(1)? == 1);
            Ok(())
        })?;
    }
    let answer = |text: &String| {
        let (set, noise) = images.get(text)?.clone();
        let applied = applied.get(&set).copied().unwrap_or(false);
        Some((set, noise, applied))
    };
    Ok(texts.iter().map(answer).collect())
}

fn ours(database: &Path, keys: &[PathBuf]) -> Result<Answer> {
    let reader = Reader::open(database)?;
    let tiles = reader.tiles(keys)?;
    assert!(reader.queries() <= 2, "at most two queries, whatever the number of keys");
    let answer = |tile: products_db::Tile| {
        let applied = tile.set.and_then(|s| s.cal_applied).unwrap_or(false);
        (tile.ms_path.map(|p| p.as_str().to_owned()).unwrap_or_default(), tile.noise_jy, applied)
    };
    Ok(tiles.into_iter().map(|tile| tile.map(answer)).collect())
}

fn our_rows(database: &Path, keys: &[PathBuf]) -> Result<Answer> {
    let reader = Reader::open(database)?;
    let images: Vec<Option<Image>> = reader.by_path(keys)?;
    assert_eq!(reader.queries(), 1);
    let answer = |i: Image| (i.ms_path.map(|p| p.as_str().to_owned()).unwrap_or_default(), i.noise_jy, false);
    Ok(images.into_iter().map(|image| image.map(answer)).collect())
}

/// That two ways found the same tiles, with the same noise.
fn same(a: &Answer, b: &Answer) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.as_ref().map(|t| t.1) == b.as_ref().map(|t| t.1))
}

fn products_db(criterion: &mut Criterion) {
    let tiny = std::env::var("CONTIMG_BENCH_SIZE").is_ok_and(|size| size == "tiny");
    let (images, count) = if tiny { (2_000, 100) } else { (200_000, 10_000) };
    let night = Night::make(images, count).expect("room for two databases");
    let root = night.ours.parent().expect("it lies in a folder").to_owned();
    let relative = |key: &Path| key.strip_prefix(&root).unwrap_or(key).display().to_string();
    let absolute = |key: &Path| key.display().to_string();

    for (kind, keys) in [("consecutive", &night.consecutive), ("scattered", &night.scattered)] {
        type Way<'a> = Box<dyn Fn() -> Result<Answer> + 'a>;
        let ways: [(&'static str, Way<'_>); 5] = [
            ("ours", Box::new(|| ours(&night.ours, keys))),
            ("ours, rows", Box::new(|| our_rows(&night.ours, keys))),
            ("document, one IN", Box::new(|| theirs_batched(&night.original, keys, false))),
            ("theirs, one IN", Box::new(|| theirs_batched(&night.original, keys, true))),
            ("indexed, tile by tile", Box::new(|| tile_by_tile(&night.ours, keys, relative))),
        ];
        let truth = ways[4].1().expect("an answer");
        for (name, way) in &ways {
            assert!(same(&way().expect("an answer"), &truth), "{name} answers otherwise");
        }

        let ratios = RefCell::new(Ratios::default());
        let some = &keys[..SCALED_FROM.min(keys.len())];
        let (answer, took) = time(|| tile_by_tile(&night.original, some, absolute)).expect("an answer");
        assert!(same(&answer, &truth[..some.len()].to_vec()));
        println!("theirs, tile by tile: {} tiles took {took:.2?}, scaled to {} tiles", some.len(), keys.len());
        ratios.borrow_mut().add("theirs, tile by tile", took.mul_f64(keys.len() as f64 / some.len() as f64));

        let title = format!("products_db/{kind}");
        let mut benchmark = criterion.benchmark_group(&title);
        benchmark.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(keys.len() as u64));
        benchmark.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        for (name, way) in &ways {
            benchmark.bench_function(*name, |bencher| {
                bencher.iter_custom(|n| {
                    let run = |_| {
                        let (answer, took) = time(way).expect("an answer");
                        drop(answer);
                        ratios.borrow_mut().add(name, took);
                        took
                    };
                    (0..n).map(run).sum()
                });
            });
        }
        benchmark.finish();
        print!("{}", ratios.borrow().report(&title, "ours"));
    }
}

criterion_group!(benches, products_db);
criterion_main!(benches);
