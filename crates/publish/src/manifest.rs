//! What a product consists of and what it was made from, kept with it as JSON.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::product_time;
use crate::digest::{Coverage, Digest};
use crate::error::Error;
use crate::sealed::{read_sealed, write_sealed};
use crate::tree::{Tree, TreeFile};

/// The manifest's name inside a product directory. That of a file product NAME is `.NAME.product.json`, beside it.
pub const MANIFEST_NAME: &str = ".product.json";

const FORMAT: u32 = 1;

/// What the maker of a product says about it when it commits.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestDraft {
    /// The kind of product, such as `measurement-set`.
    pub kind: String,
    /// The program that made it.
    pub program: String,
    /// That program's version.
    pub version: String,
    /// The options that decide the product's content. Together with `inputs`, they say whether it must be made again.
    pub options: Value,
    /// What the maker found worth telling about the result (rows, flags, repairs).
    pub summary: Value,
    /// What it was made from.
    pub inputs: Vec<Input>,
    /// Names of files inside the product that change when it is merely read, such as casacore's `table.lock`: neither
    /// listed nor compared, wherever they are in the tree.
    pub volatile: Vec<String>,
}

impl ManifestDraft {
    /// A draft without options, inputs or volatile files.
    #[must_use]
    pub fn new(kind: impl Into<String>, program: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            program: program.into(),
            version: version.into(),
            options: Value::Null,
            summary: Value::Null,
            inputs: Vec::new(),
            volatile: Vec::new(),
        }
    }
}

/// A file that a product is made from, as it was when [`Input::stat`] looked.
///
/// Look before reading it: a change during the reading then shows as a difference later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    path: PathBuf,
    bytes: u64,
    mtime_ns: i64,
    digest: Option<Digest>,
}

impl Input {
    /// Notes the file's size and modification time.
    ///
    /// # Errors
    ///
    /// When the file cannot be looked at.
    pub fn stat(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::io(path, "look at the input", source);
        let path = path.canonicalize().map_err(failed)?;
        let metadata = fs::metadata(&path).map_err(failed)?;
        let mtime = metadata.modified().map_err(failed)?;
        Ok(Self { bytes: metadata.len(), mtime_ns: nanoseconds(mtime), path, digest: None })
    }

    /// Adds a checksum of the file as it is now.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn with_digest(mut self, coverage: Coverage) -> Result<Self, Error> {
        self.digest = Digest::take(&self.path, self.bytes, coverage)?;
        Ok(self)
    }
}

/// An input as the manifest keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// Its path relative to the folder that holds the product, so that both can be moved together.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its modification time, in nanoseconds since 1970-01-01 UTC.
    pub mtime_ns: i64,
    /// Its checksum, where one was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl InputRecord {
    /// Whether the input is there as it was, by size and modification time. `folder` holds the product.
    #[must_use]
    pub fn is_there(&self, folder: &Path) -> bool {
        Input::stat(&folder.join(&self.path)).is_ok_and(|now| (now.bytes, now.mtime_ns) == (self.bytes, self.mtime_ns))
    }
}

/// One file of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its path relative to the product, with `/`; empty when the product is one file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum; absent with [`Coverage::Sizes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl FileRecord {
    /// Describes the file at `path` under the name `relative`.
    ///
    /// # Errors
    ///
    /// When the file cannot be looked at or read.
    pub fn take(path: &Path, relative: &str, coverage: Coverage) -> Result<Self, Error> {
        let bytes = fs::symlink_metadata(path).map_err(|source| Error::io(path, "look at it", source))?.len();
        Ok(Self { path: relative.to_owned(), bytes, digest: Digest::take(path, bytes, coverage)? })
    }

    /// Whether the file at `path` has this size and, where one was taken, this checksum.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be read.
    pub fn holds(&self, path: &Path) -> Result<bool, Error> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() && metadata.len() == self.bytes => {
                self.digest.as_ref().map_or(Ok(true), |digest| digest.holds(path, self.bytes))
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::io(path, "look at it", source)),
        }
    }
}

