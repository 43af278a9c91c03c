//! `contimg db query`.

use std::{fmt::Write, process::ExitCode};

use products_db::{
    ByPath, ByPosition, ByTime, CalTable, Group, Image, JobFilter, Mosaic, MsRow, Near, QualityRecord, Reader, Record,
    SkySource, SourceQuery, SubbandFile, TimeRange,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    args::{QueryArgs, What},
    database, of_database, table,
};
use crate::{
    failure::{Class, Failure},
    output::{errln, outln},
};

type Rows = products_db::Result<Vec<Value>>;

pub(super) fn run(args: &QueryArgs) -> Result<ExitCode, Failure> {
    let reader = super::reader(&database(&args.database)).map_err(|e| of_database(&e))?;
    let rows = match args.what {
        What::Subbands => by_path_or_time::<SubbandFile>(&reader, args)?,
        What::Tables => tables(&reader, args)?,
        What::Sets => by_anything::<MsRow>(&reader, args)?,
        What::Images => images(&reader, args)?,
        What::Mosaics => by_anything::<Mosaic>(&reader, args)?,
        What::Groups => groups(&reader, args)?,
        What::Sources => sources(&reader, args)?,
        What::Quality => plain::<QualityRecord>(&reader, args)?,
        What::Jobs => jobs(&reader, args)?,
    };
    let rows = rows.map_err(|e| of_database(&e))?;
    let missing = rows.iter().filter(|row| row.is_null()).count();
    if args.json {
        outln!("{:#}", json!({ "rows": rows, "missing": missing, "queries": reader.queries() }));
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<String> = args.keys.iter().map(|key| key.display().to_string()).collect();
    if rows.is_empty() {
        errln!("note: nothing was found");
    } else if let Some(lines) = table::lines(args.what, &rows, &names) {
        lines.iter().for_each(|line| outln!("{line}"));
    } else {
        for (i, row) in rows.iter().enumerate() {
            match names.get(i).filter(|_| row.is_null()) {
                Some(name) => outln!("-  {name}"),
                None => outln!("{}", line(row)),
            }
        }
    }
    if missing > 0 {
        errln!("note: the database does not know {missing} of {}", rows.len());
    }
    if args.keys.is_empty() && rows.len() >= args.limit {
        errln!("note: there may be more than these {}; --limit says how many are shown", rows.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// The row's name, then its other columns that have values.
fn line(row: &Value) -> String {
    const NAMES: [&str; 4] = ["path", "group_id", "subject", "name"];
    let show = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let named = NAMES.into_iter().find(|name| !row[*name].is_null());
    let mut text = named.map_or_else(String::new, |name| show(&row[name]));
    for (name, value) in row.as_object().into_iter().flatten() {
        if !value.is_null() && Some(name.as_str()) != named {
            // Writing to a string does not fail.
            let _ = write!(text, "  {name}={}", show(value));
        }
    }
    text
}

fn values<R: Serialize>(rows: impl IntoIterator<Item = R>, limit: usize) -> Vec<Value> {
    rows.into_iter().take(limit).map(|row| json!(row)).collect()
}

fn near_values<R: Serialize>(found: Vec<Vec<Near<R>>>, limit: usize) -> Vec<Value> {
    let row = |near: Near<R>| {
        let mut value = json!(near.row);
        value["distance_deg"] = near.distance_deg.into();
        value
    };
    found.into_iter().flatten().take(limit).map(row).collect()
}

fn range(args: &QueryArgs) -> Option<TimeRange> {
    // Times from the beginning of the modified Julian date to long after any telescope's.
    let ends = (args.from.unwrap_or(0.0), args.to.unwrap_or(1e7));
    (args.from.is_some() || args.to.is_some()).then_some(TimeRange { from_mjd: ends.0, to_mjd: ends.1 })
}

fn refuse(args: &QueryArgs, what: &str) -> Failure {
    let name = format!("{:?}", args.what).to_lowercase();
    Failure::new(Class::Usage, format!("{name} cannot be looked up by {what}"))
        .hint("see `contimg db query --help` for what there is")
}

fn all<R: Record + Serialize>(reader: &Reader, args: &QueryArgs) -> Rows {
    let mut rows = Vec::new();
    if args.limit > 0 {
        reader.each::<R>(|row| {
            rows.push(json!(row));
            Ok(rows.len() < args.limit)
        })?;
    }
    Ok(rows)
}

fn plain<R: Record + Serialize>(reader: &Reader, args: &QueryArgs) -> Result<Rows, Failure> {
    if !args.keys.is_empty() || args.near.is_some() || range(args).is_some() || args.at.is_some() {
        return Err(refuse(args, "path, position or time"));
    }
    Ok(all::<R>(reader, args))
}

fn by_path_or_time<R: ByPath + ByTime + Serialize>(reader: &Reader, args: &QueryArgs) -> Result<Rows, Failure> {
    if args.near.is_some() || args.at.is_some() {
        return Err(refuse(args, "position"));
    }
    Ok(match range(args) {
        _ if !args.keys.is_empty() => reader.by_path::<R>(&args.keys).map(|rows| values(rows, usize::MAX)),
        Some(range) => reader.by_time::<R>(&[range]).map(|rows| values(rows.into_iter().flatten(), args.limit)),
        None => all::<R>(reader, args),
    })
}

fn by_anything<R: ByPath + ByTime + ByPosition + Serialize>(
    reader: &Reader,
    args: &QueryArgs,
) -> Result<Rows, Failure> {
    match args.near {
        Some(cone) => Ok(reader.near::<R>(&[cone]).map(|found| near_values(found, args.limit))),
        None => by_path_or_time::<R>(reader, args),
    }
}

fn images(reader: &Reader, args: &QueryArgs) -> Result<Rows, Failure> {
    match range(args).filter(|_| args.keys.is_empty()) {
        Some(range) => Ok(reader.images_by_time(&[range]).map(|rows| values(rows.into_iter().flatten(), args.limit))),
        None => by_anything::<Image>(reader, args),
    }
}

fn tables(reader: &Reader, args: &QueryArgs) -> Result<Rows, Failure> {
    match args.at {
        Some(time) => Ok(reader
            .calibration_at(&[time])
            .map(|sets| values(sets.into_iter().flatten().flat_map(|set| set.tables), args.limit))),
        None => by_path_or_time::<CalTable>(reader, args),
    }
}

fn groups(reader: &Reader, args: &QueryArgs) -> Result<Rows, Failure> {
    if args.near.is_some() || args.at.is_some() {
        return Err(refuse(args, "position"));
    }
    let names: Vec<String> = args.keys.iter().map(|key| key.to_string_lossy().into_owned()).collect();
    Ok(match range(args) {
        _ if !names.is_empty() => reader.groups(&names).map(|rows| values(rows, usize::MAX)),
        Some(range) => reader.by_time::<Group>(&[range]).map(|rows| values(rows.into_iter().flatten(), args.limit)),
        None => all::<Group>(reader, args),
    })
}

fn sources(reader: &Reader, args: &QueryArgs) -> Result<Rows, Failure> {
    match args.near {
        Some(cone) => {
            let which = SourceQuery { catalogue: args.catalogue.clone(), min_flux_jy: args.min_flux };
            Ok(reader.sources(&[cone], &which).map(|found| near_values(found, args.limit)))
        }
        None => plain::<SkySource>(reader, args),
    }
}

fn jobs(reader: &Reader, args: &QueryArgs) -> Result<Rows, Failure> {
    if args.near.is_some() || range(args).is_some() || args.at.is_some() {
        return Err(refuse(args, "position or time"));
    }
    let subjects = args.keys.iter().map(|key| key.to_string_lossy().into_owned()).collect();
    let filter = JobFilter { subjects, ..JobFilter::default() };
    Ok(reader.jobs(&filter).map(|jobs| values(jobs, args.limit)))
}
