//! What the checks of a mosaic's tiles ask the database (optimisation 3): 10,000 tiles among 200,000 images.
//!
//! - `theirs, tile by tile`: a connection and two queries for each tile, on the original's layout, where `images.path` has no
//!   index. It is run on 200 tiles and its time scaled, since it takes most of an hour for all.
//! - `document, one IN`: the design document's query, `… FROM images WHERE path IN (?, ?, …)` with its six columns and a map
//!   from the path to the row, on the same layout: the same SQLite as ours, called from Rust. **This is the bar** of a factor
//!   of five: it leaves out what Python costs, which is not the query's fault.
//! - `document in Python, one IN`: the document's code itself, with Python's `sqlite3` (`products_db.py`): what its users
//!   would run. `CONTIMG_BENCH_PYTHON` names the interpreter, else `python3`.
//! - `theirs, two INs`: this query, and the one for the sets that says which are calibrated. It answers what ours does.
//! - `indexed, tile by tile`: a connection and the two queries for each tile, on ours after the migration; on 1,000 tiles,
//!   scaled.
//! - `ours`: open and [`Reader::tiles`]: images, their sets and the calibration tables applied to these.
//! - `ours, rows`: open and look up the images' whole rows.
//!
//! Twice: for tiles that were made one after the other, as those of a month, and for tiles scattered over all images. Keys
//! are in random order; every hundredth is of no image. Every way opens its own connection and ends with what it found in its
//! own form; both files are in the system's cache, as read from the disk. Ours uses two cores, SQLite by itself uses one.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use benches::{Ratios, Result, time};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use products_db::{Image, Reader, Tile, migrate_into};
use rusqlite::{Connection, OptionalExtension, params};

/// Tiles that the slow ways are run on: without an index, and with one.
const SCALED_FROM: [usize; 2] = [200, 1_000];

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
        for database in [&original, &ours] {
            read_from_disk(database)?;
        }
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

/// Puts a file into the system's cache as it is there on another day: read from the disk in large pieces, not as its pages
/// were written.
fn read_from_disk(path: &Path) -> Result<()> {
    let mut file = std::fs::File::open(path)?;
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    std::io::copy(&mut file, &mut std::io::sink())?;
    Ok(())
}

/// What a way found, in its own form.
enum Found {
    /// For each key.
    One(Vec<Option<(String, Option<f64>, bool)>>),
    Batch {
        rows: HashMap<String, Row>,
        _calibrated: HashMap<String, bool>,
    },
    Tiles(Vec<Option<Tile>>),
    Rows(Vec<Option<Image>>),
}

/// The six columns that the document asks.
struct Row {
    set: Option<String>,
    noise: Option<f64>,
    _dynamic_range: Option<f64>,
    _corrected: Option<i64>,
    _calibrated: Option<i64>,
}

impl Found {
    /// The noise of each tile that was found: the same for all ways.
    fn noise(&self, keys: &[PathBuf]) -> Vec<Option<Option<f64>>> {
        match self {
            Self::One(tiles) => tiles.iter().map(|t| t.as_ref().map(|t| t.1)).collect(),
            Self::Batch { rows, .. } => {
                keys.iter().map(|key| rows.get(&key.display().to_string()).map(|row| row.noise)).collect()
            }
            Self::Tiles(tiles) => tiles.iter().map(|t| t.as_ref().map(|t| t.noise_jy)).collect(),
            Self::Rows(images) => images.iter().map(|i| i.as_ref().map(|i| i.noise_jy)).collect(),
        }
    }
}

