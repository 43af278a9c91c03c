//! Readers and writers in processes of their own, some of which are killed: what was acknowledged stays.
//!
//! The processes are this test binary again, told by the environment what to be. A writer prints a line for each commit that
//! returned; that line is the acknowledgement.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use products_db::{Check, Image, MsRow, Reader, Writer};

const ROLE: &str = "CONTIMG_SURVIVE_ROLE";
const DATABASE: &str = "CONTIMG_SURVIVE_DATABASE";

/// What a child does, for as long as it lives.
#[test]
fn child() {
    let (Ok(role), Ok(database)) = (std::env::var(ROLE), std::env::var(DATABASE)) else { return };
    let path = PathBuf::from(database);
    let failed = match role.split_once('-') {
        Some(("writer", life)) => write(&path, life),
        _ => read(&path),
    };
    // Only an error ends it.
    println!("\nfailed {failed}");
}

fn write(path: &Path, life: &str) -> String {
    let mut writer = match Writer::open(path) {
        Ok(writer) => writer,
        Err(e) => return e.to_string(),
    };
    for n in 0u64.. {
        let name = format!("{life}-{n}");
        let stored = |kind: &str| writer.folder().stored(&writer.folder().root().join(format!("{name}.{kind}")));
        let rows = stored("ms").and_then(|ms| {
            let image = Image { path: stored("fits")?, ms_path: Some(ms.clone()), ..Image::default() };
            Ok((MsRow { path: ms, ..MsRow::default() }, image))
        });
        let result = rows.and_then(|(set, image)| {
            writer.transaction(|t| {
                t.upsert(&[set])?;
                t.upsert(&[image])
            })
        });
        match result {
            Ok(()) => println!("\nacknowledged {name}"),
            Err(e) => return e.to_string(),
        }
    }
    String::new()
}

/// That an image is never seen without its set, which the same transaction wrote.
fn read(path: &Path) -> String {
    let reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(e) => return e.to_string(),
    };
    let root = reader.folder().root().to_owned();
    loop {
        let mut paths = Vec::new();
        let counted = reader.each::<Image>(|image| {
            paths.push(reader.folder().resolve(&image.path));
            Ok(paths.len() < 500)
        });
        if let Err(e) = counted {
            return e.to_string();
        }
        paths.push(root.join("none.fits"));
        match reader.tiles(&paths) {
            Ok(tiles) => {
                let torn = tiles[..paths.len() - 1].iter().any(|t| t.as_ref().is_none_or(|t| t.set.is_none()));
                if torn || tiles[paths.len() - 1].is_some() {
                    return "a torn transaction was seen".to_owned();
                }
                println!("\nread {}", tiles.len());
            }
            Err(e) => return e.to_string(),
        }
    }
}

#[derive(Default)]
struct Log {
    acknowledged: Mutex<Vec<String>>,
    failures: Mutex<Vec<String>>,
    reads: AtomicU64,
}

fn start(database: &Path, role: &str, log: &Arc<Log>) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "survive::child", "--nocapture"])
        .env(ROLE, role)
        .env(DATABASE, database)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let log = Arc::clone(log);
    // It ends with the pipe.
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("acknowledged", name)) => log.acknowledged.lock().expect("no panic").push(name.to_owned()),
                Some(("failed", why)) => log.failures.lock().expect("no panic").push(why.to_owned()),
                Some(("read", _)) => drop(log.reads.fetch_add(1, Ordering::Relaxed)),
                _ => {}
            }
        }
    });
    child
}

#[test]
fn eight_readers_two_writers_and_kills() {
    if std::env::var(ROLE).is_ok() {
        return;
    }
    let seconds: u64 = std::env::var("CONTIMG_DATABASE_SECONDS").ok().and_then(|t| t.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.sqlite3");
    drop(Writer::create(&path).expect("a database"));
    let log = Arc::new(Log::default());
    let mut lives = 0;
    let mut role = |writer: bool| {
        lives += 1;
        if writer { format!("writer-{lives}") } else { "reader".to_owned() }
    };
    let mut children: Vec<(bool, Child)> = (0..10)
        .map(|i| {
            let writer = i < 2;
            (writer, start(&path, &role(writer), &log))
        })
        .collect();
    let (begun, mut kills, mut random) = (Instant::now(), 0u32, 0x1234_5678_9abc_def1u64);
    let stop = AtomicBool::new(false);
    while !stop.load(Ordering::Relaxed) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Waiting for one of them to end, for a random time: a child that ends by itself has failed.
        std::thread::park_timeout(Duration::from_millis(20 + random % 180));
        let which = (random >> 20) as usize % 10;
        // A writer more often than its share.
        let which = if (random >> 40) % 2 == 0 { which % 2 } else { which };
        let (writer, child) = &mut children[which];
        child.kill().expect("a child of ours");
        child.wait().expect("a child of ours");
        kills += 1;
        *child = start(&path, &role(*writer), &log);
        stop.store(begun.elapsed() > Duration::from_secs(seconds), Ordering::Relaxed);
    }
    for (_, mut child) in children {
        child.kill().expect("a child of ours");
        child.wait().expect("a child of ours");
    }
    assert_eq!(*log.failures.lock().expect("no panic"), Vec::<String>::new());
    let acknowledged = log.acknowledged.lock().expect("no panic").clone();
    let reader = Reader::open(&path).expect("it opens after all that");
    let paths: Vec<PathBuf> = acknowledged.iter().map(|n| reader.folder().root().join(format!("{n}.fits"))).collect();
    let tiles = reader.tiles(&paths).expect("a look-up");
    let lost: Vec<&String> = acknowledged
        .iter()
        .zip(&tiles)
        .filter(|(_, t)| t.as_ref().is_none_or(|t| t.set.is_none()))
        .map(|(n, _)| n)
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let check = Check::run(&path, |_| {}).expect("a check");
    assert!(check.is_whole(), "{check:?}");
    // Each life's rows are a run without a gap: no transaction after a lost one.
    let mut runs: HashMap<String, Vec<u64>> = HashMap::new();
    reader
        .each::<Image>(|image| {
            let name = image.path.as_str().trim_end_matches(".fits").to_owned();
            let (life, n) = name.split_once('-').expect("a name of ours");
            runs.entry(life.to_owned()).or_default().push(n.parse().expect("a number"));
            Ok(true)
        })
        .expect("rows");
    assert!(runs.values().all(|run| run.iter().enumerate().all(|(i, n)| i as u64 == *n)));
    let (reads, rows) = (log.reads.load(Ordering::Relaxed), acknowledged.len());
    assert!(rows > 0 && reads > 0 && kills > 0);
    eprintln!("{seconds} s: {kills} kills, {rows} acknowledged transactions, none lost; {reads} look-ups, no error");
    if let Some(report) = std::env::var_os("CONTIMG_CRASH_REPORT") {
        let json = serde_json::json!({ "what": "database", "counts": {
            "killed": kills, "transactions acknowledged, all there": rows, "look-ups, none failed": reads,
        }, "broken": [] });
        std::fs::write(PathBuf::from(report).join("database.json"), json.to_string()).expect("a folder");
    }
}
