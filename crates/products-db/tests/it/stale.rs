//! The database half of "never stale": whoever writes, the next look-up sees it.

use std::collections::HashMap;

use products_db::{Image, Reader, Writer};
use rusqlite::Connection;

/// A small generator of our own, so that a step is the same on every machine.
struct Steps(u64);

impl Steps {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[test]
fn look_ups_see_every_commit_of_anyone() {
    let steps: u64 = std::env::var("CONTIMG_STALE_STEPS").ok().and_then(|t| t.parse().ok()).unwrap_or(3_000);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.sqlite3");
    let mut writers = [Writer::create(&path).expect("a database"), Writer::open(&path).expect("a second")];
    let readers = [Reader::open(&path).expect("a reader"), Reader::open(&path).expect("a reader")];
    // A program that is not ours.
    let foreign = Connection::open(&path).expect("a third");
    foreign.pragma_update(None, "synchronous", "off").expect("a setting");
    for writer in &mut writers {
        writer.set_durability(products_db::Durability::ProcessDeath).expect("a setting");
    }
    let root = writers[0].folder().root().to_owned();
    let name = |i: u64| root.join(format!("{i}.fits"));
    let mut expected: HashMap<u64, i64> = HashMap::new();
    let mut random = Steps(0x9e37_79b9_7f4a_7c15);
    for step in 0..steps {
        let (key, value) = (random.next(50), i64::try_from(step).expect("few steps"));
        match random.next(8) {
            0 | 1 => {
                let writer = &mut writers[usize::from(random.next(2) == 0)];
                let row = Image {
                    path: writer.folder().stored(&name(key)).expect("a path"),
                    imsize_x: Some(value),
                    ..Image::default()
                };
                writer.upsert(&[row]).expect("a write");
                expected.insert(key, value);
            }
            2 => {
                let sql = "INSERT INTO images (path, imsize_x) VALUES (?1, ?2) ON CONFLICT (path) DO UPDATE SET imsize_x = ?2";
                foreign.execute(sql, (format!("{key}.fits"), value)).expect("a write");
                expected.insert(key, value);
            }
            3 => {
                writers[0].transaction(|t| t.remove::<Image, _>(&[name(key)])).expect("a removal");
                expected.remove(&key);
            }
            4 => {
                // Taken back: never seen by anyone.
                foreign
                    .execute_batch(&format!(
                        "BEGIN; UPDATE images SET imsize_x = -1 WHERE path = '{key}.fits'; ROLLBACK;"
                    ))
                    .expect("a rollback");
            }
            _ => {
                let keys: Vec<u64> = (0..1 + random.next(5)).map(|_| random.next(50)).collect();
                let paths: Vec<_> = keys.iter().map(|k| name(*k)).collect();
                let reader = &readers[usize::from(random.next(2) == 0)];
                let found: Vec<Option<Image>> = reader.by_path(&paths).expect("a look-up");
                for (key, found) in keys.iter().zip(found) {
                    assert_eq!(found.and_then(|f| f.imsize_x), expected.get(key).copied(), "step {step}, key {key}");
                }
            }
        }
    }
    eprintln!("{steps} steps of look-ups and changes by three writers, none stale");
}
