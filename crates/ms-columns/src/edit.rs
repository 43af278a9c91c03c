//! A change of a set's columns, from its lock to its commit.

use std::collections::BTreeSet;
use std::fs;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use casacore::{Element, Table};

use crate::column::{Column, Output, Way};
use crate::flags;
use crate::generation::{self, Book};
use crate::history::{Entry, History};
use crate::lock::{self, SetLock};
use crate::target::Target;
use crate::{Error, Result, shadow};

/// Columns that are never written: what was measured.
const MEASURED: [&str; 2] = ["DATA", "SIGMA"];
/// Where the tile files are written, in the edit's folder.
pub(crate) const TILES_NAME: &str = "tiles";

/// Choices of [`ColumnEdit::begin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditOptions {
    /// How long to wait for another process's lock. Zero: not at all.
    pub wait: Duration,
    /// Who changes the columns, kept with their generations: `contimg model 0.1.0`.
    pub by: String,
    /// The command line that goes to a row of the set's HISTORY, in the step in which the columns change; none for no row.
    pub command: Option<String>,
}

impl EditOptions {
    /// Without waiting, and without a row in HISTORY.
    #[must_use]
    pub fn new(by: impl Into<String>) -> Self {
        Self { wait: Duration::ZERO, by: by.into(), command: None }
    }
}

/// A change of columns of a Measurement Set: all of them change with [`commit`](Self::commit), or none.
///
/// While it lasts, casacore's lock on the set is held. Dropped without `commit`, the set is as it was.
///
/// What opens the set's table through casacore in this process (an [`Input`](crate::Input) of a column without tiles, a
/// [`casacore::Table`]) keeps that lock and the old values for as long as it lives: drop it before the commit.
#[must_use = "the columns change with `commit`; when this is dropped the set is as it was"]
#[derive(Debug)]
pub struct ColumnEdit {
    // In the order in which they are dropped: open files, the edit's folder, the lock.
    pub(crate) columns: Vec<Arc<Column>>,
    pub(crate) shadow_table: Option<Arc<Mutex<Option<Table>>>>,
    pub(crate) edit: publish::Edit,
    /// None where no row is wanted, or the set has no HISTORY of its own.
    history: Option<History>,
    pub(crate) lock: SetLock,
    pub(crate) set: PathBuf,
    rows: u64,
    options: EditOptions,
    pub(crate) created: Vec<String>,
    /// Flag versions to be saved and deleted, by file.
    pub(crate) versions: Vec<(String, flags::Step)>,
}

/// What [`ColumnEdit::commit`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The changed columns with their new generations.
    pub generations: Vec<(String, u64)>,
    /// The sizes of the new files together; holes count.
    pub bytes: u64,
    /// How long it took to force them to disk.
    pub sync: Duration,
    /// How long it took to give them the old ones' places, whose blocks the file system frees.
    pub swap: Duration,
}

