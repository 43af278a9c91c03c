//! `contimg report`: everything that is known of a night, on one page that needs nothing else, and as JSON.

mod flags;
mod history;
mod images;
mod night;
mod page;
mod trace;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use publish::{ManifestDraft, Overwrite, StageOptions, Staged};

use super::{WorkArgs, journal};
use crate::{
    convert::of_publish,
    failure::{Class, Failure},
    isolate::LimitArgs,
    output::outln,
};

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  contimg report --work /data/night  # its report.html and report.json
  contimg report --work /data/night --out /www/night.html  # and /www/night.json
  contimg report --work /data/night --json | jq '.failures'
  contimg report --work /data/night --trace trace.json  # what ran when

It can be made at any time, also while the night goes on; `contimg run` makes it at its end. The page shows what \
    ran when, memory against the budget, flags by antenna and channel, images, tiles on the sky, and failures with \
    their remedies. It loads nothing from anywhere. https://ui.perfetto.dev shows traces.")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub work: WorkArgs,
    /// The page; its JSON twin lies beside it [default: report.html in the work folder].
    #[arg(long, short, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// Print the JSON document instead, and write no file unless --out names one.
    #[arg(long)]
    pub json: bool,
    /// Write what ran when, and its memory, as Chrome's trace events, and nothing else unless --out or --json asks for it.
    #[arg(long, value_name = "FILE.json")]
    pub trace: Option<PathBuf>,
    /// Count and measure everything again and remember nothing.
    #[arg(long)]
    pub no_cache: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

pub(crate) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let layout = args.work.layout()?;
    if let Some(path) = &args.trace {
        let text = trace::document(&history::runs(&journal::read(&layout)?)).to_string();
        commit(staged(path, text.as_bytes())?)?;
        if args.out.is_none() && !args.json {
            outln!("{}", path.display());
            return Ok(ExitCode::SUCCESS);
        }
    }
    let night = night::Night::of(&layout, args.no_cache)?;
    let document = night.document()?;
    let out = match (&args.out, args.json) {
        (Some(out), _) => Some(out.clone()),
        (None, false) => Some(layout.work().join("report.html")),
        (None, true) => None,
    };
    if let Some(out) = &out {
        let twin = out.with_extension("json");
        if twin == *out {
            return Err(Failure::new(Class::Usage, format!("--out {}: the page cannot end in .json", out.display()))
                .hint("its JSON twin has that name; write --out night.html"));
        }
        // Both are ready before one is there, and the twin comes first: whoever sees the page finds what belongs to it.
        let twin_staged = staged(&twin, format!("{document:#}\n").as_bytes())?;
        let page_staged = staged(out, page::page(&night).to_html().as_bytes())?;
        commit(twin_staged)?;
        commit(page_staged)?;
        if !args.json {
            outln!("{} and {}", out.display(), twin.display());
        }
    }
    if args.json {
        outln!("{document:#}");
    }
    Ok(ExitCode::SUCCESS)
}

fn commit(staged: Staged) -> Result<(), Failure> {
    let draft = ManifestDraft::new("night-report", "contimg", env!("CARGO_PKG_VERSION"));
    staged.commit(draft).map(|_| ()).map_err(|e| of_publish(&e))
}

/// A file with this content, which is going to have the name `path`.
fn staged(path: &Path, content: &[u8]) -> Result<Staged, Failure> {
    let options = StageOptions { overwrite: Overwrite::Replace, ..StageOptions::default() };
    let staged = Staged::create(path, &options).map_err(|e| of_publish(&e))?;
    fs::write(staged.path(), content)
        .map_err(|e| Failure::io(Class::Output, format!("cannot write {}", path.display()), &e))?;
    Ok(staged)
}
