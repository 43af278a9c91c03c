//! A second connection that sees what the first one sees, so that two cores share a look-up of many keys.
//!
//! Both hold a read transaction, which pins a state of the database. That it is the same one is shown by the second's
//! `data_version`, which changes when anybody else commits: it is read before the first begins its transaction and after the
//! second has begun its own. Where it changed in between, they begin again; where that does not help, because others commit
//! all the time, the first works alone. So does a connection amid a transaction, since nobody else sees what that wrote.

use std::{panic::resume_unwind, sync::LazyLock, thread};

use rusqlite::Transaction;

use crate::{Reader, Result, keys::Keys};

/// Keys from which on a second connection, which takes some 500 µs to open, saves more than it costs.
const WORTH_IT: usize = 2_000;

/// How often two connections try to begin at one state.
const TRIES: usize = 3;

/// Whether this process may use two cores.
static TWO_CORES: LazyLock<bool> = LazyLock::new(|| thread::available_parallelism().is_ok_and(|n| n.get() > 1));

/// A key, and the place of what is found.
pub(crate) struct Wanted<'a, T> {
    pub key: &'a str,
    pub found: &'a mut Option<T>,
}

impl Reader {
    /// Looks `count` keys up. `look_up` gets them in ascending order, so that each page of an index is read once, and puts
    /// what it finds into their places, which have the order of `keys` in the answer. It is called once, or for each half of
    /// the keys with a connection of its own.
    pub(crate) fn look_up<T: Send>(
        &self,
        count: usize,
        keys: impl FnOnce() -> Result<Keys>,
        look_up: impl Fn(&Reader, &mut [Wanted<'_, T>]) -> Result<()> + Sync,
    ) -> Result<Vec<Option<T>>> {
        let alone = !*TWO_CORES || self.snapshot.is_some();
        let share = count >= WORTH_IT && !alone && self.connection.is_autocommit();
        let path = self.path.clone();
        // It is opened while the keys are made and divided.
        let opening = share.then(|| thread::spawn(move || Reader::open(&path)));
        let keys = keys()?;
        let mut found: Vec<Option<T>> = std::iter::repeat_with(|| None).take(keys.len()).collect();
        let mut order: Vec<Wanted<'_, T>> =
            keys.iter().zip(&mut found).map(|(key, found)| Wanted { key, found }).collect();
        let half = order.len() / 2;
        if share {
            order.select_nth_unstable_by_key(half, |wanted| wanted.key);
        }
        let twin = opening.and_then(|opening| joined(opening.join()).ok());
        // Where a second connection cannot be had, or is to another file of that name, the first one does.
        let twin = twin.filter(|twin| twin.file.is_some() && twin.file == self.file);
        let pinned = match twin {
            Some(twin) => self.pin_with(&twin)?.map(|pin| (twin, pin)),
            None => None,
        };
        let ascending = |reader: &Reader, order: &mut [Wanted<'_, T>]| {
            order.sort_unstable_by_key(|wanted| wanted.key);
            look_up(reader, order)
        };
        if let Some((twin, pin)) = pinned {
            let (low, high) = order.split_at_mut(half);
            let queries = thread::scope(|scope| {
                let other = scope.spawn(|| {
                    let twin = twin;
                    ascending(&twin, high).map(|()| twin.queries())
                });
                let mine = ascending(self, low);
                let other = joined(other.join())?;
                mine.map(|()| other)
            })?;
            self.queries.set(self.queries.get() + queries);
            drop(pin);
        } else {
            ascending(self, &mut order)?;
        }
        Ok(found)
    }

    /// Begins a transaction on both connections, which see the same state until it ends.
    fn pin_with(&self, twin: &Reader) -> Result<Option<Transaction<'_>>> {
        for _ in 0..TRIES {
            let before = twin.data_version()?;
            if let Some(pin) = self.pin_since(before, twin)? {
                return Ok(Some(pin));
            }
        }
        Ok(None)
    }

    /// Likewise, unless somebody has committed since `twin` had that `data_version`.
    fn pin_since(&self, before: i64, twin: &Reader) -> Result<Option<Transaction<'_>>> {
        const DOING: &str = "beginning a look-up";
        let pin = self.connection.unchecked_transaction().map_err(|e| self.failed(DOING, e))?;
        // A transaction takes its state when it first reads.
        self.data_version()?;
        twin.connection.execute_batch("BEGIN").map_err(|e| twin.failed(DOING, e))?;
        if twin.data_version()? == before {
            return Ok(Some(pin));
        }
        twin.connection.execute_batch("ROLLBACK").map_err(|e| twin.failed(DOING, e))?;
        Ok(None)
    }