fn tile_by_tile(database: &Path, keys: &[PathBuf], stored: impl Fn(&Path) -> String) -> Result<Found> {
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
    Ok(Found::One(keys.iter().map(one).collect::<Result<_>>()?))
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

/// The document's statement. Two of its columns are not in the original's tables, and one has another name there.
const DOCUMENT: &str = "SELECT path, ms_path, noise_jy, NULL AS dynamic_range, pbcor AS pbcor_applied, \
    NULL AS calibration_applied FROM images WHERE path";

fn document(database: &Path, keys: &[PathBuf], sets_too: bool) -> Result<Found> {
    let connection = Connection::open(database)?;
    let texts: Vec<String> = keys.iter().map(|k| k.display().to_string()).collect();
    let mut rows = HashMap::new();
    in_list(&connection, DOCUMENT, &texts, |row| {
        let values = Row {
            set: row.get(1)?,
            noise: row.get(2)?,
            _dynamic_range: row.get(3)?,
            _corrected: row.get(4)?,
            _calibrated: row.get(5)?,
        };
        rows.insert(row.get(0)?, values);
        Ok(())
    })?;
    let mut calibrated = HashMap::new();
    if sets_too {
        let sets: Vec<String> = rows.values().filter_map(|row| row.set.clone()).collect();
        in_list(&connection, "SELECT path, cal_applied FROM ms_index WHERE path", &sets, |row| {
            calibrated.insert(row.get(0)?, row.get::<_, i64>(1)? == 1);
            Ok(())
        })?;
    }
    Ok(Found::Batch { rows, _calibrated: calibrated })
}

/// The document's code in Python: seconds of its shortest run, and the SQLite that it has. `None` without Python.
fn document_in_python(database: &Path, keys: &[PathBuf], images: usize) -> Result<Option<(Duration, String)>> {
    let python = std::env::var_os("CONTIMG_BENCH_PYTHON").unwrap_or_else(|| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/products_db.py");
    let started = Command::new(python).arg(script).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let texts: Vec<String> = keys.iter().map(|k| k.display().to_string()).collect();
    child.stdin.take().ok_or("a pipe")?.write_all(texts.join("\n").as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err("the document's code in Python failed; its message is above".into());
    }
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    if answer["rows"].as_u64() != Some(images as u64) {
        return Err(format!("Python found {} images, we {images}", answer["rows"]).into());
    }
    let seconds = answer["seconds"].as_f64().ok_or("no time")?;
    Ok(Some((Duration::from_secs_f64(seconds), answer["sqlite"].as_str().unwrap_or("?").to_owned())))
}

fn ours(database: &Path, keys: &[PathBuf]) -> Result<Found> {
    let reader = Reader::open(database)?;
    let tiles = reader.tiles(keys)?;
    assert!(reader.queries() <= 2, "at most two queries, whatever the number of keys");
    Ok(Found::Tiles(tiles))
}

fn our_rows(database: &Path, keys: &[PathBuf]) -> Result<Found> {
    let reader = Reader::open(database)?;
    let images: Vec<Option<Image>> = reader.by_path(keys)?;
    assert!(reader.queries() <= 2, "at most two queries, whatever the number of keys");
    Ok(Found::Rows(images))
}

fn products_db(criterion: &mut Criterion) {
    let tiny = std::env::var("CONTIMG_BENCH_SIZE").is_ok_and(|size| size == "tiny");
    let (images, count) = if tiny { (2_000, 100) } else { (200_000, 10_000) };
    let night = Night::make(images, count).expect("room for two databases");
    let root = night.ours.parent().expect("it lies in a folder").to_owned();
    let relative = |key: &Path| key.strip_prefix(&root).unwrap_or(key).display().to_string();
    let absolute = |key: &Path| key.display().to_string();

    for (kind, keys) in [("consecutive", &night.consecutive), ("scattered", &night.scattered)] {
        type Way<'a> = Box<dyn Fn() -> Result<Found> + 'a>;
        let ways: [(&'static str, Way<'_>); 4] = [
            ("ours", Box::new(|| ours(&night.ours, keys))),
            ("ours, rows", Box::new(|| our_rows(&night.ours, keys))),
            ("document, one IN", Box::new(|| document(&night.original, keys, false))),
            ("theirs, two INs", Box::new(|| document(&night.original, keys, true))),
        ];
        let truth = ours(&night.ours, keys).expect("an answer").noise(keys);
        let there = truth.iter().flatten().count();
        assert_eq!(there, count - count / 100, "every hundredth key is of no image");
        for (name, way) in &ways {
            assert_eq!(way().expect("an answer").noise(keys), truth, "{name} answers otherwise");
        }

        let title = format!("products_db/{kind}");
        let ratios = RefCell::new(Ratios::default());
        let scaled = |name: &'static str, some: usize, way: &dyn Fn(&[PathBuf]) -> Result<Found>| {
            let some = &keys[..some.min(keys.len())];
            let (answer, took) = time(|| way(some)).expect("an answer");
            assert_eq!(answer.noise(some), truth[..some.len()], "{name} answers otherwise");
            println!("{title}: {name}: {} tiles took {took:.2?}, scaled to {}", some.len(), keys.len());
            ratios.borrow_mut().add(name, took.mul_f64(keys.len() as f64 / some.len() as f64));
        };
        scaled("theirs, tile by tile", SCALED_FROM[0], &|some| tile_by_tile(&night.original, some, absolute));
        for _ in 0..3 {
            scaled("indexed, tile by tile", SCALED_FROM[1], &|some| tile_by_tile(&night.ours, some, relative));
        }
        match document_in_python(&night.original, keys, there).expect("the document's code runs") {
            Some((took, sqlite)) => {
                println!("{title}: document in Python, with its SQLite {sqlite}: {took:.2?}");
                ratios.borrow_mut().add("document in Python, one IN", took);
            }
            None => println!("{title}: document in Python: skipped, there is no python3"),
        }

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
        for (way, least) in
            [("theirs, tile by tile", 500.0), ("indexed, tile by tile", 30.0), ("document, one IN", 5.0)]
        {
            if let Some(ratio) = ratios.borrow().of(way, "ours") {
                let verdict = if ratio >= least { "met" } else { "NOT met" };
                println!("{title}: bar: {way}: {ratio:.2} of {least} times: {verdict}");
            }
        }
    }
}

criterion_group!(benches, products_db);
criterion_main!(benches);
