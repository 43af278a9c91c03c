//! JSON files that carry the checksum of their own text, so that a torn or edited one is not believed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

const HEAD: &str = "{\"blake3\":\"";
const MIDDLE: &str = "\",\"manifest\":";
const TAIL: &str = "}\n";
/// A manifest of 100,000 files has some 20 MB; what is larger is not ours.
const MAX_BYTES: u64 = 256 << 20;

/// Writes `value` to `path` and forces it to disk.
///
/// The text is JSON: an object of the value (named `manifest`) and the BLAKE3 checksum of its bytes.
///
/// # Errors
///
/// When the file cannot be written or synced.
pub fn write_sealed<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let body =
        serde_json::to_string_pretty(value).map_err(|source| Error::io(path, "write the record", source.into()))?;
    let text = format!("{HEAD}{}{MIDDLE}{body}{TAIL}", blake3::hash(body.as_bytes()).to_hex());
    let failed = |source| Error::io(path, "write the record", source);
    let mut file = File::create(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(|source| Error::sync(path, source))
}

/// Reads what [`write_sealed`] wrote; `None` when there is no file.
///
/// # Errors
///
/// [`Error::BadManifest`] when it is torn, edited or not of this type.
pub fn read_sealed<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bad = |reason: &str| Error::BadManifest { path: path.to_owned(), reason: reason.to_owned() };
    let failed = |source| Error::io(path, "read the record", source);
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    if !metadata.is_file() {
        return Err(bad("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(bad("it is larger than 256 MiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("it is not UTF-8"))?;
    let body = text
        .strip_prefix(HEAD)
        .and_then(|rest| rest.split_at_checked(64))
        .and_then(|(hex, rest)| Some((hex, rest.strip_prefix(MIDDLE)?.strip_suffix(TAIL)?)))
        .and_then(|(hex, body)| (blake3::hash(body.as_bytes()).to_hex().as_str() == hex).then_some(body))
        .ok_or_else(|| bad("it is torn or was edited (its checksum does not hold)"))?;
    serde_json::from_str(body).map(Some).map_err(|error| bad(&format!("its content is not understood ({error})")))
}
