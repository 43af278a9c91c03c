//! Sets of which something was removed to make room: remembered, so that no run makes it again by itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use publish::Owner;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layout::Layout;
use crate::lock::{Asked, SetLock};
use crate::record::write_state;
use crate::slurm::Files;

/// What was removed of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Its products, relative to the work folder.
    pub products: Vec<PathBuf>,
    /// Disk that they took, bytes.
    pub bytes: u64,
    /// When, seconds since 1970-01-01 UTC.
    pub at_unix_s: u64,
}

/// Removes products of a set that is done and remembers it as retired: stages that it went through count as up to date from
/// now on, so its other products keep their place in the night. `false` when somebody works on it now.
///
/// A product leaves its name whole, and is removed then. What a crash leaves of that is removed by [`finish_retiring`].
///
/// # Errors
///
/// When it cannot be remembered, or a product not be removed.
pub fn retire(layout: &Layout, set: &str, retired: &Retired) -> Result<bool, Error> {
    let me = Owner::current()?;
    let Asked::Held(_lock) = SetLock::ask(&layout.lock(set), &me)? else { return Ok(false) };
    // A job of a cluster goes on when its run has died.
    if Files::new(layout).lease(set)?.is_some() {
        return Ok(false);
    }
    let mark = layout.retired(set);
    let text = serde_json::to_vec(retired).map_err(|source| Error::State { path: mark.clone(), source })?;
    write_state(&mark, &text)?;
    for product in &retired.products {
        let path = layout.work().join(product);
        let going = going(&path);
        remove(&going)?;
        match fs::rename(&path, &going) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(path, "take away the product", error));
            }
            _ => remove(&going)?,
        }
    }
    Ok(true)
}

/// Removes what a crash left of products that were on their way out, unless somebody works on their sets.
///
/// # Errors
///
/// When the marks cannot be listed, or something cannot be removed.
pub fn finish_retiring(layout: &Layout) -> Result<(), Error> {
    let me = Owner::current()?;
    for set in retired(layout)? {
        // A mark that a power cut spoilt names nothing.
        let mark = fs::read(layout.retired(&set)).ok().and_then(|text| serde_json::from_slice::<Retired>(&text).ok());
        let products = mark.into_iter().flat_map(|mark| mark.products);
        let left: Vec<PathBuf> = products
            .map(|product| going(&layout.work().join(product)))
            .filter(|going| fs::symlink_metadata(going).is_ok())
            .collect();
        if left.is_empty() {
            continue;
        }
        let Asked::Held(_lock) = SetLock::ask(&layout.lock(&set), &me)? else { continue };
        left.iter().try_for_each(|going| remove(going))?;
    }
    Ok(())
}

/// The name that a product has on its way out: beside its own, since the folder may be on another disk than the rest.
fn going(product: &Path) -> PathBuf {
    let name = product.file_name().unwrap_or_default().to_string_lossy();
    product.with_file_name(format!(".{name}{GOING}"))
}

const GOING: &str = ".going";

/// Whether a name is one that [`retire`] gives to what it removes.
#[must_use]
pub fn is_retiring(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(GOING)
}

/// Lets runs make a set's products again. `false` when it was not retired.
///
/// # Errors
///
/// When the mark cannot be removed.
pub fn recall(layout: &Layout, set: &str) -> Result<bool, Error> {
    let mark = layout.retired(set);
    match fs::remove_file(&mark) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::io(mark, "recall the set", source)),
    }
}

/// The sets that are retired.
///
/// # Errors
///
/// When the folder of marks cannot be listed.
pub fn retired(layout: &Layout) -> Result<BTreeSet<String>, Error> {
    let mark = layout.retired("x");
    let folder = mark.parent().expect("because marks lie in a folder");
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
            .collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(source) => Err(Error::io(folder, "list the retired sets", source)),
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(path, "remove what is not kept", error))
        }
        _ => Ok(()),
    }
}
