//! Where things are remembered between runs.

use std::path::{Path, PathBuf};

/// The folder of on-disk caches: `chosen`, else the user's (`$XDG_CACHE_HOME/contimg` or `~/.cache/contimg`). Made when
/// absent. `None` when there is no such place; the reason when it cannot be made.
pub(crate) fn folder(chosen: Option<&Path>) -> Result<Option<PathBuf>, String> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let users = || std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or_else(home);
    let Some(folder) = chosen.map(Path::to_path_buf).or_else(|| Some(users()?.join("contimg"))) else {
        return Ok(None);
    };
    match std::fs::create_dir_all(&folder) {
        Ok(()) => Ok(Some(folder)),
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}
