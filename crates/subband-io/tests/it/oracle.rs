//! Reference values that h5py and pyuvdata computed (`oracle.json` in the shared data), and where the files are.

use std::path::PathBuf;

use num_complex::Complex32;
use sha2::{Digest, Sha256};

/// The folder of real files; `None`, with a message, where it is absent.
pub(crate) fn data_dir() -> Option<PathBuf> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if dir.is_dir() {
        Some(dir)
    } else {
        eprintln!("skipped: {} is absent", dir.display());
        None
    }
}

/// The reference values.
pub(crate) fn oracle() -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(data_dir()?.join("oracle.json")).expect("the oracle is readable");
    Some(serde_json::from_str(&text).expect("the oracle is JSON"))
}

/// The sixteen subbands that the real writer's program wrote.
pub(crate) fn small16() -> Option<Vec<PathBuf>> {
    let dir = data_dir()?.join("dsa110-writer/small16");
    Some((0..16).map(|s| dir.join(format!("2026-01-25T00:05:19_sb{s:02}.hdf5"))).collect())
}

/// SHA-256 over little-endian bytes, as hexadecimal digits.
pub(crate) fn sha256(bytes: impl IntoIterator<Item = Vec<u8>>) -> String {
    let mut hash = Sha256::new();
    for b in bytes {
        hash.update(&b);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn complex_bytes(values: impl Iterator<Item = Complex32>) -> String {
    sha256(values.map(|v| [v.re.to_le_bytes(), v.im.to_le_bytes()].concat()))
}

pub(crate) fn f32_bytes(values: impl Iterator<Item = f32>) -> String {
    sha256(values.map(|v| v.to_le_bytes().to_vec()))
}

pub(crate) fn f64_bytes(values: impl Iterator<Item = f64>) -> String {
    sha256(values.map(|v| v.to_le_bytes().to_vec()))
}

pub(crate) fn bool_bytes(values: impl Iterator<Item = bool>) -> String {
    sha256(values.map(|v| vec![u8::from(v)]))
}

pub(crate) fn i64_bytes(values: impl Iterator<Item = i64>) -> String {
    sha256(values.map(|v| v.to_le_bytes().to_vec()))
}
