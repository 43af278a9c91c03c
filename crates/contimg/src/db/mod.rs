//! `contimg db`: the products database.

mod args;
pub(crate) mod caltables;
pub(crate) mod import;
mod query;
mod table;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use orchestrator::Layout;
use products_db::{Check, Migration, Reader, Writer, migrate, migrate_into};
use serde_json::json;

pub(crate) use args::DbArgs;
use args::{BackupArgs, CheckArgs, DbCommand, InitArgs, MigrateArgs};

use crate::{
    failure::{Class, Failure},
    night,
    output::{errln, outln},
    progress,
};

/// The database of a folder.
const NAME: &str = "products.sqlite3";
/// The exit code of a check that found something.
const FOUND: u8 = 5;
/// Lines of one list that are printed for people.
const MOST: usize = 40;

pub(crate) fn run(args: &DbArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        DbCommand::Init(args) => init(args),
        DbCommand::Migrate(args) => migrated(args),
        DbCommand::Import(args) => import::run(args),
        DbCommand::Query(args) => query::run(args),
        DbCommand::Check(args) => check(args),
        DbCommand::Backup(args) => backup(args),
    }
}

/// The file that a person means: a folder is named, or will be, by what has no ending.
pub(crate) fn database(given: &Path) -> PathBuf {
    let is_folder = given.is_dir() || (given.extension().is_none() && given.symlink_metadata().is_err());
    if is_folder { given.join(NAME) } else { given.to_path_buf() }
}

/// The environment variable in which a job of a cluster finds its node's name.
const NODE: &str = orchestrator::NODE_VARIABLE;

/// Opens a database for look-ups. A job on a node of a cluster reads the copy that the run's own machine made for it, or else one of
/// its own: it must not touch the files that another machine may be writing.
pub(crate) fn reader(path: &Path) -> products_db::Result<Reader> {
    if !is_on_node() {
        return Reader::open(path);
    }
    let folder = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    let copy = folder.map(|folder| night::database_copy(&Layout::new(folder))).filter(|copy| copy.is_file());
    Reader::open_copy(path, copy.as_deref().unwrap_or(path))
}

/// Whether this is a job on a node of a cluster, where nothing writes a database.
pub(crate) fn is_on_node() -> bool {
    std::env::var_os(NODE).is_some()
}

/// Refuses to write on a node of a cluster.
pub(crate) fn may_write(path: &Path) -> Result<(), Failure> {
    let Some(node) = std::env::var_os(NODE) else { return Ok(()) };
    let message = format!("{}: not written on {}, a node of a cluster", path.display(), node.display());
    Err(Failure::new(Class::Usage, message).hint(
        "only the run's own machine writes a products database, and enters what stages made before those of the whole night; \
         leave --db out, or run this stage without --executor slurm",
    ))
}

/// Opens a database for writing, or makes it.
pub(crate) fn writer(path: &Path) -> Result<Writer, Failure> {
    may_write(path)?;
    Writer::open_or_create(path).map_err(|e| of_database(&e))
}

/// A failure with the crate's hint.
pub(crate) fn of_database(error: &products_db::Error) -> Failure {
    let class = match error {
        products_db::Error::Write { .. } | products_db::Error::Exists { .. } | products_db::Error::Busy { .. } => {
            Class::Output
        }
        _ => Class::Input,
    };
    let mut failure = Failure::of(class, error);
    failure.hint = error.hint().map(ToOwned::to_owned).or(failure.hint);
    failure
}

fn init(args: &InitArgs) -> Result<ExitCode, Failure> {
    let path = database(&args.database);
    let writer = Writer::create(&path).map_err(|e| {
        let failure = of_database(&e);
        if matches!(e, products_db::Error::Io { .. }) { Failure { class: Class::Output, ..failure } } else { failure }
    })?;
    match args.json {
        true => outln!("{:#}", json!({ "database": writer.path() })),
        false => outln!("made {}", writer.path().display()),
    }
    Ok(ExitCode::SUCCESS)
}

fn migrated(args: &MigrateArgs) -> Result<ExitCode, Failure> {
    let path = database(&args.database);
    let migration = match &args.into {
        Some(into) => migrate_into(&path, &database(into), &args.also),
        None => migrate(&path, &args.also),
    }
    .map_err(|e| of_database(&e))?;
    if args.json {
        outln!("{:#}", json!(migration));
        return Ok(ExitCode::SUCCESS);
    }
    tell(&migration);
    Ok(ExitCode::SUCCESS)
}

fn tell(migration: &Migration) {
    if migration.converted.is_empty() && migration.kept.is_empty() {
        outln!("nothing to do: the layout is {}", migration.from);
        return;
    }
    outln!("from the layout {}", migration.from);
    for table in &migration.converted {
        let older = match table.superseded {
            0 => String::new(),
            n => format!(", {n} of them older rows of the same product, now in {}_superseded", table.into),
        };
        outln!("{:>9} rows  {} -> {}{older}", table.rows, table.table, table.into);
    }
    for (table, rows) in &migration.kept {
        outln!("{rows:>9} rows  {table}, kept as it is");
    }
    if let Some(backup) = &migration.backup {
        outln!("as it was: {}", backup.display());
    }
}

fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let path = database(&args.database);
    let bar = progress::bar(0, "looking for files", args.quiet || args.json);
    let check = Check::run(&path, |n| bar.set_position(n)).map_err(|e| of_database(&e))?;
    bar.finish_and_clear();
    if args.json {
        outln!("{:#}", json!({ "database": path, "whole": check.is_whole(), "check": check }));
    } else {
        for (table, rows) in &check.rows {
            outln!("{rows:>9} rows  {table}");
        }
        outln!("layout {}; {} files named, {} of them not there", check.layout, check.paths, check.dangling.len());
        for dangling in check.dangling.iter().take(MOST) {
            outln!("  not there: {} ({}.{})", dangling.path, dangling.table, dangling.column);
        }
        if check.dangling.len() > MOST {
            outln!("  and {} more; --json lists all", check.dangling.len() - MOST);
        }
    }
    if !check.is_whole() {
        for line in check.integrity.iter().take(MOST) {
            errln!("damaged: {line}");
        }
        for (table, row, parent) in check.broken_references.iter().take(MOST) {
            errln!("damaged: row {row} of {table} refers to a row of {parent} that is not there");
        }
        let hint = "restore a backup, or make it anew (`contimg db init`) and import";
        return Err(Failure::new(Class::Input, format!("{}: the database is damaged", path.display())).hint(hint));
    }
    Ok(if check.dangling.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn backup(args: &BackupArgs) -> Result<ExitCode, Failure> {
    let reader = reader(&database(&args.database)).map_err(|e| of_database(&e))?;
    let bar = progress::bar(0, "copying pages", args.quiet || args.json);
    let result = products_db::backup(&reader, &args.to, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    result.map_err(|e| match of_database(&e) {
        failure if matches!(e, products_db::Error::Io { .. }) => Failure { class: Class::Output, ..failure },
        failure => failure,
    })?;
    let bytes = std::fs::metadata(&args.to).map_or(0, |m| m.len());
    match args.json {
        true => outln!("{:#}", json!({ "database": reader.path(), "backup": args.to, "bytes": bytes })),
        false => outln!("{} bytes in {}, checked", bytes, args.to.display()),
    }
    Ok(ExitCode::SUCCESS)
}
