//! What is under a name: nothing, a product, a damaged one, or something of somebody else.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use rayon::prelude::*;

use crate::error::Error;
use crate::leftover;
use crate::manifest::{self, MANIFEST_NAME, Manifest, is_listed};
use crate::owner::{Liveness, Owner};
use crate::recover;
use crate::stage::parse_temporary_name;
use crate::tree::{Tree, TreeFile};

/// What is under a name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// Nothing.
    Absent,
    /// A product whose files all have the sizes of its manifest.
    Complete(Manifest),
    /// Something without a manifest: not made by this crate, to be read only after checks of its own.
    Foreign,
    /// A product with files missing or shorter than in its manifest, or with a manifest that cannot be believed
    /// (then `differences` has the one entry [`Difference::Manifest`]).
    Damaged {
        /// What is wrong, by path.
        differences: Vec<Difference>,
    },
    /// A product that is whole but not as published: files were added or grew, as when another program adds a column.
    Changed {
        /// As published.
        manifest: Manifest,
        /// What changed, by path.
        differences: Vec<Difference>,
    },
    /// A change of several files was committed and not finished: some files may be old, others new.
    /// [`recover`](crate::recover) finishes it.
    Unfinished,
    /// A temporary, or something inside one: never to be read as a product.
    Temporary {
        /// Who makes it, where the record is readable.
        owner: Option<Owner>,
        /// Whether that process still runs.
        liveness: Liveness,
    },
}

/// One way in which a product differs from its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The manifest itself cannot be believed.
    Manifest {
        /// Why.
        reason: String,
    },
    /// A file is gone.
    Missing {
        /// Its path relative to the product.
        path: String,
    },
    /// A file has another size.
    Size {
        /// Its path relative to the product.
        path: String,
        /// Bytes as published.
        published: u64,
        /// Bytes now.
        found: u64,
    },
    /// A file has the size but not the checksum.
    Content {
        /// Its path relative to the product.
        path: String,
    },
    /// A file was added.
    Added {
        /// Its path relative to the product.
        path: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |path: &str| if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
        match self {
            Self::Manifest { reason } => write!(f, "the manifest cannot be believed: {reason}"),
            Self::Missing { path } => write!(f, "{} is missing", named(path)),
            Self::Size { path, published, found } => {
                write!(f, "{} has {found} bytes, published were {published}", named(path))
            }
            Self::Content { path } => write!(f, "{} has another content", named(path)),
            Self::Added { path } => write!(f, "{} was added", named(path)),
        }
    }
}

impl Difference {
    /// Whether bytes that were published are certainly gone.
    fn is_loss(&self) -> bool {
        match self {
            Self::Manifest { .. } | Self::Missing { .. } => true,
            Self::Size { published, found, .. } => found < published,
            Self::Content { .. } | Self::Added { .. } => false,
        }
    }
}

/// How closely [`verify`] looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Names and sizes.
    Sizes,
    /// Also every checksum of the manifest, over what it was taken over.
    #[default]
    Checksums,
}

/// Says what is under `path`, by names and sizes only.
///
/// # Errors
///
/// When it cannot be looked at, or holds what no product can (a symbolic link, a socket).
pub fn inspect(path: &Path) -> Result<Status, Error> {
    if let Some(temporary) = enclosing_temporary(path)
        && temporary.is_dir()
    {
        let (owner, liveness) = leftover::owner_of(temporary);
        return Ok(Status::Temporary { owner, liveness });
    }
    // Follows a link at the very end, as whoever reads the product will.
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Status::Absent),
        Err(source) => return Err(Error::io(path, "look at it", source)),
    };
    let path = path.canonicalize().map_err(|source| Error::io(path, "look at it", source))?;
    if metadata.is_dir() && recover::is_committed(&path) {
        return Ok(Status::Unfinished);
    }
    let manifest_path = if metadata.is_dir() {
        path.join(MANIFEST_NAME)
    } else {
        match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
            (Some(folder), Some(name)) => manifest::beside(folder, name),
            _ => return Ok(Status::Foreign),
        }
    };
    let manifest = match Manifest::read(&manifest_path) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Ok(Status::Foreign),
        Err(Error::BadManifest { reason, .. }) => {
            return Ok(Status::Damaged { differences: vec![Difference::Manifest { reason }] });
        }
        Err(error) => return Err(error),
    };
    let tree = Tree::walk(&path)?;
    let manifest = current_of_two(manifest, &tree)?;
    let differences = differences(&manifest, &tree, Level::Sizes)?;
    Ok(if differences.is_empty() {
        Status::Complete(manifest)
    } else if differences.iter().any(Difference::is_loss) {
        Status::Damaged { differences }
    } else {
        Status::Changed { manifest, differences }
    })
}