/// What a published product consists of and what it was made from. All paths are relative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The manifest's format, 1.
    pub format: u32,
    /// The kind of product, such as `measurement-set`.
    pub kind: String,
    /// The program that made it.
    pub program: String,
    /// That program's version.
    pub version: String,
    /// When it was committed, in seconds since 1970-01-01 UTC.
    pub created_unix_s: u64,
    /// The options that decided its content.
    pub options: Value,
    /// What its maker told about it.
    pub summary: Value,
    /// What it was made from.
    pub inputs: Vec<InputRecord>,
    /// Names of files that are neither listed nor compared.
    pub volatile: Vec<String>,
    /// Its files, by path.
    pub files: Vec<FileRecord>,
    /// The product that a file product is about to replace: until the rename, the name still holds that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Box<Manifest>>,
}

impl Manifest {
    /// The sum of the files' sizes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Whether `draft`, committed as `product`, would be made from the same inputs by the same program with the same
    /// options: then there is nothing to do.
    ///
    /// # Errors
    ///
    /// When an input's path is not UTF-8 or the product's folder cannot be resolved.
    pub fn was_made_from(&self, draft: &ManifestDraft, product: &Path) -> Result<bool, Error> {
        let folder = match product.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let folder = folder.canonicalize().map_err(|source| Error::io(folder, "resolve the folder", source))?;
        let inputs = input_records(&draft.inputs, &folder)?;
        let same_inputs = self.inputs.len() == inputs.len()
            && self.inputs.iter().zip(&inputs).all(|(ours, theirs)| {
                (&ours.path, ours.bytes, ours.mtime_ns) == (&theirs.path, theirs.bytes, theirs.mtime_ns)
            });
        Ok(same_inputs
            && self.kind == draft.kind
            && self.program == draft.program
            && self.version == draft.version
            && self.options == draft.options)
    }

    /// Describes the files of `tree`; checksums are taken on all threads of the current pool.
    ///
    /// `folder` is the resolved folder that will hold the product.
    pub(crate) fn describe(
        tree: &Tree,
        draft: &ManifestDraft,
        folder: &Path,
        coverage: Coverage,
    ) -> Result<Self, Error> {
        let mut listed: Vec<&TreeFile> =
            tree.files.iter().filter(|file| is_listed(&file.relative, &draft.volatile)).collect();
        // The large ones first, so that no thread starts one when the others are done.
        listed.sort_by_key(|file| std::cmp::Reverse(file.bytes));
        let mut files = listed
            .into_par_iter()
            .map(|file| {
                check_relative(&file.relative)
                    .map_err(|what| Error::UnsupportedEntry { path: file.path.clone(), what })?;
                let digest = Digest::take(&file.path, file.bytes, coverage)?;
                Ok(FileRecord { path: file.relative.clone(), bytes: file.bytes, digest })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self {
            format: FORMAT,
            kind: draft.kind.clone(),
            program: draft.program.clone(),
            version: draft.version.clone(),
            created_unix_s: product_time()?.as_secs(),
            options: draft.options.clone(),
            summary: draft.summary.clone(),
            inputs: input_records(&draft.inputs, folder)?,
            volatile: draft.volatile.clone(),
            files,
            replaces: None,
        })
    }

    /// Puts in the files that an edit replaces, by path, and takes out those that it removes.
    pub(crate) fn edit(&mut self, replaced: Vec<FileRecord>, removed: &[String]) {
        let touched =
            |path: &str| replaced.iter().any(|new| new.path == path) || removed.iter().any(|gone| gone == path);
        self.files.retain(|file| !touched(&file.path));
        self.files.extend(replaced.into_iter().filter(|file| is_listed(&file.path, &self.volatile)));
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// Writes the manifest to `path` and forces it to disk.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        write_sealed(path, self)
    }

    /// Reads the manifest at `path`; `None` when there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let bad = |reason: &str| Error::BadManifest { path: path.to_owned(), reason: reason.to_owned() };
        let Some(manifest) = read_sealed::<Self>(path)? else { return Ok(None) };
        if manifest.format != FORMAT {
            return Err(bad(&format!("its format is {}, this version knows {FORMAT}", manifest.format)));
        }
        for record in &manifest.files {
            check_relative(&record.path).map_err(|what| bad(&format!("a file's path is {what}")))?;
        }
        Ok(Some(manifest))
    }
}

