//! `--list`, `--save`, `--restore`, `--delete`: versions of a set's flags.

use std::process::ExitCode;

use jiff::Timestamp;
use ms_columns::FlagVersion;
use serde_json::json;

use super::FlagArgs;
use crate::{
    failure::{Class, Failure},
    opening::edit_options,
    output::outln,
};

/// Does what the arguments ask about versions; none where they do not.
pub(super) fn run(args: &FlagArgs) -> Result<Option<ExitCode>, Failure> {
    let of_columns = |error| Failure::of_columns(&error);
    let asks = args.list || args.save.is_some() || args.restore.is_some() || args.delete.is_some();
    if asks && args.dry_run {
        return Err(Failure::new(Class::Usage, "--dry-run is for flagging"));
    }
    let options = edit_options("flag", args.wait);
    if args.list {
        let versions = ms_columns::flag_versions(&args.set).map_err(of_columns)?;
        // The folder of a set that is none would be an empty list.
        casacore::Table::open(&args.set).map_err(|error| Failure::of(Class::Input, &error))?;
        list(args, &versions)?;
    } else if let Some(name) = &args.save {
        let version = ms_columns::save_flags(&args.set, name, &options).map_err(of_columns)?;
        tell(args, "saved", &version)?;
    } else if let Some(name) = &args.restore {
        let (version, _) = ms_columns::restore_flags(&args.set, name, &options).map_err(of_columns)?;
        tell(args, "restored", &version)?;
    } else if let Some(name) = &args.delete {
        ms_columns::delete_flags(&args.set, name, &options).map_err(of_columns)?;
        match args.json {
            true => outln!("{:#}", json!({ "deleted": name })),
            false => outln!("deleted {name}"),
        }
    } else {
        return Ok(None);
    }
    Ok(Some(ExitCode::SUCCESS))
}

fn list(args: &FlagArgs, versions: &[FlagVersion]) -> Result<(), Failure> {
    if args.json {
        let of = |error: serde_json::Error| Failure::of(Class::Output, &error);
        outln!("{:#}", json!({ "versions": serde_json::to_value(versions).map_err(of)? }));
        return Ok(());
    }
    if versions.is_empty() {
        outln!("{}: no flag versions", args.set.display());
        return Ok(());
    }
    let width = versions.iter().map(|version| version.name.len()).chain([4]).max().unwrap_or(4);
    outln!("{:width$}  {:20}  {:>14}  {:>8}  by", "name", "saved (UTC)", "flagged", "");
    for version in versions {
        let percent = 100.0 * version.flagged as f64 / version.values.max(1) as f64;
        outln!(
            "{:width$}  {:20}  {:>14}  {percent:>6.2} %  {}",
            version.name,
            date(version),
            version.flagged,
            version.by
        );
    }
    Ok(())
}

fn tell(args: &FlagArgs, done: &str, version: &FlagVersion) -> Result<(), Failure> {
    if args.json {
        let of = |error: serde_json::Error| Failure::of(Class::Output, &error);
        outln!("{:#}", json!({ done: serde_json::to_value(version).map_err(of)? }));
    } else {
        outln!("{done} {}: {} of {} flagged, of {}", version.name, version.flagged, version.values, date(version));
    }
    Ok(())
}

fn date(version: &FlagVersion) -> String {
    let second = i64::try_from(version.at_unix_s).ok().and_then(|second| Timestamp::from_second(second).ok());
    second.map_or_else(|| "-".to_owned(), |time| time.to_string())
}