/// Checks that `path` is a product exactly as it was published, and returns its manifest.
///
/// # Errors
///
/// [`Error::Differs`] with every difference; [`Error::NotAProduct`] when there is no product with a manifest.
pub fn verify(path: &Path, level: Level) -> Result<Manifest, Error> {
    let not_a_product = |found| Error::NotAProduct { path: path.to_owned(), found };
    match inspect(path)? {
        Status::Absent => Err(not_a_product("does not exist")),
        Status::Foreign => Err(not_a_product("has no manifest, so it cannot be verified")),
        Status::Temporary { .. } => Err(not_a_product("is a temporary, not a product")),
        Status::Unfinished => Err(not_a_product("has a change that was committed and not finished")),
        Status::Damaged { differences } | Status::Changed { differences, .. } => {
            Err(Error::Differs { path: path.to_owned(), differences })
        }
        Status::Complete(manifest) => {
            let resolved = path.canonicalize().map_err(|source| Error::io(path, "look at it", source))?;
            let differences = differences(&manifest, &Tree::walk(&resolved)?, level)?;
            if differences.is_empty() {
                Ok(manifest)
            } else {
                Err(Error::Differs { path: path.to_owned(), differences })
            }
        }
    }
}

/// A file's manifest may hold two: its own and that of the file which it was about to replace. Returns the one that
/// describes the file; the new one if neither does.
fn current_of_two(mut manifest: Manifest, tree: &Tree) -> Result<Manifest, Error> {
    if let Some(old) = manifest.replaces.take() {
        // One file: its checksum is cheap.
        let is_old = differences(&old, tree, Level::Checksums)?.is_empty();
        if is_old && !differences(&manifest, tree, Level::Checksums)?.is_empty() {
            return Ok(*old);
        }
    }
    Ok(manifest)
}

fn differences(manifest: &Manifest, tree: &Tree, level: Level) -> Result<Vec<Difference>, Error> {
    let find = |path: &str| tree.files.binary_search_by(|file| file.relative.as_str().cmp(path));
    let mut found = manifest
        .files
        .par_iter()
        .map(|record| {
            let path = record.path.clone();
            let Ok(index) = find(&path) else { return Ok(Some(Difference::Missing { path })) };
            let file: &TreeFile = &tree.files[index];
            if file.bytes != record.bytes {
                return Ok(Some(Difference::Size { path, published: record.bytes, found: file.bytes }));
            }
            match (&record.digest, level) {
                (Some(digest), Level::Checksums) if !digest.holds(&file.path, file.bytes)? => {
                    Ok(Some(Difference::Content { path }))
                }
                _ => Ok(None),
            }
        })
        .filter_map(Result::transpose)
        .collect::<Result<Vec<_>, Error>>()?;
    let is_recorded = |path: &str| manifest.files.binary_search_by(|record| record.path.as_str().cmp(path)).is_ok();
    found.extend(
        tree.files
            .iter()
            .filter(|file| is_listed(&file.relative, &manifest.volatile) && !is_recorded(&file.relative))
            .map(|file| Difference::Added { path: file.relative.clone() }),
    );
    Ok(found)
}

/// The temporary that `path` is or lies in.
fn enclosing_temporary(path: &Path) -> Option<&Path> {
    path.ancestors().find(|ancestor| {
        ancestor.file_name().and_then(|name| name.to_str()).is_some_and(|name| parse_temporary_name(name).is_some())
    })
}