/// Where the manifest of the file product `folder/name` is.
pub(crate) fn beside(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}{MANIFEST_NAME}"))
}

/// Whether a manifest lists the file: not when it is the manifest itself or one that changes when read.
pub(crate) fn is_listed(relative: &str, volatile: &[String]) -> bool {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    relative != MANIFEST_NAME && !volatile.iter().any(|other| other == name)
}

/// Refuses what could lead out of the product or disturb a terminal.
pub(crate) fn check_relative(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Ok(()); // The product is one file.
    }
    if path.chars().any(char::is_control) {
        return Err("a name with control characters");
    }
    let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if plain { Ok(()) } else { Err("a path that is not plainly relative") }
}

fn nanoseconds(time: SystemTime) -> i64 {
    let clamp = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => clamp(after),
        Err(before) => -clamp(before.duration()),
    }
}

fn input_records(inputs: &[Input], folder: &Path) -> Result<Vec<InputRecord>, Error> {
    inputs
        .iter()
        .map(|input| {
            let path = relative_to(folder, &input.path)
                .into_os_string()
                .into_string()
                .map_err(|_| Error::UnsupportedEntry { path: input.path.clone(), what: "a name that is not UTF-8" })?;
            let &Input { bytes, mtime_ns, ref digest, .. } = input;
            Ok(InputRecord { path, bytes, mtime_ns, digest: digest.clone() })
        })
        .collect()
}

/// The way from one resolved absolute folder to a resolved absolute path.
fn relative_to(folder: &Path, path: &Path) -> PathBuf {
    let shared = folder.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_named_from_the_products_folder() {
        let way = |folder: &str, path: &str| relative_to(Path::new(folder), Path::new(path));
        assert_eq!(way("/n/out", "/n/in/a.hdf5"), Path::new("../in/a.hdf5"));
        assert_eq!(way("/n", "/n/a.hdf5"), Path::new("a.hdf5"));
        assert_eq!(way("/a/b", "/c"), Path::new("../../c"));
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for bad in ["..", "a/../b", "/etc/passwd", "a//b", "./a", "a\nb", "a\0b"] {
            assert!(check_relative(bad).is_err(), "{bad:?}");
        }
        for good in ["", "table.dat", "FIELD/table.f0"] {
            assert!(check_relative(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_of_a_manifest_is_noticed() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("m.json");
        let tree = Tree { files: Vec::new(), directories: Vec::new() };
        let draft = ManifestDraft::new("kind", "program", "1");
        let manifest = Manifest::describe(&tree, &draft, dir.path(), Coverage::Full).expect("describe");
        manifest.write(&path).expect("write");
        assert_eq!(Manifest::read(&path).expect("read"), Some(manifest));
        let good = fs::read(&path).expect("read");
        assert!(serde_json::from_slice::<Value>(&good).is_ok(), "it is JSON for everybody else");
        for index in 0..good.len() {
            fs::write(&path, &good[..index]).expect("write");
            assert!(matches!(Manifest::read(&path), Err(Error::BadManifest { .. })), "cut at {index}");
            let mut changed = good.clone();
            changed[index] ^= 1;
            fs::write(&path, &changed).expect("write");
            assert!(matches!(Manifest::read(&path), Err(Error::BadManifest { .. })), "changed at {index}");
        }
    }
}
