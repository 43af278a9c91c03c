//! `contimg verify`: every product of a night against its manifest.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use orchestrator::{Layout, Record, Resource, State, read_all};
use publish::{Level, Status};
use rayon::prelude::*;
use serde_json::json;

use super::{WorkArgs, of};
use crate::{
    convert::of_publish,
    failure::{Class, Failure},
    output::outln,
    size::Bytes,
};

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  contimg verify --work /data/night  # sizes and checksums of products
  contimg verify --work /data/night --sizes  # names and sizes only
  contimg verify --work /mnt/moved/night --json

Exit codes: 0 every product is as it was published, 1 one is damaged, unfinished or
missing.")]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub work: WorkArgs,
    /// Names and sizes only.
    #[arg(long)]
    pub sizes: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// What was found under one name.
struct Found {
    path: PathBuf,
    bytes: u64,
    state: &'static str,
    differences: Vec<String>,
}

pub(crate) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let layout = args.work.layout()?;
    let mut names = Vec::new();
    products(layout.work(), 3, &mut names)
        .map_err(|e| Failure::io(Class::Input, format!("cannot list {}", layout.work().display()), &e))?;
    names.sort();
    let level = if args.sizes { Level::Sizes } else { Level::Checksums };
    let mut found: Vec<Found> = names
        .into_par_iter()
        .map(|path| look(&path, level))
        .collect::<Result<_, publish::Error>>()
        .map_err(|e| of_publish(&e))?;
    let records = read_all(&layout).map_err(|e| of(&e))?;
    found.extend(lost(&layout, &found, &records)?);
    let bad = found.iter().filter(|product| !product.differences.is_empty()).count();
    if args.json {
        let list: Vec<_> = found
            .iter()
            .map(|product| {
                let path = product.path.strip_prefix(layout.work()).unwrap_or(&product.path);
                json!({ "path": path, "bytes": product.bytes, "state": product.state, "differences": product.differences,
                    "remedy": remedy(&layout, product, &records) })
            })
            .collect();
        outln!("{:#}", json!({ "products": list, "bad": bad }));
    } else {
        for product in &found {
            let path = product.path.strip_prefix(layout.work()).unwrap_or(&product.path).display();
            outln!("{:>10}  {path}: {}", Bytes(product.bytes), product.state);
            for difference in &product.differences {
                outln!("            {difference}");
            }
            if let Some(remedy) = remedy(&layout, product, &records) {
                outln!("            {remedy}");
            }
        }
        outln!("{} products, {bad} bad", found.len());
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(Class::Input.exit_code()) })
}

/// What brings a bad product back, where a stage made it.
fn remedy(layout: &Layout, product: &Found, records: &[Record]) -> Option<String> {
    if product.differences.is_empty() {
        return None;
    }
    let is_it = |key: &String| layout.work().join(Resource::parse(key).path()) == product.path;
    // The first: those after it change what it made, and follow by themselves.
    let makers = records.iter().filter(|record| record.outputs.keys().any(is_it));
    let maker = makers.min_by(|a, b| started(a).total_cmp(&started(b)))?;
    let work = layout.work().display();
    Some(match product.state {
        "missing" => format!("`contimg run --work {work}` makes it again"),
        _ => format!("`contimg retry {} --stage {} --work {work}` makes it again", maker.set, maker.stage),
    })
}

fn started(record: &Record) -> f64 {
    record.attempts.last().map_or(f64::INFINITY, |attempt| attempt.started_unix_s)
}

/// What stages made and is not there any more, though nobody retired it.
fn lost(layout: &Layout, found: &[Found], records: &[Record]) -> Result<Vec<Found>, Failure> {
    let retired = orchestrator::retired(layout).map_err(|e| of(&e))?;
    let mut lost = BTreeSet::new();
    for record in records {
        if record.state != State::Done || retired.contains(&record.set) {
            continue;
        }
        let products = record.outputs.keys().map(|key| layout.work().join(Resource::parse(key).path()));
        lost.extend(products.filter(|path| !path.exists()));
    }
    lost.retain(|path| found.iter().all(|product| product.path != *path));
    let missing = |path| Found { path, bytes: 0, state: "missing", differences: vec!["a stage made it".to_owned()] };
    Ok(lost.into_iter().map(missing).collect())
}

/// Folders that bear a manifest, files with one beside them, and what is unfinished, down to `depth`.
pub(super) fn products(folder: &Path, depth: u32, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        // A folder of products may be a link to another disk.
        if !fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            // `.NAME.product.json` is that of the file NAME.
            let text = name.to_string_lossy();
            if let Some(file) = text.strip_suffix(publish::MANIFEST_NAME).and_then(|name| name.strip_prefix('.')) {
                found.push(folder.join(file));
            }
            continue;
        }
        if name == ".night" || orchestrator::is_retiring(&name.to_string_lossy()) {
            continue;
        }
        if path.join(publish::MANIFEST_NAME).is_file() || name.to_string_lossy().contains(".tmp-") {
            found.push(path);
        } else if depth > 1 {
            products(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

fn look(path: &Path, level: Level) -> Result<Found, publish::Error> {
    let described = |state, bytes, differences| Ok(Found { path: path.to_owned(), bytes, state, differences });
    match publish::inspect(path)? {
        Status::Complete(manifest) => match publish::verify(path, level) {
            Ok(_) => described("as published", manifest.bytes(), Vec::new()),
            Err(error) => described("changed", manifest.bytes(), vec![crate::survey::chain(&error)]),
        },
        Status::Changed { manifest, differences } => {
            described("changed since", manifest.bytes(), differences.iter().map(ToString::to_string).collect())
        }
        Status::Damaged { differences } => {
            described("damaged", 0, differences.iter().map(ToString::to_string).collect())
        }
        Status::Temporary { .. } => {
            described("unfinished", 0, vec!["a run makes it, or died; `contimg clean` tells".to_owned()])
        }
        Status::Unfinished => described(
            "unfinished",
            0,
            vec![
                "a change of its columns was decided and not finished; the next command that opens it does".to_owned(),
            ],
        ),
        Status::Absent => described("missing", 0, vec!["only its manifest is there".to_owned()]),
        _ => described("foreign", 0, Vec::new()),
    }
}