impl ColumnEdit {
    /// Locks the set at `path`, finishes or undoes what a dead process left of an earlier change, and prepares new files
    /// for the columns of `targets`.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] with who holds it; [`Error::Measured`]; [`casacore::Error::NoColumn`] for a column that must
    /// exist; a full disk or a set that cannot be written. Nothing has changed then.
    pub fn begin(path: &Path, options: &EditOptions, targets: &[Target]) -> Result<Self> {
        let set = fs::canonicalize(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => casacore::Error::NoTable { path: path.to_owned() }.into(),
            _ => Error::io(path, "find the set", source),
        })?;
        let mut targets = targets.to_vec();
        let mut named = BTreeSet::new();
        targets.retain(|target| named.insert(target.column.clone()));
        if let Some(target) = targets.iter().find(|target| MEASURED.contains(&target.column.as_str())) {
            return Err(Error::Measured { path: set, column: target.column.clone() });
        }
        let lock = SetLock::take(&set, options.wait)?;
        let edit = publish::Edit::begin(&set)?;
        let rows = lock.table().rows()?;
        // A change of flag versions alone is none of the set's columns, and gets no row.
        let history = match &options.command {
            Some(_) if !targets.is_empty() => History::take(&set, &lock.table(), options.wait)?,
            _ => None,
        };
        let mut new = Self {
            columns: Vec::new(),
            shadow_table: None,
            edit,
            history,
            lock,
            set,
            rows,
            options: options.clone(),
            created: Vec::new(),
            versions: Vec::new(),
        };
        new.prepare(&targets)?;
        Ok(new)
    }

    /// The set's folder, resolved.
    #[must_use]
    pub fn set(&self) -> &Path {
        &self.set
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A column that was named when the edit began, to write it.
    ///
    /// # Errors
    ///
    /// [`Error::NotNamed`], [`Error::Kind`].
    pub fn column<T: Element>(&self, name: &str) -> Result<Output<T>> {
        let column = self
            .columns
            .iter()
            .find(|column| column.name == name)
            .ok_or_else(|| Error::NotNamed { path: self.set.clone(), column: name.to_owned() })?;
        if column.kind != T::TYPE {
            return Err(Error::Kind {
                path: self.set.clone(),
                column: name.to_owned(),
                found: column.kind,
                asked: T::TYPE,
            });
        }
        Ok(Output { column: column.clone(), kind: PhantomData })
    }

    /// All rows in blocks that suit the columns of this edit: in each, the cells of a column have one shape, and rows begin
    /// at a tile of every column where the columns allow it. A block's rows of one column are at most about `bytes` long,
    /// and at least a tile. Rows whose cells have no value in some column are left out.
    #[must_use]
    pub fn blocks(&self, bytes: usize) -> Vec<Range<u64>> {
        let row_bytes = self.columns.iter().map(|column| column.row_bytes()).max().unwrap_or(1).max(1);
        let wanted = (bytes / row_bytes).max(1) as u64;
        let largest = self.columns.iter().map(|column| column.tile_rows()).max().unwrap_or(1);
        // Where tiles of several columns seldom begin at one row, those of the largest decide; the others are completed.
        let unit = self
            .columns
            .iter()
            .try_fold(1_u64, |unit, column| {
                Some(lcm(unit, column.tile_rows())).filter(|&unit| unit <= wanted.max(largest))
            })
            .unwrap_or(largest);
        let step = wanted.max(unit) / unit * unit;
        let mut cuts: Vec<u64> = (0..self.rows).step_by(usize::try_from(step).unwrap_or(usize::MAX)).collect();
        cuts.extend(self.columns.iter().flat_map(|column| column.shapes.changes()));
        cuts.push(self.rows);
        cuts.sort_unstable();
        cuts.dedup();
        let has_values = |row: u64| self.columns.iter().all(|column| column.shapes.has_value(row));
        cuts.windows(2).map(|pair| pair[0]..pair[1]).filter(|rows| has_values(rows.start)).collect()
    }

    /// Brings over the rows that were not written, forces the new files to disk, and gives them their places. Drop every
    /// [`Output`] before.
    ///
    /// # Errors
    ///
    /// A full disk, and what else keeps the files from being written: the set is as it was. After
    /// [`publish::Error::EditUnfinished`] the change is decided; [`recover`](crate::recover) finishes it.
    pub fn commit(self) -> Result<Committed> {
        let Self { columns, shadow_table, mut edit, mut history, lock, set, options, created, versions, .. } = self;
        let folder = edit.path().to_owned();
        let mut staged: Vec<String> = Vec::new();
        for column in &columns {
            if let Way::Tiled(tiles) = &column.way {
                tiles.keep_rest()?;
            }
            staged.extend(column.staged(&folder)?);
        }
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let tile_files: Vec<String> = columns
            .iter()
            .filter_map(|column| match &column.way {
                Way::Tiled(tiles) => Some(shadow::name(tiles.new.path())),
                Way::General { .. } => None,
            })
            .collect();
        drop(columns);
        if let Some(shared) = shadow_table
            && let Some(table) = crate::column::lock(&shared).take()
        {
            table.close()?;
        }
        for name in &tile_files {
            let (from, to) = (folder.join(TILES_NAME).join(name), folder.join(name));
            fs::rename(&from, &to).map_err(|source| Error::io(&to, "place the new tiles", source))?;
        }
        let restructured = !created.is_empty();
        if restructured {
            for column in &created {
                staged.extend(shadow::files(&folder, column)?.iter().map(|path| shadow::name(path)));
            }
        }
        staged.sort();
        staged.dedup();
        for name in &staged {
            edit.replace(name)?;
        }
        for (file, step) in versions {
            match step {
                flags::Step::Save => edit.replace(&file)?,
                flags::Step::Delete => edit.remove(&file)?,
            }
        }
        let mut book = Book::read(&set)?;
        if !names.is_empty() {
            // Its files' times are noted once nothing writes to them any more.
            book.note_others(&set, &staged, &names)?;
            let numbers = book.advance(&names, &options.by)?;
            book.note_files(&folder, &staged)?;
            // Headers that stay as they are.
            let mut kept = BTreeSet::new();
            for column in names.iter().filter(|&column| !created.contains(column)) {
                kept.extend(shadow::files(&set, column)?.iter().map(|path| shadow::name(path)));
            }
            let kept: Vec<String> = kept.into_iter().filter(|name| !staged.contains(name)).collect();
            book.note_files(&set, &kept)?;
            publish::write_sealed(&folder.join(generation::BOOK_NAME), &book)?;
            edit.replace(generation::BOOK_NAME)?;
            if let (Some(history), Some(command)) = (&mut history, options.command) {
                let entry = Entry { application: options.by, message: message(&names, &created), command };
                for file in history.append(&set, &folder, &entry)? {
                    edit.replace(&file)?;
                }
            }
            if restructured {
                // The last: until then the new files are unknown to everybody.
                edit.replace("table.dat")?;
            }
            let counters = if restructured && lock.forget_counters()? {
                Some(lock::counters(&folder.join("table.lock"))?)
            } else {
                None
            };
            history.iter_mut().try_for_each(History::before_commit)?;
            let edited = edit.commit()?;
            if let Some(counters) = counters {
                lock.set_counters(&counters)?;
            }
            history.map_or(Ok(()), History::after_commit)?;
            lock.release()?;
            let generations = names.into_iter().zip(numbers).collect();
            return Ok(Committed { generations, bytes: edited.bytes, sync: edited.sync, swap: edited.swap });
        }
        let edited = edit.commit()?;
        lock.release()?;
        Ok(Committed { generations: Vec::new(), bytes: edited.bytes, sync: edited.sync, swap: edited.swap })
    }

    pub(crate) fn edit_folder(&self) -> &Path {
        self.edit.path()
    }

    pub(crate) fn by(&self) -> &str {
        &self.options.by
    }
}

/// What HISTORY says of a change: `MODEL_DATA made; FLAG changed`.
fn message(columns: &[String], created: &[String]) -> String {
    let (made, changed): (Vec<_>, Vec<_>) = columns.iter().partition(|column| created.contains(column));
    let part = |columns: Vec<&String>, verb: &str| {
        let names: Vec<&str> = columns.into_iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{} {verb}", names.join(", ")))
    };
    let parts: Vec<String> = [part(made, "made"), part(changed, "changed")].into_iter().flatten().collect();
    parts.join("; ")
}

fn lcm(a: u64, b: u64) -> u64 {
    fn gcd(a: u64, b: u64) -> u64 {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    (a / gcd(a, b)).saturating_mul(b)
}
