//! How often each column of a set was changed by us, and whether somebody else changed it since.
//!
//! The record `.columns.json` lies in the set, also in sets that others wrote, and changes in the same step as the columns.
//! In a set with a manifest it is one of the manifest's files. A column that was never changed by us has generation 0; of
//! what a manifest lists, its record is the reference, so that a freshly converted set needs no record.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use casacore::Table;
use publish::{Coverage, FileRecord};
use serde::{Deserialize, Serialize};

use crate::lock::SetLock;
use crate::{EditOptions, Error, Result, recover, shadow};

/// The record's name inside a set.
pub(crate) const BOOK_NAME: &str = ".columns.json";
const FORMAT: u32 = 1;

/// Which generation a column has and whether that is still what its files hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The column.
    pub column: String,
    /// How often it was changed by this crate; 0 for a column as it was converted or found.
    pub number: u64,
    /// Who made this generation; none for number 0.
    pub by: Option<String>,
    /// When, in seconds since 1970-01-01 UTC; none for number 0.
    pub at_unix_s: Option<u64>,
    /// Whether its files are as they were when that generation was made.
    pub state: State,
}

/// Whether a column's files are as they were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// They are: by size and time of change, or by size and checksum (large files: 16 MiB of evenly spaced blocks).
    Unchanged,
    /// Another program changed them.
    ChangedOutside,
    /// Nothing was recorded: a column of a foreign set that this crate never changed.
    Untracked,
}

/// The record, as kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Book {
    format: u32,
    columns: BTreeMap<String, Entry>,
    /// The files of changed columns as they were left. A file may hold several columns.
    files: BTreeMap<String, Noted>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    generation: u64,
    by: String,
    at_unix_s: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Noted {
    #[serde(flatten)]
    file: FileRecord,
    mtime_ns: i64,
}

impl Book {
    pub(crate) fn read(set: &Path) -> Result<Self> {
        let path = set.join(BOOK_NAME);
        let Some(book) = publish::read_sealed::<Self>(&path)? else {
            return Ok(Self { format: FORMAT, ..Self::default() });
        };
        if book.format != FORMAT {
            let reason = format!("its format is {}, this version knows {FORMAT}", book.format);
            return Err(publish::Error::BadManifest { path, reason }.into());
        }
        Ok(book)
    }

    /// Gives columns their next generations, which are returned.
    pub(crate) fn advance(&mut self, columns: &[String], by: &str) -> Result<Vec<u64>> {
        let at_unix_s = publish::product_time()?.as_secs();
        Ok(columns
            .iter()
            .map(|column| {
                let generation = self.columns.get(column).map_or(0, |entry| entry.generation) + 1;
                self.columns.insert(column.clone(), Entry { generation, by: by.to_owned(), at_unix_s });
                generation
            })
            .collect())
    }

    /// Files of `set` that are about to be replaced and that another program changed: columns in them that the edit does
    /// not change get their next generation, since the new files' records would hide the change.
    pub(crate) fn note_others(&mut self, set: &Path, staged: &[String], changed: &[String]) -> Result<()> {
        let manifest = manifest_files(set)?;
        let mut touched = Vec::new();
        for name in staged.iter().filter(|name| set.join(name).is_file()) {
            if look(set, name, self, &manifest)? == State::ChangedOutside {
                touched.push(name);
            }
        }
        if touched.is_empty() {
            return Ok(());
        }
        let mut others = Vec::new();
        for column in Table::open(set)?.columns()? {
            let files = shadow::files(set, &column.name)?;
            let is_touched = files.iter().any(|path| touched.contains(&&shadow::name(path)));
            if is_touched && !changed.contains(&column.name) {
                others.push(column.name);
            }
        }
        self.advance(&others, "another program")?;
        Ok(())
    }

    /// Notes files of `folder` as they are.
    pub(crate) fn note_files(&mut self, folder: &Path, names: &[String]) -> Result<()> {
        for name in names {
            let path = folder.join(name);
            let file = FileRecord::take(&path, name, Coverage::default())?;
            self.files.insert(name.clone(), Noted { file, mtime_ns: mtime_ns(&path)? });
        }
        Ok(())
    }
}

fn mtime_ns(path: &Path) -> Result<i64> {
    let metadata = fs::metadata(path).map_err(|source| Error::io(path, "look at it", source))?;
    Ok(metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()))
}

