use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::owner::Owner;

/// What keeps a product from being published, read or cleaned up.
///
/// [`Error::hint`] says what to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something has the product's name already.
    #[error("{path}: exists already", path = path.display())]
    TargetExists {
        /// The product's path.
        path: PathBuf,
    },
    /// The target is to be replaced, but it bears no manifest (or is a symbolic link): it may be anything.
    #[error("{path}: not replaced, since it has no manifest and so may be anything", path = path.display())]
    TargetForeign {
        /// The product's path.
        path: PathBuf,
    },
    /// A path that cannot name a product.
    #[error("{path}: cannot be a product's name: {reason}", path = path.display())]
    InvalidName {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The folder that should hold the product does not exist.
    #[error("{path}: no such folder", path = path.display())]
    ParentMissing {
        /// The missing folder.
        path: PathBuf,
    },
    /// Nothing was built at [`Staged::path`](crate::Staged::path), or an empty directory.
    #[error("{path}: nothing was built to publish", path = path.display())]
    NothingBuilt {
        /// Where the product was expected.
        path: PathBuf,
    },
    /// The product contains something that is neither a file nor a directory, or a name that is not UTF-8.
    #[error("{path}: {what} cannot be part of a product", path = path.display())]
    UnsupportedEntry {
        /// The entry.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The disk, or the user's quota on it, is full.
    #[error("{path}: no space left to {action}", path = path.display())]
    NoSpace {
        /// What was written.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The file system is mounted read-only.
    #[error("{path}: cannot {action}, the file system is read-only", path = path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The user may not do this here.
    #[error("{path}: no permission to {action}", path = path.display())]
    Denied {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The temporary and the target turn out to be on different file systems (a mount point, an overlay).
    #[error("{path}: cannot be renamed into place from the temporary beside it", path = path.display())]
    CrossDevice {
        /// The product's path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The kernel could not force the product to disk. Its pages may be lost: build it again.
    #[error("{path}: could not be forced to disk", path = path.display())]
    Sync {
        /// What was synced.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The product is complete under its name, but the name itself could not be forced to disk.
    #[error("{path}: published, but its folder could not be forced to disk", path = path.display())]
    NameNotDurable {
        /// The product's path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A manifest that is torn, edited, or of a format that this version does not know.
    #[error("{path}: not a usable manifest: {reason}", path = path.display())]
    BadManifest {
        /// The manifest's path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `SOURCE_DATE_EPOCH`, the time that products bear, is not a number of seconds.
    #[error("SOURCE_DATE_EPOCH is {value:?}, not a number of seconds since 1970")]
    BadSourceDateEpoch {
        /// What it is.
        value: OsString,
    },
    /// [`verify`](crate::verify) found no product, or one without a manifest.
    #[error("{path}: {found}", path = path.display())]
    NotAProduct {
        /// The path as given.
        path: PathBuf,
        /// What is there instead.
        found: &'static str,
    },
    /// The product's files are not those of its manifest.
    #[error("{path}: differs from its manifest: {first}{more}", path = path.display(),
        first = differences.first().map(ToString::to_string).unwrap_or_default(),
        more = if differences.len() > 1 { format!(" and {} more", differences.len() - 1) } else { String::new() })]
    Differs {
        /// The product's path.
        path: PathBuf,
        /// Every difference, by path.
        differences: Vec<crate::Difference>,
    },
    /// A temporary whose owner is, or may be, alive is not removed.
    #[error("{path}: belongs to {owner}", path = path.display(),
        owner = owner.as_ref().map_or_else(|| "an owner that left no record".to_owned(), ToString::to_string))]
    OwnerMayLive {
        /// The temporary.
        path: PathBuf,
        /// Its owner, where the record is readable.
        owner: Option<Owner>,
    },
    /// Another process is changing the files of this directory.
    #[error("{path}: is being changed by {owner}", path = path.display(),
        owner = owner.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string))]
    EditInProgress {
        /// The directory.
        path: PathBuf,
        /// Who changes it, where the record is readable.
        owner: Option<Owner>,
    },
    /// A change was committed and could not be finished. Nothing is lost: [`recover`](crate::recover) finishes it.
    #[error("{path}: a change was committed and could not be finished", path = path.display())]
    EditUnfinished {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: Box<Error>,
    },
    /// Not a temporary of this crate; it is not touched.
    #[error("{path}: not a temporary of an earlier run", path = path.display())]
    NotALeftover {
        /// The path as given.
        path: PathBuf,
    },
    /// Any other failure of the operating system.
    #[error("{path}: cannot {action}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
}

impl Error {
    /// What a person can do about it, in one sentence.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TargetExists { .. } => "choose another name, remove it, or ask for it to be replaced",
            Self::TargetForeign { .. } => "look at what it is; move or remove it yourself, or choose another name",
            Self::InvalidName { .. } => "give the path of a new file or directory",
            Self::ParentMissing { .. } => "create the folder first",
            Self::NothingBuilt { .. } => "see why the step that builds the product ended without an error",
            Self::UnsupportedEntry { .. } => "products hold plain files and directories with UTF-8 names",
            Self::NoSpace { .. } => {
                "free some space (see `contimg clean`) or write to another disk; nothing was published"
            }
            Self::ReadOnly { .. } => "write to another folder, or mount this one read-write",
            Self::Denied { .. } => "check the owner and mode of the folder, or write elsewhere",
            Self::CrossDevice { .. } => "choose a target inside one plain folder, not a mount point",
            Self::Sync { .. } => "check the disk (kernel log) and run again; nothing was published",
            Self::NameNotDurable { .. } => "the product can be used; check the disk (kernel log)",
            Self::BadManifest { .. } => "make the product again; a newer version of the program may have written it",
            Self::BadSourceDateEpoch { .. } => "unset it, or set it to whole seconds, such as `date +%s` prints",
            Self::NotAProduct { .. } => "check the path",
            Self::Differs { .. } => "another program changed it, or it was copied incompletely; make or copy it again",
            Self::OwnerMayLive { .. } => "wait for that run to end, or clean up on the host that it ran on",
            Self::EditInProgress { .. } => "wait for that run to end, or clean up on the host that it ran on",
            Self::EditUnfinished { .. } => "remove the cause and run the command again: it finishes the change first",
            Self::NotALeftover { .. } => "only `.NAME.tmp-<run>-<pid>` directories of earlier runs are removed",
            Self::Io { .. } => "see the cause",
        }
    }

    /// Sorts an error of the operating system into the variants that a caller can act on.
    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path, action, source },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, action, source },
            io::ErrorKind::PermissionDenied => Self::Denied { path, action, source },
            io::ErrorKind::CrossesDevices => Self::CrossDevice { path, source },
            _ => Self::Io { path, action, source },
        }
    }

    /// The same for the error of a sync: a full disk is still a full disk.
    pub(crate) fn sync(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { path, action: "force it to disk", source }
            }
            _ => Self::Sync { path, source },
        }
    }
}