    fn data_version(&self) -> Result<i64> {
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        version.map_err(|e| self.failed("beginning a look-up", e))
    }
}

/// What a thread returned; its panic is ours.
fn joined<T>(ended: thread::Result<T>) -> T {
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, Writer};

    fn database() -> (tempfile::TempDir, Writer) {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = Writer::create(&folder.path().join("products.sqlite3")).expect("a database");
        (folder, writer)
    }

    fn image(writer: &Writer, i: i64, size: i64) -> Image {
        let path = writer.folder().root().join(format!("{i}.fits"));
        Image { path: writer.folder().stored(&path).expect("a path"), imsize_x: Some(size), ..Image::default() }
    }

    #[test]
    fn a_commit_between_the_two_is_noticed() {
        let (_folder, mut writer) = database();
        let (first, second) =
            (Reader::open(writer.path()).expect("a reader"), Reader::open(writer.path()).expect("a reader"));
        let before = second.data_version().expect("a version");
        let row = image(&writer, 1, 1);
        writer.upsert(&[row]).expect("a row");
        assert!(first.pin_since(before, &second).expect("transactions").is_none());
        let pin = first.pin_with(&second).expect("transactions").expect("nobody writes");
        // What is committed from now on is seen by neither.
        let row = image(&writer, 2, 1);
        writer.upsert(&[row]).expect("a row");
        for reader in [&first, &second] {
            assert_eq!(reader.count::<Image>().expect("a count"), 1);
        }
        drop(pin);
        assert_eq!(first.count::<Image>().expect("a count"), 2);
    }

    #[test]
    fn both_halves_see_one_state() {
        let (_folder, mut writer) = database();
        let reader = Reader::open(writer.path()).expect("a reader");
        let count = i64::try_from(WORTH_IT).expect("few") + 10;
        let paths: Vec<_> = (0..count).map(|i| reader.folder().root().join(format!("{i}.fits"))).collect();
        // Rows at both ends of the keys' order, which each transaction gives the same new value.
        let ends = [0, 1, 998, 999];
        let rows = |writer: &Writer, value| ends.map(|i| image(writer, i, value));
        let first = rows(&writer, 0);
        writer.upsert(&first).expect("rows");
        let stop = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            let stop = &stop;
            scope.spawn(move || {
                writer.set_durability(crate::Durability::ProcessDeath).expect("a setting");
                for value in 1.. {
                    let rows = rows(&writer, value);
                    writer.upsert(&rows).expect("rows");
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let look_up = || -> Vec<Option<i64>> {
                let found: Vec<Option<Image>> = reader.by_path(&paths).expect("a look-up");
                found.iter().flatten().map(|image| image.imsize_x).collect()
            };
            let all: Vec<_> = (0..60).map(|_| look_up()).collect();
            // Before anything is asserted: the writer would go on for ever.
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            for values in &all {
                assert_eq!(values.len(), ends.len());
                assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
            }
            let seen: Vec<_> = all.iter().map(|values| values[0]).collect();
            assert!(seen.first() != seen.last(), "the writer wrote meanwhile: {seen:?}");
        });
    }

    #[test]
    fn what_a_transaction_wrote_is_found_in_it() {
        let (_folder, mut writer) = database();
        let count = i64::try_from(WORTH_IT).expect("few");
        let rows: Vec<Image> = (0..count).map(|i| image(&writer, i, i)).collect();
        let paths: Vec<_> = rows.iter().map(|row| writer.folder().resolve(&row.path)).collect();
        writer
            .transaction(|t| {
                t.upsert(&rows)?;
                let found: Vec<Option<Image>> = t.by_path(&paths)?;
                assert!(found.iter().zip(0..).all(|(f, i)| f.as_ref().is_some_and(|f| f.imsize_x == Some(i))));
                Ok(())
            })
            .expect("rows");
    }
}
