//! Damaged databases: an error or an answer, no panic, no file, bounded memory.

use std::path::Path;

use products_db::{Check, Cone, Image, MsRow, Reader, SkySource, SourceQuery, TimeRange, Writer, migrate};

use crate::layouts;

struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

fn healthy(path: &Path) {
    let mut writer = Writer::create(path).expect("a database");
    let stored = |name: String| writer.folder().stored(&writer.folder().root().join(name)).expect("a path");
    let images: Vec<Image> = (0..200)
        .map(|i| Image {
            path: stored(format!("images/{i:04}-image.fits")),
            ms_path: Some(stored(format!("ms/{i:04}.ms"))),
            center_ra_deg: Some(f64::from(i)),
            center_dec_deg: Some(37.0),
            start_mjd: Some(61_000.0 + f64::from(i)),
            ..Image::default()
        })
        .collect();
    let sets: Vec<MsRow> =
        (0..200).map(|i| MsRow { path: stored(format!("ms/{i:04}.ms")), ..MsRow::default() }).collect();
    let sources: Vec<SkySource> = (0..200)
        .map(|i| SkySource { catalogue: "c".into(), name: i.to_string(), ra_deg: f64::from(i), ..SkySource::default() })
        .collect();
    writer
        .transaction(|t| {
            t.upsert(&images)?;
            t.upsert(&sets)?;
            t.upsert(&sources)
        })
        .expect("rows");
}

/// Bytes of a page: the header's bytes 16 and 17 (<https://sqlite.org/fileformat.html>, section 1.3.2).
fn page_bytes(healthy: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([healthy[16], healthy[17]]))
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let page_bytes = page_bytes(bytes);
    match random.next(6) {
        // The header, which says how large everything is.
        0 => {
            let at = random.next(100);
            bytes[at] = random.next(256) as u8;
        }
        // A page's header and the places of its cells.
        1 => {
            let page = random.next(bytes.len() / page_bytes).max(1) * page_bytes;
            for _ in 0..1 + random.next(4) {
                let at = (page + random.next(64)).min(bytes.len() - 1);
                bytes[at] = random.next(256) as u8;
            }
        }
        2 => {
            let length = random.next(bytes.len());
            bytes.truncate(length);
        }
        // One page in the place of another.
        3 => {
            let pages = bytes.len() / page_bytes;
            let (from, to) = (random.next(pages) * page_bytes, random.next(pages) * page_bytes);
            bytes.copy_within(from..from + page_bytes, to);
        }
        // The schema's text.
        4 => {
            let at = 100 + random.next(page_bytes - 100);
            bytes[at] = random.next(256) as u8;
        }
        _ => {
            for _ in 0..1 + random.next(64) {
                let at = random.next(bytes.len());
                bytes[at] = random.next(256) as u8;
            }
        }
    }
}

/// Everything that a program would ask; what the answers are does not matter.
fn ask(path: &Path) -> [u32; 2] {
    let mut counts = [0, 0];
    let mut note = |fine: bool| counts[usize::from(!fine)] += 1;
    if let Ok(reader) = Reader::open(path) {
        let root = reader.folder().root().to_owned();
        let paths: Vec<_> = (0..220).map(|i| root.join(format!("images/{i:04}-image.fits"))).collect();
        note(reader.by_path::<Image>(&paths).is_ok());
        note(reader.tiles(&paths).is_ok());
        note(reader.images_by_time(&[TimeRange { from_mjd: 0.0, to_mjd: 1e6 }]).is_ok());
        let cone = Cone { ra_deg: 0.0, dec_deg: 0.0, radius_deg: 180.0 };
        note(reader.near::<Image>(&[cone]).is_ok());
        note(reader.sources(&[cone], &SourceQuery::default()).is_ok());
        note(reader.jobs(&Default::default()).is_ok());
    } else {
        note(false);
    }
    note(Check::run(path, |_| {}).is_ok_and(|check| check.is_whole()));
    if let Ok(mut writer) = Writer::open(path) {
        let stored = writer.folder().stored(Path::new("/x.fits")).expect("a path");
        note(writer.upsert(&[Image { path: stored, ..Image::default() }]).is_ok());
    }
    note(migrate(path, &[]).is_ok());
    counts
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|l| l.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
fn mutated_databases() {
    let mutations: usize = std::env::var("CONTIMG_DATABASE_MUTATIONS").ok().and_then(|t| t.parse().ok()).unwrap_or(150);
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, old) = (folder.path().join("ours"), folder.path().join("old"));
    healthy(&ours);
    layouts::c1_products(&old, "/stage");
    let healthy = [std::fs::read(&ours).expect("a file"), std::fs::read(&old).expect("a file")];
    assert_eq!(healthy.each_ref().map(|bytes| page_bytes(bytes)), [32_768, 4_096], "ours, the original's");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut fine, mut refused) = (0u64, 0u64);
    for i in 0..mutations {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("products.sqlite3");
        let mut bytes = healthy[usize::from(i % 4 == 3)].clone();
        mutate(&mut bytes, &mut random);
        std::fs::write(&path, &bytes).expect("room");
        let [yes, no] = ask(&path);
        fine += u64::from(yes);
        refused += u64::from(no);
        // A migration's copy is the one file that may have come.
        for entry in std::fs::read_dir(place.path()).expect("a folder") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            // What a process leaves that cannot check a damaged log in: its own log.
            let known = [
                "products.sqlite3",
                "products.sqlite3.before-migration",
                "products.sqlite3-wal",
                "products.sqlite3-shm",
            ];
            assert!(known.contains(&name.as_str()), "mutation {i} made {name}");
        }
    }
    eprintln!("{mutations} mutations: {fine} answers, {refused} refusals, peak {} MiB", peak_kib() / 1024);
    assert!(fine > 0 && refused > 0);
    assert!(peak_kib() < 512 * 1024, "peak {} KiB", peak_kib());
}

#[test]
fn triggers_and_views_of_a_foreign_hand_do_not_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.sqlite3");
    healthy(&path);
    let connection = rusqlite::Connection::open(&path).expect("another program");
    connection
        .execute_batch("CREATE TRIGGER evil AFTER INSERT ON images BEGIN DELETE FROM ms_index; END;")
        .expect("a trigger");
    drop(connection);
    let mut writer = Writer::open(&path).expect("a writer");
    let stored = writer.folder().stored(Path::new("/x.fits")).expect("a path");
    writer.upsert(&[Image { path: stored, ..Image::default() }]).expect("a row");
    assert_eq!(writer.count::<MsRow>().expect("a count"), 200);
}
