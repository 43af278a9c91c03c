//! `contimg __provenance`: where images come from, into their headers, before they are published.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::header::Cards;
use crate::failure::{Class, Failure};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ProvenanceArgs {
    /// The folder whose FITS files are told of; a run's stage builds it.
    pub folder: PathBuf,
    /// The name that it will have.
    #[arg(long = "as", value_name = "PATH")]
    pub product: Option<PathBuf>,
    /// The work folder: paths are told from there.
    #[arg(long, value_name = "DIR")]
    pub work: PathBuf,
    /// What the images are made from, such as calibration tables.
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    pub made_from: Vec<PathBuf>,
}

pub(crate) fn run(args: &ProvenanceArgs) -> Result<ExitCode, Failure> {
    let failed = |path: &Path, error: &std::io::Error| {
        Failure::io(Class::Output, format!("{}: cannot say in its header where it comes from", path.display()), error)
    };
    let lines = lines(args)?;
    let mut images = 0;
    for entry in fs::read_dir(&args.folder).map_err(|e| failed(&args.folder, &e))? {
        let path = entry.map_err(|e| failed(&args.folder, &e))?.path();
        if path.extension().is_some_and(|extension| extension == "fits") {
            let mut cards = Cards::read(&path).map_err(|e| failed(&path, &e))?;
            let mut history: Vec<String> = cards.history().iter().map(|text| told_from_work(text, args)).collect();
            history.extend(lines.iter().cloned());
            cards.set_history(&history);
            cards.replace(&path).map_err(|e| failed(&path, &e))?;
            images += 1;
        }
    }
    if images == 0 {
        return Err(Failure::new(Class::Input, format!("{}: there is no FITS file", args.folder.display())));
    }
    Ok(ExitCode::SUCCESS)
}

/// An imager's own history names the folder that it worked in, which is gone by then, and this machine's paths.
fn told_from_work(text: &str, args: &ProvenanceArgs) -> String {
    let mut text = text.to_owned();
    if let Some(product) = &args.product {
        text = text.replace(&args.folder.display().to_string(), &product.display().to_string());
    }
    text.replace(&format!("{}/", args.work.display()), "")
}

fn lines(args: &ProvenanceArgs) -> Result<Vec<String>, Failure> {
    let of_run = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let mut first = format!("contimg {}", env!("CARGO_PKG_VERSION"));
    for (what, name) in [("set", "CONTIMG_SET"), ("stage", "CONTIMG_STAGE"), ("settings", "CONTIMG_SETTINGS")] {
        if let Some(value) = of_run(name) {
            first += &format!(", {what} {value}");
        }
    }
    let mut lines = vec![first];
    // Where all is to be the same when it is made again, the run must not show.
    if let Some(run) = of_run("CONTIMG_RUN").filter(|_| env::var_os("SOURCE_DATE_EPOCH").is_none()) {
        lines.push(format!("contimg run {run}"));
    }
    for path in &args.made_from {
        let signature = orchestrator::of_path(path).map_err(|e| Failure::of(Class::Input, &e))?;
        let Some(signature) = signature else {
            return Err(Failure::new(Class::Input, format!("{} is not there", path.display()))
                .hint("the image is said to be made from it"));
        };
        let name = path.strip_prefix(&args.work).unwrap_or(path);
        lines.push(format!("made from {}: {signature}", name.display()));
    }
    Ok(lines)
}