/// The generations of `columns` of the set at `path`, or of all its columns, in the table's order.
///
/// After a copy or on another host, where times say nothing, checksums decide: that costs up to 16 MiB of reading a file.
///
/// # Errors
///
/// [`casacore::Error::NoColumn`]; what keeps the table, the manifest or the record from being read.
pub fn generations(path: &Path, columns: Option<&[&str]>) -> Result<Vec<Generation>> {
    recover(path)?;
    let table = Table::open(path)?;
    let set = table.path().to_owned();
    let all: Vec<String> = table.columns()?.into_iter().map(|column| column.name).collect();
    drop(table);
    let wanted: Vec<String> = match columns {
        None => all,
        Some(columns) => columns.iter().map(|&column| column.to_owned()).collect(),
    };
    let book = Book::read(&set)?;
    let manifest = manifest_files(&set)?;
    let mut looked: BTreeMap<String, State> = BTreeMap::new();
    wanted
        .into_iter()
        .map(|column| {
            let mut state = State::Unchanged;
            for path in shadow::files(&set, &column)? {
                let file = shadow::name(&path);
                let found = match looked.get(&file) {
                    Some(&known) => known,
                    None => {
                        let found = look(&set, &file, &book, &manifest)?;
                        looked.insert(file, found);
                        found
                    }
                };
                state = match (state, found) {
                    (State::ChangedOutside, _) | (_, State::ChangedOutside) => State::ChangedOutside,
                    (State::Untracked, _) | (_, State::Untracked) => State::Untracked,
                    _ => State::Unchanged,
                };
            }
            let entry = book.columns.get(&column);
            Ok(Generation {
                number: entry.map_or(0, |entry| entry.generation),
                by: entry.map(|entry| entry.by.clone()),
                at_unix_s: entry.map(|entry| entry.at_unix_s),
                column,
                state,
            })
        })
        .collect()
}

/// What the set's manifest says of its files; nothing where it has none.
fn manifest_files(set: &Path) -> Result<BTreeMap<String, FileRecord>> {
    let manifest = publish::read_sealed::<publish::Manifest>(&set.join(publish::MANIFEST_NAME))?;
    Ok(manifest.into_iter().flat_map(|manifest| manifest.files).map(|file| (file.path.clone(), file)).collect())
}

fn look(set: &Path, name: &str, book: &Book, manifest: &BTreeMap<String, FileRecord>) -> Result<State> {
    let path = set.join(name);
    let holds = match (book.files.get(name), manifest.get(name)) {
        (Some(noted), _) => {
            let same_time = mtime_ns(&path)? == noted.mtime_ns;
            let bytes = fs::metadata(&path).map_err(|source| Error::io(&path, "look at it", source))?.len();
            bytes == noted.file.bytes && (same_time || noted.file.holds(&path)?)
        }
        (None, Some(record)) => record.holds(&path)?,
        // A file that appeared in a set whose files are known.
        (None, None) if !manifest.is_empty() => false,
        (None, None) => return Ok(State::Untracked),
    };
    Ok(if holds { State::Unchanged } else { State::ChangedOutside })
}

/// Takes what other programs changed in a set as its new state, when one was run on purpose: columns that changed get
/// their next generation, and a manifest lists the files as they are now. Returns the columns.
///
/// # Errors
///
/// [`Error::Locked`]; what keeps the set from being read or the records from being written.
pub fn adopt(path: &Path, options: &EditOptions) -> Result<Vec<String>> {
    let set = fs::canonicalize(path).map_err(|source| Error::io(path, "find the set", source))?;
    let lock = SetLock::take(&set, options.wait)?;
    let changed: Vec<String> = generations(&set, None)?
        .into_iter()
        .filter(|generation| generation.state == State::ChangedOutside)
        .map(|generation| generation.column)
        .collect();
    let mut edit = publish::Edit::begin(&set)?;
    let mut book = Book::read(&set)?;
    let mut files = std::collections::BTreeSet::new();
    for column in &changed {
        files.extend(shadow::files(&set, column)?.iter().map(|path| shadow::name(path)));
    }
    book.advance(&changed, &options.by)?;
    book.note_files(&set, &files.into_iter().collect::<Vec<_>>())?;
    book.files.retain(|name, _| set.join(name).is_file());
    for difference in differences(&set)? {
        edit.acknowledge(&difference)?;
    }
    publish::write_sealed(&edit.path().join(BOOK_NAME), &book)?;
    edit.replace(BOOK_NAME)?;
    edit.commit()?;
    lock.release()?;
    Ok(changed)
}

/// The files of a set with a manifest that differ from it.
fn differences(set: &Path) -> Result<Vec<String>> {
    use publish::Difference;
    let found = match publish::verify(set, publish::Level::Checksums) {
        Ok(_) | Err(publish::Error::NotAProduct { .. }) => return Ok(Vec::new()),
        Err(publish::Error::Differs { differences, .. }) => differences,
        Err(error) => return Err(error.into()),
    };
    found
        .into_iter()
        .map(|difference| match difference {
            Difference::Missing { path }
            | Difference::Size { path, .. }
            | Difference::Content { path }
            | Difference::Added { path } => Ok(path),
            Difference::Manifest { reason } => {
                let path: PathBuf = set.join(publish::MANIFEST_NAME);
                Err(publish::Error::BadManifest { path, reason }.into())
            }
            _ => Err(publish::Error::BadManifest {
                path: set.join(publish::MANIFEST_NAME),
                reason: "it differs in a way that this version does not know".to_owned(),
            }
            .into()),
        })
        .collect()
}
