//! Whether a night on the cluster is as an undisturbed one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::names;

/// What a night left.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sets: usize,
    pub(super) sums: usize,
    /// Files that are equal by their checksums.
    pub(super) equal: usize,
    /// How often the last stage ran.
    pub(super) ran: usize,
    pub(super) wrong: Vec<String>,
}

/// Jobs of the last stage that a node has begun.
pub(super) fn summing_on(work: &Path, node: &str) -> usize {
    let waves = work.join(".night/slurm/waves");
    let read = |path: &Path| -> Option<Value> { serde_json::from_slice(&fs::read(path).ok()?).ok() };
    let mut count = 0;
    for wave in names(&waves) {
        for name in names(&waves.join(&wave)) {
            let Some(task) = name.strip_suffix(".claim.json") else { continue };
            let claim = read(&waves.join(&wave).join(&name));
            let job = read(&waves.join(&wave).join(format!("{task}.json")));
            count += usize::from(
                claim.is_some_and(|claim| claim["node"] == node) && job.is_some_and(|job| job["stage"] == "sum"),
            );
        }
    }
    count
}

/// Compares the products of the night in `work` with those in `reference`, by the checksums of their manifests, after the
/// program itself has verified both.
pub(super) fn judge(work: &Path, reference: &Path, program: &Path) -> Found {
    let mut found = Found {
        sets: names(&work.join("ms")).len(),
        sums: names(&work.join("sums")).len(),
        ran: fs::read_to_string(work.join("ran")).map_or(0, |text| text.lines().count()),
        ..Found::default()
    };
    for folder in ["ms", "sums", "census"] {
        let (here, there) = (names(&work.join(folder)), names(&reference.join(folder)));
        if here != there {
            // What killed jobs left would be here, under hidden names.
            found.wrong.push(format!("{folder} holds {here:?} instead of {there:?}"));
        }
        for name in there {
            compare(&work.join(folder).join(&name), &reference.join(folder).join(&name), &mut found);
        }
    }
    for left in ["sets", "waves"] {
        let names = names(&work.join(".night/slurm").join(left));
        if !names.is_empty() {
            found.wrong.push(format!(".night/slurm/{left} still holds {names:?}"));
        }
    }
    let verified = Command::new(program).arg("verify").arg("--work").arg(work).stdout(Stdio::null()).status();
    if !verified.is_ok_and(|status| status.success()) {
        found.wrong.push("contimg verify does not find every product good".to_owned());
    }
    found
}

fn compare(here: &Path, there: &Path, found: &mut Found) {
    let (here_files, there_files) = (manifest(here), manifest(there));
    if there_files.is_empty() {
        found.wrong.push(format!("{} has no manifest", there.display()));
    }
    for (file, there_sum) in there_files {
        match here_files.get(&file) {
            Some(sum) if *sum == there_sum => found.equal += 1,
            Some(_) => found.wrong.push(format!("{}: {file} is another", here.display())),
            None => found.wrong.push(format!("{}: {file} is missing", here.display())),
        }
    }
}

/// Each file's size and checksum, but for the record of who changed which column when.
fn manifest(product: &Path) -> BTreeMap<String, String> {
    let text = fs::read(product.join(".product.json")).unwrap_or_default();
    let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
    let files = manifest["manifest"]["files"].as_array().cloned().unwrap_or_default();
    files
        .into_iter()
        .map(|mut file| {
            let path = file["path"].as_str().unwrap_or_default().to_owned();
            if let Some(fields) = file.as_object_mut() {
                fields.remove("path");
            }
            (path, file.to_string())
        })
        .filter(|(path, _)| path != ".columns.json")
        .collect()
}
